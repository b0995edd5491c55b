"""Chains records and hands them to a sink, which never delays who records. Shell: a task.

The queue is bounded. What does not fit is counted, and a record says how many there were, as soon
as one fits again.
"""

import asyncio
import collections
import contextlib
import datetime as dt
import enum
import itertools
import logging
import random
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Final, Self, TypeAlias

from controllers import kube
from controllers.audit import records
from controllers.audit.records import Decision, Entry, Position, What
from controllers.audit.sinks.base import Sink, SinkError
from controllers.kube.http.limiter import Bucket

Record: TypeAlias = Callable[[Entry], None]
"""Records an entry; never waits, never raises."""

NAME: Final = "agents-audit"
"""Who records about the log itself."""
MAX_WAITING: Final = 10_000
MAX_BATCH: Final = 500
MAX_BACKOFF_SECONDS: Final = 60.0
# With the rest of a replica's stop well below the grace period of its pod.
CLOSE_SECONDS: Final = 3.0
REFUSALS: Final = kube.Rate(qps=10.0, burst=1000)
"""Records of refused deliveries: anyone can cause them."""
_log = logging.getLogger(__name__)


class Loss(enum.StrEnum):
    """Why a record was dropped; a label of metrics."""

    QUEUE_FULL = "queue_full"
    RATE_LIMITED = "rate_limited"
    CLOSED = "closed"


def nothing(_: Entry) -> None:
    """Record nothing: there is no audit log."""


class AuditLog:
    """The audit log of a process; opened with ``async with``.

    Args:
        sink: Writes its lines.
        replica: Identity of the process.
        max_waiting: Records that may wait for the sink.
        now: Aware UTC time.
        clock: Monotonic seconds.
        sleep: Waits for seconds.
        rng: A random number from 0 to 1.

    Attributes:
        written: Number of records that the sink has written.
        failures: Number of failed writes.
        dropped: Number of dropped records by reason, since the start.
    """

    def __init__(
        self,
        sink: Sink,
        replica: str,
        *,
        max_waiting: int = MAX_WAITING,
        now: Callable[[], dt.datetime] = kube.utc_now,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rng: Callable[[], float] = random.random,
    ) -> None:
        self._sink, self._replica, self._max_waiting = sink, replica, max_waiting
        self._now, self._clock, self._sleep, self._rng = now, clock, sleep, rng
        self._last = Position(uuid.uuid4().hex)
        self._lines: collections.deque[bytes] = collections.deque()
        self._unsaid: collections.Counter[Loss] = collections.Counter()
        self._changed, self._emptied = asyncio.Event(), asyncio.Event()
        self._refusals = Bucket.full(REFUSALS, clock())
        self._is_open = False
        self._writing: asyncio.Task[None] | None = None
        self.written = self.failures = 0
        self.dropped: collections.Counter[Loss] = collections.Counter()

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def last(self) -> Position:
        """Position of the last record, written or not."""
        return self._last

    async def __aenter__(self) -> Self:
        """Open the sink, and go on with its chain.

        Raises:
            SinkError: It cannot be written to.
        """
        opened = await self._sink.open()
        self._last = opened.last or self._last
        self._is_open = True
        if opened.cut_bytes:
            self._say(Decision.RECOVERED, "torn_record", opened.cut_bytes)
        self._say(Decision.OPENED)
        self._writing = asyncio.create_task(self._write())
        return self

    async def __aexit__(self, *error: object) -> None:
        """Write what waits, for a while, and close the sink."""
        self._say_losses()
        self._say(Decision.CLOSED)
        self._is_open = False
        if self._writing is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self._emptied.wait()
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)
        if self._lines:
            self.dropped[Loss.CLOSED] += len(self._lines)
            _log.error("audit records were not written", extra={"count": len(self._lines)})
        await self._sink.close()

    def record(self, entry: Entry) -> None:
        """Record an entry; never waits, never raises."""
        loss = self._loss(entry)
        if loss is not None:
            self.dropped[loss] += 1
            self._unsaid[loss] += 1
            return
        self._say_losses()
        self._append(entry)

    def _loss(self, entry: Entry) -> Loss | None:
        """Return why an entry is not recorded, if so."""
        if not self._is_open:
            return Loss.CLOSED
        if entry.decision is Decision.REFUSED:
            now = self._clock()
            if self._refusals.wait_seconds(now):
                return Loss.RATE_LIMITED
            self._refusals = self._refusals.taken(now)
        return None if len(self._lines) < self._max_waiting else Loss.QUEUE_FULL

    def _say_losses(self) -> None:
        """Record how many records were dropped."""
        losses, self._unsaid = self._unsaid, collections.Counter()
        for loss, count in losses.items():
            self._say(Decision.DROPPED, loss.value, count)

    def _say(self, decision: Decision, reason: str = "", count: int = 0) -> None:
        self._append(Entry(what=What.LOG, decision=decision, who=NAME, reason=reason, count=count))

    def _append(self, entry: Entry) -> None:
        line, self._last = records.line(entry, self._last, time=self._now(), replica=self._replica)
        self._lines.append(line)
        self._emptied.clear()
        self._changed.set()

    async def _write(self) -> None:
        """Write what waits, with backoff, until cancelled."""
        failures = 0
        while True:
            await self._changed.wait()
            batch = [*itertools.islice(self._lines, MAX_BATCH)]
            try:
                await self._sink.write(batch)
            except SinkError as error:
                failures += 1
                self.failures += 1
                pause = min(2.0 ** min(failures - 1, 10), MAX_BACKOFF_SECONDS)
                pause *= 0.8 + 0.4 * self._rng()
                _log.warning("the audit log is not written, retrying in %.1f s: %s", pause, error)
                await self._sleep(pause)
                continue
            failures = 0
            self.written += len(batch)
            for _ in batch:
                self._lines.popleft()
            if self._is_open:
                self._say_losses()
            if not self._lines:
                self._changed.clear()
                self._emptied.set()
