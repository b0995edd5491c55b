"""Rules of the newest version, of scale, of deletion and of policies, on a real API server."""

import dataclasses
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from controllers import devcluster, kube
from schemagen import Api, Kind, Resource, Spec, Version
from tests.support import workshop
from webhooks.cluster import configuration, install

pytestmark = pytest.mark.e2e

OLD = kube.Resource("workshop.example.com", "v1", "benches", "Bench")
NEW = kube.Resource("workshop.example.com", "v2", "benches", "Bench")


def bench(name: str, version: str = "v1", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": f"workshop.example.com/{version}",
        "kind": "Bench",
        "metadata": {"name": name, "namespace": "default"},
        "spec": spec,
    }


@pytest.fixture(scope="module")
def served(
    api_server: devcluster.Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[devcluster.Cluster]:
    folder = tmp_path_factory.mktemp("workshop")
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "webhooks", "serve", "tests.support.workshop:SERVED"),
            *("--install", "--port", "0", "--workers", "1"),
            *("--cert-dir", str(folder / "certificates")),
            *("--kubeconfig", str(api_server.admin_kubeconfig), "--verify-answers"),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("serving workshop.example.com at ")
    yield api_server
    process.terminate()
    assert process.wait(120) == 0
    process.stdout.close()


@pytest.fixture
async def client(served: devcluster.Cluster) -> AsyncIterator[kube.Client]:
    async with kube.Client.from_kubeconfig(served.admin_kubeconfig) as opened:
        yield opened


async def refusal(client: kube.Client, value: dict[str, Any]) -> str:
    resource = OLD if value["apiVersion"].endswith("/v1") else NEW
    with pytest.raises(kube.InvalidError) as refused:
        await client.create(resource, value)
    return str(refused.value)


async def test_rule_of_the_hub_is_refused_by_the_field_that_was_written(
    client: kube.Client,
) -> None:
    assert "spec.replicas: Invalid value: 0" in await refusal(client, bench("few", replicas=0))
    assert "spec.color: Invalid value" in await refusal(client, bench("green", color="green"))
    said = await refusal(client, bench("tagged", labels={"forbidden": "x"}))
    assert "spec.labels[forbidden]: Invalid value: expected another name" in said


async def test_forged_annotation_does_not_get_into_storage(client: kube.Client) -> None:
    value = bench("forged", replicas=2)
    value["metadata"]["annotations"] = {
        "conversion.workshop.example.com/v2-residue": (
            '[{"at":["spec","size"],"was":{},"is":{"burst":-4}}]'
        )
    }

    assert "remove the annotation" in await refusal(client, value)


async def test_what_must_not_change_is_refused_and_labels_are_not(client: kube.Client) -> None:
    await client.create(OLD, bench("held", replicas=2, owner="me"))

    with pytest.raises(kube.InvalidError, match=r"spec.owner: .*must not be changed"):
        await client.patch(OLD, "held", {"spec": {"owner": "you"}}, namespace="default")
    labels = {"metadata": {"labels": {"a": "b"}}}
    changed = await client.patch(OLD, "held", labels, namespace="default")
    assert {"a": "b"} == changed["metadata"]["labels"]


async def test_object_that_somebody_holds_is_not_deleted(client: kube.Client) -> None:
    await client.create(NEW, bench("kept", "v2", holder="me"))

    with pytest.raises(kube.InvalidError, match=r"spec.owner: expected nobody to hold it"):
        await client.delete(OLD, "kept", namespace="default")
    await client.patch(NEW, "kept", {"spec": {"holder": None}}, namespace="default")
    await client.delete(OLD, "kept", namespace="default")


def test_scale_past_a_rule_is_refused(served: devcluster.Cluster) -> None:
    for version in ("v1", "v2"):
        resource = f"benches.{version}.workshop.example.com/scaled-{version}"
        spec = "{replicas: 2}" if version == "v1" else "{size: {replicas: 2}}"
        manifest = (
            f"{{apiVersion: workshop.example.com/{version}, kind: Bench, "
            f"metadata: {{name: scaled-{version}, namespace: default}}, spec: {spec}}}"
        )
        served.kubectl("apply", "-f", "-", input=manifest)

        refused = served.kubectl("scale", resource, "--replicas=7", check=False)
        done = served.kubectl("scale", resource, "--replicas=4", check=False)

        assert "spec.replicas" in refused.stderr
        assert (0, "") == (done.returncode, done.stderr)


async def test_status_is_judged_in_the_older_version_only(client: kube.Client) -> None:
    await client.create(OLD, bench("noted", replicas=2))
    long = {"status": {"note": "more than twenty letters"}}

    with pytest.raises(kube.InvalidError, match=r"status.note: Too long"):
        await client.patch(OLD, "noted", long, namespace="default", subresource="status")
    short = {"status": {"note": "short"}}
    for resource in (OLD, NEW):
        await client.patch(resource, "noted", short, namespace="default", subresource="status")


async def test_policies_are_installed_asked_and_removed(client: kube.Client) -> None:
    with pytest.raises(kube.KubeError, match="this name is reserved"):
        await client.create(NEW, bench("reserved", "v2"))

    kind = dataclasses.replace(workshop.SERVED.kinds[0], policies=())
    without = Api(workshop.SERVED.group, (kind,))
    await install.install_policies(client, without)

    label = f"{configuration.API_LABEL}={workshop.SERVED.group}"
    for resource in (
        kube.VALIDATING_ADMISSION_POLICIES,
        kube.VALIDATING_ADMISSION_POLICY_BINDINGS,
    ):
        assert () == (await client.list(resource, labels=label)).items


class PlainSpec(Spec):
    size: int = 1


class Plain(Resource):
    spec: PlainSpec


async def test_webhook_configurations_that_an_api_does_not_need_are_removed(
    client: kube.Client,
) -> None:
    kind = Kind("Plain", "plains", (Version("v1", Plain, storage=True),))
    plain, other = Api(workshop.SERVED.group, (kind,)), Api("others.example.com", (kind,))
    own = configuration.configurations(
        workshop.SERVED, configuration.at_url("https://others.example.com")
    )[0]
    foreign = own | {"metadata": {"name": other.group}}
    mutating = kube.MUTATING_WEBHOOK_CONFIGURATIONS
    await client.apply(mutating, foreign, field_manager="somebody-else")

    for api in (plain, other):
        await install.install_configurations(
            client, api, configuration.at_url("https://example.com")
        )

    names = [
        one["metadata"]["name"]
        for resource in (mutating, kube.VALIDATING_WEBHOOK_CONFIGURATIONS)
        for one in (await client.list(resource)).items
    ]
    await client.delete(mutating, other.group)
    assert workshop.SERVED.group not in names
    assert other.group in names
