"""Parsing and formatting of durations. Pure."""

import datetime as dt

from controllers.agentctl.exits import CommandError
from schemagen.versions import durations

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def seconds(text: str, option: str) -> float:
    """Parse ``90``, ``45s`` or ``1h30m`` as seconds.

    Raises:
        CommandError: It is none of these.
    """
    duration = float(text) if text.isdecimal() and text.isascii() else durations.seconds_of(text)
    if not duration:
        raise CommandError(f"expected a time such as 45s or 1h30m for {option}, got {text!r}")
    return duration


def timeout(text: str, *, waits: bool) -> float | None:
    """Parse ``--timeout`` as seconds; None means no limit.

    Raises:
        CommandError: It is invalid, or given without --wait.
    """
    if not text:
        return None
    if not waits:
        raise CommandError("expected --timeout together with --wait, got --timeout alone")
    return seconds(text, "--timeout")


def span(whole: float) -> str:
    """Format seconds as kubectl formats ages: at most two units, coarser for longer spans."""
    left = max(0, int(whole))
    if left < 2 * _MINUTE:
        return f"{left}s"
    if left < 2 * _HOUR:
        minutes, rest = divmod(left, _MINUTE)
        return f"{minutes}m{rest}s" if rest and minutes < 10 else f"{minutes}m"  # noqa: PLR2004
    if left < 2 * _DAY:
        hours, rest = divmod(left, _HOUR)
        minutes = rest // _MINUTE
        return f"{hours}h{minutes}m" if minutes and hours < 8 else f"{hours}h"  # noqa: PLR2004
    return f"{left // _DAY}d"


def since(when: dt.datetime | None, now: dt.datetime) -> str:
    """Format the age of a time; ``unknown`` for None."""
    return "unknown" if when is None else span((now - when).total_seconds())
