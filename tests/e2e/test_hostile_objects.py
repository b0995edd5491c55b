"""Objects of one tenant that are made to harm: no other tenant's runs notice."""

import asyncio
import contextlib
import json
import pathlib
import random
import resource
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

from controllers import devcluster, kube, ledger
from controllers.runs import naming, projections
from controllers.runs.planner import deletion
from controllers.runs.references import work_records
from tests.support import accounts, custom_bench, run_platform, tenants
from tests.support.run_platform import (
    Place,
    eventually,
    new_manager,
    new_place,
    new_wide_place,
    running,
)
from tests.support.runtime_bench import Behaviour

pytestmark = pytest.mark.e2e


@pytest.fixture
async def place(served_cluster: devcluster.Cluster, client: accounts.Admin) -> Place:
    return await new_place(served_cluster, client, seconds="0.3")


@contextlib.asynccontextmanager
async def lenient_schema(client: accounts.Admin) -> AsyncIterator[None]:
    """A CRD that lets anything be a run's priority, as a later version of it might."""
    name = f"{projections.RUNS.plural}.{projections.RUNS.group}"
    crd = await client.get(kube.CUSTOM_RESOURCE_DEFINITIONS, name)
    names = [one["name"] for one in crd["spec"]["versions"]]
    path = f"/spec/versions/{names.index(projections.RUNS.version)}/schema/openAPIV3Schema"
    path += "/properties/spec/properties/priority"
    version = crd["spec"]["versions"][names.index(projections.RUNS.version)]
    known = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["priority"]
    anything = {"x-kubernetes-preserve-unknown-fields": True}

    async def replace(schema: dict[str, Any]) -> None:
        change = [{"op": "replace", "path": path, "value": schema}]
        await client.patch(kube.CUSTOM_RESOURCE_DEFINITIONS, name, change, kind="json")

    await replace(anything)
    try:
        yield
    finally:
        await replace(known)


async def test_run_that_cannot_be_read_stops_no_other(place: Place, client: accounts.Admin) -> None:
    """It is named by an Event and counted, and is carried out once it can be read."""
    await place.agent()
    controller = new_manager(place)

    async def reasons() -> list[str]:
        return await place.events("poison")

    def metric(name: str) -> Any:
        return controller.metrics.registry.get_sample_value(name, {"resource": "agentruns"})

    async with lenient_schema(client):
        async with running(controller):
            await place.run("before")
            await place.until("before", "Succeeded")
            await poisoned(place)
            await place.run("after")
            await place.until("after", "Succeeded")
            await eventually(reasons, ["Unreadable"])
            assert "" == controller.problem
            assert (1, 1) == (metric("agents_unreadable_objects"), metric("agents_followed"))
            assert metric("agents_unreadable_events_total") >= 1
        restarted = new_manager(place, "two")
        async with running(restarted):
            await place.run("restarted")
            await place.until("restarted", "Succeeded")
            assert "" == restarted.problem
            await place.change("poison", priority=3)
            await place.until("poison", "Succeeded")


async def poisoned(place: Place) -> None:
    """Create a run that the controller cannot read, as soon as the API server takes it."""
    async with asyncio.timeout(run_platform.SECONDS):
        while True:
            try:
                await place.run("poison", priority="high")
            except kube.InvalidError:
                await asyncio.sleep(0.2)  # the new schema is not in use yet
            else:
                return


async def forged(place: Place, name: str, **status: Any) -> None:
    """Write a run's status, as whoever may write statuses does."""
    await place.client.patch(
        projections.RUNS, name, {"status": status}, namespace=place.namespace, subresource="status"
    )


