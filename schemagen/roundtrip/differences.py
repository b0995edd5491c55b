"""Differences between two objects of one version, and how to revert one. Pure.

A path consists of member names, of ``Item`` in lists whose items have keys or form a set, and of
indexes in lists whose items are identified by position.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

from schemagen import canonical
from schemagen.checking.nodes import Node
from schemagen.problems import JSON
from schemagen.versions.steps import ABSENT


@dataclasses.dataclass(frozen=True)
class Item:
    """A list's item by its keys; by itself where the list is a set, which has none."""

    identity: str
    keys: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.identity

    def is_of(self, value: JSON) -> bool:
        """Whether a value is this item."""
        return _identity(value, self.keys) == self.identity


@dataclasses.dataclass(frozen=True)
class Order:
    """The order of a list's items."""

    keys: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "<order>"


# Of items whose schema declares none.
_USUAL_KEYS: Final = ("name",)

Step: TypeAlias = str | int | Item | Order
Path: TypeAlias = tuple[Step, ...]
ROOT: Final[Path] = ()


@dataclasses.dataclass(frozen=True)
class Difference:
    """A place where two objects differ; ABSENT where one of them has nothing."""

    path: Path
    before: JSON
    after: JSON


def text(path: Path) -> str:
    """``spec.tags[{"name":"x"}].note``."""
    found = ""
    for step in path:
        found += f".{step}" if isinstance(step, str) else f"[{step}]"
    return found.removeprefix(".")


def differences(
    before: JSON,
    after: JSON,
    node: Node | None,
    *,
    by_index: bool = False,
    is_sorted: bool = False,
) -> Iterator[Difference]:
    """The smallest places where two values differ.

    Args:
        before: A value.
        after: Another one.
        node: The schema of both; None where there is none.
        by_index: Whether lists of the same length without keys are compared item by item.
        is_sorted: Whether lists with keys have been sorted, so that an item with the key of another
            one has no place of its own.
    """
    yield from _Comparison(by_index=by_index, is_sorted=is_sorted).of(before, after, node, ROOT)


@dataclasses.dataclass(frozen=True)
class _Comparison:
    by_index: bool
    is_sorted: bool

    def of(self, before: JSON, after: JSON, node: Node | None, path: Path) -> Iterator[Difference]:
        if is_same(before, after):
            return
        sides = [side for side in (before, after) if side is not ABSENT]
        if all(isinstance(side, dict) for side in sides) and any(sides):
            yield from self._members(_members(before), _members(after), node, path)
        elif all(isinstance(side, list) for side in sides) and len(sides) > 1:
            yield from self._lists(before, after, node, path)
        else:
            yield Difference(path, before, after)

    def _members(
        self, before: dict[str, JSON], after: dict[str, JSON], node: Node | None, path: Path
    ) -> Iterator[Difference]:
        for name in dict.fromkeys([*before, *after]):
            child = None if node is None else node.properties.get(name, node.values)
            pair = (before.get(name, ABSENT), after.get(name, ABSENT))
            yield from self.of(*pair, child, (*path, name))

    def _lists(
        self, before: list[JSON], after: list[JSON], node: Node | None, path: Path
    ) -> Iterator[Difference]:
        keys = keys_of(node, [before, after])
        if keys is not None:
            yield from self._items(before, after, node, path, keys)
        elif self._has_places(node) and len(before) == len(after):
            yield from self._pairs(before, after, node, path)
        else:
            yield Difference(path, before, after)

    def _has_places(self, node: Node | None) -> bool:
        has_keys = node is not None and bool(node.list_keys)
        return self.by_index and not (has_keys and self.is_sorted)

    def _pairs(
        self, before: list[JSON], after: list[JSON], node: Node | None, path: Path
    ) -> Iterator[Difference]:
        """The items at the same places; one with another key is another item.

        A path goes to an item by its name where that is the only one, as another version of the
        list may have fewer items.
        """
        keys = () if node is None else tuple(node.list_keys)
        child = None if node is None else node.items
        olds, news = (_by_name(items, keys or _USUAL_KEYS) for items in (before, after))
        steps = {index: name for name, index in olds.items() if news.get(name) == index}
        for index, (old, new) in enumerate(zip(before, after, strict=True)):
            if keys and _identity(old, keys) != _identity(new, keys):
                yield Difference((*path, index), old, new)
            else:
                yield from self.of(old, new, child, (*path, steps.get(index, index)))

    def _items(
        self,
        before: list[JSON],
        after: list[JSON],
        node: Node | None,
        path: Path,
        keys: tuple[str, ...],
    ) -> Iterator[Difference]:
        olds, news = _by_identity(before, keys), _by_identity(after, keys)
        child = None if node is None else node.items
        for identity in dict.fromkeys([*olds, *news]):
            old, new = olds.get(identity, ABSENT), news.get(identity, ABSENT)
            place = (*path, Item(identity, keys))
            if old is ABSENT or new is ABSENT:
                yield Difference(place, old, new)
            else:
                yield from self.of(old, new, child, place)
        if [one for one in olds if one in news] != [one for one in news if one in olds]:
            yield Difference((*path, Order(keys)), [*olds], [*news])


