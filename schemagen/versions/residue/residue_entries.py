"""The entries of residue: values that the other version cannot say, and what they were beside.

An entry names an object and keys in it: ``{"at": path, "was": {key: digest}, "is": {key: value}}``.
``was`` has the digests of the values that the plain conversion gives (a key only in ``is`` is
absent there), as the API server defaults them; where they no longer match, somebody edited the
field and the entry is stale. A path holds member names, and the keys of a list's item: ``{"name":
"x"}``. An object on the path that is gone is made again, an item is not. ``"near": [index, ...]``
says where those items were: of several that have its keys by now, an item is the one at its place.
``[index, marks]`` instead, where the schema has no keys, tells with short digests of all items'
names whether the item there now is a new one: then it is the same item with another name.

Items of lists are known by the keys of the schema, by themselves in a set, or by a usual key:
``{"at": path, "by": keys, "after": values, "item": item}`` puts one back (in front for ``null``;
stale if it is there), ``{"at": path, "by": keys, "order": [values, ...]}`` puts them in order.
Where nothing tells them apart, items have an index: ``{"at": path, "was": {key: digest}, "insert":
{key: [[index, item], ...]}}``, and a path goes to one by ``[index, length, digest, rank, count]``:
its index, the length of the list, its digest, and which it was of how many items that are alike.
``"again": {key: [number, ...]}`` beside ``insert`` says which of those repeat an item of the list;
they are put back as well where somebody edited the list and left that item in it. With ``"by":
keys`` it is an item with the same keys, whatever else is in it, and they follow that item.
``"ahead": {key: [number, ...]}`` says which of the repeats came before the item.
"""

import itertools
from collections.abc import Sequence
from typing import Any, TypeAlias

from schemagen.problems import JSON
from schemagen.versions.defaulting import OPEN, Node
from schemagen.versions.residue import list_items
from schemagen.versions.steps import ABSENT

Entry: TypeAlias = dict[str, Any]


def part_of(entry: Entry) -> str:
    """The member of an object that an entry speaks of."""
    return next(iter(field_of(entry)), "")


def field_of(entry: Entry) -> list[str]:
    """The members on the way to what an entry speaks of, up to the first item of a list."""
    at = entry.get("at")
    steps = at if isinstance(at, list) else []
    members = [*itertools.takewhile(lambda step: isinstance(step, str), steps)]
    if len(members) < len(steps):
        return members
    groups = (entry.get(name) for name in ("was", "is", "insert"))
    return members + [key for group in groups if isinstance(group, dict) for key in group][:1]


def parts_of(entry: Entry) -> list[Entry]:
    """The members of what an entry adds, each by itself; none if it adds but one value."""
    match entry:
        case {"at": list(at), "was": dict(was), "is": dict(values)} if not was:
            if len(values) > 1:
                return [{"at": at, "was": {}, "is": {key: value}} for key, value in values.items()]
            for key, value in values.items():
                if isinstance(value, dict):
                    return parts_of({"at": [*at, key], "was": {}, "is": value})
    return []


def has_written(entry: Entry, path: Sequence[str | int], value: JSON, node: Node = OPEN) -> bool:
    """Whether what an object has at a path is of an entry that was put back, or below it."""
    at = entry["at"]
    for step, name in zip(at, path, strict=False):
        if not _leads_to(step, name, value, node):
            return False
        value = _part(value, name)
        node = node.child(name) if isinstance(name, str) else node.items or OPEN
    match (entry, path[len(at) :]):
        case ({"insert": dict(values)} | {"is": dict(values)}, [key, *_]):
            return key in values
        case ({"by": list(keys), "item": item}, [index, _, *_]):
            items = (_part(value, index), item)
            found, wanted = (list_items.name_of(one, tuple(keys)) for one in items)
            return found == wanted
    return False


def _leads_to(step: JSON, name: str | int, value: JSON, node: Node) -> bool:
    """Whether a step of an entry's path goes to a member or an item."""
    match step:
        case dict():
            found = list_items.settled_name(_part(value, name), tuple(step), node.items or OPEN)
            return found == list_items.identity([*step.values()])
        case [index, *_]:
            return bool(index == name)
    return bool(step == name)


def _part(value: JSON, name: str | int) -> JSON:
    """A member or an item, ABSENT if there is none."""
    if isinstance(name, str):
        return value.get(name, ABSENT) if isinstance(value, dict) else ABSENT
    return value[name] if isinstance(value, list) and name < len(value) else ABSENT
