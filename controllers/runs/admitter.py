"""Admission as the controller lives it: who asks, who gets, who gives back. Shell: the ledger.

Requests and returns are gathered for a moment and written as one. A ledger that was lost is rebuilt
only from what the API server itself lists, while nothing is admitted.
"""

import asyncio
import dataclasses
import datetime as dt
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from controllers import kube, ledger

GATHER_SECONDS: Final = 0.05
# Where every slot is held, several that come back are given away by one write.
FULL_GATHER_SECONDS: Final = 0.25
# Another leader may have written: what is believed of the ledger is at most so old.
REFRESH_SECONDS: Final = 5.0
PAUSE_SECONDS: Final = 1.0
# What keeps a run waiting may change with every run that ends; it is told this often at most.
TOLD_SECONDS: Final = 30.0
_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class Blocked:
    """What keeps a run waiting, as it is told.

    Attributes:
        limit: Which limit it meets first.
        since: Since when.
    """

    limit: ledger.Limit
    since: dt.datetime


class Admitter:
    """Asks the ledger on behalf of runs.

    Args:
        book: The ledger.
        limits: How many runs may be in flight.
        survey: Lists, from the API server itself, the runs that may have work: for a lost ledger.
        wake: Has a run looked at: it got a slot, or learned what it waits for.
        epoch: Of this leader.
        now: Aware UTC time.
        sleep: Waits for seconds.
        weights: Of namespaces.
        on_slots: Told how many slots are held, whenever that was written.
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
    ) -> None:
        self._book, self._limits, self._survey, self._wake = book, limits, survey, wake
        self._epoch, self._now, self._sleep, self._weights = epoch, now, sleep, weights or {}
        self._on_slots = on_slots
        self._known = ledger.Ledger()
        self._waiting: dict[ledger.Uid, ledger.Candidate] = {}
        self._freed: dict[ledger.Uid, int] = {}
        self._blocked: dict[ledger.Uid, Blocked] = {}
        self._changed = asyncio.Event()
        self.opened = asyncio.Event()
        """Set while there is a ledger, as far as is known."""

    @property
    def slots(self) -> Mapping[ledger.Uid, ledger.Slot]:
        """Who has a slot, as far as is known."""
        return self._known.slots

    def holds(self, uid: ledger.Uid, attempt: int | None = None) -> bool:
        """Whether a run, or that attempt of it, has a slot that it did not give back."""
        slot = self._known.slots.get(uid)
        is_held = slot is not None and self._freed.get(uid) != slot.attempt
        return is_held and (slot is None or attempt in {None, slot.attempt})

    def may_start(self, uid: ledger.Uid, attempt: int) -> bool:
        """Whether an attempt may be submitted now.

        While the ledger is lost nothing may: whoever begins it anew takes what is listed for all
        that there is.
        """
        return self.opened.is_set() and self.holds(uid, attempt)

    def blocked(self, uid: ledger.Uid) -> Blocked | None:
        """What keeps a run waiting; None for one that does not wait, or is not known to yet."""
        return self._blocked.get(uid)

    def ask(self, candidate: ledger.Candidate) -> None:
        """Have a run considered until it has a slot, or withdraws."""
        if self._waiting.get(candidate.uid) != candidate:
            self._waiting[candidate.uid] = candidate
            self._changed.set()

    def withdraw(self, uid: ledger.Uid) -> None:
        """Have a run considered no more."""
        self._waiting.pop(uid, None)
        self._blocked.pop(uid, None)

    def free(self, uid: ledger.Uid, attempt: int | None = None) -> None:
        """Give a slot back, if it is that attempt's; that of a run whose work has ended."""
        slot = self._known.slots.get(uid)
        if slot is not None and attempt in {None, slot.attempt}:
            self._freed[uid] = slot.attempt
            self._changed.set()

    async def run(self) -> None:
        """Admit, for as long as this process leads."""
        while True:
            try:
                await self._open()
                self.opened.set()
                while True:
                    await self._until_changed()
                    await self._admit()
            except ledger.BusyError as error:
                _log.warning("admission goes on: %s", error)
            except (kube.KubeError, ledger.CorruptError) as error:
                _log.warning("nothing is admitted: %s", error)
                await self._sleep(PAUSE_SECONDS)

    async def _until_changed(self) -> None:
        """Wait until somebody asks or gives back, and a little for others to do so too."""
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
        """Read the ledger, or rebuild one that is not there or not readable.

        Several may do so at once: whoever begins it first has begun it for all.
        """
        try:
            self._known = await self._book.read()
        except (kube.NotFoundError, ledger.CorruptError) as error:
            _log.info("the ledger is begun anew: %s", error)
            self.opened.clear()
            found = await self._survey()
            if isinstance(error, ledger.CorruptError):
                await self._book.discard(error.resource_version)
            await self._book.begin(found)
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
        for one in candidates:
            slot = self._known.slots.get(one.uid)
            # That of the attempt before may be held for a while (`reaper`): it is waited for.
            has_slot = slot is not None and slot.attempt == one.attempt
            if has_slot:  # also of one that withdrew meanwhile, which is to give it back
                self.withdraw(one.uid)
            is_waiting = one.uid in self._waiting
            if has_slot or (is_waiting and self._has_news(one.uid, blocked.get(one.uid), now)):
                self._wake(kube.Key(one.namespace, one.run))

    def _has_news(self, uid: ledger.Uid, limit: ledger.Limit | None, now: dt.datetime) -> bool:
        """Note what keeps a run waiting; whether that is to be told."""
        known = self._blocked.get(uid)
        if limit is None or (known is not None and known.limit == limit):
            return False
        if known is not None and (now - known.since).total_seconds() < TOLD_SECONDS:
            return False
        self._blocked[uid] = Blocked(limit, now)
        return True
