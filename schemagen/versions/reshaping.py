"""Steps that write a value in another shape: a list for one value, a number for its digits.

Each is exact: a value that would not come back as it is becomes ABSENT, and stays in residue.
"""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Final

from schemagen.problems import JSON
from schemagen.versions.steps import ABSENT, Fn, Step, expect_step, firsts

_MAX_INT64_DIGITS: Final = 19


def inverse(step: Step) -> Step:
    """Use a step in the other direction: ``inverse(to_duration())`` is a duration <-> seconds."""
    expect_step(step, "inverse(...)")
    return Fn(step.down, step.up)


def exactly(up: Callable[[JSON], JSON], down: Callable[[JSON], JSON]) -> Step:
    """Two functions, limited to values that come back as they were."""

    def way(forth: Callable[[JSON], JSON], back: Callable[[JSON], JSON]) -> Callable[[JSON], JSON]:
        def convert(value: JSON) -> JSON:
            found = forth(value)
            return found if found is not ABSENT and is_same(back(found), value) else ABSENT

        return convert

    return Fn(way(up, down), way(down, up))


def is_same(one: JSON, other: JSON) -> bool:
    """Return whether two values are the same JSON: true is not 1."""
    return one == other and type(one) is type(other)


@dataclasses.dataclass(frozen=True)
class Single(Fn):
    """``single``."""

    step: Step


def single(step: Step) -> Step:
    """Convert a value <-> a list of it; of several items the older version shows the first.

    The others stay with the object: residue keeps them.
    """
    expect_step(step, "single(...)")

    def up(value: JSON) -> JSON:
        found = step.up(value)
        return ABSENT if found is ABSENT else [found]

    def down(value: JSON) -> JSON:
        return step.down(value[0]) if type(value) is list and value else ABSENT

    return Single(up, down, step)


def mapped(pairs: Iterable[tuple[JSON, JSON]]) -> Step:
    """Map values of any scalar type, such as true <-> Enabled."""
    known = list(pairs)

    def way(table: Iterable[tuple[JSON, JSON]]) -> Callable[[JSON], JSON]:
        found = [(source, target) for source, target in table]

        def convert(value: JSON) -> JSON:
            return next((target for source, target in found if is_same(source, value)), ABSENT)

        return convert

    return Fn(way(known), way([(new, old) for old, new in known]))


def text_to_integer() -> Step:
    """Convert a string of digits <-> an integer; ``08`` and ``+8`` are not converted."""

    def up(value: JSON) -> JSON:
        digits = value.removeprefix("-") if type(value) is str else ""
        is_number = digits.isascii() and digits.isdecimal() and len(digits) <= _MAX_INT64_DIGITS
        return int(value) if is_number else ABSENT

    return exactly(up, lambda value: str(value) if type(value) is int else ABSENT)


def text_to_boolean() -> Step:
    """Convert ``"true"`` and ``"false"`` <-> true and false."""
    return mapped([("true", True), ("false", False)])


def joined(separator: str) -> Step:
    """Convert a list of strings <-> one string; items with the separator are not converted."""
    if not separator:
        raise ValueError("expected a separator, got an empty string")

    def up(value: JSON) -> JSON:
        is_texts = type(value) is list and all(type(item) is str for item in value)
        return separator.join(value) if is_texts else ABSENT

    def down(value: JSON) -> JSON:
        if type(value) is not str:
            return ABSENT
        return value.split(separator) if value else []

    return exactly(up, down)


@dataclasses.dataclass(frozen=True)
class ByKey(Fn):
    """``list_to_map``."""

    key: str
    step: Step


def list_to_map(key: str, step: Step) -> Step:
    """Convert a list of objects <-> a map of them by one of their fields, the first of each key.

    ``step`` converts the objects, without the key. A map has no order: the order of the older
    version's list is kept as residue.
    """
    expect_step(step, "list_to_map(...)")

    def without_key(item: JSON) -> JSON:
        return step.up({field: value for field, value in item.items() if field != key})

    def up(value: JSON) -> JSON:
        return firsts(value, key, without_key) if type(value) is list else ABSENT

    def down(value: JSON) -> JSON:
        if type(value) is not dict:
            return ABSENT
        converted = ((name, step.down(item)) for name, item in value.items())
        return [{key: name, **item} for name, item in converted if type(item) is dict]

    return ByKey(up, down, key, step)
