"""Where fields of the hub version are in the version that the user wrote.

Found by conversion itself: each place gets a mark of its own, all are converted at once, and looked
for in what comes out. What swallows a mark (an enum, a unit) is found by what it changes there.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from schemagen import FieldPath, deadlines
from schemagen.keywords import Schema
from schemagen.problems import JSON

Place = tuple[str | int, ...]
"""Names of members, keys of maps, indexes of items."""

# No text or number that anybody writes. Numbers fit an int32, as many fields ask for.
_MARK: Final = "\uf8ffkubewright-{}\uf8ff"
_FIRST_NUMBER: Final = 1_931_700_000

# An object is where its fields are; so many of them say that.
MAX_LEAVES: Final = 16
# Conversions for places that swallow their marks; each costs as much as the object is large.
MAX_PROBES: Final = 8


@dataclasses.dataclass(frozen=True)
class Written:
    """A place in the version that was written.

    Attributes:
        path: The field, or the nearest one around it that the version can say; empty if none.
        is_exact: Whether the field itself has a place in that version.
    """

    path: FieldPath
    is_exact: bool


@dataclasses.dataclass(frozen=True)
class Versions:
    """The two versions of an object.

    Attributes:
        hub: The object in the hub version.
        down: Converts a hub object to the version that was written.
        hub_schema: Of the hub version.
        schema: Of the version that was written.
    """

    hub: dict[str, JSON]
    down: Callable[[dict[str, JSON]], dict[str, JSON]]
    hub_schema: Schema
    schema: Schema


def place_of(value: JSON, path: FieldPath) -> Place:
    """The place that a path means in a value: ``[name]`` may be an item of a keyed list."""
    place: list[str | int] = []
    for part in path.parts:
        name: str | int = part[1:] if part.startswith(".") else part[1:-1]
        if isinstance(value, list):
            found = _index(value, str(name))
            name = name if found is None else found
        place.append(name)
        value = _child(value, name)
    return tuple(place)


# ObjectMeta's maps: a CRD's schema says nothing of metadata.
_MAP: Final = {"additionalProperties": {"type": "string"}}
_METADATA: Final = {"metadata": {"properties": {"labels": _MAP, "annotations": _MAP}}}


def path_of(place: Place, schema: Schema) -> FieldPath:
    """A place as the API server writes it: keys of maps and indexes in brackets."""
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
    """Where places of a hub object are in the version that was written, in few conversions."""
    found = _by_marks(versions, {*places} - {()})
    missing = [place for place in dict.fromkeys(places) if place and place not in found]
    found |= _by_probes(versions, missing[:MAX_PROBES])
    around = {above for place in missing if place not in found for above in _above(place)}
    nearest = _by_marks(versions, around) if around else {}
    return [_written(place, found, nearest, versions.schema) for place in places]


def _written(
    place: Place, found: dict[Place, Place], nearest: dict[Place, Place], schema: Schema
) -> Written:
    if not place or place in found:
        return Written(path_of(found.get(place, ()), schema), is_exact=True)
    around = next((nearest[one] for one in _above(place) if one in nearest), ())
    return Written(path_of(around, schema), is_exact=False)


def _above(place: Place) -> list[Place]:
    """The places around one, the nearest first."""
    return [place[:end] for end in range(len(place) - 1, 0, -1)]


# ----------------------------------------------------------------------------------------- marks


def _by_marks(versions: Versions, places: set[Place]) -> dict[Place, Place]:
    """Places by their marks; those of metadata are the same in each version."""
    found = {place: place for place in places if place[0] == "metadata"}
    leaves = {place: _leaves(versions, place) for place in places if place not in found}
    marks: dict[Place, JSON] = {}
    for leaf, value in (one for ones in leaves.values() for one in ones):
        if leaf not in marks:
            marks[leaf] = _mark(value, len(marks))
    if not marks:
        return found
    seen = _seen(versions, marks)
    for place, ones in leaves.items():
        candidates = [
            _lifted(place, leaf, seen[leaf], versions.schema) for leaf, _ in ones if leaf in seen
        ]
        common = _common(candidates)
        if common:
            found[place] = common
    return found


def _seen(versions: Versions, marks: dict[Place, JSON]) -> dict[Place, Place]:
    """Where marks come out, by the places they were put at; a name may have become a map's key."""
    by_mark = {mark: leaf for leaf, mark in marks.items()}
    marked = versions.down(_replaced(versions.hub, marks, ()))
    found: dict[Place, Place] = {}
    for at, scalar in _scalars(marked, ()):
        here = tuple(
            value_at(versions.hub, by_mark[name]) if name in by_mark else name for name in at
        )
        for depth, name in enumerate(at):
            if name in by_mark:
                found.setdefault(by_mark[name], here[: depth + 1])
        if scalar in by_mark:
            found[by_mark[scalar]] = here
    return found


