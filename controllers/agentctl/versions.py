"""Implements ``agentctl version --server``. Shell: the cluster."""

from importlib import metadata
from typing import Final

from controllers import kube
from controllers.agentctl import session
from controllers.agentctl.exits import Exit
from controllers.kube import responses

DEPLOYMENTS: Final = kube.Resource("apps", "v1", "deployments", "Deployment")
COMPONENT: Final = "app.kubernetes.io/component"
"""Label with the component that an object belongs to."""
COMPONENTS: Final = f"{COMPONENT} in (controller,webhook)"
"""Selects the Deployments of the platform, and their pods."""
_LABEL: Final = "app.kubernetes.io/version"


def release_of(deployment: kube.JSON) -> str:
    """Return the release of a component; empty if it has no label."""
    return str((deployment["metadata"].get("labels") or {}).get(_LABEL) or "")


async def api_server(client: kube.Client) -> kube.JSON:
    """Return the API server's answer to ``/version``."""
    request = kube.Request("GET", "/version")
    answer: kube.JSON = responses.decode(await client.body(request), str(request))
    return answer


def show(cluster: session.Cluster, home: str, *, short: bool) -> Exit:
    """Print the versions of this program, of the API server and of the platform's components."""

    async def work(client: kube.Client) -> Exit:
        version = await api_server(client)
        lines = [("agentctl", metadata.version("kubewright"))]
        lines += [("kube-apiserver", str(version.get("gitVersion") or "unknown"))]
        listed = await client.list(DEPLOYMENTS, namespace=home, labels=COMPONENTS)
        lines += [
            (value["metadata"]["name"], release_of(value) or "unknown") for value in listed.items
        ]
        session.show("\n".join(number if short else f"{name} {number}" for name, number in lines))
        if not listed.items:
            session.say(f"no Deployments of the platform found in namespace {home}")
        return Exit.OK

    return session.run(cluster, work)
