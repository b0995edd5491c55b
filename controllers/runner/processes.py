"""A program in its own process group, reported by events: output and end. Shell.

One thread without an event loop: `select` waits for output, for our signals and for the end.
"""

import contextlib
import dataclasses
import errno
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from types import FrameType, TracebackType
from typing import Final, Self, TypeAlias

from controllers.runner import errors

GRACE_SECONDS: Final = 20.0
"""Between SIGTERM and SIGKILL; the default grace period of a pod is 30 s in total."""

# Time for output of processes that left the group, after the agent's end.
_DRAIN_SECONDS: Final = 2.0
_CHUNK_BYTES: Final = 64 * 1024

OUTPUT: Final = "output"
ERRORS: Final = "errors"
_SIGNALS: Final = "signals"
_INPUT: Final = "input"

_ENDING: Final = (signal.SIGTERM, signal.SIGINT)


@dataclasses.dataclass(frozen=True, slots=True)
class Output:
    """Output of the program."""

    stream: str
    """`OUTPUT`, or `ERRORS` if these are separate."""
    data: bytes


@dataclasses.dataclass(frozen=True, slots=True)
class StopAsked:
    """The runner was asked to stop."""


@dataclasses.dataclass(frozen=True, slots=True)
class TimedOut:
    """The caller's timeout has expired."""


@dataclasses.dataclass(frozen=True, slots=True)
class Ended:
    """The program and the rest of its group have ended."""

    code: int
    """Exit code of the process; negative for a signal."""


Event: TypeAlias = Output | StopAsked | TimedOut | Ended


