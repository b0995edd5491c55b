"""Identity of list items: the keys of the schema, the items themselves, or a usual key. Pure.

An item's identity is the values of its keys with their types.
"""

from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

from schemagen.problems import JSON
from schemagen.versions.defaulting import Node

Keys: TypeAlias = tuple[str, ...]
Identity: TypeAlias = tuple[tuple[type, JSON], ...]
"""The values of an item's keys with their types: true is not 1."""

# What tells the items of a list apart whose schema does not say it, in this order.
ITEM_KEYS: Final = (("name",), ("type",), ("path",), ("from",))
_SCALARS: Final = (str, int, float, bool, type(None))


def candidates(node: Node) -> Iterable[Keys]:
    """What may tell a list's items apart, the schema's keys first."""
    return ITEM_KEYS if node.keys is None else (node.keys, *ITEM_KEYS)


def identities(items: list[JSON], keys: Keys) -> list[Identity] | None:
    """What each item is known by, if each has an identity of its own."""
    names = [name_of(item, keys) for item in items]
    return _distinct([None if name is None or _lacks_key(name) else name for name in names])


def names_of(items: list[JSON], keys: Keys, node: Node) -> list[Identity] | None:
    """The same for a list's node: one that lacks a key of the schema is known by that."""
    if keys != node.keys:
        return identities(items, keys)
    return _distinct([name_of(item, keys) for item in items])


def _distinct(names: list[Identity | None]) -> list[Identity] | None:
    known = [name for name in names if name is not None]
    return known if len(known) == len({*known}) == len(names) else None


def name_of(item: JSON, keys: Keys) -> Identity | None:
    """The values of an item's keys, null for one that it lacks; of the item itself without any."""
    if keys and not isinstance(item, dict):
        return None
    return identity([item.get(key) for key in keys] if keys else [item])


def settled_name(item: JSON, keys: Keys, node: Node) -> Identity | None:
    """What an item is known by once it has its defaults, of which one may be of a key."""
    name = name_of(item, keys)
    if name is None or not _lacks_key(name):
        return name
    return name_of(node.settle(item), keys)


def _lacks_key(name: Identity) -> bool:
    return any(value is None for _, value in name)


def identity(values: Sequence[JSON]) -> Identity | None:
    """The identity of such values; None if one of them is no scalar."""
    if not all(type(value) in _SCALARS for value in values):
        return None
    return tuple((type(value), value) for value in values)


def values_of(name: Identity) -> list[JSON]:
    """The values of an identity."""
    return [value for _, value in name]


def common_keys(one: list[JSON], other: list[JSON], node: Node) -> Keys | None:
    """The keys by which the items of two lists are known."""
    for keys in candidates(node):
        if names_of(one, keys, node) is not None and names_of(other, keys, node) is not None:
            return keys
    return None


def covering_keys(some: list[JSON], more: list[JSON], node: Node) -> Keys | None:
    """The keys by which the second list has every item of the first one, and maybe others."""
    for keys in candidates(node):
        names, others = names_of(some, keys, node), names_of(more, keys, node)
        if names is not None and others is not None and {*names} <= {*others}:
            return keys
    return None
