"""An HTTP endpoint that carries runs out by the contract of docs/runtimes.md, and bad ones."""

import asyncio
import contextlib
import dataclasses
import pathlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from controllers.runs.runtimes import custom
from controllers.runs.runtimes.base import Key
from tests.support.runtime_bench import Behaviour, Bench, Broken

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclasses.dataclass
class Piece:
    """One piece of work of the endpoint."""

    id: str
    text: str
    phase: str = "Pending"
    polls: int = 0
    is_started: bool = False
    is_cancelled: bool = False
    is_stubborn: bool = False

    def answer(self) -> dict[str, Any]:
        self._go_on()
        failure = {"error": {"code": "ModelRefused", "message": "it would not"}}
        return {"id": self.id, "phase": self.phase} | (failure if self.phase == "Failed" else {})

    def _go_on(self) -> None:
        if self.is_stubborn or self.phase in {"Succeeded", "Failed", "Cancelled"}:
            return
        self.polls += 1
        if self.is_cancelled:
            self.phase = "Cancelled" if self.polls > 1 else "Running"
        elif self.polls > 2 and self.text != "lasts":
            self.phase = {"succeeds": "Succeeded", "fails": "Failed"}[self.text]
        elif self.polls > 1:
            self.phase = "Running"


@dataclasses.dataclass
class Endpoint:
    """Remembers work by Idempotency-Key, as the contract asks for."""

    pieces: dict[Key, Piece] = dataclasses.field(default_factory=dict)
    starts: dict[Key, int] = dataclasses.field(default_factory=dict)
    is_away: bool = False

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/runs", self.submit),
            web.delete("/runs", self.bury),
            web.get("/runs/{id}", self.status),
            web.delete("/runs/{id}", self.cancel),
        ]

    async def submit(self, request: web.Request) -> web.Response:
        body, key = await request.json(), request.headers["Idempotency-Key"]
        await asyncio.sleep(0)
        if key not in self.pieces:
            text = body["implementation"]["text"]
            self.pieces[key] = Piece(f"work-{len(self.pieces)}", text)
            self.starts[key] = self.starts.get(key, 0) + 1
        return web.json_response({"id": self.pieces[key].id}, status=202)

    async def bury(self, request: web.Request) -> web.Response:
        key = request.headers["Idempotency-Key"]
        number = f"work-{len(self.pieces)}"
        self.pieces.setdefault(key, Piece(number, "", phase="Cancelled")).is_cancelled = True
        return web.Response(status=204)

    async def status(self, request: web.Request) -> web.Response:
        return web.json_response(self._piece(request).answer())

    async def cancel(self, request: web.Request) -> web.Response:
        piece = self._piece(request)
        piece.is_cancelled, piece.polls = True, 0
        return web.Response(status=202)

    def _piece(self, request: web.Request) -> Piece:
        if self.is_away:
            raise web.HTTPBadGateway
        for piece in self.pieces.values():
            if piece.id == request.match_info["id"]:
                return piece
        raise web.HTTPNotFound


@contextlib.asynccontextmanager
async def serving(*routes: web.AbstractRouteDef) -> AsyncIterator[str]:
    """A server on loopback: its origin."""
    application = web.Application()
    application.add_routes(routes)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield "http://{}:{}".format(*runner.addresses[0][:2])
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def talking(said: bytes, *, hangs: bool = False) -> AsyncIterator[str]:
    """A server that says the same whatever it is asked, then closes, or not: its origin."""
    over = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await reader.read(65536)
            writer.write(said)
            await writer.drain()
            if hangs:
                await over.wait()
            writer.close()
            await writer.wait_closed()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield "http://{}:{}".format(*server.sockets[0].getsockname()[:2])
    finally:
        over.set()
        server.close()
        await server.wait_closed()


class CustomBench(Bench):
    def __init__(self, origin: str, endpoint: Endpoint, stack: contextlib.AsyncExitStack) -> None:
        self.origin, self.endpoint = origin, endpoint
        self.stack = stack
        self.adapters: list[custom.Custom] = []

    def adapter(self, **options: Any) -> custom.Custom:
        settings: dict[str, Any] = {"allowed": ["127.0.0.0/8"], "deadline_seconds": 5, **options}
        self.adapters.append(custom.Custom(**settings))
        return self.adapters[-1]

    def spec(self, behaviour: Behaviour) -> dict[str, Any]:
        del behaviour
        return _spec(self.origin)

    async def starts(self, key: Key) -> int:
        return self.endpoint.starts.get(key, 0)

    def broken(self) -> Mapping[str, Callable[[], Awaitable[Broken]]]:
        header = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        return {
            "garbage": lambda: self._at(b"\x00\xff garbage\r\n\r\n"),
            "no JSON": lambda: self._at(header + b"Content-Length: 5\r\n\r\n{oops"),
            "cut short": lambda: self._at(header + b"Content-Length: 50\r\n\r\n{"),
            "vanishing": lambda: self._at(b""),
            "silent": lambda: self._at(b"", hangs=True),
            "slow": lambda: self._at(header + b"Content-Length: 50\r\n\r\n{", hangs=True),
        }

    async def _at(self, said: bytes, *, hangs: bool = False) -> Broken:
        origin = await self.stack.enter_async_context(talking(said, hangs=hangs))
        adapter = self.adapter(deadline_seconds=0.3)
        key, piece = self.work(Behaviour.SUCCEEDS)
        piece = dataclasses.replace(piece, spec=_spec(origin))
        extra = {"id": "x", "statusUrl": f"{origin}/runs/x"}
        ref = dataclasses.replace(adapter.ref(key, piece), extra=extra)
        return Broken(adapter, piece, ref)


def _spec(origin: str) -> dict[str, Any]:
    return {"runtime": {"type": "Custom", "custom": {"endpoint": f"{origin}/runs"}}}


@contextlib.asynccontextmanager
async def opened(_: pathlib.Path | None = None) -> AsyncIterator[CustomBench]:
    endpoint = Endpoint()
    async with contextlib.AsyncExitStack() as stack:
        origin = await stack.enter_async_context(serving(*endpoint.routes()))
        bench = CustomBench(origin, endpoint, stack)
        yield bench
        for adapter in bench.adapters:
            await adapter.close()
