"""Log files written by a background thread: requests never wait for I/O. Shell: threads, files.

The queue is bounded in bytes and lines. A log fails open: what exceeds the queue, or what a full
disk refuses, is dropped and counted, and no request is delayed or denied for it. After a partial
write, the next line starts on a new line.
"""

import collections
import io
import os
import select
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from prometheus_client import core

MAX_QUEUED_BYTES: Final = 8 * 1024 * 1024
MAX_QUEUED_LINES: Final = 65_536
# Size of a write; a local file system appends that much atomically.
MAX_WRITE_BYTES: Final = 64 * 1024
# Upper bound for waiting at exit for a pipe that is not read.
DRAIN_SECONDS: Final = 5.0
FLUSH_SECONDS: Final = 1.0
# Interval at which dropped lines are logged.
WARNING_SECONDS: Final = 60.0
QUEUE_FULL: Final = "the queue is full"


class LogWriter:
    """Writes lines to a file descriptor in order, from a thread.

    Args:
        descriptor: Open for appending; its owner closes it after ``close``.
        max_bytes: Maximum size of the queue.
        max_lines: Maximum lines in the queue.

    Attributes:
        dropped: Number of lines dropped since the start.
        reason: Why the last of them was dropped.
    """

    def __init__(
        self,
        descriptor: int,
        *,
        max_bytes: int = MAX_QUEUED_BYTES,
        max_lines: int = MAX_QUEUED_LINES,
    ) -> None:
        self._descriptor = descriptor
        self._max_bytes, self._max_lines = max_bytes, max_lines
        self._queue: collections.deque[bytes] = collections.deque()
        self._bytes = self._lines = 0
        self._changed = threading.Condition()
        self._is_closed = self._is_torn = False
        self.dropped = 0
        self.reason = ""
        # A daemon thread: an unwritable log must not keep the process from exiting.
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)

    def append(self, data: bytes) -> None:
        """Queue complete lines; never blocks, never raises."""
        lines = data.count(b"\n")
        with self._changed:
            if not self._has_room(len(data), lines):
                self._drop(lines, QUEUE_FULL)
                return
            if self._thread.ident is None:  # started late, because the process may fork
                self._thread.start()
            self._queue.append(data)
            self._bytes += len(data)
            self._lines += lines
            self._changed.notify_all()

    def flush(self, seconds: float = FLUSH_SECONDS) -> None:
        """Wait until everything queued is written, up to a timeout."""
        with self._changed:
            self._changed.wait_for(lambda: not self._bytes, seconds)

    def close(self, seconds: float = DRAIN_SECONDS) -> None:
        """Write what is queued, up to a timeout; later lines are dropped."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join(seconds)

    def _has_room(self, size: int, lines: int) -> bool:
        return (
            not self._is_closed
            and self._bytes + size <= self._max_bytes
            and self._lines + lines <= self._max_lines
        )

    def _drop(self, lines: int, reason: str) -> None:
        self.dropped += lines
        self.reason = reason

    def _run(self) -> None:
        while batch := self._next_batch():
            self._write(batch)
            with self._changed:
                self._bytes -= len(batch)
                self._lines -= batch.count(b"\n")
                self._changed.notify_all()

    def _next_batch(self) -> bytes:
        """Return the next batch, which still counts as queued; empty at the end."""
        with self._changed:
            while not self._queue:
                if self._is_closed:
                    return b""
                self._changed.wait()
            pieces = [self._queue.popleft()]
            size = len(pieces[0])
            while self._queue and size + len(self._queue[0]) <= MAX_WRITE_BYTES:
                pieces.append(self._queue.popleft())
                size += len(pieces[-1])
            return b"".join(pieces)

    def _write(self, batch: bytes) -> None:
        rest = memoryview(b"\n" + batch if self._is_torn else batch)
        try:
            while rest:
                rest = rest[self._write_some(rest) :]
        except OSError as error:
            written = batch[: max(0, len(batch) - len(rest))]
            lost = batch.count(b"\n") - written.count(b"\n")
            with self._changed:
                self._drop(lost, error.strerror or type(error).__name__)
            if written:
                self._is_torn = not written.endswith(b"\n")
        else:
            self._is_torn = False

    def _write_some(self, rest: memoryview) -> int:
        try:
            return os.write(self._descriptor, rest)
        except BlockingIOError:
            # The parent process shares the pipe and made it non-blocking.
            poll = select.poll()
            poll.register(self._descriptor, select.POLLOUT)
            poll.poll()
            return 0


class TextStream(io.TextIOBase):
    """A text file whose lines a ``LogWriter`` writes, for loggers."""

    def __init__(self, writer: LogWriter) -> None:
        self._writer = writer

    def write(self, text: str) -> int:
        """Append whole lines."""
        self._writer.append(text.encode("utf-8", "backslashreplace"))
        return len(text)


class Losses:
    """Reports lost log lines: a metric (a prometheus_client collector) and log entries.

    Args:
        writers: Log writers by their metric label.
    """

    def __init__(self, writers: Mapping[str, LogWriter]) -> None:
        self._writers = writers
        self._reported = dict.fromkeys(writers, 0)
        self._reported_at = float("-inf")

    def counts(self) -> dict[str, int]:
        """Return the number of lines dropped since the start, by log."""
        return {name: writer.dropped for name, writer in self._writers.items()}

    def collect(self) -> Iterator[core.Metric]:
        """Yield the metric."""
        yield metric({(name,): [count] for name, count in self.counts().items()})

    def due(self, now: float) -> list[dict[str, Any]]:
        """Return log entries for newly lost lines, at most once per ``WARNING_SECONDS``.

        Args:
            now: Monotonic clock, in seconds.
        """
        counts = self.counts()
        if counts == self._reported or now < self._reported_at + WARNING_SECONDS:
            return []
        before, self._reported, self._reported_at = self._reported, counts, now
        return [
            {"log": name, "count": count - before[name], "reason": self._writers[name].reason}
            for name, count in counts.items()
            if count > before[name]
        ]


def metric(rows: Mapping[tuple[str, ...], Sequence[float]]) -> core.Metric:
    """The metric of dropped lines by log."""
    counter = core.CounterMetricFamily(
        "kubewright_log_dropped_lines",
        "Log lines dropped because the queue or the disk was full.",
        labels=["log"],
    )
    for labels, numbers in rows.items():
        counter.add_metric(labels, numbers[0])
    return counter
