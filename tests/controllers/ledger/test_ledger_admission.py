"""Free slots are assigned within limits, in turns, without starvation."""

import collections
import dataclasses
import random
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies

from controllers.ledger import admission
from controllers.ledger.admission import Candidate, Ledger, Limit, Limits, Slot


def ledger(*held: tuple[str, str]) -> Ledger:
    slots = {f"held-{number}": Slot(*one, 1, 0.0) for number, one in enumerate(held)}
    return Ledger(slots)


def decide(
    found: Ledger, candidates: list[Candidate], limits: Limits, now: float = 0.0, **weights: float
) -> admission.Decision:
    return admission.decide(found, candidates, limits, epoch=2, now=now, weights=weights)


def waiting(*names: str, **fields: Any) -> list[Candidate]:
    """``team/agent/uid``."""
    parts = [name.split("/") for name in names]
    return [Candidate(uid, team, agent, **fields) for team, agent, uid in parts]


@hypothesis.given(
    strategies.lists(
        strategies.tuples(strategies.sampled_from("xyz"), strategies.sampled_from("ab"))
    ),
    strategies.lists(
        strategies.tuples(strategies.sampled_from("xyz"), strategies.sampled_from("ab"))
    ),
    strategies.builds(
        Limits, strategies.integers(0, 4), strategies.integers(0, 3), strategies.integers(1, 9)
    ),
)
def test_limits_hold_and_no_slot_stays_free_that_somebody_could_have(
    held: list[tuple[str, str]], wanted: list[tuple[str, str]], limits: Limits
) -> None:
    before = ledger(*held)
    candidates = [Candidate(f"new-{number}", *one) for number, one in enumerate(wanted)]

    found = decide(before, candidates, limits)

    slots = found.ledger.slots
    assert {*before.slots} | {*found.admitted} == {*slots}
    assert {one.uid for one in candidates} == {*found.admitted} | {*found.blocked}
    for uid in found.admitted:
        slot = slots[uid]
        teams = [one for one in slots.values() if one.namespace == slot.namespace]
        agents = [one for one in teams if one.agent == slot.agent]
        assert len(slots) <= limits.cluster
        assert not limits.namespace or len(teams) <= limits.namespace
        assert not limits.agent or len(agents) <= limits.agent
    for one in candidates:
        if one.uid in found.blocked:
            teams = [slot for slot in slots.values() if slot.namespace == one.namespace]
            agents = [slot for slot in teams if slot.agent == one.agent]
            true = {
                Limit.AGENT: limits.agent and len(agents) >= limits.agent,
                Limit.NAMESPACE: limits.namespace and len(teams) >= limits.namespace,
                Limit.CLUSTER: len(slots) >= limits.cluster,
            }
            assert true[found.blocked[one.uid]]
    assert found == decide(before, candidates, limits)


def test_namespaces_take_turns_also_from_one_decision_to_the_next() -> None:
    limits = Limits(namespace=0, agent=0, cluster=1)
    left = waiting("x/a/x1", "x/a/x2", "x/a/x3", "y/a/y1", "z/a/z1")
    found = Ledger()
    order: list[str] = []

    for _ in range(5):
        decision = decide(found, left, limits)
        order += decision.admitted
        left = [one for one in left if one.uid not in order]
        found = decision.ledger.without(dict.fromkeys(order, 1))

    assert ["x1", "y1", "z1", "x2", "x3"] == order


def test_weight_gives_more_of_each_round() -> None:
    limits = Limits(namespace=0, agent=0, cluster=6)
    candidates = waiting(*(f"{team}/a/{team}{number}" for team in "xy" for number in range(9)))

    found = decide(Ledger(), candidates, limits, x=2.0)

    assert ("x0", "x1", "y0", "x2", "x3", "y1") == found.admitted


def test_turn_that_a_full_cluster_cut_short_goes_on() -> None:
    limits = Limits(namespace=0, agent=0, cluster=1)
    left = waiting(*(f"{team}/a/{team}{number}" for team in "xy" for number in range(4)))
    found = Ledger()
    order: list[str] = []

    for _ in range(6):
        decision = decide(found, left, limits, x=2.0)
        order += decision.admitted
        left = [one for one in left if one.uid not in order]
        found = decision.ledger.without(dict.fromkeys(order, 1))

    assert ["x0", "x1", "y0", "x2", "x3", "y1"] == order


