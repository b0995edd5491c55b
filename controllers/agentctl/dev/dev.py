"""Implements ``agentctl dev``: the platform's API on this machine until Ctrl-C. Shell."""

import contextlib
import functools
import importlib.resources
import json
import pathlib
import shlex
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Final

import rich.console
import rich.markup

import crds
from controllers import devcluster, kube
from controllers.agentctl import session
from controllers.agentctl.dev import local_platform
from controllers.agentctl.dev.supervision import supervised
from controllers.runs.runtimes.base import JSON
from controllers.runs.runtimes.local import detached_processes, workspaces

SAMPLE: Final = "first-run.yaml"
"""In ``crds/samples``: a provider, an agent and a run that succeeds."""
RUN: Final = "greet-ada"


def run(directory: pathlib.Path) -> int:
    """Run a control plane, the webhook server and a controller; return 0 after Ctrl-C."""
    console = rich.console.Console(highlight=False, soft_wrap=True)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    folder = _Folder(directory.absolute())
    try:
        with devcluster.Cluster(directory=folder.root) as cluster:
            with _programs(console, cluster, folder) as address:
                folder.write(cluster)
                _explain(console, cluster, address, folder)
                stopped.wait()
                console.print("stopping")
            _name_agents(console, folder.workspaces)
    except (devcluster.DevclusterError, local_platform.ServerError, kube.KubeError) as error:
        console.print(f"[red]{rich.markup.escape(str(error))}[/]")
        return 1
    return 0


class _Folder:
    """The directory with the state of ``agentctl dev`` and the files for its user."""

    def __init__(self, root: pathlib.Path) -> None:
        self.root = root
        self.kubeconfig = root / "kubeconfig"
        self.environment = root / "env"
        self.sample = root / SAMPLE
        self.webhooks, self.controller = root / "webhooks", root / "controller"
        self.workspaces = root / "workspaces"

    def write(self, cluster: devcluster.Cluster) -> None:
        """Write the kubeconfig, the environment file and the sample for this cluster."""
        admin = json.loads(cluster.admin_kubeconfig.read_bytes())
        self.kubeconfig.touch(mode=0o600)  # contains a private key
        self.kubeconfig.write_text(json.dumps(_with_context(admin, self.workspaces)))
        self.environment.write_text(self._lines(cluster))
        self.sample.write_bytes(
            importlib.resources.files(crds).joinpath("samples", SAMPLE).read_bytes()
        )

    def _lines(self, cluster: devcluster.Cluster) -> str:
        programs = (cluster.kubectl_path.parent, pathlib.Path(sys.executable).parent)
        path = ":".join(shlex.quote(str(folder)) for folder in programs)
        # These variables would take precedence over the kubeconfig.
        return (
            f"export PATH={path}:$PATH\n"
            f"export KUBECONFIG={shlex.quote(str(self.kubeconfig))}\n"
            "unset AGENTCTL_KUBECONFIG AGENTCTL_CONTEXT AGENTCTL_NAMESPACE AGENTCTL_WORKSPACES\n"
        )


def _with_context(kubeconfig: JSON, folder: pathlib.Path) -> JSON:
    """Return a kubeconfig whose context has the namespace and the workspaces' directory."""
    noted = {"name": session.EXTENSION, "extension": {"workspaces": str(folder)}}
    additions = {"namespace": local_platform.HOME, "extensions": [noted]}
    contexts = [
        {**entry, "context": {**entry["context"], **additions}} for entry in kubeconfig["contexts"]
    ]
    return {**kubeconfig, "contexts": contexts}


@contextlib.contextmanager
def _programs(
    console: rich.console.Console, cluster: devcluster.Cluster, folder: _Folder
) -> Iterator[str]:
    """Keep the webhook server and a controller running; yield the server's address."""

    def say(text: str) -> None:
        console.print(f"[yellow]{rich.markup.escape(text)}[/]")

    serve = functools.partial(local_platform.start_webhooks, cluster, folder.webhooks)
    control = functools.partial(
        local_platform.start_controller, cluster, folder.controller, folder.workspaces
    )
    with (
        supervised("webhook server", serve, say) as serving,
        supervised("controller", control, say),
    ):
        yield serving.line.split()[-1]


def _explain(
    console: rich.console.Console, cluster: devcluster.Cluster, address: str, folder: _Folder
) -> None:
    lines = (
        f"kube-apiserver {cluster.kubernetes_version} at {cluster.server}",
        f"webhooks at {address}, log in {folder.webhooks / local_platform.WEBHOOKS_LOG}",
        f"controller: log in {folder.controller / local_platform.CONTROLLER_LOG}",
        f"agent workspaces in {folder.workspaces}",
        "",
        (
            "In another terminal (the default namespace of kubectl and agentctl is "
            f"{local_platform.HOME}):"
        ),
        "",
        f"  . {shlex.quote(str(folder.environment))}",
        f"  kubectl apply --server-side -f {shlex.quote(str(folder.sample))}",
        f"  agentctl run wait {RUN}",
        f"  agentctl run logs {RUN}",
        f"  agentctl explain {RUN}",
        "",
        "Press Ctrl-C to stop; the data is kept for the next start.",
    )
    for line in lines:
        console.print(line, markup=False)


def _name_agents(console: rich.console.Console, root: pathlib.Path) -> None:
    """Print the agents that keep running; the next controller adopts them."""
    agents = [(place, alive) for place in workspaces.places(root) if (alive := _alive(place))]
    if not agents:
        return
    console.print("These agents keep running and are adopted at the next start:")
    for place, pid in agents:
        text = (
            f"  {place.path.parent.name}/{place.run()}: stop with kill -- -{pid}; {place.workspace}"
        )
        console.print(text, markup=False)


def _alive(place: workspaces.Place) -> int:
    """Return the PID of the agent's process; 0 if it is not running."""
    started = place.started()
    is_alive = started is not None and detached_processes.is_alive(started.pid, started.stamp)
    return started.pid if started is not None and is_alive else 0
