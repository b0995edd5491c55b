"""Spans of time, read and said. Pure."""

import datetime as dt

from controllers.agentctl.exits import CommandError
from schemagen.versions import steps

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def seconds(text: str, option: str) -> float:
    """The seconds of ``90``, ``45s`` or ``1h30m``.

    Raises:
        CommandError: It is none of these.
    """
    found = float(text) if text.isdecimal() and text.isascii() else steps.seconds_of(text)
    if not found:
        raise CommandError(f"expected a time such as 45s or 1h30m for {option}, got {text!r}")
    return found


def timeout(text: str, *, waits: bool) -> float | None:
    """The seconds of ``--timeout``; None is for ever.

    Raises:
        CommandError: It is no time, or nothing is waited for.
    """
    if not text:
        return None
    if not waits:
        raise CommandError("expected --timeout together with --wait, got it alone")
    return seconds(text, "--timeout")


def span(whole: float) -> str:
    """Seconds as kubectl says an age: two units at most, coarser the longer it is."""
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
    """How long ago an instant is; ``unknown`` for None."""
    return "unknown" if when is None else span((now - when).total_seconds())
