"""JSON lines to a file, many at a time. Shell: the file.

The access log says of every request what became of it; the audit log says of every decision whose
it was. Neither holds a payload. Lines wait for at most a fifth of a second.
"""

import asyncio
import datetime as dt
from typing import Any, BinaryIO, Final

import orjson

FLUSH_SECONDS: Final = 0.2
FLUSH_BYTES: Final = 64 * 1024


class Journal:
    """Lines of one file, written by the running loop."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._lines: list[bytes] = []
        self._bytes = 0
        self._timer: asyncio.TimerHandle | None = None

    def write(self, **members: Any) -> None:
        """Add a line; its ``time`` is now."""
        line = orjson.dumps(
            {"time": dt.datetime.now(dt.UTC), **members}, option=orjson.OPT_APPEND_NEWLINE
        )
        self._lines.append(line)
        self._bytes += len(line)
        if self._bytes > FLUSH_BYTES:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush)

    def flush(self) -> None:
        """Write what waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._lines:
            self._file.write(b"".join(self._lines))
            self._file.flush()
        self._lines, self._bytes = [], 0
