"""A connection of the API server, as an asyncio protocol on httptools. Shell: sockets.

httptools is llhttp, the parser of Node. A connection reads POSTs with a length or in chunks, keeps
alive, and bounds everything: heads, bodies, all bodies together, time.
Routes handle the reviews; most are answered before the next event is processed.
"""

import asyncio
import collections
import random
import time
from collections.abc import Awaitable
from typing import Final, NamedTuple, cast

import httptools

from webhooks import answers, routing
from webhooks.answers import Answer
from webhooks.routing import Route
from webhooks.server.http11 import messages
from webhooks.server.http11.listener_state import Lean
from webhooks.server.http11.messages import RequestHead

HEAD_BYTES: Final = 64 * 1024
# Pipelined requests on a connection before it is no longer read.
MAX_WAITING: Final = 16
# Bytes of bodies that a connection holds before a third request is not read: a client that waits
# for each response, as Go's does, never sends a second.
MAX_HELD_BYTES: Final = 256 * 1024
# Bytes read of a connection before others have their turn: uvloop reads on for megabytes.
TURN_BYTES: Final = 256 * 1024
# Larger responses are written in pieces, each once the client has read enough of the previous ones:
# buffers of transports are not accounted for.
PIECE_BYTES: Final = 64 * 1024

_NEVER: Final = float("inf")


class _Request(NamedTuple):
    """A complete request."""

    route: Route
    body: bytes
    seconds: float
    keeps_alive: bool
    traceparent: str