async def test_forged_status_suspends_no_job_of_another(
    served_cluster: devcluster.Cluster, client: accounts.Admin
) -> None:
    """Neither the Job that it names, nor one that has the name that a Job of the run would have."""
    place = await new_wide_place(served_cluster, client, seconds="0.3")
    victims = await new_place(served_cluster, client, seconds="never")
    containers = [{"name": "c", "image": "none"}]
    spec = {"template": {"spec": {"restartPolicy": "Never", "containers": containers}}}
    await victims.make(projections.JOBS, "payroll", spec)
    await place.agent()
    run = await place.run("forger", suspend=True)
    squatted = naming.of_key(f"{run['metadata']['uid']}/1")
    await place.make(projections.JOBS, squatted, spec)
    ref = {"type": "Job", "name": "payroll", "namespace": victims.namespace, "uid": "u"}
    await forged(place, "forger", phase="Running", attempt=1, runtimeRef=ref)
    await place.change("forger", cancel=True)

    async with running(new_manager(place, is_everywhere=True)):
        status = await place.until("forger", "Cancelled")

    assert "CancelRequested" == status["reason"]
    for owner, name in ((victims, "payroll"), (place, squatted)):
        (job,) = [one for one in await owner.jobs() if one["metadata"]["name"] == name]
        assert not job["spec"].get("suspend")


async def test_forged_status_frees_no_slot_of_a_job_that_works(
    served_cluster: devcluster.Cluster, client: accounts.Admin
) -> None:
    place = await new_place(served_cluster, client, seconds="never")
    await place.agent()
    async with running(new_manager(place, limits=ledger.Limits(cluster=1))):
        for name, status in (("ended", {"phase": "Succeeded"}), ("moved", {"attempt": 7})):
            run = await place.run(name)
            await place.until(name, "Running")
            await forged(place, name, **status)
            await asyncio.sleep(3)
            assert [run["metadata"]["uid"]] == [*await place.slots()]
            (job,) = await place.jobs(name)
            await client.delete(
                projections.JOBS,
                job["metadata"]["name"],
                namespace=place.namespace,
                propagation="Background",
            )
            await client.delete(projections.RUNS, name, namespace=place.namespace)
            await eventually(place.slots, {})


@pytest.fixture
async def endpoint() -> AsyncIterator[custom_bench.CustomBench]:
    async with custom_bench.opened() as bench:
        yield bench


def custom_run(origin: str) -> dict[str, Any]:
    runtime = {"type": "Custom", "custom": {"endpoint": f"{origin}/runs"}}
    return {"runtime": runtime, "implementation": {"inline": {"text": "lasts"}}}


async def known(place: Place) -> list[tuple[str, str]]:
    """Which work has a record."""
    found = await work_records.Records(place.client, place.home).every()
    return sorted((one.run, one.type) for one in found)


async def test_slot_of_work_at_an_endpoint_is_held_until_that_was_seen_to_end(
    place: Place, client: accounts.Admin, endpoint: custom_bench.CustomBench
) -> None:
    """A removed finalizer and a status that says that the run ended change nothing."""
    await place.agent()
    gone = endpoint.adapter()

    def controller(identity: str) -> Any:
        limits = ledger.Limits(cluster=1)
        return new_manager(place, identity, limits=limits, more_runtimes=[gone])

    async with running(controller("one")):
        run = await place.run("evader", **custom_run(endpoint.origin))
        await place.until("evader", "Running")
        assert [("evader", "Custom")] == await known(place)
        (piece,) = endpoint.endpoint.pieces.values()
        piece.is_stubborn = True
        await forged(place, "evader", phase="Succeeded")
        await asyncio.sleep(2)
        assert [run["metadata"]["uid"]] == [*await place.slots()]
        await client.patch(
            projections.RUNS,
            "evader",
            {"metadata": {"finalizers": None}},
            namespace=place.namespace,
        )
        await client.delete(projections.RUNS, "evader", namespace=place.namespace)
        await place.run("next")
        await asyncio.sleep(2)
        assert "Pending" == (await place.read("next"))["status"]["phase"]
    async with running(controller("two")):
        await asyncio.sleep(2)
        assert [run["metadata"]["uid"]] == [*await place.slots()]
        assert piece.is_cancelled
        piece.is_stubborn = False
        await place.until("next", "Succeeded")
        assert [] == await known(place)


