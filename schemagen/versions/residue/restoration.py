"""Restore residue: apply its entries to an object, except those that are stale."""

import bisect
import collections
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

from schemagen import canonical
from schemagen.problems import JSON
from schemagen.versions.defaulting import OPEN, Node
from schemagen.versions.residue import list_insertions, list_items
from schemagen.versions.residue.lookup import NamedItems, by_digest, member_of
from schemagen.versions.residue.residue_entries import Entry, part_of
from schemagen.versions.steps import ABSENT

# How many items of edited lists are looked at for what residue repeats of them; there is one entry
# for a list, but anybody's annotation could hold thousands. An item takes a microsecond.
MAX_REPEATABLE_ITEMS = 100_000


@dataclasses.dataclass(frozen=True)
class Applied:
    """An object with residue.

    Attributes:
        value: The object.
        edited: The members of it (``spec``, ``status``) with an entry that somebody edited around.
        exact: The entries that were put back as they are.
        has_repeats: Whether an edited list has got items again that it repeated before.
    """

    value: JSON
    edited: frozenset[str]
    exact: Sequence[Entry] = ()
    has_repeats: bool = False


def placements(
    base: JSON, entries: Sequence[Entry], node: Node, settled: JSON
) -> Iterator[Applied]:
    """Yield an object with entries applied, for each way to place repeated items in edited lists.

    Some conversions take of equal items the first one and some the last: the order of a list tells
    which placing they keep.
    """
    last: JSON = None
    for placing in list_insertions.Placing:
        found = applied(base, entries, node, settled, placing)
        if found.value != last:
            yield found
        if not found.has_repeats:
            return
        last = found.value


def applied(
    base: JSON,
    entries: Sequence[Entry],
    node: Node = OPEN,
    settled: JSON = None,
    placing: list_insertions.Placing = list_insertions.Placing.BEHIND,
) -> Applied:
    """``base`` with every entry that is not stale; ``base`` itself is left as it is.

    Args:
        base: The plain conversion of an object.
        entries: What anybody may have written.
        node: Of the schema of ``base``.
        settled: The plain conversion of the object with its defaults, with its defaults: what
            digests are compared with. ``base`` if there is none.
        placing: Where repeated items go in edited lists.
    """
    merge = _Merge(placing)
    at = _At(base, base if settled is None else settled, base, node)
    edited: set[str] = set()
    exact: list[Entry] = []
    for entry in entries:
        merge.is_filling = False
        changed = merge.entry(at, entry)
        if changed is None or merge.is_filling:
            edited.add(part_of(entry))
        else:
            exact.append(entry)
        at = at if changed is None else changed
    return Applied(at.value, frozenset(edited), exact, merge.has_repeats)


class _Digests:
    """Digests of values, each made once: a thousand entries may speak of one large value."""

    def __init__(self) -> None:
        # The value is kept beside its digest, so that no other one gets its id meanwhile.
        self._known: dict[int, tuple[JSON, str]] = {}

    def of(self, value: JSON) -> str:
        """The digest of a value that nobody changes."""
        if id(value) not in self._known:
            self._known[id(value)] = value, canonical.digest(value)
        return self._known[id(value)][1]


@dataclasses.dataclass(frozen=True, slots=True)
class _At:
    """A part of an object, ABSENT if it is not there.

    Attributes:
        value: With the entries so far.
        settled: By default.
        plain: Before any entry.
        node: Of its schema.
    """

    value: JSON
    settled: JSON
    plain: JSON
    node: Node

    def member(self, name: str) -> "_At":
        """The part below; what only defaults say is taken from there."""
        node = self.node.child(name)
        settled, plain = member_of(self.settled, name), member_of(self.plain, name)
        value = self.value.get(name, settled) if isinstance(self.value, dict) else ABSENT
        return _At(value, settled, plain, node)

    def made(self, value: JSON) -> "_At":
        """This part, or the one that is made where there is none."""
        given = value if self.value is ABSENT else self.value
        settled = self.node.settle(given) if self.settled is ABSENT else self.settled
        return dataclasses.replace(self, value=given, settled=settled)

    def with_value(self, value: JSON) -> "_At":
        """The part with another value."""
        return dataclasses.replace(self, value=value)


