"""`kubectl get` shows which objects can be used and why not, in both versions."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

import crds
from controllers import kube, manager
from controllers.agentctl.chart import rights as matrix
from controllers.readiness import kinds
from crds.admission.settings import Settings
from tests.e2e.conftest import Platform
from tests.support import accounts, run_world
from tests.support.run_platform import HURRIED, running

pytestmark = pytest.mark.e2e

SECONDS = 120.0
KINDS = {kind.name: kind.plural for kind in crds.api}
SPECS: dict[str, dict[str, Any]] = {
    "Agent": {"providerRef": {"name": "one"}, "memoryRef": {"name": "one"}},
    "AgentProvider": run_world.PROVIDER["spec"],
    "ImplementationSpec": {"text": "Mend it.", "vcsRef": {"name": "one"}},
    "Memory": {"type": "Custom", "connection": {"secretKeyRef": {"name": "store", "key": "url"}}},
    "ImplementationSource": {
        "github": {"repository": "example/shop"},
        "credentials": {"secretKeyRef": {"name": "git", "key": "token"}},
        "ingestion": {"mode": "Poll", "poll": {"interval": "5m"}},
    },
    "VersionControlProvider": {
        "provider": "GitHub",
        "auth": {"type": "Token", "token": {"secretRef": {"name": "git"}}},
    },
}


async def make(platform: Platform, name: str, kind: str, spec: dict[str, Any]) -> None:
    group = crds.api.group
    resource = kube.Resource(group, "v1beta1", KINDS[kind], kind)
    metadata = {"name": name, "namespace": platform.namespace}
    body = {"apiVersion": resource.api_version, "kind": kind, "metadata": metadata, "spec": spec}
    await platform.client.create(resource, body)


async def secret(platform: Platform, name: str, key: str, value: str) -> None:
    data = {key: base64.b64encode(value.encode()).decode()}
    metadata = {"name": name, "namespace": platform.namespace}
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}
    await platform.client.create(kube.SECRETS, body)


def reason(platform: Platform, kind: str, name: str, version: str) -> str:
    """Status and reason of Ready, as kubectl shows them in a version."""
    where = f"{KINDS[kind]}.{version}.{crds.api.group}/{name}"
    found = json.loads(platform.kubectl("get", where, "--output", "json").stdout)
    for condition in (found.get("status") or {}).get("conditions") or ():
        if condition["type"] == "Ready":
            return f"{condition['status']} {condition['reason']}"
    return ""


async def until(platform: Platform, expected: dict[str, str], version: str = "v1beta1") -> None:
    found: dict[str, str] = {}
    try:
        async with asyncio.timeout(SECONDS):
            while found != expected:
                found = {
                    kind: await asyncio.to_thread(reason, platform, kind, "one", version)
                    for kind in expected
                }
    except TimeoutError:
        assert expected == found


@pytest.fixture
async def controller(platform: Platform) -> AsyncIterator[kube.Client]:
    """A client with the rights of the chart, which may read two Secrets."""
    async with accounts.opened(
        platform.client,
        platform.cluster,
        matrix.CONTROLLER,
        home=f"{platform.namespace}-home",
        objects=platform.namespace,
        secrets=["git", "store"],
    ) as client:
        yield client


async def test_kubectl_shows_what_can_be_used_and_why_not(
    platform: Platform, controller: kube.Client
) -> None:
    namespace = platform.namespace
    options = manager.Options(
        home=f"{namespace}-home",
        namespace=namespace,
        timing=HURRIED,
        settings=Settings,
        ingests=True,
        secrets=[f"{namespace}/git", f"{namespace}/store"],
    )
    leader = manager.Manager(controller, "one", lambda *_: [], options)
    for kind, spec in SPECS.items():
        await make(platform, "one", kind, spec)

    async with running(leader):
        await until(
            platform,
            {
                "Agent": "False MemoryNotReady",
                "AgentProvider": "True ValidSpec",
                "ImplementationSpec": "False VersionControlNotReady",
                "Memory": "False SecretNotFound",
                "ImplementationSource": "False SecretNotFound",
                "VersionControlProvider": "False SecretNotFound",
            },
        )
        await secret(platform, "git", "token", "x")
        # The metadata service of the machine, if there were one.
        await secret(platform, "store", "url", "http://169.254.169.254/")
        expected = {
            "Agent": "False MemoryNotReady",
            "AgentProvider": "True ValidSpec",
            "ImplementationSpec": "True ValidSpec",
            "Memory": "False AddressNotAllowed",
            "ImplementationSource": "True Polling",
            "VersionControlProvider": "True CredentialsFound",
        }
        await until(platform, expected)

    await until(platform, expected, "v1alpha1")
    assert SPECS.keys() == kinds.RULES.keys()
    # Not agents as well, which is also the category of all kinds.
    table = platform.kubectl("get", "agentproviders,memories,vcs").stdout
    assert "READY" in table
    ready = [line.split()[1] for line in table.splitlines() if "/one" in line]
    assert ["True", "False", "True"] == ready
    events = await platform.client.list(kube.EVENTS, namespace=namespace)
    told = {(one["regarding"]["kind"], one["reason"]) for one in events.items}
    assert {("Memory", "AddressNotAllowed"), ("VersionControlProvider", "CredentialsFound")} < told
