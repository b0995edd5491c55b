"""The chart installed, upgraded, rolled back and uninstalled by helm, and what it renders, run.

The pods' processes are started by a stand-in (`tests/support/standin_kubelet.py`), under the
service accounts and roles of the chart.
"""

import asyncio
import contextlib
import copy
import pathlib
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

import crds
from controllers import devcluster, kube
from controllers.agentctl.chart import rights as matrix
from controllers.devcluster import audit as audit_log
from controllers.devcluster import jobs, pytest_plugin
from controllers.runs import projections
from schemagen import yaml
from tests.support import audit, charts, depth
from tests.support.run_platform import SECONDS, Place, eventually
from tests.support.standin_kubelet import BY_HAND, SERVICE_RANGE, Kubelet
from tests.support.traffic import Traffic
from webhooks.cluster import configuration
from webhooks.deployment import rights

pytestmark = pytest.mark.e2e

ROOT = pathlib.Path(__file__).parents[2]

VALUES: dict[str, Any] = {
    "controller": {"replicas": 1, "workers": 2},
    "webhook": {"replicas": 2, "workers": 1, "servicePort": 9553, "drainSeconds": 10},
    "settings": {"pods": {"image": "runner"}},
}
# Live objects, and runs whose pods are running, while the release is uninstalled.
OBJECTS = 100 if depth.DEEP else 10
ENDLESS = 3
STUCK_SECONDS = 60.0
OLDER, OLDER_NAMESPACE = "v1alpha1", "team-b"
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

    async def helm(self, verb: str, values: Any = None, *, fails: bool = False) -> str:
        """Run a documented command of helm; the hooks are executed meanwhile."""
        done = await asyncio.to_thread(
            charts.helm,
            *documented(verb),
            "--timeout=600s",
            kubeconfig=self.cluster.admin_kubeconfig,
            values=values,
            check=False,
        )
        assert fails is bool(done.returncode), done.stderr
        return done.stderr if fails else done.stdout

    async def upgrade(self, **values: Any) -> None:
        """Upgrade to other values."""
        await self.helm("upgrade", VALUES | values)

    async def refused_upgrade(self) -> tuple[str, str]:
        """Upgrade in vain; what helm says, and the last words of the hook's pod."""
        said = await self.helm("upgrade", VALUES, fails=True)
        selector = "batch.kubernetes.io/job-name=agents-install"
        path = "{.items[*].status.containerStatuses[*].state.terminated.message}"
        shown = self.cluster.kubectl(
            *("get", "pods", "-n", charts.NAMESPACE, "-l", selector, "-o", f"jsonpath={path}")
        )
        return said, shown.stdout


@pytest.fixture
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    # An API server that streams no lists: what others follow by watching alone is listed here.
    flags = [f"--service-cluster-ip-range={SERVICE_RANGE}", "--feature-gates=WatchList=false"]
    with pytest_plugin.running(
        request, "install", runs_jobs=True, api_server_flags=flags
    ) as cluster:
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
    place: Place, tmp_path: pathlib.Path
) -> None:
    release, client = Release(place.cluster), place.client
    kubelet = Kubelet(place.cluster, client, charts.NAMESPACE, tmp_path)
    webhook, controller = "agents-webhook", "agents-controller"
    samples = await older_installation(client)
    async with kubelet.running():
        # Installed over an older version, without a loss: the first run ends.
        await release.helm("install", VALUES)
        await kubelet.all_ready(webhook, 2)
        await kubelet.all_ready(controller, 1)
        (bundle,) = await bundles(client)
        assert [] == [one async for one in lost(client, samples)]
        await place.agent()
        await place.run("first", idempotencyKey="once")
        first = await place.until("first")
        old = kube.Resource(crds.api.group, "v1alpha1", "implementationspecs", "ImplementationSpec")
        await client.create(old, SAMPLE)
        assert bundle
        assert "Succeeded" == first["phase"]

        with pytest.raises(kube.ApiError, match="first"):
            await place.run("again", idempotencyKey="once")

        await upgrade_is_refused(release, client)

        # Upgraded: no conflict about the caBundle, no failed call, and no run is lost.
        async with in_use(place):
            changed = {"controller": {"replicas": 1, "workers": 3}}
            if depth.DEEP:
                await release.upgrade(**changed)
            await release.upgrade(**changed, webhook=VALUES["webhook"] | {"drainSeconds": 11})
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

        # Uninstalled while runs run: nothing calls a server that is gone, every object is readable.
        await endless(place)
        await release.helm("uninstall")
        await eventually(lambda: left_over(client), [])
        assert {"None"} == await conversions(client)
        assert [] == [one async for one in lost(client, samples, crds.api.kinds[0].storage.name)]
        assert [*["Running"] * ENDLESS, *["Succeeded"] * 2] == sorted(await place.phases())
        assert [] == await stuck(place)

    # `make prove-rights` compares the calls of all tests.
    calls = [*audit_log.calls(place.cluster.audit_log.read_text())]
    found = audit.compared([calls], granted())
    assert matrix.COMPONENTS.keys() == found.calls.keys()
    assert ([], []) == (found.denied, found.undeclared)


