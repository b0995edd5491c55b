"""A webhook server as a process beside a control plane on this machine. Shell: processes, files."""

import contextlib
import pathlib
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Final

from controllers import devcluster
from schemagen.problems import UserError

STOP_SECONDS: Final = 10
_SHOWN_LINES: Final = 10


class ServerError(UserError):
    """A program did not start: the message has what it said last."""


@contextlib.contextmanager
def webhook_server(
    cluster: devcluster.Cluster,
    reference: str,
    directory: pathlib.Path,
    *options: str,
    port: int = 0,
) -> Iterator[str]:
    """Run ``webhooks serve REFERENCE --install`` beside a control plane; its value is the address.

    Certificates and the server's log stand in ``directory``.

    Args:
        cluster: The control plane.
        reference: Where the Api is: ``crds:api``.
        directory: Where certificates and log stand.
        *options: More of the command's.
        port: Port to listen on; 0 takes a free one.

    Raises:
        ServerError: if it ends, or says nothing, before it serves.
    """
    command = [
        *("webhooks", "serve", reference, "--install"),
        *("--port", str(port), "--cert-dir", str(directory / "certificates")),
        *("--kubeconfig", str(cluster.admin_kubeconfig)),
        *options,
    ]
    with program(command, directory / "webhooks.log", "serving ") as line:
        yield line.split()[-1]


@contextlib.contextmanager
def program(command: Sequence[str], log: pathlib.Path, beginning: str) -> Iterator[str]:
    """Run one of our programs; its value is the line that it prints once it is ready.

    Args:
        command: The module, and its arguments.
        log: What it writes to standard error is appended to this file.
        beginning: Of the line.

    Raises:
        ServerError: if it ends, or says something else, before.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as errors:
        start = errors.tell()
        process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", *command], stdout=subprocess.PIPE, stderr=errors, text=True
        )
    try:
        yield _ready_line(process, command[0], log, start, beginning)
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _ready_line(
    process: subprocess.Popen[str], name: str, log: pathlib.Path, start: int, beginning: str
) -> str:
    line = process.stdout.readline() if process.stdout is not None else ""
    if not line.startswith(beginning):
        said = log.read_bytes()[start:].decode(errors="replace")
        lines = said.splitlines()
        # Beside its log; another server may write to the same file.
        own = [line for line in lines if line.startswith(f"{name}: ")]
        last = "\n".join((own or lines)[-_SHOWN_LINES:])
        raise ServerError(f"expected {name} to start, got:\n{last}\nsee {log}")
    return line
