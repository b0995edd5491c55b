"""Batches slot requests and releases, and writes them to the ledger. Shell: the ledger.

A lost ledger is rebuilt only from lists of the API server, and nothing is admitted meanwhile.
"""

import asyncio
import dataclasses
import datetime as dt
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from controllers import kube, ledger

GATHER_SECONDS: Final = 0.05
# If all slots are held, several freed slots are reassigned by one write.
FULL_GATHER_SECONDS: Final = 0.25
# Another leader may have written: maximum age of the cached ledger.
REFRESH_SECONDS: Final = 5.0
PAUSE_SECONDS: Final = 1.0
# The blocking limit may change with each run that ends; minimum interval of its updates.
TOLD_SECONDS: Final = 30.0
_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class Blocked:
    """The reported limit that blocks a run.

    Attributes:
        limit: The first limit that it hits.
        since: Since when.
    """

    limit: ledger.Limit
    since: dt.datetime


class SlotAllocator:
    """Requests slots for runs.

    Args:
        book: The ledger.
        limits: On runs in flight.
        survey: Lists the runs that may have work from the API server, to rebuild a lost ledger.
        wake: Requests reconciliation of a run that was admitted, or blocked by another limit.
        epoch: Of this leader.
        now: Aware UTC time.
        sleep: Waits for seconds.
        weights: Of namespaces.
        on_slots: Called with the number of held slots after each write.
        on_admitted: Called with each run that got a slot.
    """

    def __init__(
        self,
        book: ledger.Book,
        limits: ledger.Limits,
        survey: Callable[[], Awaitable[ledger.Ledger]],
        wake: Callable[[kube.Key], None],
        *,
        epoch: int,
        now: Callable[[], dt.datetime] = kube.utc_now,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        weights: Mapping[str, float] | None = None,
        on_slots: Callable[[int], None] = lambda _: None,
        on_admitted: Callable[[ledger.Candidate], None] = lambda _: None,
    ) -> None:
        self._book, self._limits, self._survey, self._wake = book, limits, survey, wake
        self._epoch, self._now, self._sleep, self._weights = epoch, now, sleep, weights or {}
        self._on_slots, self._on_admitted = on_slots, on_admitted
        self._known = ledger.Ledger()
        self._waiting: dict[ledger.Uid, ledger.Candidate] = {}
        self._freed: dict[ledger.Uid, int] = {}
        self._blocked: dict[ledger.Uid, Blocked] = {}
        self._changed = asyncio.Event()
        self.opened = asyncio.Event()
        """Set while the ledger exists, as far as known."""

    @property
    def slots(self) -> Mapping[ledger.Uid, ledger.Slot]:
        """The held slots, as far as known."""
        return self._known.slots

    def holds(self, uid: ledger.Uid, attempt: int | None = None) -> bool:
        """Return whether a run, or that attempt of it, holds a slot that was not freed."""
        slot = self._known.slots.get(uid)
        is_held = slot is not None and self._freed.get(uid) != slot.attempt
        return is_held and (slot is None or attempt in {None, slot.attempt})

    def may_start(self, uid: ledger.Uid, attempt: int) -> bool:
        """Return whether an attempt may be submitted now.

        Not while the ledger is lost: it is rebuilt from the listed runs alone.
        """
        return self.opened.is_set() and self.holds(uid, attempt)

    def blocked(self, uid: ledger.Uid) -> Blocked | None:
        """Return the limit that blocks a run; None if it is not queued or not known yet."""
        return self._blocked.get(uid)

    def ask(self, candidate: ledger.Candidate) -> None:
        """Queue a run until it has a slot, or withdraws."""
        if self._waiting.get(candidate.uid) != candidate:
            self._waiting[candidate.uid] = candidate
            self._changed.set()

    def withdraw(self, uid: ledger.Uid) -> None:
        """Remove a run from the queue."""
        self._waiting.pop(uid, None)
        self._blocked.pop(uid, None)

    def free(self, uid: ledger.Uid, attempt: int | None = None) -> None:
        """Free the slot of a run whose work has ended, if it belongs to that attempt."""
        slot = self._known.slots.get(uid)
        if slot is not None and attempt in {None, slot.attempt}:
            self._freed[uid] = slot.attempt
            self._changed.set()

    async def run(self) -> None:
        """Admit runs while this process leads."""
        while True:
            try:
                await self._open()
                self.opened.set()
                while True:
                    await self._until_changed()
                    await self._admit()
            except ledger.BusyError as error:
                _log.warning("ledger update conflicted, retrying: %s", error)
            except (kube.KubeError, ledger.CorruptError) as error:
                _log.warning("admission failed, retrying: %s", error)
                await self._sleep(PAUSE_SECONDS)

    async def _until_changed(self) -> None:
        """Wait for a request or a release, then briefly for more."""
        try:
            async with asyncio.timeout(REFRESH_SECONDS):
                await self._changed.wait()
        except TimeoutError:
            return
        await self._sleep(FULL_GATHER_SECONDS if self._is_full else GATHER_SECONDS)

    @property
    def _is_full(self) -> bool:
        return len(self._known.slots) >= self._limits.cluster

    async def _open(self) -> None:
        """Read the ledger, or rebuild it if it is missing or corrupt.

        Several replicas may do so at once: the first to create it wins.
        """
        try:
            self._known = await self._book.read()
        except (kube.NotFoundError, ledger.CorruptError) as error:
            _log.info("rebuilding the ledger: %s", error)
            self.opened.clear()
            rebuilt = await self._survey()
            if isinstance(error, ledger.CorruptError):
                await self._book.discard(error.resource_version)
            await self._book.begin(rebuilt)
            self._known = await self._book.read()

    async def _admit(self) -> None:
        self._changed.clear()
        freed, candidates = dict(self._freed), [*self._waiting.values()]

        def decide(before: ledger.Ledger) -> tuple[ledger.Ledger, ledger.Decision]:
            decision = ledger.decide(
                before.without(freed),
                candidates,
                self._limits,
                epoch=self._epoch,
                now=self._now().timestamp(),
                weights=self._weights,
            )
            return decision.ledger, decision

        try:
            decision = await self._book.change(decide)
        except BaseException:
            self._changed.set()
            raise
        self._known = decision.ledger
        self._on_slots(len(self._known.slots))
        for uid, attempt in freed.items():
            if self._freed.get(uid) == attempt:
                del self._freed[uid]
        self._tell(candidates, decision)

    def _tell(self, candidates: list[ledger.Candidate], decision: ledger.Decision) -> None:
        now, blocked = self._now(), decision.blocked
        for candidate in candidates:
            slot = self._known.slots.get(candidate.uid)
            # The previous attempt's slot may be held for a while (`reaper`): wait for it.
            has_slot = slot is not None and slot.attempt == candidate.attempt
            if has_slot:  # also if it withdrew meanwhile and has to free it
                self.withdraw(candidate.uid)
                self._on_admitted(candidate)
            is_waiting = candidate.uid in self._waiting
            if has_slot or (
                is_waiting and self._has_news(candidate.uid, blocked.get(candidate.uid), now)
            ):
                self._wake(kube.Key(candidate.namespace, candidate.run))

    def _has_news(self, uid: ledger.Uid, limit: ledger.Limit | None, now: dt.datetime) -> bool:
        """Note the limit that blocks a run; return whether to report it."""
        known = self._blocked.get(uid)
        if limit is None or (known is not None and known.limit == limit):
            return False
        if known is not None and (now - known.since).total_seconds() < TOLD_SECONDS:
            return False
        self._blocked[uid] = Blocked(limit, now)
        return True
