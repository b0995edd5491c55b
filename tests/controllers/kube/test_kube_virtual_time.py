"""Leader election, reflector, writer, queue and reconciler on the API server in process.

Hours of them in milliseconds of virtual time; the real API server proves the same server in
`test_testing_contract.py`.
"""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import pytest

from controllers import kube
from controllers.kube import leader_election, testing

TIMING = kube.Timing()
MAPS = kube.CONFIG_MAPS


class Candidate:
    """An elector and what it did."""

    def __init__(self, server: testing.ApiServer, client: kube.Client, name: str) -> None:
        self.clock = server.clock
        self.elector = leader_election.Elector(
            client,
            ("default", "leader"),
            name,
            clock=server.clock.seconds,
            now=server.clock.now,
            rng=lambda: 0.5,
        )
        self.began: list[float] = []
        self.ended: list[float] = []

    async def lead(self) -> None:
        await self.elector.lead(self._work)

    async def _work(self, _: int) -> None:
        self.began.append(self.clock.seconds())
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.append(self.clock.seconds())


@contextlib.asynccontextmanager
async def running(*works: Callable[[], Awaitable[None]]) -> AsyncIterator[list[asyncio.Task[None]]]:
    tasks = [asyncio.ensure_future(work()) for work in works]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@testing.virtual_time
async def test_lease_of_a_dead_leader_is_taken_when_it_expires() -> None:
    server = testing.ApiServer()
    async with server.client() as client, server.client() as dead:
        first, second = Candidate(server, dead, "a"), Candidate(server, client, "b")
        async with running(first.lead):
            await testing.settle(lambda: bool(first.began))
            standing_by = asyncio.ensure_future(second.lead())
            await asyncio.sleep(100)
            died = server.clock.seconds()
            await dead.close()

            await testing.settle(lambda: bool(second.began))

            # Not before the first stopped, and not before its last renewal is out of date.
            assert first.ended[0] < second.began[0]
            took = second.began[0] - died
            assert TIMING.lease_seconds - TIMING.retry_seconds <= took
            assert took <= TIMING.lease_seconds + TIMING.retry_seconds
            standing_by.cancel()


@testing.virtual_time
async def test_released_lease_is_taken_at_once() -> None:
    server = testing.ApiServer()
    async with server.client() as client:
        first, second = Candidate(server, client, "a"), Candidate(server, client, "b")
        async with running(first.lead) as (leading,):
            await testing.settle(lambda: bool(first.began))
            standing_by = asyncio.ensure_future(second.lead())
            await asyncio.sleep(5)
            leading.cancel()

            await testing.settle(lambda: bool(second.began))

            assert second.began[0] - first.ended[0] < 0.1
            (lease,) = server.objects(kube.LEASES)
            assert 2 == lease["spec"]["leaseTransitions"]
            standing_by.cancel()


@testing.virtual_time
async def test_leader_that_is_refused_for_long_stops_in_time() -> None:
    server = testing.ApiServer()
    async with server.client() as client:
        candidate = Candidate(server, client, "a")
        async with running(candidate.lead) as (leading,):
            await testing.settle(lambda: bool(candidate.began))
            await asyncio.sleep(60)
            refused = server.refuse("update", "leases", code=500, times=1000)
            began = server.clock.seconds()

            with pytest.raises(kube.LostError):
                await leading

            assert refused.taken > 1
            assert candidate.ended[0] - began < TIMING.lease_seconds


@testing.virtual_time
async def test_renewal_whose_answer_is_lost_costs_no_leadership() -> None:
    server = testing.ApiServer()
    async with server.client() as client:
        candidate = Candidate(server, client, "a")
        async with running(candidate.lead):
            await testing.settle(lambda: bool(candidate.began))
            fault = testing.Fault(verb="update", plural="leases", times=3, loses_answer=True)
            server.inject(fault)

            await asyncio.sleep(600)

            assert 3 == fault.taken
            assert not candidate.ended
            assert candidate.elector.leads


class Map(kube.Projection, frozen=True):
    """A ConfigMap."""

    data: Mapping[str, str] = {}


class Followed:
    """A reflector of ConfigMaps and what it reported."""

    def __init__(self, server: testing.ApiServer, client: kube.Client) -> None:
        self.store: kube.Store[Map] = kube.Store()
        self.changes: list[kube.Change[Map]] = []
        self.reflector = kube.Reflector(
            client,
            MAPS,
            Map,
            self.store,
            self.changes.append,
            selection=kube.Selection(namespace="default"),
            clock=server.clock.seconds,
            rng=lambda: 0.0,
        )

    def names(self) -> list[str]:
        return sorted(one.key.name for one in self.store)


async def make(client: kube.Client, *names: str) -> None:
    for name in names:
        await client.create(MAPS, {"metadata": {"name": name, "namespace": "default"}})


@testing.virtual_time
async def test_reflector_follows_for_hours_over_ends_of_its_watch() -> None:
    server = testing.ApiServer()
    async with server.client() as client:
        await make(client, "a", "b")
        followed = Followed(server, client)
        async with running(followed.reflector.run):
            await followed.reflector.synced.wait()
            await asyncio.sleep(4 * 3600)
            await make(client, "c")
            await client.delete(MAPS, "a", namespace="default")

            await testing.settle(lambda: followed.names() == ["b", "c"])

            lists = [call for call in server.calls if "sendInitialEvents" in call.query]
            assert 1 == len(lists)
            assert 4 == len(followed.changes)


