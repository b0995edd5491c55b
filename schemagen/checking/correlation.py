"""Correlation of new and old values, and whether they are unchanged (KEP-4008, ratcheting).

Follows apiserver 1.37's ``cel/common.CorrelatedObject``: fields and map entries by name, items of a
list-map by their keys, other items not at all.
"""

from collections.abc import Iterator, Sequence

from schemagen import go_format
from schemagen.cel import ABSENT, Absent
from schemagen.checking.nodes import Node
from schemagen.problems import JSON

TYPE_META = frozenset({"apiVersion", "kind"})


def member(node: Node, name: str, old: JSON | Absent) -> JSON | Absent:
    """Return the old value of an object's member, or ABSENT."""
    is_known = name in node.properties or node.values is not None
    return old.get(name, ABSENT) if isinstance(old, dict) and is_known else ABSENT


def children(node: Node, value: JSON, old: JSON | Absent) -> Iterator[JSON | Absent]:
    """Return the old values of a value's children, in the order of ``node.children``."""
    if isinstance(value, list):
        if node.items is not None:
            yield from items(node, value, old)
        return
    for _, _, name in node.children(value):
        yield member(node, str(name), old)


def items(node: Node, value: Sequence[JSON], old: JSON | Absent) -> Iterator[JSON | Absent]:
    """Return the old value of each list item, or ABSENT."""
    by_key = _by_key(node, old)
    for item in value:
        key = key_of(node, item) if by_key else None
        yield ABSENT if key is None else by_key.get(key, ABSENT)


def _by_key(node: Node, old: JSON | Absent) -> dict[str, JSON]:
    if node.list_type != "map" or not isinstance(old, list):
        return {}
    by_key: dict[str, JSON] = {}
    for item in old:
        key = key_of(node, item)
        if key is not None:
            by_key.setdefault(key, item)
    return by_key


def key_of(node: Node, item: JSON) -> str | None:
    """Return the identity of a list-map item; None if a key is missing or not a scalar."""
    if not isinstance(item, dict):
        return None
    values = [item.get(key) for key in node.list_keys]
    if any(value is None or isinstance(value, dict | list) for value in values):
        return None
    return "\0".join(f"{type(value).__name__} {go_format.shown(value)}" for value in values)


def equal(node: Node, value: JSON, old: JSON) -> bool:
    """Return whether a value equals its old one; the order of list-map items is ignored."""
    if isinstance(value, list) and isinstance(old, list):
        return _equal_lists(node, value, old)
    if isinstance(value, dict) and isinstance(old, dict):
        return len(value) == len(old) and all(
            _equal_members(node, name, entry, old) for name, entry in value.items()
        )
    return same(value, old)


def _equal_members(node: Node, name: str, value: JSON, old: dict[str, JSON]) -> bool:
    previous = member(node, name, old)
    if previous is ABSENT:
        return False
    child = node.properties.get(name, node.values)
    return child is not None and equal(child, value, previous)


def _equal_lists(node: Node, value: list[JSON], old: list[JSON]) -> bool:
    if len(value) != len(old):
        return False
    if node.list_type != "map" or node.items is None:
        return same(value, old)
    return all(
        previous is not ABSENT and equal(node.items, item, previous)
        for item, previous in zip(value, items(node, value, old), strict=True)
    )


def same(value: JSON, other: JSON) -> bool:
    """Return whether JSON values are equal in Go: 1, 1.0 and true are three values."""
    if isinstance(value, dict) and isinstance(other, dict):
        return value.keys() == other.keys() and all(same(value[key], other[key]) for key in value)
    if isinstance(value, list) and isinstance(other, list):
        return len(value) == len(other) and all(map(same, value, other))
    return type(value) is type(other) and bool(value == other)
