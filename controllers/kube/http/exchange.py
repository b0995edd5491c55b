"""Requests and complete responses over pooled connections. Shell: HTTP/1.1, asyncio and httptools.

A controller mostly sends and receives small bodies. aiohttp takes a quarter more CPU for that than
this protocol on httptools (llhttp, the parser of Node); see docs/performance.md. Watches and
proxies use aiohttp (`connections`).
"""

import asyncio
import socket
import time
from typing import Final, NamedTuple, cast

import httptools
import yarl

from controllers.kube.auth import access

# 500 objects (a page) at etcd's limit of 1.5 MiB would be 750 MiB; real pages are a hundredth of
# it.
MAX_BODY_BYTES: Final = 256 * 1024 * 1024
MAX_HEAD_BYTES: Final = 256 * 1024
MAX_CONNECTIONS: Final = 100
# Less than any load balancer's idle timeout; the API server's own is 90 s.
IDLE_SECONDS: Final = 30.0
_FINAL: Final = 200


class LostError(ConnectionError):
    """A connection ended before the response; whether the request took effect is unknown."""


class MalformedError(Exception):
    """The response is not valid HTTP or is too large.

    Args:
        expected: What the response should have contained.
        got: What it contained, and what to do about it.
    """

    def __init__(self, expected: str, got: str) -> None:
        super().__init__(f"expected {expected}, got {got}")
        self.expected, self.got = expected, got


def too_long() -> MalformedError:
    """Return the error for a body over the limit."""
    return MalformedError(f"at most {MAX_BODY_BYTES} bytes", "more: ask for smaller pages")


class Answer(NamedTuple):
    """A complete response, with the headers that are used."""

    status: int
    retry_after: str
    warnings: tuple[str, ...]
    body: bytes


class Pool:
    """The connections to a server, most recently used first."""

    def __init__(self, to: access.Access) -> None:
        url = yarl.URL(to.server)
        self._address = url.host or "", url.port or 0
        self._is_secure = url.scheme == "https"
        self._tls = to.tls or True
        self._server_hostname = to.server_hostname or url.host
        self._slots = asyncio.Semaphore(MAX_CONNECTIONS)
        self._idle: list[_Connection] = []
        self._all: set[_Connection] = set()

    async def ask(self, head: bytes, body: bytes, *, fresh: bool = False) -> Answer:
        """Send a request and wait for its response.

        Args:
            head: Request head with the final empty line.
            body: As long as the head states.
            fresh: Use a new connection, since a pooled one may have been closed unnoticed.

        Raises:
            LostError: The connection ended before the response.
            MalformedError: The response is not HTTP, or too large.
            OSError: The connection failed.
        """
        async with self._slots:
            connection = (None if fresh else self._reuse()) or await self._connect()
            try:
                answer = await connection.ask(head, body)
            except BaseException:
                connection.abort()
                raise
            finally:
                if connection.is_closed:
                    self._all.discard(connection)
            if not connection.is_closed:
                self._keep(connection)
            return answer

    def close(self) -> None:
        """Close every connection; pending requests fail with a LostError."""
        for connection in [*self._all]:
            connection.abort()
        self._all.clear()
        self._idle.clear()

    def _reuse(self) -> "_Connection | None":
        oldest = time.monotonic() - IDLE_SECONDS
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed and connection.kept_since > oldest:
                return connection
            self._forget(connection)
        return None

    def _keep(self, connection: "_Connection") -> None:
        connection.kept_since = time.monotonic()
        if self._idle and self._idle[0].kept_since < connection.kept_since - IDLE_SECONDS:
            self._forget(self._idle.pop(0))
        self._idle.append(connection)

    def _forget(self, connection: "_Connection") -> None:
        connection.abort()
        self._all.discard(connection)

    async def _connect(self) -> "_Connection":
        _, connection = await asyncio.get_running_loop().create_connection(
            _Connection,
            *self._address,
            ssl=self._tls if self._is_secure else None,
            server_hostname=self._server_hostname if self._is_secure else None,
        )
        self._all.add(connection)
        return connection


class _Connection(asyncio.Protocol):
    """A connection, which handles one request at a time."""

    def __init__(self) -> None:
        self.is_closed = False
        self.kept_since = 0.0
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._pending: asyncio.Future[Answer] | None = None
        self._begin()

    def _begin(self) -> None:
        self._status = 0
        self._retry_after = ""
        self._warnings: list[str] = []
        self._parts: list[bytes] = []
        self._bytes = self._head_bytes = 0
        self._has_length = False

    async def ask(self, head: bytes, body: bytes) -> Answer:
        """Send a request and wait for its response."""
        if self._transport is None or self.is_closed:
            raise LostError
        self._pending = asyncio.get_running_loop().create_future()
        self._transport.write(head + body)
        return await self._pending

    def abort(self) -> None:
        """Close the connection immediately."""
        self.is_closed = True
        if self._transport is not None:
            self._transport.abort()

    # --- asyncio callbacks -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport and enable TCP keepalive."""
        # uvloop's transports are not all subclasses.
        self._transport = cast("asyncio.Transport", transport)
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def data_received(self, data: bytes) -> None:
        """Feed the parser; unsolicited bytes end the connection."""
        if self._pending is None or self._pending.done():
            self.abort()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(MalformedError("HTTP/1.1", f"{data[:64]!r} ({error})"))
        if not self._status:
            self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            self._fail(MalformedError(f"at most {MAX_HEAD_BYTES} bytes of headers", "more"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the pending request; a response without a length ends here (RFC 9112, 6.3)."""
        self.is_closed = True
        if exc is None and self._status >= _FINAL and not self._has_length:
            self._answer()
        lost = LostError(*(exc.args if exc is not None else ()))
        lost.__cause__ = exc
        self._fail(lost)

    # --- httptools callbacks ---------------------------------------------------------------------

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep the headers that are used."""
        match name.lower():
            case b"content-length" | b"transfer-encoding":
                self._has_length = True
            case b"retry-after":
                self._retry_after = value.decode("latin-1")
            case b"warning":
                self._warnings.append(value.decode(errors="replace"))

    def on_headers_complete(self) -> None:
        """Record the status."""
        self._status = self._parser.get_status_code()

    def on_body(self, data: bytes) -> None:
        """Buffer a part, up to the limit."""
        self._bytes += len(data)
        if self._bytes > MAX_BODY_BYTES:
            self._fail(too_long())
        else:
            self._parts.append(data)

    def on_message_complete(self) -> None:
        """Complete the response; an interim response (1xx) is skipped."""
        if self._status < _FINAL:
            self._begin()
            return
        if not self._parser.should_keep_alive():
            self.abort()
        self._answer()

    def _answer(self) -> None:
        answer = Answer(
            self._status, self._retry_after, tuple(self._warnings), b"".join(self._parts)
        )
        self._begin()
        if self._pending is not None and not self._pending.done():
            self._pending.set_result(answer)

    def _fail(self, error: Exception) -> None:
        if self._pending is not None and not self._pending.done():
            self._pending.set_exception(error)
        self.abort()
