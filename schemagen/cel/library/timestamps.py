"""Fields of timestamps and durations."""

from collections.abc import Callable

from schemagen.cel import times
from schemagen.cel.library.registry import function
from schemagen.cel.values import Duration, Timestamp

_DAYS_OF_WEEK = 7

_PARTS: dict[str, Callable[[times.Local], int]] = {
    "getFullYear": lambda at: at.year,
    "getMonth": lambda at: at.rest.month - 1,
    "getDayOfYear": lambda at: at.rest.timetuple().tm_yday - 1,
    "getDayOfMonth": lambda at: at.rest.day - 1,
    "getDate": lambda at: at.rest.day,
    "getDayOfWeek": lambda at: at.rest.isoweekday() % _DAYS_OF_WEEK,
    "getHours": lambda at: at.rest.hour,
    "getMinutes": lambda at: at.rest.minute,
    "getSeconds": lambda at: at.rest.second,
}


def _declare(name: str, part: Callable[[times.Local], int]) -> None:
    def in_utc(moment: Timestamp) -> int:
        return part(times.local(moment, 0))

    def in_zone(moment: Timestamp, zone: str) -> int:
        return part(times.local(moment, times.offset_of(zone, moment)))

    function(name, Timestamp)(in_utc)
    function(name, Timestamp, str)(in_zone)


for _name, _part in _PARTS.items():
    _declare(_name, _part)

_MILLISECOND = 1_000_000


@function("getMilliseconds", Timestamp)
def milliseconds_of(moment: Timestamp) -> int:
    """Return the milliseconds of the second."""
    return moment.nanoseconds % times.SECOND // _MILLISECOND


@function("getMilliseconds", Timestamp, str)
def milliseconds_in(moment: Timestamp, zone: str) -> int:
    """Return the milliseconds of the second, the same in every zone."""
    times.offset_of(zone, moment)
    return milliseconds_of(moment)


def _in_units(name: str, unit: int) -> None:
    def whole(value: Duration) -> int:
        return int(times.in_unit(value, unit))

    function(name, Duration)(whole)


_in_units("getHours", 3600 * times.SECOND)
_in_units("getMinutes", 60 * times.SECOND)
_in_units("getSeconds", times.SECOND)


@function("getMilliseconds", Duration)
def milliseconds(value: Duration) -> int:
    """Return the whole duration, truncated toward zero."""
    whole = abs(value.nanoseconds) // _MILLISECOND
    return -whole if value.nanoseconds < 0 else whole
