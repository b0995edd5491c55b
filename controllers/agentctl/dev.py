"""``agentctl dev``: the platform's API on this machine until Ctrl-C. Shell."""

import pathlib
import signal
import threading

import rich.console
import rich.markup

from controllers import devcluster, kube
from controllers.agentctl import local


def run(directory: pathlib.Path) -> int:
    """Keep a control plane and the webhook server up; 0 after Ctrl-C."""
    console = rich.console.Console(highlight=False)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    try:
        with (
            devcluster.Cluster(directory=directory.absolute()) as cluster,
            local.webhook_server(cluster, directory / "webhooks") as address,
            local.controller(cluster, directory / "controller", directory / "workspaces"),
        ):
            _explain(console, cluster, address, directory)
            stopped.wait()
            console.print("stopping")
    except (devcluster.DevclusterError, local.ServerError, kube.KubeError) as error:
        console.print(f"[red]{rich.markup.escape(str(error))}[/]")
        return 1
    return 0


def _explain(
    console: rich.console.Console,
    cluster: devcluster.Cluster,
    address: str,
    directory: pathlib.Path,
) -> None:
    console.print(f"kube-apiserver {cluster.kubernetes_version} at {cluster.server}")
    console.print(f"webhooks at {address}, log in {directory / 'webhooks/webhooks.log'}")
    console.print(f"controller: log in {directory / 'controller/controller.log'}")
    console.print(f"agents work in {directory / 'workspaces'}\n")
    console.print("In another terminal:\n")
    console.print(f"  export PATH={cluster.kubectl_path.parent}:$PATH", soft_wrap=True)
    console.print(f"  export KUBECONFIG={cluster.admin_kubeconfig}", soft_wrap=True)
    console.print("  kubectl apply --server-side -f crds/samples/v1alpha1")
    console.print("  kubectl get agentruns.v1beta1.agents.proompteng.ai fix-login -o yaml")
    console.print("  kubectl explain agentrun.spec --api-version=agents.proompteng.ai/v1beta1\n")
    console.print("Ctrl-C stops it; the data stays for the next time.")
