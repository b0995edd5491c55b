"""Conditions of every kind, by a reconciler on the API server in process, in virtual time."""

import asyncio
import base64
import contextlib
import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import pytest

import crds
from controllers import kube
from controllers.kube import testing
from controllers.readiness import kinds
from controllers.readiness.findings import Effect
from controllers.readiness.reconciler import Readiness
from controllers.readiness.references import Observed
from controllers.runs import projections
from controllers.runs.caches import Caches
from crds.admission import settings
from crds.v1beta1 import agentprovider
from tests.support import run_world

TEAM = "team"
PROVIDER: dict[str, Any] = run_world.PROVIDER["spec"]
TOKEN: dict[str, Any] = {
    "provider": "GitHub",
    "auth": {"type": "Token", "token": {"secretRef": {"name": "git"}}},
}
STORE: dict[str, Any] = {
    "type": "Custom",
    "connection": {"secretKeyRef": {"name": "store", "key": "url"}},
}
POLLED: dict[str, Any] = {"mode": "Poll", "poll": {"interval": "5m"}}
SOURCE: dict[str, Any] = {
    "github": {"repository": "example/shop"},
    "credentials": {"secretKeyRef": {"name": "github", "key": "token"}},
    "ingestion": {
        "mode": "Webhook",
        "webhook": {
            "signingSecretRefs": [{"name": "hook", "key": "new"}, {"name": "hook", "key": "old"}]
        },
    },
}
AGENTS, PROVIDERS, TASKS = projections.AGENTS, projections.PROVIDERS, projections.IMPLEMENTATIONS
MEMORIES, GIT = projections.MEMORIES, projections.VERSION_CONTROL


@dataclasses.dataclass
class World:
    """A server, and the reconciler's settings, which a test may change."""

    server: testing.ApiServer
    client: kube.Client
    operator: settings.Settings = settings.DEFAULTS

    async def make(self, resource: kube.Resource, name: str, **spec: Any) -> None:
        """Create an object."""
        named = {"apiVersion": resource.api_version, "kind": resource.kind}
        metadata = {"name": name, "namespace": TEAM}
        await self.client.create(resource, {**named, "metadata": metadata, "spec": spec})

    async def secret(self, name: str, **values: str) -> None:
        """Create or replace a Secret."""
        data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
        body = {"apiVersion": "v1", "kind": "Secret", "data": data}
        metadata = {"name": name, "namespace": TEAM}
        await self.client.apply(
            kube.SECRETS, {**body, "metadata": metadata}, field_manager="test", force=True
        )

    async def status(self, resource: kube.Resource, name: str) -> kube.JSON:
        """The status of an object."""
        found = await self.client.get(resource, name, namespace=TEAM)
        return found.get("status") or {}

    async def condition(self, resource: kube.Resource, name: str, type_: str) -> kube.JSON:
        """A condition; empty before the first status."""
        conditions = (await self.status(resource, name)).get("conditions") or ()
        return next((one for one in conditions if one["type"] == type_), {})

    async def until(
        self, resource: kube.Resource, name: str, status: str, reason: str, type_: str = "Ready"
    ) -> kube.JSON:
        """Wait for a status and reason of a condition."""
        condition: kube.JSON = {}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1000):
                while (condition.get("status"), condition.get("reason")) != (status, reason):
                    await asyncio.sleep(1)
                    condition = await self.condition(resource, name, type_)
        assert (status, reason) == (condition.get("status"), condition.get("reason")), condition
        return condition

    def reads(self, resource: kube.Resource) -> list[str]:
        """Names of the objects that were read, in order."""
        calls = [call for call in self.server.calls if call.verb == "get"]
        return [call.name for call in calls if call.plural == resource.plural]

    def events(self) -> list[tuple[str, str, str]]:
        """Kind, name and reason of each Event."""
        return [
            (one["regarding"]["kind"], one["regarding"]["name"], one["reason"])
            for one in self.server.objects(kube.EVENTS)
        ]


@contextlib.asynccontextmanager
async def world(*secrets: str) -> AsyncIterator[World]:
    server = testing.ApiServer(crds.api)
    clock = server.clock
    async with server.client() as client:
        await client.create(kube.NAMESPACES, {"metadata": {"name": TEAM}})
        caches = Caches(client, kube.Queue(clock=clock.seconds), clock=clock.seconds)
        given = World(server, client)
        async with kube.Recorder(
            client, "agents-controller", "test", clock=clock.seconds, now=clock.now
        ) as recorder:
            readiness = Readiness(
                client,
                caches,
                recorder,
                secrets=secrets,
                settings=lambda: given.operator,
                now=clock.now,
                rng=lambda: 0.5,
                clock=clock.seconds,
            )
            reflectors = [*caches.reflectors(with_jobs=False)]
            tasks = [asyncio.ensure_future(reflector.run()) for reflector in reflectors]
            for reflector in reflectors:
                await reflector.synced.wait()
            tasks.append(asyncio.ensure_future(readiness.run()))
            try:
                yield given
            finally:
                for task in tasks:
                    task.cancel()
                ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert not [one for one in ended if isinstance(one, Exception)], ended


