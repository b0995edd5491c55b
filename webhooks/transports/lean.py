"""HTTP/1.1 for one client: the API server. Shell: connections.

An asyncio protocol on httptools (llhttp, the parser of Node). It reads POSTs with a length or in
chunks, keeps connections alive, and bounds everything: heads, bodies, all bodies together, time.
What a review becomes is the routes' affair; most are answered before the next event is looked at.
"""

import asyncio
import dataclasses
import random
import time
from collections.abc import Awaitable, Mapping
from http import HTTPStatus
from typing import Final, NamedTuple, cast

import httptools

from webhooks import routes
from webhooks.routes import Answer, Observe, Route

HEAD_BYTES: Final = 64 * 1024
# A client that sends requests without reading answers is served this many ahead.
MOST_WAITING: Final = 16

_STATUS_LINES: Final = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}
_CLOSE: Final = b"Connection: close\r\n"


@dataclasses.dataclass(frozen=True)
class Limits:
    """How long and how much.

    Attributes:
        head_seconds: From the first byte of a request to the end of its head.
        body_seconds: From there to the end of its body.
        write_seconds: Until a client has read enough of an answer.
        idle_seconds: The API server keeps idle connections for 90 s (Go's default transport), and
            fails the next call on one that we closed first.
        connection_seconds: After about this long a connection is closed with an answer, so that
            load spreads over new replicas.
        bodies_bytes: All bodies that are being read or answered.
        connections: At once.
    """

    head_seconds: float = 10.0
    body_seconds: float = 30.0
    write_seconds: float = 30.0
    idle_seconds: float = 120.0
    connection_seconds: float = 600.0
    bodies_bytes: int = 256 * 1024 * 1024
    connections: int = 4096


class Lean:
    """A listener's connections and what they share.

    Args:
        paths: The routes by path.
        limits: The bounds.
        observe: Is told of every answer.
    """

    def __init__(
        self,
        paths: Mapping[str, Route],
        *,
        limits: Limits | None = None,
        observe: Observe,
    ) -> None:
        self.paths, self.limits, self.observe = paths, limits or Limits(), observe
        self.loop = asyncio.get_running_loop()
        self.connections: set[Connection] = set()
        self.bodies_bytes = 0
        self.is_draining = False
        self._ready: list[Connection] = []
        self.last_request = time.monotonic()
        self._sweeper = self.loop.call_later(1, self._sweep)

    def connection(self) -> "Connection":
        """The protocol of a new connection (``loop.create_server``'s factory)."""
        return Connection(self)

    @property
    def in_flight(self) -> int:
        """Requests that are being read or answered."""
        return sum(one.is_busy for one in self.connections)

    def soon(self, connection: "Connection") -> None:
        """Answer what waits on a connection once everything that came with it was read."""
        if not self._ready:
            self.loop.call_soon(self._answer_ready)
        self._ready.append(connection)

    def _answer_ready(self) -> None:
        ready, self._ready = self._ready, []
        for one in ready:
            one.answer_waiting()

    def drain(self) -> None:
        """From now on every answer closes its connection."""
        self.is_draining = True

    def close(self) -> None:
        """Close every connection."""
        self._sweeper.cancel()
        for one in [*self.connections]:
            one.close()

    def _sweep(self) -> None:
        """End what took too long; one timer for all is cheaper than one each."""
        now = self.loop.time()
        for one in [*self.connections]:
            if one.deadline < now:
                one.time_out()
        self._sweeper = self.loop.call_later(1, self._sweep)


class _Asked(NamedTuple):
    """A request that is there: what answers it, and how long its client waits."""

    route: Route
    body: bytes
    seconds: float
    keeps_alive: bool
    traceparent: str


