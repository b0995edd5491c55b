"""Plans for deleted runs, whose work may be unreachable."""

import datetime as dt
from typing import Any

import pytest

from controllers.runs import projections, run_status
from controllers.runs.api_constants import EventReason
from controllers.runs.planner import actions, planner
from controllers.runs.planner.actions import Action
from controllers.runs.runtimes.base import Code, Progress, RuntimeFault, Stage
from tests.support.run_world import NOW, RUNNING, observed, run

FINALIZER = ["agents.proompteng.ai/runtime"]


def deleted(**changes: Any) -> dict[str, Any]:
    body = run(**changes)
    body["metadata"] |= {"deletionTimestamp": "2026-11-28T12:00:00Z", "finalizers": FINALIZER}
    return body


@pytest.mark.parametrize(
    ("body", "progress", "has_slot", "expected"),
    [
        (deleted(**RUNNING), Stage.RUNNING, True, Action.CANCEL),
        (deleted(**RUNNING), Stage.CANCELLING, True, None),
        (deleted(**RUNNING), Stage.CANCELLED, True, Action.FREE),
        (deleted(**RUNNING), Stage.CANCELLED, False, Action.REMOVE_FINALIZER),
        (deleted(), None, True, Action.CANCEL),
        (deleted(), None, False, Action.REMOVE_FINALIZER),
        (deleted(phase="Succeeded"), None, False, Action.REMOVE_FINALIZER),
        (deleted(phase="Succeeded"), None, True, Action.REMOVE_FINALIZER),
    ],
)
def test_deleted_run_goes_when_nothing_of_it_runs(
    *, body: dict[str, Any], progress: Stage | None, has_slot: bool, expected: Action | None
) -> None:
    seen = observed(
        body, has_slot=has_slot, progress=Progress(stage=progress) if progress else None
    )

    assert expected is planner.reconcile(seen, NOW).action


GONE = RuntimeFault(Code.RETRYABLE, "expected an answer from https://gone.example, got none.")


BLOCKED = (
    "The work of the deleted run cannot be stopped. Once it is known to have ended, release "
    "the run with `agentctl run release fix -n team`: expected an answer from "
    "https://gone.example, got none."
)


@pytest.mark.parametrize(
    ("seconds", "reason", "state", "events"),
    [
        (599, "Running", None, ()),
        (
            600,
            "Running",
            BLOCKED,
            (actions.Event(EventReason.CLEANUP_BLOCKED, BLOCKED, is_warning=True),),
        ),
        (9000, "CleanupBlocked", BLOCKED, ()),
    ],
)
def test_deleted_run_whose_endpoint_is_gone_names_the_way_out_after_a_while(
    seconds: int, reason: str, state: str | None, events: tuple[actions.Event, ...]
) -> None:
    body = deleted(**{**RUNNING, "reason": reason})
    now = NOW + dt.timedelta(seconds=seconds)

    plan = planner.reconcile(observed(body, has_slot=True, unreachable=GONE), now)

    assert (None, events, 15.0) == (plan.action, plan.events, plan.requeue_after_seconds)
    assert state == (plan.state and plan.state.message)
    if plan.state:
        status = run_status.written(plan.state, projections.of(projections.Run, body), now)
        assert status is not None
        (condition,) = [one for one in status["conditions"] if one["type"] == "CleanupBlocked"]
        assert ("True", "CleanupBlocked", BLOCKED) == (
            *(condition["status"], condition["reason"], condition["message"]),
        )
