"""Identity of list items: the keys of the schema, the items themselves, or a usual key. Pure.

An item's identity is the values of its keys with their types.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeAlias

from schemagen import canonical
from schemagen.problems import JSON
from schemagen.versions.defaulting import Node

Keys: TypeAlias = tuple[str, ...]
Identity: TypeAlias = tuple[tuple[type, JSON], ...]
"""The values of an item's keys with their types: true is not 1."""

# Usual keys of a list's items whose schema declares none, in order of preference.
ITEM_KEYS: Final = (("name",), ("type",), ("path",), ("from",))
_SCALARS: Final = (str, int, float, bool, type(None))


# Longer lists have no marks: an entry would be longer than what it says.
_MAX_MARKED_ITEMS: Final = 32
_MARK_CHARACTERS: Final = 4


def marks(items: list[JSON], keys: Keys, node: Node) -> str:
    """Return short digests of the names of a list's items, to tell a renamed item later.

    Empty for a list that the schema gives keys, where another key makes another item.
    """
    if node.keys is not None or len(items) > _MAX_MARKED_ITEMS:
        return ""
    return "".join(_mark(item, keys) for item in items)


def is_renamed(items: JSON, index: JSON, keys: Keys, known: JSON) -> bool:
    """Return whether the item at an index has a name that no item of the marked list had.

    A name of that list counts as new where the items that had it have it still.
    """
    if type(index) is not int or type(known) is not str or not isinstance(items, list):
        return False
    if not 0 <= index < len(items) or len(known) != _MARK_CHARACTERS * len(items):
        return False
    mark = _mark(items[index], keys)
    return mark != _UNMARKED and all(
        _mark(item, keys) == mark
        for at, item in zip(range(0, len(known), _MARK_CHARACTERS), items, strict=True)
        if known[at : at + _MARK_CHARACTERS] == mark
    )


_UNMARKED: Final = "-" * _MARK_CHARACTERS


def _mark(item: JSON, keys: Keys) -> str:
    name = name_of(item, keys)
    if name is None or _lacks_key(name):
        return _UNMARKED
    return canonical.digest(values_of(name))[:_MARK_CHARACTERS]


def candidates(node: Node) -> Iterable[Keys]:
    """Return possible keys of a list's items, the schema's first."""
    return ITEM_KEYS if node.keys is None else (node.keys, *ITEM_KEYS)


def identities(items: list[JSON], keys: Keys) -> list[Identity] | None:
    """Return the identity of each item, if all are distinct."""
    names = [name_of(item, keys) for item in items]
    return _distinct([None if name is None or _lacks_key(name) else name for name in names])


def names_of(items: list[JSON], keys: Keys, node: Node) -> list[Identity] | None:
    """Return the identities for a list's node; a missing schema key is part of an identity."""
    if keys != node.keys:
        return identities(items, keys)
    return _distinct([name_of(item, keys) for item in items])


def _distinct(names: list[Identity | None]) -> list[Identity] | None:
    known = [name for name in names if name is not None]
    return known if len(known) == len({*known}) == len(names) else None


def name_of(item: JSON, keys: Keys) -> Identity | None:
    """Return the values of an item's keys, null for missing ones; without keys, the item itself."""
    if keys and not isinstance(item, dict):
        return None
    return identity([item.get(key) for key in keys] if keys else [item])


def settled_name(item: JSON, keys: Keys, node: Node) -> Identity | None:
    """Return the identity of an item after defaulting, which may set a key."""
    name = name_of(item, keys)
    if name is None or not _lacks_key(name):
        return name
    return name_of(node.settle(item), keys)


def _lacks_key(name: Identity) -> bool:
    return any(value is None for _, value in name)


def identity(values: Sequence[JSON]) -> Identity | None:
    """Return the identity of values; None if one is not a scalar."""
    if not all(type(value) in _SCALARS for value in values):
        return None
    return tuple((type(value), value) for value in values)


def values_of(name: Identity) -> list[JSON]:
    """Return the values of an identity."""
    return [value for _, value in name]


def telling_keys(some: list[JSON], more: list[JSON], node: Node) -> Keys | None:
    """Return the keys by which the first list has distinct items; all of the second, if any do."""
    found: Keys | None = None
    for keys in candidates(node):
        names = names_of(some, keys, node) if keys else None
        if names is not None and {name_of(item, keys) for item in more} <= {*names}:
            return keys
        if names is not None and found is None:
            found = keys
    return found


def naming(keys: Keys) -> Callable[[JSON], Identity | None]:
    """Return a function that identifies items by keys."""
    return lambda item: name_of(item, keys)


def common_keys(one: list[JSON], other: list[JSON], node: Node) -> Keys | None:
    """Return the keys that identify the items of two lists."""
    for keys in candidates(node):
        if names_of(one, keys, node) is not None and names_of(other, keys, node) is not None:
            return keys
    return None


def covering_keys(some: list[JSON], more: list[JSON], node: Node) -> Keys | None:
    """Return the keys by which the second list contains every item of the first."""
    for keys in candidates(node):
        names, others = names_of(some, keys, node), names_of(more, keys, node)
        if names is not None and others is not None and {*names} <= {*others}:
            return keys
    return None
