"""Requests that are broken or meant to harm, and what a server may do about each.

A case is bytes on a connection and the statuses that may come back; ``None`` among them: nothing
may come, only the end of the connection. Whatever it is, the next good request must be answered.
"""

import asyncio
import dataclasses
import gzip
import itertools
import json
import pathlib
import ssl
from collections.abc import Iterator
from typing import Any, Final

DATA: Final = pathlib.Path(__file__).parents[1] / "data"
RUN: Final = (DATA / "admission/pass/v1alpha1-workflow-without-steps-gets-one.json").read_bytes()
GOOD: Final = {
    "/validate": RUN,
    "/mutate": RUN,
    "/convert": (DATA / "conversion/pass/up-everything-has-a-place.json").read_bytes(),
}
PATHS: Final = (*GOOD,)
READ_SECONDS: Final = 10.0
MIB: Final = 1024 * 1024


@dataclasses.dataclass(frozen=True)
class Case:
    """One connection's worth of harm.

    Attributes:
        data: What is sent.
        statuses: Of the first answer; None if the connection may just end.
        ends: Whether the client half-closes after it.
        vanishes: Whether the client is gone at once.
    """

    name: str
    data: bytes
    statuses: frozenset[int | None]
    ends: bool = False
    vanishes: bool = False


def request(path: str, body: bytes, *headers: str, method: str = "POST") -> bytes:
    """A request with a length."""
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: x",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def chunked(path: str, chunks: bytes) -> bytes:
    """A request in chunks as they are."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        "Transfer-Encoding: chunked\r\n\r\n"
    )
    return head.encode() + chunks


BAD: Final = frozenset({400})
CLOSED: Final = frozenset({400, None})
REFUSED: Final = frozenset({400, 404, 405, 408, 411, 413, 414, 415, 417, 431, 501, 505, None})
ANSWERED: Final = frozenset({200, 400})


def corpus() -> list[Case]:
    """All cases."""
    return [
        *_heads(),
        *_lengths(),
        *_chunks(),
        *_ways_to_leave(),
        *_bodies(),
        *_reviews(),
    ]


def _heads() -> Iterator[Case]:
    body = GOOD["/validate"]
    lines = {
        "empty line": b"\r\n\r\n",
        "nonsense": b"NONSENSE\r\n\r\n",
        "only newlines": b"\n" * 1000,
        "zeros": b"\x00" * 100,
        "tls in tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 100,
        "http2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "http 0.9": b"GET /\r\n\r\n",
        "http 9.9": b"POST /validate HTTP/9.9\r\nHost: x\r\n\r\n",
        "no path": b"POST  HTTP/1.1\r\nHost: x\r\n\r\n",
        "no version": b"POST /validate\r\nHost: x\r\n\r\n",
        "space before colon": b"POST /validate HTTP/1.1\r\nHost : x\r\n\r\n",
        "header without colon": b"POST /validate HTTP/1.1\r\nHost\r\n\r\n",
        "folded header": b"POST /validate HTTP/1.1\r\nHost: x\r\n y\r\n\r\n",
        "zero in a header": b"POST /validate HTTP/1.1\r\nHost: x\x00y\r\n\r\n",
        "bare carriage return": b"POST /validate HTTP/1.1\rHost: x\r\r",
        "long method": b"A" * 10_000 + b" / HTTP/1.1\r\n\r\n",
        "long path": b"POST /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        "long header": b"POST /validate HTTP/1.1\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
        "many headers": b"POST /validate HTTP/1.1\r\n" + b"X: y\r\n" * 50_000 + b"\r\n",
    }
    for name, data in lines.items():
        yield Case(f"head: {name}", data, REFUSED, ends=True)
    for method in ("GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "CONNECT", "FOO"):
        yield Case(f"method: {method}", request("/validate", body, method=method), REFUSED)
    for path in (
        *("/", "/nothing", "/validate/", "/validate/../mutate", "//validate"),
        *("/validate%00", "*", "http://other/nothing", "/VALIDATE", "/metrics", "/livez"),
    ):
        yield Case(f"path: {path}", request(path, body), REFUSED)
    for header in (
        *("Content-Type: text/plain", "Content-Encoding: gzip", "Content-Encoding: br"),
        *("Content-Encoding: deflate, gzip", "Expect: something"),
    ):
        data = request("/validate", body).replace(
            b"Content-Type: application/json", header.encode()
        )
        yield Case(f"header: {header}", data, REFUSED)
    for number, header in enumerate(("Upgrade: h2c", "Upgrade: websocket")):
        data = request("/validate", body, header, "Connection: Upgrade")
        yield Case(f"upgrade: {number}", data, REFUSED | {200})
    bomb = gzip.compress(b"0" * (20 * MIB))
    yield Case("gzip bomb", request("/convert", bomb, "Content-Encoding: gzip"), frozenset({415}))


def _lengths() -> Iterator[Case]:
    for path, length in itertools.product(
        PATHS, ("-1", "+5", "5 5", "0x10", "1e3", "9" * 30, "9" * 5000, "", " ", "5,5", "٣")
    ):
        data = (
            f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            f"Content-Length: {length}\r\n\r\n"
        ).encode()
        yield Case(f"length: {path} {len(length)} {length[:10]!r}", data, REFUSED, ends=True)
    both = request("/validate", b"0\r\n\r\n", "Transfer-Encoding: chunked")
    yield Case("length and chunks", both, REFUSED | {200}, ends=True)
    twice = request("/validate", GOOD["/validate"], "Content-Length: 5")
    yield Case("two lengths", twice, REFUSED, ends=True)
    for path in PATHS:
        data = (
            f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            f"Content-Length: {300 * MIB}\r\n\r\n"
        ).encode()
        yield Case(f"300 MB: {path}", data, frozenset({413}))


def _chunks() -> Iterator[Case]:
    body = GOOD["/validate"]
    size = f"{len(body):x}\r\n".encode()
    chunks = {
        "size that is none": b"zz\r\n",
        "negative size": b"-5\r\n",
        "huge size": b"f" * 30 + b"\r\n",
        "size without end": b"5",
        "too little data": b"5\r\nab\r\n0\r\n\r\n",
        "no line after data": size + body + b"0\r\n\r\n",
        "long extension": b"5;" + b"a" * 100_000 + b"\r\n",
        "bare newline": b"5\nabcde\n0\n\n",
        "larger than the limit": b"800000\r\n" + b" " * 0x800000 + b"\r\n0\r\n\r\n",
        "long trailer": b"0\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    }
    for name, data in chunks.items():
        statuses = REFUSED if name != "long trailer" else REFUSED | {400, 431}
        yield Case(f"chunks: {name}", chunked("/validate", data), statuses, ends=True)
    single = b"".join(b"1\r\n%c\r\n" % one for one in body) + b"0\r\n\r\n"
    yield Case("chunks: one byte each", chunked("/validate", single), frozenset({200}))


def _ways_to_leave() -> Iterator[Case]:
    for path in PATHS:
        whole = request(path, GOOD[path])
        for at in (1, 20, len(whole) // 2, len(whole) - 1):
            yield Case(f"vanishes: {path} {at}", whole[:at], frozenset({None}), vanishes=True)
            yield Case(f"half-closed: {path} {at}", whole[:at], REFUSED, ends=True)
        yield Case(f"half-closed: {path} whole", whole, frozenset({200, None}), ends=True)
        yield Case(f"vanishes: {path} whole", whole, frozenset({None}), vanishes=True)
        yield Case(f"pipelined: {path}", whole * 40, frozenset({200}))
        garbage = whole + b"GARBAGE\r\n\r\n"
        yield Case(f"pipelined garbage: {path}", garbage, frozenset({200, 400}))


def _bodies() -> Iterator[Case]:
    bodies = {
        "empty": b"",
        "spaces": b" " * 1000,
        "null": b"null",
        "number": b"1",
        "huge number": b"1" * 100_000,
        "number beyond floats": b'{"request":{"uid":1e400}}',
        "not a number": b'{"request":{"uid":NaN}}',
        "infinity": b'{"request":{"uid":Infinity}}',
        "array": b"[]",
        "string": b'"x"',
        "deep arrays": b"[" * 500_000,
        "deep objects": b'{"a":' * 200_000 + b"1" + b"}" * 200_000,
        "truncated": b'{"request":{"uid":"1"',
        "trailing": b'{"request":{"uid":"1"}} x',
        "lone surrogate": b'{"request":{"uid":"\\ud800"}}',
        "invalid utf-8": b'{"request":{"uid":"\xff\xfe"}}',
        "overlong utf-8": b'{"request":{"uid":"\xc0\xaf"}}',
        "byte order mark": b'\xef\xbb\xbf{"request":{"uid":"1"}}',
        "utf-16": '{"request":{"uid":"1"}}'.encode("utf-16"),
        "control character": b'{"request":{"uid":"\x01"}}',
        "comment": b'{"request":{"uid":"1"}/* */}',
        "single quotes": b"{'request':{'uid':'1'}}",
        "form": b"a=b&c=d",
        "yaml": b"request:\n  uid: 1\n",
        "zeros": b"\x00" * 10_000,
    }
    for (name, body), path in itertools.product(bodies.items(), PATHS):
        yield Case(f"body: {path} {name}", request(path, body), BAD)


def _reviews() -> Iterator[Case]:
    odd: list[Any] = [None, 1, -1, 1.5, True, "", "x" * 100_000, [], {}, [None] * 1000, {"a": {}}]
    for path in PATHS:
        for member, value in itertools.product(_MEMBERS[path], odd):
            review = json.loads(GOOD[path])
            *above, last = member.split(".")
            target = review
            for name in above:
                target = target[name]
            target[last] = value
            name = f"review: {path} {member} {json.dumps(value)[:20]}"
            yield Case(name, request(path, json.dumps(review).encode()), ANSWERED)
        doubled = GOOD[path].replace(b'"uid"', b'"uid": 7, "uid"', 1)
        yield Case(f"review: {path} two uids", request(path, doubled), frozenset({200}))
        many = json.loads(GOOD[path])
        if path == "/convert":
            many["request"]["objects"] = [None] * 100_000
        else:
            many["request"]["object"]["spec"]["parameters"] = {
                str(one): "" for one in range(50_000)
            }
        yield Case(f"review: {path} many", request(path, json.dumps(many).encode()), ANSWERED)


_MEMBERS: Final = {
    "/validate": ("kind", "apiVersion", "request", "request.uid", "request.object"),
    "/mutate": ("request.kind", "request.operation", "request.oldObject", "request.object"),
    "/convert": ("request.uid", "request.objects", "request.desiredAPIVersion", "apiVersion"),
}


class Attacker:
    """A client that sends cases, and good requests in between."""

    def __init__(self, host: str, port: int, trust: ssl.SSLContext) -> None:
        self.host, self.port, self.trust = host, port, trust

    async def send(self, case: Case) -> int | None:
        """The status of the first answer, or None if the connection just ended."""
        reader, writer = await self.connection()
        try:
            writer.write(case.data)
            if case.vanishes:
                await asyncio.sleep(0)
                writer.transport.abort()
                return None
            # TLS has no half-closed connections for asyncio: a client that sends no more and
            # reads no more ends both.
            async with asyncio.timeout(READ_SECONDS):
                line = await _first_line(reader, ends=case.ends)
            return int(line.split()[1]) if line.startswith(b"HTTP/1.") else None
        except (ConnectionError, ssl.SSLError):
            return None
        finally:
            writer.close()

    async def connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A new connection."""
        return await asyncio.open_connection(self.host, self.port, ssl=self.trust)

    async def good(self, path: str, body: bytes) -> int | None:
        """The status of a good request."""
        return await self.send(Case("good", request(path, body), frozenset({200})))


async def _first_line(reader: asyncio.StreamReader, *, ends: bool) -> bytes:
    """The first line, or what there is of it after a moment in which nothing comes."""
    try:
        async with asyncio.timeout(0.3 if ends else None):
            return await reader.readline()
    except TimeoutError:
        return b""
