"""Leader election with a slow API server or lost responses, on virtual time."""

import asyncio
import copy
import dataclasses
import datetime as dt
import itertools
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from typing import Any, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from controllers import kube
from controllers.kube import leader_election, testing
from tests.support import depth

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
MINUTES = 60.0


@dataclasses.dataclass(frozen=True)
class Way:
    """The fate of a call: seconds until it takes effect, and until its response arrives."""

    before: float = 0.0
    after: float = 0.0
    is_cut: bool = False


class Server:
    """A Lease with compare-and-swap."""

    def __init__(self) -> None:
        self._lease: kube.JSON | None = None
        self._versions = itertools.count(1)

    def get(self) -> kube.JSON:
        if self._lease is None:
            raise kube.NotFoundError({})
        return self._lease

    def create(self, body: kube.JSON) -> kube.JSON:
        if self._lease is not None:
            raise kube.AlreadyExistsError({})
        return self._stored(body)

    def replace(self, body: kube.JSON) -> kube.JSON:
        version = body["metadata"]["resourceVersion"]
        if self.get()["metadata"]["resourceVersion"] != version:
            raise kube.ConflictError({})
        return self._stored(body)

    def _stored(self, body: kube.JSON) -> kube.JSON:
        self._lease = copy.deepcopy(body)
        self._lease["metadata"]["resourceVersion"] = str(next(self._versions))
        return self._lease


class Client:
    """The calls of a candidate, each with its own fate."""

    def __init__(self, server: Server, ways: Iterator[Way]) -> None:
        self._server, self._ways = server, ways

    async def get(self, *_: Any, **options: Any) -> kube.JSON:
        return await self._carried_out(options, self._server.get)

    async def create(self, _: Any, body: kube.JSON, **options: Any) -> kube.JSON:
        return await self._carried_out(options, lambda: self._server.create(body))

    async def replace(self, _: Any, body: kube.JSON, **options: Any) -> kube.JSON:
        return await self._carried_out(options, lambda: self._server.replace(body))

    async def watch(self, *_: Any, **__: Any) -> AsyncGenerator[Any, None]:
        raise kube.UnreachableError("no watch")
        yield

    async def _carried_out(
        self, options: dict[str, Any], act: Callable[[], kube.JSON]
    ) -> kube.JSON:
        """Once sent, it takes effect, whatever happens to its client."""
        way = next(self._ways)
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[kube.JSON] = loop.create_future()

        def land() -> None:
            try:
                found = copy.deepcopy(act())
            except kube.KubeError as error:
                loop.call_later(way.after, _resolve, answer, error)
            else:
                cut = kube.UnreachableError("cut") if way.is_cut else found
                loop.call_later(way.after, _resolve, answer, cut)

        loop.call_later(way.before, land)
        try:
            async with asyncio.timeout(options["deadline_seconds"]):
                return await answer
        except TimeoutError as error:
            raise kube.DeadlineExceededError("late") from error


def _resolve(answer: asyncio.Future[kube.JSON], found: Any) -> None:
    if answer.done():
        return
    if isinstance(found, Exception):
        answer.set_exception(found)
    else:
        answer.set_result(found)


class Candidates:
    """Candidates that take over from each other while they are observed."""

    def __init__(self, ways: Sequence[Iterator[Way]]) -> None:
        server = Server()
        clock = asyncio.get_running_loop().time
        self.electors = [
            leader_election.Elector(
                cast("kube.Client", Client(server, own)),
                ("default", "leader"),
                f"c{at}",
                clock=clock,
                now=lambda: START + dt.timedelta(seconds=clock()),
                rng=lambda: 0.5,
            )
            for at, own in enumerate(ways)
        ]
        self.epochs: list[int] = []
        self.at_once: set[int] = set()

    async def watched(self, seconds: float) -> None:
        """Run them; a candidate that loses the Lease becomes a candidate again."""
        tasks = [asyncio.ensure_future(self._led(one)) for one in self.electors]
        for _ in range(round(seconds / 0.25)):
            await asyncio.sleep(0.25)
            self.at_once.add(sum(one.leads for one in self.electors))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _led(self, one: leader_election.Elector) -> None:
        while True:
            try:
                await one.lead(self._work)
            except leader_election.LostError:
                continue

    async def _work(self, epoch: int) -> None:
        self.epochs.append(epoch)
        await asyncio.Event().wait()


def watched(*ways: Iterator[Way], seconds: float = 10 * MINUTES) -> Candidates:
    async def main() -> Candidates:
        found = Candidates(ways)
        await found.watched(seconds)
        return found

    return testing.run(main())


@pytest.mark.parametrize(
    "way", [Way(5.0, 0.0), Way(0.0, 5.0), Way(2.5, 2.5), Way(6.0, 0.0)], ids=str
)
def test_slow_api_server_costs_no_leadership(way: Way) -> None:
    """With the default timing, 5 s per response are a third of the Lease."""
    assert [1] == watched(itertools.repeat(way), itertools.repeat(way)).epochs


def test_renewal_is_recognised_whose_answer_was_cut() -> None:
    """For each of three, however often."""
    ways = itertools.cycle([Way(is_cut=True), Way(0.1, 0.1), Way(0.1, 0.1)])

    assert [1] == watched(ways, itertools.repeat(Way())).epochs


def test_call_that_hangs_is_sent_again_beside() -> None:
    """As on a connection that a firewall dropped: every third call gets no response."""
    ways = itertools.cycle([Way(), Way(), Way(before=1e6)])

    assert [1] == watched(ways, itertools.repeat(Way())).epochs


ANY_WAY = st.builds(
    Way,
    st.sampled_from([0.0, 0.5, 3.0, 5.0, 11.0, 20.0]),
    st.sampled_from([0.0, 0.5, 3.0, 5.0, 11.0, 1e6]),
    st.booleans(),
)


WAYS = st.lists(st.just(Way()) | ANY_WAY, min_size=1, max_size=8)
HANGS = [*[Way()] * 4, Way(before=1e6)]


@settings(max_examples=depth.draws(40), deadline=None)
@given(WAYS, WAYS)
@example(HANGS, [Way()])
@example([Way()] * 2, HANGS)
def test_two_never_lead_at_once_whatever_happens_to_calls(
    first: list[Way], second: list[Way]
) -> None:
    """The last fate of each candidate applies to all its later calls."""
    ways = [itertools.chain(own, itertools.repeat(own[-1])) for own in (first, second)]

    found = watched(*ways, seconds=MINUTES)

    assert found.at_once <= {0, 1}
    assert found.epochs == sorted(set(found.epochs))
