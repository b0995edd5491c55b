"""The platform on this machine: webhook server and controller of a local control plane. Shell."""

import contextlib
import pathlib
from collections.abc import Iterator
from typing import Final

from controllers import devcluster
from controllers.process import owned_processes
from webhooks.development import local_server
from webhooks.development.local_server import Running, ServerError

__all__ = ["HOME", "ServerError", "controller", "webhook_server"]

HOME: Final = "agents"
"""Namespace of the controller's Lease and ledger."""
WEBHOOKS_LOG: Final = local_server.LOG
CONTROLLER_LOG: Final = "controller.log"


@contextlib.contextmanager
def webhook_server(
    cluster: devcluster.Cluster,
    directory: pathlib.Path,
    *,
    port: int = 0,
    storage: str | None = None,
) -> Iterator[str]:
    """Run ``webhooks serve crds:api --install`` for a control plane; yield its address.

    Its certificates and log are written to ``directory``.

    Raises:
        ServerError: It exits, or does not become ready.
    """
    options = ("--storage", storage) if storage else ()
    with local_server.webhook_server(
        cluster, "crds:api", directory, *options, port=port
    ) as address:
        yield address


def start_webhooks(cluster: devcluster.Cluster, directory: pathlib.Path) -> Running:
    """Start the server that ``webhook_server`` runs; ``owned_processes.stop`` stops it.

    Raises:
        ServerError: It exits, or does not become ready.
    """
    command = local_server.serve_command(cluster, "crds:api", directory)
    return local_server.start(command, directory / WEBHOOKS_LOG, local_server.READY)


@contextlib.contextmanager
def controller(
    cluster: devcluster.Cluster, directory: pathlib.Path, workspaces: pathlib.Path, *options: str
) -> Iterator[None]:
    """Run ``agentctl controller`` for a control plane, with agents as local processes.

    Args:
        cluster: The control plane.
        directory: Directory of the log.
        workspaces: Directory of the agents' workspaces.
        *options: Further command-line options.

    Raises:
        ServerError: It exits, or its caches do not sync.
    """
    running = start_controller(cluster, directory, workspaces, *options)
    try:
        yield
    finally:
        owned_processes.stop(running.process)


def start_controller(
    cluster: devcluster.Cluster, directory: pathlib.Path, workspaces: pathlib.Path, *options: str
) -> Running:
    """Start the process that ``controller`` runs; ``owned_processes.stop`` stops it.

    Raises:
        ServerError: It exits, or its caches do not sync.
    """
    cluster.kubectl("create", "namespace", HOME, check=False)
    command = [
        *("controllers.agentctl", "controller", "--home", HOME, "--read-secret", "*/*"),
        *("--kubeconfig", str(cluster.admin_kubeconfig)),
        *("--runtime", "local", "--workspaces", str(workspaces)),
        *options,
    ]
    return local_server.start(command, directory / CONTROLLER_LOG, "following ")
