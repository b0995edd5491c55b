"""Clocks, which are arguments everywhere else. Shell."""

import datetime as dt
import time
from typing import Final


def boot_seconds() -> float:
    """Seconds since the machine started, those included in which it slept: they never jump."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def utc_now() -> dt.datetime:
    """The wall clock, aware; for what is shown and stored, never for what waits."""
    return dt.datetime.now(dt.UTC)


def time_text(when: dt.datetime) -> str:
    """An instant as Kubernetes' Time (most fields): RFC 3339 in UTC, whole seconds."""
    return when.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# Go's zero time is of year 1, and its years go on where Python's end: neither is when a thing was.
_YEARS: Final = range(1000, 9000)


def time_of(text: str) -> dt.datetime | None:
    """An instant that the API server wrote; None for an empty text, and for what is no instant."""
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None and found.year in _YEARS else None


def micro_time(when: dt.datetime) -> str:
    """An instant as Kubernetes' MicroTime (Lease, Event)."""
    return when.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