@testing.virtual_time
async def test_agent_waits_for_what_it_refers_to() -> None:
    async with world() as w:
        await w.make(*(AGENTS, "coder"), providerRef={"name": "shell"}, memoryRef={"name": "notes"})
        missing = await w.until(AGENTS, "coder", "False", "MissingProvider")
        await w.make(PROVIDERS, "shell", **PROVIDER)
        await w.until(AGENTS, "coder", "False", "MissingMemory")
        await w.make(MEMORIES, "notes", **STORE)

        ready = await w.until(AGENTS, "coder", "True", "ValidSpec")

        assert "spec.memoryRef" in missing["message"]
        assert missing["lastTransitionTime"] < ready["lastTransitionTime"]
        assert "False" == (await w.condition(AGENTS, "coder", "InvalidSpec"))["status"]
        assert 1 == (await w.status(AGENTS, "coder"))["observedGeneration"]
        await testing.settle(lambda: ("Agent", "coder", "ValidSpec") in w.events())


@testing.virtual_time
async def test_agent_is_not_ready_while_its_provider_is_not() -> None:
    async with world() as w:
        broken = {**PROVIDER, "workload": {"image": "UPPER CASE"}}
        await w.make(PROVIDERS, "shell", **broken)
        await w.make(AGENTS, "coder", providerRef={"name": "shell"})
        await w.until(PROVIDERS, "shell", "False", "InvalidImage")
        await w.until(AGENTS, "coder", "False", "ProviderNotReady")

        change = {"spec": {"workload": {"image": "example.com/runner:1"}}}
        await w.client.patch(PROVIDERS, "shell", change, namespace=TEAM)

        await w.until(AGENTS, "coder", "True", "ValidSpec")


@testing.virtual_time
async def test_changed_policy_of_the_operator_is_noticed() -> None:
    async with world() as w:
        image = {**PROVIDER, "workload": {"image": "example.com/runner:1"}}
        await w.make(PROVIDERS, "shell", **image)
        await w.until(PROVIDERS, "shell", "True", "ValidSpec")

        w.operator = settings.read({"policy": {"images": {"allowed": ["other.example/*"]}}})

        denied = await w.until(PROVIDERS, "shell", "False", "NotAllowed")
        assert "example.com/runner:1" in denied["message"]


@testing.virtual_time
async def test_credentials_are_found_once_they_are_there() -> None:
    async with world(f"{TEAM}/git") as w:
        await w.make(GIT, "hub", **TOKEN)
        await w.until(GIT, "hub", "False", "SecretNotFound")
        await w.secret("git", other="secret-value")
        missing = await w.until(GIT, "hub", "False", "SecretKeyMissing")
        await w.secret("git", token="secret-value")  # noqa: S106 - not one

        await w.until(GIT, "hub", "True", "CredentialsFound")

        assert "'token'" in missing["message"]
        assert (await w.status(GIT, "hub"))["lastValidationTime"]
        shown = str([*w.server.objects(GIT), *w.server.objects(kube.EVENTS)])
        assert "secret-value" not in shown


@testing.virtual_time
async def test_secrets_that_nobody_allowed_are_not_asked_for() -> None:
    async with world("other/*") as w:
        await w.make(GIT, "hub", **TOKEN)

        unknown = await w.until(GIT, "hub", "Unknown", "SecretNotReadable")

        assert "'git'" in unknown["message"]
        assert [] == w.reads(kube.SECRETS)


@testing.virtual_time
async def test_missing_secret_is_read_with_growing_delays() -> None:
    async with world("*") as w:
        await w.make(GIT, "hub", **TOKEN)
        await asyncio.sleep(3600)

        reads = len(w.reads(kube.SECRETS))

        # 5 s, doubled up to 5 minutes, instead of 720 times in an hour.
        assert 10 < reads < 25


@testing.virtual_time
async def test_status_is_written_only_if_it_changes() -> None:
    async with world("*") as w:
        await w.secret("git", token="x")  # noqa: S106 - not one
        await w.make(GIT, "hub", **TOKEN)
        await w.until(GIT, "hub", "True", "CredentialsFound")
        before = await w.client.get(GIT, "hub", namespace=TEAM)
        await asyncio.sleep(3600)

        after = await w.client.get(GIT, "hub", namespace=TEAM)

        assert before["metadata"]["resourceVersion"] == after["metadata"]["resourceVersion"]


