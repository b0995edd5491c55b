"""Which field of the older version becomes which one of the newer, by the declared steps. Pure.

A row for each pair of fields, in the order of the steps; then the fields that only one version has.
"""

import dataclasses
import enum
from collections.abc import Iterator, Sequence
from typing import Final

from schemagen.compat.verdicts import specimens
from schemagen.model import registry
from schemagen.pages.guide import step_words
from schemagen.pages.reference import fields
from schemagen.pages.reference.fields import Field
from schemagen.problems import UserError
from schemagen.schema import structural
from schemagen.schema.keywords import Schema
from schemagen.versions import links, records, steps
from schemagen.versions.links import Link
from schemagen.versions.schema_places import ITEMS, VALUES
from schemagen.versions.steps import Path, Step


class Way(enum.Enum):
    """How a field is converted."""

    SAME = "the same"
    MOVED = "renamed or moved"
    CONVERTED = "converted"
    CONSTANT = "constant"
    REMOVED = "removed"
    ADDED = "added"
    FORGOTTEN = "forgotten"


@dataclasses.dataclass(frozen=True)
class Row:
    """A field in both versions, or in one of them.

    Attributes:
        way: What becomes of it.
        old: Its place in the older version; None if it has none.
        new: Its place in the newer version.
        how: In words, with code in backquotes.
        step: The step of its value, if there is one.
        is_chosen: Whether it depends on other fields.
    """

    way: Way
    old: Path | None = None
    new: Path | None = None
    how: str = ""
    step: Step | None = dataclasses.field(default=None, compare=False)
    is_chosen: bool = False


@dataclasses.dataclass(frozen=True)
class Correspondence:
    """Two adjacent versions of a kind, field by field.

    Attributes:
        older: The older version.
        newer: The newer version.
        old: The schema of the older version.
        new: The schema of the newer version.
        rows: The fields.
    """

    older: registry.Version
    newer: registry.Version
    old: Schema
    new: Schema
    rows: tuple[Row, ...]

    def of(self, *ways: Way) -> list[Row]:
        """Return the rows of some ways."""
        return [row for row in self.rows if row.way in ways]


def between(older: registry.Version, newer: registry.Version) -> Correspondence:
    """Return the correspondence of two adjacent versions.

    Raises:
        UserError: if the conversion is not one of steps, so that nothing can be read from it.
    """
    if not isinstance(older.conversion, records.Conversion):
        got = type(older.conversion).__name__
        raise UserError(f"{older.name}: expected a Conversion of steps to {newer.name}, got {got}")
    old, new = (structural.schema_of(version.model) for version in (older, newer))
    found = [*dict.fromkeys(_rows(older.conversion.step, (), ()))]
    found = [_simplified(row, old) for row in found if not _is_envelope(row)]
    same = [*_within_kept(found, old, new)]
    rows = [row for row in (*found, *same) if not _is_one_of_many(row, found)]
    removed = [Row(Way.REMOVED, old=place(field.steps)) for field in _uncovered(old, rows, "old")]
    added = [Row(Way.ADDED, new=place(field.steps)) for field in _uncovered(new, rows, "new")]
    return Correspondence(older, newer, old, new, (*rows, *removed, *added))


def place(where: Sequence[str]) -> Path:
    """Return a field's place as steps of conversions name it: without dots."""
    return tuple(step.removeprefix(".") for step in where)


def field_steps(path: Path) -> tuple[str, ...]:
    """Return a place as schemas name it: ``(".spec", ".steps", "[]")``."""
    return tuple(step if step in {ITEMS, VALUES} else f".{step}" for step in path)


def _is_one_of_many(row: Row, rows: Sequence[Row]) -> bool:
    """Return whether a row is about one value of a field that another row is about."""
    return row.way is Way.CONSTANT and any(
        other.old is not None and other.new is not None and other.new == row.new for other in rows
    )


def _is_envelope(row: Row) -> bool:
    path = row.old or row.new or ()
    return path[:1] in {("apiVersion",), ("kind",), ("metadata",)} and row.old == row.new


def _simplified(row: Row, old: Schema) -> Row:
    """Return a row whose step keeps whatever its field may hold as one that keeps it."""
    if row.step is None or row.old is None or not isinstance(row.step, steps.Typed):
        return row
    node = specimens.node_at(old, field_steps(row.old)) or {}
    if row.step.allows is not None or node.get("type") != _TYPES.get(row.step.kind):
        return row
    kept = _of_value(steps.KEEP, row.old, row.new or ())
    return dataclasses.replace(kept, is_chosen=row.is_chosen)


_TYPES: Final = {str: "string", int: "integer", bool: "boolean", dict: "object", list: "array"}


# --- from steps ---------------------------------------------------------------------------------


