"""A deduplicating work queue: each key once, never processed twice at a time, by priority.

``Schedule`` is pure and takes the time as an argument; ``Queue`` waits. It behaves like
controller-runtime's priority queue (sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue):
a key that is added again keeps its higher priority and its earlier time.
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

# Priority bands: user changes before changes of dependents, and both before resyncs.
CHANGED: Final = 20
FOLLOWED: Final = 10
RESYNCED: Final = 0

FIRST_RETRY_SECONDS: Final = 0.005
MAX_RETRY_SECONDS: Final = 300.0
_MAX_DOUBLINGS: Final = 30


@dataclasses.dataclass(slots=True)
class _Entry:
    priority: int
    at: float
    number: int


class Schedule(Generic[K]):
    """Waiting keys and keys in flight; times are arguments, in seconds."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._waiting: dict[K, _Entry] = {}
        self._in_flight: set[K] = set()
        # Heap entries may be outdated; those are skipped.
        self._ready: list[tuple[int, int, K]] = []
        self._later: list[tuple[float, int, K]] = []

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def working(self) -> int:
        """Number of keys in flight."""
        return len(self._in_flight)

    def add(self, key: K, *, at: float, priority: int = RESYNCED) -> None:
        """Schedule a key for a time; a key in flight is requeued once it is done."""
        known = self._waiting.get(key)
        if known is not None:
            if at >= known.at and priority <= known.priority:
                return
            at, priority = min(at, known.at), max(priority, known.priority)
        entry = _Entry(priority, at, next(self._numbers) if known is None else known.number)
        self._waiting[key] = entry
        if key not in self._in_flight:
            heapq.heappush(self._later, (at, entry.number, key))

    def take(self, now: float) -> tuple[K, float] | None:
        """Take the next key, with the time at which it became due.

        It has the highest priority, and among equals has waited longest.
        """
        self._promote_due(now)
        while self._ready:
            priority, number, key = heapq.heappop(self._ready)
            entry = self._waiting.get(key)
            if entry is None or (-entry.priority, entry.number) != (priority, number):
                continue
            del self._waiting[key]
            self._in_flight.add(key)
            return key, entry.at
        return None

    def done(self, key: K) -> None:
        """Mark a key as done."""
        self._in_flight.discard(key)
        entry = self._waiting.get(key)
        if entry is not None:
            heapq.heappush(self._later, (entry.at, entry.number, key))

    def next_at(self) -> float | None:
        """Return when a key may become due; None if none is waiting."""
        if self._ready:
            return float("-inf")
        return self._later[0][0] if self._later else None

    def _promote_due(self, now: float) -> None:
        while self._later and self._later[0][0] <= now:
            at, number, key = heapq.heappop(self._later)
            entry = self._waiting.get(key)
            if entry is not None and (entry.at, entry.number) == (at, number):
                heapq.heappush(self._ready, (-entry.priority, entry.number, key))


class Queue(Generic[K]):
    """A schedule that the workers of an event loop wait for.

    Args:
        clock: Monotonic seconds.
        rng: Returns a random number from 0 to 1, for jitter.
        on_take: Called for each taken key with the seconds for which it was due.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        rng: Callable[[], float] = random.random,
        on_take: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._on_take = on_take
        self._schedule: Schedule[K] = Schedule()
        self._clock, self._rng = clock, rng
        self._failures: dict[K, int] = {}
        self._changed = asyncio.Event()
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._schedule)

    def add(self, key: K, *, priority: int = RESYNCED, after_seconds: float = 0.0) -> None:
        """Add a key, now or after a delay."""
        self._schedule.add(key, at=self._clock() + after_seconds, priority=priority)
        self._changed.set()

    def retry(self, key: K, *, priority: int = RESYNCED) -> float:
        """Requeue with exponential backoff; return the delay in seconds."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        doubled: float = FIRST_RETRY_SECONDS * 2 ** min(failures, _MAX_DOUBLINGS)
        seconds = min(doubled, MAX_RETRY_SECONDS) * (0.8 + 0.4 * self._rng())
        self.add(key, priority=priority, after_seconds=seconds)
        return seconds

    def forget(self, key: K) -> None:
        """Reset a key's backoff."""
        self._failures.pop(key, None)

    async def get(self) -> K | None:
        """Wait for the next key; None once the queue is closed."""
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
        """Mark a key as done; required for each key that ``get`` returned."""
        self._schedule.done(key)
        self._changed.set()

    def close(self) -> None:
        """Return no more keys."""
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
