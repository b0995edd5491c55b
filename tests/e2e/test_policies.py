"""A generated policy makes the API server refuse what no schema can, without a webhook."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Annotated, Any

import pytest
from pydantic import Field

from controllers import devcluster, kube
from schemagen import Api, Kind, MaxBytes, Model, Policy, Resource, Spec, Version
from schemagen.crd import admission_policy, definitions

pytestmark = pytest.mark.e2e


class Step(Model):
    text: Annotated[str, MaxBytes(10)]


class Job(Spec):
    namespace: Annotated[str, MaxBytes(5)] | None = None
    steps: list[Step] | None = None
    values: Annotated[dict[str, Annotated[str, MaxBytes(7)]], Field(max_length=4)] | None = None


class Root(Resource):
    spec: Job


RULE = Policy(
    "object.metadata.name != 'reserved' || request.userInfo.username == 'keeper'",
    message_expression="'%s is not the keeper'.format([request.userInfo.username])",
)
KIND = Kind("Job", "jobs", (Version("v1", Root, storage=True),), policies=(RULE,))
API = Api("policed.example.com", (KIND,))
JOBS = kube.Resource(API.group, "v1", "jobs", "Job")
ADMISSION = "admissionregistration.k8s.io"
POLICIES = kube.Resource(
    ADMISSION, "v1", "validatingadmissionpolicies", "ValidatingAdmissionPolicy", namespaced=False
)
BINDINGS = kube.Resource(
    ADMISSION,
    "v1",
    "validatingadmissionpolicybindings",
    "ValidatingAdmissionPolicyBinding",
    namespaced=False,
)


def job(name: str = "one", **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "default"}
    return {
        "apiVersion": "policed.example.com/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": spec,
    }


@pytest.fixture(scope="module")
async def client(api_server: devcluster.Cluster) -> AsyncIterator[kube.Client]:
    async with kube.Client.from_kubeconfig(api_server.admin_kubeconfig) as opened:
        await opened.create(kube.CUSTOM_RESOURCE_DEFINITIONS, definitions.crd(API, KIND))
        found, binding = admission_policy.policies(API)
        await opened.create(POLICIES, found)
        await opened.create(BINDINGS, binding)
        await _until_enforced(opened)
        yield opened
        await opened.delete(BINDINGS, binding["metadata"]["name"])
        await opened.delete(POLICIES, found["metadata"]["name"])
        await opened.delete(kube.CUSTOM_RESOURCE_DEFINITIONS, API.crd_name(KIND))


async def _until_enforced(client: kube.Client) -> None:
    """The API server takes a moment to serve a CRD and to read a policy."""
    for _ in range(600):
        with contextlib.suppress(kube.NotFoundError):
            try:
                await client.create(JOBS, job(namespace="ü" * 5), dry_run=True)
            except kube.InvalidError:
                return
        await asyncio.sleep(0.05)
    raise AssertionError("the policy was not enforced within 30 s")


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"namespace": "ü" * 3}, "spec.namespace: expected at most 5 bytes of UTF-8"),
        (
            {"steps": [{"text": "ok"}, {"text": "ü" * 6}]},
            "spec.steps[].text: expected at most 10 bytes of UTF-8",
        ),
        ({"values": {"a": "ü" * 4}}, "spec.values{}: expected at most 7 bytes of UTF-8"),
    ],
    ids=["member", "list", "map"],
)
async def test_bytes_are_counted(client: kube.Client, spec: dict[str, Any], words: str) -> None:
    with pytest.raises(kube.InvalidError) as refused:
        await client.create(JOBS, job(**spec), dry_run=True)

    assert words in refused.value.message


async def test_a_rule_sees_who_asks(client: kube.Client) -> None:
    with pytest.raises(kube.InvalidError, match="is not the keeper"):
        await client.create(JOBS, job("reserved"), dry_run=True)


async def test_what_keeps_all_limits_is_taken(client: kube.Client) -> None:
    steps, values = [{"text": "x" * 10}], {"a": "ü" * 3}
    spec: dict[str, Any] = {"namespace": "ü", "steps": steps, "values": values}

    created = await client.create(JOBS, job(**spec), dry_run=True)

    assert spec == created["spec"]
