"""A directory of deliveries that are received but not yet applied. Shell: files, a thread.

Appends are committed in groups: what arrives while the disk is busy shares the next fsync. A
segment is never appended to after a start or a failed write, and is deleted once all of its
records are applied. Applying a record twice changes nothing, so progress itself is not stored.
"""

import asyncio
import concurrent.futures
import contextlib
import dataclasses
import fcntl
import logging
import os
import pathlib
from collections.abc import Iterator
from typing import Final, Self

from controllers.sources.receiving import spool_records
from controllers.sources.receiving.spool_records import Damage, Record
from schemagen import files

SEGMENT_BYTES: Final = 16 * 1024 * 1024
MAX_BYTES: Final = 1024 * 1024 * 1024
_SUFFIX: Final = ".spool"
_log = logging.getLogger(__name__)


class SpoolError(Exception):
    """A delivery could not be made durable; its sender is told so."""


class Segment:
    """A file of records.

    Attributes:
        path: The file.
        size: Its bytes.
        waiting: Number of its records that are not applied.
        is_closed: Whether nothing is appended to it any more.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self.size = self.waiting = 0
        self.is_closed = False

    def applied(self) -> None:
        """Count a record that is applied; the last one deletes a closed segment."""
        self.waiting -= 1
        self.discard_if_done()

    def discard_if_done(self) -> None:
        """Delete a closed segment whose records are all applied."""
        if self.is_closed and not self.waiting:
            self.path.unlink(missing_ok=True)
            self.size = 0


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Append:
    """Bytes that wait for the next commit."""

    data: bytes
    committed: "asyncio.Future[Segment]"


class Spool:
    """Spool of this process; opened with ``async with``.

    Args:
        directory: Exists, is writable, and belongs to one process at a time.
        segment_bytes: Size at which the next segment begins.
        max_bytes: Size of all segments past which nothing more is taken.

    Attributes:
        damages: Number of damaged places that were skipped at the start.
    """

    def __init__(
        self,
        directory: pathlib.Path,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._directory = directory
        self._segment_bytes, self._max_bytes = segment_bytes, max_bytes
        self._writer = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._segments: list[Segment] = []
        self._open: tuple[Segment, int] | None = None
        self._waiting: list[_Append] = []
        self._committing: asyncio.Task[None] | None = None
        self._stack = contextlib.ExitStack()
        self.damages = 0

    async def __aenter__(self) -> Self:
        """Take the directory.

        Raises:
            SpoolError: Another process has it, or it is not writable.
        """
        try:
            lock = os.open(self._directory / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            self._stack.callback(os.close, lock)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._stack.close()
            raise SpoolError(
                f"expected a spool that no other process uses, got {error.strerror} for "
                f"{self._directory}: give each replica a directory of its own"
            ) from error
        return self

    async def __aexit__(self, *error: object) -> None:
        """Commit what waits, and give the directory back."""
        if self._committing is not None:
            await asyncio.wait([self._committing])
        self._writer.shutdown()
        self._close_segment()
        self._stack.close()

    @property
    def size(self) -> int:
        """Bytes of all segments."""
        return sum(segment.size for segment in self._segments)

    def recovered(self) -> Iterator[tuple[Record, Segment]]:
        """Yield the records that an earlier process left; call it once, before any append."""
        for path in sorted(self._directory.glob(f"[0-9]*{_SUFFIX}")):
            segment = Segment(path)
            self._segments.append(segment)
            data = path.read_bytes()
            segment.size, segment.is_closed = len(data), True
            # Held until all records are read: the first ones may be applied before.
            segment.waiting = 1
            for item in spool_records.records(data):
                if isinstance(item, Damage):
                    self._report(path, item)
                else:
                    segment.waiting += 1
                    yield item, segment
            segment.applied()

    def _report(self, path: pathlib.Path, damage: Damage) -> None:
        self.damages += 1
        _log.warning(
            "damaged bytes in the spool skipped: a write that was interrupted, or a broken disk",
            extra={"file": str(path), "offset": damage.offset, "bytes": damage.size},
        )

    async def append(self, record: Record) -> Segment:
        """Make a record durable; return its segment, to be told when it is applied.

        Raises:
            SpoolError: It is not durable.
        """
        data = spool_records.encoded(record)
        if self.size + len(data) > self._max_bytes:
            raise SpoolError(f"expected at most {self._max_bytes} bytes in the spool, got more")
        append = _Append(data, asyncio.get_running_loop().create_future())
        self._waiting.append(append)
        if self._committing is None:
            self._committing = asyncio.create_task(self._commit())
        return await append.committed

    async def _commit(self) -> None:
        """Commit what waits, until nothing does."""
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                try:
                    segment = await loop.run_in_executor(
                        self._writer, self._write, b"".join(append.data for append in batch)
                    )
                except OSError as error:
                    _fail(batch, error)
                else:
                    self._succeed(batch, segment)
        finally:
            self._committing = None

    def _succeed(self, batch: list[_Append], segment: Segment) -> None:
        segment.waiting += len(batch)
        for append in batch:
            if append.committed.done():  # its request was cancelled: nobody will apply it
                segment.applied()
            else:
                append.committed.set_result(segment)
        if segment.size >= self._segment_bytes:
            self._close_segment()
        self._segments = [each for each in self._segments if each.size]

    # --- in the thread --------------------------------------------------------------------------

    def _write(self, data: bytes) -> Segment:
        segment, descriptor = self._open or self._begin_segment()
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            os.fdatasync(descriptor)
        except OSError:
            # What is on the disk is unknown (a failed fsync is not repeated): begin another.
            self._close_segment()
            raise
        segment.size += len(data)
        return segment

    def _begin_segment(self) -> tuple[Segment, int]:
        last = max((int(each.path.stem) for each in self._segments), default=0)
        segment = Segment(self._directory / f"{last + 1:012d}{_SUFFIX}")
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
        descriptor = os.open(segment.path, flags, 0o600)
        self._open = segment, descriptor
        self._segments.append(segment)
        files.sync_directory(self._directory)
        return self._open

    def _close_segment(self) -> None:
        if self._open is None:
            return
        segment, descriptor = self._open
        self._open = None
        os.close(descriptor)
        segment.is_closed = True
        segment.discard_if_done()


def _fail(batch: list[_Append], error: OSError) -> None:
    problem = SpoolError(f"writing to the spool failed: {error.strerror}")
    problem.__cause__ = error
    for append in batch:
        if not append.committed.done():
            append.committed.set_exception(problem)
