"""What the other version cannot say: found, kept, guarded and put back.

After a conversion the result is converted back; wherever that differs from the original, the
difference is the residue. It travels in annotations (``stash``) and is put back by the next
conversion the other way. So a round trip is exact by construction, whatever the steps lose.

An entry names an object and keys in it: ``{"at": path, "was": {key: digest}, "is": {key: value}}``.
``was`` has the digests of the values that the plain conversion gives (a key only in ``is`` is
absent there), as the API server defaults them; where they no longer match, somebody edited the
field and the entry is stale. A path holds member names, and the keys of a list's item: ``{"name":
"x"}``. An object on the path that is gone is made again, an item is not.

Items of lists are known by the keys of the schema, by themselves in a set, or by a usual key:
``{"at": path, "by": keys, "after": values, "item": item}`` puts one back (in front for ``null``;
stale if it is there), ``{"at": path, "by": keys, "order": [values, ...]}`` puts them in order.
Where nothing tells them apart, items have an index: ``{"at": path, "was": {key: digest}, "insert":
{key: [[index, item], ...]}}``.
"""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeAlias

from schemagen import canonical
from schemagen.problems import JSON
from schemagen.versions.defaulting import OPEN, Node
from schemagen.versions.steps import ABSENT

# What tells the items of a list apart whose schema does not say it, in this order.
ITEM_KEYS: Final = (("name",), ("type",), ("path",), ("from",))

Entry: TypeAlias = dict[str, Any]
Keys: TypeAlias = tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Applied:
    """An object with residue.

    Attributes:
        value: The object.
        edited: The members of it (``spec``, ``status``) with an entry that somebody edited around.
    """

    value: JSON
    edited: frozenset[str]


def part_of(entry: Entry) -> str:
    """The member of an object that an entry speaks of."""
    at = entry.get("at")
    if isinstance(at, list) and at:
        return str(at[0])
    groups = (entry.get(name) for name in ("was", "is", "insert"))
    return next((key for group in groups if isinstance(group, dict) for key in group), "")


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


# --- finding it ---------------------------------------------------------------------------------


def difference(base: JSON, wanted: JSON, node: Node = OPEN) -> list[Entry]:
    """The entries that turn ``base`` into ``wanted``, two objects that a schema describes."""
    return list(_objects(base, wanted, node, []))


def _objects(
    base: dict[str, JSON], wanted: dict[str, JSON], node: Node, at: list[JSON]
) -> Iterable[Entry]:
    for key, value in base.items():
        if key not in wanted:
            yield {"at": at, "was": {key: canonical.digest(value)}, "is": {}}
    for key, value in wanted.items():
        if key not in base:
            yield {"at": at, "was": {}, "is": {key: value}}
    for key, value in wanted.items():
        if key in base and not identical(base[key], value):
            yield from _values((base[key], value), node.child(key), at, key)


def _values(pair: tuple[JSON, JSON], node: Node, at: list[JSON], key: str) -> Iterable[Entry]:
    base, wanted = pair
    if isinstance(base, dict) and isinstance(wanted, dict):
        return _objects(base, wanted, node, [*at, key])
    if isinstance(base, list) and isinstance(wanted, list):
        keys = _common_keys(base, wanted, node)
        if keys is not None:
            return _items(base, wanted, node, [*at, key], keys)
        inserts = _insertions(base, wanted)
        if inserts is not None:
            return [{"at": at, "was": {key: canonical.digest(base)}, "insert": {key: inserts}}]
    return [{"at": at, "was": {key: canonical.digest(base)}, "is": {key: wanted}}]


def _items(
    base: list[JSON], wanted: list[JSON], node: Node, at: list[JSON], keys: Keys
) -> Iterable[Entry]:
    known = dict(zip(_names(base, keys, node) or (), base, strict=True))
    names = _names(wanted, keys, node) or []
    order = [*known]
    previous: Identity | None = None
    for name, item in zip(names, wanted, strict=True):
        if name not in known:
            after = None if previous is None else _values_of(previous)
            yield {"at": at, "by": [*keys], "after": after, "item": item}
            order.insert(0 if previous is None else order.index(previous) + 1, name)
        elif keys:
            step = dict(zip(keys, _values_of(name), strict=True))
            yield from _objects(known[name], item, node.items or OPEN, [*at, step])
        previous = name
    if order != names:
        yield {"at": at, "by": [*keys], "order": [_values_of(name) for name in names]}


