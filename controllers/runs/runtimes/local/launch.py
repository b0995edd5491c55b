"""Executes a command once, unless another launcher did or it was cancelled. Shell; stdlib only.

``python launch.py FOLDER COMMAND...``, with a pipe as file descriptor 3 that closes once this is
decided. The launcher that links ``started.json`` into the folder executes the command: so it runs
at most once, however many launchers are started or killed. A cancellation is written before
``started.json`` is checked, and checked after that is written: one of both observes the other.
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
# Fields of /proc/PID/stat, counted from the state, which follows the name (proc_pid_stat(5)).
_STATE, _START_TIME = 0, 19


def stamp(pid: int) -> str | None:
    """Return a process's start time, which makes its PID unique; None if it has ended."""
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
    """Write a JSON file atomically; return False if it exists."""
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
    """Execute the command; return the exit code if that is not possible."""
    # The pipe must not be inherited; a session of its own lets the command outlive its starter.
    os.set_inheritable(DECIDED, False)  # noqa: FBT003 - positional only
    os.setsid()
    mine = {"pid": os.getpid(), "stamp": stamp(os.getpid()), "at": _now()}
    if not publish(folder / STARTED, mine) or (folder / CANCELLED).exists():
        return 0
    # Python ignores these signals, and exec would inherit that.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.chdir(folder / WORKSPACE)
        os.execvp(command[0], command)  # noqa: S606 - chosen by the operator
    except OSError as error:
        said = f"could not start {command[0]}: {error.strerror}"
        publish(folder / ENDED, {"at": _now(), "exitCode": NOT_STARTED, "error": said})
    return NOT_STARTED


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat()


def _stamp_by_ps(pid: int) -> str | None:
    """Same as ``stamp``, without /proc."""
    said = ""
    with contextlib.suppress(subprocess.CalledProcessError):
        said = subprocess.check_output(  # noqa: S603 - the argument is a number
            ["ps", "-o", "state=,lstart=", "-p", str(pid)],  # noqa: S607 - the system's ps
            env={**os.environ, "LC_ALL": "C"},
            text=True,
        )
    state, _, began = said.strip().partition(" ")
    return began.strip() if state and not state.startswith("Z") else None


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]), sys.argv[2:]))