async def upgrade_is_refused(release: Release, client: kube.Client) -> None:
    """An object has a field that the CRD to come drops: it is named, and nothing is changed."""
    async with outgrown(client) as path:
        versions = await crd_versions(client)
        said, why = await release.refused_upgrade()
        assert versions == await crd_versions(client)
    assert "agents-install" in said
    assert f"ImplementationSpec {charts.NAMESPACE}/outgrown: {path}: " in why
    assert "nothing was changed" in why


async def conversions(client: kube.Client) -> set[str]:
    """The strategies by which the CRDs convert."""
    names = [crds.api.crd_name(kind) for kind in crds.api]
    found = [await client.get(kube.CUSTOM_RESOURCE_DEFINITIONS, name) for name in names]
    return {one["spec"]["conversion"]["strategy"] for one in found}


async def older_installation(client: kube.Client) -> list[kube.JSON]:
    """CRDs that serve v1alpha1 alone, by a server at a URL, and an object of each kind."""
    address = configuration.at_url("https://webhooks.example:9443")
    for manifest in configuration.crds(crds.api.stored_as(OLDER), address):
        for version in manifest["spec"]["versions"]:
            version["served"] = version["name"] == OLDER
        await client.create(kube.CUSTOM_RESOURCE_DEFINITIONS, manifest)
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": OLDER_NAMESPACE}}
    await client.create(kube.NAMESPACES, body)
    made = []
    for path in sorted((ROOT / "crds" / "samples" / OLDER).glob("*.yaml")):
        sample = yaml.load(path.read_bytes())
        sample["metadata"]["namespace"] = OLDER_NAMESPACE
        async with asyncio.timeout(SECONDS):
            while True:
                with contextlib.suppress(kube.NotFoundError):  # the CRD is not served yet
                    made.append(await client.create(resource_of(sample, OLDER), sample))
                    break
                await asyncio.sleep(0.1)
    assert len(crds.api.kinds) == len(made)
    return made


def resource_of(value: kube.JSON, version: str) -> kube.Resource:
    (kind,) = [kind for kind in crds.api if kind.name == value["kind"]]
    return kube.Resource(crds.api.group, version, kind.plural, kind.name)


async def lost(
    client: kube.Client, samples: list[kube.JSON], version: str = ""
) -> AsyncIterator[str]:
    """The samples whose spec is another than it was, or that are not there in a version."""
    for sample in samples:
        name, namespace = sample["metadata"]["name"], sample["metadata"]["namespace"]
        resource = resource_of(sample, version or OLDER)
        found = await client.get(resource, name, namespace=namespace)
        if not version and sample["spec"] != found["spec"]:
            yield f"{resource.plural}/{name}: expected {sample['spec']}, got {found['spec']}"


