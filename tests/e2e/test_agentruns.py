"""AgentRuns on a real API server, stored in either version, seen in both."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from controllers import kube
from tests.e2e.conftest import Platform
from tests.support import manifests

pytestmark = pytest.mark.e2e

# What v1beta1 has no place for: it travels as residue.
ODD: dict[str, Any] = {
    "runtime": {"type": "job", "config": {"serviceAccount": "s", "backoffLimit": "3", "my": [1]}},
    "secrets": ["a", "a"],
    "vcsPolicy": {},
}
RESIDUE = "conversion.agents.proompteng.ai/v1alpha1-residue"


async def create(platform: Platform, version: str, value: dict[str, Any]) -> Any:
    return await platform.client.create(platform.runs(version), value, namespace=platform.namespace)


async def get(platform: Platform, version: str, name: str = "one") -> Any:
    return await platform.client.get(platform.runs(version), name, namespace=platform.namespace)


async def apply(
    platform: Platform, version: str, manager: str, *, force: bool = False, **spec: Any
) -> Any:
    """Server-side apply of some fields of the run ``one``."""
    value = {
        "apiVersion": f"{manifests.GROUP}/{version}",
        "kind": "AgentRun",
        "metadata": {"name": "one"},
        "spec": spec,
    }
    return await platform.client.apply(
        platform.runs(version),
        value,
        namespace=platform.namespace,
        field_manager=manager,
        force=force,
    )


async def test_v1alpha1_run_gets_its_defaults(platform: Platform) -> None:
    value = manifests.run("v1alpha1", runtime={"type": "workflow"}, vcsRef={"name": "github"})

    stored = await create(platform, "v1alpha1", value)

    expected = value["spec"] | {
        "workflow": {"steps": [{"name": "implement"}]},
        "vcsPolicy": {"mode": "read-write"},
    }
    assert expected == stored["spec"]


async def test_v1alpha1_run_reads_as_v1beta1_and_back(platform: Platform) -> None:
    value = manifests.run(
        "v1alpha1",
        runtime={"type": "workflow", "config": {"ttlSecondsAfterFinished": 5400}},
        workflow={"steps": [{"name": "build", "timeoutSeconds": 90}]},
        parameters={"b": "1", "a": "2"},
    )
    stored = await create(platform, "v1alpha1", value)

    newer = await get(platform, "v1beta1")
    older = await get(platform, "v1alpha1")

    assert {
        "agentRef": {"name": "codex"},
        "implementation": {"specRef": {"name": "fix-login"}},
        "runtime": {
            "type": "Workflow",
            "jobTTL": "1h30m",
            "workflow": {"parallelism": 1, "steps": [{"name": "build", "timeout": "1m30s"}]},
        },
        "parameters": [{"name": "a", "value": "2"}, {"name": "b", "value": "1"}],
    } == newer["spec"]
    assert "annotations" not in newer["metadata"]
    assert stored["spec"] == older["spec"]


async def test_v1beta1_run_reads_as_v1alpha1_and_back(platform: Platform) -> None:
    value = manifests.run("v1beta1", priority=5, suspend=True, retention={"ttl": "60m"})

    await create(platform, "v1beta1", value)
    older = await get(platform, "v1alpha1")
    newer = await get(platform, "v1beta1")

    assert 3600 == older["spec"]["ttlSecondsAfterFinished"]
    assert value["spec"] == newer["spec"]


async def test_what_v1beta1_cannot_say_survives_edits_in_v1beta1(platform: Platform) -> None:
    value = manifests.run("v1alpha1", **ODD)
    await create(platform, "v1alpha1", value)
    newer = await get(platform, "v1beta1")
    newer["spec"]["priority"] = 3

    await platform.client.replace(platform.runs("v1beta1"), newer)
    older = await get(platform, "v1alpha1")

    assert RESIDUE in newer["metadata"]["annotations"]
    assert value["spec"] == older["spec"]
    assert 3 == (await get(platform, "v1beta1"))["spec"]["priority"]


async def test_edited_field_takes_its_residue_along(platform: Platform) -> None:
    await create(platform, "v1alpha1", manifests.run("v1alpha1", **ODD))
    newer = await get(platform, "v1beta1")
    newer["spec"]["runtime"]["backoffLimit"] = 4
    newer["spec"]["runtime"]["podTemplate"]["serviceAccountName"] = "t"

    await platform.client.replace(platform.runs("v1beta1"), newer)
    older = await get(platform, "v1alpha1")

    assert {"serviceAccountName": "t", "backoffLimit": 4, "my": [1]} == older["spec"]["runtime"][
        "config"
    ]
    assert ["a", "a"] == older["spec"]["secrets"]


@pytest.mark.parametrize("version", ["v1alpha1", "v1beta1"])
async def test_update_and_patch_in_either_version(platform: Platform, version: str) -> None:
    stored = await create(platform, version, manifests.run(version, memoryRef={"name": "m"}))
    stored["spec"]["idempotencyKey"] = "k"
    runs = platform.runs(version)

    replaced = await platform.client.replace(runs, stored)
    merged = await platform.client.patch(
        runs, "one", {"spec": {"memoryRef": None}}, namespace=platform.namespace
    )
    patched = await platform.client.patch(
        runs,
        "one",
        [{"op": "add", "path": "/spec/goal", "value": {"objective": "o"}}],
        kind="json",
        namespace=platform.namespace,
    )

    assert "k" == replaced["spec"]["idempotencyKey"]
    assert "memoryRef" not in merged["spec"]
    assert {"objective": "o"} == patched["spec"]["goal"]
    assert {"objective": "o"} == (await get(platform, "v1alpha1"))["spec"]["goal"]
    assert {"objective": "o"} == (await get(platform, "v1beta1"))["spec"]["goal"]


async def test_stale_update_is_a_conflict(platform: Platform) -> None:
    first = await create(platform, "v1alpha1", manifests.run("v1alpha1"))
    newer = await get(platform, "v1beta1")
    await platform.client.replace(
        platform.runs("v1beta1"), {**newer, "spec": {**newer["spec"], "priority": 1}}
    )

    with pytest.raises(kube.ConflictError):
        await platform.client.replace(platform.runs("v1alpha1"), first)


async def test_mixed_list_has_every_run_in_the_wanted_version(platform: Platform) -> None:
    for index in range(6):
        version = ("v1alpha1", "v1beta1")[index % 2]
        await create(platform, version, manifests.run(version, f"run-{index}"))
    names = [f"run-{index}" for index in range(6)]

    for version in ("v1alpha1", "v1beta1"):
        found = await platform.client.list(platform.runs(version), namespace=platform.namespace)

        assert names == [item["metadata"]["name"] for item in found.items]
        assert {f"{manifests.GROUP}/{version}"} == {item["apiVersion"] for item in found.items}


async def test_pages_of_a_list_are_converted(platform: Platform) -> None:
    for index in range(5):
        await create(platform, "v1alpha1", manifests.run("v1alpha1", f"run-{index}"))

    found = await platform.client.list(
        platform.runs("v1beta1"), namespace=platform.namespace, page_size=2
    )

    assert [f"run-{index}" for index in range(5)] == [
        item["metadata"]["name"] for item in found.items
    ]


@pytest.mark.parametrize("version", ["v1alpha1", "v1beta1"])
async def test_watch_sees_changes_made_in_the_other_version(
    platform: Platform, version: str
) -> None:
    other = {"v1alpha1": "v1beta1", "v1beta1": "v1alpha1"}[version]
    runs = platform.runs(version)
    listing = await platform.client.list(runs, namespace=platform.namespace)

    async def change() -> None:
        stored = await create(platform, other, manifests.run(other))
        stored["spec"]["idempotencyKey"] = "k"
        await platform.client.replace(platform.runs(other), stored)
        await platform.client.delete(platform.runs(other), "one", namespace=platform.namespace)

    changes = asyncio.create_task(change())
    seen = []
    watch = platform.client.watch(
        runs, namespace=platform.namespace, resource_version=listing.resource_version
    )
    async with contextlib.aclosing(watch) as events:
        async for event in _objects(events):
            seen.append((event.type, event.object["apiVersion"].rpartition("/")[2]))
            if event.type == "DELETED":
                break
    await changes

    assert [("ADDED", version), ("MODIFIED", version), ("DELETED", version)] == seen


async def _objects(events: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for event in events:
        if event.type != "BOOKMARK":
            yield event


@pytest.mark.parametrize("version", ["v1alpha1", "v1beta1"])
async def test_run_is_deleted_in_either_version(platform: Platform, version: str) -> None:
    await create(platform, "v1alpha1", manifests.run("v1alpha1"))

    await platform.client.delete(platform.runs(version), "one", namespace=platform.namespace)

    with pytest.raises(kube.NotFoundError):
        await get(platform, "v1beta1")


async def test_finalizer_of_a_run_that_is_going_can_be_removed(platform: Platform) -> None:
    value = manifests.run("v1beta1")
    value["metadata"]["finalizers"] = ["agents.proompteng.ai/runtime-cleanup"]
    await create(platform, "v1beta1", value)
    await platform.client.delete(platform.runs("v1beta1"), "one", namespace=platform.namespace)

    await platform.client.patch(
        platform.runs("v1alpha1"),
        "one",
        {"metadata": {"finalizers": None}},
        namespace=platform.namespace,
    )

    with pytest.raises(kube.NotFoundError):
        await get(platform, "v1beta1")


STATUS = {
    "v1alpha1": {
        "phase": "Thinking",
        "startedAt": "2026-01-19T00:00:00Z",
        "runtimeRef": {"type": "job", "name": "j", "jobObservedAt": "2026-01-19T00:00:00Z", "x": 1},
        "runner": {"status": "succeeded", "exitCode": 0, "threadId": "t"},
        "vcs": {"mode": "read-only"},
    },
    "v1beta1": {
        "phase": "Unknown",
        "phaseDetail": "Thinking",
        "startTime": "2026-01-19T00:00:00Z",
        "runtimeRef": {
            "type": "Job",
            "name": "j",
            "observedTime": "2026-01-19T00:00:00Z",
            "extra": {"x": 1},
        },
        "runner": {"status": "Succeeded", "exitCode": 0, "extra": {"threadId": "t"}},
        "vcs": {"mode": "ReadOnly"},
    },
}


@pytest.mark.parametrize("version", ["v1alpha1", "v1beta1"])
async def test_status_written_in_either_version_reads_in_both(
    platform: Platform, version: str
) -> None:
    stored = await create(platform, version, manifests.run(version))

    await platform.client.replace(
        platform.runs(version), {**stored, "status": STATUS[version]}, subresource="status"
    )
    older, newer = await get(platform, "v1alpha1"), await get(platform, "v1beta1")

    assert STATUS["v1alpha1"] == older["status"]
    assert STATUS["v1beta1"] == newer["status"]
    assert "annotations" not in older["metadata"]
    assert "annotations" not in newer["metadata"]


async def test_status_write_leaves_the_spec_and_its_residue_alone(platform: Platform) -> None:
    value = manifests.run("v1alpha1", **ODD)
    await create(platform, "v1alpha1", value)
    newer = await get(platform, "v1beta1")

    await platform.client.replace(
        platform.runs("v1beta1"), {**newer, "status": STATUS["v1beta1"]}, subresource="status"
    )
    older = await get(platform, "v1alpha1")

    assert (value["spec"], STATUS["v1alpha1"]) == (older["spec"], older["status"])


async def test_managers_of_both_versions_share_a_run(platform: Platform) -> None:
    await apply(
        platform,
        "v1alpha1",
        "old",
        agentRef={"name": "codex"},
        implementationSpecRef={"name": "fix-login"},
        parameters={"a": "1"},
        **ODD,
    )
    await apply(platform, "v1beta1", "new", parameters=[{"name": "b", "value": "2"}], priority=4)

    older, newer = await get(platform, "v1alpha1"), await get(platform, "v1beta1")

    assert {"a": "1", "b": "2"} == older["spec"]["parameters"]
    assert ODD == {name: older["spec"][name] for name in ODD}
    assert 4 == newer["spec"]["priority"]
    assert {"old": "v1alpha1", "new": "v1beta1"} == {
        entry["manager"]: entry["apiVersion"].rpartition("/")[2]
        for entry in newer["metadata"]["managedFields"]
    }


async def test_next_apply_of_either_manager_keeps_what_the_other_wrote(platform: Platform) -> None:
    base: dict[str, Any] = {
        "agentRef": {"name": "codex"},
        "implementationSpecRef": {"name": "fix-login"},
        **ODD,
    }
    await apply(platform, "v1alpha1", "old", **base, parameters={"a": "1", "c": "3"})
    await apply(platform, "v1beta1", "new", parameters=[{"name": "b", "value": "2"}], priority=4)

    # Each drops, changes and adds fields of its own; the other's and the residue stay.
    await apply(platform, "v1alpha1", "old", **base, parameters={"a": "10"})
    await apply(platform, "v1beta1", "new", parameters=[{"name": "b", "value": "20"}], priority=5)
    older, newer = await get(platform, "v1alpha1"), await get(platform, "v1beta1")

    assert {"a": "10", "b": "20"} == older["spec"]["parameters"]
    assert ODD == {name: older["spec"][name] for name in ODD}
    assert 5 == newer["spec"]["priority"]
    # A PUT of what was read, in each version, changes nothing of it.
    await platform.client.replace(platform.runs("v1beta1"), newer)
    await platform.client.replace(platform.runs("v1alpha1"), await get(platform, "v1alpha1"))
    assert older["spec"] == (await get(platform, "v1alpha1"))["spec"]
    assert newer["spec"] == (await get(platform, "v1beta1"))["spec"]


async def test_conflict_names_the_manager_of_the_other_version(platform: Platform) -> None:
    await apply(
        platform,
        "v1alpha1",
        "old",
        agentRef={"name": "codex"},
        implementationSpecRef={"name": "fix-login"},
        runtime={"type": "job"},
        parameters={"a": "1"},
    )

    with pytest.raises(kube.ConflictError, match='conflict with "old"'):
        await apply(platform, "v1beta1", "new", parameters=[{"name": "a", "value": "2"}])
    forced = await apply(
        platform, "v1beta1", "new", parameters=[{"name": "a", "value": "2"}], force=True
    )

    assert [{"name": "a", "value": "2"}] == forced["spec"]["parameters"]


REFUSED = [
    pytest.param("v1alpha1", {"parameters": {"note": "x" * 2049}}, "spec.parameters.note"),
    pytest.param("v1alpha1", {"parameters": {"note": "ü" * 1025}}, "spec.parameters[note]"),
    pytest.param(
        "v1beta1",
        {"parameters": [{"name": "note", "value": "ü" * 1025}]},
        "spec.parameters[note].value",
    ),
    pytest.param("v1alpha1", {"parameters": {f"p{n}": "x" for n in range(101)}}, "spec.parameters"),
    pytest.param(
        "v1beta1",
        {"parameters": [{"name": f"p{n}", "value": "x"} for n in range(101)]},
        "spec.parameters",
    ),
    pytest.param("v1alpha1", {"agentRef": None}, "spec.agentRef"),
    pytest.param("v1beta1", {"agentRef": None}, "spec.agentRef"),
    pytest.param("v1alpha1", {"runtime": {"type": "magic"}}, "spec.runtime.type"),
    pytest.param(
        "v1alpha1",
        {"implementation": {"inline": {"text": "ü" * 65537}}},
        "spec.implementation.inline.text",
    ),
    pytest.param("v1beta1", {"implementation": {}}, "spec.implementation"),
    pytest.param("v1beta1", {"retention": {"ttl": "0s"}}, "spec.retention.ttl"),
    pytest.param("v1beta1", {"runtime": {"type": "Custom"}}, "spec.runtime"),
    pytest.param("v1alpha1", {"parameters": {"prompt": "x"}}, "spec"),
    pytest.param("v1alpha1", {"systemPrompt": "x"}, "spec"),
]


@pytest.mark.parametrize(("version", "spec", "field"), REFUSED)
async def test_bad_run_is_refused_with_its_field_named(
    platform: Platform, version: str, spec: dict[str, Any], field: str
) -> None:
    value = manifests.run(version, **spec)

    with pytest.raises(kube.InvalidError) as refusal:
        await create(platform, version, value)

    assert field in [cause.field for cause in refusal.value.causes]


@pytest.mark.parametrize("version", ["v1alpha1", "v1beta1"])
async def test_implementation_text_is_limited_in_bytes(platform: Platform, version: str) -> None:
    fits = manifests.implementation_spec(version, "fits", text="x" * (128 * 1024))
    over = manifests.implementation_spec(version, "over", text="x" * (128 * 1024 - 1) + "é")
    specs = platform.specs(version)

    await platform.client.create(specs, fits, namespace=platform.namespace)
    with pytest.raises(kube.InvalidError, match="131072 bytes of UTF-8, got 131073") as refusal:
        await platform.client.create(specs, over, namespace=platform.namespace)

    assert ["spec.text"] == [cause.field for cause in refusal.value.causes]


async def test_dry_run_is_defaulted_and_not_stored(platform: Platform) -> None:
    value = manifests.run("v1alpha1", runtime={"type": "workflow"})

    answer = await platform.client.create(
        platform.runs("v1alpha1"), value, namespace=platform.namespace, dry_run=True
    )

    assert {"steps": [{"name": "implement"}]} == answer["spec"]["workflow"]
    with pytest.raises(kube.NotFoundError):
        await get(platform, "v1alpha1")


@pytest.mark.parametrize("version", ["v1alpha1", "v1beta1"])
async def test_every_field_is_explained(platform: Platform, version: str) -> None:
    output = platform.kubectl(
        "explain", "agentrun.spec.runtime", "--api-version", f"{manifests.GROUP}/{version}"
    ).stdout

    assert "Runtime that executes the run." in output
    assert "<no description>" not in output
    assert "-required-" in output


async def test_kubectl_shows_columns_and_lists_refusals(platform: Platform) -> None:
    good = json.dumps(manifests.run("v1beta1"))
    bad = json.dumps(manifests.run("v1alpha1", "bad", parameters={"note": "é" * 1025}))

    platform.kubectl("apply", "--server-side", "-f", "-", input=good)
    table = platform.kubectl("get", "arun").stdout
    refused = platform.kubectl("apply", "-f", "-", input=bad, check=False)

    assert ["NAME", "PHASE", "AGENT", "RUNTIME", "STARTED", "COMPLETED", "AGE"] == table.split()[:7]
    assert ["one", "codex", "Job"] == table.split()[7:10]
    assert 0 != refused.returncode
    assert "spec.parameters[note]" in refused.stderr
    assert "expected at most 2048 bytes of UTF-8, got 2050" in refused.stderr


async def test_runs_are_selected_by_field(platform: Platform) -> None:
    for name, runtime in (("a", "Job"), ("b", "Workflow")):
        await create(platform, "v1beta1", manifests.run("v1beta1", name, runtime={"type": runtime}))

    found = await platform.client.list(
        platform.runs("v1beta1"), namespace=platform.namespace, fields="spec.runtime.type=Workflow"
    )

    assert ["b"] == [item["metadata"]["name"] for item in found.items]


async def test_stopped_server_is_a_clear_error_and_a_started_one_heals(platform: Platform) -> None:
    await create(platform, platform.server.storage, manifests.run(platform.server.storage))
    other = {"v1alpha1": "v1beta1", "v1beta1": "v1alpha1"}[platform.server.storage]

    code = platform.server.stop()
    try:
        with pytest.raises(kube.ApiError) as read:
            await get(platform, other)
        with pytest.raises(kube.ApiError) as written:
            await create(platform, other, manifests.run(other, "two"))
        stored = await get(platform, platform.server.storage)
    finally:
        platform.server.start()

    assert 0 == code
    assert "conversion webhook" in str(read.value)
    assert "webhook" in str(written.value)
    assert "one" == stored["metadata"]["name"]
    assert "one" == (await get(platform, other))["metadata"]["name"]
    await create(platform, other, manifests.run(other, "two"))


@pytest.mark.parametrize("version", ["v1alpha1", "v1beta1"])
async def test_inputs_of_an_accepted_run_stay(platform: Platform, version: str) -> None:
    value = await create(platform, "v1beta1", manifests.run("v1beta1", priority=1))
    status = {**value, "status": {"phase": "Running"}}
    await platform.client.replace(platform.runs("v1beta1"), status, subresource="status")

    async def patch(target: str, **spec: Any) -> Any:
        return await platform.client.patch(
            platform.runs(target), "one", {"spec": spec}, namespace=platform.namespace
        )

    with pytest.raises(kube.InvalidError, match="create a new run") as refused:
        await patch(version, goal={"objective": "another"})
    changed = await patch("v1beta1", priority=2, cancel=True)

    assert ["spec.goal"] == [cause.field for cause in refused.value.causes]
    assert (2, True) == (changed["spec"]["priority"], changed["spec"]["cancel"])
