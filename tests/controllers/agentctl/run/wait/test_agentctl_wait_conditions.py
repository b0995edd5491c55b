"""The end of a wait, its exit code, and the output until then."""

import datetime as dt
from typing import Any

import pytest

from controllers.agentctl.exits import Exit
from controllers.agentctl.run.wait import wait_conditions
from controllers.runs import projections

NOW = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)


def run(spec: dict[str, Any] | None = None, **status: Any) -> projections.Run:
    metadata = {"name": "fix", "namespace": "team", "uid": "u"}
    return projections.of(
        projections.Run, {"metadata": metadata, "spec": spec or {}, "status": status}
    )


@pytest.mark.parametrize(
    ("phase", "wish", "code"),
    [
        ("Succeeded", "succeeded", Exit.OK),
        ("Failed", "succeeded", Exit.UNSATISFIED),
        ("Cancelled", "succeeded", Exit.UNSATISFIED),
        ("Running", "succeeded", None),
        ("Pending", "succeeded", None),
        ("", "succeeded", None),
        ("Succeeded", "ended", Exit.OK),
        ("Failed", "ended", Exit.OK),
        ("Cancelled", "ended", Exit.OK),
        ("Running", "ended", None),
        ("Running", "running", Exit.OK),
        ("Succeeded", "running", Exit.OK),
        ("Failed", "running", Exit.UNSATISFIED),
        ("Cancelled", "running", Exit.UNSATISFIED),
        ("Pending", "running", None),
        ("Starting", "running", None),
        ("Starting", "ended", None),
        ("Template", "ended", Exit.WRONG),
    ],
)
def test_verdict(phase: str, wish: wait_conditions.Target, code: Exit | None) -> None:
    found = wait_conditions.verdict(run(phase=phase), "u", wish)

    assert code == (found.code if found else None)


def test_template_is_not_waited_for_before_its_controller_says_so() -> None:
    found = wait_conditions.verdict(run({"purpose": "Template"}), "u", "ended")

    assert found is not None
    assert Exit.WRONG == found.code


@pytest.mark.parametrize("seen", [None, run(phase="Succeeded")], ids=["gone", "made-anew"])
def test_run_that_was_deleted_is_not_as_wished(seen: projections.Run | None) -> None:
    found = wait_conditions.verdict(seen, "another", "ended")

    assert wait_conditions.Verdict(Exit.UNSATISFIED, "was deleted") == found


def test_outcome_has_reason_and_message() -> None:
    failed = run(phase="Failed", reason="JobFailed", message="Exit code 3.")

    assert "Failed (JobFailed): Exit code 3." == wait_conditions.outcome(failed)
    assert "Succeeded" == wait_conditions.outcome(run(phase="Succeeded"))


@pytest.mark.parametrize(
    ("status", "still", "live"),
    [
        (
            {},
            "Pending: no controller has reconciled the run yet",
            "Pending: no controller has reconciled the run yet",
        ),
        (
            {
                "phase": "Pending",
                "reason": "ConcurrencyLimit",
                "queue": {"blockedBy": "Agent", "since": "2026-01-02T03:02:05Z"},
            },
            "Pending (ConcurrencyLimit): blocked by the agent's limit, since 2026-01-02T03:02:05Z",
            "Pending (ConcurrencyLimit): blocked by the agent's limit, for 2m",
        ),
        (
            {
                "phase": "Starting",
                "reason": "ImagePullBackOff",
                "message": "no such image",
                "attempt": 1,
                "startTime": "2026-01-02T03:04:00Z",
            },
            "Starting (ImagePullBackOff): since 2026-01-02T03:04:00Z, no such image",
            "Starting (ImagePullBackOff): for 5s, no such image",
        ),
        (
            {
                "phase": "Running",
                "reason": "Running",
                "attempt": 2,
                "startTime": "2026-01-02T03:04:00Z",
            },
            "Running (Running): attempt 2, since 2026-01-02T03:04:00Z",
            "Running (Running): attempt 2, for 5s",
        ),
        (
            {
                "phase": "Pending",
                "reason": "Retrying",
                "message": "It failed.",
                "nextAttemptTime": "2026-01-02T03:05:00Z",
            },
            "Pending (Retrying): It failed., the next attempt at 2026-01-02T03:05:00Z",
            "Pending (Retrying): It failed., the next attempt at 2026-01-02T03:05:00Z",
        ),
    ],
)
def test_line_on_how_a_run_stands(status: dict[str, Any], still: str, live: str) -> None:
    assert still == wait_conditions.state_line(run(**status), None)
    assert live == wait_conditions.state_line(run(**status), NOW)
