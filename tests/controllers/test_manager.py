"""A whole controller of AgentRuns on the API server in process, in virtual time."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import crds
from controllers import kube, ledger, manager
from controllers.audit.records import Entry
from controllers.kube import testing
from controllers.runs import naming, projections
from controllers.runs.runtimes.jobs import job
from tests.support import job_controller, run_platform

HOME, TEAM = "home", "team"
SECONDS = 60.0


@dataclasses.dataclass
class World:
    """A server with an agent, and the Jobs in it as a Job controller ends them."""

    server: testing.ApiServer
    client: kube.Client
    place: run_platform.Place
    entries: list[Entry] = dataclasses.field(default_factory=list)
    """Of the audit log."""

    def manager(self, name: str = "a", **limits: int) -> manager.Manager:
        """A replica of the controller."""
        clock = self.server.clock

        def runtimes(client: kube.Client, caches: Any, wake: Any) -> list[job.JobRuntime]:
            del wake
            return [job.JobRuntime(client, caches.jobs, caches.pods, now=clock.now)]

        return manager.Manager(
            self.client,
            name,
            runtimes,
            manager.Options(
                home=HOME,
                limits=ledger.Limits(**limits),
                settings=lambda: run_platform.SETTINGS,
                no_archive=True,
                audit=self.entries.append,
            ),
            now=clock.now,
            rng=lambda: 0.5,
            clock=clock.seconds,
        )

    async def run_jobs(self, kind: str = "Complete", seconds: float = SECONDS) -> None:
        """End each Job after a while."""
        await job_controller.JobController(self.client, self.server.clock, kind, seconds).run()

    async def until_free(self) -> None:
        """Wait until no run holds a slot."""
        async with asyncio.timeout(600):
            while await self.place.slots():  # noqa: ASYNC110 - of the ledger in the cluster
                await asyncio.sleep(1)


@contextlib.asynccontextmanager
async def world() -> AsyncIterator[World]:
    server = testing.ApiServer(crds.api, collects_garbage=True)
    async with server.client() as client:
        for name in (HOME, TEAM):
            await client.create(kube.NAMESPACES, {"metadata": {"name": name}})
        place = run_platform.Place(client, None, TEAM, HOME)  # type: ignore[arg-type] # unused
        await place.agent()
        yield World(server, client, place)


@contextlib.asynccontextmanager
async def running(*works: Any) -> AsyncIterator[None]:
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    # A task that failed by itself is a failure of the test.
    assert not [one for one in ended if isinstance(one, Exception)], ended


@testing.virtual_time
async def test_run_succeeds_with_its_job() -> None:
    async with world() as w, running(w.manager().run(), w.run_jobs()):
        await w.place.run("fix")

        running_status = await w.place.until("fix", "Running")
        status = await w.place.until("fix")

        assert "Running" == running_status["phase"]
        assert "Succeeded" == status["phase"]
        (created,) = await w.place.jobs("fix")
        assert created["metadata"]["labels"][naming.RUN_LABEL]
        await w.until_free()


@testing.virtual_time
async def test_run_waits_for_a_slot() -> None:
    async with world() as w, running(w.manager(cluster=1).run(), w.run_jobs()):
        for name in ("one", "two"):
            await w.place.run(name)

        first = await w.place.until("one")
        second = await w.place.until("two")

        assert ["Succeeded", "Succeeded"] == [first["phase"], second["phase"]]
        times = sorted(one["metadata"]["creationTimestamp"] for one in await w.place.jobs())
        moments = [kube.time_of(text) for text in times]
        assert moments[0] is not None
        assert moments[1] is not None
        assert (moments[1] - moments[0]).total_seconds() >= SECONDS


@testing.virtual_time
async def test_run_of_a_missing_agent_waits_for_it() -> None:
    async with world() as w, running(w.manager().run(), w.run_jobs()):
        await w.place.run("fix", agentRef={"name": "late"})
        await asyncio.sleep(300)
        before = (await w.place.read("fix")).get("status", {})
        await w.place.agent("late")

        status = await w.place.until("fix")

        assert "Pending" == before["phase"]
        assert "Succeeded" == status["phase"]


@testing.virtual_time
async def test_failed_job_fails_the_run() -> None:
    async with world() as w, running(w.manager().run(), w.run_jobs("Failed")):
        await w.place.run("fix")

        status = await w.place.until("fix")

        assert "Failed" == status["phase"]


@testing.virtual_time
async def test_cancelled_run_frees_its_slot() -> None:
    async with world() as w, running(w.manager().run(), w.run_jobs(seconds=10**5)):
        await w.place.run("fix")
        await w.place.until("fix", "Running")
        await w.place.change("fix", cancel=True)

        status = await w.place.until("fix")

        assert "Cancelled" == status["phase"]
        await w.until_free()


@testing.virtual_time
async def test_second_replica_takes_over_within_a_lease() -> None:
    async with world() as w, running(w.run_jobs()):
        first, second = w.manager("a"), w.manager("b")
        leading = asyncio.ensure_future(first.run())
        await testing.settle(lambda: first.elector.leads)
        standby = asyncio.ensure_future(second.run())
        await w.place.run("fix")
        await w.place.until("fix", "Running")
        leading.cancel()
        await asyncio.gather(leading, return_exceptions=True)

        status = await w.place.until("fix")

        assert "Succeeded" == status["phase"]
        assert second.elector.leads
        assert 1 == len(await w.place.jobs("fix"))
        standby.cancel()
        await asyncio.gather(standby, return_exceptions=True)


@testing.virtual_time
async def test_replica_whose_watch_fails_for_long_is_not_ready() -> None:
    async with world() as w:
        one = w.manager()
        async with running(one.run()):
            await testing.settle(lambda: one.elector.leads)
            assert "" == one.problem
            w.server.refuse("watch", "agentruns", code=503, times=10**6)
            w.server.drop_watches("agentruns")
            await asyncio.sleep(600)

            assert f"{projections.RUNS} has not been watched for 600 s" in one.problem
            (lease,) = w.server.objects(kube.LEASES, HOME)
            renewed = kube.time_of(lease["spec"]["renewTime"])
            assert renewed is not None
            assert (w.server.clock.now() - renewed).total_seconds() < SECONDS


@testing.virtual_time
async def test_deleted_run_frees_its_slot() -> None:
    async with world() as w, running(w.manager().run(), w.run_jobs(seconds=10**5)):
        created = await w.place.run("fix")
        await w.place.until("fix", "Running")
        assert [created["metadata"]["uid"]] == [*await w.place.slots()]

        await w.client.delete(projections.RUNS, "fix", namespace=TEAM)

        await w.until_free()
        assert not w.server.objects(projections.RUNS, TEAM)


@testing.virtual_time
async def test_lost_ledger_is_rebuilt() -> None:
    async with world() as w, running(w.manager().run(), w.run_jobs(seconds=600)):
        created = await w.place.run("fix")
        await w.place.until("fix", "Running")
        await w.client.delete(kube.CONFIG_MAPS, manager.LEDGER, namespace=HOME)

        def ledgers() -> list[kube.JSON]:
            maps = w.server.objects(kube.CONFIG_MAPS, HOME)
            return [one for one in maps if one["metadata"]["name"] == manager.LEDGER]

        await testing.settle(lambda: bool(ledgers()))

        assert [created["metadata"]["uid"]] == [*await w.place.slots()]


@testing.virtual_time
async def test_failed_writes_and_dropped_watches_cost_no_run() -> None:
    async with world() as w, running(w.manager().run(), w.run_jobs()):
        await w.place.run("fix")
        await w.place.until("fix", "Running")
        faults = [
            w.server.refuse("patch", "agentruns", code=500, times=3),
            w.server.refuse("update", "configmaps", code=500, times=3),
        ]
        w.server.drop_watches("agentruns")

        status = await w.place.until("fix")

        assert "Succeeded" == status["phase"]
        await w.until_free()
        assert [3, 3] == [fault.taken for fault in faults]
        assert 1 == len(await w.place.jobs("fix"))


def decisions(w: World) -> list[tuple[str, str, str, int]]:
    return [(each.decision.value, each.reason, each.phase, each.attempt) for each in w.entries]


@testing.virtual_time
async def test_decisions_about_a_run_are_recorded_until_its_deletion() -> None:
    async with world() as w, running(w.manager().run(), w.run_jobs()):
        created = await w.place.run("fix", retention={"ttl": "60s"})
        await w.place.until("fix")
        (job_,) = await w.place.jobs("fix")

        await testing.settle(lambda: w.entries[-1].decision == "deleted", within_seconds=10**5)

        assert [
            ("admitted", "", "", 1),
            ("started", "Submitted", "", 1),
            ("ended", "Completed", "Succeeded", 1),
            ("deleted", "Age", "", 0),
        ] == decisions(w)
        metadata, of_job = created["metadata"], job_["metadata"]
        expected = ("AgentRun", TEAM, "fix", metadata["uid"])
        assert {expected} == {each.object for each in w.entries}
        assert ("Job", TEAM, of_job["name"], of_job["uid"]) == w.entries[1].work


@testing.virtual_time
async def test_a_cancellation_is_recorded_once_with_its_reason() -> None:
    async with world() as w, running(w.manager().run(), w.run_jobs(seconds=10**5)):
        await w.place.run("fix")
        await w.place.until("fix", "Running")
        await w.place.change("fix", cancel=True)

        await w.place.until("fix")

        assert [
            ("cancelled", "CancelRequested", "", 1),
            ("ended", "CancelRequested", "Cancelled", 1),
        ] == decisions(w)[2:]


@testing.virtual_time
async def test_a_retry_is_recorded_with_the_reason_of_the_failure() -> None:
    async with world() as w, running(w.manager().run(), w.run_jobs("Failed")):
        await w.place.agent("again", runDefaults={"retry": {"limit": 1}})
        await w.place.run("fix", agentRef={"name": "again"})

        await testing.settle(lambda: len(w.entries) == 5)

        assert [
            ("admitted", "", "", 1),
            ("started", "Submitted", "", 1),
            ("retried", "PodDeleted", "", 1),
            ("admitted", "", "", 2),
            ("started", "Submitted", "", 2),
        ] == decisions(w)
