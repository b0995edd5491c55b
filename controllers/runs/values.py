"""Members of JSON values, and what stands in them: durations, instants. Pure."""

import datetime as dt
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from schemagen.problems import JSON
from schemagen.versions import steps


def at(value: JSON, *names: str) -> Any:
    """A value some members down; None where one of them is not there."""
    for name in names:
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def present(fields: Mapping[str, JSON]) -> dict[str, JSON]:
    """The fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


# kubectl reads 10,000 levels, orjson 254, and nobody's settings have more than these.
MAX_DEPTH: Final = 32


def is_plain(value: JSON, max_depth: int = MAX_DEPTH) -> bool:
    """Whether all readers of JSON take a value, and take it for the same.

    It has at most so many levels of objects and lists, and numbers that are int64 or finite.
    """
    level: list[JSON] = [value]
    for _ in range(max_depth + 1):
        if not all(_is_plain_number(one) for one in level):
            return False
        level = [one for each in level for one in _items(each)]
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
    """An instant that somebody wrote, with its offset; None for what is none.

    Years at the ends of the calendar are none: whoever adds a time to them leaves it.
    """
    if not isinstance(text, str) or not _RFC_3339.fullmatch(text):
        return None
    try:
        when = dt.datetime.fromisoformat(text)
        is_usual = _FIRST <= when <= _LAST
    except (ValueError, OverflowError):
        return None
    return when if is_usual else None


# Python reads more forms than RFC 3339 has.
_RFC_3339: Final = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII
)
_FIRST: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_LAST: Final = dt.datetime(9000, 1, 1, tzinfo=dt.UTC)


def seconds(duration: JSON) -> int | None:
    """The seconds of a duration such as ``1h30m``; None for what is none."""
    return steps.seconds_of(duration) if isinstance(duration, str) else None