def identical(one: JSON, other: JSON) -> bool:
    """Equality that tells 1, 1.0 and true apart, as JSON does."""
    if one is other:
        return True
    if type(one) is not type(other) or one != other:
        return False
    return canonical.dumps(one) == canonical.dumps(other)


def _insertions(base: list[JSON], wanted: list[JSON]) -> list[list[JSON]] | None:
    """What to insert into ``base`` to get ``wanted``, or None if more than that is different."""
    inserts: list[list[JSON]] = []
    place = 0
    for index, item in enumerate(wanted):
        if place < len(base) and identical(base[place], item):
            place += 1
        else:
            inserts.append([index, item])
    return inserts if place == len(base) else None


def _common_keys(base: list[JSON], wanted: list[JSON], node: Node) -> Keys | None:
    """The keys by which ``wanted`` has every item of ``base``, and maybe more."""
    for keys in _candidates(node):
        names, wanted_names = _names(base, keys, node), _names(wanted, keys, node)
        if names is None or wanted_names is None:
            continue
        if {*names} <= {*wanted_names}:
            return keys
    return None


def _candidates(node: Node) -> Iterable[Keys]:
    """What may tell a list's items apart, the schema's keys first."""
    return ITEM_KEYS if node.keys is None else (node.keys, *ITEM_KEYS)


# --- what an item is known by -------------------------------------------------------------------

Identity: TypeAlias = tuple[tuple[type, JSON], ...]
"""The values of an item's keys with their types: true is not 1."""
_SCALARS: Final = (str, int, float, bool, type(None))


def identities(items: list[JSON], keys: Keys) -> list[Identity] | None:
    """What each item is known by, if each has an identity of its own."""
    return _distinct([identity_of(item, keys) for item in items])


def _names(items: list[JSON], keys: Keys, node: Node) -> list[Identity] | None:
    """The same for a list's node: one that lacks a key of the schema is known by that."""
    if keys != node.keys:
        return identities(items, keys)
    return _distinct([_name_of(item, keys) for item in items])


def _distinct(names: list["Identity | None"]) -> list[Identity] | None:
    known = [name for name in names if name is not None]
    return known if len(known) == len({*known}) == len(names) else None


def identity_of(item: JSON, keys: Keys) -> Identity | None:
    """What an item is known by: its keys, itself without any; None if it has no such key."""
    name = _name_of(item, keys)
    return None if name is None or any(value is None for _, value in name) else name


def _name_of(item: JSON, keys: Keys) -> Identity | None:
    """The identity with null for a key that the item lacks."""
    if keys and not isinstance(item, dict):
        return None
    return _identity([item.get(key) for key in keys] if keys else [item])


def _identity(values: Sequence[JSON]) -> Identity | None:
    if not all(type(value) in _SCALARS for value in values):
        return None
    return tuple((type(value), value) for value in values)


def _values_of(name: Identity) -> list[JSON]:
    return [value for _, value in name]


# --- putting it back ----------------------------------------------------------------------------


