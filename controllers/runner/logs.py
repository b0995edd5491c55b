"""The agent's output, written to standard output and a bounded log. Shell."""

import contextlib
import os
import pathlib
import sys
from types import TracebackType
from typing import Self

MAX_LOG_BYTES = 64 * 1024 * 1024
"""Default of AGENT_RUNNER_LOG_MAX_BYTES: a workspace is often an emptyDir of 1 GiB."""


def say(line: str) -> None:
    """Print a line of the runner to standard error."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"agent-runner: {' '.join(line.splitlines())}\n")
        sys.stderr.flush()


class Tee:
    """Writes to a log up to a maximum size, and to standard output.

    After a failed write an output is abandoned, and reported once: a full disk must not stop the
    agent.
    """

    def __init__(self, path: pathlib.Path, *, max_bytes: int, output: int) -> None:
        self._output: int | None = output
        self._notice = (
            f"\n[agent-runner: the log is full at {max_bytes} bytes; "
            "the rest is on standard output only]\n"
        ).encode()[:max_bytes]
        self._room = max_bytes - len(self._notice)
        self._log: int | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # 0666 minus the umask, the default for files.
            self._log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        except OSError as error:
            say(f"could not write {path}: {error.strerror}; the agent's output is not logged")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close_log()

    def write(self, data: bytes) -> None:
        """Write to the log and to standard output."""
        self.log(data)
        self.show(data)

    def show(self, data: bytes) -> None:
        """Write to standard output."""
        if self._output is None:
            return
        try:
            _write(self._output, data)
        except OSError as error:
            self._output = None
            say(f"could not write to standard output: {error.strerror}")

    def log(self, data: bytes) -> None:
        """Write to the log, or a notice that it is full."""
        if self._log is None:
            return
        fits = data[: self._room]
        try:
            _write(self._log, fits)
            self._room -= len(fits)
            if len(fits) < len(data):
                _write(self._log, self._notice)
                self._close_log()
        except OSError as error:
            say(f"could not write the log: {error.strerror}")
            self._close_log()

    def _close_log(self) -> None:
        if self._log is not None:
            os.close(self._log)
            self._log = None


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