@testing.virtual_time
async def test_oldest_default_memory_is_the_default() -> None:
    async with world() as w:
        await w.make(MEMORIES, "b-first", **STORE, isDefault=True)
        await asyncio.sleep(2)
        await w.make(MEMORIES, "a-second", **STORE, isDefault=True)
        await w.until(MEMORIES, "b-first", "True", "DefaultOfNamespace", "Default")
        await w.until(MEMORIES, "a-second", "False", "NotDefault", "Default")

        await w.client.delete(MEMORIES, "b-first", namespace=TEAM)

        await w.until(MEMORIES, "a-second", "True", "DefaultOfNamespace", "Default")


@pytest.mark.parametrize(
    ("kind", "spec", "reason"),
    [
        ("AgentProvider", {**PROVIDER, "adapter": {"type": "Other"}}, "UnknownAdapter"),
        (
            "AgentProvider",
            {"runner": {}, "adapter": {"type": "Exec", "exec": {}}},
            "MissingBinary",
        ),
        ("AgentProvider", {**PROVIDER, "workload": {"image": "A B"}}, "InvalidImage"),
        ("ImplementationSpec", {"text": " \n"}, "MissingText"),
        (
            "ImplementationSpec",
            {"text": "x", "contract": {"aliases": [{"from": "a", "to": "a"}]}},
            "InvalidContract",
        ),
        (
            "ImplementationSpec",
            {
                "text": "x",
                "contract": {"aliases": [{"from": "a", "to": "b"}, {"from": "a", "to": "c"}]},
            },
            "InvalidContract",
        ),
        (
            "ImplementationSpec",
            {"text": "x", "contract": {"requiredParameters": ["a", "a"]}},
            "InvalidContract",
        ),
        ("VersionControlProvider", {"auth": {"type": "App"}}, "MissingCredentials"),
        (
            "VersionControlProvider",
            {**TOKEN, "clone": {"protocol": "SSH"}},
            "InvalidProtocol",
        ),
        (
            "ImplementationSource",
            {**SOURCE, "linear": {}, "github": None, "ingestion": POLLED},
            "PollNotSupported",
        ),
        ("ImplementationSource", SOURCE, "SecretNotFound"),
        ("Agent", {"providerRef": {"name": "x"}}, "MissingProvider"),
        ("Agent", {}, "MissingProviderRef"),
        ("Memory", {}, "MissingSecretRef"),
    ],
)
def test_what_is_wrong_has_a_reason(kind: str, spec: dict[str, Any], reason: str) -> None:
    report = kinds.RULES[kind](spec, Observed(), settings.DEFAULTS)

    assert reason == report.findings[0].reason


@pytest.mark.parametrize(
    ("keys", "findings"),
    [
        ({"new", "old"}, {("SecretNotFound", Effect.NONE)}),
        (
            {"new"},
            {("SecretNotFound", Effect.NONE), ("SecretKeyMissing", Effect.NONE)},
        ),
        (set(), {("SecretNotFound", Effect.NONE), ("SecretKeyMissing", Effect.BLOCKS)}),
    ],
)
def test_source_receives_with_one_of_its_signing_secrets_and_without_credentials(
    keys: set[str], findings: set[tuple[str, Effect]]
) -> None:
    observed = Observed(keys={("Secret", "hook"): frozenset(keys)})

    report = kinds.source(SOURCE, observed, settings.DEFAULTS)

    assert "Receiving" == report.reason
    assert findings == {(finding.reason, finding.effect) for finding in report.findings}


def test_polled_source_needs_its_credentials() -> None:
    report = kinds.source({**SOURCE, "ingestion": POLLED}, Observed(), settings.DEFAULTS)

    assert ["SecretNotFound"] == [finding.reason for finding in report.findings]
    assert [Effect.BLOCKS] == [finding.effect for finding in report.findings]


def test_source_says_that_nobody_ingests_its_issues() -> None:
    keys = {
        ("Secret", "hook"): frozenset({"new", "old"}),
        ("Secret", "github"): frozenset({"token"}),
    }

    report = kinds.source(SOURCE, Observed(keys=keys, ingests=False), settings.DEFAULTS)

    assert ["NotIngested"] == [finding.reason for finding in report.findings]


def test_disabled_source_needs_nothing() -> None:
    report = kinds.source({**SOURCE, "ingestion": None}, Observed(), settings.DEFAULTS)

    assert ("Disabled", []) == (report.reason, [*report.findings])


def test_template_of_an_unknown_value_degrades_a_provider() -> None:
    spec = {**PROVIDER, "runner": {"command": "x", "args": ["{{ inputs.a }}", "{{ input.b }}"]}}

    report = kinds.provider(spec, Observed(), settings.DEFAULTS)

    (finding,) = report.findings
    assert "UnknownTemplateValue" == finding.reason
    assert "{{ input.b }}" in finding.message
    assert "spec.runner.args[1]" in finding.message


def test_adapters_are_those_of_the_api() -> None:
    field = agentprovider.Adapter.model_fields["type"]

    assert kinds.ADAPTERS == field.annotation.__args__  # type: ignore[union-attr] # a Literal
