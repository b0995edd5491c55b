"""Leader election on a real API server: one leader at a time; stops, failures, disconnects."""

import asyncio
import contextlib
import pathlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import pytest

from controllers import kube
from controllers.kube import leader_election
from tests.support import fault_proxy, faults
from tests.support.faults import Turn
from tests.support.kube_calls import Verb

TIMING = leader_election.Timing(lease_seconds=2.0, renew_seconds=1.2, retry_seconds=0.1)
SECONDS = 120.0
CALLS: Final[list[Verb]] = ["get", "create", "update"]


class Candidate:
    """An elector and its record."""

    def __init__(
        self,
        client: kube.Client,
        namespace: str,
        name: str,
        *,
        is_slow: bool = False,
        timing: leader_election.Timing = TIMING,
    ) -> None:
        self.elector = leader_election.Elector(client, (namespace, "leader"), name, timing=timing)
        self.epochs: list[int] = []
        self.leads, self.ended = asyncio.Event(), asyncio.Event()
        self.failure: Exception | None = None
        self._is_slow = is_slow

    async def work(self, epoch: int) -> None:
        self.epochs.append(epoch)
        self.leads.set()
        try:
            while True:
                await asyncio.sleep(0.01)
                if self.failure is not None:
                    raise self.failure
        finally:
            if self._is_slow:
                await asyncio.sleep(0.2)
            self.leads.clear()
            self.ended.set()


@contextlib.asynccontextmanager
async def running(*candidates: Candidate) -> AsyncIterator[list[asyncio.Task[None]]]:
    tasks = [asyncio.create_task(one.elector.lead(one.work)) for one in candidates]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def lead(*candidates: Candidate) -> Candidate:
    """The current leader."""
    async with asyncio.timeout(SECONDS):
        while not any(one.leads.is_set() for one in candidates):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    (found,) = [one for one in candidates if one.leads.is_set()]
    return found


async def holder(client: kube.Client, namespace: str) -> tuple[str, int]:
    lease = await client.get(kube.LEASES, "leader", namespace=namespace)
    return lease["spec"].get("holderIdentity", ""), lease["spec"]["leaseTransitions"]


async def test_one_leads_and_the_next_follows_when_it_is_stopped(
    client: kube.Client, namespace: str
) -> None:
    """Immediately, before the Lease expires, and only after the first leader's work has ended."""
    # No Lease expires while a busy machine does something else.
    timing = leader_election.Timing(lease_seconds=120.0, renew_seconds=80.0, retry_seconds=0.1)
    both = [Candidate(client, namespace, name, is_slow=True, timing=timing) for name in "ab"]
    async with running(*both) as tasks:
        first = await lead(*both)
        second = next(one for one in both if one is not first)
        await asyncio.sleep(3 * timing.retry_seconds)
        assert not second.leads.is_set()
        clock = asyncio.get_running_loop().time
        stopped = clock()
        tasks[both.index(first)].cancel()
        assert second is await lead(second)
        took = clock() - stopped
        assert first.ended.is_set()

    assert ([1], [2]) == (first.epochs, second.epochs)
    assert took < timing.lease_seconds


async def test_worker_that_fails_steps_down(client: kube.Client, namespace: str) -> None:
    one = Candidate(client, namespace, "a")
    async with running(one) as (task,):
        await lead(one)
        one.failure = RuntimeError("a bug")

        with pytest.raises(RuntimeError, match="a bug"):
            await task

        assert ("", 1) == await holder(client, namespace)
        assert not one.elector.leads


async def test_lease_that_another_took_ends_the_work(client: kube.Client, namespace: str) -> None:
    one = Candidate(client, namespace, "a")
    async with running(one) as (task,):
        await lead(one)
        await client.patch(
            kube.LEASES, "leader", {"spec": {"holderIdentity": "thief"}}, namespace=namespace
        )

        with pytest.raises(leader_election.LostError):
            await task

        assert one.ended.is_set()
        assert ("thief", 1) == await holder(client, namespace)