@contextlib.asynccontextmanager
async def in_use(place: Place) -> AsyncIterator[None]:
    """Users call the API all the while: no call may fail, and no object be lost."""
    kept = {f"kept-{number}" for number in range(OBJECTS)}
    for name in kept:
        await place.make(projections.IMPLEMENTATIONS, name, {"text": "Fix it."})
    clients = 2 if depth.DEEP else 1
    traffic = Traffic(place.client, place.namespace, clients, kind="ImplementationSpec")
    traffic.pause_seconds = 0.2 if depth.DEEP else 0.5
    stopped = asyncio.Event()
    flowing = asyncio.create_task(traffic.flow(stopped))
    try:
        yield
    finally:
        stopped.set()
        await flowing
    listed = await place.client.list(projections.IMPLEMENTATIONS, namespace=place.namespace)
    lost = kept - {one["metadata"]["name"] for one in listed.items}
    counted = f"{len(traffic.failed)} of {traffic.calls} calls failed, {len(lost)} objects lost"
    print(f"upgraded and rolled back under load: {counted}")  # noqa: T201 - of the proof
    assert [] == [str(one) for one in traffic.failed]
    assert not lost
    assert traffic.calls > OBJECTS


async def endless(place: Place) -> None:
    """Runs whose pods never end."""
    never = {"metadata": {"annotations": {f"{jobs.ANNOTATIONS}seconds": "never"}}}
    await place.client.patch(kube.NAMESPACES, place.namespace, never)
    for number in range(ENDLESS):
        await place.run(f"endless-{number}")
    for number in range(ENDLESS):
        await place.until(f"endless-{number}", "Running")


async def stuck(place: Place) -> list[str]:
    """Delete every object; what is left after a minute."""
    resources = (projections.RUNS, projections.IMPLEMENTATIONS, projections.AGENTS)
    every = [*resources, projections.PROVIDERS]
    began, number = time.monotonic(), 0
    for resource in every:
        for one in (await place.client.list(resource, namespace=place.namespace)).items:
            name = one["metadata"]["name"]
            await place.client.delete(resource, name, namespace=place.namespace)
            number += 1
    left = ["not looked"]
    while left and time.monotonic() - began < STUCK_SECONDS:
        await asyncio.sleep(0.5)
        left = [
            f"{resource.plural}/{one['metadata']['name']}"
            for resource in (*every, projections.JOBS)
            for one in (await place.client.list(resource, namespace=place.namespace)).items
        ]
    took = time.monotonic() - began
    print(f"{number} objects deleted: {len(left)} left after {took:.0f} s")  # noqa: T201 - likewise
    return left


@contextlib.asynccontextmanager
async def outgrown(client: kube.Client) -> AsyncIterator[str]:
    """An object with a field that somebody has added to the CRD; the field's path."""
    name, home = f"implementationspecs.{crds.api.group}", charts.NAMESPACE
    crd = await client.get(kube.CUSTOM_RESOURCE_DEFINITIONS, name)
    added = copy.deepcopy(crd)
    for version in added["spec"]["versions"]:
        spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
        spec["properties"]["reviewer"] = {"type": "string"}
    await client.replace(kube.CUSTOM_RESOURCE_DEFINITIONS, added)
    body = {
        "apiVersion": projections.IMPLEMENTATIONS.api_version,
        "kind": projections.IMPLEMENTATIONS.kind,
        # Not sent to the webhooks, which know no such field.
        "metadata": {"name": "outgrown", "namespace": home},
        "spec": {"text": "Fix it.", "reviewer": "ada"},
    }
    await eventually(lambda: keeps_field(client, body), expected=True)
    try:
        yield "spec.reviewer"
    finally:
        await client.delete(projections.IMPLEMENTATIONS, "outgrown", namespace=home)


async def keeps_field(client: kube.Client, body: kube.JSON) -> bool:
    """Whether the API server knows the field; then the object is there."""
    with contextlib.suppress(kube.ApiError):
        await client.create(projections.IMPLEMENTATIONS, body, field_validation="Strict")
        return True
    return False


async def crd_versions(client: kube.Client) -> set[tuple[str, str]]:
    """The resourceVersion of each CRD."""
    listed = await client.list(kube.CUSTOM_RESOURCE_DEFINITIONS)
    return {(one["metadata"]["name"], one["metadata"]["resourceVersion"]) for one in listed.items}


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
        if not right.conditions or {*right.conditions} & {rights.SELF_MANAGED, rights.PREFLIGHT}
    ]
