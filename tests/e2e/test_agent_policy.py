"""An agent's policy counts for its runs in both versions; v1alpha1 warns of what does not."""

import json
import pathlib
from typing import Any

import pytest

import crds
from controllers import devcluster, kube
from controllers.runs import projections
from controllers.runs.runtimes.jobs import job_objects
from controllers.runs.work import work
from crds.admission import settings
from schemagen import yaml
from tests.e2e.conftest import COUNTER, Platform
from tests.support import run_world

pytestmark = pytest.mark.e2e

BYPASS = pathlib.Path(__file__).parents[1] / "data/policies/bypass.yaml"

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

    assert "Warning: spec.workflow: ignored with runtime.type 'job'" in said


async def test_provider_and_agent_bring_nothing_past_a_policy(platform: Platform) -> None:
    provider, agent_, run_ = yaml.load_all(BYPASS.read_bytes())
    for kind, body in (("AgentProvider", provider), ("Agent", agent_)):
        resource = kube.Resource(GROUP, "v1beta1", f"{kind.lower()}s", kind)
        await platform.client.create(resource, body, namespace=platform.namespace)

    with pytest.raises(kube.InvalidError) as refused:
        await platform.client.create(platform.runs("v1beta1"), run_, namespace=platform.namespace)

    template, annotations = "spec.runtime.podTemplate", "spec.runtime.extraConfig.podAnnotations"
    security, evil = f"{template}.securityContext", "AgentProvider evil: spec"
    assert sorted(
        [
            ("spec.agentRef.name", "Agent evil: spec.runDefaults.systemPrompt.secretKeyRef.name"),
            ("spec.agentRef.name", f"{evil}.env[ROOTPW].valueFrom.secretKeyRef.name"),
            ("spec.agentRef.name", f"{evil}.files[/steal].secretKeyRef.name"),
            ("spec.agentRef.name", f"{evil}.workload.serviceAccountName"),
            (f"{annotations}[container.apparmor.security.beta.kubernetes.io/agent-runner]", ""),
            (f"{annotations}[sidecar.istio.io/inject]", ""),
            (f"{annotations}[vault.hashicorp.com/agent-inject]", ""),
            (f"{security}.runAsNonRoot", ""),
            (f"{security}.runAsUser", ""),
            (f"{security}.seccompProfile", ""),
            (f"{security}.sysctls[kernel.msgmax]", ""),
            (f"{template}.nodeSelector[node-role.kubernetes.io/control-plane]", ""),
            (f"{template}.priorityClassName", ""),
            (f"{template}.schedulerName", ""),
            (f"{template}.tolerations[0]", ""),
        ]
    ) == sorted(
        (cause.field, cause.message.rpartition("expected ")[0].removesuffix(": "))
        for cause in refused.value.causes
    )


@pytest.mark.parametrize(
    ("pods", "is_restricted"),
    [({}, True), ({"runAsNonRoot": False}, False), ({"seccompProfile": "Unconfined"}, False)],
)
async def test_pod_is_what_kubernetes_calls_restricted(
    api_server: devcluster.Cluster, pods: dict[str, Any], *, is_restricted: bool
) -> None:
    """The API server's own admission of pods warns of what is not."""
    name, warnings = f"restricted-{next(COUNTER)}", list[str]()
    labels = {"pod-security.kubernetes.io/warn": "restricted"}
    about = {"name": name, "labels": labels}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": about}
    ready = work.prepare(
        run_world.run({"workload": {"image": "runner"}}),
        run_world.related(),
        1,
        settings.read({"pods": pods}),
    )
    assert isinstance(ready, work.Ready)
    job = job_objects.job("uid-1/1", ready.work)
    metadata = {"name": job["metadata"]["name"], "namespace": name}

    async with kube.Client.from_kubeconfig(
        api_server.admin_kubeconfig, on_warning=warnings.append
    ) as client:
        await client.create(kube.NAMESPACES, namespace)
        await client.create(projections.JOBS, {**job, "metadata": metadata}, dry_run=True)

    assert is_restricted is (not warnings), warnings