def keys_of(node: Node | None, lists: Sequence[list[JSON]]) -> tuple[str, ...] | None:
    """The keys of lists' items, none for sets; None if nothing tells the items apart."""
    if node is None or node.list_type not in {"map", "set"}:
        return None
    keys = tuple(node.list_keys)
    is_distinct = all(len(_by_identity(members, keys)) == len(members) for members in lists)
    return keys if is_distinct else None


def item(value: JSON, keys: tuple[str, ...]) -> Item:
    """How a path goes to a list's item."""
    return Item(_identity(value, keys), keys)


def get(value: JSON, path: Path) -> JSON:
    """The part of a value at a path, or ABSENT."""
    for step in path:
        value = _part(value, step)
    return value


def put(value: JSON, path: Path, part: JSON) -> JSON:
    """A copy of a value with another part at a path; ABSENT takes the part away."""
    if not path:
        return part
    step, *rest = path
    match step:
        case str():
            return _put_member(value, step, tuple(rest), part)
        case Order():
            return _rearranged(value, step, part)
        case _:
            return _put_item(value, step, tuple(rest), part)


def _put_member(value: JSON, name: str, rest: Path, part: JSON) -> JSON:
    holder = value if isinstance(value, dict) else {}
    child = put(holder.get(name, ABSENT), rest, part)
    if child is ABSENT:
        return {key: one for key, one in holder.items() if key != name} if holder else value
    return {**holder, name: child}


def _put_item(value: JSON, step: int | Item | Order, rest: Path, part: JSON) -> JSON:
    items = list(value) if isinstance(value, list) else []
    at = _place(items, step)
    child = put(ABSENT if at is None else items[at], rest, part)
    if child is ABSENT:
        return [one for index, one in enumerate(items) if index != at] if items else value
    if at is None:
        return [*items, child]
    return [*items[:at], child, *items[at + 1 :]]


def _rearranged(value: JSON, order: Order, identities: JSON) -> JSON:
    """A list in another order; items that the order does not name stay at the end."""
    if not isinstance(value, list):
        return value
    known = {identity: at for at, identity in enumerate(identities)}
    return sorted(value, key=lambda one: known.get(_identity(one, order.keys), len(known)))


def _part(value: JSON, step: Step) -> JSON:
    if isinstance(step, str):
        return value.get(step, ABSENT) if isinstance(value, dict) else ABSENT
    if not isinstance(value, list):
        return ABSENT
    if isinstance(step, Order):
        return [_identity(member, step.keys) for member in value]
    at = _place(value, step)
    return ABSENT if at is None else value[at]


def _place(items: list[JSON], step: int | Item | Order) -> int | None:
    if isinstance(step, int):
        return step if step < len(items) else None
    if isinstance(step, Order):
        return None
    return next((at for at, one in enumerate(items) if step.is_of(one)), None)


def _identity(value: JSON, keys: tuple[str, ...]) -> str:
    if keys and isinstance(value, dict):
        value = {key: value.get(key) for key in keys}
    return canonical.dumps(value).decode()


def _by_name(items: list[JSON], keys: tuple[str, ...]) -> dict[Item, int]:
    """Where the items are whose keys no other one has."""
    places: dict[Item, list[int]] = {}
    for index, one in enumerate(items):
        if isinstance(one, dict) and all(key in one for key in keys):
            places.setdefault(item(one, keys), []).append(index)
    return {name: indexes[0] for name, indexes in places.items() if len(indexes) == 1}


def _by_identity(items: list[JSON], keys: tuple[str, ...]) -> dict[str, JSON]:
    return {_identity(member, keys): member for member in items}


def _members(value: JSON) -> dict[str, JSON]:
    return value if isinstance(value, dict) else {}


def is_same(one: JSON, other: JSON) -> bool:
    """Equality that tells 1, 1.0 and true apart, as JSON does."""
    if one is ABSENT or other is ABSENT:
        return one is other
    return one is other or canonical.dumps(one) == canonical.dumps(other)
