"""A worker's second process, which reviews large bodies. Shell: a process and a socket.

Decoding, converting or freeing a large body holds the GIL for tens of milliseconds at a time; in a
thread of the worker, that would delay all other requests.
"""

import asyncio
import contextlib
import itertools
import json
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Final, NoReturn, TypeAlias

import msgspec

from schemagen.problems import JSON
from webhooks import answers, routing
from webhooks.answers import Answer
from webhooks.routing import Route

BEAT_SECONDS: Final = 1.0
# Its threads keep it from sending heartbeats for some time, and a machine may be busy. Counted once
# a second by the worker, so that time during which the worker itself was stopped does not count.
MAX_SILENCES: Final = 30

READ_BYTES: Final = 1024 * 1024

_LENGTH_BYTES: Final = 4
_GONE: Final = "expected to review a large body, but the process for large bodies ended: try again"


class Review(msgspec.Struct, frozen=True, tag=True):
    """A body to review, which follows, and its client's timeout."""

    number: int
    path: str
    seconds: float
    body_bytes: int


class Cancel(msgspec.Struct, frozen=True, tag=True):
    """The client is gone."""

    number: int


class Settings(msgspec.Struct, frozen=True, tag=True):
    """The operator's current settings.

    Attributes:
        settings: JSON, because msgpack has no integers above 64 bits.
    """

    settings: str


class Response(msgspec.Struct, frozen=True):
    """A response, whose body follows; without one, a heartbeat."""

    number: int
    answer: Answer | None = None
    body_bytes: int = 0


_REQUESTS: Final = msgspec.msgpack.Decoder(Review | Cancel | Settings)
_ANSWERS: Final = msgspec.msgpack.Decoder(Response)

Serve: TypeAlias = Callable[[socket.socket], None]
"""Runs in the second process until the socket ends."""


@contextlib.contextmanager
def forked(serve: Serve) -> Iterator[socket.socket]:
    """Fork a second process before there are threads or an event loop; the value is its socket.

    It ends with this process, whatever the reason; it ignores signals.
    """
    ours, theirs = socket.socketpair()
    if not (process := os.fork()):
        ours.close()
        _run(serve, theirs)
    theirs.close()
    try:
        yield ours
    finally:
        os.kill(process, signal.SIGKILL)  # nothing waits for its work
        os.waitpid(process, 0)


def _run(serve: Serve, channel: socket.socket) -> NoReturn:
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        serve(channel)
    finally:
        os._exit(0)  # skip the worker's own cleanup


class Server:
    """The second process's end: reviews bodies.

    Attributes:
        settings: The operator's settings as of the last request.
    """

    def __init__(self) -> None:
        self.settings: Mapping[str, JSON] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}

    async def serve(self, channel: socket.socket, paths: Mapping[str, Route]) -> None:
        """Serve until the socket ends."""
        reader, writer = await asyncio.open_connection(sock=channel, limit=READ_BYTES)
        beating = asyncio.create_task(_beat(writer))
        with contextlib.closing(writer), contextlib.suppress(ConnectionError):
            while frame := await _frame(reader):
                request = _REQUESTS.decode(frame)
                size = request.body_bytes if isinstance(request, Review) else 0
                self._handle(writer, paths, request, await _exactly(reader, size))
        beating.cancel()

    def _handle(
        self,
        writer: asyncio.StreamWriter,
        paths: Mapping[str, Route],
        request: Review | Cancel | Settings,
        body: bytes,
    ) -> None:
        match request:
            case Settings():
                self.settings = json.loads(request.settings)
            case Cancel() if request.number in self._tasks:
                self._tasks[request.number].cancel()
            case Review():
                task = asyncio.create_task(_respond(writer, paths, request, body))
                self._tasks[request.number] = task
                task.add_done_callback(lambda _: self._tasks.pop(request.number))


