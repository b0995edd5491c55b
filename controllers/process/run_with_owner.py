"""Runs a command while the process that started this one lives. Shell; stdlib only.

``python run_with_owner.py GRACE_SECONDS SCRATCH COMMAND...`` with a pipe as standard input: when
its owner writes a byte, or dies (even by SIGKILL, which closes the pipe), the command's process
group gets SIGTERM and, after a grace period, SIGKILL. If the owner died, SCRATCH (a directory,
or the empty string) is removed. The exit code is the command's. Works on Linux and macOS.
"""

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import threading

_POLL_SECONDS = 0.5


class Guard:
    """A command, and its cleanup when the owner is gone."""

    def __init__(self, grace_seconds: float, scratch: str, command: list[str]) -> None:
        self._grace_seconds, self._scratch = grace_seconds, scratch
        self._has_owner = True
        self._owner = os.getppid()
        self._child = subprocess.Popen(  # noqa: S603 - the caller's own command
            command, stdin=subprocess.DEVNULL, start_new_session=True
        )

    def run(self) -> int:
        """Wait for the command; return its exit code, or like a shell, 128 plus the signal."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._end())
        threading.Thread(target=self._end_with_owner, daemon=True).start()
        code = self._child.wait()
        # Kill processes that it left behind.
        self._signal(signal.SIGKILL)
        if self._scratch and not self._has_owner:
            shutil.rmtree(self._scratch, ignore_errors=True)
        return code if code >= 0 else 128 - code

    def _end_with_owner(self) -> None:
        # A fork of the owner holds the pipe too, which then stays open after the owner's death, so
        # the parent is checked as well; a byte takes precedence over the end of the file.
        while not select.select([0], [], [], _POLL_SECONDS)[0]:
            if os.getppid() != self._owner:
                self._has_owner = False
                break
        else:
            self._has_owner = bool(os.read(0, 1024))
        self._end()

    def _end(self) -> None:
        """Send SIGTERM to the command's group, and SIGKILL after the grace period."""
        self._signal(signal.SIGTERM)
        timer = threading.Timer(self._grace_seconds, self._signal, (signal.SIGKILL,))
        timer.daemon = True
        timer.start()

    def _signal(self, number: signal.Signals) -> None:
        """Send a signal to the command's group; ignore it if the group is gone."""
        # macOS raises PermissionError for a group that has ended.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child.pid, number)


if __name__ == "__main__":
    _, grace, folder, *words = sys.argv
    sys.exit(Guard(float(grace), folder, words).run())
