"""The ledger on a real API server: concurrent writers never exceed a limit."""

import asyncio
import collections
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies

from controllers import kube
from controllers.ledger import admission, compare_and_swap, encoding
from controllers.ledger.admission import Candidate, Ledger, Limits, Slot
from controllers.runs.slots.slot_allocator import SlotAllocator

LIMITS = Limits(namespace=4, agent=3, cluster=6)
NAMES = strategies.text(strategies.characters(codec="utf-8"), max_size=8)
LEDGERS = strategies.builds(
    Ledger,
    strategies.dictionaries(
        NAMES,
        strategies.builds(
            Slot,
            NAMES,
            NAMES,
            strategies.integers(0, 9),
            strategies.floats(0, 2e9),
            NAMES,
            strategies.integers(1, 9),
        ),
    ),
    NAMES,
    strategies.dictionaries(NAMES, strategies.floats(0, 9)),
)


@pytest.fixture
async def client(api_server: Any) -> AsyncIterator[kube.Client]:
    async with kube.Client.from_kubeconfig(api_server.admin_kubeconfig) as opened:
        yield opened


@pytest.fixture
async def opened(client: kube.Client) -> AsyncIterator[compare_and_swap.Book]:
    found = compare_and_swap.Book(client, ("default", "ledger"), LIMITS)
    assert await found.begin(Ledger())
    yield found
    await client.delete(kube.CONFIG_MAPS, "ledger", namespace="default")


@hypothesis.given(LEDGERS)
def test_what_is_written_is_read_again(ledger: Ledger) -> None:
    written = encoding.config_map(ledger, LIMITS, ("agents", "ledger"))

    assert ledger == encoding.read(written)
    assert LIMITS == encoding.limits(written)


@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        {encoding.KEY: ""},
        {encoding.KEY: "[]"},
        {encoding.KEY: '{"slots": {"u": ["a"]}}'},
        {encoding.KEY: '{"slots": {}, "more": 1}'},
    ],
)
def test_what_is_no_ledger_is_told(data: dict[str, str] | None) -> None:
    metadata = {"namespace": "agents", "name": "ledger"}

    with pytest.raises(encoding.CorruptError) as caught:
        encoding.read({"metadata": metadata, "data": data})

    assert str(caught.value).startswith(
        "expected the ledger of runs at ledger.json in ConfigMap agents/ledger: "
    )


async def admitting(mine: compare_and_swap.Book, epoch: int, left: dict[str, Candidate]) -> None:
    """Admit and free until the queue is empty, with a stale view of the queue."""
    while left:
        candidates = [*left.values()]

        def admit(ledger: Ledger, seen: list[Candidate] = candidates) -> Any:
            found = admission.decide(ledger, seen, LIMITS, epoch=epoch, now=0.0)
            return found.ledger, found.admitted

        for uid in await mine.change(admit):
            left.pop(uid, None)
        await mine.change(
            lambda ledger: (ledger.without(dict.fromkeys([*ledger.slots][:2], 1)), None)
        )


def assert_within_limits(ledger: Ledger) -> None:
    slots = [*ledger.slots.values()]
    teams = collections.Counter(slot.namespace for slot in slots)
    agents = collections.Counter((slot.namespace, slot.agent) for slot in slots)
    assert len(slots) <= LIMITS.cluster
    assert all(count <= LIMITS.namespace for count in teams.values())
    assert all(count <= LIMITS.agent for count in agents.values())


@pytest.mark.usefixtures("opened")
async def test_three_that_admit_and_free_at_once_stay_within_limits(client: kube.Client) -> None:
    """Checks every revision of the ledger, not only the last."""
    left = {
        f"{number}": Candidate(f"{number}", f"ns{number % 3}", f"a{number % 2}")
        for number in range(60)
    }
    listing = await client.list(kube.CONFIG_MAPS, namespace="default")
    books = [compare_and_swap.Book(client, ("default", "ledger"), LIMITS) for _ in range(3)]
    seen: list[Ledger] = []

    async with asyncio.timeout(60):
        await asyncio.gather(*(admitting(one, epoch, left) for epoch, one in enumerate(books)))
        last = await client.get(kube.CONFIG_MAPS, "ledger", namespace="default")
        watch = client.watch(
            kube.CONFIG_MAPS,
            resource_version=listing.resource_version,
            namespace="default",
            fields="metadata.name=ledger",
        )
        async with contextlib.aclosing(watch):
            async for event in watch:
                seen.append(encoding.read(event.object))
                if event.resource_version == last["metadata"]["resourceVersion"]:
                    break

    assert len(seen) > 30
    for ledger in seen:
        assert_within_limits(ledger)


async def test_ledger_that_is_not_there_admits_nobody(client: kube.Client) -> None:
    lost = compare_and_swap.Book(client, ("default", "lost"), LIMITS)

    with pytest.raises(kube.NotFoundError):
        await lost.change(lambda ledger: (ledger, None))


async def test_what_was_written_last_is_not_believed_where_nothing_would_change(
    opened: compare_and_swap.Book, client: kube.Client
) -> None:
    other = compare_and_swap.Book(client, ("default", "ledger"), LIMITS)
    await opened.change(lambda _: (Ledger({"u": Slot("a", "b", 1, 0.0)}), None))
    await other.change(lambda ledger: (ledger.without({"u": 1}), None))

    held = await opened.change(lambda ledger: (ledger, [*ledger.slots]))

    assert [] == held


async def test_second_beginning_changes_nothing(opened: compare_and_swap.Book) -> None:
    await opened.change(lambda _: (Ledger({"u": Slot("a", "b", 1, 0.0)}), None))

    assert not await opened.begin(Ledger())
    assert {"u"} == {*(await opened.read()).slots}


class Leader:
    """Admits by a ledger that is missing or corrupt at first."""

    def __init__(self, client: kube.Client, name: str) -> None:
        self.listed = asyncio.Event()
        self.may_go_on = asyncio.Event()
        self.allocator = SlotAllocator(
            compare_and_swap.Book(client, ("default", name), LIMITS),
            LIMITS,
            self._survey,
            lambda _: None,
            epoch=1,
        )

    async def _survey(self) -> Ledger:
        self.listed.set()
        await self.may_go_on.wait()
        return Ledger()

    async def admit(self, uid: str) -> None:
        """Admit a run."""
        self.allocator.ask(Candidate(uid, "team", "coder"))
        while not self.allocator.holds(uid):  # noqa: ASYNC110 - told to nobody
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("data", [None, {"ledger.json": "[]"}], ids=["lost", "unreadable"])
async def test_ledger_by_which_another_gave_slots_is_not_begun_again(
    client: kube.Client, data: dict[str, str] | None
) -> None:
    name = f"race-{'lost' if data is None else 'unreadable'}"
    if data is not None:
        metadata = {"name": name, "namespace": "default"}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
        await client.create(kube.CONFIG_MAPS, body)
    first, slow = Leader(client, name), Leader(client, name)

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        tasks = [group.create_task(one.allocator.run()) for one in (first, slow)]
        await asyncio.gather(first.listed.wait(), slow.listed.wait())
        first.may_go_on.set()
        await first.admit("a")
        slow.may_go_on.set()
        await slow.allocator.opened.wait()
        found = await compare_and_swap.Book(client, ("default", name), LIMITS).read()
        for task in tasks:
            task.cancel()

    assert {"a"} == {*found.slots}
    assert {"a"} == {*slow.allocator.slots}
