"""Violations are detected by the proofs, at their revision."""

from typing import Any

import pytest

from controllers import kube, ledger
from controllers.ledger import encoding
from controllers.runs import naming, projections
from tests.support import run_invariants
from tests.support.run_invariants import Count, Event

LIMITS = ledger.Limits(0, 0, 2)


def slots(revision: int, *uids: str) -> Event:
    held = {uid: ledger.Slot("ns", "coder", 1, 0.0, uid, 1) for uid in uids}
    body = encoding.config_map(ledger.Ledger(held), LIMITS, ("ns", "run-ledger"))
    body["metadata"]["uid"] = "ledger"
    return Event.of(revision, kube.CONFIG_MAPS, body)


def job(revision: int, uid: str, run: str, *conditions: str, gone: bool = False) -> Event:
    labels = {naming.RUN_LABEL: run}
    said = [{"type": one, "status": "True"} for one in conditions]
    body: dict[str, Any] = {
        "metadata": {"name": uid, "uid": uid, "labels": labels},
        "spec": {},
        "status": {"conditions": said},
    }
    return Event.of(revision, projections.JOBS, body, is_gone=gone)


def run(revision: int, phase: str) -> Event:
    body = {"metadata": {"uid": "a", "name": "a"}, "status": {"phase": phase}}
    return Event.of(revision, projections.RUNS, body)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([slots(1, "a"), job(2, "j", "a"), job(3, "j", "a", "Complete"), slots(4)], []),
        ([slots(1, "a"), job(2, "j", "a"), job(3, "j", "a", gone=True), slots(4)], []),
        ([slots(1), job(2, "j", "a")], ["revision 2: run a has a Job and no slot"]),
        (
            [slots(1, "a"), job(2, "j", "a"), slots(3)],
            ["revision 3: run a has a Job and no slot"],
        ),
        (
            [slots(1, "a"), job(2, "j", "a"), job(3, "k", "a"), job(4, "j", "a", "Failed")],
            ["revision 3: run a has 2 Jobs at work"],
        ),
        ([slots(1, "a", "b", "c")], ["revision 1: 3 slots of 2"]),
        ([run(1, "Failed"), run(2, "Running")], ["revision 2: run a was Failed, and then Running"]),
    ],
    ids=["ended", "gone", "no slot", "freed too early", "two Jobs", "too many", "an end undone"],
)
def test_violations(events: list[Event], expected: list[str]) -> None:
    assert expected == [*run_invariants.violations(events[::-1], LIMITS, Count())]
