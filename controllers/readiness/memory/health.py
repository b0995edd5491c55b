"""Hysteresis and intervals of the probes of a store. Pure."""

import dataclasses
import datetime as dt
from typing import Final

from controllers import kube
from controllers.runs import json_access, projections
from schemagen.problems import JSON

DEFAULT_INTERVAL_SECONDS: Final = 30
DEFAULT_TIMEOUT_SECONDS: Final = 5
MIN_INTERVAL_SECONDS: Final = 1
# Another result is confirmed sooner than after an interval, so that the condition is right within
# two of them even if both probes run into a timeout of this share.
CONFIRM_SHARE: Final = 0.25
JITTER: Final = 0.2
# A status is not written for each probe: its latency and time are refreshed this often.
REFRESH: Final = dt.timedelta(minutes=5)


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a probe.

    Attributes:
        is_ready: Whether the store can be used.
        reason: Machine-readable.
        message: What was found; contains no secret.
        is_definite: Whether the store itself answered: that needs no confirmation.
        is_invalid: Whether the Memory or its Secret has to be changed.
        latency_ms: Duration of a successful probe.
    """

    is_ready: bool
    reason: str
    message: str
    is_definite: bool = True
    is_invalid: bool = False
    latency_ms: int | None = None


def failure(
    reason: str, message: str, *, is_definite: bool = True, is_invalid: bool = False
) -> Outcome:
    """Return the outcome of a failed probe."""
    return Outcome(
        is_ready=False,
        reason=reason,
        message=message,
        is_definite=is_definite,
        is_invalid=is_invalid,
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Health:
    """Known state of a store.

    Attributes:
        shown: The outcome that the status reports; None before the first probe.
        is_doubted: Whether the last probe contradicts it, and is to be confirmed.
    """

    shown: Outcome | None = None
    is_doubted: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Schedule:
    """When a store is probed.

    Attributes:
        interval_seconds: Between probes.
        timeout_seconds: Deadline of a probe.
    """

    interval_seconds: float = DEFAULT_INTERVAL_SECONDS
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS

    def delay(self, health: Health, rng: float) -> float:
        """Return the delay before the next probe; jitter only shortens it."""
        share = CONFIRM_SHARE if health.is_doubted else 1.0
        return self.interval_seconds * share * (1 - JITTER * rng)


def schedule(spec: JSON) -> Schedule:
    """Return the schedule of a Memory, or the defaults."""
    interval = json_access.seconds(json_access.at(spec, "health", "interval"))
    timeout = json_access.seconds(json_access.at(spec, "health", "timeout"))
    interval = max(interval or DEFAULT_INTERVAL_SECONDS, MIN_INTERVAL_SECONDS)
    return Schedule(interval, min(timeout or DEFAULT_TIMEOUT_SECONDS, interval))


def observe(health: Health, outcome: Outcome) -> Health:
    """Return what is known after a probe: one lost answer is no outage, and one answer no cure."""
    known = health.shown
    if known is None or known.is_ready == outcome.is_ready:
        return Health(outcome)
    is_sure = outcome.is_definite and not outcome.is_ready
    return Health(outcome) if is_sure or health.is_doubted else Health(known, is_doubted=True)


def is_stale(seen: projections.Whole, outcome: Outcome, now: dt.datetime) -> bool:
    """Return whether a status has to show a new message, latency and time of the last check."""
    ready = seen.ready
    if ready is None or ready.reason != outcome.reason:
        return True
    last = kube.time_of(seen.status.last_check_time)
    return last is None or now - last >= REFRESH
