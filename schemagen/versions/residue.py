"""What the other version cannot say: found, kept, guarded and put back.

After a conversion the result is converted back; wherever that differs from the original, the
difference is the residue. It travels in one annotation per direction and is put back by the next
conversion the other way. So a round trip is exact by construction, whatever the steps lose.

An entry names an object and keys in it: ``{"at": path, "was": {key: digest}, "is": {key: value}}``.
``was`` has the digests of the values that the plain conversion gave (a key only in ``is`` was
absent); where they no longer match, somebody edited the field and the entry is stale: dropped.
A path holds member names, and ``{"name": "x"}`` for a list item known by its key. Two more forms
put list items back: ``{"at": path, "key": "name", "after": "x", "item": {...}}`` where items are
known by a key (in front for ``null``; stale if there is such an item now), and
``{"at": path, "was": {key: digest}, "insert": {key: [[index, item], ...]}}`` where they are not.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from schemagen import canonical
from schemagen.problems import JSON
from schemagen.versions.steps import ABSENT, get

# Annotations of one object may have 256 KiB in all (apimachinery TotalAnnotationSizeLimitB), and
# other tools want their share; past the budget the largest entries are dropped first.
BUDGET_BYTES = 64 * 1024

# What tells list items apart, in the order it is looked for.
ITEM_KEYS = ("name", "type", "path", "from")

Entry = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Kept:
    """The entries that fit the budget, and how many bytes of others did not."""

    entries: tuple[Entry, ...]
    dropped_bytes: int = 0


def difference(base: JSON, wanted: JSON) -> list[Entry]:
    """The entries that turn ``base`` into ``wanted``; both are objects."""
    return list(_objects(base, wanted, []))


def within_budget(entries: Iterable[Entry], budget_bytes: int = BUDGET_BYTES) -> Kept:
    """Keep the smallest entries that fit together, in their own order; drop the largest first."""
    sized = [(len(canonical.dumps(entry)) + 1, entry) for entry in entries]
    total = sum(size for size, _ in sized) + 1
    dropped: list[int] = []
    for index in sorted(range(len(sized)), key=lambda at: -sized[at][0]):
        if total <= budget_bytes:
            break
        total -= sized[index][0]
        dropped.append(index)
    kept = tuple(entry for at, (_, entry) in enumerate(sized) if at not in dropped)
    return Kept(kept, sum(sized[at][0] for at in dropped))


def applied(base: JSON, entries: Sequence[Entry]) -> JSON:
    """``base`` with every entry that is not stale; ``base`` itself is left as it is."""
    digests = _Digests()
    for entry in entries:
        base = _apply_entry(base, entry, digests)
    return base


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


def _apply_entry(base: JSON, entry: Entry, digests: _Digests) -> JSON:
    """``base`` with one entry, or ``base`` itself if the entry is stale or makes no sense."""
    match entry:
        case {"at": list(path), "was": dict(was), "insert": dict(inserts)}:
            return _rebuilt(base, path, lambda at: _inserted(at, was, inserts, digests))
        case {"at": list(path), "was": dict(was), "is": dict(values)}:
            return _rebuilt(base, path, lambda at: _replaced(at, was, values, digests))
        case {"at": list(path), "key": str(key), "after": after, "item": dict(item)}:
            return _rebuilt(base, path, lambda at: _added(at, key, after, item))
        case _:
            return base


def _objects(base: dict[str, JSON], wanted: dict[str, JSON], at: list[JSON]) -> Iterable[Entry]:
    for key, value in base.items():
        if key not in wanted:
            yield {"at": at, "was": {key: canonical.digest(value)}, "is": {}}
    for key, value in wanted.items():
        if key not in base:
            yield {"at": at, "was": {}, "is": {key: value}}
    for key, value in wanted.items():
        if key in base and not _identical(base[key], value):
            yield from _values(base[key], value, at, key)


def _values(base: JSON, wanted: JSON, at: list[JSON], key: str) -> Iterable[Entry]:
    if type(base) is dict and type(wanted) is dict:
        yield from _objects(base, wanted, [*at, key])
        return
    if type(base) is list and type(wanted) is list:
        name = _common_key(base, wanted)
        if name is not None:
            yield from _keyed_items(base, wanted, [*at, key], name)
            return
        inserts = _insertions(base, wanted)
        if inserts is not None:
            digest = canonical.digest(base)
            yield {"at": at, "was": {key: digest}, "insert": {key: inserts}}
            return
    yield {"at": at, "was": {key: canonical.digest(base)}, "is": {key: wanted}}


def _keyed_items(
    base: list[JSON], wanted: list[JSON], at: list[JSON], name: str
) -> Iterable[Entry]:
    known = {item[name]: item for item in base}
    previous = None
    for item in wanted:
        if item[name] in known:
            yield from _objects(known[item[name]], item, [*at, {name: item[name]}])
        else:
            yield {"at": at, "key": name, "after": previous, "item": item}
        previous = item[name]


def _identical(one: JSON, other: JSON) -> bool:
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
        if place < len(base) and _identical(base[place], item):
            place += 1
        else:
            inserts.append([index, item])
    return inserts if place == len(base) else None


def _common_key(base: list[JSON], wanted: list[JSON]) -> str | None:
    """The key by which ``wanted`` has the items of ``base`` in their order, and maybe more."""
    if not all(type(item) is dict for item in [*base, *wanted]):
        return None
    for key in ITEM_KEYS:
        names, wanted_names = _distinct(base, key), _distinct(wanted, key)
        if names is not None and wanted_names is not None:
            known = set(names)
            return key if names == [name for name in wanted_names if name in known] else None
    return None


def _distinct(items: list[JSON], key: str) -> list[str] | None:
    """The items' names, if each has one of its own."""
    names = [item.get(key) for item in items]
    if not all(type(name) is str for name in names) or len(set(names)) != len(names):
        return None
    return names


