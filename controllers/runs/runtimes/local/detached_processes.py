"""Starts, finds and stops processes that outlive the controller. Shell.

A process is identified by PID and start time, and its descendants by an environment variable,
because an agent may leave the session of its runner.
"""

import contextlib
import os
import pathlib
import select
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from controllers.runs.runtimes.local import launch

_LAUNCHER: Final = str(pathlib.Path(launch.__file__))
# Python starts in 20 ms; allowance for a busy machine.
_DECISION_SECONDS: Final = 20.0
_PROC: Final = pathlib.Path("/proc")


def spawn(folder: pathlib.Path, command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Start a launcher, wait until it has executed the command or ended; return its PID.

    Raises:
        OSError: It could not be started.
    """
    reader, writer = os.pipe()
    try:
        pid = os.posix_spawn(
            sys.executable,
            # -I and -S: the launcher is stdlib only, and must not be influenced by the folder's
            # owner.
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
    """Return whether the process with this PID and start time is running."""
    return pid > 0 and bool(stamp) and launch.stamp(pid) == stamp


def reap(pid: int) -> int | None:
    """Return the exit code of an ended child, or the negative signal; None if not available."""
    try:
        reaped, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return None
    return os.waitstatus_to_exitcode(status) if reaped else None


def wait(pid: int) -> None:
    """Wait for a child that is about to end."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)


def tell_to_end(pid: int) -> None:
    """Send SIGTERM to a session leader and its group, if they exist."""
    _signal_group(pid, signal.SIGTERM)


def kill(pid: int, workspace: pathlib.Path) -> None:
    """Send SIGKILL to a session leader, its group, and all processes of the workspace."""
    _signal_group(pid, signal.SIGKILL)
    kill_leftovers(workspace)


def kill_leftovers(workspace: pathlib.Path) -> bool:
    """Send SIGKILL to all processes of the workspace; return whether there were any."""
    members = _members(workspace)
    for pid in members:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return bool(members)


def watch(pid: int, stamp: str) -> int | None:
    """Return a descriptor that becomes readable when the process ends; None if it has ended."""
    if sys.platform != "linux":
        return None
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return None
    if is_alive(pid, stamp):
        return descriptor
    os.close(descriptor)
    return None


def _signal_group(pid: int, number: signal.Signals) -> None:
    # macOS raises PermissionError for a group that has ended.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _members(workspace: pathlib.Path) -> list[int]:
    """Return the processes whose environment names the workspace; empty without /proc."""
    # In a shared workspace, only the runner's own folder identifies the step.
    ours = {f"AGENT_WORKSPACE={workspace}", f"{launch.RUNNER_FOLDER}={workspace}/.agent"}
    names = {name.encode() for name in ours}
    members = []
    for folder in _PROC.glob("[0-9]*"):
        # Another user's process, or one that has ended.
        with contextlib.suppress(OSError):
            if not names.isdisjoint((folder / "environ").read_bytes().split(b"\0")):
                members.append(int(folder.name))
    return members
