"""One reconciliation after another, with real caches and a ledger, on the API server in process."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator

import pytest

import crds
from controllers import kube, ledger
from controllers.kube import testing
from controllers.runs import projections
from controllers.runs.caches import Caches
from controllers.runs.reconciler import CONFLICT_SECONDS, NotLeadingError, Reconciler
from controllers.runs.references import work_records
from controllers.runs.runtimes.jobs import job
from controllers.runs.slots.slot_allocator import SlotAllocator
from tests.support import run_platform

TEAM = "team"
KEY = kube.Key(TEAM, "fix")


@dataclasses.dataclass
class Bench:
    """A reconciler that the test calls."""

    server: testing.ApiServer
    client: kube.Client
    place: run_platform.Place
    caches: Caches
    reconciler: Reconciler
    allocator: SlotAllocator
    leads: bool = True

    async def reconcile(self) -> float | None:
        """Reconcile the run once the caches have seen all writes so far."""
        version = str(self.server.storage.revision)
        await self.client.patch(
            projections.RUNS,
            "fix",
            {"metadata": {"annotations": {"seen": version}}},
            namespace=TEAM,
        )
        run = await self.place.read("fix")
        await self.caches.runs.wait_for(run["metadata"]["resourceVersion"])
        return await self.reconciler.reconcile(KEY)

    async def status(self) -> kube.JSON:
        """The status of the run."""
        return (await self.place.read("fix")).get("status") or {}

    async def admitted(self) -> None:
        """Create the run and reconcile it until it has a slot."""
        uid = (await self.place.run("fix"))["metadata"]["uid"]
        await self.reconcile()
        await testing.settle(lambda: self.allocator.holds(uid))

    async def submitted(self) -> kube.JSON:
        """Reconcile until the run has a Job; return the run."""
        await self.admitted()
        await self.reconcile()
        return await self.place.read("fix")


@contextlib.asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    server = testing.ApiServer(crds.api, collects_garbage=True)
    async with server.client() as client, contextlib.AsyncExitStack() as stack:
        for name in (TEAM, "home"):
            await client.create(kube.NAMESPACES, {"metadata": {"name": name}})
        place = run_platform.Place(client, None, TEAM, "home")  # type: ignore[arg-type] # unused
        await place.agent()
        clock, limits = server.clock, ledger.Limits(cluster=1)
        queue: kube.Queue[kube.Key] = kube.Queue(clock=clock.seconds)
        caches = Caches(client, queue, None)

        async def survey() -> ledger.Ledger:
            return ledger.Ledger()

        book = ledger.Book(client, ("home", "ledger"), limits)
        allocator = SlotAllocator(book, limits, survey, queue.add, epoch=1, now=clock.now)
        recorder = await stack.enter_async_context(
            kube.Recorder(client, "agents-controller", "a", clock=clock.seconds, now=clock.now)
        )
        runtime = job.JobRuntime(client, caches.jobs, caches.pods, now=clock.now)
        made: list[Bench] = []
        subject = Reconciler(
            client,
            caches,
            {"Job": runtime},
            allocator,
            recorder,
            records=work_records.Records(client, "home"),
            leads=lambda: made[0].leads,
            settings=lambda: run_platform.SETTINGS,
            now=clock.now,
            rng=lambda: 0.5,
        )
        made.append(Bench(server, client, place, caches, subject, allocator))
        works = [allocator.run(), *(one.run() for one in caches.reflectors())]
        tasks = [asyncio.ensure_future(work) for work in works]
        await allocator.opened.wait()
        await asyncio.sleep(1)
        yield made[0]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@testing.virtual_time
async def test_run_that_is_gone_is_no_work() -> None:
    async with bench() as b:
        assert await b.reconciler.reconcile(KEY) is None


@testing.virtual_time
async def test_run_is_queued_then_submitted_once() -> None:
    async with bench() as b:
        run = await b.submitted()
        await b.reconcile()

        (made,) = await b.place.jobs("fix")
        assert run["status"]["runtimeRef"]["uid"] == made["metadata"]["uid"]
        assert "Starting" == run["status"]["phase"]


@testing.virtual_time
async def test_nothing_is_written_without_the_lease() -> None:
    async with bench() as b:
        await b.admitted()
        before = await b.status()
        b.leads = False

        with pytest.raises(NotLeadingError):
            await b.reconcile()

        assert before == await b.status()
        assert [] == await b.place.jobs()


@testing.virtual_time
async def test_conflict_is_left_to_the_next_reconciliation() -> None:
    async with bench() as b:
        await b.admitted()
        fault = testing.Fault(
            verb="patch", plural="agentruns", times=2, refusal=testing.injected(409, "changed")
        )
        run = await b.place.read("fix")
        await b.caches.runs.wait_for(run["metadata"]["resourceVersion"])
        b.server.inject(fault)

        seconds = await b.reconciler.reconcile(KEY)
        fault.stop()
        await b.reconcile()

        assert CONFLICT_SECONDS == seconds
        assert 1 == len(await b.place.jobs("fix"))
        assert (await b.status())["runtimeRef"]["name"]


@testing.virtual_time
async def test_crash_between_job_and_status_makes_no_second_job() -> None:
    async with bench() as b:
        await b.admitted()
        b.server.inject(testing.Fault(verb="create", plural="jobs", loses_answer=True))
        with contextlib.suppress(kube.KubeError):
            await b.reconcile()

        await b.reconcile()

        assert 1 == len(await b.place.jobs("fix"))
        assert (await b.status())["runtimeRef"]["name"]


@testing.virtual_time
async def test_run_that_was_deleted_with_a_slot_is_left_to_the_reaper() -> None:
    async with bench() as b:
        uid = (await b.submitted())["metadata"]["uid"]
        await b.client.delete(projections.RUNS, "fix", namespace=TEAM)
        await asyncio.sleep(1)

        assert await b.reconciler.reconcile(KEY) is None

        assert {uid} == b.reconciler.orphaned
        assert [] == b.server.objects(projections.JOBS, TEAM)
        assert b.allocator.holds(uid)