def test_agent_with_fewer_in_flight_then_priority_then_age() -> None:
    limits = Limits(namespace=0, agent=0, cluster=4)
    candidates = [
        Candidate("busy", "x", "busy", priority=9, created=0),
        Candidate("late", "x", "idle", priority=1, created=2),
        Candidate("early", "x", "idle", priority=1, created=1),
        Candidate("urgent", "x", "idle", priority=5, created=3),
    ]

    found = decide(ledger(("x", "busy"), ("x", "busy")), candidates, limits, now=3.0)

    assert ("urgent", "early") == found.admitted


def test_who_waited_long_goes_first() -> None:
    now = admission.OVERDUE_SECONDS
    candidates = [
        Candidate("overdue", "x", "busy", priority=0, created=0),
        Candidate("urgent", "x", "idle", priority=9, created=1),
    ]

    found = decide(ledger(("x", "busy")), candidates, Limits(cluster=2), now=now)

    assert ("overdue",) == found.admitted


@pytest.mark.parametrize("seed", range(5))
def test_nobody_starves_beside_those_who_keep_coming(seed: int) -> None:
    """A patient run of low priority, among namespaces and agents that keep submitting."""
    rng = random.Random(seed)  # noqa: S311 - arrivals
    limits, found, now = Limits(namespace=4, agent=2, cluster=6), Ledger(), 0.0
    patient = Candidate("patient", "x", "a", priority=-1, created=0.0)
    left = [patient]
    for number in range(4_000):
        now += 1.0
        left += [
            Candidate(f"{number}-{each}", team, agent, priority=5, created=now)
            for each, (team, agent) in enumerate([("x", "a"), ("x", "b"), ("y", "a"), ("z", "c")])
            if sum((one.namespace, one.agent) == (team, agent) for one in left) < 20
        ]
        decision = decide(found, left, limits, now=now)
        if patient.uid in decision.admitted:
            break
        left = [one for one in left if one.uid not in decision.ledger.slots]
        ended = [uid for uid in decision.ledger.slots if rng.random() < 0.2]
        found = decision.ledger.without(dict.fromkeys(ended, 1))

    assert now < admission.OVERDUE_SECONDS + 60


def test_run_that_has_a_slot_is_passed_over() -> None:
    held = ledger(("x", "a"))

    found = decide(held, [Candidate("held-0", "x", "a")], Limits())

    assert dataclasses.replace(held) == found.ledger
    assert ((), {}) == (found.admitted, found.blocked)


def test_lowered_limit_evicts_nobody() -> None:
    held = ledger(*[("x", "a")] * 4)

    found = decide(held, waiting("x/a/new"), Limits(namespace=1, agent=1, cluster=1))

    assert 4 == len(found.ledger.slots)
    assert {"new": Limit.AGENT} == found.blocked


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"cluster": 0}, "expected a cluster limit of 1 to 5000 runs, got 0"),
        ({"cluster": 5_001}, "expected a cluster limit of 1 to 5000 runs, got 5001"),
        ({"namespace": -1}, r"expected a limit of 0 \(off\) or more runs per namespace"),
        ({"agent": -1}, r"expected a limit of 0 \(off\) or more runs per agent"),
    ],
)
def test_limits_that_make_no_sense_are_refused(fields: dict[str, int], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Limits(**fields)


def test_many_wait_and_one_decision_is_quick_enough_to_make_often() -> None:
    """5,000 queued runs; operations are counted, not seconds."""
    candidates = [
        Candidate(f"{n}", f"ns{n % 40}", f"a{n % 3}", created=float(n)) for n in range(5_000)
    ]

    found = decide(Ledger(), candidates, Limits())

    teams = collections.Counter(slot.namespace for slot in found.ledger.slots.values())
    assert 100 == len(found.admitted)
    assert {2, 3} == {*teams.values()}