@dataclasses.dataclass(frozen=True, slots=True)
class _Place:
    """Where an item was in a list whose items nothing tells apart, and how many were like it."""

    index: int
    length: int
    digest: str
    rank: int
    count: int


_Change: TypeAlias = Callable[[_At], JSON]
"""Answers the changed value of a part; ABSENT if an entry is stale there."""


class _Merge:
    """Applies the entries of one object."""

    def __init__(self, placing: list_insertions.Placing) -> None:
        self._placing = placing
        self.has_repeats = False
        self._digests = _Digests()
        self._named = NamedItems()
        # As in ``_Digests``, each list is kept so that no other one gets its id meanwhile.
        self._placed_at: dict[int, tuple[list[JSON], dict[str, list[int]]]] = {}
        self._repeatable = MAX_REPEATABLE_ITEMS
        self.is_filling = False
        self._near: collections.deque[JSON] = collections.deque()

    def entry(self, at: _At, entry: Entry) -> _At | None:
        """The object with an entry, or None if it is stale or makes no sense."""
        near = entry.get("near")
        self._near = collections.deque(near if isinstance(near, list) else ())
        match entry:
            case {"at": list(path), "was": dict(was), "insert": dict(inserts)}:
                repeats = {key: self._repeats(entry, key, items) for key, items in inserts.items()}
                return self._rebuilt(at, path, lambda part: self._inserted(part, was, repeats))
            case {"at": list(path), "was": dict(was), "is": dict(values)}:
                return self._rebuilt(at, path, lambda part: self._replaced(part, was, values))
            case {"at": list(path), "by": list(by), "after": after, "item": item}:
                keys = tuple(by)
                return self._rebuilt(at, path, lambda part: _added(part, keys, after, item))
            case {"at": list(path), "by": list(by), "order": list(order)}:
                keys = tuple(by)
                return self._rebuilt(at, path, lambda part: _ordered(part, keys, order))
        return None

    def _rebuilt(self, at: _At, path: Sequence[JSON], change: _Change) -> _At | None:
        """The part with a change below it; None if the place is gone or the entry is stale."""
        if not path:
            changed = change(at)
            return None if changed is ABSENT else at.with_value(changed)
        step, *rest = path
        if isinstance(step, str):
            return self._rebuilt_member(at, step, rest, change)
        return self._rebuilt_item(at, step, rest, change) if isinstance(at.value, list) else None

    def _rebuilt_member(
        self, at: _At, name: str, rest: Sequence[JSON], change: _Change
    ) -> _At | None:
        at = at.made({})
        if not isinstance(at.value, dict):
            return None
        child = at.member(name)
        if child.value is ABSENT and name not in at.node.fields:
            return None  # only declared objects are made again: a map's key that is gone is gone
        found = self._rebuilt(child, rest, change)
        return None if found is None else at.with_value({**at.value, name: found.value})

    def _rebuilt_item(
        self, at: _At, step: JSON, rest: Sequence[JSON], change: _Change
    ) -> _At | None:
        match step:
            case dict() if step:
                item = self._item_named(at, step)
            case [int(), int(), str(), int(), int() as count] if count > 0:
                item = self._placed(at, _Place(*step))
            case _:
                return None
        found = None if item is None else self._rebuilt(item[1].made({}), rest, change)
        if item is None or found is None:
            return None
        items = [*at.value]
        items[item[0]] = found.value
        self._named.replaced(at.value, items, item[0], at.node.items or OPEN)
        return at.with_value(items)

    def _item_named(self, at: _At, step: dict[str, JSON]) -> tuple[int, _At] | None:
        """The item with the values of some keys; of several the one that is where it was.

        Where the schema has no keys, an item may be renamed: then it is the one that is there now.
        """
        place, marks = _marked(self._near.popleft() if self._near else None)
        keys, name = tuple(step), list_items.identity([*step.values()])
        if name is None:
            return None
        node = at.node.items or OPEN
        indexes = self._named.indexes(at.value, keys, node, name)
        index = _one_of(indexes, place)
        if not indexes and list_items.is_renamed(at.value, place, keys, marks):
            settled = at.settled[place] if _is_aligned(at.settled, at.value) else ABSENT
            return place, _At(at.value[place], settled, ABSENT, node)
        if index is None:
            return None
        self.is_filling = self.is_filling or len(indexes) > 1
        defaulted = _one_of(self._named.indexes(at.settled, keys, node, name), place)
        settled = ABSENT if defaulted is None else at.settled[defaulted]
        return index, _At(at.value[index], settled, ABSENT, node)

    def _placed(self, at: _At, place: _Place) -> tuple[int, _At] | None:
        """The item that was at a place: moved with those alike, or edited in a list as long.

        The digest is of an item with its defaults, or in a chain of versions without them.
        """
        lists = [items for items in (at.settled, at.plain) if _is_aligned(items, at.value)]
        alike = [self._indexes(items).get(place.digest, []) for items in lists or [at.value]]
        index = next((a[place.rank % place.count] for a in alike if len(a) == place.count), None)
        if index is None:
            if len(at.value) != place.length or place.index not in range(place.length):
                return None
            index = place.index
        settled, plain = (
            items[index] if _is_aligned(items, at.value) else ABSENT
            for items in (at.settled, at.plain)
        )
        return index, _At(at.value[index], settled, plain, at.node.items or OPEN)

    def _indexes(self, items: list[JSON]) -> dict[str, list[int]]:
        """Where the items with each digest are, found once for a list that entries go through."""
        if id(items) not in self._placed_at:
            self._placed_at[id(items)] = items, by_digest(items)
        return self._placed_at[id(items)][1]

    def _is_current(self, part: _At, was: dict[str, JSON]) -> bool:
        return all(
            any(
                isinstance(side, dict) and key in side and self._digests.of(side[key]) == digest
                for side in (part.settled, part.value, part.plain)
            )
            for key, digest in was.items()
        )

    def _replaced(self, part: _At, was: dict[str, JSON], values: dict[str, JSON]) -> JSON:
        part = part.made({})
        if not isinstance(part.value, dict) or not self._is_current(part, was):
            return ABSENT
        members = {key: self._member(part, key, value, was) for key, value in values.items()}
        members = {key: value for key, value in members.items() if value is not ABSENT}
        rest = {key: value for key, value in part.value.items() if key not in was}
        return {**rest, **members} if members or was else ABSENT

    def _member(self, part: _At, key: str, given: JSON, was: dict[str, JSON]) -> JSON:
        """Return the new value of a key, or ABSENT."""
        present = part.member(key)
        value = present.node.settle(given)
        if key in was or key not in part.value:
            return value
        self.is_filling = True  # somebody has made one meanwhile
        filled = _filled(present.value, value, present.node)
        return ABSENT if filled is present.value else filled

    def _inserted(
        self,
        part: _At,
        was: dict[str, JSON],
        inserts: Mapping[str, list_insertions.Repeats],
    ) -> JSON:
        if not isinstance(part.value, dict):
            return ABSENT
        is_current = self._is_current(part, was)
        changed = dict(part.value)
        for key, items in inserts.items():
            given = part.member(key).value
            target = None
            if key in was and is_current:
                target = list_insertions.inserted(given, items.inserts)
            elif key in was:
                target = self._repeated(given, items)
            if target is None:
                return ABSENT
            changed[key] = target
        return changed

    def _repeats(self, entry: Entry, key: str, inserts: JSON) -> list_insertions.Repeats:
        """The insertions in a list, with those that an entry marks as repeats."""
        again, ahead = (member_of(entry.get(name), key) for name in ("again", "ahead"))
        return list_insertions.Repeats(inserts, again, ahead, self._names(entry.get("by")))

    def _names(self, by: JSON) -> list_insertions.Names:
        """Return what identifies the items of a list: some keys, or all of an item."""
        match by:
            case [*keys] if keys and all(isinstance(key, str) for key in keys):
                return list_items.naming(tuple(map(str, keys)))
            case _:
                return self._digests.of

    def _repeated(self, value: JSON, repeats: list_insertions.Repeats) -> list[JSON] | None:
        """A list that somebody edited, with what repeats an item that it still has."""
        if not isinstance(value, list) or len(value) > self._repeatable:
            return None
        self._repeatable -= len(value)
        self.is_filling = True
        target = list_insertions.repeated(value, repeats, self._placing)
        self.has_repeats = self.has_repeats or target is not None
        return target


