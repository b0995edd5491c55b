"""The chart installed, upgraded, rolled back and uninstalled by helm, and what it renders, run.

The pods' processes are started by a stand-in (`tests/support/standin_kubelet.py`), under the
service accounts and roles of the chart.
"""

import asyncio
import pathlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

import crds
from controllers import devcluster, kube
from controllers.agentctl.chart import rights as matrix
from controllers.runs import projections
from tests.support import audit, charts
from tests.support.run_platform import Place, eventually
from tests.support.standin_kubelet import BY_HAND, SERVICE_RANGE, Kubelet
from webhooks.deployment import rights

pytestmark = pytest.mark.e2e

ROOT = pathlib.Path(__file__).parents[2]

VALUES: dict[str, Any] = {
    "controller": {"replicas": 1, "workers": 2},
    "webhook": {"replicas": 2, "workers": 1, "servicePort": 9553, "drainSeconds": 10},
    "settings": {"pods": {"image": "runner"}},
}
SAMPLE = {
    "apiVersion": f"{crds.api.group}/v1alpha1",
    "kind": "ImplementationSpec",
    "metadata": {"name": "fix", "namespace": "team-a"},
    "spec": {"text": "Fix it."},
}


def documented(verb: str) -> list[str]:
    """The words of a helm command of docs/install.md."""
    lines = (ROOT / "docs" / "install.md").read_text().splitlines()
    (command,) = [line for line in lines if line.startswith(f"helm {verb} ")]
    return command.split()[1:]


class Release:
    """The release as the documents handle it."""

    def __init__(self, cluster: devcluster.Cluster) -> None:
        self.cluster = cluster

    async def helm(self, verb: str, values: Any = None) -> str:
        """Run a documented command of helm; the hooks are executed meanwhile."""
        done = await asyncio.to_thread(
            charts.helm,
            *documented(verb),
            "--timeout=600s",
            kubeconfig=self.cluster.admin_kubeconfig,
            values=values,
            check=False,
        )
        assert 0 == done.returncode, done.stderr
        return done.stdout

    async def upgrade(self, **values: Any) -> None:
        """Upgrade to other values."""
        await self.helm("upgrade", VALUES | values)


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return tmp_path_factory.mktemp("audit")


@pytest.fixture
async def place(audited: pathlib.Path) -> AsyncIterator[Place]:
    flags = [*audit.flags(audited), f"--service-cluster-ip-range={SERVICE_RANGE}"]
    with devcluster.Cluster(runs_jobs=True, api_server_flags=flags) as cluster:
        async with kube.Client.from_kubeconfig(cluster.admin_kubeconfig) as client:
            labels = {"pod-security.kubernetes.io/enforce": "restricted"}
            for name, metadata in (
                (charts.NAMESPACE, {"annotations": BY_HAND, "labels": labels}),
                ("team-a", {}),
            ):
                body = {
                    "apiVersion": "v1",
                    "kind": "Namespace",
                    "metadata": metadata | {"name": name},
                }
                await client.create(kube.NAMESPACES, body)
            yield Place(client, cluster, "team-a", charts.NAMESPACE)


async def bundles(client: kube.Client) -> set[str]:
    """The caBundles of everything that calls the webhook server."""
    found = set()
    for kind in crds.api:
        definition = await client.get(kube.CUSTOM_RESOURCE_DEFINITIONS, crds.api.crd_name(kind))
        found.add(definition["spec"]["conversion"]["webhook"]["clientConfig"].get("caBundle", ""))
    for resource in (kube.MUTATING_WEBHOOK_CONFIGURATIONS, kube.VALIDATING_WEBHOOK_CONFIGURATIONS):
        value = await client.get(resource, crds.api.group)
        found |= {item["clientConfig"].get("caBundle", "") for item in value["webhooks"]}
    return found


