"""Find the parts of an object that entries of residue refer to."""

import collections
from collections.abc import Sequence
from typing import TypeAlias

from schemagen import canonical
from schemagen.problems import JSON
from schemagen.versions.defaulting import Node
from schemagen.versions.residue import list_items
from schemagen.versions.steps import ABSENT

_Indexes: TypeAlias = collections.defaultdict[list_items.Identity | None, list[int]]


def member_of(value: JSON, name: str) -> JSON:
    """Return a member of an object, or ABSENT."""
    return value.get(name, ABSENT) if isinstance(value, dict) else ABSENT


def by_digest(items: list[JSON]) -> dict[str, list[int]]:
    """Where the items with each digest are."""
    indexes: dict[str, list[int]] = {}
    for index, item in enumerate(items):
        indexes.setdefault(canonical.digest(item), []).append(index)
    return indexes


class NamedItems:
    """Where the items of lists are by what they are known by, found once for each list.

    Hundreds of entries may speak of one list of hundreds of items.
    """

    def __init__(self) -> None:
        # The list is kept so that no other one gets its id meanwhile.
        self._known: dict[int, tuple[JSON, dict[list_items.Keys, _Indexes]]] = {}

    def indexes(
        self, items: JSON, keys: list_items.Keys, node: Node, name: list_items.Identity
    ) -> Sequence[int]:
        """Where the items are that are known by a name."""
        if not isinstance(items, list):
            return ()
        _, by_keys = self._known.setdefault(id(items), (items, {}))
        if keys not in by_keys:
            found = by_keys[keys] = collections.defaultdict(list)
            for index, item in enumerate(items):
                found[list_items.settled_name(item, keys, node)].append(index)
        return by_keys[keys].get(name, ())

    def replaced(self, before: JSON, after: JSON, index: int, node: Node) -> None:
        """Keep what is known of a list for one in which another item is at a place."""
        _, by_keys = self._known.pop(id(before), (None, {}))
        same = {
            keys: found
            for keys, found in by_keys.items()
            if list_items.settled_name(before[index], keys, node)
            == list_items.settled_name(after[index], keys, node)
        }
        self._known[id(after)] = after, same