async def _beat(writer: asyncio.StreamWriter) -> None:
    while True:
        _write(writer, msgspec.msgpack.encode(Response(0)))
        await asyncio.sleep(BEAT_SECONDS)


async def _respond(
    writer: asyncio.StreamWriter, paths: Mapping[str, Route], review: Review, body: bytes
) -> None:
    result = routing.answer(paths[review.path], body, review.seconds)
    answer = result if isinstance(result, Answer) else await result
    head = msgspec.structs.replace(answer, body=b"")
    response = Response(review.number, head, len(answer.body))
    _write(writer, msgspec.msgpack.encode(response), answer.body)


async def connected(channel: socket.socket, settings: Callable[[], Mapping[str, JSON]]) -> "Client":
    """Connect the worker's end of the socket.

    Args:
        channel: Socket to the second process.
        settings: Returns the operator's settings.
    """
    reader, writer = await asyncio.open_connection(sock=channel, limit=READ_BYTES)
    return Client(reader, writer, settings)


class Client:
    """The worker's end: sends reviews and dispatches the responses.

    Attributes:
        is_gone: Whether the second process ended or stopped responding.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        settings: Callable[[], Mapping[str, JSON]],
    ) -> None:
        self._writer, self._settings = writer, settings
        self._known: Mapping[str, JSON] | None = None
        self._listening = asyncio.create_task(self._listen(reader))
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._silences = 0
        self._has_ended = False

    @property
    def is_gone(self) -> bool:
        """Whether the second process ended or stopped responding."""
        return self._has_ended or self._silences > MAX_SILENCES

    def count_silence(self) -> None:
        """Count a second without a message; any message resets the count."""
        self._silences += 1

    def answer(self, path: str, body: bytes, seconds: float) -> Awaitable[Answer]:
        """Review a body in the second process.

        Args:
            path: Path of the route.
            body: The request body.
            seconds: The client's timeout.
        """
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        if self.is_gone:
            future.set_result(answers.refusal(503, _GONE))
            return future
        if (settings := self._settings()) is not self._known:
            self._known = settings
            self._write(Settings(json.dumps(settings)))
        number = next(self._numbers)
        self._waiting[number] = future
        future.add_done_callback(lambda _: self._finished(number))
        self._write(Review(number, path, seconds, len(body)), body)
        return future

    def close(self) -> None:
        """Let the second process end."""
        self._listening.cancel()
        self._writer.close()

    def _finished(self, number: int) -> None:
        if self._waiting.pop(number).cancelled():
            self._write(Cancel(number))

    def _write(self, request: Review | Cancel | Settings, body: bytes = b"") -> None:
        if not self._writer.is_closing():
            _write(self._writer, msgspec.msgpack.encode(request), body)

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        """Dispatch responses until the second process ends."""
        with contextlib.suppress(OSError):
            while frame := await _frame(reader):
                self._silences = 0
                response = _ANSWERS.decode(frame)
                body = await _exactly(reader, response.body_bytes)
                future = self._waiting.get(response.number)
                if future is not None and response.answer is not None and not future.done():
                    future.set_result(msgspec.structs.replace(response.answer, body=body))
        self._has_ended = True
        for future in [*self._waiting.values()]:
            if not future.done():
                future.set_result(answers.refusal(503, _GONE))


def _write(writer: asyncio.StreamWriter, head: bytes, body: bytes = b"") -> None:
    writer.write(len(head).to_bytes(_LENGTH_BYTES) + head)
    if body:
        writer.write(body)  # separately: joining would copy it


async def _frame(reader: asyncio.StreamReader) -> bytes:
    """Read the next frame; empty at the end."""
    return await _exactly(reader, int.from_bytes(await _exactly(reader, _LENGTH_BYTES)))


async def _exactly(reader: asyncio.StreamReader, size: int) -> bytes:
    """Read exactly this many bytes; empty at the end."""
    try:
        return await reader.readexactly(size)
    except asyncio.IncompleteReadError:
        return b""