async def test_installed_upgraded_rolled_back_and_uninstalled(
    place: Place, audited: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    release, client = Release(place.cluster), place.client
    kubelet = Kubelet(place.cluster, client, charts.NAMESPACE, tmp_path)
    webhook, controller = "agents-webhook", "agents-controller"
    async with kubelet.running():
        # Installed: the first run ends.
        await release.helm("install", VALUES)
        await kubelet.all_ready(webhook, 2)
        await kubelet.all_ready(controller, 1)
        (bundle,) = await bundles(client)
        await place.agent()
        await place.run("first", idempotencyKey="once")
        first = await place.until("first")
        old = kube.Resource(crds.api.group, "v1alpha1", "implementationspecs", "ImplementationSpec")
        await client.create(old, SAMPLE)
        assert bundle
        assert "Succeeded" == first["phase"]

        # Upgraded twice: no conflict about the caBundle, and no run is lost.
        for workers in (3, 4):
            await release.upgrade(controller={"replicas": 1, "workers": workers})
        await release.upgrade(webhook=VALUES["webhook"] | {"drainSeconds": 11})
        await kubelet.all_ready(webhook, 2)
        await kubelet.all_ready(controller, 1)
        assert {bundle} == await bundles(client)
        await place.run("second")
        assert "Succeeded" == (await place.until("second"))["phase"]

        # Rolled back.
        await release.helm("rollback")
        await kubelet.all_ready(webhook, 2)
        assert {bundle} == await bundles(client)
        assert "Fix it." == (await client.get(old, "fix", namespace="team-a"))["spec"]["text"]

        # Uninstalled: nothing calls a server that is gone, and every object is readable.
        before = [*audit.calls(audited)]
        await release.helm("uninstall")
        await eventually(lambda: left_over(client), [])
        for kind in crds.api:
            definition = await client.get(kube.CUSTOM_RESOURCE_DEFINITIONS, crds.api.crd_name(kind))
            assert {"strategy": "None"} == definition["spec"]["conversion"]
        assert ["Succeeded", "Succeeded"] == await place.phases()
        await client.delete(projections.RUNS, "first", namespace="team-a")
        await eventually(place.phases, ["Succeeded"])

    seen = [*audit.calls(audited)]
    unused = audit.unused(granted(), seen)
    shown = f"{len(seen)} calls; rights that this test does not use: {', '.join(unused)}"
    print(shown)  # noqa: T201 - of `make prove-install`
    # While helm uninstalls, roles go before the pods that still end.
    hooks = [call for call in seen if call.who == rights.UNINSTALL]
    assert [] == [call for call in (*before, *hooks) if call.is_denied]
    assert matrix.COMPONENTS.keys() == {call.who for call in seen}
    assert {*unused} <= ELSEWHERE


async def left_over(client: kube.Client) -> list[str]:
    """What the release left besides CRDs, the Secret of the CA and the controller's ConfigMap."""
    found = []
    for resource in (
        kube.MUTATING_WEBHOOK_CONFIGURATIONS,
        kube.VALIDATING_WEBHOOK_CONFIGURATIONS,
        kube.CLUSTER_ROLES,
        kube.CLUSTER_ROLE_BINDINGS,
        kube.ROLES,
        kube.SERVICE_ACCOUNTS,
        projections.JOBS,
    ):
        namespace = charts.NAMESPACE if resource.namespaced else None
        listed = await client.list(resource, namespace=namespace)
        found += [
            f"{resource.plural}/{item['metadata']['name']}"
            for item in listed.items
            if item["metadata"]["name"].startswith("agents")
        ]
    return found


def granted() -> list[rights.Right]:
    """The rights that the values above grant."""
    return [
        right
        for right in matrix.matrix()
        if not right.conditions or rights.SELF_MANAGED in right.conditions
    ]


# Rights that this test does not use, or not always: of runs that are cancelled, deleted, blocked or
# external, of the controller's periodic cleaning, of objects that are stored in an older version,
# of a rotation, and of servers that stream no lists.
ELSEWHERE: set[str] = {
    *("controller: delete configmaps", "controller: delete jobs", "controller: delete leases"),
    *("controller: delete pods", "controller: get implementationspecs", "controller: get jobs"),
    *("controller: get memories", "controller: list agentproviders", "controller: list agents"),
    *("controller: list events", "controller: list implementationspecs"),
    *("controller: list memories", "controller: list pods", "controller: patch agentruns"),
    *("controller: list jobs", "controller: patch jobs", "controller: list agentruns"),
    *("controller: patch configmaps", "controller: patch events"),
    "install: update customresourcedefinitions",
    "uninstall: patch customresourcedefinitions/status",
    *(f"uninstall: update {kind.plural}" for kind in crds.api),
    *("webhook: create events", "webhook: patch events"),
    *("webhook: get agentruns", "webhook: update secrets"),
}
