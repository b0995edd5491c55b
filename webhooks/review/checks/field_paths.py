"""Maps fields of the hub version to the version that the user wrote.

Conversion itself does the mapping: each place is marked, all are converted at once, and the marks
are located in the result. A mark that is swallowed (an enum, a unit) is located by what it changes.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from schemagen import FieldPath, deadlines
from schemagen.problems import JSON
from schemagen.schema.keywords import Schema

Place = tuple[str | int, ...]
"""A path in a JSON value: field names, map keys, list indexes."""

# Values that do not occur in practice. Numbers fit an int32, as many fields require.
_MARK: Final = "\uf8ffkubewright-{}\uf8ff"
_FIRST_NUMBER: Final = 1_931_700_000

# An object is located by its fields; this many of them suffice.
MAX_LEAVES: Final = 16
# Maximum number of conversions for swallowed marks; each costs as much as converting the object.
MAX_PROBES: Final = 8


@dataclasses.dataclass(frozen=True)
class Written:
    """A place in the version that was written.

    Attributes:
        path: The field, or the nearest enclosing field in that version; empty if none.
        is_exact: Whether the field itself exists in that version.
    """

    path: FieldPath
    is_exact: bool


@dataclasses.dataclass(frozen=True)
class Versions:
    """The two versions of an object.

    Attributes:
        hub: The object in the hub version.
        down: Converts a hub object to the version that was written.
        hub_schema: Schema of the hub version.
        schema: Schema of the version that was written.
    """

    hub: dict[str, JSON]
    down: Callable[[dict[str, JSON]], dict[str, JSON]]
    hub_schema: Schema
    schema: Schema


def place_of(value: JSON, path: FieldPath) -> Place:
    """Resolve a path in a value: ``[name]`` may be an item of a keyed list."""
    place: list[str | int] = []
    for part in path.parts:
        name: str | int = part[1:] if part.startswith(".") else part[1:-1]
        if isinstance(value, list):
            index = _index(value, str(name))
            name = name if index is None else index
        place.append(name)
        value = _child(value, name)
    return tuple(place)


# Maps of ObjectMeta: a CRD's schema does not describe metadata.
_MAP: Final = {"additionalProperties": {"type": "string"}}
_METADATA: Final = {"metadata": {"properties": {"labels": _MAP, "annotations": _MAP}}}


def path_of(place: Place, schema: Schema) -> FieldPath:
    """Format a place as the API server does: map keys and indexes in brackets."""
    path, node = (
        FieldPath(),
        {**schema, "properties": {**schema.get("properties", {}), **_METADATA}},
    )
    for name in place:
        is_field = name in node.get("properties", ()) or "additionalProperties" not in node
        is_member = isinstance(name, str) and is_field and name.isidentifier()
        path = path.member(str(name)) if is_member else path.key(name)
        node = _below(node, name)
    return path


def written(versions: Versions, places: Sequence[Place]) -> list[Written]:
    """Map places of a hub object to the version that was written, in few conversions."""
    mapped = _by_marks(versions, {*places} - {()})
    missing = [place for place in dict.fromkeys(places) if place and place not in mapped]
    mapped |= _by_probes(versions, missing[:MAX_PROBES])
    around = {above for place in missing if place not in mapped for above in _above(place)}
    nearest = _by_marks(versions, around) if around else {}
    return [_written(place, mapped, nearest, versions.schema) for place in places]


def _written(
    place: Place, mapped: dict[Place, Place], nearest: dict[Place, Place], schema: Schema
) -> Written:
    if not place or place in mapped:
        return Written(path_of(mapped.get(place, ()), schema), is_exact=True)
    around = next((nearest[above] for above in _above(place) if above in nearest), ())
    return Written(path_of(around, schema), is_exact=False)


def _above(place: Place) -> list[Place]:
    """The enclosing places, nearest first."""
    return [place[:end] for end in range(len(place) - 1, 0, -1)]


# ----------------------------------------------------------------------------------------- marks


def _by_marks(versions: Versions, places: set[Place]) -> dict[Place, Place]:
    """Map places by their marks; those of metadata are the same in each version."""
    mapped = {place: place for place in places if place[0] == "metadata"}
    leaves = {place: _leaves(versions, place) for place in places if place not in mapped}
    marks: dict[Place, JSON] = {}
    for leaf, value in (leaf_ for marked in leaves.values() for leaf_ in marked):
        if leaf not in marks:
            marks[leaf] = _mark(value, len(marks))
    if not marks:
        return mapped
    located = _located(versions, marks)
    for place, marked in leaves.items():
        candidates = [
            _lifted(place, leaf, located[leaf], versions.schema)
            for leaf, _ in marked
            if leaf in located
        ]
        common = _common(candidates)
        if common:
            mapped[place] = common
    return mapped


def _located(versions: Versions, marks: dict[Place, JSON]) -> dict[Place, Place]:
    """Locate marks in the result, by where they were put; a name may have become a map key."""
    by_mark = {mark: leaf for leaf, mark in marks.items()}
    marked = versions.down(_replaced(versions.hub, marks, ()))
    located: dict[Place, Place] = {}
    for at, scalar in _scalars(marked, ()):
        here = tuple(
            value_at(versions.hub, by_mark[name]) if name in by_mark else name for name in at
        )
        for depth, name in enumerate(at):
            if name in by_mark:
                located.setdefault(by_mark[name], here[: depth + 1])
        if scalar in by_mark:
            located[by_mark[scalar]] = here
    return located


def _mark(value: JSON, number: int) -> JSON:
    return _MARK.format(number) if isinstance(value, str) else _FIRST_NUMBER + number


def _leaves(versions: Versions, place: Place) -> list[tuple[Place, JSON]]:
    """The strings and numbers at and below a place that can carry a mark."""
    value, node = value_at(versions.hub, place), _node(versions.hub_schema, place)
    leaves: list[tuple[Place, JSON]] = []
    for leaf, scalar, schema in _described(value, node, place):
        can_carry = isinstance(scalar, str | int | float) and not isinstance(scalar, bool)
        # The value of an enum often decides what the fields beside it mean.
        if can_carry and "enum" not in schema:
            leaves.append((leaf, scalar))
        if len(leaves) == MAX_LEAVES:
            break
    return leaves


def _described(value: JSON, node: Schema, place: Place) -> Iterator[tuple[Place, JSON, Schema]]:
    """Yield the scalars of a value with their places and schemas."""
    deadlines.check()
    if isinstance(value, dict | list):
        for name, child in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _described(child, _below(node, name), (*place, name))
    else:
        yield place, value, node


def _scalars(value: JSON, place: Place) -> Iterator[tuple[Place, JSON]]:
    """The strings and numbers of an object, except metadata, where conversions keep annotations."""
    for at, scalar, _ in _described(value, {}, place):
        if at[:1] != ("metadata",) and isinstance(scalar, str | int | float):
            yield at, scalar


def _replaced(value: JSON, marks: dict[Place, JSON], place: Place) -> Any:
    """Copy a value with marks at their places."""
    for mark_place, mark in marks.items():
        value = _put(value, mark_place[len(place) :], mark)
    return value


def _put(value: JSON, place: Place, leaf: JSON) -> Any:
    """Copy a value with another one at a place, which is created if it is missing."""
    if not place:
        return leaf
    name, *rest = place
    if isinstance(value, list):
        if not isinstance(name, int) or name >= len(value):
            return value
        return [*value[:name], _put(value[name], tuple(rest), leaf), *value[name + 1 :]]
    known = value if isinstance(value, dict) else {}
    return {**known, name: _put(known.get(name), tuple(rest), leaf)}


def _lifted(place: Place, leaf: Place, at: Place, schema: Schema) -> Place:
    """Locate an object or list, given the location of one of its leaves."""
    if leaf == place:
        return at
    first = leaf[len(place)]
    if first in at[1:]:
        return at[: len(at) - 1 - at[::-1].index(first)]
    around = _node(schema, at[:-1])
    is_entry = "items" in around or isinstance(around.get("additionalProperties"), dict)
    return at[:-1] if is_entry and isinstance(first, int) else at


def _common(places: Sequence[Place]) -> Place:
    """The longest common prefix of places."""
    if not places:
        return ()
    first, last = min(places, key=_order), max(places, key=_order)
    shared = 0
    while shared < len(first) and shared < len(last) and first[shared] == last[shared]:
        shared += 1
    return first[:shared]


def _order(place: Place) -> list[str]:
    return [str(name) for name in place]


# ---------------------------------------------------------------------------------------- probes


def _by_probes(versions: Versions, places: Sequence[Place]) -> dict[Place, Place]:
    """Map places by what another value there changes in the written version."""
    if not places:
        return {}
    base = versions.down(versions.hub)
    mapped: dict[Place, Place] = {}
    for place in places:
        present = value_at(versions.hub, place)
        value = _another(_node(versions.hub_schema, place), present)
        changed = versions.down(_put(versions.hub, place, value))
        common = _common([*_differences(base, changed, ())])
        if common:
            mapped[place] = common
    return mapped


def _differences(left: JSON, right: JSON, place: Place) -> Iterator[Place]:
    """Yield where two values differ, metadata aside."""
    if isinstance(left, dict) and isinstance(right, dict):
        for name in [*dict.fromkeys([*left, *right])]:
            if place or name != "metadata":
                missing = _NOTHING
                below = (*place, name)
                yield from _differences(left.get(name, missing), right.get(name, missing), below)
    elif isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        for index, (old, new) in enumerate(zip(left, right, strict=True)):
            yield from _differences(old, new, (*place, index))
    elif left != right:
        yield place


_NOTHING: Final = object()


def _another(node: Schema, present: JSON) -> JSON:
    """A value that the schema allows, other than the present one."""
    values = [value for value in node.get("enum", ()) if value != present]
    if values:
        return values[0]
    match node.get("type"):
        case "integer" | "number":
            minimum = node.get("minimum", 0)
            return minimum + 1 if present == minimum else minimum
        case "boolean":
            return present is not True
        case "array":
            return [] if present else [_another(node["items"], None)]
        case "object":
            fields = node.get("properties", {})
            return (
                {} if present else {name: _another(child, None) for name, child in fields.items()}
            )
        case _:
            return _TEXTS.get(node.get("format", ""), ("1h7m", "1h9m"))[present == "1h7m"]


# A duration is an ordinary string where no format is required.
_TEXTS: Final = {
    "date-time": ("2001-02-03T04:05:06Z",) * 2,
    "uri": ("https://example.com/1", "https://example.com/2"),
}


# --------------------------------------------------------------------------------------- walking


def _index(items: list[JSON], key: str) -> int | None:
    """Resolve a part of a path to an index: a number, or the name of an item of a keyed list."""
    names = [item.get("name") if isinstance(item, dict) else None for item in items]
    if key in names:
        return names.index(key)
    return int(key) if key.isdecimal() and int(key) < len(items) else None


def _child(value: JSON, name: str | int) -> JSON:
    if isinstance(value, dict):
        return value.get(str(name))
    if isinstance(value, list) and isinstance(name, int) and name < len(value):
        return value[name]
    return None


def value_at(value: JSON, place: Place) -> JSON:
    """The value at a place; None if there is none."""
    for name in place:
        value = _child(value, name)
    return value


def _node(schema: Schema, place: Place) -> Schema:
    for name in place:
        schema = _below(schema, name)
    return schema


def _below(schema: Schema, name: str | int) -> Schema:
    if "items" in schema:
        items: Schema = schema["items"]
        return items
    properties: dict[str, Schema] = schema.get("properties", {})
    rest = schema.get("additionalProperties")
    return properties.get(str(name), rest if isinstance(rest, dict) else {})
