"""Dates, instants and durations, as parsed by kube-openapi's strfmt with Go's time."""

import calendar
import re
from collections.abc import Iterator

_DATE = re.compile("([0-9]{4})-([0-9]{2})-([0-9]{2})")
_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_FEBRUARY = 2

# The fraction separator is an unescaped dot in strfmt's pattern: any character but a newline. The
# offset's range is not checked.
_TIME = re.compile(
    "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:.[0-9]+)?(?:[zZ]|[+-][0-9]{2}:[0-9]{2})"
)
_DATE_FROM_TIME = re.compile("[tT]")

# The limit of Go's int64, and thus of a time.Duration in nanoseconds.
_LIMIT = 2**63
_LIMIT_DIGITS = len(str(_LIMIT))
_UINT64 = 2**64 - 1
_NANOSECONDS = {
    "ns": 1,
    "us": 10**3,
    "\u00b5s": 10**3,  # the micro sign
    "\u03bcs": 10**3,  # the Greek letter mu
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_GO_PART = re.compile(r"([0-9]*)(?:\.([0-9]*))?([^.0-9]+)")

# strfmt searches for numbers with units anywhere in the text and ignores everything between them.
# The first assertion anchors a number at its first digit to keep the search linear.
_LENIENT_PART = re.compile("(?<![0-9])([0-9]++)[\\t\\n\\f\\r ]*+([A-Za-z\u00b5]+)")
_LENIENT_UNIT = re.compile(
    "ns|us|\u00b5s|ms|s|m|hr?|d|wk?|(?:nano|micro|milli|sec|min|hour|day|week).*"
)


def is_date(text: str) -> bool:
    """Whether the text is a calendar date, from year 0000 to 9999: ``2024-02-29``."""
    match = _DATE.fullmatch(text)
    if match is None:
        return False
    year, month, day = (int(part) for part in match.groups())
    if not 1 <= month <= len(_DAYS):
        return False
    leap_day = month == _FEBRUARY and calendar.isleap(year)
    return 1 <= day <= _DAYS[month - 1] + leap_day


def is_date_time(text: str) -> bool:
    """Whether the text is a date, ``T`` and a time with a zone; no leap seconds.

    strfmt splits at each ``T`` and checks only two parts: anything after a second one is ignored.
    """
    date, *rest = _DATE_FROM_TIME.split(text, maxsplit=2)
    return bool(rest) and is_date(date) and _TIME.fullmatch(rest[0]) is not None


def is_duration(text: str) -> bool:
    """Whether time.ParseDuration accepts the text, or a number with a unit occurs anywhere in it.

    So ``1h30m``, ``-1.5h`` and ``3 days`` are accepted, but also ``PT1H`` and ``about 5 minutes or
    so``.
    """
    return _is_go_duration(text) or _is_lenient_duration(text)


def _is_go_duration(text: str) -> bool:
    """Whether time.ParseDuration of Go 1.26 accepts the text, including its overflow behavior."""
    body = text[1:] if text.startswith(("-", "+")) else text
    if body == "0":
        return True
    total = 0
    for part in _go_parts(body):
        if part is None:
            return False
        # Go adds before it checks, so that twice the limit wraps around to zero.
        total = (total + part) & _UINT64
        if total > _LIMIT:
            return False
    return body != "" and (total < _LIMIT or text.startswith("-"))


def _go_parts(body: str) -> Iterator[int | None]:
    """Yield the nanoseconds of each number and its unit; None if a part is invalid."""
    at = 0
    while at < len(body):
        match = _GO_PART.match(body, at)
        if match is None:
            yield None
            return
        yield _nanoseconds(match[1], match[2] or "", match[3])
        at = match.end()


def _nanoseconds(whole: str, fraction: str, unit: str) -> int | None:
    value = _bounded(whole)
    if not whole + fraction or unit not in _NANOSECONDS or value is None:
        return None
    nanoseconds = _NANOSECONDS[unit]
    share, scale = _leading_fraction(fraction)
    # In floating point as in Go: the fraction alone may exceed 1<<63.
    total = value * nanoseconds + int(share * (nanoseconds / scale))
    return total if total <= _LIMIT else None


def _bounded(digits: str) -> int | None:
    """Return the number, or None above the limit; Python itself parses at most 4300 digits."""
    significant = digits.lstrip("0")
    if len(significant) > _LIMIT_DIGITS:
        return None
    value = int(significant or "0")
    return value if value <= _LIMIT else None


def _leading_fraction(digits: str) -> tuple[float, float]:
    """Return the value that time.leadingFraction reads, and its divisor."""
    value, scale = 0, 1.0
    for digit in digits:
        longer = value * 10 + int(digit)
        if longer > _LIMIT:
            break
        value, scale = longer, scale * 10
    return float(value), scale


def _is_lenient_duration(text: str) -> bool:
    """Whether a number has a known unit, and none exceeds int64."""
    has_unit = False
    for number, unit in _LENIENT_PART.findall(text):
        value = _bounded(number)
        if value is None or value == _LIMIT:
            return False
        has_unit = has_unit or _LENIENT_UNIT.fullmatch(unit.lower()) is not None
    return has_unit
