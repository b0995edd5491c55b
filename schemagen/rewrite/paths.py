"""Single fields in another version: where a path leads, and what becomes of a value there. Pure.

Patches and templates have no whole object to convert. A path is followed through the declared
steps of a conversion; where functions or several fields decide together, it cannot be.
"""

import dataclasses
from collections.abc import Iterator
from typing import Final

from schemagen import canonical
from schemagen.model import registry
from schemagen.problems import JSON
from schemagen.rewrite.text.places import Place, text_of
from schemagen.versions import graph, links, records, schema_coverage, schema_places, steps
from schemagen.versions.footprint import Side
from schemagen.versions.steps import ABSENT, KEEP, Step

APPEND: Final = "-"
"""The index of JSON Patch after the last item."""

_SAME: Final = (steps.Typed, steps.Integer)


class CannotFollowError(Exception):
    """A path or value cannot be followed; the message says why."""


@dataclasses.dataclass(frozen=True)
class Followed:
    """A field in the other version.

    Attributes:
        place: Its place there.
        way: The steps of its value, with the side that each one starts from.
    """

    place: Place
    way: tuple[tuple[Step, Side], ...] = ()

    def value(self, value: JSON) -> JSON:
        """Convert a value of the field.

        Raises:
            CannotFollowError: if the other version has no such value.
        """
        for step, side in self.way:
            forth, back = (step.up, step.down) if side == "old" else (step.down, step.up)
            found = forth(value)
            returned = ABSENT if found is ABSENT else back(found)
            if returned is ABSENT or canonical.dumps(returned) != canonical.dumps(value):
                raise CannotFollowError("has no such value")
            value = found
        return value

    @property
    def is_same(self) -> bool:
        """Return whether a value that is allowed in both versions is the same in both."""
        return all(_is_same(step) for step, _ in self.way)

    @property
    def has_fields(self) -> bool:
        """Return whether the field is an object or list whose parts can be followed."""
        return all(
            step is KEEP or isinstance(links.unguarded(step), _WITH_PARTS) for step, _ in self.way
        )


_WITH_PARTS: Final = (records.Record, steps.Each, steps.Values)


def _is_same(step: Step) -> bool:
    return step is KEEP or isinstance(links.unguarded(step), _SAME)


class Paths:
    """The paths of a kind's objects from one version to another."""

    def __init__(self, kind: registry.Kind, source: str, target: str) -> None:
        self._pairs = graph.pairs(kind, source, target)
        self._kind, self._target = kind, target

    def follow(self, place: Place) -> Followed:
        """Follow a path.

        Raises:
            CannotFollowError: saying why it cannot be.
        """
        way: tuple[tuple[Step, Side], ...] = ()
        for older, _, direction in self._pairs:
            side: Side = "old" if direction == "up" else "new"
            if not isinstance(older.conversion, records.Conversion):
                raise CannotFollowError("is converted by functions")
            _check_annotations(older.conversion.step, place)
            found, step = _follow(older.conversion.step, place, side)
            place, way = found, (*way, (step, side))
        return Followed(place, way)

    def follow_added(self, place: Place) -> Followed:
        """Follow a path whose parent exists, to one whose parent exists as well.

        Raises:
            CannotFollowError: if it cannot be, or another parent would be needed.
        """
        found = self.follow(place)
        parent = self.parent(place[:-1])
        if found.place[:-1] != parent:
            raise CannotFollowError(f"moves to {text_of(found.place)}, whose parent may be missing")
        return found

    def parent(self, place: Place) -> Place:
        """Return the place of an object or list that may have no step of its own.

        Raises:
            CannotFollowError: if the other version does not have it.
        """
        try:
            return self.follow(place).place if place else ()
        except CannotFollowError:
            # Its fields have steps: it is the same field if the other version has it.
            above = self.parent(place[:-1])
            found = (*above, place[-1])
            if self.has(found):
                return found
            raise

    def has(self, place: Place) -> bool:
        """Return whether the other version has a field."""
        version = self._kind.version(self._target)
        if version is None:
            return False
        schema = schema_coverage.schema_of(version.model)
        node: schema_places.Node | None = schema_places.root(self._target, schema)
        for part in place:
            if node is None:
                return False
            is_item = isinstance(part, int) or node.type == "list"
            node = node.items if is_item else node.field(str(part))
        return node is not None


def _follow(step: Step, place: Place, side: Side) -> tuple[Place, Step]:
    """Return where a path leads in one step, and the step of the value there."""
    step = links.unguarded(step)
    if not place:
        return (), step
    if _is_same(step):
        return place, KEEP
    first, rest = place[0], place[1:]
    is_item = isinstance(first, int) or first == APPEND
    if isinstance(step, steps.Each if is_item else steps.Values):
        below, inner = _follow(step.step, rest, side)
        return (first, *below), inner
    if not isinstance(step, records.Record):
        raise CannotFollowError("is part of a value that is converted as a whole")
    return _in_record(step, place, side)


def _in_record(step: records.Record, place: Place, side: Side) -> tuple[Place, Step]:
    other: Side = "new" if side == "old" else "old"
    found: dict[Place, tuple[Place, Step]] = {}
    for link in _plain_links(step):
        here, there = link.path(side), link.path(other)
        if here is None or there is None or link.step is None or place[: len(here)] != here:
            continue
        below, inner = _follow(link.step, place[len(here) :], side)
        found[(*there, *below)] = ((*there, *below), inner)
    if len(found) != 1:
        raise CannotFollowError(
            "may lead to several fields" if found else "has no counterpart of its own"
        )
    return found.popitem()[1]


def _plain_links(step: records.Record) -> Iterator[links.Link]:
    """Yield the links that hold whatever the other fields are."""
    for link in links.every_link(step):
        if not link.shares and not link.is_chosen and not isinstance(link.step, steps.OneWay):
            yield link


def _check_annotations(step: Step, place: Place) -> None:
    """Refuse an annotation that becomes a field."""
    if place[:2] != ("metadata", "annotations") or not isinstance(step, records.Record):
        return
    names = {name for part in step.parts for name in getattr(part, "annotations", ())}
    if names.intersection(place[2:3]) or (names and len(place) == 2):  # noqa: PLR2004 - all of them
        raise CannotFollowError("becomes a field of its own")


def leaves(value: JSON, place: Place = ()) -> Iterator[tuple[Place, JSON]]:
    """Yield what an object sets: its fields that are no objects, or empty ones."""
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from leaves(item, (*place, name))
    else:
        yield place, value
