"""Parse and format times and durations as Go does.

``time.ParseDuration``, ``time.Parse`` and kube-openapi's strfmt (1.37).
"""

import calendar
import dataclasses
import datetime as dt
import re
import zoneinfo
from collections.abc import Iterator
from typing import NoReturn

from schemagen import go_format
from schemagen.cel.values import (
    MAX_INT,
    MIN_INT,
    Duration,
    EvaluationError,
    Timestamp,
    UndecidedError,
)

SECOND = 1_000_000_000
MIN_SECOND, MAX_SECOND = -62_135_596_800, 253_402_300_799  # the years 1 to 9999
_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,  # U+00B5
    "μs": 1_000,  # U+03BC, also accepted by Go
    "ms": 1_000_000,
    "s": SECOND,
    "m": 60 * SECOND,
    "h": 3600 * SECOND,
}
_PART = re.compile(r"([0-9]*)(?:\.([0-9]*))?([^0-9.]+)")
_LIMIT = 1 << 63  # nanoseconds that a time.Duration can hold


def duration(text: str) -> Duration | None:
    """time.ParseDuration: ``1h30m``; None if invalid."""
    sign = text[:1] if text[:1] in {"+", "-"} else ""
    body = text[len(sign) :]
    if body == "0":
        return Duration(0)
    total, at = 0, 0
    while at < len(body):
        match = _PART.match(body, at)
        part = None if match is None else _nanoseconds(match)
        if match is None or part is None:
            return None
        # Go adds before it checks, so that twice the limit wraps around to zero.
        total = (total + part) % (2 * _LIMIT)
        if total > _LIMIT:
            return None
        at = match.end()
    if not body or (total == _LIMIT and sign != "-"):
        return None
    return Duration(-total if sign == "-" else total)


def _nanoseconds(match: re.Match[str]) -> int | None:
    whole, fraction, unit = match.groups()
    value = _bounded(whole)
    if unit not in _UNITS or not (whole or fraction) or value is None:
        return None
    scale = _UNITS[unit]
    if value > _LIMIT // scale:
        return None
    numerator, denominator = _fraction(fraction or "")
    # Go computes the fraction in floating point.
    value = value * scale + int(float(numerator) * (scale / denominator))
    return value if value <= _LIMIT else None


def _bounded(digits: str) -> int | None:
    """Return a number, or None above the limit; Python itself parses at most 4300 digits."""
    significant = digits.lstrip("0")
    if len(significant) > len(str(_LIMIT)):
        return None
    value = int(significant or 0)
    return value if value <= _LIMIT else None


def _fraction(digits: str) -> tuple[int, float]:
    """time.leadingFraction: digits that would overflow are dropped."""
    value, scale = 0, 1.0
    for digit in digits:
        longer = value * 10 + int(digit)
        if value > MAX_INT // 10 or longer > _LIMIT:
            break
        value, scale = longer, scale * 10
    return value, scale


_LENIENT = re.compile(r"([0-9]+)[\t\n\f\r ]*([A-Za-zµ]+)")
_NAMES: tuple[tuple[int, tuple[str, ...]], ...] = (
    (1, ("ns", "nano")),
    (1_000, ("us", "µs", "micro")),
    (1_000_000, ("ms", "milli")),
    (SECOND, ("s", "sec")),
    (60 * SECOND, ("m", "min")),
    (3600 * SECOND, ("h", "hr", "hour")),
    (86400 * SECOND, ("d", "day")),
    (7 * 86400 * SECOND, ("w", "wk", "week")),
)


def data_duration(text: str) -> Duration:
    """strfmt.ParseDuration, for ``format: duration``: also accepts ``1 day``."""
    strict = duration(text)
    if strict is not None:
        return strict
    total, is_any = 0, False
    for digits, unit in _LENIENT.findall(text):
        number = _bounded(digits)
        if number is None or number == _LIMIT:
            problem = f"strconv.Atoi: parsing {go_format.quoted(digits)}: value out of range"
            raise EvaluationError(f"Invalid duration {text}: {problem}")
        for scale in _scales(unit.lower()):
            is_any = True
            total += number * scale
    if not is_any:
        raise EvaluationError(f"Invalid duration {text}: unable to parse {text} as duration")
    return Duration((total - MIN_INT) % (1 << 64) + MIN_INT)  # Go's sum wraps


def _scales(unit: str) -> Iterator[int]:
    """Yield the scale of a unit; strfmt adds it once for each of its spellings."""
    for scale, variants in _NAMES:
        for variant in variants:
            if unit == variant or (variant == variants[-1] and unit.startswith(variant)):
                yield scale


def duration_text(value: Duration) -> str:
    """Return seconds as ``string(duration)`` does: ``5400s``."""
    return f"{go_format.positional(seconds(value))}s"