def applied(
    base: JSON, entries: Sequence[Entry], node: Node = OPEN, settled: JSON = None
) -> Applied:
    """``base`` with every entry that is not stale; ``base`` itself is left as it is.

    Args:
        base: The plain conversion of an object.
        entries: What anybody may have written.
        node: Of the schema of ``base``.
        settled: The plain conversion of the object with its defaults, with its defaults: what
            digests are compared with. ``base`` if there is none.
    """
    merge = _Merge()
    at = _At(base, base if settled is None else settled, node)
    edited: set[str] = set()
    for entry in entries:
        merge.is_filling = False
        changed = merge.entry(at, entry)
        if changed is None or merge.is_filling:
            edited.add(part_of(entry))
        at = at if changed is None else changed
    return Applied(at.value, frozenset(edited))


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
    """A part of an object, ABSENT if it is not there; what it is by default; its schema."""

    value: JSON
    settled: JSON
    node: Node

    def member(self, name: str) -> "_At":
        """The part below; what only defaults say is taken from there."""
        node = self.node.child(name)
        settled = self.settled.get(name, ABSENT) if isinstance(self.settled, dict) else ABSENT
        value = self.value.get(name, settled) if isinstance(self.value, dict) else ABSENT
        return _At(value, settled, node)

    def made(self, value: JSON) -> "_At":
        """This part, or the one that is made where there is none."""
        given = value if self.value is ABSENT else self.value
        settled = self.settled
        return _At(given, self.node.settle(given) if settled is ABSENT else settled, self.node)

    def with_value(self, value: JSON) -> "_At":
        """The part with another value."""
        return _At(value, self.settled, self.node)


_Change: TypeAlias = Callable[[_At], JSON]
"""Answers the changed value of a part; ABSENT if an entry is stale there."""


