"""Invertible steps that a conversion is built from.

A step converts a value of the older version to the newer (``up``) and back (``down``). It is total:
a value that the other version cannot express becomes ``ABSENT``, never an error or a value of
another meaning. Nothing is lost: ``residue`` compares the round trip with the original, and keeps
the difference.

These are the steps of values; ``records`` has those of objects.

Steps with their own class can be compiled (``compiled``); any other one is two functions.
"""

import dataclasses
import fractions
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from schemagen.model.field_types import DeclarationError
from schemagen.problems import JSON, quoted
from schemagen.versions import durations


class Absent:
    """The type of ``ABSENT``."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = Absent()
"""No value: the result of a step for a value that the other version cannot express."""
Path = tuple[str, ...]


class Hollow(dict[str, JSON]):
    """An empty object in place of one of which the other version can express nothing.

    If the schema does not require the object it is dropped (``schema_coverage``): an empty one
    would have another meaning, and would survive its removal in the other version.
    """

    __slots__ = ()


class Step(Protocol):
    """Conversion of one value in both directions."""

    def up(self, value: JSON, /) -> JSON:
        """Return the newer version's value, or ABSENT."""

    def down(self, value: JSON, /) -> JSON:
        """Return the older version's value, or ABSENT."""


@dataclasses.dataclass(frozen=True)
class Fn:
    """A step made of two functions."""

    up: Callable[[JSON], JSON]
    down: Callable[[JSON], JSON]


def expect_step(step: object, where: str) -> None:
    """Refuse anything but a step, such as a step function that was not called.

    Raises:
        DeclarationError: saying what to write.
    """
    if hasattr(step, "up") and hasattr(step, "down"):
        return
    name = getattr(step, "__name__", "")
    got = f"{name}; call it: {name}(...)" if callable(step) and name else quoted(step)
    raise DeclarationError(f"{where}: expected a step, got {got}")


def get(value: JSON, path: Path) -> JSON:
    """Return the value at a path of members, or ABSENT."""
    for name in path:
        if type(value) is not dict or name not in value:
            return ABSENT
        value = value[name]
    return value


def put(target: dict[str, JSON], path: Path, value: JSON) -> None:
    """Set the value at a path, creating parent objects; ABSENT sets nothing."""
    if value is ABSENT:
        return
    for name in path[:-1]:
        target = target.setdefault(name, {})
    target[path[-1]] = value


def same(value: JSON) -> JSON:
    """Keep a value that both versions write alike; null, which neither schema allows, is ABSENT."""
    return ABSENT if value is None else value


KEEP: Final[Step] = Fn(same, same)


@dataclasses.dataclass(frozen=True)
class Each(Fn):
    """A list. ``key`` identifies its items; empty if they identify themselves."""

    step: Step
    key: str | None = None


def each(step: Step) -> Step:
    """Convert a list item by item; items that cannot be expressed are dropped."""
    expect_step(step, "each(...)")

    def convert(value: JSON, way: Callable[[JSON], JSON]) -> JSON:
        if type(value) is not list:
            return ABSENT
        return [item for item in map(way, value) if item is not ABSENT]

    return Each(
        lambda value: convert(value, step.up), lambda value: convert(value, step.down), step
    )


def each_by(key: str, step: Step) -> Step:
    """Convert a list to one whose items have a key, keeping the first of each."""
    expect_step(step, "each_by(...)")

    def up(value: JSON) -> JSON:
        return list(firsts(value, key, step.up).values()) if type(value) is list else ABSENT

    return Each(up, each(step).down, step, key)


def firsts(items: list[JSON], key: str, convert: Callable[[JSON], JSON]) -> dict[str, JSON]:
    """Return the converted items of a list by one of their fields, the first of each."""
    found: dict[str, JSON] = {}
    for item in items:
        name = get(item, (key,))
        converted = convert(item) if type(name) is str and name not in found else ABSENT
        if converted is not ABSENT:
            found[name] = converted
    return found


def each_by_last(key: str, step: Step) -> Step:
    """``each_by``, keeping the last of each in place: of two variables the later one counts."""
    first = each_by(key, step)

    def up(value: JSON) -> JSON:
        return first.up(value[::-1])[::-1] if type(value) is list else ABSENT

    return Each(up, first.down, step, key)


