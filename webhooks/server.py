"""One listener: reviews over TLS, by either transport. Shell: sockets."""

import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Literal, TypeAlias

import structlog
from aiohttp import web

from webhooks.routes import Route
from webhooks.transports import http
from webhooks.transports.lean import Lean

Transport: TypeAlias = Literal["lean", "aiohttp"]

HANDSHAKE_SECONDS = 10.0

log = structlog.get_logger("webhooks")


def log_answer(path: str, status: int, seconds: float) -> None:
    """A line of the access log."""
    log.info("answered", path=path, status=status, duration_ms=round(seconds * 1000, 3))


@contextlib.asynccontextmanager
async def serving(
    paths: Mapping[str, Route],
    *,
    listener: socket.socket,
    tls: ssl.SSLContext,
    transport: Transport = "lean",
    observe: Callable[[str, int, float], None] = log_answer,
) -> AsyncIterator[None]:
    """Serve the routes inside the context."""
    serve = _lean if transport == "lean" else _aiohttp
    async with serve(paths, listener, tls, observe):
        yield


@contextlib.asynccontextmanager
async def _lean(
    paths: Mapping[str, Route],
    listener: socket.socket,
    tls: ssl.SSLContext,
    observe: Callable[[str, int, float], None],
) -> AsyncIterator[Lean]:
    lean = Lean(paths, observe=observe)
    server = await lean.loop.create_server(
        lean.connection, sock=listener, ssl=tls, ssl_handshake_timeout=HANDSHAKE_SECONDS
    )
    try:
        yield lean
    finally:
        server.close()
        lean.close()
        await server.wait_closed()


@contextlib.asynccontextmanager
async def _aiohttp(
    paths: Mapping[str, Route],
    listener: socket.socket,
    tls: ssl.SSLContext,
    observe: Callable[[str, int, float], None],
) -> AsyncIterator[None]:
    runner = http.runner(paths, observe)
    await runner.setup()
    try:
        await web.SockSite(runner, listener, ssl_context=tls).start()
        yield
    finally:
        await runner.cleanup()


def listening(host: str, port: int) -> socket.socket:
    """A socket that accepts connections; port 0 takes a free one.

    Raises:
        OSError: saying which address cannot be had.
    """
    try:
        return socket.create_server((host, port), backlog=1024)
    except OSError as error:
        raise OSError(f"expected to listen on {host}:{port}: {error.strerror}") from error
