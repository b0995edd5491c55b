"""Writes an audit log to standard output. Shell: a file descriptor, a thread.

A pipe that nobody reads must not keep the process from exiting, so a write waits for room only for
a while, and the next one goes on at the byte where it stopped.
"""

import asyncio
import concurrent.futures
import os
import select
from collections.abc import Sequence
from typing import Final

from controllers.audit.sinks.base import Opened, SinkError

STANDARD_OUTPUT: Final = 1
WAIT_SECONDS: Final = 1.0


class StdoutSink:
    """Writes to a file descriptor; every process begins a chain.

    Args:
        descriptor: Open for writing.
        wait_seconds: Time to wait for a reader.
    """

    def __init__(
        self, descriptor: int = STANDARD_OUTPUT, *, wait_seconds: float = WAIT_SECONDS
    ) -> None:
        self._descriptor, self._wait_seconds = descriptor, wait_seconds
        self._writer = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="audit")
        self._written = 0
        """Bytes of the lines of a failed write that were written."""

    async def open(self) -> Opened:
        """Begin a chain; see ``Sink.open``."""
        return Opened()

    async def write(self, lines: Sequence[bytes]) -> None:
        """Write lines; see ``Sink.write``."""
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._writer, self._write, b"".join(lines))
        except OSError as error:
            raise SinkError(f"writing to standard output failed: {error.strerror}") from error

    async def close(self) -> None:
        """End the thread."""
        await asyncio.to_thread(self._writer.shutdown)

    def _write(self, data: bytes) -> None:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        while self._written < len(data):
            if not poll.poll(self._wait_seconds * 1000):
                raise TimeoutError(None, "it is not read")
            # A pipe that has room takes this much at once.
            piece = data[self._written : self._written + select.PIPE_BUF]
            self._written += os.write(self._descriptor, piece)
        self._written = 0
