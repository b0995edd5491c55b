"""Slots of deleted runs, orphans, tombstones and a survey, on the API server in process."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import crds
from controllers import kube, ledger
from controllers.kube import testing
from controllers.runs import naming, projections
from controllers.runs.references import work_records
from controllers.runs.runtimes.jobs import job
from controllers.runs.slots import reaper
from crds.admission.settings import Settings
from tests.support import run_platform

TEAM = "team"


@dataclasses.dataclass
class World:
    """A reaper and what it reads."""

    server: testing.ApiServer
    client: kube.Client
    reaper: reaper.Reaper
    place: run_platform.Place

    def slot(self, run: kube.JSON, attempt: int = 1) -> ledger.Slot:
        """The slot of a run."""
        return ledger.Slot(TEAM, "coder", 1, 0.0, run["metadata"]["name"], attempt)

    async def job(self, run: kube.JSON, *, is_owned: bool = False, **status: Any) -> kube.JSON:
        """Create a Job of a run."""
        uid, name = run["metadata"]["uid"], run["metadata"]["name"]
        owner = {
            "apiVersion": projections.RUNS.api_version,
            "kind": "AgentRun",
            "name": name,
            "uid": uid,
        }
        metadata = {
            "name": f"job-of-{name}",
            "namespace": TEAM,
            "labels": {naming.RUN_LABEL: uid},
            **({"ownerReferences": [owner]} if is_owned else {}),
        }
        spec = {"template": {"spec": {"containers": [{"name": "c", "image": "i"}]}}}
        body = {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}
        await self.client.create(projections.JOBS, body)
        return await self.client.patch(
            projections.JOBS,
            str(metadata["name"]),
            {"status": status},
            namespace=TEAM,
            subresource="status",
        )

    async def mark(self, name: str, **status: Any) -> None:
        """Write the status of a run."""
        await self.client.patch(
            projections.RUNS, name, {"status": status}, namespace=TEAM, subresource="status"
        )


@contextlib.asynccontextmanager
async def world(epoch: int = 2) -> AsyncIterator[World]:
    server = testing.ApiServer(crds.api)
    async with server.client() as client:
        for name in (TEAM, "home"):
            await client.create(kube.NAMESPACES, {"metadata": {"name": name}})
        jobs: kube.Store[projections.Job] = kube.Store()
        pods: kube.Store[projections.Pod] = kube.Store()
        made = reaper.Reaper(
            client,
            work_records.Records(client, "home"),
            {"Job": job.JobRuntime(client, jobs, pods, now=server.clock.now)},
            namespace=None,
            with_jobs=True,
            epoch=epoch,
            now=server.clock.now,
            sleep=asyncio.sleep,
            settings=Settings,
        )
        place = run_platform.Place(client, None, TEAM, "home")  # type: ignore[arg-type] # unused
        yield World(server, client, made, place)


@testing.virtual_time
async def test_slot_of_a_live_attempt_is_not_over() -> None:
    async with world() as w:
        run = await w.place.run("fix")

        assert not await w.reaper.is_over(run["metadata"]["uid"], w.slot(run))


@testing.virtual_time
async def test_slot_of_a_deleted_run_is_over_once_its_name_is_reserved() -> None:
    async with world() as w:
        run = await w.place.run("fix")
        uid = run["metadata"]["uid"]
        await w.client.delete(projections.RUNS, "fix", namespace=TEAM)

        assert await w.reaper.is_over(uid, w.slot(run))

        (tombstone,) = w.server.objects(projections.JOBS, TEAM)
        assert naming.of_key(f"{uid}/1") == tombstone["metadata"]["name"]
        assert tombstone["spec"]["suspend"]


@testing.virtual_time
async def test_orphaned_job_of_a_deleted_run_is_deleted_before_its_slot_is_over() -> None:
    async with world() as w:
        run = await w.place.run("fix")
        uid = run["metadata"]["uid"]
        await w.job(run, active=1)
        await w.client.delete(projections.RUNS, "fix", namespace=TEAM)

        assert not await w.reaper.is_over(uid, w.slot(run))
        assert await w.reaper.is_over(uid, w.slot(run))

        names = [one["metadata"]["name"] for one in w.server.objects(projections.JOBS, TEAM)]
        assert [naming.of_key(f"{uid}/1")] == names


@testing.virtual_time
async def test_pod_that_outlived_its_job_holds_the_slot() -> None:
    async with world() as w:
        run = await w.place.run("fix")
        uid = run["metadata"]["uid"]
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": "x", "uid": "y"}
        metadata = {
            "name": "p",
            "labels": {naming.RUN_LABEL: uid},
            "ownerReferences": [owner],
        }
        await w.client.create(projections.PODS, {"metadata": metadata, "spec": {}}, namespace=TEAM)
        await w.client.delete(projections.RUNS, "fix", namespace=TEAM)

        assert not await w.reaper.is_over(uid, w.slot(run))
        await w.client.delete(projections.PODS, "p", namespace=TEAM)
        assert await w.reaper.is_over(uid, w.slot(run))


@testing.virtual_time
async def test_slot_in_a_terminating_namespace_is_over_without_a_tombstone() -> None:
    async with world() as w:
        run = await w.place.run("fix")
        await w.client.delete(projections.RUNS, "fix", namespace=TEAM)
        await w.client.delete(kube.NAMESPACES, TEAM)

        assert await w.reaper.is_over(run["metadata"]["uid"], w.slot(run))
        assert not w.server.objects(projections.JOBS, TEAM)


@testing.virtual_time
async def test_survey_waits_for_requests_in_flight_and_finds_what_works() -> None:
    async with world() as w:
        idle = await w.place.run("idle")
        working = await w.place.run("working")
        running = await w.place.run("running")
        await w.job(working, active=1)
        await w.mark("running", phase="Running", attempt=2)
        began = w.server.clock.seconds()

        found = await w.reaper.survey()

        assert w.server.clock.seconds() - began >= reaper.SURVEY_PAUSE_SECONDS
        assert idle["metadata"]["uid"] not in found.slots
        assert {
            working["metadata"]["uid"]: 1,
            running["metadata"]["uid"]: 2,
        } == {uid: slot.attempt for uid, slot in found.slots.items()}


@testing.virtual_time
async def test_first_leader_ever_waits_for_nobody() -> None:
    async with world(epoch=1) as w:
        await w.place.run("fix")
        began = w.server.clock.seconds()

        assert {} == (await w.reaper.survey()).slots

        assert w.server.clock.seconds() - began < 1
