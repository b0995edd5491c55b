"""The platform on this machine: webhook server and controller beside a control plane. Shell."""

import contextlib
import pathlib
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Final

from controllers import devcluster

STOP_SECONDS: Final = 10
HOME: Final = "agents"
"""The namespace of the controller's Lease and ledger."""


class ServerError(Exception):
    """A program did not start: the message has what it said last."""


@contextlib.contextmanager
def webhook_server(
    cluster: devcluster.Cluster,
    directory: pathlib.Path,
    *,
    port: int = 0,
    storage: str | None = None,
) -> Iterator[str]:
    """Run ``webhooks serve crds:api --install`` beside a control plane; its value is the address.

    Certificates and the server's log stand in ``directory``.

    Raises:
        ServerError: if it ends, or says nothing, before it serves.
    """
    command = [
        *("webhooks", "serve", "crds:api", "--install"),
        *("--port", str(port), "--cert-dir", str(directory / "certificates")),
        *("--kubeconfig", str(cluster.admin_kubeconfig)),
        *(("--storage", storage) if storage else ()),
    ]
    with _process(command, directory / "webhooks.log", "serving ") as line:
        yield line.split()[-1]


@contextlib.contextmanager
def controller(
    cluster: devcluster.Cluster, directory: pathlib.Path, workspaces: pathlib.Path, *options: str
) -> Iterator[None]:
    """Run ``agentctl controller`` beside a control plane; agents are processes of this machine.

    Args:
        cluster: The control plane.
        directory: Where its log stands.
        workspaces: Where agents work.
        *options: More of the command's.

    Raises:
        ServerError: If it ends, or says nothing, before it follows the cluster.
    """
    cluster.kubectl("create", "namespace", HOME, check=False)
    command = [
        *("controllers.agentctl", "controller", "--home", HOME),
        *("--kubeconfig", str(cluster.admin_kubeconfig)),
        *("--runtime", "local", "--workspaces", str(workspaces)),
        *options,
    ]
    with _process(command, directory / "controller.log", "following "):
        yield


@contextlib.contextmanager
def _process(command: Sequence[str], log: pathlib.Path, beginning: str) -> Iterator[str]:
    """Run one of our programs; its value is the line that it prints once it is ready."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as errors:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", *command], stdout=subprocess.PIPE, stderr=errors, text=True
        )
    try:
        yield _ready_line(process, command[0], log, beginning)
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
    process: subprocess.Popen[str], program: str, log: pathlib.Path, beginning: str
) -> str:
    line = process.stdout.readline() if process.stdout is not None else ""
    if not line.startswith(beginning):
        last = "\n".join(log.read_text().splitlines()[-10:])
        raise ServerError(f"expected {program} to start, got:\n{last}\nsee {log}")
    return line
