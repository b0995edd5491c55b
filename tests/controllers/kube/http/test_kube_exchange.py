"""Responses as bytes on a socket: complete, cut, malformed, and on pooled connections."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import pytest
import uvloop

from controllers import kube
from controllers.kube.auth import access
from controllers.kube.http import exchange
from controllers.kube.http.exchange import Answer, LostError, MalformedError, Pool

HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
FINE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
OK = Answer(200, "", (), b"ok")
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n"
WARNING = (
    b'HTTP/1.1 200 OK\r\nWarning: 299 - "a"\r\nWARNING: 299 - "b"\r\nContent-Length: 0\r\n\r\n'
)


class Cut(bytes):
    """Bytes after which the connection is closed."""


class Scripted:
    """A server that answers each request with its next bytes, and counts connections."""

    def __init__(self, script: Sequence[bytes]) -> None:
        self.script = [*script]
        self.connections = 0
        self.asked: list[str] = []
        self.writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.asked.append(head.partition(b" HTTP")[0].decode())
                # In pieces, as a network would.
                said = self.script.pop(0)
                for at in range(0, len(said), 7):
                    writer.write(said[at : at + 7])
                    await writer.drain()
                    await asyncio.sleep(0)
                if isinstance(said, Cut):
                    break
        writer.close()


Serving = Callable[..., Awaitable[tuple[Scripted, access.Access]]]


@pytest.fixture
async def serving() -> AsyncIterator[Serving]:
    async with contextlib.AsyncExitStack() as stack:

        async def start(*script: bytes) -> tuple[Scripted, access.Access]:
            scripted = Scripted(script)
            server = await asyncio.start_server(scripted.serve, "127.0.0.1", 0)
            stack.callback(server.close)
            port = server.sockets[0].getsockname()[1]
            return scripted, access.Access(server=f"http://127.0.0.1:{port}")

        yield start


@contextlib.asynccontextmanager
async def pool(to: access.Access) -> AsyncIterator[Pool]:
    opened = Pool(to)
    try:
        yield opened
    finally:
        opened.close()


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ([FINE], OK),
        ([CHUNKED], OK),
        ([Cut(b"HTTP/1.0 200 OK\r\n\r\nok")], OK),
        ([b"HTTP/1.1 103 Early Hints\r\nWarning: no\r\n\r\n" + FINE], OK),
        ([b"HTTP/1.1 204 No Content\r\n\r\n"], Answer(204, "", (), b"")),
        (
            [b"HTTP/1.1 429 Too Many\r\nretry-after: 3\r\nContent-Length: 0\r\n\r\n"],
            Answer(429, "3", (), b""),
        ),
        (
            [WARNING],
            Answer(200, "", ('299 - "a"', '299 - "b"'), b""),
        ),
    ],
    ids=["length", "chunks", "until the end", "interim", "nothing", "later", "warnings"],
)
async def test_whole_answers(serving: Serving, script: list[bytes], expected: Answer) -> None:
    _, to = await serving(*script)

    async with pool(to) as opened:
        assert await opened.ask(HEAD, b"") == expected


@pytest.mark.parametrize(
    ("script", "error", "message"),
    [
        ([Cut()], LostError, ""),
        ([Cut(FINE[:-1])], LostError, ""),
        ([Cut(FINE[:20])], LostError, ""),
        ([b"SSH-2.0-OpenSSH_9.6\r\n"], MalformedError, "expected HTTP/1.1, got b'SSH-2"),
        (
            [b"HTTP/1.1 200 OK\r\nX: " + b"x" * 3000],
            MalformedError,
            "expected at most 2000 bytes of headers",
        ),
        (
            [b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n" + b"x" * 1001],
            MalformedError,
            "expected at most 1000 bytes, got more: ask for smaller pages",
        ),
    ],
    ids=["closed", "cut in the body", "cut in the head", "no HTTP", "long head", "long body"],
)
async def test_answers_that_are_none(
    serving: Serving,
    monkeypatch: pytest.MonkeyPatch,
    script: list[bytes],
    error: type[Exception],
    message: str,
) -> None:
    monkeypatch.setattr(exchange, "MAX_HEAD_BYTES", 2000)
    monkeypatch.setattr(exchange, "MAX_BODY_BYTES", 1000)
    scripted, to = await serving(*script, FINE)

    async with pool(to) as opened:
        with pytest.raises(error) as caught:
            await opened.ask(HEAD, b"")
        after = await opened.ask(HEAD, b"")

    assert message in str(caught.value)
    assert (after, scripted.connections) == (OK, 2)


async def test_connection_is_kept_unless_the_server_closes_it(serving: Serving) -> None:
    closing = FINE.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n")
    scripted, to = await serving(FINE, CHUNKED, closing, FINE)

    async with pool(to) as opened:
        answers = [await opened.ask(HEAD, b"") for _ in range(4)]

    assert answers == [OK] * 4
    assert scripted.connections == 2


@pytest.mark.parametrize("said", [b"", FINE.replace(b"ok", b"no")], ids=["its end", "bytes"])
async def test_kept_connection_of_which_something_came_unasked_is_not_used(
    serving: Serving, said: bytes
) -> None:
    scripted, to = await serving(FINE, FINE)

    async with pool(to) as opened:
        await opened.ask(HEAD, b"")
        if said:
            scripted.writers[0].write(said)
        else:
            scripted.writers[0].close()
        await asyncio.sleep(0.05)

        assert await opened.ask(HEAD, b"") == OK

    assert scripted.connections == 2


async def test_connection_that_was_kept_too_long_is_not_used(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "IDLE_SECONDS", -1.0)
    scripted, to = await serving(FINE, FINE)

    async with pool(to) as opened:
        await opened.ask(HEAD, b"")
        await opened.ask(HEAD, b"")

    assert scripted.connections == 2


async def test_answer_that_came_too_late_is_nobody_elses(serving: Serving) -> None:
    late = CHUNKED[:-5]
    _, to = await serving(late, FINE.replace(b"ok", b"no"))

    async with pool(to) as opened:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await opened.ask(HEAD, b"")

        assert (await opened.ask(HEAD, b"")).body == b"no"


async def test_no_more_connections_than_allowed(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "MAX_CONNECTIONS", 2)
    scripted, to = await serving(*[FINE] * 20)

    async with pool(to) as opened:
        answers = await asyncio.gather(*(opened.ask(HEAD, b"") for _ in range(20)))

    assert answers == [OK] * 20
    assert scripted.connections == 2


async def test_closed_pool_tells_who_waits(serving: Serving) -> None:
    _, to = await serving(CHUNKED[:-5])

    async with pool(to) as opened:
        asking = asyncio.create_task(opened.ask(HEAD, b""))
        await asyncio.sleep(0.05)
        opened.close()

        with pytest.raises(LostError):
            await asking


async def connected(to: access.Access) -> kube.Client:
    async def source() -> access.Access:
        return to

    return kube.Client(source)


JSON = b'HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{"kind":"Object"}'


async def test_reading_again_is_harmless_writing_is_not(serving: Serving) -> None:
    scripted, to = await serving(Cut(), JSON, Cut(), JSON)

    async with await connected(to) as client:
        read = await client.get(kube.NAMESPACES, "x")
        with pytest.raises(kube.UnreachableError) as caught:
            await client.delete(kube.NAMESPACES, "x")

    assert read == {"kind": "Object"}
    path = "/api/v1/namespaces/x"
    assert scripted.asked == [f"GET {path}", f"GET {path}", f"DELETE {path}"]
    assert str(caught.value) == (
        f"could not reach {to.server} for DELETE /api/v1/namespaces/x: it closed the connection "
        "without a response: whether the request took effect is unknown"
    )


async def test_server_that_is_not_there_is_told() -> None:
    to = access.Access(server="http://127.0.0.1:1")

    async with await connected(to) as client:
        with pytest.raises(kube.UnreachableError) as caught:
            await client.get(kube.NAMESPACES, "x")

    assert "check that it is running and the address is correct" in str(caught.value)


async def test_header_with_a_line_end_is_not_sent(serving: Serving) -> None:
    scripted, to = await serving(JSON)
    smuggling = access.Access(server=to.server, headers=(("Impersonate-User", "a\r\nX: y"),))

    async with await connected(smuggling) as client:
        with pytest.raises(kube.ConfigurationError, match="expected headers of"):
            await client.get(kube.NAMESPACES, "x")

    assert scripted.asked == []


async def test_path_of_the_server_goes_first(serving: Serving) -> None:
    scripted, to = await serving(JSON)
    behind = access.Access(server=f"{to.server}/k8s/clusters/c-1")

    async with await connected(behind) as client:
        await client.get(kube.NAMESPACES, "x")

    assert scripted.asked == ["GET /k8s/clusters/c-1/api/v1/namespaces/x"]


async def test_proxy_is_asked_for_the_whole_address(serving: Serving) -> None:
    scripted, proxy = await serving(JSON, Cut(), JSON, Cut())
    to = access.Access(server="http://api.example.com", proxy=proxy.server)

    async with await connected(to) as client:
        first = await client.get(kube.NAMESPACES, "x")
        again = await client.get(kube.NAMESPACES, "x")
        with pytest.raises(kube.UnreachableError):
            await client.delete(kube.NAMESPACES, "x")

    address = "http://api.example.com/api/v1/namespaces/x"
    assert first == again == {"kind": "Object"}
    assert scripted.asked == [f"GET {address}"] * 3 + [f"DELETE {address}"]


@pytest.mark.e2e
def test_client_on_uvloop_calls_by_tls(api_server: Any) -> None:
    async def call() -> list[str]:
        async with kube.Client.from_kubeconfig(api_server.admin_kubeconfig) as client:
            found = await asyncio.gather(*(client.get(kube.NAMESPACES, "default") for _ in "12345"))
        return [one["metadata"]["name"] for one in found]

    assert uvloop.run(call()) == ["default"] * 5