def each_once(step: Step) -> Step:
    """Convert a list to a set of strings, keeping the first occurrence of each."""
    every = each(step)

    def up(value: JSON) -> JSON:
        items = every.up(value)
        return items if items is ABSENT else list(dict.fromkeys(items))

    return Each(up, every.down, step, "")


@dataclasses.dataclass(frozen=True)
class Pairs(Fn):
    """``map_to_list``."""

    key: str
    value: str


def map_to_list(key: str, value_name: str) -> Step:
    """Convert a map of strings <-> a list of ``{key, value}`` sorted by key.

    The API server sorts a map's keys, so the list's order is irrelevant.
    """

    def up(value: JSON) -> JSON:
        if type(value) is not dict:
            return ABSENT
        return [
            {key: name, value_name: value[name]}
            for name in sorted(value)
            if type(value[name]) is str
        ]

    def down(value: JSON) -> JSON:
        if type(value) is not list:
            return ABSENT
        pairs = ((get(item, (key,)), get(item, (value_name,))) for item in value)
        return {name: text for name, text in pairs if type(name) is str and type(text) is str}

    return Pairs(up, down, key, value_name)


@dataclasses.dataclass(frozen=True)
class Wrap(Fn):
    """``wrap``."""

    key: str


def wrap(key: str) -> Step:
    """Convert a list of scalars <-> a list of objects with one field, which is the list-map key."""

    def up(value: JSON) -> JSON:
        if type(value) is not list:
            return ABSENT
        return [{key: name} for name in dict.fromkeys(item for item in value if type(item) is str)]

    def down(value: JSON) -> JSON:
        if type(value) is not list:
            return ABSENT
        names = (get(item, (key,)) for item in value)
        return [name for name in names if type(name) is str]

    return Wrap(up, down, key)


@dataclasses.dataclass(frozen=True, eq=False)  # a version must be hashable
class Words(Fn):
    """``enumeration``."""

    pairs: Mapping[str, str]


def enumeration(pairs: Mapping[str, str]) -> Step:
    """Map an enum's values between versions."""
    back = {new: old for old, new in pairs.items()}

    def lookup(table: Mapping[str, str]) -> Callable[[JSON], JSON]:
        return lambda value: table.get(value, ABSENT) if type(value) is str else ABSENT

    return Words(lookup(pairs), lookup(back), pairs)


@dataclasses.dataclass(frozen=True, eq=False)  # a version must be hashable
class Respelled(Fn):
    """``respelled``."""

    pairs: Mapping[str, str]


def respelled(pairs: Mapping[str, str]) -> Step:
    """Map strings that the versions spell differently; any other string is the same in both.

    A string in the other version's spelling is swapped, so that no two strings become one.
    """
    swapped = {**pairs, **{new: old for old, new in pairs.items()}}

    def way(value: JSON) -> JSON:
        return swapped.get(value, value) if type(value) is str else ABSENT

    return Respelled(way, way, pairs)


INT32_MAX = 2**31 - 1
MAX_INT64_DIGITS = 19


@dataclasses.dataclass(frozen=True)
class Seconds(Fn):
    """``to_duration``."""

    least: int
    most: int
    spelled: str = ""

    def text(self, seconds: int) -> str:
        """Return a duration as text, if within bounds."""
        is_spelled = self.spelled and seconds == durations.seconds_of(self.spelled)
        return self.spelled if is_spelled else durations.text_of(seconds)


def to_duration(*, least: int = 0, most: int = INT32_MAX, spelled: str = "") -> Step:
    """Convert seconds <-> a duration: ``5400`` <-> ``1h30m``.

    Args:
        least: Minimum in seconds in the older version.
        most: Maximum in seconds.
        spelled: The newer version's default in its author's spelling, such as ``60s``: this
            duration is written so, else the default would come back as ``1m``.

    Raises:
        DeclarationError: ``spelled`` is not a duration in whole seconds.
    """
    if spelled and durations.seconds_of(spelled) is None:
        raise DeclarationError(
            f"to_duration(spelled=...): expected a duration such as 60s, got {quoted(spelled)}"
        )

    def up(value: JSON) -> JSON:
        return step.text(value) if type(value) is int and least <= value <= most else ABSENT

    def down(value: JSON) -> JSON:
        seconds = durations.seconds_of(value) if type(value) is str else None
        return seconds if seconds is not None and least <= seconds <= most else ABSENT

    step = Seconds(up, down, least, most, spelled)
    return step


