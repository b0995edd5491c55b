"""Processes that outlive the controller: started, found again, ended. Shell.

A process is known by its number and by when it began, and what it started by a variable of its
environment, because an agent may leave the session of its runner.
"""

import contextlib
import os
import pathlib
import select
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from controllers.runs.runtimes import launch

_LAUNCHER: Final = str(pathlib.Path(launch.__file__))
# Python starts in 20 ms; so long may a busy machine take.
_DECISION_SECONDS: Final = 20.0
_PROC: Final = pathlib.Path("/proc")


def spawn(folder: pathlib.Path, command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Start a launcher for the folder, wait until it has become the command or ended: its number.

    Raises:
        OSError: It could not be started.
    """
    reader, writer = os.pipe()
    try:
        pid = os.posix_spawn(
            sys.executable,
            # -I and -S: the launcher is stdlib only, and the folder's owner has no say in it.
            [sys.executable, "-I", "-S", _LAUNCHER, str(folder), *command],
            dict(environment),
            file_actions=[
                (os.POSIX_SPAWN_DUP2, writer, launch.DECIDED),
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (
                    *(os.POSIX_SPAWN_OPEN, 1, str(folder / "output.log")),
                    *(os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
                ),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsigmask=[],
        )
        os.close(writer)
        writer = -1
        select.select([reader], [], [], _DECISION_SECONDS)
    finally:
        os.close(reader)
        if writer >= 0:
            os.close(writer)
    return pid


def is_alive(pid: int, stamp: str) -> bool:
    """Whether a process runs that began then."""
    return pid > 0 and bool(stamp) and launch.stamp(pid) == stamp


def reap(pid: int) -> int | None:
    """The exit code of a child of ours that has ended, or minus the signal that ended it."""
    try:
        found, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return None
    return os.waitstatus_to_exitcode(status) if found else None


def wait(pid: int) -> None:
    """Wait for a child of ours that is about to end."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)


def tell_to_end(pid: int) -> None:
    """SIGTERM to a session's leader and its group; no error if they are gone."""
    _signal_group(pid, signal.SIGTERM)


def kill(pid: int, workspace: pathlib.Path) -> None:
    """SIGKILL to a session's leader, its group, and all that was started for the workspace."""
    _signal_group(pid, signal.SIGKILL)
    kill_leftovers(workspace)


def kill_leftovers(workspace: pathlib.Path) -> bool:
    """SIGKILL to all that was started for the workspace; whether there was any."""
    found = _members(workspace)
    for pid in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return bool(found)


def watch(pid: int, stamp: str) -> int | None:
    """A file descriptor that can be read once the process has ended; None if there is no such."""
    if sys.platform != "linux":
        return None
    try:
        found = os.pidfd_open(pid)
    except OSError:
        return None
    if is_alive(pid, stamp):
        return found
    os.close(found)
    return None


def _signal_group(pid: int, number: signal.Signals) -> None:
    # macOS says PermissionError of a group that has ended.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _members(workspace: pathlib.Path) -> list[int]:
    """The processes whose environment names the workspace; none where there is no /proc."""
    # Where steps share a workspace, the runner's own folder is what only this one has.
    ours = {f"AGENT_WORKSPACE={workspace}", f"{launch.RUNNER_FOLDER}={workspace}/.agent"}
    names = {one.encode() for one in ours}
    found = []
    for folder in _PROC.glob("[0-9]*"):
        # A process that is another user's, or has ended.
        with contextlib.suppress(OSError):
            if not names.isdisjoint((folder / "environ").read_bytes().split(b"\0")):
                found.append(int(folder.name))
    return found
