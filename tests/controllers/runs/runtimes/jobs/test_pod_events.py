"""Warnings of a namespace are listed once for all who ask, and seldom where that takes long."""

import asyncio
import dataclasses
import datetime as dt
from collections.abc import Mapping
from typing import Any

from controllers import kube
from controllers.runs import projections
from controllers.runs.runtimes.jobs import pod_events

REFUSED: Mapping[str, Any] = {
    "type": "Warning",
    "reason": "FailedCreate",
    "note": "no quota",
    "eventTime": "2026-11-28T11:00:00.000000Z",
    "regarding": {"uid": "uid-a"},
}
NO_QUOTA = projections.Waiting("FailedCreate", "no quota")


@dataclasses.dataclass
class World:
    """A cluster that takes its time, and the clock."""

    seconds: float = 0.0
    refusal: kube.KubeError | None = None
    now: dt.datetime = dt.datetime(2026, 11, 28, 12, tzinfo=dt.UTC)
    listed: list[str] = dataclasses.field(default_factory=list)
    may_answer: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.may_answer.set()
        client: Any = self
        self.warnings = pod_events.Warnings(client, lambda: self.now)

    async def list(self, _: kube.Resource, *, namespace: str, fields: str) -> kube.Listing:
        """One warning about a Job."""
        assert "type=Warning" == fields
        self.listed.append(namespace)
        await self.may_answer.wait()
        self.now += dt.timedelta(seconds=self.seconds)
        if self.refusal is not None:
            raise self.refusal
        return kube.Listing((dict(REFUSED),), "7")

    async def about(self, *uids: str) -> projections.Waiting | None:
        """What is known of them in the namespace."""
        return await self.warnings.about("team", uids)


async def test_one_list_answers_all_who_ask() -> None:
    world = World()

    answers = [await world.about("uid-b", "uid-a"), await world.about("uid-b")]

    assert [NO_QUOTA, None] == answers
    assert ["team"] == world.listed


async def test_list_is_repeated_after_a_while_and_later_if_it_took_long() -> None:
    quick, slow = World(), World(seconds=3)

    for world in (quick, slow):
        for _ in range(13):
            await world.about("uid-a")
            world.now += dt.timedelta(seconds=5)

    assert (13, 2) == (len(quick.listed), len(slow.listed))


async def test_nobody_waits_for_the_list_of_another() -> None:
    world = World()
    world.may_answer.clear()
    first = asyncio.ensure_future(world.about("uid-a"))
    await asyncio.sleep(0)

    meanwhile = await world.about("uid-a")
    world.may_answer.set()

    assert (None, NO_QUOTA) == (meanwhile, await first)
    assert ["team"] == world.listed


async def test_what_was_known_stays_where_events_cannot_be_listed() -> None:
    world = World()
    await world.about("uid-a")
    world.refusal = kube.UnreachableError("nobody answers")
    world.now += dt.timedelta(seconds=5)

    assert NO_QUOTA == await world.about("uid-a")
    assert 2 == len(world.listed)


async def test_namespaces_that_were_not_asked_about_for_long_are_forgotten() -> None:
    world = World()

    for number in range(pod_events.MAX_NAMESPACES + 1):
        await world.warnings.about(f"team-{number}", ())
    await world.warnings.about("team-1", ())
    await world.warnings.about("team-0", ())

    assert ["team-100", "team-0"] == world.listed[-2:]
