"""How many runs are served before a waiting one. Pure.

The ledger's own ``decide`` is asked again and again while slots are freed one at a time, the one
that is held longest first, as if runs ended in the order in which they started, and none came or
was retried. So the order is the one in which runs would be admitted: it knows all limits, whose
turn it is, and who is overdue.
"""

import collections
import dataclasses
from collections.abc import Callable, Mapping, Sequence

from controllers import ledger


@dataclasses.dataclass(frozen=True)
class Rank:
    """A place in a queue, from 1, and how long the queue is."""

    at: int
    of: int


@dataclasses.dataclass(frozen=True)
class Position:
    """Where a run stands among those that wait.

    Attributes:
        cluster: Among all of them.
        namespace: Among those of its namespace.
        agent: Among those of its agent.
        ends: How many runs have to end before it gets its slot.
    """

    cluster: Rank
    namespace: Rank
    agent: Rank
    ends: int


def position(
    found: ledger.Ledger,
    candidates: Sequence[ledger.Candidate],
    limits: ledger.Limits,
    uid: ledger.Uid,
    *,
    now: float,
    weights: Mapping[str, float] | None = None,
) -> Position | None:
    """Where a run stands; None for one that does not wait, or has a slot.

    Args:
        found: The ledger as it is.
        candidates: All runs that wait.
        limits: How many may be in flight.
        uid: The run.
        now: In seconds since 1970.
        weights: Of namespaces.
    """
    waiting = {one.uid: one for one in candidates if one.uid not in found.slots}
    if uid not in waiting:
        return None
    order, ends = _order(found, waiting, limits, uid, now=now, weights=weights)
    me = waiting[uid]
    before = [waiting[one] for one in order[: order.index(uid)]]

    def rank(is_peer: Callable[[ledger.Candidate], bool]) -> Rank:
        return Rank(sum(map(is_peer, before)) + 1, sum(map(is_peer, waiting.values())))

    return Position(
        cluster=rank(lambda _: True),
        namespace=rank(lambda one: one.namespace == me.namespace),
        agent=rank(lambda one: (one.namespace, one.agent) == (me.namespace, me.agent)),
        ends=ends,
    )


def _order(
    found: ledger.Ledger,
    waiting: Mapping[ledger.Uid, ledger.Candidate],
    limits: ledger.Limits,
    uid: ledger.Uid,
    *,
    now: float,
    weights: Mapping[str, float] | None,
) -> tuple[list[ledger.Uid], int]:
    """Who is admitted, in order, up to a run; and how many runs ended before."""
    order: list[ledger.Uid] = []
    left, ends, book = dict(waiting), 0, found
    # Who was admitted here ends after all that run already, in the order of admission.
    running = collections.deque(sorted(found.slots, key=lambda one: (found.slots[one].since, one)))
    while True:
        decision = ledger.decide(book, [*left.values()], limits, epoch=0, now=now, weights=weights)
        for one in decision.admitted:
            del left[one]
            order.append(one)
            running.append(one)
            if one == uid:
                return order, ends
        # Every limit allows at least one run, so that the last end admits somebody.
        ended = running.popleft()
        book = decision.ledger.without({ended: decision.ledger.slots[ended].attempt})
        ends += 1