def _rows(step: Step, old: Path, new: Path) -> Iterator[Row]:
    """Yield the rows of the step between two places."""
    match links.unguarded(step):
        case steps.Each(step=inner):
            yield from _rows(inner, (*old, ITEMS), (*new, ITEMS))
        case steps.Values(step=inner):
            yield from _rows(inner, (*old, VALUES), (*new, VALUES))
        case records.Record(parts=parts):
            for part in parts:
                yield from _of_part(part, old, new)
        case records.OpenRecord(extra=extra) as opened:
            for (move,) in (each[0] for each in links.alternatives_of(opened)[:-1]):
                yield from _of_link(move, old, new)
            how = f"keys without a field of their own go to `{extra}`"
            yield Row(Way.CONVERTED, old, (*new, extra), how)
        case _:
            yield _of_value(step, old, new)


def _of_value(step: Step, old: Path, new: Path) -> Row:
    value = step_words.of(step)
    if old == new:
        return Row(Way.CONVERTED if value else Way.SAME, old, new, value, step)
    moved = "renamed" if old[:-1] == new[:-1] else "moved"
    how = f"{moved}; {value}" if value else moved
    return Row(Way.CONVERTED if value else Way.MOVED, old, new, how, step)


def _of_part(part: records.Part, old: Path, new: Path) -> Iterator[Row]:
    if type(part) is records.PartFn:
        yield from _of_functions(part, old, new)
        return
    for alternative in links.links_of(part):
        for link in alternative:
            yield from _of_link(link, old, new)


def _of_functions(part: records.PartFn, old: Path, new: Path) -> Iterator[Row]:
    """Yield the rows of two functions: of the parts that they choose from, or of their names."""
    for use in part.uses:
        for row in _of_part(use, old, new):
            yield dataclasses.replace(row, is_chosen=True)
    if part.uses:
        return
    for before in part.old:
        for after in part.new:
            how = "converted together with other fields"
            yield Row(Way.CONVERTED, (*old, before), (*new, after), how)
    for name in part.annotations:
        how = "an annotation becomes fields"
        yield Row(Way.CONVERTED, ("metadata", "annotations", name), None, how)


def _of_link(link: Link, old: Path, new: Path) -> Iterator[Row]:
    here = None if link.old is None else (*old, *link.old)
    there = None if link.new is None else (*new, *link.new)
    if link.value is not links.NOTHING:
        yield from _of_constant(link, here, there)
    elif link.step is not None and here is not None and there is not None:
        yield from _rows(link.step, here, there)
    elif link.forgets:
        yield Row(Way.FORGOTTEN, here, there, "not kept, on purpose")


def _of_constant(link: Link, here: Path | None, there: Path | None) -> Iterator[Row]:
    if here is not None and there is None:
        yield Row(
            Way.CONSTANT, here, None, f"`{step_words.shown(link.value)}` is said by other fields"
        )
    elif there is not None and here is None and link.value != {}:
        yield Row(Way.CONSTANT, None, there, f"`{step_words.shown(link.value)}`")


# --- fields without a step of their own -----------------------------------------------------------


def _within_kept(rows: Sequence[Row], old: Schema, new: Schema) -> Iterator[Row]:
    """Yield the fields within kept objects that only one version has."""
    places = [
        [place(field.steps) for field in fields.every(fields.of(each))] for each in (old, new)
    ]
    for row in rows:
        if row.way not in {Way.SAME, Way.MOVED} or row.old is None or row.new is None:
            continue
        below = [_below(*each) for each in zip(places, (row.old, row.new), strict=True)]
        for path in sorted(below[0]):
            if path not in below[1] and path[:-1] in {(), *below[1]}:
                yield Row(Way.REMOVED, old=(*row.old, *path))
        for path in sorted(below[1]):
            if path not in below[0] and path[:-1] in {(), *below[0]}:
                yield Row(Way.ADDED, new=(*row.new, *path))


def _below(places: Sequence[Path], path: Path) -> set[Path]:
    """Return the places below one, from there."""
    depth = len(path)
    return {inner[depth:] for inner in places if len(inner) > depth and inner[:depth] == path}


def _uncovered(schema: Schema, rows: Sequence[Row], side: str) -> Iterator[Field]:
    """Yield the outermost fields of a version of which no step says anything."""
    paths = {path for row in rows if (path := getattr(row, side)) is not None}

    def walk(level: Sequence[Field]) -> Iterator[Field]:
        for field in level:
            path = place(field.steps)
            if any(path[:end] in paths for end in range(1, len(path) + 1)):
                continue
            if any(other[: len(path)] == path for other in paths):
                yield from walk(field.children)
            else:
                yield field

    yield from walk([field for field in fields.of(schema) if field.name != "metadata"])
