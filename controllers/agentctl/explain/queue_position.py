"""The position of a run in the queue. Pure.

Simulates the ledger's ``decide`` while slots are freed one at a time, longest held first, as if
runs ended in start order and none were added or retried. So the order is the admission order,
including all limits, fairness between namespaces, and ageing.
"""

import collections
import dataclasses
from collections.abc import Callable, Mapping, Sequence

from controllers import ledger


@dataclasses.dataclass(frozen=True)
class Rank:
    """A position in a queue, from 1, and the queue's length."""

    at: int
    of: int


@dataclasses.dataclass(frozen=True)
class Position:
    """The positions of a run in the queues that it is in.

    Attributes:
        cluster: Among all queued runs.
        namespace: Among those of its namespace.
        agent: Among those of its agent.
        ends: Number of runs that must end before it gets a slot.
    """

    cluster: Rank
    namespace: Rank
    agent: Rank
    ends: int


def position(
    current: ledger.Ledger,
    candidates: Sequence[ledger.Candidate],
    limits: ledger.Limits,
    uid: ledger.Uid,
    *,
    now: float,
    weights: Mapping[str, float] | None = None,
) -> Position | None:
    """Return a run's position; None if it is not queued, or has a slot.

    Args:
        current: The current ledger.
        candidates: All queued runs.
        limits: On runs in flight.
        uid: The run.
        now: Unix time in seconds.
        weights: Of namespaces.
    """
    waiting = {
        candidate.uid: candidate for candidate in candidates if candidate.uid not in current.slots
    }
    if uid not in waiting:
        return None
    order, ends = _order(current, waiting, limits, uid, now=now, weights=weights)
    me = waiting[uid]
    before = [waiting[earlier] for earlier in order[: order.index(uid)]]

    def rank(is_peer: Callable[[ledger.Candidate], bool]) -> Rank:
        return Rank(sum(map(is_peer, before)) + 1, sum(map(is_peer, waiting.values())))

    return Position(
        cluster=rank(lambda _: True),
        namespace=rank(lambda other: other.namespace == me.namespace),
        agent=rank(lambda other: (other.namespace, other.agent) == (me.namespace, me.agent)),
        ends=ends,
    )


def _order(
    current: ledger.Ledger,
    waiting: Mapping[ledger.Uid, ledger.Candidate],
    limits: ledger.Limits,
    uid: ledger.Uid,
    *,
    now: float,
    weights: Mapping[str, float] | None,
) -> tuple[list[ledger.Uid], int]:
    """Return the admission order up to a run, and the number of runs that ended before."""
    order: list[ledger.Uid] = []
    left, ends, book = dict(waiting), 0, current
    # Runs admitted here end after those already running, in order of admission.
    running = collections.deque(
        sorted(current.slots, key=lambda admitted: (current.slots[admitted].since, admitted))
    )
    while True:
        decision = ledger.decide(book, [*left.values()], limits, epoch=0, now=now, weights=weights)
        for admitted in decision.admitted:
            del left[admitted]
            order.append(admitted)
            running.append(admitted)
            if admitted == uid:
                return order, ends
        # Each limit allows at least one run, so the last end admits one.
        ended = running.popleft()
        book = decision.ledger.without({ended: decision.ledger.slots[ended].attempt})
        ends += 1
