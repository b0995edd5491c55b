"""Where fields of one version stand in another, found by comparing an object in both. Pure.

The API server converts whole objects, and tells nothing of their fields. A value that only the
older version has and one that only the newer has are the same if they are identical, and no others
are; of several, those of the same name.
"""

import dataclasses
from collections.abc import Collection, Iterable, Mapping

from schemagen import canonical
from schemagen.migrate.storage import field_sets
from schemagen.migrate.storage.field_sets import Node, Path
from schemagen.problems import JSON

# Every version has these; what conversions keep in annotations is nobody's.
_SHARED = frozenset({"apiVersion", "kind", "metadata"})


@dataclasses.dataclass(frozen=True)
class Renames:
    """Differences between two versions of an object.

    Attributes:
        older: The values of the older version.
        newer: Those of the newer one.
        places: Path in the newer version by path in the older one.
        left: Fields of the older version without a place in the newer one.
        added: Fields of the newer version without a place in the older one.
    """

    older: Mapping[Path, Node]
    newer: Mapping[Path, Node]
    places: Mapping[Path, Path]
    left: frozenset[Path]
    added: frozenset[Path]

    def of(self, path: Path) -> Collection[Path]:
        """Return where a field of the older version stands in the newer one, as far as known."""
        for length in range(len(path), 0, -1):
            place = self.places.get(path[:length])
            if place is not None:
                return self._owned(path, (*place, *path[length:]))
        return ()

    def _owned(self, path: Path, place: Path) -> Collection[Path]:
        """Return the members of a set that own a place as the older version's path is owned."""
        while place not in self.newer:  # a part of what is atomic in the newer version
            place = place[:-1]
        if path in self.older and self.older[path].is_leaf:
            return _owned(node for node in self.newer.values() if _is_below(node.path, place))
        return {place}


def between(older: JSON, newer: JSON, older_schema: JSON, newer_schema: JSON) -> Renames:
    """Compare an object in two versions, given the structural schemas of both."""
    before, after = _nodes(older, older_schema), _nodes(newer, newer_schema)
    gone = [node for path, node in before.items() if path not in after]
    come = [node for path, node in after.items() if path not in before]
    places: dict[Path, Path] = {}
    taken: set[Path] = set()
    for is_named in (False, True):
        sources, targets = _by_value(gone, is_named=is_named), _by_value(come, is_named=is_named)
        for key, nodes in sources.items():  # outer ones first
            found = targets.get(key, [])
            if len(nodes) != 1 or len(found) != 1:
                continue
            source, target = nodes[0].path, found[0].path
            if not _covers(places, source) and not _covers(taken, target):
                places[source] = target
                taken.add(target)
    left = _owned(node for node in gone if not _covers(places, node.path))
    added = _owned(node for node in come if not _covers(taken, node.path))
    return Renames(before, after, places, left, added)


def _nodes(value: JSON, schema: JSON) -> dict[Path, Node]:
    own = {name: item for name, item in value.items() if name not in _SHARED}
    return {node.path: node for node in field_sets.nodes(own, schema) if node.path}


def _by_value(nodes: Iterable[Node], *, is_named: bool) -> dict[tuple[bytes, str], list[Node]]:
    """Return the nodes by value, or by name and value."""
    found: dict[tuple[bytes, str], list[Node]] = {}
    for node in nodes:
        key = (canonical.dumps(node.value), node.path[-1] if is_named else "")
        found.setdefault(key, []).append(node)
    return found


def _owned(nodes: Iterable[Node]) -> frozenset[Path]:
    """Return the paths by which a set of fields owns some nodes: leaves, and items by key."""
    return frozenset(node.path for node in nodes if node.is_leaf or node.path[-1].startswith("k:"))


def _covers(places: Collection[Path], path: Path) -> bool:
    """Return whether a path is one of some, or below one."""
    return any(path[:length] in places for length in range(1, len(path) + 1))


def _is_below(path: Path, above: Path) -> bool:
    return path[: len(above)] == above
