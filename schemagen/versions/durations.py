"""Durations as text: ``1h30m``."""

import re

_DURATION = re.compile(r"(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)s)?")
# Longer strings exceed int64; int() would take quadratic time on them.
MAX_DURATION_CHARACTERS = 64


def text_of(seconds: int) -> str:
    """Return ``1h30m`` for ``5400``: largest unit first, zero units omitted, ``0s`` for zero."""
    hours, rest = divmod(seconds, 3600)
    minutes, left = divmod(rest, 60)
    text = "".join(f"{n}{unit}" for n, unit in ((hours, "h"), (minutes, "m"), (left, "s")) if n)
    return text or "0s"


def seconds_of(text: str) -> int | None:
    """Return ``5400`` for ``1h30m``; None unless it is a duration in whole seconds."""
    if not text or not text.isascii() or len(text) > MAX_DURATION_CHARACTERS:
        return None
    found = _DURATION.fullmatch(text)
    if found is None:
        return None
    hours, minutes, seconds = (int(group or 0) for group in found.groups())
    return hours * 3600 + minutes * 60 + seconds