class _Merge:
    """Applies the entries of one object."""

    def __init__(self) -> None:
        self._digests = _Digests()
        self.is_filling = False

    def entry(self, at: _At, entry: Entry) -> _At | None:
        """The object with an entry, or None if it is stale or makes no sense."""
        match entry:
            case {"at": list(path), "was": dict(was), "insert": dict(inserts)}:
                return _rebuilt(at, path, lambda part: self._inserted(part, was, inserts))
            case {"at": list(path), "was": dict(was), "is": dict(values)}:
                return _rebuilt(at, path, lambda part: self._replaced(part, was, values))
            case {"at": list(path), "by": list(by), "after": after, "item": item}:
                keys = tuple(by)
                return _rebuilt(at, path, lambda part: _added(part, keys, after, item))
            case {"at": list(path), "by": list(by), "order": list(order)}:
                keys = tuple(by)
                return _rebuilt(at, path, lambda part: _ordered(part, keys, order))
        return None

    def _is_current(self, part: _At, was: dict[str, JSON]) -> bool:
        return all(
            any(
                isinstance(one, dict) and key in one and self._digests.of(one[key]) == digest
                for one in (part.settled, part.value)
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
        """What becomes of a key, ABSENT if nothing does."""
        present = part.member(key)
        value = present.node.settle(given)
        if key in was or key not in part.value:
            return value
        self.is_filling = True  # somebody has made one meanwhile
        filled = _filled(present.value, value, present.node)
        return ABSENT if filled is present.value else filled

    def _inserted(self, part: _At, was: dict[str, JSON], inserts: dict[str, JSON]) -> JSON:
        if not isinstance(part.value, dict) or not self._is_current(part, was):
            return ABSENT
        changed = dict(part.value)
        for key, items in inserts.items():
            given = part.member(key).value
            target = _with_inserted(given, items) if key in was else None
            if target is None:
                return ABSENT
            changed[key] = target
        return changed


def _rebuilt(at: _At, path: Sequence[JSON], change: _Change) -> _At | None:
    """The part with a change somewhere below; None if the place is gone or the entry is stale."""
    if not path:
        changed = change(at)
        return None if changed is ABSENT else at.with_value(changed)
    step, *rest = path
    if isinstance(step, str):
        return _rebuilt_member(at, step, rest, change)
    return _rebuilt_item(at, step, rest, change) if isinstance(step, dict) else None


def _rebuilt_member(at: _At, name: str, rest: Sequence[JSON], change: _Change) -> _At | None:
    at = at.made({})
    if not isinstance(at.value, dict):
        return None
    child = at.member(name)
    if child.value is ABSENT and name not in at.node.fields:
        return None  # only declared objects are made again: a map's key that is gone is gone
    found = _rebuilt(child, rest, change)
    return None if found is None else at.with_value({**at.value, name: found.value})


def _rebuilt_item(
    at: _At, step: dict[str, JSON], rest: Sequence[JSON], change: _Change
) -> _At | None:
    keys, name = tuple(step), _identity([*step.values()])
    if not isinstance(at.value, list) or not keys or name is None:
        return None
    node = at.node.items or OPEN
    matches = [i for i, item in enumerate(at.value) if _settled_name(item, keys, node) == name]
    if len(matches) != 1:
        return None
    (index,) = matches
    defaulted = _all_of(at.settled, keys, name, node)
    settled = defaulted[0] if len(defaulted) == 1 else ABSENT
    found = _rebuilt(_At(at.value[index], settled, node).made({}), rest, change)
    if found is None:
        return None
    return at.with_value([*at.value[:index], found.value, *at.value[index + 1 :]])


def _all_of(items: JSON, keys: Keys, name: Identity, node: Node) -> list[JSON]:
    """The items that are known by a name."""
    if not isinstance(items, list):
        return []
    return [item for item in items if _settled_name(item, keys, node) == name]


def _settled_name(item: JSON, keys: Keys, node: Node) -> Identity | None:
    """What an item is known by once it has its defaults, of which one may be of a key."""
    name = _name_of(item, keys)
    if name is None or all(value is not None for _, value in name):
        return name
    return _name_of(node.settle(item), keys)


def _added(part: _At, keys: Keys, after: JSON, item: JSON) -> JSON:
    items = [] if part.value is ABSENT else part.value
    node = part.node.items or OPEN
    item = node.settle(item)
    name = _name_of(item, keys) if all(isinstance(key, str) for key in keys) else None
    if not isinstance(items, list) or name is None:
        return ABSENT
    names = [_settled_name(one, keys, node) for one in items]
    if name in names:
        return ABSENT
    previous = _identity(after) if isinstance(after, list) else None
    # The item that it follows may be gone by now; then the end is as good as any place.
    place = 0 if after is None else names.index(previous) + 1 if previous in names else len(items)
    return [*items[:place], item, *items[place:]]


def _ordered(part: _At, keys: Keys, order: list[JSON]) -> JSON:
    """The items in an order; one that is new stays behind the one that it follows."""
    if not isinstance(part.value, list) or not all(isinstance(key, str) for key in keys):
        return ABSENT
    ranks = {
        name: rank
        for rank, values in enumerate(order)
        if isinstance(values, list) and (name := _identity(values)) is not None
    }
    ranked: list[tuple[int, int]] = []
    rank, node = -1, part.node.items or OPEN
    for index, item in enumerate(part.value):
        name = _settled_name(item, keys, node)
        rank = rank if name is None else ranks.get(name, rank)
        ranked.append((rank, index))
    return [part.value[index] for _, index in sorted(ranked)]


def _with_inserted(value: JSON, inserts: JSON) -> list[JSON] | None:
    if not isinstance(value, list) or not isinstance(inserts, list):
        return None
    target = list(value)
    for place in inserts:
        match place:
            case [int(index), item] if 0 <= index <= len(target):
                target.insert(index, item)
            case _:
                return None
    return target


def _filled(value: JSON, more: JSON, node: Node) -> JSON:
    """A value with what only another one says: members, and items with an identity."""
    if isinstance(value, dict) and isinstance(more, dict):
        common = {
            key: _filled(value[key], more[key], node.child(key)) for key in value if key in more
        }
        return {**more, **value, **common}
    keys = _common_identity(value, more, node)
    if keys is None:
        return value
    others = dict(zip(_names(more, keys, node) or (), more, strict=True))
    names = _names(value, keys, node) or []
    items = node.items or OPEN
    return [
        *(_filled(item, others.get(name), items) for name, item in zip(names, value, strict=True)),
        *(item for name, item in others.items() if name not in names),
    ]


def _common_identity(value: JSON, more: JSON, node: Node) -> Keys | None:
    """What the items of two lists are known by."""
    if not isinstance(value, list) or not isinstance(more, list):
        return None
    for keys in _candidates(node):
        if _names(value, keys, node) is not None and _names(more, keys, node) is not None:
            return keys
    return None