@dataclasses.dataclass(frozen=True)
class Scaled(Fn):
    """``scaled``."""

    factor: fractions.Fraction


def scaled(factor: int | fractions.Fraction) -> Step:
    """Convert the unit of an integer: newer = ``factor`` * older.

    ``scaled(86400)`` converts days to seconds, ``scaled(Fraction(1, 60))`` seconds to minutes.
    Numbers without an integral counterpart are not converted.
    """
    ratio = fractions.Fraction(factor)
    if ratio <= 0:
        raise ValueError(f"expected a factor above 0, got {factor}")

    def times(by: fractions.Fraction) -> Callable[[JSON], JSON]:
        def way(value: JSON) -> JSON:
            if type(value) is not int or value * by.numerator % by.denominator:
                return ABSENT
            result = value * by.numerator // by.denominator
            return result if -(2**63) <= result < 2**63 else ABSENT

        return way

    return Scaled(times(ratio), times(1 / ratio), ratio)


def integer(*, least: int = -(2**31), most: int = INT32_MAX) -> Step:
    """Keep an integer within the bounds of the newer version."""
    step = typed(int, lambda value: least <= value <= most)
    return Integer(step.up, step.down, least, most)


def text() -> Step:
    """Keep a string."""
    return typed(str)


@dataclasses.dataclass(frozen=True)
class Typed(Fn):
    """``typed``."""

    kind: type
    allows: Callable[[JSON], bool] | None = None


@dataclasses.dataclass(frozen=True)
class Integer(Fn):
    """``integer``."""

    least: int
    most: int


def typed(kind: type, allows: Callable[[JSON], bool] | None = None) -> Step:
    """Keep a value of exactly one JSON type: neither true nor 1.0 is an integer."""

    def way(value: JSON) -> JSON:
        return value if type(value) is kind and (allows is None or allows(value)) else ABSENT

    return Typed(way, way, kind, allows)


def text_or_integer() -> Step:
    """Convert a string <-> a string or an integer, such as a quantity."""
    return Typed(
        text().up, lambda value: str(value) if type(value) is int else text().down(value), str, None
    )


@dataclasses.dataclass(frozen=True)
class Guarded(Fn):
    """Another step, limited to some of its values; checks of that step apply here too."""

    step: Step


@dataclasses.dataclass(frozen=True)
class Around(Guarded):
    """An API author's functions around another step, such as ``when``."""


def numeric(step: Step) -> Step:
    """Let ``step`` also accept its number as a numeric string, as CLIs send it."""
    expect_step(step, "numeric(...)")

    def up(value: JSON) -> JSON:
        is_number = type(value) is str and value.isascii() and value.isdecimal()
        return step.up(int(value) if is_number and len(value) <= MAX_INT64_DIGITS else value)

    return Guarded(up, step.down, step)


def when(allows: Callable[[JSON], bool], step: Step = KEEP) -> Step:
    """Limit a step to values of the older version that the newer one's type allows."""
    expect_step(step, "when(...)")
    return Around(lambda value: step.up(value) if allows(value) else ABSENT, step.down, step)


@dataclasses.dataclass(frozen=True)
class Values(Fn):
    """``values``."""

    step: Step


def values(step: Step) -> Step:
    """Convert a map value by value; values that cannot be expressed are dropped."""
    expect_step(step, "values(...)")

    def convert(value: JSON, way: Callable[[JSON], JSON]) -> JSON:
        if type(value) is not dict:
            return ABSENT
        converted = ((key, way(item)) for key, item in value.items())
        return {key: item for key, item in converted if item is not ABSENT}

    return Values(
        lambda value: convert(value, step.up), lambda value: convert(value, step.down), step
    )


def exact(step: Step) -> Step:
    """Limit a step to values of the older version that survive a round trip."""
    expect_step(step, "exact(...)")

    def up(value: JSON) -> JSON:
        converted = step.up(value)
        return converted if converted is not ABSENT and step.down(converted) == value else ABSENT

    return Guarded(up, step.down, step)


@dataclasses.dataclass(frozen=True)
class OneWay(Guarded):
    """``one_way``."""


def one_way(step: Step) -> Step:
    """Read a second name of the older version for a field, without ever writing it."""
    expect_step(step, "one_way(...)")

    def down(value: JSON) -> JSON:
        del value
        return ABSENT

    return OneWay(step.up, down, step)
