"""What only one version says, on a real API server: kept through what people do in the other one.

Objects are stored in either version (the ``platform`` fixture, and an Api of the tests for each).
"""

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest

import crds
from controllers import kube
from schemagen import Api
from tests.e2e.conftest import Platform
from tests.schemagen.versions import test_conversion_defaults as two_versions
from tests.webhooks.review.checks.test_residue_guard import variables
from webhooks.development.embedded import Served

pytestmark = pytest.mark.e2e

BACKOFF = {"base": "10s", "max": "5m", "jitterPercent": 20}
DEFAULTS = {"timeout": "1h30m", "retry": {"limit": 2, "backoff": BACKOFF}}


def agents(version: str) -> kube.Resource:
    return kube.Resource(crds.api.group, version, "agents", "Agent")


def agent(version: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": f"{crds.api.group}/{version}",
        "kind": "Agent",
        "metadata": {"name": "a"},
        "spec": {"providerRef": {"name": "p"}, **spec},
    }


async def newer(platform: Platform) -> Any:
    """The spec as v1beta1 shows it."""
    found = await platform.client.get(agents("v1beta1"), "a", namespace=platform.namespace)
    return found["spec"]


async def create(platform: Platform, **spec: Any) -> None:
    await platform.client.create(
        agents("v1beta1"), agent("v1beta1", **spec), namespace=platform.namespace
    )


REMOVALS: dict[str, tuple[Any, str, Any]] = {
    "sibling, JSON patch": (
        [{"op": "remove", "path": "/spec/defaults/retryLimit"}],
        "json",
        {"timeout": "1h30m", "retry": {"backoff": BACKOFF}},
    ),
    "sibling, merge patch": (
        {"spec": {"defaults": {"retryLimit": None}}},
        "merge",
        {"timeout": "1h30m", "retry": {"backoff": BACKOFF}},
    ),
    "parent, JSON patch": (
        [{"op": "remove", "path": "/spec/defaults"}],
        "json",
        {"retry": {"backoff": BACKOFF}},
    ),
    "parent, merge patch": (
        {"spec": {"defaults": None}},
        "merge",
        {"retry": {"backoff": BACKOFF}},
    ),
}


@pytest.mark.parametrize(("changes", "kind", "expected"), REMOVALS.values(), ids=REMOVALS)
async def test_what_is_new_survives_a_removal_in_the_older_version(
    platform: Platform, changes: Any, kind: Any, expected: Any
) -> None:
    """tektoncd/pipeline#3815, kubernetes-sigs/cluster-api#12719."""
    await create(platform, runDefaults=DEFAULTS)

    await platform.client.patch(
        agents("v1alpha1"), "a", changes, kind=kind, namespace=platform.namespace
    )

    assert expected == (await newer(platform))["runDefaults"]
    older = await platform.client.get(agents("v1alpha1"), "a", namespace=platform.namespace)
    assert "retryLimit" not in older["spec"].get("defaults", {})


async def test_one_manager_may_apply_in_one_version_and_then_in_the_other(
    platform: Platform,
) -> None:
    """kubernetes-sigs/controller-runtime#2022."""

    async def apply(version: str, **spec: Any) -> Any:
        return await platform.client.apply(
            agents(version),
            agent(version, **spec),
            namespace=platform.namespace,
            field_manager="one",
        )

    await apply("v1alpha1", defaults={"retryLimit": 2})
    found = await apply("v1beta1", runDefaults={"retry": {"backoff": {"base": "10s"}}})

    assert {"retry": {"backoff": BACKOFF}} == found["spec"]["runDefaults"]
    assert {"retry": {"backoff": BACKOFF}} == (await newer(platform))["runDefaults"]
    assert "null" not in json.dumps(found["metadata"].get("annotations", {}))


async def test_apply_in_the_older_version_keeps_what_is_new(platform: Platform) -> None:
    await create(platform, runDefaults={"retry": {"backoff": BACKOFF}})

    for defaults in ({"retryLimit": 2}, {"retryLimit": 3}, {}):
        await platform.client.apply(
            agents("v1alpha1"),
            agent("v1alpha1", **({"defaults": defaults} if defaults else {})),
            namespace=platform.namespace,
            field_manager="two",
        )

    assert {"retry": {"backoff": BACKOFF}} == (await newer(platform))["runDefaults"]


async def test_object_replaced_without_annotations_keeps_what_is_new(platform: Platform) -> None:
    await create(platform, runDefaults=DEFAULTS)
    found = await platform.client.get(agents("v1alpha1"), "a", namespace=platform.namespace)
    typed = agent("v1alpha1", defaults={"retryLimit": 5})
    typed["metadata"] |= {"resourceVersion": found["metadata"]["resourceVersion"]}

    await platform.client.replace(agents("v1alpha1"), typed, namespace=platform.namespace)

    assert {"retry": {"limit": 5, "backoff": BACKOFF}} == (await newer(platform))["runDefaults"]


async def test_hundred_variables_from_secrets_survive_a_label(platform: Platform) -> None:
    """tektoncd/pipeline#7022."""
    await create(platform, env=variables(100, 200))

    await platform.client.patch(
        agents("v1alpha1"), "a", {"metadata": {"labels": {"a": "b"}}}, namespace=platform.namespace
    )

    assert variables(100, 200) == (await newer(platform))["env"]


# --- an Api with defaults in both versions ------------------------------------------------------

