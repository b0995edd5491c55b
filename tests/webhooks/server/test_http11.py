"""The lean transport under attack: what it holds is counted, for a limited time."""

import asyncio
import contextlib
import datetime as dt
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, TypeAlias

import pytest
import uvloop

from certs import authority, tls_contexts
from tests.support.hostile import chunked, request
from tests.webhooks.server.test_review_listener import nobody
from webhooks import routing
from webhooks.answers import Answer
from webhooks.server import review_listener
from webhooks.server.http11.connection import Connection
from webhooks.server.http11.listener_state import Lean, Limits

pytestmark = pytest.mark.slow

MIB = 1024 * 1024
HEAD = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
OK = b"HTTP/1.1 200 OK\r\n"

Run: TypeAlias = Callable[[Coroutine[Any, Any, None]], None]
Stream: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]
both_loops = pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])


class Served:
    """A listener with routes that echo their body (``/echo``) or return 8 MiB (``/large``)."""

    def __init__(self, lean: Lean, port: int, trust: ssl.SSLContext) -> None:
        self.lean, self.port, self.trust = lean, port, trust

    async def connect(self, *, reads: bool = True) -> Stream:
        """Open a connection; even a client that does not read takes a few kilobytes."""
        plain = socket.socket()
        if not reads:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.setblocking(False)  # noqa: FBT003 - the socket's own signature
        await asyncio.get_running_loop().sock_connect(plain, ("127.0.0.1", self.port))
        limit = 65536 if reads else 1024
        return await asyncio.open_connection(
            sock=plain, ssl=self.trust, server_hostname="127.0.0.1", limit=limit
        )

    async def answer_unread(self, writer: asyncio.StreamWriter) -> None:
        """Request a large response, and wait until it was built."""
        before = self.lean.last_request
        writer.write(request("/large", b"x"))
        await until(lambda: self.lean.last_request != before)

    async def status(self, data: bytes) -> bytes:
        """The first line of the response."""
        reader, writer = await self.connect()
        try:
            writer.write(data)
            async with asyncio.timeout(120):
                return await reader.readline()
        finally:
            writer.close()


async def until(check: Callable[[], bool]) -> None:
    """Wait until a check succeeds."""
    async with asyncio.timeout(240):
        while not check():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def serving(**limits: float) -> AsyncIterator[Served]:
    now = dt.datetime.now(dt.UTC)
    ca = authority.new_authority("test", now=now)
    tls = tls_contexts.server_context(authority.issue_server(ca, ["127.0.0.1"], now=now))
    trust = ssl.create_default_context(cadata=ca.certificate_pem.decode())
    listener = review_listener.listening("127.0.0.1", 0)
    large = Answer(200, b"x" * 8 * MIB)
    paths = {
        "/echo": routing.Route("/echo", MIB, lambda body: Answer(200, body)),
        "/large": routing.Route("/large", MIB, lambda _: large),
    }
    lean = Lean(paths, limits=Limits(**limits), observe=nobody)  # type: ignore[arg-type]
    served = await lean.loop.create_server(lambda: Connection(lean), sock=listener, ssl=tls)
    try:
        yield Served(lean, listener.getsockname()[1], trust)
    finally:
        served.close()
        lean.close()


ENDLESS = {
    "header": HEAD + b"X-A: ",
    "header name": HEAD,
    "path": b"POST /",
    "chunk extension": chunked("/echo", b"1;"),
    "trailer": chunked("/echo", b"1\r\nx\r\n0\r\nX-A: "),
    "trailer name": chunked("/echo", b"1\r\nx\r\n0\r\n"),
}


@both_loops
@pytest.mark.parametrize("begun", ENDLESS.values(), ids=ENDLESS)
def test_endless_head_or_trailer_is_refused(run: Run, begun: bytes) -> None:
    async def attack() -> None:
        async with serving() as served:
            reader, writer = await served.connect()
            writer.write(begun)
            with contextlib.suppress(ConnectionError):
                for _ in range(64):
                    writer.write(b"a" * 16_384)
                    await asyncio.sleep(0)
            async with asyncio.timeout(120):
                assert b"431" in await reader.readline()
            assert OK == await served.status(request("/echo", b"honest"))
            writer.close()

    run(attack())


@both_loops
@pytest.mark.parametrize("begun", ENDLESS.values(), ids=ENDLESS)
def test_slow_head_or_trailer_is_refused_also_behind_a_whole_request(
    run: Run, begun: bytes
) -> None:
    async def attack() -> None:
        async with serving(head_seconds=0.5, body_seconds=0.5) as served:
            reader, writer = await served.connect()
            writer.write(request("/echo", b"honest") + begun)
            for line in (OK, b"Content-Type", b"Content-Length", b"\r\n"):
                assert (await reader.readline()).startswith(line)
            assert b"honest" == await reader.readexactly(6)

            async def trickle() -> None:
                while True:
                    writer.write(b"a")
                    await asyncio.sleep(0.1)

            trickling = asyncio.create_task(trickle())
            async with asyncio.timeout(120):
                assert b"408" in await reader.readline()
            trickling.cancel()
            writer.close()

    run(attack())


