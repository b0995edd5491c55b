"""What repeated probes mean."""

import datetime as dt
import random
from typing import Any

import msgspec
import pytest

from controllers import kube
from controllers.readiness.memory import health
from controllers.readiness.memory.health import Health, Outcome, Schedule
from controllers.runs import projections

GOOD = Outcome(is_ready=True, reason="Reachable", message="")
LOST = health.failure("TimedOut", "", is_definite=False)
REFUSED = health.failure("AuthenticationFailed", "")


def observed(*outcomes: Outcome) -> list[bool]:
    """What is shown after each probe."""
    state, shown = Health(), []
    for outcome in outcomes:
        state = health.observe(state, outcome)
        assert state.shown is not None
        shown.append(state.shown.is_ready)
    return shown


def test_first_result_is_shown() -> None:
    assert [True] == observed(GOOD)
    assert [False] == observed(LOST)


def test_one_lost_answer_is_no_outage() -> None:
    assert [True, True, True] == observed(GOOD, LOST, GOOD)
    assert [True, True, False] == observed(GOOD, LOST, LOST)


def test_one_answer_is_no_cure() -> None:
    assert [False, False, False] == observed(LOST, GOOD, LOST)
    assert [False, False, True] == observed(LOST, GOOD, GOOD)


def test_refusal_by_the_store_needs_no_confirmation() -> None:
    assert [True, False] == observed(GOOD, REFUSED)


def test_reason_follows_while_it_is_not_ready() -> None:
    state = health.observe(Health(LOST), REFUSED)

    assert Health(REFUSED) == state


@pytest.mark.parametrize("interval", [1, 30, 3600])
@pytest.mark.parametrize("is_up", [True, False])
def test_change_is_shown_within_two_intervals(interval: int, *, is_up: bool) -> None:
    rng = random.Random(interval)  # noqa: S311 - jitter
    schedule = Schedule(interval, interval / 4)
    before, after = (LOST, GOOD) if is_up else (GOOD, LOST)
    for _ in range(200):
        state = Health(before)
        # The store changes right after a probe, and each probe takes its whole timeout.
        seconds = schedule.delay(state, rng.random()) + schedule.timeout_seconds
        state = health.observe(state, after)
        seconds += schedule.delay(state, rng.random()) + schedule.timeout_seconds
        state = health.observe(state, after)

        assert after == state.shown
        assert seconds <= 2 * interval


def test_schedule_is_the_memorys_own() -> None:
    spec = {"health": {"interval": "1m", "timeout": "7s"}}

    assert Schedule(60, 7) == health.schedule(spec)
    assert Schedule(30, 5) == health.schedule({})
    assert Schedule(3, 3) == health.schedule({"health": {"interval": "3s"}})


def test_latency_is_refreshed_every_five_minutes() -> None:
    now = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)
    condition: dict[str, Any] = {"type": "Ready", "status": "True", "reason": "Reachable"}

    def seen(seconds: int) -> projections.Whole:
        checked = kube.time_text(now - dt.timedelta(seconds=seconds))
        status = {"conditions": [condition], "lastCheckTime": checked}
        body = {"metadata": {"name": "a"}, "spec": {}, "status": status}
        return msgspec.json.decode(msgspec.json.encode(body), type=projections.Whole)

    assert not health.is_stale(seen(299), GOOD, now)
    assert health.is_stale(seen(300), GOOD, now)
    assert health.is_stale(seen(0), REFUSED, now)