def seconds(value: Duration) -> float:
    """time.Duration.Seconds."""
    return in_unit(value, SECOND)


def in_unit(value: Duration, unit: int) -> float:
    """Return a duration as a number of units, with Go's rounding."""
    whole, rest = _divided(value.nanoseconds, unit)
    return float(whole) + float(rest) / float(unit)


def _divided(value: int, by: int) -> tuple[int, int]:
    """Divide as Go does: truncating toward zero."""
    whole = abs(value) // by
    if value < 0:
        return -whole, -(abs(value) - whole * by)
    return whole, value - whole * by


_LOCAL_TIME = "2006-01-02T15:04:05"
_DATE = "2006-01-02"
_ELEMENTS = {"2006": 4, "01": 2, "02": 2, "15": 2, "04": 2, "05": 2}
_CHUNKS = re.compile(r"2006|01|02|15|04|05|Z07:00|[^0-9]")
_ZONE = "Z07:00"
_RANGES = {
    "01": ("month", 1, 12),
    "15": ("hour", 0, 23),
    "04": ("minute", 0, 59),
    "05": ("second", 0, 59),
}
_FRACTION = re.compile(r"[.,]([0-9]+)")
_OFFSET = re.compile(r"([+-])([0-9]{2}):([0-9]{2})", re.ASCII)
_NUMBER = re.compile(r"[0-9]+", re.ASCII)
_MAX_OFFSET = (24, 60)


class _NoTimeError(Exception):
    """A text is not a time; the message is Go's."""


class _Reader:
    """Parser of time.Parse for numeric layouts, ``Z07:00`` and single characters between them."""

    def __init__(self, layout: str, text: str) -> None:
        self._layout, self._text = layout, text
        self._rest = text
        self._numbers = {"2006": 0, "01": 1, "02": 1, "15": 0, "04": 0, "05": 0}
        self._nanoseconds = self._offset = 0

    def read(self) -> Timestamp:
        for element in _CHUNKS.findall(self._layout):
            if element in _ELEMENTS:
                self._number(element)
            elif element == _ZONE:
                self._zone()
            elif self._rest.startswith(element):
                self._rest = self._rest[1:]
            else:
                self._fail(element)
        if self._rest:
            self._fail_with(f": extra text: {_quoted(self._rest)}")
        return self._time()

    def _number(self, element: str) -> None:
        size = _ELEMENTS[element]
        # Go accepts a single digit for an hour.
        least = 1 if element == "15" and not _NUMBER.fullmatch(self._rest[1:2]) else size
        digits = self._rest[:least]
        if len(digits) < least or not _NUMBER.fullmatch(digits):
            self._fail(element)
        self._rest = self._rest[least:]
        self._numbers[element] = int(digits)
        if element == "05":
            self._fraction()
        name, lowest, highest = _RANGES.get(element, ("", 0, int(digits)))
        if not lowest <= int(digits) <= highest:
            self._fail_with(f": {name} out of range")

    def _fraction(self) -> None:
        match = _FRACTION.match(self._rest)
        if match is not None:
            self._nanoseconds = int(match[1][:9].ljust(9, "0"))
            self._rest = self._rest[match.end() :]

    def _zone(self) -> None:
        if self._rest.startswith("Z"):
            self._rest = self._rest[1:]
            return
        match = _OFFSET.match(self._rest)
        if match is None:
            self._fail(_ZONE)
        sign, hours, minutes = match[1], int(match[2]), int(match[3])
        if hours > _MAX_OFFSET[0] or minutes > _MAX_OFFSET[1]:
            part = "minute" if minutes > _MAX_OFFSET[1] else "hour"
            self._fail_with(f": time zone offset {part} out of range")
        offset = (hours * 60 + minutes) * 60
        self._offset = -offset if sign == "-" else offset
        self._rest = self._rest[match.end() :]

    def _time(self) -> Timestamp:
        year, month, day, *clock = self._numbers.values()
        # Python's calendar has no year 0, which is a leap year like 2000.
        last = calendar.monthrange(year or 2000, month)[1]
        if not 1 <= day <= last:
            self._fail_with(": day out of range")
        days = _days(year, month, day)
        hours, minutes, secs = clock
        total = ((days * 24 + hours) * 60 + minutes) * 60 + secs - self._offset
        return Timestamp(total * SECOND + self._nanoseconds, self._offset)

    def _fail(self, element: str) -> NoReturn:
        what = f": cannot parse {_quoted(self._rest)} as {_quoted(element)}"
        raise _NoTimeError(f"parsing time {_quoted(self._text)} as {_quoted(self._layout)}{what}")

    def _fail_with(self, what: str) -> NoReturn:
        raise _NoTimeError(f"parsing time {_quoted(self._text)}{what}")


