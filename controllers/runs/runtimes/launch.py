"""Becomes the command of a piece of work, unless another has or it was cancelled. Shell; stdlib.

``python launch.py FOLDER COMMAND...``, with a pipe as file descriptor 3 that closes when all is
decided. Whoever links ``started.json`` into the folder runs the command: so it runs once at most,
whoever starts launchers, and wherever they or this one are killed. A cancellation is written before
``started.json`` is looked at, and is looked at after that was written: one of both sees the other.
"""

import contextlib
import datetime as dt
import json
import os
import pathlib
import signal
import subprocess
import sys

STARTED = "started.json"
CANCELLED = "cancelled.json"
ENDED = "ended.json"
WORKSPACE = "workspace"
RUNNER_FOLDER = "AGENT_RUNNER_FOLDER"
DECIDED = 3
NOT_STARTED = 127

_PROC = pathlib.Path("/proc")
_BOOT = _PROC / "sys/kernel/random/boot_id"
# Of /proc/PID/stat, counted from the state, which follows the name (proc_pid_stat(5)).
_STATE, _START_TIME = 0, 19


def stamp(pid: int) -> str | None:
    """When a process began, which tells it from others of its number; None if it has ended."""
    if not _BOOT.exists():
        return _stamp_by_ps(pid)
    try:
        stat = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    if fields[_STATE] in {"Z", "X"}:
        return None
    return f"{_BOOT.read_text().strip()}/{fields[_START_TIME]}"


def publish(path: pathlib.Path, value: object) -> bool:
    """Write a file of JSON, whole or not at all; False if it was there before."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    partial.write_text(json.dumps(value))
    try:
        os.link(partial, path)
    except FileExistsError:
        return False
    finally:
        partial.unlink()
    return True


def main(folder: pathlib.Path, command: list[str]) -> int:
    """Become the command; the exit code if that was not to be."""
    # The command must not keep it open, and has a session of its own: it outlives its starter.
    os.set_inheritable(DECIDED, False)  # noqa: FBT003 - it takes no keyword
    os.setsid()
    mine = {"pid": os.getpid(), "stamp": stamp(os.getpid()), "at": _now()}
    if not publish(folder / STARTED, mine) or (folder / CANCELLED).exists():
        return 0
    # Python ignores these, and what a process becomes goes on ignoring them.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.chdir(folder / WORKSPACE)
        os.execvp(command[0], command)  # noqa: S606 - what the operator chose
    except OSError as error:
        said = f"could not start {command[0]}: {error.strerror}"
        publish(folder / ENDED, {"at": _now(), "exitCode": NOT_STARTED, "error": said})
    return NOT_STARTED


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat()


def _stamp_by_ps(pid: int) -> str | None:
    """As ``stamp``, where there is no /proc."""
    said = ""
    with contextlib.suppress(subprocess.CalledProcessError):
        said = subprocess.check_output(  # noqa: S603 - of a number
            ["ps", "-o", "state=,lstart=", "-p", str(pid)],  # noqa: S607 - the system's own
            env={**os.environ, "LC_ALL": "C"},
            text=True,
        )
    state, _, began = said.strip().partition(" ")
    return began.strip() if state and not state.startswith("Z") else None


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]), sys.argv[2:]))
