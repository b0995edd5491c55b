"""Runs a webhook server beside a local control plane. Shell: processes, files."""

import contextlib
import pathlib
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from controllers import devcluster
from controllers.process import owned_processes
from schemagen.problems import UserError

LOG: Final = "webhooks.log"
READY: Final = "serving "
"""Prefix of the line that ``webhooks serve`` prints once it is ready; it ends with the URL."""
_SHOWN_LINES: Final = 10


class ServerError(UserError):
    """A program did not start; the message ends with its last output."""


@contextlib.contextmanager
def webhook_server(
    cluster: devcluster.Cluster,
    reference: str,
    directory: pathlib.Path,
    *options: str,
    port: int = 0,
) -> Iterator[str]:
    """Run ``webhooks serve REFERENCE --install`` beside a control plane; yields the URL.

    Certificates and the server's log are stored in ``directory``.

    Args:
        cluster: The control plane.
        reference: Module and name of the Api: ``crds:api``.
        directory: Directory for certificates and log.
        *options: Further options of the command.
        port: Port to listen on; 0 picks a free one.

    Raises:
        ServerError: It ended or printed something else before it was ready.
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
def program(command: Sequence[str], log: pathlib.Path, prefix: str) -> Iterator[str]:
    """Run a program of this project; yields the line that it prints once it is ready.

    Args:
        command: Module and arguments.
        log: Standard error is appended to this file.
        prefix: Prefix of the line.

    Raises:
        ServerError: It ended or printed something else before it was ready.
    """
    running = start(command, log, prefix)
    try:
        yield running.line
    finally:
        owned_processes.stop(running.process)


class Running(NamedTuple):
    """A program that is ready: its process, and the line that it printed."""

    process: subprocess.Popen[str]
    line: str


def start(command: Sequence[str], log: pathlib.Path, prefix: str) -> Running:
    """Start a program of this project and wait until it is ready; ``owned_processes.stop`` ends it.

    Raises:
        ServerError: As for ``program``.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as errors:
        before = errors.tell()
        process = owned_processes.start(
            [sys.executable, "-m", *command], output=subprocess.PIPE, errors=errors
        )
    try:
        return Running(process, _ready_line(process, command[0], log, before, prefix))
    except BaseException:
        owned_processes.stop(process)
        raise


def _ready_line(
    process: subprocess.Popen[str], name: str, log: pathlib.Path, start: int, prefix: str
) -> str:
    line = process.stdout.readline() if process.stdout is not None else ""
    if not line.startswith(prefix):
        output = log.read_bytes()[start:].decode(errors="replace")
        lines = output.splitlines()
        # Prefer its own errors: another server may write to the same file.
        own = [line for line in lines if line.startswith(f"{name}: ")]
        last = "\n".join((own or lines)[-_SHOWN_LINES:])
        raise ServerError(f"expected {name} to start, got:\n{last}\nsee {log}")
    return line
