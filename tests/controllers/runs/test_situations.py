"""The table of situations, and the checks of their trials."""

import collections
from typing import Any

import pytest

from tests.support.situations import happenings, trials
from tests.support.situations.given import Given
from tests.support.situations.situation import Expected, Situation, refused
from tests.support.situations.table import SITUATIONS

STEPS = (happenings.runs(), happenings.Until("Running"), happenings.ends())


def conditions(**said: bool) -> list[dict[str, str]]:
    return [{"type": name, "status": str(holds)} for name, holds in said.items()]


def test_situations_are_many_and_each_has_a_name_of_its_own() -> None:
    names = collections.Counter(one.name for one in SITUATIONS)

    assert [] == [name for name, count in names.items() if count > 1]
    assert len(names) >= 200
    assert all(one.runtimes for one in SITUATIONS)


def test_situation_is_disturbed_at_every_point() -> None:
    situation = Situation(name="one", happens=STEPS, runtimes=("job",))

    found = [(one.kind, one.at) for one in trials.trials([situation])]

    points = [(kind, at) for at in range(4) for kind in ("cancelled", "deleted")]
    # A controller is there for what is only looked at.
    assert [("ends", 0), *points, ("away", 0), ("away", 2)] == found


def test_situation_is_tried_on_each_of_its_runtimes() -> None:
    found = [str(one) for one in trials.trials([Situation(name="one", expected=refused("spec"))])]

    assert ["one (job, ends)", "one (local, ends)"] == found


@pytest.mark.parametrize(
    ("status", "wrong"),
    [
        ({"phase": "Succeeded", "conditions": conditions(Succeeded=True, Failed=False)}, ""),
        ({"phase": "Running", "conditions": conditions(InProgress=True, Admitted=True)}, ""),
        ({"phase": "Pending", "conditions": conditions(Blocked=True)}, ""),
        ({}, ""),
        (
            {"phase": "Failed", "conditions": conditions(Failed=True, Succeeded=True)},
            "expected endings {'Failed'} of phase Failed, got ",
        ),
        (
            {"phase": "Failed", "conditions": conditions(Failed=False)},
            "expected endings {'Failed'} of phase Failed, got none",
        ),
        (
            {"phase": "Failed", "conditions": conditions(Failed=True, InProgress=True)},
            "expected nothing of phase Failed to go on",
        ),
        (
            {"phase": "Pending", "conditions": conditions(Failed=True)},
            "expected endings none of phase Pending, got {'Failed'}",
        ),
        (
            {"phase": "Pending", "conditions": conditions(InProgress=True)},
            "expected a Pending run not to go on",
        ),
    ],
)
def test_status_that_contradicts_itself_is_noticed(status: dict[str, Any], wrong: str) -> None:
    found = happenings.contradictions(status)

    assert found.startswith(wrong)
    assert bool(found) == bool(wrong)


@pytest.mark.parametrize(
    ("found", "wrong"),
    [
        ({"a": 1, "b": [{"c": 2, "d": 3}]}, ""),
        ({"a": 1, "b": [{"c": 3}]}, "expected 2 at status.b[0].c, got 3"),
        ({"a": 1, "b": []}, "expected 1 items at status.b, got []"),
        ({"b": [{"c": 2}]}, "expected 1 at status.a, got None"),
        ({"a": 1}, "expected 1 items at status.b, got null"),
    ],
)
def test_status_that_lacks_something_is_noticed(found: dict[str, Any], wrong: str) -> None:
    assert wrong == trials.different({"a": 1, "b": [{"c": 2}]}, found, "status")


def test_run_is_given_what_a_situation_changes_and_nothing_that_it_takes_away() -> None:
    given = Given(run={"priority": 3, "implementation": None}, version="v1alpha1")

    body = given.run_body()

    assert {"agentRef": {"name": "coder"}, "runtime": {"type": "job"}, "priority": 3} == body[
        "spec"
    ]
    assert "agents.proompteng.ai/v1alpha1" == body["apiVersion"]


def test_one_of_several_reasons_is_enough() -> None:
    expected = Expected(phase="Failed", reason="TimedOut|DeadlineExceeded")

    assert {("Failed", "TimedOut"), ("Failed", "DeadlineExceeded")} == expected.endings
