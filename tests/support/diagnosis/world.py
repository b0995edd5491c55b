"""The platform on an embedded control plane, and snapshots of it before and after."""

import contextlib
import copy
import dataclasses
import importlib.resources
import pathlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

import crds
from controllers import devcluster, kube, manager
from controllers.agentctl.dev import local_platform
from controllers.agentctl.diagnose.observation import Mode, Reading, Snapshot, Values
from controllers.agentctl.diagnose.reading import reader
from controllers.process import owned_processes
from crds import hub
from schemagen import yaml
from tests.support.run_platform import eventually
from webhooks.cluster import api_resources
from webhooks.development import local_server

# The specimens refer to each other.
NAMES: Mapping[str, str] = {
    "Agent": "coder",
    "AgentProvider": "codex",
    "AgentRun": "fix",
    "ImplementationSpec": "fix-login",
    "ImplementationSource": "shop-tickets",
    "Memory": "team-memory",
    "VersionControlProvider": "github",
}
SPECS: Mapping[str, Any] = {
    "Agent": {
        "providerRef": {"name": "codex"},
        "memoryRef": {"name": "team-memory"},
        "vcsRef": {"name": "github"},
    },
    "AgentRun": {
        "agentRef": {"name": "coder"},
        "implementation": {"inline": {"text": "Fix it."}},
        "runtime": {"type": "Job"},
    },
}


@dataclasses.dataclass
class World:
    """The platform.

    Attributes:
        cluster: The control plane.
        client: A client of it.
        folder: Logs, certificates and workspaces.
        fresh: The cluster before the installation.
        empty: Afterwards, without objects.
        seen: As ``empty``, with an object of each kind.
        controller: The running controller.
    """

    cluster: devcluster.Cluster
    client: kube.Client
    folder: pathlib.Path
    fresh: Snapshot
    empty: Snapshot
    seen: Snapshot
    controller: local_server.Running

    def stop_controller(self) -> None:
        """Stop the controller, which releases the Lease."""
        owned_processes.stop(self.controller.process)

    def start_controller(self) -> None:
        """Start it again."""
        self.controller = _controller(self.cluster, self.folder)

    async def snapshot(self, mode: Mode = "installed") -> Snapshot:
        """Read a snapshot."""
        return await snapshot(self.client, mode)


async def snapshot(client: kube.Client, mode: Mode) -> Snapshot:
    """Read a snapshot; the deadline is far away on a machine that is busy, too."""
    options = reader.Options(
        mode=mode, home=local_platform.HOME, namespace=None, deadline_seconds=120
    )
    return await reader.snapshot(client, options)


@contextlib.asynccontextmanager
async def installed(cluster: devcluster.Cluster, folder: pathlib.Path) -> AsyncIterator[World]:
    """Install the platform in an empty cluster, with a controller of local runs."""
    async with kube.Client.from_kubeconfig(cluster.admin_kubeconfig) as client:
        fresh = await snapshot(client, "pre")
        with local_platform.webhook_server(cluster, folder):
            running = _controller(cluster, folder)
            # A controller is ready before it leads; the ledger is written by the leader.
            await eventually(lambda: _has_ledger(client), expected=True)
            empty = await snapshot(client, "installed")
            seen = await _populated(client, empty)
            world = World(cluster, client, folder, fresh, empty, seen, running)
            try:
                yield world
            finally:
                world.stop_controller()


def _controller(cluster: devcluster.Cluster, folder: pathlib.Path) -> local_server.Running:
    return local_platform.start_controller(cluster, folder, folder / "workspaces")


async def _has_ledger(client: kube.Client) -> bool:
    try:
        await client.get(kube.CONFIG_MAPS, manager.LEDGER, namespace=local_platform.HOME)
    except kube.NotFoundError:
        return False
    return True


async def _populated(client: kube.Client, seen: Snapshot) -> Snapshot:
    """Add an object of each kind, as the API server returns it from a dry run."""
    objects: dict[str, Reading[Values]] = {
        kind.name: Reading((await _specimen(client, kind.name),)) for kind in crds.api
    }
    return dataclasses.replace(seen, objects=objects)


async def _specimen(client: kube.Client, name: str) -> kube.JSON:
    (kind,) = (kind for kind in crds.api if kind.name == name)
    folder = importlib.resources.files(crds) / "samples" / hub.VERSION
    (*_, sample) = yaml.load_all((folder / f"{name.lower()}.yaml").read_bytes())
    body = {
        "apiVersion": f"{crds.api.group}/{hub.VERSION}",
        "kind": name,
        "metadata": {"name": NAMES[name], "namespace": "default"},
        "spec": copy.deepcopy(SPECS.get(name, sample["spec"])),
    }
    resource = api_resources.resource_of(crds.api, kind, hub.VERSION)
    return await client.create(resource, body, dry_run=True)
