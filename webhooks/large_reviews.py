"""A second process of a worker, which reviews large bodies. Shell: a process and a socket.

Decoding, converting or freeing a large body holds the interpreter's lock for tens of milliseconds
at a time; in a thread of the worker, that would keep everybody else waiting.
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
from webhooks import routes
from webhooks.routes import Answer, Route

BEAT_SECONDS: Final = 1.0
# It computes in threads, which keep it from beating for some time, and a machine may be busy.
# Counted by the worker's own looks, once a second: a worker that was stopped itself has not looked.
MAX_SILENCES: Final = 30

READ_BYTES: Final = 1024 * 1024

_LENGTH_BYTES: Final = 4
_GONE: Final = "expected to review a large body, the process that does has ended: try again"


class Review(msgspec.Struct, frozen=True, tag=True):
    """A body to review, which comes behind, and how long its client waits."""

    number: int
    path: str
    seconds: float
    body_bytes: int


class Cancel(msgspec.Struct, frozen=True, tag=True):
    """Nobody waits for an answer any more."""

    number: int


class Settings(msgspec.Struct, frozen=True, tag=True):
    """What the operator's file of settings says from now on.

    Attributes:
        settings: As JSON: msgpack has no integers above 64 bits.
    """

    settings: str


class Answered(msgspec.Struct, frozen=True):
    """An answer, whose body comes behind; or, without one, a sign of life."""

    number: int
    answer: Answer | None = None
    body_bytes: int = 0


_REQUESTS: Final = msgspec.msgpack.Decoder(Review | Cancel | Settings)
_ANSWERS: Final = msgspec.msgpack.Decoder(Answered)

Attend: TypeAlias = Callable[[socket.socket], None]
"""What the second process does until the socket ends."""


@contextlib.contextmanager
def forked(attend: Attend) -> Iterator[socket.socket]:
    """A second process, begun before there are threads or an event loop; the socket to it.

    It ends with this one, however that ends; signals are for this one.
    """
    ours, theirs = socket.socketpair()
    if not (process := os.fork()):
        ours.close()
        _run(attend, theirs)
    theirs.close()
    try:
        yield ours
    finally:
        os.kill(process, signal.SIGKILL)  # whatever it still does, nobody waits for
        os.waitpid(process, 0)


def _run(attend: Attend, channel: socket.socket) -> NoReturn:
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        attend(channel)
    finally:
        os._exit(0)  # what is done at the worker's end is the worker's


class Server:
    """The second process's end: answers what is asked.

    Attributes:
        settings: What the operator's file said when the last review was asked for.
    """

    def __init__(self) -> None:
        self.settings: Mapping[str, JSON] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}

    async def attend(self, channel: socket.socket, paths: Mapping[str, Route]) -> None:
        """Answer until the socket ends."""
        reader, writer = await asyncio.open_connection(sock=channel, limit=READ_BYTES)
        beating = asyncio.create_task(_beat(writer))
        with contextlib.closing(writer), contextlib.suppress(ConnectionError):
            while frame := await _frame(reader):
                request = _REQUESTS.decode(frame)
                size = request.body_bytes if isinstance(request, Review) else 0
                self._take(writer, paths, request, await _exactly(reader, size))
        beating.cancel()

    def _take(
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
                task = asyncio.create_task(_give(writer, paths, request, body))
                self._tasks[request.number] = task
                task.add_done_callback(lambda _: self._tasks.pop(request.number))


async def _beat(writer: asyncio.StreamWriter) -> None:
    while True:
        _write(writer, msgspec.msgpack.encode(Answered(0)))
        await asyncio.sleep(BEAT_SECONDS)


async def _give(
    writer: asyncio.StreamWriter, paths: Mapping[str, Route], asked: Review, body: bytes
) -> None:
    found = routes.answer(paths[asked.path], body, asked.seconds)
    answer = found if isinstance(found, Answer) else await found
    head = msgspec.structs.replace(answer, body=b"")
    given = Answered(asked.number, head, len(answer.body))
    _write(writer, msgspec.msgpack.encode(given), answer.body)


async def connected(channel: socket.socket, settings: Callable[[], Mapping[str, JSON]]) -> "Client":
    """The worker's end of a socket.

    Args:
        channel: To the second process.
        settings: What the operator's file says.
    """
    reader, writer = await asyncio.open_connection(sock=channel, limit=READ_BYTES)
    return Client(reader, writer, settings)


class Client:
    """The worker's end: asks, and hands out the answers.

    Attributes:
        is_gone: Whether the second process ended, or is silent.
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
        """Whether nothing more is to be expected of the second process."""
        return self._has_ended or self._silences > MAX_SILENCES

    def look(self) -> None:
        """See once a second whether the second process has said anything since the last look."""
        self._silences += 1

    def answer(self, path: str, body: bytes, seconds: float) -> Awaitable[Answer]:
        """The answer to a body.

        Args:
            path: Of its route.
            body: Of the request.
            seconds: So long the client waits.
        """
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        if self.is_gone:
            future.set_result(routes.refusal(503, _GONE))
            return future
        if (settings := self._settings()) is not self._known:
            self._known = settings
            self._write(Settings(json.dumps(settings)))
        number = next(self._numbers)
        self._waiting[number] = future
        future.add_done_callback(lambda _: self._settled(number))
        self._write(Review(number, path, seconds, len(body)), body)
        return future

    def close(self) -> None:
        """Let the second process end."""
        self._listening.cancel()
        self._writer.close()

    def _settled(self, number: int) -> None:
        if self._waiting.pop(number).cancelled():
            self._write(Cancel(number))

    def _write(self, request: Review | Cancel | Settings, body: bytes = b"") -> None:
        if not self._writer.is_closing():
            _write(self._writer, msgspec.msgpack.encode(request), body)

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        """Hand out answers until the second process ends."""
        with contextlib.suppress(OSError):
            while frame := await _frame(reader):
                self._silences = 0
                given = _ANSWERS.decode(frame)
                body = await _exactly(reader, given.body_bytes)
                future = self._waiting.get(given.number)
                if future is not None and given.answer is not None and not future.done():
                    future.set_result(msgspec.structs.replace(given.answer, body=body))
        self._has_ended = True
        for future in [*self._waiting.values()]:
            if not future.done():
                future.set_result(routes.refusal(503, _GONE))


def _write(writer: asyncio.StreamWriter, head: bytes, body: bytes = b"") -> None:
    writer.write(len(head).to_bytes(_LENGTH_BYTES) + head)
    if body:
        writer.write(body)  # by itself, as it is: joining would copy it


async def _frame(reader: asyncio.StreamReader) -> bytes:
    """The next frame; empty at the end."""
    return await _exactly(reader, int.from_bytes(await _exactly(reader, _LENGTH_BYTES)))


async def _exactly(reader: asyncio.StreamReader, size: int) -> bytes:
    """So many bytes; none at the end."""
    try:
        return await reader.readexactly(size)
    except asyncio.IncompleteReadError:
        return b""