def _mark(value: JSON, number: int) -> JSON:
    return _MARK.format(number) if isinstance(value, str) else _FIRST_NUMBER + number


def _leaves(versions: Versions, place: Place) -> list[tuple[Place, JSON]]:
    """The texts and numbers at and below a place that can carry a mark."""
    value, node = value_at(versions.hub, place), _node(versions.hub_schema, place)
    found: list[tuple[Place, JSON]] = []
    for leaf, scalar, schema in _described(value, node, place):
        can_carry = isinstance(scalar, str | int | float) and not isinstance(scalar, bool)
        # The word of an enum often says what the fields beside it mean.
        if can_carry and "enum" not in schema:
            found.append((leaf, scalar))
        if len(found) == MAX_LEAVES:
            break
    return found


def _described(value: JSON, node: Schema, place: Place) -> Iterator[tuple[Place, JSON, Schema]]:
    """The scalars of a value with their places and schemas."""
    deadlines.check()
    if isinstance(value, dict | list):
        for name, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _described(one, _below(node, name), (*place, name))
    else:
        yield place, value, node


def _scalars(value: JSON, place: Place) -> Iterator[tuple[Place, JSON]]:
    """The texts and numbers of an object but for its metadata, where conversions keep notes."""
    for at, scalar, _ in _described(value, {}, place):
        if at[:1] != ("metadata",) and isinstance(scalar, str | int | float):
            yield at, scalar


def _replaced(value: JSON, marks: dict[Place, JSON], place: Place) -> Any:
    """A copy of a value with marks at their places."""
    for mark_place, mark in marks.items():
        value = _put(value, mark_place[len(place) :], mark)
    return value


def _put(value: JSON, place: Place, leaf: JSON) -> Any:
    """A copy of a value with another one at a place, which is made if it is not there."""
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
    """Where an object or list is, given where a leaf of it is: without what leads to the leaf."""
    if leaf == place:
        return at
    first = leaf[len(place)]
    if first in at[1:]:
        return at[: len(at) - 1 - at[::-1].index(first)]
    around = _node(schema, at[:-1])
    is_entry = "items" in around or isinstance(around.get("additionalProperties"), dict)
    return at[:-1] if is_entry and isinstance(first, int) else at


def _common(places: Sequence[Place]) -> Place:
    """The longest beginning that places share."""
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
    """Places by what another value there changes in the written version."""
    if not places:
        return {}
    base = versions.down(versions.hub)
    found: dict[Place, Place] = {}
    for place in places:
        present = value_at(versions.hub, place)
        value = _another(_node(versions.hub_schema, place), present)
        changed = versions.down(_put(versions.hub, place, value))
        common = _common([*_differences(base, changed, ())])
        if common:
            found[place] = common
    return found


def _differences(one: JSON, other: JSON, place: Place) -> Iterator[Place]:
    """Where two values differ, metadata apart."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in [*dict.fromkeys([*one, *other])]:
            if place or name != "metadata":
                missing = _NOTHING
                below = (*place, name)
                yield from _differences(one.get(name, missing), other.get(name, missing), below)
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from _differences(left, right, (*place, index))
    elif one != other:
        yield place


_NOTHING: Final = object()


def _another(node: Schema, present: JSON) -> JSON:
    """A value that a schema would take, other than the present one."""
    words = [word for word in node.get("enum", ()) if word != present]
    if words:
        return words[0]
    match node.get("type"):
        case "integer" | "number":
            least = node.get("minimum", 0)
            return least + 1 if present == least else least
        case "boolean":
            return present is not True
        case "array":
            return [] if present else [_another(node["items"], None)]
        case "object":
            fields = node.get("properties", {})
            return {} if present else {name: _another(one, None) for name, one in fields.items()}
        case _:
            return _TEXTS.get(node.get("format", ""), ("1h7m", "1h9m"))[present == "1h7m"]


# A duration is a text like any other where no format is asked for.
_TEXTS: Final = {
    "date-time": ("2001-02-03T04:05:06Z",) * 2,
    "uri": ("https://example.com/1", "https://example.com/2"),
}


# --------------------------------------------------------------------------------------- walking


def _index(items: list[JSON], key: str) -> int | None:
    """The index that a part of a path means: a number, or the name of an item of a keyed list."""
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
