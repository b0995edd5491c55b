"""An agent's policy counts for its runs in both versions; v1alpha1 warns of what does not."""

import json
from typing import Any

import pytest

import crds
from controllers import kube
from tests.e2e.conftest import Platform

GROUP = crds.api.group


def agent(name: str, policy: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": f"{GROUP}/v1beta1",
        "kind": "Agent",
        "metadata": {"name": name},
        "spec": {"providerRef": {"name": "codex"}, "policy": policy},
    }


def run(version: str, agent_name: str) -> dict[str, Any]:
    """A run that names a secret, as each version does."""
    secrets: dict[str, Any] = {
        "v1alpha1": {"secrets": ["npm"]},
        "v1beta1": {"secretRefs": [{"name": "npm"}]},
    }
    word = {"v1alpha1": "job", "v1beta1": "Job"}[version]
    spec = {
        "agentRef": {"name": agent_name},
        "runtime": {"type": word},
        "implementation": {"inline": {"text": "do it"}},
    }
    return {
        "apiVersion": f"{GROUP}/{version}",
        "kind": "AgentRun",
        "metadata": {"name": f"{agent_name}-{version}"},
        "spec": {**spec, **secrets[version]},
    }


@pytest.mark.parametrize(
    ("version", "path"),
    [("v1alpha1", "spec.secrets[0]"), ("v1beta1", "spec.secretRefs[npm].name")],
)
async def test_run_may_name_only_secrets_that_its_agent_allows(
    platform: Platform, version: str, path: str
) -> None:
    agents = kube.Resource(GROUP, "v1beta1", "agents", "Agent")
    for name, allowed in (("strict", ["github"]), ("generous", ["npm"])):
        policy = {"secrets": {"mode": "AllowListed", "allowed": allowed}}
        await platform.client.create(agents, agent(name, policy), namespace=platform.namespace)

    with pytest.raises(kube.InvalidError) as refused:
        await platform.client.create(
            platform.runs(version), run(version, "strict"), namespace=platform.namespace
        )

    assert [(path, "expected a secret that the agent allows, got 'npm'")] == [
        (cause.field, cause.message) for cause in refused.value.causes
    ]
    await platform.client.create(
        platform.runs(version), run(version, "generous"), namespace=platform.namespace
    )


async def test_agent_that_is_not_there_yet_keeps_no_run_out(platform: Platform) -> None:
    created = await platform.client.create(
        platform.runs("v1beta1"), run("v1beta1", "later"), namespace=platform.namespace
    )

    assert "later-v1beta1" == created["metadata"]["name"]


def test_kubectl_prints_what_does_not_count(platform: Platform) -> None:
    value = run("v1alpha1", "codex")
    value["spec"]["workflow"] = {"steps": [{"name": "s"}]}

    said = platform.kubectl("create", "-f", "-", input=json.dumps(value)).stderr

    assert "Warning: spec.workflow: does not count under runtime.type 'job'" in said
