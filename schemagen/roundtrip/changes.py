"""User edits of objects: replayable values and their random generation. Pure.

A change is stored as edits at paths, so that it can be replayed on a smaller object.
"""

import dataclasses
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, TypeAlias

from schemagen.checking.nodes import Node
from schemagen.differential import generation
from schemagen.problems import JSON
from schemagen.roundtrip import differences
from schemagen.roundtrip.differences import Path
from schemagen.roundtrip.requests import Method
from schemagen.versions.steps import ABSENT

Action: TypeAlias = Literal["labels", "annotations", "spec", "status", "store"]
"""Target of a write: labels, annotations, spec, status; or everything in another storage version.
"""

_STATUS: Path = ("status",)
_LABELS: Path = ("metadata", "labels")


@dataclasses.dataclass(frozen=True)
class Edit:
    """Another value at a path; ABSENT takes it away."""

    path: Path
    value: JSON

    def __str__(self) -> str:
        place = differences.text(self.path)
        return f"remove {place}" if self.value is ABSENT else f"set {place} to {self.value!r}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Change:
    """A write in one version.

    Attributes:
        action: What is written.
        version: The version of the request; the new storage version of a ``store``.
        edits: What is different from the object that was read.
        replaces: The object is sent without the annotations that hold residue, as a typed client
            or ``kubectl replace`` sends it.
        by: The version in which the API server writes, where the edits are made in ``version`` to
            an object that it converts in memory, as server-side apply does; empty if the same.
        method: How it is sent to a real API server.
    """

    action: Action
    version: str
    edits: tuple[Edit, ...] = ()
    replaces: bool = False
    by: str = ""
    method: Method = "replace"

    def __str__(self) -> str:
        how = {"store": "rewritten in"}.get(self.action, "written in")
        words = [f"{how} {self.version}", *map(str, self.edits)]
        words += ["without residue annotations"] * self.replaces
        words += [f"applied by a client of {self.by}"] * bool(self.by)
        words += [f"by {self.method}"] * (self.method != "replace")
        return ", ".join(words)

    def edited(self, value: JSON) -> JSON:
        """The object with the edits."""
        for edit in self.edits:
            value = differences.put(value, edit.path, edit.value)
        return value

    def reaches(self, path: Path) -> bool:
        """Whether the change may be seen at a path in another version."""
        is_status = path[:1] == _STATUS
        match self.action:
            case "labels":
                return path[:2] == _LABELS
            case "status":
                return is_status
            case "store":
                return False
            case _:
                return not is_status

    def keeps_lists(self, node: Node, before: JSON) -> bool:
        """Whether no list of an object with this schema got longer, shorter or another order.

        Nor has one with keys got other items, which an object may bring in that is set as a whole.
        """
        is_of_list = any(_is_of_list(edit, node) for edit in self.edits)
        return not is_of_list and _has_same_items(before, self.edited(before), node)


def _is_of_list(edit: Edit, node: Node) -> bool:
    last = edit.path[-1] if edit.path else ""
    if last in _keys_at(edit.path[:-2], node):
        return True  # another key makes another item
    return isinstance(edit.value, list) or not isinstance(last, str) or edit.value is ABSENT


def _has_same_items(before: JSON, after: JSON, node: Node | None) -> bool:
    """Whether lists with keys that are in two objects have the same items in the same order."""
    if node is None:
        return True
    if isinstance(before, dict) and isinstance(after, dict):
        return all(
            _has_same_items(before[name], after[name], node.properties.get(name, node.values))
            for name in before.keys() & after.keys()
        )
    if not isinstance(before, list) or not isinstance(after, list):
        return True
    keys = tuple(node.list_keys)
    olds, news = ([differences.item(item, keys) for item in items] for items in (before, after))
    return (not keys or olds == news) and all(
        _has_same_items(old, new, node.items) for old, new in zip(before, after, strict=False)
    )


def _keys_at(path: Path, node: Node | None) -> Sequence[str]:
    """The keys of the list at a path."""
    for step in path:
        if node is not None:
            below = node.properties.get(step, node.values) if isinstance(step, str) else node.items
            node = below
    return () if node is None else node.list_keys


