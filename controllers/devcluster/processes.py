"""Starts processes that never outlive this one. Shell."""

import contextlib
import pathlib
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import IO

_KEEPER = str(pathlib.Path(__file__).with_name("keeper.py"))

GRACE_SECONDS = 10.0

# Longer than any grace, after which the keeper sends SIGKILL: who kills the keeper first, leaves
# its command running for good.
STOP_SECONDS = GRACE_SECONDS + 10


def start(
    command: Sequence[str | pathlib.Path],
    *,
    output: IO[str] | int,
    errors: IO[str] | int = subprocess.STDOUT,
    directory: pathlib.Path | None = None,
    environment: Mapping[str, str] | None = None,
    grace_seconds: float = GRACE_SECONDS,
    scratch: pathlib.Path | None = None,
) -> subprocess.Popen[str]:
    """Start a command under a keeper: it ends when ``stop`` is called or this process ends.

    Args:
        command: The program and its arguments.
        output: Where its standard output goes.
        errors: Where its standard error goes.
        directory: Where it runs, if not here.
        environment: Its environment, if not ours.
        grace_seconds: Between SIGTERM and SIGKILL when it is to end.
        scratch: A folder to remove should this process die before it calls ``stop``.
    """
    return subprocess.Popen(  # noqa: S603 - our own command
        # -I and -S: the keeper is stdlib only, and starts in 15 ms.
        [
            *(sys.executable, "-I", "-S", _KEEPER, str(grace_seconds), str(scratch or "")),
            *map(str, command),
        ],
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=errors,
        cwd=directory,
        env=environment,
        text=True,
        # A Ctrl-C in the terminal is for this process, which then stops the others in order.
        start_new_session=True,
    )


def stop(process: subprocess.Popen[str]) -> None:
    """End a process and wait until it has ended; no error if it has already."""
    if process.stdin is not None and not process.stdin.closed:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write("goodbye")
            process.stdin.close()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()
