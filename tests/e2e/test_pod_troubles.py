"""Pods that cannot start, that are taken away and that are lost: what their runs say and become."""

import asyncio
import itertools
from typing import Any

import pytest

from controllers import devcluster, kube
from controllers.runs import naming, projections
from controllers.runs.runtimes.jobs import job
from crds import idempotency
from tests.support import accounts
from tests.support.run_platform import (
    SECONDS,
    Place,
    eventually,
    new_manager,
    new_place,
    running,
)

pytestmark = pytest.mark.e2e

LOST = {
    "exitCode": 137,
    "reason": "ContainerStatusUnknown",
    "message": "The container could not be located when the pod was terminated",
    "startedAt": None,
    "finishedAt": None,
}


@pytest.fixture
async def endless(served_cluster: devcluster.Cluster, client: accounts.Admin) -> Place:
    return await new_place(served_cluster, client, seconds="never")


async def pod_of(place: Place, name: str) -> str:
    """The pod of a run's latest attempt, once there is one."""
    async with asyncio.timeout(SECONDS):
        while True:
            status = (await place.read(name))["status"]
            selector = f"{naming.JOB_LABEL}={status.get('runtimeRef', {}).get('name')}"
            found = await place.client.list(
                projections.PODS, namespace=place.namespace, labels=selector
            )
            if found.items:
                return str(found.items[0]["metadata"]["name"])
            await asyncio.sleep(0.1)


async def kubelet_says(place: Place, pod: str, **status: Any) -> None:
    await place.client.patch(
        projections.PODS, pod, {"status": status}, namespace=place.namespace, subresource="status"
    )


async def notes(place: Place, name: str, reason: str) -> list[str]:
    found = await place.client.list(kube.EVENTS, namespace=place.namespace)
    return [
        one["note"]
        for one in found.items
        if one["regarding"].get("name") == name and one["reason"] == reason
    ]


async def test_pod_that_the_kubelet_lost_fails_its_run_and_stops_no_controller(
    endless: Place,
) -> None:
    await endless.agent()
    container = {"name": "agent-runner", "image": "x", "imageID": "", "ready": False}
    lost = {**container, "restartCount": 0, "state": {"terminated": LOST}}
    async with running(new_manager(endless)):
        for name in ("lost", "other"):
            await endless.run(name)
            await endless.until(name, "Running")
        await kubelet_says(
            endless, await pod_of(endless, "lost"), phase="Failed", containerStatuses=[lost]
        )
        status = await endless.until("lost")
    async with running(new_manager(endless, "two")):
        await endless.run("later")
        await endless.until("later", "Running")
        for name in ("other", "later"):
            await endless.change(name, cancel=True)
            await endless.until(name, "Cancelled")
        await eventually(endless.slots, {})

    assert ("Failed", "ContainerStatusUnknown") == (status["phase"], status["reason"])
    assert {"status": "Failed", "exitCode": 137} == status["runner"]


async def test_evictions_use_up_no_retry(endless: Place) -> None:
    backoff = {"base": "1s", "max": "1s", "jitterPercent": 0}
    await endless.agent(runDefaults={"retry": {"limit": 1, "backoff": backoff}})
    low = "The node was low on resource: memory."
    async with running(new_manager(endless)):
        await endless.run("fix")
        for _ in range(2):
            await endless.until("fix", "Running")
            pod = await pod_of(endless, "fix")
            await kubelet_says(endless, pod, phase="Failed", reason="Evicted", message=low)
            await endless.until("fix", "Pending")
        status = await endless.until("fix", "Running")
        await endless.change("fix", cancel=True)
        await endless.until("fix", "Cancelled")

    assert (3, 2) == (status["attempt"], status["disruptions"])
    note = (await notes(endless, "fix", "Retrying"))[0]
    assert note.startswith("Attempt 1 of 3 failed (Evicted) in run-")
    assert f": The pod was evicted: {low}" in note


async def test_job_whose_pods_are_refused_says_so_until_its_time_to_start_is_over(
    endless: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "SLOW_START_SECONDS", 0.5)
    await endless.agent(runDefaults={"startTimeout": "15s"})

    async def is_noted() -> bool:
        return bool(await notes(endless, "fix", "Waiting"))

    async with running(new_manager(endless)):
        runtime = {"type": "Job", "podTemplate": {"serviceAccountName": "nobody"}}
        await endless.run("fix", runtime=runtime)
        starting = await endless.until("fix", "Starting")
        await eventually(is_noted, expected=True)
        status = await endless.until("fix")
        await eventually(endless.slots, {})

    assert "Starting" == starting["phase"]
    assert ("Failed", "StartTimedOut") == (status["phase"], status["reason"])
    (note, *_) = await notes(endless, "fix", "Waiting")
    assert "FailedCreate" in note
    assert 'serviceaccount "nobody" not found' in note
    assert 'serviceaccount "nobody" not found' in status["message"]


async def test_what_deletions_left_behind_is_removed(endless: Place) -> None:
    namespace = endless.namespace
    await endless.agent()
    lease = idempotency.claim_name(namespace, "coder", "key")
    await endless.client.create(kube.LEASES, {"metadata": {"name": lease}}, namespace=namespace)

    async def left() -> list[str]:
        pods = await endless.client.list(projections.PODS, namespace=namespace)
        found = (value["metadata"] for value in [*await endless.jobs(), *pods.items])
        # Tombstones reserve the names of Jobs.
        return [each["name"] for each in found if naming.TOMBSTONE_LABEL not in each["labels"]]

    async def owners() -> list[str]:
        found = (job["metadata"].get("ownerReferences") or () for job in await endless.jobs())
        return [owner["name"] for owner in itertools.chain(*found)]

    async with running(new_manager(endless)):
        await endless.run("kept", idempotencyKey="key")
        await endless.run("deleted")
        for name in ("kept", "deleted"):
            await endless.until(name, "Running")
        (job,) = await endless.jobs("kept")
    # As `kubectl delete --cascade=orphan` does, while no controller runs.
    for resource, name in (
        (projections.JOBS, job["metadata"]["name"]),
        (projections.RUNS, "deleted"),
    ):
        await endless.client.delete(resource, name, namespace=namespace, propagation="Orphan")
    await eventually(owners, [])
    async with running(new_manager(endless)):
        await endless.change("kept", cancel=True)
        await endless.until("kept", "Cancelled")
        await eventually(endless.slots, {})
        await eventually(left, [])

    claim = await endless.client.get(kube.LEASES, lease, namespace=namespace)
    assert "kept" == claim["metadata"]["ownerReferences"][0]["name"]
