"""A listener that serves reviews over TLS, with either transport. Shell: sockets."""

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from typing import Final, Literal, Protocol, TypeAlias

from controllers.process import addresses
from webhooks.answers import Observe
from webhooks.routing import Route
from webhooks.server.http11.connection import Connection
from webhooks.server.http11.listener_state import Lean

Transport: TypeAlias = Literal["lean", "aiohttp"]

HANDSHAKE_SECONDS: Final = 10.0
BACKLOG: Final = 1024
_POLL_SECONDS: Final = 0.05


class Serving(Protocol):
    """State of a listener."""

    last_request: float
    is_draining: bool

    @property
    def in_flight(self) -> int:
        """Number of requests in flight."""

    def drain(self) -> None:
        """Close each connection after its next response."""


@contextlib.asynccontextmanager
async def serving(
    paths: Mapping[str, Route],
    *,
    listener: socket.socket,
    tls: ssl.SSLContext,
    observe: Observe,
    transport: Transport = "lean",
) -> AsyncIterator[Serving]:
    """Serve the routes inside the context."""
    serve = _lean if transport == "lean" else _aiohttp
    async with serve(paths, listener, tls, observe) as serving_:
        yield serving_


async def wait_drained(serving_: Serving, *, quiet_seconds: float, max_seconds: float) -> None:
    """Keep serving until idle for a while with nothing in flight, or until the time is up.

    Each response closes its connection, so that clients reconnect to another replica.
    """
    serving_.drain()
    started = time.monotonic()
    while (now := time.monotonic()) < started + max_seconds:
        if not serving_.in_flight and now >= max(started, serving_.last_request) + quiet_seconds:
            return
        await asyncio.sleep(_POLL_SECONDS)


@contextlib.asynccontextmanager
async def _lean(
    paths: Mapping[str, Route], listener: socket.socket, tls: ssl.SSLContext, observe: Observe
) -> AsyncIterator[Serving]:
    lean = Lean(paths, observe=observe)
    server = await lean.loop.create_server(
        lambda: Connection(lean), sock=listener, ssl=tls, ssl_handshake_timeout=HANDSHAKE_SECONDS
    )
    try:
        yield lean
    finally:
        server.close()
        lean.close()
        await server.wait_closed()


@contextlib.asynccontextmanager
async def _aiohttp(
    paths: Mapping[str, Route], listener: socket.socket, tls: ssl.SSLContext, observe: Observe
) -> AsyncIterator[Serving]:
    from webhooks.server import aiohttp_transport  # noqa: PLC0415 - saves memory with the other transport

    async with aiohttp_transport.serving(paths, listener, tls, observe) as serving_:
        yield serving_


def listening(host: str, port: int) -> socket.socket:
    """Open a listening socket; port 0 picks a free one.

    Args:
        host: IPv4 or IPv6 address; ``::`` listens on all addresses of both families.
        port: At most 65535.

    Raises:
        OSError: The address cannot be bound.
    """
    is_dual = host == addresses.EVERY_IPV6 and socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server(
            (host, port), family=family, backlog=BACKLOG, dualstack_ipv6=is_dual
        )
    except OSError as error:
        address = addresses.url("https", host, port)
        raise OSError(f"expected to listen at {address}: {error.strerror or error}") from error