async def test_run_whose_endpoint_is_gone_can_be_deleted_with_an_operators_word(
    place: Place,
    client: accounts.Admin,
    endpoint: custom_bench.CustomBench,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deletion, "CLEANUP_SECONDS", 1.0)
    monkeypatch.setattr(deletion, "CLEANUP_RETRY_SECONDS", 0.5)
    await place.agent()
    adapter = endpoint.adapter(deadline_seconds=0.5)

    async def blocked() -> str:
        run = await place.read("stuck")
        conditions = (run.get("status") or {}).get("conditions") or ()
        return "".join(one["status"] for one in conditions if one["type"] == "CleanupBlocked")

    async def has_event() -> bool:  # Events are sent on the side
        return "CleanupBlocked" in await place.events("stuck")

    async def names() -> list[str]:
        found = await client.list(projections.RUNS, namespace=place.namespace)
        return [one["metadata"]["name"] for one in found.items]

    async with running(new_manager(place, more_runtimes=[adapter])):
        await place.run("stuck", **custom_run(endpoint.origin))
        await place.until("stuck", "Running")
        endpoint.endpoint.is_away = True
        await client.delete(projections.RUNS, "stuck", namespace=place.namespace)
        await eventually(blocked, "True")
        await eventually(has_event, expected=True)
        assert 1 == len(await place.slots())
        told = await asyncio.to_thread(
            subprocess.run,
            [
                *(sys.executable, "-m", "controllers.agentctl", "run", "release", "stuck"),
                *("--namespace", place.namespace, "--home", place.home),
                *("--kubeconfig", str(place.cluster.admin_kubeconfig)),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (0, "") == (told.returncode, told.stderr)
        assert "released Custom work " in told.stdout
        await eventually(names, [])
        await eventually(place.slots, {})


async def test_record_that_was_left_behind_is_removed(
    place: Place, client: accounts.Admin, endpoint: custom_bench.CustomBench
) -> None:
    adapter = endpoint.adapter()
    key, work = endpoint.work(Behaviour.SUCCEEDS)
    await work_records.Records(client, place.home).begin(adapter.ref(key, work))
    controller = new_manager(place, more_runtimes=[adapter])

    async def left() -> list[tuple[str, str]]:
        return await known(place)

    assert 1 == len(await left())
    async with running(controller):
        await eventually(left, [])


def bomb() -> str:
    """A condition of 1.7 KB whose value takes gigabytes."""
    return f"['{'a' * 1300}']" + ".map(x, x + x)" * 22 + ".size() > 0"


async def test_condition_that_takes_gigabytes_fails_its_run_and_no_other(
    served_cluster: devcluster.Cluster, client: accounts.Admin
) -> None:
    report = json.dumps({"status": "succeeded", "exitCode": 0, "loopControl": {"left": 1}})
    place = await new_place(served_cluster, client, seconds="0.2", message=report)
    await place.agent()
    before = most_bytes()
    loop = {"maxIterations": 3, "while": {"cel": bomb(), "control": {"onMissing": "Stop"}}}
    workflow = {"parallelism": 1, "steps": [{"name": "s", "loop": loop}]}
    async with running(new_manager(place)):
        await place.run("bomb", runtime={"type": "Workflow", "workflow": workflow})
        await place.run("honest")
        await place.until("honest", "Succeeded")
        status = await place.until("bomb", "Failed")

    assert "WorkflowStepFailed" == status["reason"]
    assert "expected a result within 256 MiB of memory and 2 s, got none" in status["message"]
    assert most_bytes() - before < 300 * 1024**2


def most_bytes() -> int:
    """The most memory that this process had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


SHORT_HARMS = ("deep lists", "forged priority", "packed residue")


async def test_tenant_of_bad_objects_stops_no_run_of_another(
    served_cluster: devcluster.Cluster, tmp_path: pathlib.Path
) -> None:
    """In short; how fast the other's runs start meanwhile says `make prove-tenants`."""
    found = tenants.Outcome()
    async with tenants.platform(served_cluster, tmp_path, is_served=True) as stage:
        await tenants.round_of(
            stage,
            found,
            random.Random(0),  # noqa: S311 - a choice of harm
            quiet_seconds=0.5,
            harm_seconds=3.0,
            names=SHORT_HARMS,
        )

    assert [] == found.wrong
    assert found.done
    assert len(found.creates["harmed"]) == len(found.starts["harmed"]) > 0
    assert "controller" in found.resident_bytes