class Drawer:
    """Draws changes of an object.

    Args:
        source: Where all chance comes from.
    """

    def __init__(self, source: random.Random) -> None:
        self._random = source
        self._draw = generation.Draw(source)

    def change(
        self, node: Node, said: Mapping[str, JSON], version: str, versions: Sequence[str]
    ) -> Change:
        """A change of what an object says in a version."""
        others = [name for name in versions if name != version]
        action = self._random.choice(_ACTIONS)
        if action == "store" and others:
            return Change(action="store", version=self._random.choice(others))
        if action == "status" and "status" in node.properties:
            return Change(action="status", version=version, edits=self.status(node, said))
        if action == "labels":
            return Change(action="labels", version=version, edits=(self._note(_LABELS),))
        if action == "annotations":
            note = self._note(("metadata", "annotations"))
            return Change(action="annotations", version=version, edits=(note,))
        edits = self.spec(node, said)
        by = self._random.choice(others) if others and self._is(0.15) else ""
        return Change(
            action="spec",
            version=version,
            edits=edits,
            replaces=not by and self._is(0.2),
            by=by,
        )

    def spec(self, node: Node, said: Mapping[str, JSON]) -> tuple[Edit, ...]:
        """Edits of what the main resource has."""
        body = _body(node)
        return self._edits(body, {key: said[key] for key in said if key in body})

    def additions(self, node: Node, said: Mapping[str, JSON]) -> Iterator[Edit]:
        """Edits that make an object say more: members and items that are not there yet."""
        for path, child, value in places_of(dict(said), node, ()):
            if child is None or path[:1] in {("apiVersion",), ("kind",), ("metadata",)}:
                continue
            if isinstance(value, dict) and self._is(0.5):
                yield from self._missing(path, child, value)
            elif isinstance(value, list) and child.items is not None and self._is(0.3):
                yield Edit(path, [*value, self._draw.valid(child.items.schema)])

    def _is(self, chance: float) -> bool:
        return self._random.random() < chance

    def _note(self, place: Path) -> Edit:
        return Edit((*place, self._random.choice(_NOTES)), self._random.choice(["a", "b"]))

    def status(self, node: Node, said: Mapping[str, JSON]) -> tuple[Edit, ...]:
        """Edits of the status: all of it, or some."""
        if "status" not in node.properties:
            return ()
        status = node.properties["status"]
        if "status" not in said or self._is(0.2):
            return (Edit(_STATUS, self._draw.valid(status.schema)),)
        return self._edits({"status": status}, {"status": said["status"]})

    def _edits(self, properties: Mapping[str, Node], value: Mapping[str, JSON]) -> tuple[Edit, ...]:
        places = [
            place
            for name, item in value.items()
            if name in properties
            for place in places_of(item, properties[name], (name,))
        ]
        count = self._random.choice((1, 1, 1, 2, 3)) if places else 0
        return tuple(self._edit(*self._random.choice(places)) for _ in range(count))

    def _edit(self, path: Path, node: Node | None, value: JSON) -> Edit:
        if node is None or (len(path) > 1 and self._is(0.3)):
            return Edit(path, ABSENT)
        if isinstance(value, list) and self._is(0.8):
            return self._list_edit(path, node, value)
        if isinstance(value, dict) and self._is(0.9):
            return self._member_edit(path, node, value)
        return Edit(path, self._draw.valid(node.schema))

    def _list_edit(self, path: Path, node: Node, value: list[JSON]) -> Edit:
        """Items added, removed, or in another order."""
        items = list(value)
        match self._random.randrange(3):
            case 0 if node.items is not None:
                items.insert(
                    self._random.randrange(len(items) + 1), self._draw.valid(node.items.schema)
                )
            case 1 if items:
                del items[self._random.randrange(len(items))]
            case _:
                self._random.shuffle(items)
        return Edit(path, items)

    def _member_edit(self, path: Path, node: Node, value: dict[str, JSON]) -> Edit:
        """A member that is not there, or another key of a map."""
        return next(self._missing(path, node, value), Edit(path, self._draw.valid(node.schema)))

    def _missing(self, path: Path, node: Node, value: dict[str, JSON]) -> Iterator[Edit]:
        """One member that is not there, if there may be one."""
        missing = [name for name in node.properties if name not in value]
        if path == ():
            missing = [name for name in missing if name in _body(node) or name == "status"]
        if missing:
            name = self._random.choice(missing)
            yield Edit((*path, name), self._draw.valid(node.properties[name].schema))
        elif node.values is not None:
            key = self._random.choice(_KEYS)
            yield Edit((*path, key), self._draw.valid(node.values.schema))


# How often each is drawn.
_ACTIONS: Sequence[Action] = (
    *("labels", "annotations", "store", "status", "status"),
    *("spec", "spec", "spec", "spec", "spec", "spec", "spec"),
)
_NOTES = ("example.com/note", "team")
_KEYS = ("a", "b", "app", "new-key")


def _body(node: Node) -> dict[str, Node]:
    """The fields that a write of the main resource may change."""
    kept = {"apiVersion", "kind", "metadata", "status"}
    return {name: child for name, child in node.properties.items() if name not in kept}


def places_of(
    value: JSON, node: Node | None, path: Path
) -> Iterator[tuple[Path, Node | None, JSON]]:
    """Every place of a value, with its schema if it has one."""
    yield path, node, value
    if isinstance(value, dict):
        for name, one in value.items():
            child = None if node is None else node.properties.get(name, node.values)
            yield from places_of(one, child, (*path, name))
    elif isinstance(value, list):
        keys = differences.keys_of(node, [value])
        for index, one in enumerate(value):
            step = index if keys is None else differences.item(one, keys)
            yield from places_of(one, node.items if node else None, (*path, step))