@both_loops
def test_clients_that_never_read_make_us_hold_one_answer_each_and_not_for_long(run: Run) -> None:
    async def attack() -> None:
        async with asyncio.timeout(240), serving(write_seconds=1.5) as served:
            _, writer = await served.connect(reads=False)
            writer.write(request("/large", b"x") * 100)
            await until(lambda: served.lean.answers_bytes > 0)
            (greedy,) = served.lean.connections
            most = 0
            while greedy in served.lean.connections:
                most = max(most, served.lean.answers_bytes)
                assert OK == await served.status(request("/echo", b"honest"))
            await until(lambda: not served.lean.connections)
            assert 0 < most <= 8 * MIB + 1024
            assert [0, 0] == [served.lean.answers_bytes, served.lean.bodies_bytes]
            writer.transport.abort()

    run(attack())


@both_loops
def test_answers_that_are_held_are_bounded_in_all(run: Run) -> None:
    async def attack() -> None:
        async with serving(answers_bytes=20 * MIB) as served:
            greedy = []
            for _ in range(8):
                greedy.append(await served.connect(reads=False))
                await served.answer_unread(greedy[-1][1])
                assert served.lean.answers_bytes <= 20 * MIB
            reader, writer = await served.connect()
            writer.write(request("/large", b"honest"))
            while (await reader.readline()) != b"\r\n":
                pass
            async with asyncio.timeout(120):
                assert 8 * MIB == len(await reader.readexactly(8 * MIB))
            for _, one in [*greedy, (reader, writer)]:
                one.transport.abort()

    run(attack())


@both_loops
def test_large_answer_comes_whole_and_the_next_after_it(run: Run) -> None:
    async def ask() -> None:
        async with asyncio.timeout(120), serving() as served:
            reader, writer = await served.connect()
            writer.write(request("/large", b"x") + request("/echo", b"next"))
            await reader.readuntil(b"\r\n\r\n")
            assert b"x" * 8 * MIB == await reader.readexactly(8 * MIB)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(OK)
            assert b"next" == await reader.readexactly(4)
            last = request("/large", b"x", "Connection: close")
            writer.write(last)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(OK)
            assert 8 * MIB == len(await reader.read(-1))
            writer.close()

    run(ask())


@both_loops
def test_idle_connections_of_a_source_are_bounded_and_the_oldest_go(run: Run) -> None:
    async def attack() -> None:
        async with serving(idle_connections=5) as served:
            opened = [await served.connect() for _ in range(12)]
            await until(lambda: len(served.lean.connections) <= 5)
            assert OK == await served.status(request("/echo", b"honest"))
            gone = [reader.at_eof() or reader.exception() is not None for reader, _ in opened]
            assert [True] * 7 == gone[:7]
            for _, writer in opened:
                writer.close()

    run(attack())


@both_loops
def test_idle_connections_make_room_where_there_are_too_many_in_all(run: Run) -> None:
    async def attack() -> None:
        async with serving(connections=6) as served:
            opened = [await served.connect() for _ in range(12)]
            assert OK == await served.status(request("/echo", b"honest"))
            assert len(served.lean.connections) <= 6
            for _, writer in opened:
                writer.close()

    run(attack())


@both_loops
def test_bodies_that_come_slowly_make_room_for_those_that_come_at_once(run: Run) -> None:
    async def attack() -> None:
        async with serving(held_bytes=MIB) as served:
            opened = [await served.connect() for _ in range(4)]
            for number, (_, writer) in enumerate(opened, start=1):  # the first is the slowest
                writer.write(HEAD + b"Content-Length: 1000000\r\n\r\n" + b"x" * 250_000)
                await until(lambda n=number: served.lean.bodies_bytes == n * 250_000)  # type: ignore[misc]
            assert OK == await served.status(request("/echo", b"y" * 500_000))
            assert served.lean.bodies_bytes <= MIB
            async with asyncio.timeout(120):
                line = await opened[0][0].readline()
            assert b"HTTP/1.1 503 Service Unavailable\r\n" == line
            for _, writer in opened:
                writer.close()

    run(attack())


@both_loops
def test_many_expectations_are_answered_once(run: Run) -> None:
    async def attack() -> None:
        async with serving() as served:
            reader, writer = await served.connect()
            expect = b"Expect: 100-continue\r\n" * 1000
            writer.write(HEAD + expect + b"Content-Length: 1\r\nConnection: close\r\n\r\n")
            await asyncio.sleep(0.2)
            writer.write(b"x")
            answer = await reader.read(-1)
            assert 1 == answer.count(b"100 Continue")
            assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\n" + OK)
            writer.close()

    run(attack())


@both_loops
def test_refused_head_is_not_asked_for_its_body(run: Run) -> None:
    async def ask() -> None:
        async with serving() as served:
            head = HEAD.replace(b"/echo", b"/nowhere") + b"Expect: 100-continue\r\n"
            assert b"404" in await served.status(head + b"Content-Length: 1\r\n\r\n")

    run(ask())
