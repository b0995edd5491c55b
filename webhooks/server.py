"""One listener: reviews over TLS, by either transport. Shell: sockets."""

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from typing import Final, Literal, Protocol, TypeAlias

from webhooks import addresses
from webhooks.routes import Observe, Route
from webhooks.transports.lean import Lean

Transport: TypeAlias = Literal["lean", "aiohttp"]

HANDSHAKE_SECONDS: Final = 10.0
BACKLOG: Final = 1024
_POLL_SECONDS: Final = 0.05


class Serving(Protocol):
    """What a listener does at the moment."""

    last_request: float
    is_draining: bool

    @property
    def in_flight(self) -> int:
        """Requests that are being read or answered."""

    def drain(self) -> None:
        """From now on every answer closes its connection."""


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
    async with serve(paths, listener, tls, observe) as found:
        yield found


async def drained(found: Serving, *, quiet_seconds: float, most_seconds: float) -> None:
    """Go on serving until nothing was asked for a while and nothing is under way, or time is up.

    Every answer closes its connection, so that its client goes to another replica.
    """
    found.drain()
    started = time.monotonic()
    while (now := time.monotonic()) < started + most_seconds:
        if not found.in_flight and now >= max(started, found.last_request) + quiet_seconds:
            return
        await asyncio.sleep(_POLL_SECONDS)


@contextlib.asynccontextmanager
async def _lean(
    paths: Mapping[str, Route], listener: socket.socket, tls: ssl.SSLContext, observe: Observe
) -> AsyncIterator[Serving]:
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
    paths: Mapping[str, Route], listener: socket.socket, tls: ssl.SSLContext, observe: Observe
) -> AsyncIterator[Serving]:
    from webhooks.transports import http  # noqa: PLC0415 - a worker of the other one is smaller

    async with http.serving(paths, listener, tls, observe) as found:
        yield found


def listening(host: str, port: int) -> socket.socket:
    """A socket that accepts connections; port 0 takes a free one.

    Args:
        host: Of IPv4 or IPv6; ``::`` is every address of both.
        port: At most 65535.

    Raises:
        OSError: saying which address cannot be had.
    """
    is_dual = host == addresses.EVERY_IPV6 and socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server(
            (host, port), family=family, backlog=BACKLOG, dualstack_ipv6=is_dual
        )
    except OSError as error:
        place = addresses.url("https", host, port)
        raise OSError(f"expected to listen at {place}: {error.strerror or error}") from error