class Signals:
    """Records SIGTERM and SIGINT, and wakes `select` for these and SIGCHLD.

    For a whole process: afterwards they are ignored, so that a late one does not change the exit
    code.
    """

    def __enter__(self) -> Self:
        self._asked = 0
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        for number in (*_ENDING, signal.SIGCHLD):
            signal.signal(number, self._note)
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number in _ENDING:
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        os.close(self._reader)
        os.close(self._writer)

    def fileno(self) -> int:
        """Return the descriptor that becomes readable after a signal."""
        return self._reader

    def is_asked(self) -> bool:
        """Return whether a stop was requested, and not taken yet."""
        return self._asked > 0

    def take(self) -> bool:
        """Return whether a stop was requested since the last call."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self._reader, _CHUNK_BYTES):
                pass
        requests, self._asked = self._asked, 0
        return requests > 0

    def _note(self, number: int, _: FrameType | None) -> None:
        if number != signal.SIGCHLD:
            self._asked += 1


class Child:
    """A started program; a context manager that leaves no process behind."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        directory: str,
        environment: Mapping[str, str],
        signals: Signals,
        talks: bool = False,
    ) -> None:
        """Start the program.

        Args:
            command: The program and its arguments.
            directory: Working directory.
            environment: Complete environment; its PATH is searched for the program.
            signals: Reports requests to stop.
            talks: Whether it reads what we `send`, with separate standard error.

        Raises:
            NotFoundError: The program does not exist.
            StartError: It cannot be executed.
        """
        self._signals = signals
        self._process = _start(command, directory, environment, talks=talks)
        self._code: int | None = None
        self._drained_at = 0.0
        self._unsent = b""
        self._is_closing = False
        self._selector = selectors.DefaultSelector()
        self._selector.register(signals, selectors.EVENT_READ, _SIGNALS)
        self._open: set[str] = set()
        for name, stream in ((OUTPUT, self._process.stdout), (ERRORS, self._process.stderr)):
            if stream is not None:
                os.set_blocking(stream.fileno(), False)
                self._selector.register(stream, selectors.EVENT_READ, name)
                self._open.add(name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._code is None:
            self.signal(signal.SIGKILL)
            self._process.wait()
        self._selector.close()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()

    def next_event(self, until: float | None = None) -> Event:
        """Wait for the next event.

        Args:
            until: Timeout, by `time.monotonic`; None for none.
        """
        while True:
            is_asked = self._signals.take()
            if self._code is None:
                if is_asked:
                    return StopAsked()
                self._look_for_end()
            if self._code is not None and not self._is_draining():
                return Ended(self._code)
            limit = until if self._code is None else self._drained_at
            if self._code is None and limit is not None and time.monotonic() >= limit:
                return TimedOut()
            event = self._select(limit)
            if event is not None:
                return event

    def send(self, data: bytes) -> None:
        """Write to the program's input without blocking."""
        self._unsent += data
        self._flush()

    def close_input(self) -> None:
        """Close the program's input after what was sent."""
        self._is_closing = True
        self._flush()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program's process group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _select(self, limit: float | None) -> Event | None:
        timeout = None if limit is None else max(0.0, limit - time.monotonic())
        for key, _ in self._selector.select(timeout):
            if key.data == _INPUT:
                self._flush()
            elif key.data != _SIGNALS:
                return self._read(key)
        return None

    def _read(self, key: selectors.SelectorKey) -> Event | None:
        try:
            data = os.read(key.fd, _CHUNK_BYTES)
        except BlockingIOError:
            return None
        if data:
            return Output(key.data, data)
        self._selector.unregister(key.fileobj)
        self._open.discard(key.data)
        return None

    def _is_draining(self) -> bool:
        return bool(self._open) and time.monotonic() < self._drained_at

    def _look_for_end(self) -> None:
        """Check for the end of the program; then kill the rest of its group, as in a pod."""
        if not _is_dead(self._process.pid):
            return
        # Before its PID can be reused.
        self.signal(signal.SIGKILL)
        self._code = self._process.wait()
        self._drained_at = time.monotonic() + _DRAIN_SECONDS

    def _flush(self) -> None:
        stream = self._process.stdin
        if stream is None or stream.closed:
            return
        is_waiting = stream in self._waiting()
        try:
            written = os.write(stream.fileno(), self._unsent) if self._unsent else 0
        except BlockingIOError:
            written = 0
        except BrokenPipeError:
            self._unsent = b""
            self._is_closing = True
            written = 0
        self._unsent = self._unsent[written:]
        if self._unsent and not is_waiting:
            self._selector.register(stream, selectors.EVENT_WRITE, _INPUT)
        if not self._unsent and is_waiting:
            self._selector.unregister(stream)
        if not self._unsent and self._is_closing:
            with contextlib.suppress(BrokenPipeError):
                stream.close()

    def _waiting(self) -> list[object]:
        return [key.fileobj for key in self._selector.get_map().values() if key.data == _INPUT]


def _start(
    command: Sequence[str], directory: str, environment: Mapping[str, str], *, talks: bool
) -> subprocess.Popen[bytes]:
    try:
        process = subprocess.Popen(  # noqa: S603 - chosen by the provider
            command,
            bufsize=0,
            stdin=subprocess.PIPE if talks else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if talks else subprocess.STDOUT,
            cwd=directory,
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        raise _not_started(command[0], error) from error
    if process.stdin is not None:
        os.set_blocking(process.stdin.fileno(), False)
    return process


def _not_started(program: str, error: OSError) -> errors.RunnerError:
    name = errors.quoted(program)
    if error.errno == errno.ENOENT:
        return errors.NotFoundError(
            f"expected a program at {name}, got none, or its interpreter is missing"
        )
    return errors.StartError(f"could not execute {name}: {error.strerror}")


_DEAD: Final = os.WEXITED | os.WNOHANG | os.WNOWAIT


def _is_dead(process: int) -> bool:
    """Return whether our child has ended, without reaping it; other dead children are reaped.

    The first process of a container inherits all orphans, and must reap them.
    """
    with contextlib.suppress(ChildProcessError):
        while (dead := os.waitid(os.P_ALL, 0, _DEAD)) is not None:
            if dead.si_pid == process:
                return True
            os.waitpid(dead.si_pid, 0)
    return False
