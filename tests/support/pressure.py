"""Clients that keep up their harm: what eight of them do at once, and honest calls beside them."""

import asyncio
import contextlib
import itertools
import json
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final, TypeAlias

from tests.support import hostile
from tests.support.hostile import Attacker, chunked, request

AT_ONCE: Final = 8
# A hostile client begins anew after this long on one connection.
PATIENCE_SECONDS: Final = 40.0

Pressure: TypeAlias = Callable[[Attacker], Awaitable[None]]
"""What one hostile client does on one connection."""

_HEAD: Final = b"POST /validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
_BEGUN: Final = {
    "header": _HEAD + b"X-A: ",
    "path": b"POST /",
    "chunk extension": chunked("/validate", b"1;"),
    "trailer": chunked("/validate", b"1\r\nx\r\n0\r\nX-A: "),
}


def pressures() -> dict[str, Pressure]:
    """What hostile clients do, by name."""
    found: dict[str, Pressure] = {"never reads": _never_reads}
    for name, begun in _BEGUN.items():
        found[f"endless {name}"] = _endless(begun)
        found[f"slow {name}"] = _slow(begun)
    for name, path, bodies in _reviews():
        found[name] = _repeated(path, bodies)
    return found


async def keep_up(attacker: Attacker, pressure: Pressure) -> None:
    """Do harm on one connection after the other, until cancelled."""
    while True:
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                await pressure(attacker)
        await asyncio.sleep(0)


async def honest_seconds(attacker: Attacker, seconds: float) -> tuple[list[float], int]:
    """How long honest calls took, sorted, and how many were not answered as they should be."""
    taken, failed, end = [], 0, time.monotonic() + seconds
    stream = None
    good = request("/validate", hostile.RUN)
    while (began := time.monotonic()) < end:
        try:
            async with asyncio.timeout(10):
                stream = stream or await attacker.connection()
                failed += not await _is_answered(stream, good)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            failed += 1
            stream = None
        taken.append(time.monotonic() - began)
        await asyncio.sleep(0.02)
    if stream:
        stream[1].close()
    return sorted(taken), failed


async def _is_answered(
    stream: tuple[asyncio.StreamReader, asyncio.StreamWriter], data: bytes
) -> bool:
    reader, writer = stream
    writer.write(data)
    head = await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0]))
    return head.startswith(b"HTTP/1.1 200")


@contextlib.contextmanager
def _aborting(writer: asyncio.StreamWriter) -> Iterator[None]:
    """End a connection, also when its client is cancelled."""
    try:
        yield
    finally:
        writer.transport.abort()


def _endless(begun: bytes) -> Pressure:
    async def flood(attacker: Attacker) -> None:
        reader, writer = await attacker.connection()
        with _aborting(writer):
            writer.write(begun)
            while not reader.at_eof() and not writer.is_closing():
                writer.write(b"a" * 16_384)
                await writer.drain()
                await asyncio.sleep(0.001)

    return flood


def _slow(begun: bytes) -> Pressure:
    async def trickle(attacker: Attacker) -> None:
        reader, writer = await attacker.connection()
        with _aborting(writer):
            writer.write(begun)
            while not reader.at_eof() and not writer.is_closing():
                writer.write(b"a")
                await asyncio.sleep(0.1)

    return trickle


async def _never_reads(attacker: Attacker) -> None:
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plain.setblocking(False)  # noqa: FBT003 - the socket's own signature
    await asyncio.get_running_loop().sock_connect(plain, (attacker.host, attacker.port))
    reader, writer = await asyncio.open_connection(
        sock=plain, ssl=attacker.trust, server_hostname=attacker.host, limit=1024
    )
    one = json.loads(hostile.GOOD["/convert"])
    one["request"]["objects"] *= 2_000
    asks = request("/convert", json.dumps(one).encode())
    with _aborting(writer), contextlib.suppress(ssl.SSLError):
        while not writer.is_closing() and reader.exception() is None:
            writer.write(asks)
            await writer.drain()


def _repeated(path: str, bodies: Iterator[bytes]) -> Pressure:
    async def send(attacker: Attacker) -> None:
        await attacker.good(path, next(bodies))

    return send


def _reviews() -> Iterator[tuple[str, str, Iterator[bytes]]]:
    yield "labels", "/validate", _labels()
    yield "large bodies", "/convert", itertools.repeat(b"[" + b" " * 31 * 2**20 + b"]")
    problems = {f"p{one}": "x" * 2_049 for one in range(1_600)}
    yield "problems", "/validate", itertools.repeat(_run(parameters=problems))
    parameters = {f"p{one}": "" for one in range(80_000)}
    yield "wide parameters", "/validate", itertools.repeat(_run(parameters=parameters))
    lists: Any = [[]] * 500_000
    objects = json.loads(hostile.GOOD["/convert"])
    objects["request"]["objects"][0]["spec"] = lists
    deep: Any = []
    for _ in range(900):
        deep = [deep]
    for name, value in (("wide lists", lists), ("deep lists", deep)):
        body = _run(runtime={"type": "job", "config": {"x": value}})
        yield name, "/mutate", itertools.repeat(body)
    review = json.loads(hostile.GOOD["/convert"])
    review["request"]["objects"][0]["metadata"]["annotations"] = {
        "conversion.agents.proompteng.ai/v1beta1": json.dumps(
            {f"spec.x{one}": {} for one in range(5_000)}
        )
    }
    yield "converted wide lists", "/convert", itertools.repeat(json.dumps(objects).encode())
    yield "residue", "/convert", itertools.repeat(json.dumps(review).encode())


def _labels() -> Iterator[bytes]:
    for number in itertools.count():
        review = json.loads(hostile.RUN)
        review["request"]["kind"]["kind"] = f"k{number}" * 1_000
        review["request"]["operation"] = f"o{number}" * 1_000
        yield json.dumps(review).encode()


def _run(**spec: Any) -> bytes:
    review = json.loads(hostile.RUN)
    review["request"]["object"]["spec"] |= spec
    return json.dumps(review).encode()
