"""Starts processes that do not outlive this one. Shell."""

import contextlib
import pathlib
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import IO

_KEEPER = str(pathlib.Path(__file__).with_name("run_with_owner.py"))

GRACE_SECONDS = 10.0

# Longer than any grace period, after which the keeper sends SIGKILL: if the keeper is killed first,
# its command runs forever.
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
    """Start a command under a keeper: it ends with ``stop`` or with this process.

    Args:
        command: Program and arguments.
        output: Standard output.
        errors: Standard error.
        directory: Working directory, if not the current one.
        environment: Environment variables, if not inherited.
        grace_seconds: Time between SIGTERM and SIGKILL.
        scratch: Directory to remove if this process dies before it calls ``stop``.
    """
    return subprocess.Popen(  # noqa: S603 - our own command
        # -I and -S: the keeper only uses the stdlib and starts in 15 ms.
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
        # Ctrl-C in the terminal is handled by this process, which stops the others in order.
        start_new_session=True,
    )


def stop(process: subprocess.Popen[str]) -> None:
    """Stop a process and wait for it; do nothing if it has ended."""
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
