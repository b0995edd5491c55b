"""What a controller is to look at next: each key once, never twice at a time, by priority.

``Schedule`` decides and knows no clock; ``Queue`` waits. It behaves as controller-runtime's
priority queue (sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue): a key that is added
again keeps its higher priority and its earlier time.
"""

import asyncio
import dataclasses
import heapq
import itertools
import random
import time
from collections.abc import Callable, Hashable
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)

# Bands: what a user changed goes before what followed from it, and both before a look round.
CHANGED: Final = 20
FOLLOWED: Final = 10
RESYNCED: Final = 0

FIRST_RETRY_SECONDS: Final = 0.005
LONGEST_RETRY_SECONDS: Final = 300.0
_MOST_DOUBLINGS: Final = 30


@dataclasses.dataclass(slots=True)
class _Entry:
    priority: int
    at: float
    number: int


class Schedule(Generic[K]):
    """Keys that wait and keys that are worked on; every instant is an argument, in seconds."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._waiting: dict[K, _Entry] = {}
        self._working: set[K] = set()
        # Heaps hold what was true when it was pushed; an entry that changed since is passed over.
        self._ready: list[tuple[int, int, K]] = []
        self._later: list[tuple[float, int, K]] = []

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def working(self) -> int:
        """How many keys are worked on."""
        return len(self._working)

    def add(self, key: K, *, at: float, priority: int = RESYNCED) -> None:
        """Have a key looked at from an instant on; also after it is done, if it is worked on."""
        known = self._waiting.get(key)
        if known is not None:
            if at >= known.at and priority <= known.priority:
                return
            at, priority = min(at, known.at), max(priority, known.priority)
        entry = _Entry(priority, at, next(self._numbers) if known is None else known.number)
        self._waiting[key] = entry
        if key not in self._working:
            heapq.heappush(self._later, (at, entry.number, key))

    def take(self, now: float) -> tuple[K, float] | None:
        """The key to work on now, and since when it was due.

        It is one of the highest priority, and of those the one that waits longest.
        """
        self._ripen(now)
        while self._ready:
            priority, number, key = heapq.heappop(self._ready)
            entry = self._waiting.get(key)
            if entry is None or (-entry.priority, entry.number) != (priority, number):
                continue
            del self._waiting[key]
            self._working.add(key)
            return key, entry.at
        return None

    def done(self, key: K) -> None:
        """Say that a key is worked on no more."""
        self._working.discard(key)
        entry = self._waiting.get(key)
        if entry is not None:
            heapq.heappush(self._later, (entry.at, entry.number, key))

    def next_at(self) -> float | None:
        """When there may be something to take; None if nothing waits."""
        if self._ready:
            return float("-inf")
        return self._later[0][0] if self._later else None

    def _ripen(self, now: float) -> None:
        while self._later and self._later[0][0] <= now:
            at, number, key = heapq.heappop(self._later)
            entry = self._waiting.get(key)
            if entry is not None and (entry.at, entry.number) == (at, number):
                heapq.heappush(self._ready, (-entry.priority, entry.number, key))


class Queue(Generic[K]):
    """A schedule that workers of one event loop wait for.

    Args:
        clock: Seconds that never go back.
        dice: A random number from 0 to 1, for retries.
        on_take: Told of each key that is given out how many seconds it was due.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        dice: Callable[[], float] = random.random,
        on_take: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._on_take = on_take
        self._schedule: Schedule[K] = Schedule()
        self._clock, self._dice = clock, dice
        self._failures: dict[K, int] = {}
        self._changed = asyncio.Event()
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._schedule)

    def add(self, key: K, *, priority: int = RESYNCED, after_seconds: float = 0.0) -> None:
        """Have a key looked at, at once or after some seconds."""
        self._schedule.add(key, at=self._clock() + after_seconds, priority=priority)
        self._changed.set()

    def retry(self, key: K, *, priority: int = RESYNCED) -> float:
        """Have a key that failed looked at again, each time after about twice as long; how long."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        doubled: float = FIRST_RETRY_SECONDS * 2 ** min(failures, _MOST_DOUBLINGS)
        seconds = min(doubled, LONGEST_RETRY_SECONDS) * (0.8 + 0.4 * self._dice())
        self.add(key, priority=priority, after_seconds=seconds)
        return seconds

    def forget(self, key: K) -> None:
        """Let the next failure of a key count as its first."""
        self._failures.pop(key, None)

    async def get(self) -> K | None:
        """The next key, as soon as there is one; None once the queue is closed."""
        while not self._is_closed:
            now = self._clock()
            taken = self._schedule.take(now)
            if taken is not None:
                key, due = taken
                self._on_take(now - due)
                return key
            await self._until_changed()
        return None

    def done(self, key: K) -> None:
        """Say that a key is worked on no more; owed for each key that ``get`` gave."""
        self._schedule.done(key)
        self._changed.set()

    def close(self) -> None:
        """Give out nothing more."""
        self._is_closed = True
        self._changed.set()

    async def _until_changed(self) -> None:
        at = self._schedule.next_at()
        self._changed.clear()
        try:
            async with asyncio.timeout(None if at is None else max(0.0, at - self._clock())):
                await self._changed.wait()
        except TimeoutError:
            pass