def _rebuilt(base: JSON, path: Sequence[JSON], change: Any) -> JSON:
    """A copy of ``base`` with the object at ``path`` changed; ``base`` if the path is not there."""
    if not path:
        return change(base)
    step, *rest = path
    if type(step) is str and type(base) is dict and step in base:
        child = _rebuilt(base[step], rest, change)
        return base if child is base[step] else {**base, step: child}
    if type(step) is dict and type(base) is list and len(step) == 1:
        ((key, name),) = step.items()
        matches = [at for at, item in enumerate(base) if get(item, (key,)) == name]
        if len(matches) == 1:
            child = _rebuilt(base[matches[0]], rest, change)
            return [*base[: matches[0]], child, *base[matches[0] + 1 :]]
    return base


def _is_current(at: dict[str, JSON], was: dict[str, JSON], digests: _Digests) -> bool:
    return all(
        (value := at.get(key, ABSENT)) is not ABSENT and digests.of(value) == digest
        for key, digest in was.items()
    )


def _replaced(at: JSON, was: dict[str, JSON], values: dict[str, JSON], digests: _Digests) -> JSON:
    if type(at) is not dict:
        return at
    if not _is_current(at, was, digests) or any(key in at for key in values if key not in was):
        return at
    return {**{key: value for key, value in at.items() if key not in was}, **values}


def _added(at: JSON, key: str, after: JSON, item: dict[str, JSON]) -> JSON:
    if type(at) is not list or key not in item:
        return at
    names = [get(one, (key,)) for one in at]
    if item[key] in names:
        return at
    # The item it stood behind may be gone by now; then the end is as good as any place.
    place = 0 if after is None else names.index(after) + 1 if after in names else len(at)
    return [*at[:place], item, *at[place:]]


def _inserted(at: JSON, was: dict[str, JSON], inserts: dict[str, JSON], digests: _Digests) -> JSON:
    if type(at) is not dict:
        return at
    if not _is_current(at, was, digests) or not all(key in was for key in inserts):
        return at
    changed = dict(at)
    for key, items in inserts.items():
        target = list(at[key]) if type(at[key]) is list else None
        if target is None or type(items) is not list:
            return at
        for place in items:
            match place:
                case [int(index), item] if 0 <= index <= len(target):
                    target.insert(index, item)
                case _:
                    return at
        changed[key] = target
    return changed