def _one_of(indexes: Sequence[int], place: JSON) -> int | None:
    """The only index, or that of several in their order which is a place."""
    if len(indexes) == 1:
        return indexes[0]
    at = bisect.bisect_left(indexes, place) if type(place) is int else len(indexes)
    return indexes[at] if at < len(indexes) and indexes[at] == place else None


def _marked(near: JSON) -> tuple[JSON, JSON]:
    """Return the place of an item, and the marks of its list if there are any."""
    match near:
        case [place, marks]:
            return place, marks
        case _:
            return near, None


def _is_aligned(items: JSON, others: list[JSON]) -> bool:
    return isinstance(items, list) and len(items) == len(others)


def _added(part: _At, keys: list_items.Keys, after: JSON, item: JSON) -> JSON:
    items = [] if part.value is ABSENT else part.value
    node = part.node.items or OPEN
    item = node.settle(item)
    name = list_items.name_of(item, keys) if all(isinstance(key, str) for key in keys) else None
    if not isinstance(items, list) or name is None:
        return ABSENT
    names = [list_items.settled_name(one, keys, node) for one in items]
    if name in names:
        return ABSENT
    previous = list_items.identity(after) if isinstance(after, list) else None
    # The item that it follows may be gone by now; then the end is as good as any place.
    place = 0 if after is None else names.index(previous) + 1 if previous in names else len(items)
    return [*items[:place], item, *items[place:]]