class Connection(asyncio.Protocol):
    """A connection, which handles its requests in order."""

    def __init__(self, lean: Lean) -> None:
        self._lean, self._limits = lean, lean.limits
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: list[_Request] = []
        self._task: asyncio.Task[None] | None = None
        self._is_ending = self._is_reading = self._is_write_paused = False
        self._held_bodies: collections.Counter[str] = collections.Counter()
        self._unsent = memoryview(b"")
        self._fed_bytes = 0  # since the parser last made progress
        self._turn_bytes = 0
        self.source = ""
        self.reading_since = 0.0
        self.idle_until = lean.loop.time() + self._limits.idle_seconds
        self.writing_until = self._reading_until = _NEVER
        # Jittered, so that clients do not all reconnect at once.
        self._ends = lean.loop.time() + self._limits.connection_seconds * random.uniform(0.75, 1.25)  # noqa: S311 - spread
        self._begin()

    def _begin(self) -> None:
        self._head = RequestHead()
        self._body_bytes = 0
        self._seconds = routing.MAX_TIMEOUT_SECONDS
        self._body: bytes | bytearray = b""
        self._route: Route | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a request is in flight."""
        return self._is_reading or self.is_writing or self._task is not None or bool(self._waiting)

    @property
    def is_idle(self) -> bool:
        """Whether the connection waits for a request."""
        return not self.is_busy and not self._is_write_paused

    @property
    def _is_full(self) -> bool:
        """Whether reading pauses until pending requests are answered."""
        pending = len(self._waiting) + (self._task is not None)
        held_bytes = sum(self._held_bodies.values())
        return pending > MAX_WAITING or (pending > 1 and held_bytes > MAX_HELD_BYTES)

    @property
    def is_writing(self) -> bool:
        """Whether a part of a response is held until the client has read the previous ones."""
        return bool(self._unsent)

    @property
    def holds_bodies(self) -> bool:
        """Whether a body is being received and holds memory."""
        return self._is_reading and not self._is_ending and self._body_bytes > 0

    @property
    def path(self) -> str:
        """Path of the request that is being received."""
        return "" if self._route is None else self._route.path

    @property
    def deadline(self) -> float:
        """Time at which this connection is closed if nothing happens."""
        return min(self._reading_until, self.writing_until, self.idle_until)

    # --- asyncio callbacks ----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        peer = self._transport.get_extra_info("peername")
        self.source = peer[0] if isinstance(peer, tuple) else ""
        if not self._lean.has_room_for(self.source):
            self._transport.abort()
            return
        self._transport.set_write_buffer_limits(high=PIECE_BYTES)
        self._lean.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed."""
        del exc
        self._lean.connections.discard(self)
        self._is_ending = True
        self._release()
        self._drop_unsent()
        self._transport = None
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        """Feed received bytes to the parser."""
        if self._is_ending:
            return  # sent by a client that was refused already
        self._fed_bytes += len(data)
        self._turn_bytes += len(data)
        if self._turn_bytes > TURN_BYTES:
            self._turn_bytes = 0
            self._pause_reading()
            self._lean.loop.call_soon(self._read_on)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse(400, "expected HTTP/1.1 without an upgrade")
        except httptools.HttpParserError:
            if not self._is_ending:
                self._refuse(400, "expected HTTP/1.1")
        # The parser buffers what is incomplete: an endless header, chunk size or trailer.
        if self._fed_bytes > HEAD_BYTES and not self._is_ending:
            self._refuse(431, f"expected a head of at most {HEAD_BYTES} bytes")

    def eof_received(self) -> bool:
        """The client sends no more; a half-closed one may still read its response."""
        return self.is_busy and not self._is_reading

    def pause_writing(self) -> None:
        """The client reads slowly."""
        self._is_write_paused = True
        self._expect_to_be_read()
        self._pause_reading()

    def resume_writing(self) -> None:
        """The client caught up."""
        self._is_write_paused = False
        self._write_pieces()

    # --- httptools callbacks --------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A request begins."""
        self._begin()
        self._is_reading = True
        self.idle_until = _NEVER
        self.reading_since = self._lean.loop.time()
        self._reading_until = self.reading_since + self._limits.head_seconds

    def on_url(self, url: bytes) -> None:
        """A part of the request's target."""
        self._head.url += url
        self._count_head(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header or a trailer."""
        self._count_head(len(name) + len(value))
        if self._route is not None or self._is_ending:
            return  # trailers are ignored
        self._head.add(name, value)

    def on_headers_complete(self) -> None:
        """The head is complete: the request may be refused before its body arrives."""
        self._fed_bytes = 0
        if self._is_ending:
            return
        url = httptools.parse_url(self._head.url)
        self._route = self._lean.paths.get(url.path.decode("latin-1"))
        self._seconds = routing.seconds_of(url.query)
        refused = self._refused()
        if refused is not None:
            self._refuse_with(refused)
        elif self._head.is_continued and self._transport is not None and not self._is_answering:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._reading_until = self._lean.loop.time() + self._limits.body_seconds

    def _refused(self) -> Answer | None:
        """Return the response to a request that is refused by its headers, or None."""
        route = self._route
        refused = routing.refused(
            route,
            self._parser.get_method(),
            self._head.content_type,
            self._head.encoding,
            has_client=self._has_client,
        )
        if refused is None and route is not None and self._head.length > route.max_body_bytes:
            return routing.too_large(route)
        return refused

    def _has_client(self) -> bool:
        """Return whether the client sent a certificate; TLS has verified it."""
        return bool(self._transport and self._transport.get_extra_info("peercert"))

    @property
    def _is_answering(self) -> bool:
        """Whether responses to earlier requests are still to be written."""
        return bool(self._waiting) or self._task is not None or self.is_writing

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._fed_bytes = 0
        if self._is_ending or self._route is None:
            return
        self._body_bytes += len(body)
        self._hold_body(self._route.path, len(body))
        if self._body_bytes > self._route.max_body_bytes:
            self._refuse_with(routing.too_large(self._route))
            return
        self._lean.make_room_for_bodies(self._route)
        if not self._is_ending:
            self._keep(body)

    def _keep(self, body: bytes) -> None:
        if not self._body:
            self._body = body
        elif isinstance(self._body, bytearray):
            self._body += body
        else:  # a list of tiny chunks would take a multiple of their bytes
            self._body = bytearray(self._body + body)

    def on_message_complete(self) -> None:
        """The request is complete."""
        self._is_reading = False
        self._fed_bytes = 0
        self._reading_until = _NEVER
        if self._is_ending or self._route is None:
            return
        body, self._body = bytes(self._body), b""
        keeps_alive = self._parser.should_keep_alive()
        self._waiting.append(
            _Request(self._route, body, self._seconds, keeps_alive, self._head.traceparent)
        )
        if self._is_full:
            self._pause_reading()
        self._lean.soon(self)

    # --- answers --------------------------------------------------------------------------------

    def answer_waiting(self) -> None:
        """Answer pending requests, up to a review that has to wait itself."""
        while self._waiting and self._may_answer:
            request = self._waiting.pop(0)
            started = time.perf_counter()
            self.idle_until = _NEVER
            answer = routing.answer(request.route, request.body, request.seconds)
            if isinstance(answer, Answer):
                self._answer(request, answer, started)
            else:
                self._task = self._lean.loop.create_task(self._wait_for(request, answer, started))

    @property
    def _may_answer(self) -> bool:
        """Whether the client has read the previous responses and the next one may be built."""
        is_held = self._is_write_paused or self.is_writing
        return self._task is None and not is_held and not self._is_ending

    async def _wait_for(
        self, request: _Request, pending: Awaitable[Answer], started: float
    ) -> None:
        answer = await pending
        self._task = None
        if self._is_ending:
            return
        self._answer(request, answer, started)
        self.answer_waiting()

    def _answer(self, request: _Request, answer: Answer, started: float) -> None:
        size = len(request.body)
        self._hold_body(request.route.path, -size)
        self._lean.last_request = time.monotonic()
        seconds = time.perf_counter() - started
        self._lean.observe(
            answers.request_log(request.route.path, answer, seconds, size, request.traceparent)
        )
        is_old = self._lean.loop.time() > self._ends
        is_last = not request.keeps_alive or self._lean.is_draining or is_old
        self._write(answer, is_last=is_last)
        if is_last:
            self.close()
        else:
            self._rest()

    def _rest(self) -> None:
        """Wait for the next request."""
        if not self._is_reading:
            self.idle_until = self._lean.loop.time() + self._limits.idle_seconds
        self._read_on()

    def _read_on(self) -> None:
        """Resume reading, unless responses are pending."""
        if self._is_write_paused or self.is_writing or self._is_full:
            return
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def _write(self, answer: Answer, *, is_last: bool) -> None:
        if self._transport is None:
            return
        data = messages.encoded(answer, is_last=is_last)
        if len(data) <= PIECE_BYTES:
            self._transport.write(data)
        else:
            self._unsent = memoryview(data)
            self._lean.answers_bytes += len(data)
            self._expect_to_be_read()
            self._write_pieces()

    def _expect_to_be_read(self) -> None:
        """Start the deadline for reading a response, if it is not running."""
        if self.writing_until == _NEVER:
            self.writing_until = self._lean.loop.time() + self._limits.write_seconds

    def _write_pieces(self) -> None:
        """Write held pieces while the client reads; then continue with pending requests."""
        while self._unsent and not self._is_write_paused and self._transport is not None:
            piece, self._unsent = self._unsent[:PIECE_BYTES], self._unsent[PIECE_BYTES:]
            self._lean.answers_bytes -= len(piece)
            self._transport.write(piece)
        if self.is_writing:
            self._lean.make_room_for_answers()
        elif not self._is_write_paused:
            self._was_read()

    def _was_read(self) -> None:
        if self._is_ending:
            self.close()
            return
        self.writing_until = _NEVER
        self._rest()
        if self._waiting:
            self._lean.soon(self)

    def _drop_unsent(self) -> None:
        self._lean.answers_bytes -= len(self._unsent)
        self._unsent = memoryview(b"")

    def _refuse(self, status: int, message: str) -> None:
        self._refuse_with(answers.refusal(status, message))

    def _refuse_with(self, answer: Answer) -> None:
        """Respond and close; a client that is still sending may read the response first."""
        self._is_ending = True
        self._release()
        if self.is_writing or self._is_write_paused:  # it would interleave with another response
            self.abort()
            return
        self._write(answer, is_last=True)
        path = self._route.path if self._route else ""
        self._lean.observe(answers.request_log(path, answer, 0.0, 0))
        self._lean.loop.call_later(0 if not self._is_reading else 1, self.close)

    def _release(self) -> None:
        """Release the bodies of this connection."""
        for path, size in self._held_bodies.items():
            self._lean.hold_body(path, -size)
        self._held_bodies.clear()
        self._body = b""
        self._waiting.clear()

    def _hold_body(self, path: str, size: int) -> None:
        self._held_bodies[path] += size
        self._lean.hold_body(path, size)

    def refuse_for_lack_of_room(self) -> None:
        """Refuse the request that is being received, to free memory for others."""
        self._refuse(503, "too many bytes in flight: try again")

    def _count_head(self, size: int) -> None:
        self._head.size += size
        if self._head.size > HEAD_BYTES and not self._is_ending:
            self._refuse(431, f"expected a head of at most {HEAD_BYTES} bytes")

    def _pause_reading(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def time_out(self) -> None:
        """Handle the passed deadline."""
        if self._reading_until == self.deadline and not self._is_ending:
            self._refuse(408, "expected the complete request in time")
        else:
            self.abort()

    def close(self) -> None:
        """Close once everything is written."""
        self._is_ending = True
        if self._transport is None or self.is_writing:
            return
        self._reading_until = self.idle_until = _NEVER
        self._expect_to_be_read()  # including TLS' close_notify
        self._transport.close()

    def stop(self) -> None:
        """Close without waiting for slow readers."""
        if self.is_writing:
            self.abort()
        else:
            self.close()

    def abort(self) -> None:
        """End the connection immediately."""
        self._lean.connections.discard(self)
        self._is_ending = True
        self._release()
        self._drop_unsent()
        if self._transport is not None:
            self._transport.abort()