class Connection(asyncio.Protocol):
    """One connection: requests one after the other."""

    def __init__(self, lean: Lean) -> None:
        self._lean, self._limits = lean, lean.limits
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: list[_Asked] = []
        self._task: asyncio.Task[None] | None = None
        self._is_ending = self._is_reading = False
        self._held_bytes = 0  # of bodies that are read, wait or are answered
        self.deadline = lean.loop.time() + self._limits.idle_seconds
        # Rotated at different times, or all would come back at once.
        self._ends = lean.loop.time() + self._limits.connection_seconds * random.uniform(0.75, 1.25)  # noqa: S311 - spread
        self._begin()

    def _begin(self) -> None:
        self._url = b""
        self._head_bytes = self._body_bytes = 0
        self._content_type = self._encoding = ""
        self._length = 0
        self._seconds = routes.LONGEST_SECONDS
        self._traceparent = ""
        self._body: bytes | bytearray = b""
        self._route: Route | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a request is being read or answered."""
        return self._is_reading or self._task is not None or bool(self._waiting)

    # --- asyncio's calls ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        if len(self._lean.connections) >= self._limits.connections:
            self._transport.abort()
            return
        self._lean.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone, or we are."""
        del exc
        self._lean.connections.discard(self)
        self._is_ending = True
        self._release()
        self._transport = None
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        """Bytes of one or more requests."""
        if self._is_ending:
            return  # what a refused client still sends
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse(400, "expected HTTP/1.1 without an upgrade")
        except httptools.HttpParserError:
            if not self._is_ending:
                self._refuse(400, "expected HTTP/1.1")

    def eof_received(self) -> bool:
        """The client sends no more; a half-closed one may still read its answer."""
        return self.is_busy and not self._is_reading

    def pause_writing(self) -> None:
        """The client reads slowly."""
        self.deadline = self._lean.loop.time() + self._limits.write_seconds
        self._pause_reading()

    def resume_writing(self) -> None:
        """It has read."""
        self._rest()

    # --- httptools' calls -----------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A request begins."""
        self._begin()
        self._is_reading = True
        self.deadline = self._lean.loop.time() + self._limits.head_seconds

    def on_url(self, url: bytes) -> None:
        """The request's target, or a part of it."""
        self._url += url
        self._count_head(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self._count_head(len(name) + len(value))
        match name.lower():
            case b"content-type":
                self._content_type = value.decode("latin-1")
            case b"content-encoding":
                self._encoding = value.decode("latin-1")
            case b"traceparent":
                self._traceparent = value.decode("latin-1")
            case b"content-length":
                self._length = int(value) if value.isdigit() else 0
            case b"expect":
                if self._transport is not None and value.lower() == b"100-continue":
                    self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_headers_complete(self) -> None:
        """The head is there: what it asks for may be refused before its body comes."""
        if self._is_ending:
            return
        url = httptools.parse_url(self._url)
        self._route = self._lean.paths.get(url.path.decode("latin-1"))
        self._seconds = routes.seconds_of(url.query)
        refused = routes.refused(
            self._route, self._parser.get_method(), self._content_type, self._encoding
        )
        if refused is not None:
            self._refuse_with(refused)
        elif self._route is not None and self._length > self._route.max_body_bytes:
            self._refuse_with(routes.too_large(self._route))
        self.deadline = self._lean.loop.time() + self._limits.body_seconds

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        if self._is_ending or self._route is None:
            return
        self._body_bytes += len(body)
        self._held_bytes += len(body)
        self._lean.bodies_bytes += len(body)
        if self._body_bytes > self._route.max_body_bytes:
            self._refuse_with(routes.too_large(self._route))
        elif self._lean.bodies_bytes > self._limits.bodies_bytes:
            self._refuse(503, "too many bytes under review: try again")
        elif not self._body:
            self._body = body
        elif isinstance(self._body, bytearray):
            self._body += body
        else:  # a list of tiny chunks would take many times their bytes
            self._body = bytearray(self._body + body)

    def on_message_complete(self) -> None:
        """The request is there."""
        self._is_reading = False
        if self._is_ending or self._route is None:
            return
        body, self._body = bytes(self._body), b""
        keeps_alive = self._parser.should_keep_alive()
        self._waiting.append(
            _Asked(self._route, body, self._seconds, keeps_alive, self._traceparent)
        )
        if len(self._waiting) > MOST_WAITING:
            self._pause_reading()
        self._lean.soon(self)

    # --- answers --------------------------------------------------------------------------------

    def answer_waiting(self) -> None:
        """Answer what waits, up to a review that has to wait itself."""
        while self._waiting and self._task is None and not self._is_ending:
            asked = self._waiting.pop(0)
            started = time.perf_counter()
            self.deadline = float("inf")
            found = routes.answer(asked.route, asked.body, asked.seconds)
            if isinstance(found, Answer):
                self._answer(asked, found, started)
            else:
                self._task = self._lean.loop.create_task(self._wait_for(asked, found, started))

    async def _wait_for(self, asked: _Asked, answer: Awaitable[Answer], started: float) -> None:
        found = await answer
        self._task = None
        if self._is_ending:
            return
        self._answer(asked, found, started)
        self.answer_waiting()

    def _answer(self, asked: _Asked, answer: Answer, started: float) -> None:
        size = len(asked.body)
        self._lean.bodies_bytes -= size
        self._held_bytes -= size
        self._lean.last_request = time.monotonic()
        seconds = time.perf_counter() - started
        self._lean.observe(routes.seen(asked.route.path, answer, seconds, size, asked.traceparent))
        is_old = self._lean.loop.time() > self._ends
        is_last = not asked.keeps_alive or self._lean.is_draining or is_old
        self._write(answer, is_last=is_last)
        if is_last:
            self.close()
        else:
            self._rest()

    def _rest(self) -> None:
        """Nothing is asked: wait for what comes."""
        self.deadline = self._lean.loop.time() + self._limits.idle_seconds
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def _write(self, answer: Answer, *, is_last: bool) -> None:
        if self._transport is None:
            return
        head = (
            f"Content-Type: {answer.content_type}\r\nContent-Length: {len(answer.body)}\r\n"
        ).encode()
        close = _CLOSE if is_last else b""
        self._transport.write(
            b"".join((_STATUS_LINES[answer.status], head, close, b"\r\n", answer.body))
        )

    def _refuse(self, status: int, message: str) -> None:
        self._refuse_with(routes.refusal(status, message))

    def _refuse_with(self, answer: Answer) -> None:
        """Answer and close; a client that still sends may read the answer first."""
        self._is_ending = True
        self._release()
        self._write(answer, is_last=True)
        path = self._route.path if self._route else ""
        self._lean.observe(routes.seen(path, answer, 0.0, 0))
        self._lean.loop.call_later(0 if not self._is_reading else 1, self.close)

    def _release(self) -> None:
        """Forget the bodies of this connection."""
        self._lean.bodies_bytes -= self._held_bytes
        self._held_bytes = 0
        self._body = b""
        self._waiting.clear()

    def _count_head(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > HEAD_BYTES and not self._is_ending:
            self._refuse(431, f"expected a head of at most {HEAD_BYTES} bytes")

    def _pause_reading(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def time_out(self) -> None:
        """The deadline has passed."""
        if self._is_reading and not self._is_ending:
            self._refuse(408, "expected the request sooner")
        elif self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """Close once all is written."""
        if self._transport is not None:
            self._is_ending = True
            self._transport.close()
