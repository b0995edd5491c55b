"""What the agent prints: into the log, as far as there is room, and to standard output. Shell."""

import contextlib
import os
import pathlib
import sys
from types import TracebackType
from typing import Self

MAX_LOG_BYTES = 64 * 1024 * 1024
"""Unless AGENT_RUNNER_LOG_MAX_BYTES says otherwise: a workspace is often an emptyDir of 1 GiB."""


def say(line: str) -> None:
    """Print one line of the runner's own to standard error."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"agent-runner: {' '.join(line.splitlines())}\n")
        sys.stderr.flush()


class Tee:
    """A log that stops growing at some size, beside standard output, which does not.

    An output that fails is given up, and said so once: a full disk must not end the agent.
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
            # 0666 less the umask, as for any file.
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
        """Write into the log and to standard output."""
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
        """Write into the log, or say there that it is full."""
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
