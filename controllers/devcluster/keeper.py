"""Runs one command for as long as the process that started this one lives. Shell; stdlib only.

``python keeper.py GRACE_SECONDS SCRATCH COMMAND...`` with a pipe as standard input: when its owner
says goodbye by a byte, or dies (even by SIGKILL, which closes the pipe), the command's process
group gets SIGTERM and, after a grace, SIGKILL. Of an owner that died, SCRATCH (a folder, or the
empty string) is removed. The exit code is the command's. Works alike on Linux and macOS.
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


class Keeper:
    """A command, and what is to be done when its owner is gone."""

    def __init__(self, grace_seconds: float, scratch: str, command: list[str]) -> None:
        self._grace_seconds, self._scratch = grace_seconds, scratch
        self._has_owner = True
        self._owner = os.getppid()
        self._child = subprocess.Popen(  # noqa: S603 - the caller's own command
            command, stdin=subprocess.DEVNULL, start_new_session=True
        )

    def run(self) -> int:
        """Wait for the command; its exit code, or as a shell has it, 128 and the signal."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._end())
        threading.Thread(target=self._end_with_owner, daemon=True).start()
        code = self._child.wait()
        # What it started and left behind.
        self._signal(signal.SIGKILL)
        if self._scratch and not self._has_owner:
            shutil.rmtree(self._scratch, ignore_errors=True)
        return code if code >= 0 else 128 - code

    def _end_with_owner(self) -> None:
        # A fork of the owner holds the pipe too: it stays open though the owner has died, so the
        # parent is looked at as well; and a goodbye counts before the end of the file.
        while not select.select([0], [], [], _POLL_SECONDS)[0]:
            if os.getppid() != self._owner:
                self._has_owner = False
                break
        else:
            self._has_owner = bool(os.read(0, 1024))
        self._end()

    def _end(self) -> None:
        """Send SIGTERM to the command's group, and SIGKILL if it takes too long."""
        self._signal(signal.SIGTERM)
        timer = threading.Timer(self._grace_seconds, self._signal, (signal.SIGKILL,))
        timer.daemon = True
        timer.start()

    def _signal(self, number: signal.Signals) -> None:
        """Send a signal to the command and what it started; no error if they are gone."""
        # macOS says PermissionError of a group that has ended.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child.pid, number)


if __name__ == "__main__":
    _, grace, folder, *words = sys.argv
    sys.exit(Keeper(float(grace), folder, words).run())
