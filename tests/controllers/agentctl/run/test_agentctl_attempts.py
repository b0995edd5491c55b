"""Formatting of a run's attempts."""

import datetime as dt
from typing import Any

from controllers.agentctl.run import attempts

NOW = dt.datetime(2026, 1, 2, 3, 6, 0, tzinfo=dt.UTC)
FIRST = {
    "number": 1,
    "phase": "Failed",
    "reason": "OOMKilled",
    "message": "The container exceeded its memory limit.",
    "exitCode": 137,
    "jobRef": {"name": "run-a"},
    "startTime": "2026-01-02T03:04:05Z",
    "completionTime": "2026-01-02T03:04:35Z",
}
SECOND = {
    "phase": "Running",
    "reason": "Running",
    "attempt": 2,
    "runtimeRef": {"name": "run-b"},
    "startTime": "2026-01-02T03:05:00Z",
}


def run(**status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "fix", "namespace": "team"}, "status": status}


def test_attempts_that_failed_and_the_one_under_way_are_a_table() -> None:
    found = attempts.attempts(run(**SECOND, attempts=[FIRST]))

    assert [
        ["ATTEMPT", "PHASE", "REASON", "EXIT", "CODE", "JOB", "STARTED", "TOOK", "MESSAGE"],
        [
            *("1", "Failed", "OOMKilled", "137", "run-a", "2026-01-02T03:04:05Z", "30s"),
            *["The", "container", "exceeded", "its", "memory", "limit."],
        ],
        ["2", "Running", "Running", "<none>", "run-b", "2026-01-02T03:05:00Z", "60s"],
    ] == [line.split() for line in attempts.as_text(found, NOW).splitlines()]


def test_attempts_are_objects_without_what_is_not_known() -> None:
    found = run(**SECOND, attempts=[FIRST])

    assert {
        "namespace": "team",
        "name": "fix",
        "attempts": [
            FIRST,
            {
                "number": 2,
                "phase": "Running",
                "reason": "Running",
                "jobRef": {"name": "run-b"},
                "startTime": "2026-01-02T03:05:00Z",
            },
        ],
    } == attempts.as_json(found, attempts.attempts(found))


def test_last_attempt_of_a_run_that_has_ended_is_shown_once() -> None:
    last = {**FIRST, "number": 2, "jobRef": {"name": "run-b"}}
    status = {"phase": "Failed", "attempt": 2, "runtimeRef": {"name": "run-b"}}

    found = attempts.attempts(run(**status, attempts=[FIRST, last]))

    assert [(1, "run-a"), (2, "run-b")] == [(one.number, one.job) for one in found]


def test_attempt_of_a_status_that_remembers_none_is_shown() -> None:
    status = {
        "phase": "Failed",
        "reason": "RunnerFailed",
        "attempt": 1,
        "runner": {"exitCode": 3},
        "runtimeRef": {"name": "run-a"},
    }

    (found,) = attempts.attempts(run(**status))

    assert (1, "RunnerFailed", 3, "run-a") == (
        found.number,
        found.reason,
        found.exit_code,
        found.job,
    )


def test_run_that_waits_for_its_first_attempt_has_none() -> None:
    assert () == attempts.attempts(run(phase="Pending", reason="ConcurrencyLimit"))
    assert () == attempts.attempts(run())


def test_run_that_waits_for_its_next_attempt_has_those_before() -> None:
    found = attempts.attempts(run(phase="Pending", attempt=1, attempts=[FIRST]))

    assert [1] == [one.number for one in found]
