"""Clocks, which other modules take as arguments. Shell."""

import datetime as dt
import time
from typing import Final


def boot_seconds() -> float:
    """Seconds since boot, including suspend: monotonic."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def utc_now() -> dt.datetime:
    """The wall clock, aware; to be shown and stored, never for timeouts."""
    return dt.datetime.now(dt.UTC)


def time_text(when: dt.datetime) -> str:
    """Format as Kubernetes' Time (most fields): RFC 3339 in UTC, whole seconds."""
    return when.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# Go's zero time has year 1, and Go allows years beyond Python's: neither is a real timestamp.
_YEARS: Final = range(1000, 9000)


def time_of(text: str) -> dt.datetime | None:
    """Parse an API server timestamp; None if it is empty or invalid."""
    try:
        parsed = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return parsed if parsed.tzinfo is not None and parsed.year in _YEARS else None


def micro_time(when: dt.datetime) -> str:
    """Format as Kubernetes' MicroTime (Lease, Event)."""
    return when.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
