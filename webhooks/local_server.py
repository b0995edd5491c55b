"""A webhook server as a process beside a control plane on this machine. Shell: processes, files."""

import contextlib
import pathlib
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from controllers import devcluster
from controllers.devcluster import processes
from schemagen.problems import UserError

LOG: Final = "webhooks.log"
READY: Final = "serving "
"""How the line begins that ``webhooks serve`` prints once it is ready; the address ends it."""
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
    command = serve_command(cluster, reference, directory, *options, port=port)
    with program(command, directory / LOG, READY) as line:
        yield line.split()[-1]


def serve_command(
    cluster: devcluster.Cluster,
    reference: str,
    directory: pathlib.Path,
    *options: str,
    port: int = 0,
) -> list[str]:
    """The command of ``webhook_server``."""
    return [
        *("webhooks", "serve", reference, "--install"),
        *("--port", str(port), "--cert-dir", str(directory / "certificates")),
        *("--kubeconfig", str(cluster.admin_kubeconfig)),
        *options,
    ]


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
    running = start(command, log, beginning)
    try:
        yield running.line
    finally:
        processes.stop(running.process)


class Running(NamedTuple):
    """A program that is ready: its process, and the line that said so."""

    process: subprocess.Popen[str]
    line: str


def start(command: Sequence[str], log: pathlib.Path, beginning: str) -> Running:
    """Start one of our programs and wait until it is ready; ``processes.stop`` ends it.

    Raises:
        ServerError: as ``program``.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as errors:
        before = errors.tell()
        process = processes.start(
            [sys.executable, "-m", *command], output=subprocess.PIPE, errors=errors
        )
    try:
        return Running(process, _ready_line(process, command[0], log, before, beginning))
    except BaseException:
        processes.stop(process)
        raise


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
