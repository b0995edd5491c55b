"""Writes an audit log to a file that is rotated by size. Shell: files, a thread.

The file is NAME.jsonl; full ones are NAME.000001.jsonl and so on, so that the order of their names
is that of the chain. Nothing is deleted. After a crash the file may end in part of a record, which
is cut off; the chain then goes on with the last complete one.
"""

import asyncio
import concurrent.futures
import contextlib
import fcntl
import logging
import os
import pathlib
from collections.abc import Sequence
from typing import Final

from controllers.audit import records
from controllers.audit.sinks.base import Opened, SinkError
from schemagen import files

MAX_FILE_BYTES: Final = 64 * 1024 * 1024
_BEGIN: Final = b'{"'
"""First bytes of every record."""
_log = logging.getLogger(__name__)


class FileSink:
    """Appends to a file.

    Args:
        path: The file; it belongs to one process at a time.
        max_bytes: Size at which the next file begins.
    """

    def __init__(self, path: pathlib.Path, *, max_bytes: int = MAX_FILE_BYTES) -> None:
        self._path, self._max_bytes = path, max_bytes
        self._writer = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="audit")
        self._locks = contextlib.ExitStack()
        self._descriptor = -1
        self._size = 0

    async def open(self) -> Opened:
        """Take the file, and find out where its chain ends; see ``Sink.open``."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._writer, self._open)
        except OSError as error:
            self._locks.close()
            raise SinkError(
                f"expected a writable file that no other process uses for the audit log, got "
                f"{error.strerror} for {self._path}: give each replica a file of its own"
            ) from error

    async def write(self, lines: Sequence[bytes]) -> None:
        """Append lines, with one fsync; see ``Sink.write``."""
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._writer, self._write, b"".join(lines))
        except OSError as error:
            raise SinkError(f"writing to {self._path} failed: {error.strerror}") from error

    async def close(self) -> None:
        """Close the file."""
        await asyncio.to_thread(self._writer.shutdown)
        self._close()
        self._locks.close()

    # --- in the thread --------------------------------------------------------------------------

    def _open(self) -> Opened:
        lock_path = self._path.with_name(f"{self._path.name}.lock")
        lock = os.open(lock_path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        self._locks.callback(os.close, lock)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._begin()
        if not self._is_continuable():
            _log.error(
                "the audit log does not end with a record: a new chain begins in a new file",
                extra={"file": str(self._path)},
            )
            self._rotate()
            self._begin()
            return Opened()
        cut_bytes = os.fstat(self._descriptor).st_size - self._size
        if cut_bytes:
            _log.warning(
                "part of a record at the end of the audit log is cut off: a write was interrupted",
                extra={"file": str(self._path), "bytes": cut_bytes},
            )
        newest_first = [self._path, *self._full_files()[::-1]]
        last_line = next((line for path in newest_first if (line := _last_line(path))), b"")
        last = records.read(last_line)
        return Opened(last.position if last is not None and last.is_intact else None, cut_bytes)

    def _begin(self) -> None:
        """Open the file, and find the end of its last complete line."""
        flags = os.O_CREAT | os.O_RDWR | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(self._path, flags, 0o600)
        files.sync_directory(self._path.parent)
        self._size = _whole_bytes(self._descriptor)

    def _is_continuable(self) -> bool:
        """Return whether the file is empty, or an audit log: nothing else is cut or appended to."""
        last_line = _last_line(self._path)
        if last_line:
            last = records.read(last_line)
            return last is not None and last.is_intact
        torn = os.pread(self._descriptor, records.MAX_LINE_BYTES + 1, self._size)
        is_short = len(torn) <= records.MAX_LINE_BYTES
        return not self._size and is_short and torn[:2] == _BEGIN[: len(torn)]

    def _write(self, data: bytes) -> None:
        # Left by a write that failed, or by a crash: cut off only when the record that says so is
        # written, so that another crash meanwhile does not hide it.
        if self._descriptor >= 0 and os.fstat(self._descriptor).st_size > self._size:
            os.ftruncate(self._descriptor, self._size)
        if self._descriptor >= 0 and self._size >= self._max_bytes:
            self._rotate()
        if self._descriptor < 0:
            self._begin()
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        os.fdatasync(self._descriptor)
        self._size += len(data)

    def _rotate(self) -> None:
        """Give a full file its number; a replica that crashes now goes on with its chain."""
        full = self._full_files()
        number = _number(full[-1]) + 1 if full else 1
        self._path.rename(
            self._path.with_name(f"{self._path.stem}.{number:06d}{self._path.suffix}")
        )
        self._close()

    def _full_files(self) -> list[pathlib.Path]:
        stem, suffix = self._path.stem, self._path.suffix
        beside = self._path.parent.iterdir()
        named = [
            path
            for path in beside
            if path.name.startswith(f"{stem}.") and path.suffix == suffix and _number(path)
        ]
        return sorted(named, key=_number)

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1


def _number(path: pathlib.Path) -> int:
    """Return the number of a full file; 0 if it is none."""
    digits = pathlib.Path(path.stem).suffix[1:] if path.suffix else ""
    return int(digits) if digits.isascii() and digits.isdigit() else 0


def _whole_bytes(descriptor: int) -> int:
    """Return the size of the complete lines of a file."""
    end = os.fstat(descriptor).st_size
    while end:
        begin = max(0, end - records.MAX_LINE_BYTES)
        at = os.pread(descriptor, end - begin, begin).rfind(b"\n")
        if at >= 0:
            return begin + at + 1
        end = begin
    return 0


def _last_line(path: pathlib.Path) -> bytes:
    """Return the last complete line of a file, without its end; empty if there is none."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 2 * records.MAX_LINE_BYTES))
            tail = file.read()
    except FileNotFoundError:
        return b""
    # Of a full file, part of a record at its end is left to be found.
    whole = tail[: tail.rfind(b"\n") + 1]
    return whole[:-1].rpartition(b"\n")[2]
