"""The schedule compared with a slow and obvious one, and a queue that waits."""

import asyncio
import dataclasses

import hypothesis
from hypothesis import strategies

from controllers.kube import queue
from tests.support import depth


@dataclasses.dataclass
class Obvious:
    """The same, by searching lists."""

    waiting: dict[str, tuple[int, float, int]] = dataclasses.field(default_factory=dict)
    working: set[str] = dataclasses.field(default_factory=set)
    count: int = 0

    def add(self, key: str, *, at: float, priority: int) -> None:
        self.count += 1
        known = self.waiting.get(key, (priority, at, self.count))
        self.waiting[key] = max(priority, known[0]), min(at, known[1]), known[2]

    def take(self, now: float) -> str | None:
        ready = [
            (-priority, number, key)
            for key, (priority, at, number) in self.waiting.items()
            if at <= now and key not in self.working
        ]
        if not ready:
            return None
        key = min(ready)[2]
        del self.waiting[key]
        self.working.add(key)
        return key


STEPS = strategies.lists(
    strategies.one_of(
        strategies.tuples(
            strategies.just("add"),
            strategies.sampled_from("abc"),
            strategies.integers(0, 5),
            strategies.integers(0, 2),
        ),
        strategies.tuples(strategies.just("take"), strategies.integers(0, 3)),
        strategies.tuples(strategies.just("done"), strategies.sampled_from("abc")),
    ),
    max_size=40,
)


@hypothesis.settings(max_examples=depth.draws(500))
@hypothesis.given(STEPS)
def test_schedule_gives_what_a_search_would_give(steps: list[tuple[object, ...]]) -> None:
    schedule, obvious, now = queue.Schedule[str](), Obvious(), 0.0

    for step in steps:
        match step:
            case ("add", str(key), int(after), int(priority)):
                schedule.add(key, at=now + after, priority=priority)
                obvious.add(key, at=now + after, priority=priority)
            case ("take", int(later)):
                now += later
                taken = schedule.take(now)
                assert obvious.take(now) == (taken and taken[0])
            case ("done", str(key)):
                schedule.done(key)
                obvious.working.discard(key)
        assert (len(obvious.waiting), len(obvious.working)) == (len(schedule), schedule.working)

    at = schedule.next_at()
    free = [at for key, (_, at, _) in obvious.waiting.items() if key not in obvious.working]
    assert not free or (at is not None and at <= min(free))


async def test_key_is_never_worked_on_twice_at_a_time_and_none_is_lost() -> None:
    work = queue.Queue[str]()
    busy: set[str] = set()
    last: dict[str, int] = {}
    wanted = {"a": 0, "b": 0, "c": 0}

    async def worker() -> None:
        while (key := await work.get()) is not None:
            assert key not in busy
            busy.add(key)
            last[key] = wanted[key]
            await asyncio.sleep(0)
            busy.discard(key)
            work.done(key)

    workers = [asyncio.create_task(worker()) for _ in range(4)]
    for number in range(1, 200):
        for key in wanted:
            wanted[key] = number
            work.add(key, priority=number % 3)
        if number % 7 == 0:
            await asyncio.sleep(0)
    await asyncio.sleep(0.05)
    work.close()
    await asyncio.gather(*workers)

    assert wanted == last


async def test_delayed_key_comes_when_it_is_due_and_at_once_if_it_is_wanted_at_once() -> None:
    work = queue.Queue[str]()
    work.add("late", after_seconds=0.05)
    work.add("wanted", after_seconds=60)
    work.add("wanted")

    found = [await work.get(), await work.get()]

    assert ["wanted", "late"] == found
    assert 0 == len(work)


async def test_retries_wait_ever_longer_until_forgotten() -> None:
    work = queue.Queue[str](clock=lambda: 0.0, rng=lambda: 0.5)

    found = [work.retry("a") for _ in range(3)]
    far = [work.retry("b") for _ in range(40)][-1]
    work.forget("a")

    assert [0.005, 0.01, 0.02] == found
    assert (300.0, 0.005) == (far, work.retry("a"))
