"""The chart of an own API: what helm renders, and an install and uninstall of it."""

import asyncio
import pathlib
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

from controllers import devcluster, kube
from schemagen import yaml
from tests.support import charts, workshop
from tests.support.standin_kubelet import BY_HAND, SERVICE_RANGE, Kubelet
from webhooks.cluster import api_resources

pytestmark = pytest.mark.e2e

REFERENCE = "tests.support.workshop:SERVED"
NAME = "hooks"
DEPLOYED = ("--deployment", "workshop:1", "--port", "9554")


def manifests(namespace: str, *options: str) -> str:
    return subprocess.run(
        [
            *(sys.executable, "-m", "webhooks", "manifests", REFERENCE, *DEPLOYED, *options),
            *("--service", f"{namespace}/{NAME}"),
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.fixture(scope="module")
def chart(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("chart")
    manifests("anywhere", "--chart", str(folder))
    return folder


def by_name(documents: list[Any]) -> dict[tuple[str, str], Any]:
    return {(value["kind"], value["metadata"]["name"]): value for value in documents if value}


# As a number, an expression and a word.
@pytest.mark.parametrize("namespace", ["1e3", "team"])
def test_helm_renders_what_the_manifests_say(chart: pathlib.Path, namespace: str) -> None:
    charts.helm("lint", "--strict", str(chart))
    text = charts.helm("template", NAME, str(chart), "--namespace", namespace).stdout
    rendered = by_name(yaml.load_all(text.encode()))

    printed = by_name(yaml.load_all(manifests(namespace).encode()))
    expected = {
        key: value for key, value in printed.items() if key[0] != "CustomResourceDefinition"
    }
    for value in expected.values():
        for webhook in value.get("webhooks", ()):
            del webhook["clientConfig"]["url"]  # null: for `kubectl apply` alone
    hooks = {
        key: value
        for key, value in rendered.items()
        if "helm.sh/hook" in value["metadata"].get("annotations", {})
    }
    assert expected == {key: value for key, value in rendered.items() if key not in hooks}
    assert {f"{NAME}-install", f"{NAME}-uninstall"} == {
        name for kind, name in hooks if kind == "Job"
    }


@pytest.fixture
async def cluster() -> AsyncIterator[tuple[devcluster.Cluster, kube.Client]]:
    flags = [f"--service-cluster-ip-range={SERVICE_RANGE}"]
    with devcluster.Cluster(runs_jobs=True, api_server_flags=flags) as started:
        async with kube.Client.from_kubeconfig(
            started.admin_kubeconfig, on_warning=lambda _: None
        ) as client:
            labels = {"pod-security.kubernetes.io/enforce": "restricted"}
            metadata = {"name": "team", "labels": labels, "annotations": BY_HAND}
            namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
            await client.create(kube.NAMESPACES, namespace)
            other = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team-a"}}
            await client.create(kube.NAMESPACES, other)
            yield started, client


async def test_installed_and_uninstalled(
    cluster: tuple[devcluster.Cluster, kube.Client], chart: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    started, client = cluster
    kind = workshop.SERVED.kinds[0]
    old, new = (api_resources.resource_of(workshop.SERVED, kind, name) for name in ("v1", "v2"))
    name = workshop.SERVED.crd_name(kind)
    kubelet = Kubelet(started, client, "team", tmp_path)

    def helm(*words: str) -> subprocess.CompletedProcess[str]:
        return charts.helm(
            *(*words, "--namespace", "team", "--wait=hookOnly", "--timeout", "300s"),
            kubeconfig=started.admin_kubeconfig,
            check=False,
        )

    async with kubelet.running():
        done = await asyncio.to_thread(helm, "install", NAME, str(chart))
        assert 0 == done.returncode, done.stderr
        await kubelet.all_ready(NAME, 2)
        body = {"kind": "Bench", "apiVersion": old.api_version, "metadata": {"name": "one"}}
        await client.create(old, body | {"spec": {"replicas": 2}}, namespace="team-a")
        definition = await client.get(kube.CUSTOM_RESOURCE_DEFINITIONS, name)
        assert "caBundle" in definition["spec"]["conversion"]["webhook"]["clientConfig"]
        read = await client.get(new, "one", namespace="team-a")
        assert 2 == read["spec"]["size"]["replicas"]
        with pytest.raises(kube.InvalidError, match="expected at most 5, got 6"):
            await client.patch(
                new, "one", {"spec": {"replicas": 6}}, namespace="team-a", subresource="scale"
            )

        done = await asyncio.to_thread(helm, "uninstall", NAME)
        assert 0 == done.returncode, done.stderr

    definition = await client.get(kube.CUSTOM_RESOURCE_DEFINITIONS, name)
    assert {"strategy": "None"} == definition["spec"]["conversion"]
    assert read["spec"] == (await client.get(new, "one", namespace="team-a"))["spec"]
    for resource in (kube.MUTATING_WEBHOOK_CONFIGURATIONS, kube.VALIDATING_WEBHOOK_CONFIGURATIONS):
        assert () == (await client.list(resource)).items
