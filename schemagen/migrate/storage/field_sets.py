"""Sets of fields as managedFields have them (FieldsV1), and those of an object. Pure.

A path is a tuple of the keys of FieldsV1: ``f:NAME`` is a field, ``k:KEYS`` an item of a keyed
list, ``v:VALUE`` one of a set, ``i:INDEX`` one of a list (sigs.k8s.io/structured-merge-diff v6
fieldpath/serialize-pe.go).
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from schemagen import canonical
from schemagen.problems import JSON

Path: TypeAlias = tuple[str, ...]


class Node(NamedTuple):
    """A value in an object.

    Attributes:
        path: Where it is.
        value: The value.
        is_leaf: Whether it is owned as a whole.
    """

    path: Path
    value: JSON
    is_leaf: bool


def paths(fields: Mapping[str, Any]) -> Iterator[Path]:
    """Yield the members of a set."""
    rest: list[tuple[Path, Mapping[str, Any]]] = [((), fields)]
    while rest:
        above, members = rest.pop()
        for key, below in members.items():
            if key == ".":
                continue
            path = (*above, _normal(key))
            if not below or "." in below:
                yield path
            if below:
                rest.append((path, below))


def _normal(key: str) -> str:
    """Return a key as ``nodes`` writes it: the API server escapes ``<``, for example."""
    kind, _, text = key.partition(":")
    return f"{kind}:{_text(json.loads(text))}" if kind in {"k", "v"} else key


def fields_v1(members: Iterable[Path]) -> dict[str, Any]:
    """Return the FieldsV1 of some paths."""
    root: dict[str, Any] = {}
    ordered = sorted({*members})
    for index, path in enumerate(ordered):
        place = root
        for key in path:
            place = place.setdefault(key, {})
        # Sorted, a path is followed by those below it.
        if index + 1 < len(ordered) and ordered[index + 1][: len(path)] == path:
            place["."] = {}
    return root


def has(value: JSON, path: Path) -> bool:
    """Return whether a value has a path."""
    for key in path:
        is_there, value = _member(value, key)
        if not is_there:
            return False
    return True


def _member(value: JSON, key: str) -> tuple[bool, JSON]:
    """Return whether a value has the member of a key, and the member."""
    kind, _, text = key.partition(":")
    if kind == "f":
        is_there = isinstance(value, dict) and text in value
        return is_there, value[text] if is_there else None
    if not isinstance(value, list):
        return False, None
    wanted = json.loads(text)
    match kind:
        case "k":
            items = [item for item in value if isinstance(item, dict) and _has(item, wanted)]
        case "v":
            items = [item for item in value if canonical.identical(item, wanted)]
        case _:
            items = value[wanted : wanted + 1]
    return bool(items), items[0] if items else None


def _has(item: Mapping[str, Any], keys: Mapping[str, Any]) -> bool:
    return all(name in item and canonical.identical(item[name], keys[name]) for name in keys)


def nodes(value: JSON, schema: JSON) -> Iterator[Node]:
    """Yield a value and all below it, as far as a structural schema lets them be owned apart.

    What has others below it comes before them.
    """
    rest: list[tuple[Path, JSON, JSON]] = [((), value, schema)]
    while rest:
        path, outer, known = rest.pop()
        members = [*_members(outer, known)]
        yield Node(path, outer, is_leaf=not members)
        rest += [((*path, key), member, inner) for key, member, inner in members]


def _members(value: JSON, schema: JSON) -> Iterator[tuple[str, JSON, JSON]]:
    """Yield the key, the value and the schema of each member that has owners of its own."""
    if isinstance(value, dict) and schema.get("x-kubernetes-map-type") != "atomic":
        known, more = schema.get("properties") or {}, schema.get("additionalProperties")
        for name, member in value.items():
            inner = known.get(name, more if isinstance(more, dict) else {})
            yield f"f:{name}", member, inner
    if isinstance(value, list):
        items = schema.get("items") or {}
        match schema.get("x-kubernetes-list-type"):
            case "set":
                yield from ((f"v:{_text(item)}", item, {}) for item in value)
            case "map":
                names = schema.get("x-kubernetes-list-map-keys") or ()
                defaults = items.get("properties") or {}
                for item in value:
                    keys = {
                        name: item.get(name, defaults.get(name, {}).get("default"))
                        for name in names
                    }
                    yield f"k:{_text(keys)}", item, items


def _text(value: JSON) -> str:
    return canonical.dumps(value).decode()
