"""Attempts that do not run in time, and time that does not count."""

import dataclasses
import datetime as dt
from typing import Any

import pytest

from controllers.runs.planner import observation, planner
from controllers.runs.planner.actions import Action
from controllers.runs.runtimes.base import Progress, Stage
from controllers.runs.work import work
from tests.support.run_world import NOW, agent, observed, related, run

STARTING: dict[str, Any] = {
    "phase": "Starting",
    "reason": "ImagePullBackOff",
    "message": "The pod has not started.",
    "attempt": 1,
    "startTime": "2026-11-28T12:00:00Z",
}


def starting(stage: Stage = Stage.PENDING) -> observation.Observed:
    """A run whose Job has waited for its pod since its submission; the limit is 90 minutes."""
    progress = Progress(stage=stage, reason="ImagePullBackOff", started=NOW)
    body = run(**STARTING)
    prepared = work.prepare(body, related(agent=agent(runDefaults={"startTimeout": "1h30m"})), 1)
    return observed(body, progress=progress, inputs=prepared)


@pytest.mark.parametrize(("minutes", "action"), [(89, None), (90, Action.CANCEL)])
def test_attempt_that_does_not_run_in_time_is_ended(minutes: int, action: Action | None) -> None:
    plan = planner.reconcile(starting(), NOW + dt.timedelta(minutes=minutes))

    assert (action, 60.0 if action is None else None) == (plan.action, plan.requeue_after_seconds)


def test_time_to_start_does_not_pass_while_a_job_may_have_no_pod() -> None:
    seen = starting()
    assert seen.progress is not None
    suspended = dataclasses.replace(seen.progress, started=None)

    plan = planner.reconcile(
        dataclasses.replace(seen, progress=suspended), NOW + dt.timedelta(hours=10)
    )

    assert plan.action is None


def test_attempt_that_did_not_run_in_time_failed_and_says_why() -> None:
    seen = starting(Stage.CANCELLED)

    plan = planner.reconcile(seen, NOW + dt.timedelta(minutes=90))

    assert plan.state is not None
    assert ("Failed", "StartTimedOut") == (plan.state.phase, plan.state.reason)
    assert plan.state.message.endswith("13:30:00+00:00. The pod has not started.")


@pytest.mark.parametrize("spec", [{"cancel": True}, {}])
def test_attempt_that_was_ended_earlier_was_cancelled(spec: dict[str, Any]) -> None:
    seen = observed(run(spec, **STARTING), progress=Progress(stage=Stage.CANCELLED))

    state = planner.reconcile(seen, NOW + dt.timedelta(minutes=59)).state

    assert state is not None
    assert "Cancelled" == state.phase
