"""Access to JSON values, durations and times. Pure."""

import datetime as dt
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from schemagen.problems import JSON
from schemagen.versions import durations


def at(value: JSON, *names: str) -> Any:
    """Return a nested value; None if a member is missing."""
    for name in names:
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def present(fields: Mapping[str, JSON]) -> dict[str, JSON]:
    """Return the fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


# kubectl reads 10,000 levels, orjson 254; real settings have fewer than these.
MAX_DEPTH: Final = 32


def is_plain(value: JSON, max_depth: int = MAX_DEPTH) -> bool:
    """Return whether all JSON readers accept a value, and interpret it alike.

    That is: a bounded depth, and numbers that are int64 or finite.
    """
    level: list[JSON] = [value]
    for _ in range(max_depth + 1):
        if not all(_is_plain_number(item) for item in level):
            return False
        level = [item for each in level for item in _items(each)]
        if not level:
            return True
    return False


def _is_plain_number(value: JSON) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return not isinstance(value, int) or -(2**63) <= value < 2**63


def _items(value: JSON) -> Iterable[JSON]:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list) else ()


def instant(text: JSON) -> dt.datetime | None:
    """Parse a time with offset; None if it is invalid.

    Years at the ends of the calendar are invalid, because arithmetic on them overflows.
    """
    if not isinstance(text, str) or not _RFC_3339.fullmatch(text):
        return None
    try:
        when = dt.datetime.fromisoformat(text)
        is_usual = _FIRST <= when <= _LAST
    except (ValueError, OverflowError):
        return None
    return when if is_usual else None


# Python accepts more formats than RFC 3339.
_RFC_3339: Final = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII
)
_FIRST: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_LAST: Final = dt.datetime(9000, 1, 1, tzinfo=dt.UTC)


def seconds(duration: JSON) -> int | None:
    """Parse a duration such as ``1h30m`` as seconds; None if it is invalid."""
    return durations.seconds_of(duration) if isinstance(duration, str) else None