def _ordered(part: _At, keys: list_items.Keys, order: list[JSON]) -> JSON:
    """The items in an order; one that is new stays behind the one that it follows."""
    if not isinstance(part.value, list) or not all(isinstance(key, str) for key in keys):
        return ABSENT
    ranks = {
        name: rank
        for rank, values in enumerate(order)
        if isinstance(values, list) and (name := list_items.identity(values)) is not None
    }
    ranked: list[tuple[int, int]] = []
    rank, node = -1, part.node.items or OPEN
    for index, item in enumerate(part.value):
        name = list_items.settled_name(item, keys, node)
        rank = rank if name is None else ranks.get(name, rank)
        ranked.append((rank, index))
    return [part.value[index] for _, index in sorted(ranked)]


def _filled(value: JSON, more: JSON, node: Node) -> JSON:
    """A value with what only another one says: members, and items with an identity."""
    if node.is_atomic:
        return value
    if isinstance(value, dict) and isinstance(more, dict):
        common = {
            key: _filled(value[key], more[key], node.child(key)) for key in value if key in more
        }
        return {**more, **value, **common}
    keys = _common_items(value, more, node)
    if keys is None:
        return value
    others = dict(zip(list_items.names_of(more, keys, node) or (), more, strict=True))
    names = list_items.names_of(value, keys, node) or []
    items = node.items or OPEN
    return [
        *(_filled(item, others.get(name), items) for name, item in zip(names, value, strict=True)),
        *(item for name, item in others.items() if name not in names),
    ]


def _common_items(value: JSON, more: JSON, node: Node) -> list_items.Keys | None:
    """Return the keys that identify the items of two values, if both are lists."""
    if not isinstance(value, list) or not isinstance(more, list):
        return None
    return list_items.common_keys(value, more, node)
