"""The platform on this machine: webhook server and controller beside a control plane. Shell."""

import contextlib
import pathlib
from collections.abc import Iterator
from typing import Final

from controllers import devcluster
from controllers.devcluster import processes
from webhooks import local_server
from webhooks.local_server import Running, ServerError

__all__ = ["HOME", "ServerError", "controller", "webhook_server"]

HOME: Final = "agents"
"""The namespace of the controller's Lease and ledger."""
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
    """Run ``webhooks serve crds:api --install`` beside a control plane; its value is the address.

    Certificates and the server's log stand in ``directory``.

    Raises:
        ServerError: if it ends, or says nothing, before it serves.
    """
    options = ("--storage", storage) if storage else ()
    with local_server.webhook_server(
        cluster, "crds:api", directory, *options, port=port
    ) as address:
        yield address


def start_webhooks(cluster: devcluster.Cluster, directory: pathlib.Path) -> Running:
    """Start what ``webhook_server`` runs; ``processes.stop`` ends it.

    Raises:
        ServerError: as there.
    """
    command = local_server.serve_command(cluster, "crds:api", directory)
    return local_server.start(command, directory / WEBHOOKS_LOG, local_server.READY)


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
    running = start_controller(cluster, directory, workspaces, *options)
    try:
        yield
    finally:
        processes.stop(running.process)


def start_controller(
    cluster: devcluster.Cluster, directory: pathlib.Path, workspaces: pathlib.Path, *options: str
) -> Running:
    """Start what ``controller`` runs; ``processes.stop`` ends it.

    Raises:
        ServerError: as there.
    """
    cluster.kubectl("create", "namespace", HOME, check=False)
    command = [
        *("controllers.agentctl", "controller", "--home", HOME),
        *("--kubeconfig", str(cluster.admin_kubeconfig)),
        *("--runtime", "local", "--workspaces", str(workspaces)),
        *options,
    ]
    return local_server.start(command, directory / CONTROLLER_LOG, "following ")
