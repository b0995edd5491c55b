"""Slots are granted, freed and rebuilt in the ledger, on the API server in process."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator

from controllers import kube, ledger
from controllers.kube import testing
from controllers.runs.slots.slot_allocator import SlotAllocator

PLACE = ("default", "ledger")


@dataclasses.dataclass
class Desk:
    """An allocator at work, and the runs that it woke."""

    server: testing.ApiServer
    client: kube.Client
    allocator: SlotAllocator
    woken: list[str]

    async def stored(self) -> list[str]:
        """The uids that hold a slot, by the ledger."""
        book = ledger.Book(self.client, PLACE, ledger.Limits())
        return sorted((await book.read()).slots)


@contextlib.asynccontextmanager
async def desk(found: ledger.Ledger | None = None, **limits: int) -> AsyncIterator[Desk]:
    server, woken = testing.ApiServer(), list[str]()
    async with server.client() as client:

        async def survey() -> ledger.Ledger:
            await asyncio.sleep(30)
            return found or ledger.Ledger()

        bounds = ledger.Limits(**limits)
        allocator = SlotAllocator(
            ledger.Book(client, PLACE, bounds, rng=lambda: 0.5),
            bounds,
            survey,
            lambda key: woken.append(key.name),
            epoch=1,
            now=server.clock.now,
        )
        admitting = asyncio.create_task(allocator.run())
        await allocator.opened.wait()
        yield Desk(server, client, allocator, woken)
        admitting.cancel()
        await asyncio.gather(admitting, return_exceptions=True)


def candidate(name: str, agent: str = "coder", **more: int) -> ledger.Candidate:
    return ledger.Candidate(f"uid-{name}", "team", agent, run=name, **more)


@testing.virtual_time
async def test_requests_of_a_moment_are_granted_by_one_write() -> None:
    async with desk() as d:
        for name in "abc":
            d.allocator.ask(candidate(name))

        await testing.settle(lambda: len(d.woken) == 3)

        assert ["uid-a", "uid-b", "uid-c"] == await d.stored()
        assert 1 == len([call for call in d.server.calls if call.verb == "update"])


@testing.virtual_time
async def test_freed_slot_goes_to_who_waits() -> None:
    async with desk(cluster=1) as d:
        d.allocator.ask(candidate("a"))
        await testing.settle(lambda: d.allocator.holds("uid-a"))
        d.allocator.ask(candidate("b"))
        await asyncio.sleep(60)
        blocked = d.allocator.blocked("uid-b")

        d.allocator.free("uid-a", 1)

        await testing.settle(lambda: d.allocator.holds("uid-b"))
        assert blocked is not None
        assert ["uid-b"] == await d.stored()


@testing.virtual_time
async def test_lost_ledger_is_rebuilt_and_admits_nobody_meanwhile() -> None:
    slot = ledger.Slot("team", "coder", 0, 0.0, "a", 1)
    async with desk(ledger.Ledger({"uid-a": slot})) as d:
        await d.client.delete(kube.CONFIG_MAPS, PLACE[1], namespace=PLACE[0])
        d.allocator.ask(candidate("b"))

        await testing.settle(lambda: not d.allocator.opened.is_set())
        assert not d.allocator.may_start("uid-b", 1)
        await testing.settle(lambda: d.allocator.may_start("uid-b", 1))

        assert ["uid-a", "uid-b"] == await d.stored()


@testing.virtual_time
async def test_conflicts_and_failures_are_retried() -> None:
    async with desk() as d:
        conflict = d.server.refuse("update", "configmaps", code=409, times=3)
        failure = d.server.refuse("update", "configmaps", code=500, times=2)
        d.allocator.ask(candidate("a"))

        await testing.settle(lambda: d.allocator.holds("uid-a"))

        assert (3, 2) == (conflict.taken, failure.taken)
        assert ["uid-a"] == await d.stored()


@testing.virtual_time
async def test_write_whose_answer_is_lost_grants_one_slot() -> None:
    async with desk(cluster=1) as d:
        d.server.inject(testing.Fault(verb="update", plural="configmaps", loses_answer=True))
        d.allocator.ask(candidate("a"))
        await testing.settle(lambda: d.allocator.holds("uid-a"))
        d.allocator.ask(candidate("b"))
        await asyncio.sleep(60)

        assert not d.allocator.holds("uid-b")
        assert ["uid-a"] == await d.stored()
