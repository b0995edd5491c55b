"""A queued run's position is its admission order if runs end in start order."""

import random
import time

import hypothesis
from hypothesis import strategies

from controllers.agentctl.explain import queue_position
from controllers.agentctl.explain.queue_position import Position, Rank
from controllers.ledger import Candidate, Ledger, Limits, Slot, decide


def held(*names: str) -> Ledger:
    """``team/agent``, longest held first."""
    slots = {}
    for at, name in enumerate(names):
        team, agent = name.split("/")
        slots[f"held-{at}"] = Slot(team, agent, 1, float(at), f"held-{at}")
    return Ledger(slots)


def waiting(*names: str) -> list[Candidate]:
    """``team/agent/uid`` or ``team/agent/uid/priority``, longest queued first."""
    parts = [name.split("/") for name in names]
    return [
        Candidate(uid, team, agent, int(*rest) if rest else 0, float(at))
        for at, (team, agent, uid, *rest) in enumerate(parts)
    ]


def where(
    found: Ledger, candidates: list[Candidate], uid: str, limits: Limits | None = None
) -> Position | None:
    return queue_position.position(found, candidates, limits or Limits(10, 1, 100), uid, now=100.0)


def test_first_of_its_agent_is_served_when_the_agents_run_ends() -> None:
    found = where(held("x/a"), waiting("x/a/one", "x/a/two"), "one")

    assert Position(Rank(1, 2), Rank(1, 2), Rank(1, 2), ends=1) == found


def test_who_comes_after_waits_for_those_before_to_run_and_end() -> None:
    found = where(held("x/a"), waiting("x/a/one", "x/a/two"), "two")

    assert Position(Rank(2, 2), Rank(2, 2), Rank(2, 2), ends=2) == found


def test_higher_priority_goes_first() -> None:
    found = where(held("x/a"), waiting("x/a/one", "x/a/two/5"), "one")

    assert Position(Rank(2, 2), Rank(2, 2), Rank(2, 2), ends=2) == found


def test_ranks_count_peers_only() -> None:
    candidates = waiting("x/a/xa1", "x/a/xa2", "x/b/xb1", "y/a/ya1")
    limits = Limits(0, 0, 2)

    found = where(held("x/a", "x/a"), candidates, "xa2", limits)

    # Namespaces take turns, and within x the agent with the fewest runs comes first.
    assert found is not None
    assert (Rank(2, 2), Rank(3, 3)) == (found.agent, found.namespace)
    assert 4 == found.cluster.of


def test_run_for_which_there_is_room_need_not_wait_for_an_end() -> None:
    found = where(held(), waiting("x/a/one"), "one")

    assert Position(Rank(1, 1), Rank(1, 1), Rank(1, 1), ends=0) == found


def test_run_with_a_slot_or_that_does_not_wait_has_no_position() -> None:
    assert where(held("x/a"), waiting("x/a/held-0"), "held-0") is None
    assert where(held("x/a"), waiting("x/a/one"), "other") is None


@hypothesis.given(
    strategies.lists(strategies.sampled_from(["x/a", "x/b", "y/a", "z/a"]), max_size=8),
    strategies.lists(
        strategies.tuples(
            strategies.sampled_from(["x/a", "x/b", "y/a", "z/a"]), strategies.integers(0, 2)
        ),
        min_size=1,
        max_size=8,
    ),
    strategies.builds(
        Limits, strategies.integers(0, 3), strategies.integers(0, 2), strategies.integers(1, 6)
    ),
)
def test_positions_are_the_order_in_which_runs_are_admitted(
    slots: list[str], wanted: list[tuple[str, int]], limits: Limits
) -> None:
    names = [f"{name}/run-{at}/{priority}" for at, (name, priority) in enumerate(wanted)]
    candidates, book = waiting(*names), held(*slots)

    found = {
        one.uid: queue_position.position(book, candidates, limits, one.uid, now=100.0)
        for one in candidates
    }

    served = sorted(found, key=lambda uid: found[uid].cluster.at)  # type: ignore[union-attr] # all wait
    assert served == lived(book, candidates, limits)
    assert [*range(1, len(wanted) + 1)] == [found[uid].cluster.at for uid in served]  # type: ignore[union-attr] # likewise
    for peers in (lambda one: one.namespace, lambda one: (one.namespace, one.agent)):
        groups = {peers(one) for one in candidates}
        for group in groups:
            mine = [
                uid
                for uid in served
                for one in candidates
                if one.uid == uid and peers(one) == group
            ]
            kind = "namespace" if isinstance(group, str) else "agent"
            ranks = [getattr(found[uid], kind) for uid in mine]
            assert [Rank(at, len(mine)) for at in range(1, len(mine) + 1)] == ranks


def lived(book: Ledger, candidates: list[Candidate], limits: Limits) -> list[str]:
    """The admission order of a cluster simulated second by second."""
    order: list[str] = []
    ages = [*book.slots]
    while len(order) < len(candidates):
        left = [one for one in candidates if one.uid not in order]
        decision = decide(book, left, limits, epoch=9, now=100.0)
        order += decision.admitted
        ages += decision.admitted
        book = decision.ledger
        if ages:
            gone = ages.pop(0)
            book = book.without({gone: book.slots[gone].attempt})
    return order


def test_long_queue_is_ranked_in_the_time_of_a_command() -> None:
    rng = random.Random(1)  # noqa: S311 - no secret
    names = [f"team-{rng.randrange(20)}/agent-{rng.randrange(5)}" for _ in range(1100)]
    book, candidates = (
        held(*names[:100]),
        waiting(*(f"{name}/run-{at}" for at, name in enumerate(names[100:]))),
    )
    started = time.process_time()

    found = where(book, candidates, "run-999", Limits(10, 5, 100))

    assert found is not None
    assert time.process_time() - started < 15
