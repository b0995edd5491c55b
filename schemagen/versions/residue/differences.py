"""Residue: what the other version cannot express, found as a difference.

After a conversion the result is converted back; every difference from the original is residue. It
is stored in annotations (``storage``) and restored by the next conversion in the other direction
(``restoration``). So a round trip is exact by construction, whatever the steps lose.
"""

from collections.abc import Collection, Hashable, Iterable, Iterator

from schemagen import canonical
from schemagen.problems import JSON
from schemagen.versions.defaulting import OPEN, Node
from schemagen.versions.residue import list_insertions, list_items
from schemagen.versions.residue.lookup import NamedItems, by_digest, member_of
from schemagen.versions.residue.residue_entries import Entry


def between(base: JSON, wanted: JSON, node: Node = OPEN) -> list[Entry]:
    """The entries that turn ``base`` into ``wanted``, two objects that a schema describes."""
    named = NamedItems()
    return [_with_places(entry, base, node, named) for entry in _objects(base, wanted, node, [])]


def _with_places(entry: Entry, base: JSON, node: Node, named: NamedItems) -> Entry:
    """The entry with the places of the items that its path goes to by their keys."""
    places: list[JSON] = []
    for step in entry["at"]:
        match step:
            case str():
                base, node = member_of(base, step), node.child(step)
                continue
            case dict():
                name = list_items.identity([*step.values()])
                items = node.items or OPEN
                found = () if name is None else named.indexes(base, tuple(step), items, name)
                place = found[0] if len(found) == 1 else None
            case _:
                place = step[0]
        if place is None:
            return entry  # it goes through an item that another entry adds
        if isinstance(step, dict):
            marks = list_items.marks(base, tuple(step), node)
            places.append([place, marks] if marks else place)
        base, node = base[place], node.items or OPEN
    return {**entry, "near": places} if places else entry


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
        if key in base and not canonical.identical(base[key], value):
            yield from _values((base[key], value), node.child(key), at, key)


def _values(pair: tuple[JSON, JSON], node: Node, at: list[JSON], key: str) -> Iterable[Entry]:
    base, wanted = pair
    if isinstance(base, dict) and isinstance(wanted, dict):
        return _objects(base, wanted, node, [*at, key])
    if isinstance(base, list) and isinstance(wanted, list) and not node.is_atomic:
        keys = list_items.covering_keys(base, wanted, node)
        if keys is not None:
            return _items(base, wanted, node, [*at, key], keys)
        inserts = list_insertions.between(base, wanted)
        if inserts is not None:
            return [_insertion(base, inserts, base, node, [*at, key])]
        for names, foreign in _namings(base, wanted, node):
            parted = list_insertions.without_repeats(base, wanted, names, foreign)
            if parted is not None and _are_paired(base, parted[1]):
                inserts, rest = parted
                return [
                    *_in_place(base, rest, node, [*at, key]),
                    _insertion(base, inserts, rest, node, [*at, key]),
                ]
        if _are_paired(base, wanted):
            return _in_place(base, wanted, node, [*at, key])
    return [{"at": at, "was": {key: canonical.digest(base)}, "is": {key: wanted}}]


def _insertion(
    base: list[JSON], inserts: list[list[JSON]], rest: list[JSON], node: Node, path: list[JSON]
) -> Entry:
    """Insertions at a path; ``rest`` is the list without them."""
    *at, key = path
    entry: Entry = {"at": at, "was": {key: canonical.digest(base)}, "insert": {key: inserts}}
    repeats = list_insertions.repeats(rest, inserts)
    leaders = list_insertions.leaders(rest, inserts)
    if leaders:
        entry |= {"ahead": {key: leaders}}
    if len(repeats) < len(inserts):
        keys = list_items.telling_keys(rest, [item for _, item in inserts], node)
        if keys is not None:
            followers = list_insertions.followers(rest, inserts, list_items.naming(keys))
            again = sorted({*followers, *repeats})
            if len(again) > len(repeats):
                return {**entry, "again": {key: again}, "by": [*keys]}
    return {**entry, "again": {key: repeats}} if repeats else entry


def _namings(
    base: list[JSON], wanted: list[JSON], node: Node
) -> Iterator[tuple[list_insertions.Names, Collection[Hashable]]]:
    """Yield what may identify the items of two lists: all of an item, or else keys.

    With it, by keys, the names that only items of the second list have.
    """
    yield canonical.dumps, ()
    keys = list_items.telling_keys(base, wanted, node)
    if keys is not None:
        names = list_items.naming(keys)
        yield names, {*map(names, wanted)}.difference(map(names, base))


def _items(
    base: list[JSON], wanted: list[JSON], node: Node, at: list[JSON], keys: list_items.Keys
) -> Iterable[Entry]:
    known = dict(zip(list_items.names_of(base, keys, node) or (), base, strict=True))
    names = list_items.names_of(wanted, keys, node) or []
    order = [*known]
    previous: list_items.Identity | None = None
    for name, item in zip(names, wanted, strict=True):
        if name not in known:
            after = None if previous is None else list_items.values_of(previous)
            yield {"at": at, "by": [*keys], "after": after, "item": item}
            order.insert(0 if previous is None else order.index(previous) + 1, name)
        elif keys:
            step = dict(zip(keys, list_items.values_of(name), strict=True))
            yield from _objects(known[name], item, node.items or OPEN, [*at, step])
        previous = name
    if order != names:
        yield {"at": at, "by": [*keys], "order": [list_items.values_of(name) for name in names]}


def _are_paired(base: list[JSON], wanted: list[JSON]) -> bool:
    """Whether the items of two lists differ as the objects at the same places."""
    return len(base) == len(wanted) and all(
        (isinstance(old, dict) and isinstance(new, dict)) or canonical.identical(old, new)
        for old, new in zip(base, wanted, strict=True)
    )


def _in_place(base: list[JSON], wanted: list[JSON], node: Node, at: list[JSON]) -> Iterable[Entry]:
    """Items at the same places, of which some have other keys, or nothing tells them apart."""
    steps = _renamed(base, wanted, node) or _placed(base)
    for index, (old, new) in enumerate(zip(base, wanted, strict=True)):
        if not canonical.identical(old, new):
            step = steps[index]
            entries = _objects(old, new, node.items or OPEN, [*at, step])
            # An item is known by its keys until they change.
            yield from sorted(entries, key=lambda entry: _names_any(entry, step))


def _placed(items: list[JSON]) -> list[JSON]:
    """The steps to items by their places."""
    return sorted(
        [index, len(items), digest, rank, len(alike)]
        for digest, alike in by_digest(items).items()
        for rank, index in enumerate(alike)
    )


def _names_any(entry: Entry, step: JSON) -> bool:
    return isinstance(step, dict) and any(key in entry.get("is", ()) for key in step)


def _renamed(base: list[JSON], wanted: list[JSON], node: Node) -> list[JSON] | None:
    """The steps to items by their keys, if none takes the keys of another one."""
    for keys in list_items.candidates(node):
        names, others = (list_items.names_of(items, keys, node) for items in (base, wanted))
        if not keys or names is None or others is None:
            continue
        pairs = zip(names, others, strict=True)
        if {*names}.isdisjoint(new for old, new in pairs if new != old):
            return [dict(zip(keys, list_items.values_of(name), strict=True)) for name in names]
    return None