_CYCLE_YEARS, _CYCLE_DAYS = 400, 146_097
_EPOCH = dt.date(1970, 1, 1).toordinal()


def _days(year: int, month: int, day: int) -> int:
    """Return days since 1970, also for the year 0."""
    if year == 0:
        return _days(_CYCLE_YEARS, month, day) - _CYCLE_DAYS
    return dt.date(year, month, day).toordinal() - _EPOCH


def _quoted(text: str) -> str:
    """time.quote: non-ASCII characters are written as bytes."""
    parts = (
        f"\\{character}"
        if character in {'"', "\\"}
        else character
        if " " <= character <= "\x7f"
        else _bytes(character)
        for character in text
    )
    return f'"{"".join(parts)}"'


def _bytes(character: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in character.encode())


def timestamp(text: str) -> Timestamp | None:
    """time.Parse of RFC 3339, for ``timestamp(string)``; None if invalid."""
    try:
        return _Reader(f"{_LOCAL_TIME}{_ZONE}", text).read()
    except _NoTimeError:
        return None


def data_date_time(text: str) -> Timestamp:
    """strfmt.ParseDateTime, for ``format: date-time``."""
    if not text:
        return Timestamp(0)
    moment = timestamp(text)
    if moment is not None:
        return moment
    try:
        return _Reader(_LOCAL_TIME, text).read()
    except _NoTimeError as error:
        raise EvaluationError(f"Invalid date-time formatted string {text}: {error}") from error


def data_date(text: str) -> Timestamp:
    """Parse ``format: date``."""
    try:
        return _Reader(_DATE, text).read()
    except _NoTimeError as error:
        raise EvaluationError(f"Invalid date formatted string {text}: {error}") from error


def timestamp_text(value: Timestamp) -> str:
    """time.Time.Format(RFC3339Nano), in the original zone."""
    at = local(value, value.offset)
    fraction = f".{value.nanoseconds % SECOND:09d}".rstrip("0").rstrip(".")
    year = f"{at.year:04d}" if at.year >= 0 else f"-{-at.year:04d}"
    return f"{year}-{at.rest:%m-%dT%H:%M:%S}{fraction}{_offset(value.offset)}"


def _offset(seconds_: int) -> str:
    if seconds_ == 0:
        return "Z"
    minutes = abs(seconds_) // 60
    return f"{'-' if seconds_ < 0 else '+'}{minutes // 60:02d}:{minutes % 60:02d}"


@dataclasses.dataclass(frozen=True, slots=True)
class Local:
    """Calendar and clock fields in a zone.

    Attributes:
        year: Any year; Python's calendar has 1 to 9999 only.
        rest: The other fields, in an equivalent year.
    """

    year: int
    rest: dt.datetime


def local(value: Timestamp, offset: int) -> Local:
    """Return a time in a zone with an offset in seconds from UTC."""
    days, clock = divmod(value.nanoseconds // SECOND + offset, _DAY)
    # The calendar repeats every 400 years, weekdays included.
    cycles, days = divmod(days, _CYCLE_DAYS)
    rest = _EPOCH_TIME + dt.timedelta(days=days, seconds=clock)
    return Local(rest.year + cycles * _CYCLE_YEARS, rest)


_DAY = 86_400
_EPOCH_TIME = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - the zone is added as an offset


def offset_of(zone: str, value: Timestamp) -> int:
    """Return the offset of a zone at a time, in seconds: ``+02:00``, ``Europe/Berlin``.

    Raises:
        EvaluationError: if there is no such zone.
        UndecidedError: if it depends on the API server's machine, or exceeds Python's calendar.
    """
    hours, colon, minutes = zone.partition(":")
    if colon:
        return _numeric_offset(zone, hours, minutes)
    if zone in {"", "UTC"}:
        return 0
    if ".." in zone or zone[0] in "/\\":
        raise EvaluationError("time: invalid location name")
    try:
        zone_info = zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise EvaluationError(f"unknown time zone {zone}") from error
    at = local(value, 0)
    if zone == "Local" or at.year != at.rest.year:
        raise UndecidedError(f"the time zone {zone!r}")
    shift = at.rest.replace(tzinfo=dt.UTC).astimezone(zone_info).utcoffset()
    return 0 if shift is None else int(shift.total_seconds())


_ATOI = re.compile(r"[+-]?[0-9]+", re.ASCII)


def _numeric_offset(zone: str, hours: str, minutes: str) -> int:
    for part in (hours, minutes):
        if not _ATOI.fullmatch(part):
            problem = f"strconv.Atoi: parsing {go_format.quoted(part)}: invalid syntax"
            raise EvaluationError(problem)
    # cel-go 0.29, stdlib.inTimeZone: the minutes of "-08:30" are subtracted.
    signed = -int(minutes) if zone.startswith("-") else int(minutes)
    return (int(hours) * 60 + signed) * 60