@testing.virtual_time
async def test_reflector_resumes_a_dropped_watch_where_it_was() -> None:
    server = testing.ApiServer()
    async with server.client() as client:
        followed = Followed(server, client)
        async with running(followed.reflector.run):
            await followed.reflector.synced.wait()
            await asyncio.sleep(1)
            assert 1 == server.drop_watches("configmaps")
            await make(client, "a")

            await testing.settle(lambda: followed.names() == ["a"])

            assert server.calls[-1].query["resourceVersion"]
            assert 1 == len([call for call in server.calls if "sendInitialEvents" in call.query])


@testing.virtual_time
async def test_reflector_reports_deletions_in_a_gap_of_the_history() -> None:
    server = testing.ApiServer()
    async with server.client() as client:
        await make(client, "a", "b")
        followed = Followed(server, client)
        async with running(followed.reflector.run):
            await followed.reflector.synced.wait()
            await asyncio.sleep(1)
            outage = server.refuse("watch", code=503, times=10**6)
            server.drop_watches()
            await asyncio.sleep(300)
            assert "configmaps has not been watched for" in followed.reflector.problem
            await client.delete(MAPS, "a", namespace="default")
            await make(client, "c")
            server.compact()
            outage.stop()

            await testing.settle(lambda: followed.names() == ["b", "c"])

            assert "" == followed.reflector.problem
            gone = [change.key.name for change in followed.changes if change.after is None]
            assert ["a"] == gone


@testing.virtual_time
async def test_reflector_backs_off_up_to_half_a_minute() -> None:
    server = testing.ApiServer()
    async with server.client() as client:
        server.refuse("watch", code=503, times=8)
        followed = Followed(server, client)
        async with running(followed.reflector.run):
            await followed.reflector.synced.wait()

            seconds = 0.8 + 1.6 + 3.2 + 6.4 + 12.8 + 25.6 + 30 + 30
            assert seconds == pytest.approx(server.clock.seconds(), abs=0.1)


@testing.virtual_time
async def test_writer_writes_only_differences() -> None:
    server = testing.ApiServer()
    async with server.client() as client:
        writer = kube.Writer(client, "one")
        body = {"metadata": {"name": "a", "namespace": "default"}, "data": {"x": "1"}}
        known = await writer.apply(MAPS, body)

        assert known is not None
        assert await writer.apply(MAPS, body, known=known) is None
        changed = await client.patch(MAPS, "a", {"data": {"y": "2"}}, namespace="default")
        assert await writer.apply(MAPS, body, known=changed) is None
        stolen = await client.patch(MAPS, "a", {"data": {"x": "3"}}, namespace="default")
        mended = await writer.apply(MAPS, body, known=stolen)

        assert mended is not None
        assert {"x": "1", "y": "2"} == mended["data"]
        assert 2 == len([c for c in server.calls if "apply" in c.content_type])


@testing.virtual_time
async def test_writer_adds_its_finalizer_beside_others_that_came_meanwhile() -> None:
    server = testing.ApiServer()
    async with server.client() as client:
        await make(client, "a")
        key, writer = kube.Key("default", "a"), kube.Writer(client, "one")
        known = await client.get(MAPS, "a", namespace="default")
        theirs = {"metadata": {"finalizers": ["kubewright.dev/theirs"]}}
        await client.patch(MAPS, "a", theirs, namespace="default")

        added = await writer.add_finalizer(MAPS, key, "kubewright.dev/ours", known)
        await client.delete(MAPS, "a", namespace="default")
        left = await writer.remove_finalizer(MAPS, key, "kubewright.dev/ours")

        assert added is not None
        assert left is not None
        both = ["kubewright.dev/theirs", "kubewright.dev/ours"]
        assert both == added["metadata"]["finalizers"]
        assert both[:1] == left["metadata"]["finalizers"]


@testing.virtual_time
async def test_reconciler_backs_off_from_milliseconds_to_five_minutes() -> None:
    server = testing.ApiServer()
    async with server.client() as client:
        queue: kube.Queue[kube.Key] = kube.Queue(clock=server.clock.seconds, rng=lambda: 0.5)
        followed = Followed(server, client)
        times: list[float] = []

        async def fail(key: kube.Key) -> None:
            times.append(server.clock.seconds())
            await client.get(kube.SECRETS, key.name, namespace=key.namespace)

        async def work() -> None:
            await kube.reconcile(queue, fail, reflectors=[followed.reflector])

        async with running(work):
            await make(client, "a")
            queue.add(kube.Key("default", "a"))
            await testing.settle(lambda: len(times) >= 22)

        pauses = [after - before for before, after in itertools.pairwise(times)]
        assert 0.005 == pytest.approx(pauses[0], abs=0.003)
        assert 300.0 == pytest.approx(pauses[-1], abs=0.01)


@testing.virtual_time
async def test_reconciler_requeues_after_the_time_it_asked_for() -> None:
    server = testing.ApiServer()
    queue: kube.Queue[str] = kube.Queue(clock=server.clock.seconds)
    times: list[float] = []

    async def look(_: str) -> float:
        times.append(server.clock.seconds())
        return 3600.0

    queue.add("a")
    async with running(lambda: kube.reconcile(queue, look)):
        await testing.settle(lambda: len(times) >= 25, within_seconds=10**6)

    assert 24 * 3600.0 == pytest.approx(times[-1] - times[0])


@testing.virtual_time
async def test_repeats_of_an_event_are_one_series() -> None:
    server = testing.ApiServer()
    regarding = kube.Regarding(api_version="v1", kind="ConfigMap", name="a", namespace="default")
    async with server.client() as client:
        clock = server.clock
        recorder = kube.Recorder(client, "x.dev/a", "a-1", clock=clock.seconds, now=clock.now)
        async with recorder:
            for _ in range(60):
                recorder.event(regarding, reason="Failed", action="Run", note="It failed.")
                await asyncio.sleep(60)

    (event,) = server.objects(kube.EVENTS)
    assert 60 == event["series"]["count"]
    assert 0 == recorder.dropped