Serve = Callable[[Api | str], Served]


@pytest.fixture(scope="module", params=["v1", "v1alpha1"], ids="stored-as-{}".format)
def served(request: pytest.FixtureRequest, served_api: Serve) -> Served:
    """The Api of two versions, stored in either one, each in a group of its own."""
    stored = two_versions.API.stored_as(request.param)
    return served_api(dataclasses.replace(stored, group=f"{request.param}.{stored.group}"))


def things(served: Served, version: str) -> kube.Resource:
    return kube.Resource(served.api.group, version, "things", "Thing")


async def written(
    client: kube.Client, served: Served, name: str, spec: Any, status: Any = None
) -> None:
    """Create a v1 object with a status."""
    thing = two_versions.thing("v1", spec)
    thing |= {"apiVersion": f"{served.api.group}/v1", "metadata": {"name": name}}
    await client.create(things(served, "v1"), thing, namespace="default")
    if status is not None:
        await client.patch(
            things(served, "v1"),
            name,
            {"status": status},
            subresource="status",
            namespace="default",
        )


async def test_unit_with_a_default_survives_a_label(served: Served) -> None:
    async with served.client() as client:
        await written(client, served, "unit", {"retentionSeconds": 5400, "mode": "Odd"})

        await client.patch(
            things(served, "v1alpha1"),
            "unit",
            {"metadata": {"labels": {"a": "b"}}},
            namespace="default",
        )

        found = await client.get(things(served, "v1"), "unit", namespace="default")
    assert 5400 == found["spec"]["retentionSeconds"]
    assert "Odd" == found["spec"]["mode"]


WRITES: dict[str, tuple[dict[str, Any], str | None, str]] = {
    "label": ({"metadata": {"labels": {"a": "b"}}}, None, "New"),
    "spec": ({"spec": {"mode": "safe"}}, None, "New"),
    "status": ({"status": {"phase": "Ready"}}, "status", "Ready"),
}


@pytest.mark.parametrize(("changes", "subresource", "phase"), WRITES.values(), ids=WRITES)
async def test_status_survives_writes_in_the_older_version(
    served: Served, changes: Any, subresource: str | None, phase: str
) -> None:
    name = f"status-{phase}-{subresource}-{len(json.dumps(changes))}".lower()
    async with served.client() as client:
        await written(client, served, name, {}, {"phase": "New", "progress": 3})

        await client.patch(
            things(served, "v1alpha1"), name, changes, subresource=subresource, namespace="default"
        )

        found = await client.get(things(served, "v1"), name, namespace="default")
    assert {"phase": phase, "progress": 3} == found["status"]


async def test_status_cannot_be_forged_by_who_writes_the_spec(served: Served) -> None:
    annotation = f"conversion.{served.api.group}/v1-status-residue"
    forged = json.dumps([{"at": ["status"], "was": {}, "is": {"progress": 100}}])
    async with served.client() as client:
        await written(client, served, "forged", {}, {"phase": "New"})

        await client.patch(
            things(served, "v1alpha1"),
            "forged",
            {"metadata": {"annotations": {annotation: forged}}},
            namespace="default",
        )

        found = await client.get(things(served, "v1"), "forged", namespace="default")
    assert {"phase": "New"} == found["status"]


async def test_write_that_would_lose_what_has_no_room_is_refused(served: Served) -> None:
    long = two_versions.random_text(400_000)
    spec = {"wait": {"backoff": {"base": long}}}
    async with served.client() as client:
        if served.api.kinds[0].storage.name == "v1alpha1":
            with pytest.raises(kube.InvalidError, match=r"can hold in annotations, got more: spec"):
                await written(client, served, "long", spec)
            return
        await written(client, served, "long", spec)
        for version, error in (("v1alpha1", r"would lose spec\.wait.*write Thing in v1$"),):
            with pytest.raises(kube.InvalidError, match=error):
                await client.patch(
                    things(served, version),
                    "long",
                    {"metadata": {"labels": {"a": "b"}}},
                    namespace="default",
                )
        found = await client.get(things(served, "v1"), "long", namespace="default")
        await client.delete(things(served, "v1alpha1"), "long", namespace="default")
    assert long == found["spec"]["wait"]["backoff"]["base"]


async def test_status_written_where_something_had_no_room_is_refused_where_rules_only_warn(
    served_api: Serve,
) -> None:
    older, newer = two_versions.KIND.versions
    versions = (dataclasses.replace(older, hub_rules="warn"), newer)
    kind = dataclasses.replace(two_versions.KIND, versions=versions)
    served = served_api(
        dataclasses.replace(
            two_versions.API, group=f"warns.{two_versions.API.group}", kinds=(kind,)
        )
    )
    long = {"wait": {"backoff": {"base": two_versions.random_text(400_000)}}}
    async with served.client() as client:
        await written(client, served, "short", {})
        await written(client, served, "long", long)

        async def phased(name: str) -> Any:
            return await client.patch(
                *(things(served, "v1alpha1"), name, {"status": {"phase": "Old"}}),
                subresource="status",
                namespace="default",
            )

        assert {"phase": "Old"} == (await phased("short"))["status"]
        with pytest.raises(kube.InvalidError, match=r"would lose spec\.wait.*write Thing in v1$"):
            await phased("long")
        found = await client.get(things(served, "v1"), "long", namespace="default")
    assert long["wait"]["backoff"] == found["spec"]["wait"]["backoff"]