async def test_change_of_a_label_ends_nothing(client: kube.Client, namespace: str) -> None:
    one = Candidate(client, namespace, "a")
    async with running(one) as (task,):
        await lead(one)
        changes = {"metadata": {"labels": {"seen": "yes"}}}
        await client.patch(kube.LEASES, "leader", changes, namespace=namespace)
        await asyncio.sleep(2 * TIMING.renew_seconds)

        assert not task.done()
        assert one.elector.leads
        lease = await client.get(kube.LEASES, "leader", namespace=namespace)
        assert {"seen": "yes"} == lease["metadata"]["labels"]


async def test_who_cannot_renew_stops_before_another_may_lead(
    client: kube.Client,
    namespace: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its calls hang, as if packets were dropped; those of the other do not."""
    one, other = (Candidate(client, namespace, name) for name in "ab")
    async with running(one) as (task,):
        await lead(one)
        _hang(one.elector, monkeypatch)
        async with running(other):
            await lead(other)
            was_over = one.ended.is_set()
            with pytest.raises(leader_election.LostError):
                await task

    assert was_over
    assert other.epochs == [2]


async def test_api_server_that_takes_a_quarter_of_the_lease_costs_no_leadership(
    api_server: Any, client: kube.Client, namespace: str, tmp_path: pathlib.Path
) -> None:
    """Like 5 s with 15 or more; one renewal also loses its response after it succeeded."""
    leases = "leases.coordination.k8s.io"
    script: dict[Turn, faults.Fault] = {
        Turn(verb, leases, at): faults.Delay("before", 1.5) for verb in CALLS for at in range(1, 9)
    }
    script[Turn("update", leases, 2)] = faults.Drop("after")
    timing = leader_election.Timing(lease_seconds=6.0, renew_seconds=4.0, retry_seconds=0.5)
    async with fault_proxy.Proxy(api_server.admin_kubeconfig) as proxy:
        port = await proxy.open("slow", faults.Plan(script=script))
        async with kube.Client.from_kubeconfig(port.kubeconfig(tmp_path)) as through:
            one = Candidate(through, namespace, "a")
            one.elector = leader_election.Elector(
                through, (namespace, "leader"), "a", timing=timing
            )
            async with running(one) as (task,):
                await lead(one)
                while port.dealt[-1].turn.ordinal < 4:  # noqa: ASYNC110 - the proxy tells nobody
                    await asyncio.sleep(0.05)
                was_lost = task.done()
                found = await holder(client, namespace)

    assert not was_lost
    assert ("a", 1) == found
    assert [1] == one.epochs


async def test_bug_in_renewing_is_told_as_the_cause(
    client: kube.Client,
    namespace: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = Candidate(client, namespace, "a")
    bug = RuntimeError("a bug")

    async def fail(_: kube.JSON) -> kube.JSON:
        raise bug

    async with running(one) as (task,):
        await lead(one)
        monkeypatch.setattr(one.elector, "_replace", fail)

        with pytest.raises(leader_election.LostError) as caught:
            await task

    assert bug is caught.value.__cause__
    assert one.ended.is_set()
    assert not one.elector.leads


def _hang(found: leader_election.Elector, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(_: kube.JSON) -> kube.JSON:
        await asyncio.sleep(TIMING.renew_seconds / 3)
        raise kube.DeadlineExceededError("expected an answer, got nothing")

    replaced: Callable[[kube.JSON], Awaitable[kube.JSON]] = never
    monkeypatch.setattr(found, "_replace", replaced)


@pytest.mark.parametrize("timing", [(1, 2, 3), (3, 3, 1), (3, 2, 2), (3, 2, 0)])
def test_timing_that_cannot_be_safe_is_refused(timing: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="expected 0 < retry < renew < lease"):
        leader_election.Timing(*timing)


async def test_released_lease_is_taken_before_the_next_attempt_is_due(
    client: kube.Client, namespace: str
) -> None:
    patient = leader_election.Timing(lease_seconds=60, renew_seconds=50, retry_seconds=40)
    first, second = (Candidate(client, namespace, name) for name in ("one", "two"))
    second.elector = leader_election.Elector(client, (namespace, "leader"), "two", timing=patient)

    async with running(first) as (leading,):
        await lead(first)
        async with running(second):
            await asyncio.sleep(0.5)
            leading.cancel()
            async with asyncio.timeout(SECONDS):
                await second.leads.wait()

    assert [2] == second.epochs
