"""Where each part of a converted object comes from in the original. Pure.

The steps of a conversion say it where they are declared; where they are functions, equal values
with the same name or nowhere else are taken for the same. An origin is a hint for keeping comments
and spelling: what is written is always the converted value.
"""

import dataclasses
import difflib
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from schemagen import canonical
from schemagen.model import registry
from schemagen.problems import JSON
from schemagen.rewrite.text.places import Place, at
from schemagen.versions import links, records, steps
from schemagen.versions.steps import ABSENT, Step

Origins: TypeAlias = dict[Place, Place]
"""The places of a new value, with their places in the old one."""

_Pair: TypeAlias = tuple[Place, Place]


def between(
    values: Sequence[JSON], pairs: Sequence[tuple[registry.Version, registry.Version, str]]
) -> Origins:
    """Return the origins of an object converted through several versions.

    Args:
        values: The object in each version, the original first.
        pairs: The adjacent versions on the way, each older one first, with ``up`` or ``down``.
    """
    whole: Origins | None = None
    for (older, _, way), source, target in zip(pairs, values, values[1:], strict=False):
        old, new = (source, target) if way == "up" else (target, source)
        found = _once(_match(_step_of(older), _Both(old, new)))
        if way == "down":
            found = {origin: place for place, origin in found.items()}
        if whole is None:
            whole = found
        else:
            before = whole
            whole = {place: before[origin] for place, origin in found.items() if origin in before}
    return whole or {}


def identity(value: JSON, place: Place = ()) -> Iterator[_Pair]:
    """Yield the places of a value that does not change."""
    yield place, place
    items: Iterator[tuple[str | int, JSON]] = iter(())
    if isinstance(value, dict):
        items = iter(value.items())
    elif isinstance(value, list):
        items = enumerate(value)
    for name, item in items:
        yield from identity(item, (*place, name))


def _step_of(older: registry.Version) -> Step | None:
    conversion = older.conversion
    return conversion.step if isinstance(conversion, records.Conversion) else None


def _once(pairs: Iterator[_Pair]) -> Origins:
    """Return pairs of places, of which the first of each counts."""
    places: Origins = {}
    taken: set[Place] = set()
    refused: set[_Pair] = set()
    for place, origin in pairs:
        # What is in a value that went elsewhere went with it.
        if (place[:-1], origin[:-1]) in refused or (origin in taken and place not in places):
            refused.add((place, origin))
        elif place not in places and origin not in taken:
            places[place] = origin
            taken.add(origin)
    return places


@dataclasses.dataclass(frozen=True)
class _Both:
    """A value in the older and the newer version, with its places there."""

    old: JSON
    new: JSON
    here: Place = ()
    there: Place = ()

    def inner(self, old: Place, new: Place) -> "_Both":
        """Return values below these."""
        return _Both(at(self.old, old), at(self.new, new), (*self.here, *old), (*self.there, *new))

    @property
    def pair(self) -> _Pair:
        """Return the places, that of the newer version first."""
        return self.there, self.here

    def are(self, old: type, new: type) -> bool:
        """Return whether the values are of two types."""
        return isinstance(self.old, old) and isinstance(self.new, new)


def _match(step: Step | None, both: _Both) -> Iterator[_Pair]:
    """Yield the places of a newer value with those of the older one."""
    step = None if step is None else links.unguarded(step)
    if both.are(list, dict):
        yield from _wrapped(both.old, both.new, both.here, both.there)
    elif both.are(dict, list) and not isinstance(step, steps.Pairs):
        found = _wrapped(both.new, both.old, both.there, both.here)
        yield from ((place, origin) for origin, place in found)
    else:
        yield both.pair
        yield from _within(step, both)


def _within(step: Step | None, both: _Both) -> Iterator[_Pair]:
    """Yield the places in two collections."""
    if isinstance(step, steps.Pairs) and both.are(dict, list):
        yield from _named_items(step.key, both)
    elif both.are(list, list):
        yield from _items(step, both)
    elif isinstance(step, steps.Values) and both.are(dict, dict):
        for name in both.old.keys() & both.new.keys():
            yield from _match(step.step, both.inner((name,), (name,)))
    elif both.are(dict, dict):
        yield from _fields(step, both)


# -- objects


class _Used:
    """The fields of two objects that are matched."""

    def __init__(self, both: _Both) -> None:
        self._both = both
        self.old: set[Place] = set()
        self.new: set[Place] = set()

    def noted(self, pairs: Iterator[_Pair]) -> Iterator[_Pair]:
        """Yield pairs, and note them."""
        for place, origin in pairs:
            self.new.add(place[len(self._both.there) :])
            self.old.add(origin[len(self._both.here) :])
            yield place, origin

    def others(self, pairs: Iterator[_Pair]) -> Iterator[_Pair]:
        """Yield those pairs of which nothing is matched yet."""
        for place, origin in pairs:
            new, old = place[len(self._both.there) :], origin[len(self._both.here) :]
            if new not in self.new and old not in self.old:
                yield place, origin


def _fields(step: Step | None, both: _Both) -> Iterator[_Pair]:
    used = _Used(both)
    for link, is_exact in _candidates(step, both):
        inner = both.inner(link.old or (), link.new or ())
        if link.shares:
            yield from used.noted(_fields(link.step, inner))
            continue
        # A list may come from several fields, each with items of it.
        is_used = link.new in used.new and not isinstance(inner.new, list)
        is_scalar = not isinstance(inner.old, dict | list)
        if link.old not in used.old and not is_used and (is_exact or not is_scalar):
            yield from used.noted(_match(link.step, inner))
    for name in both.new:
        if name in both.old and (name,) not in used.old and (name,) not in used.new:
            yield from used.others(_match(None, both.inner((name,), (name,))))
    yield from _alike(both, used)


def _candidates(step: Step | None, both: _Both) -> list[tuple[links.Link, bool]]:
    """Return the links between fields that both objects have, the exact ones first."""
    found = []
    for link in () if step is None else links.every_link(step):
        if link.old is None or link.new is None or link.step is None:
            continue
        inner = both.inner(link.old, link.new)
        if inner.old is not ABSENT and inner.new is not ABSENT:
            found.append((link, _is_exact(link.step, inner)))
    return sorted(found, key=lambda one: not one[1])


def _alike(both: _Both, used: _Used) -> Iterator[_Pair]:
    """Match equal values that are on each side once: of the same name, else of any name."""
    old = {name: value for name, value in both.old.items() if name not in both.new}
    new = {name: value for name, value in both.new.items() if name not in both.old}
    before = [part for part in _parts(old) if not _touches(used.old, part[0])]
    after = [part for part in _parts(new) if not _touches(used.new, part[0])]
    for is_named in (True, False):
        origins, places = (_grouped(side, is_named=is_named) for side in (before, after))
        for key, one in places.items():
            other = origins.get(key, [])
            if len(one) == len(other) == 1:
                inner = both.inner(other[0], one[0])
                for place, _ in identity(inner.new):
                    yield (*inner.there, *place), (*inner.here, *place)


def _grouped(
    side: Sequence[tuple[Place, JSON]], *, is_named: bool
) -> dict[tuple[str | int, bytes], list[Place]]:
    """Return places by name and value; without names only the outermost ones by value."""
    groups: dict[tuple[str | int, bytes], list[Place]] = {}
    for place, value in side:
        if is_named or len(place) == 1:
            key = (place[-1] if is_named else "", canonical.dumps(value))
            groups.setdefault(key, []).append(place)
    return groups


def _parts(value: JSON, place: Place = ()) -> Iterator[tuple[Place, JSON]]:
    """Yield the fields of an object, and those of objects in it."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield (*place, name), item
            yield from _parts(item, (*place, name))


def _touches(used: set[Place], place: Place) -> bool:
    """Return whether a place is, is in, or contains one that is matched."""
    return any(
        place[: len(other)] == other or other[: len(place)] == place for other in used if other
    )


def _wrapped(bare: JSON, whole: JSON, here: Place, there: Place) -> Iterator[_Pair]:
    """Match a list with the field of an object that has its items."""
    text = canonical.dumps(bare)
    names = [name for name, value in whole.items() if canonical.dumps(value) == text]
    if not names:
        names = [
            name
            for name, value in whole.items()
            if isinstance(value, list) and len(value) == len(bare)
        ]
    if len(names) == 1:
        for place, _ in identity(bare):
            yield (*there, names[0], *place), (*here, *place)


# -- lists and steps


def _named_items(key: str, both: _Both) -> Iterator[_Pair]:
    """Match the fields of a map with the items of a list that they are."""
    for index, item in enumerate(both.new):
        name = steps.get(item, (key,))
        if isinstance(name, str) and name in both.old:
            yield both.inner((name,), (index,)).pair


def _items(step: Step | None, both: _Both) -> Iterator[_Pair]:
    if isinstance(step, steps.Wrap):
        for index, item in enumerate(both.new):
            name = steps.get(item, (step.key,))
            if name in both.old:
                yield both.inner((both.old.index(name),), (index,)).pair
        return
    inner = step.step if isinstance(step, steps.Each) else None
    for index, position in _matching(inner, both.old, both.new):
        yield from _match(inner, both.inner((index,), (position,)))


def _matching(step: Step | None, old: Sequence[JSON], new: Sequence[JSON]) -> list[tuple[int, int]]:
    """Match the items of two lists: equal ones in order, then those between them."""
    before = [canonical.dumps(_asked(step, "up", item)) for item in old]
    after = [canonical.dumps(item) for item in new]
    found = []
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for tag, first, end, target, target_end in matcher.get_opcodes():
        if tag in {"equal", "replace"}:
            found += [*zip(range(first, end), range(target, target_end), strict=False)]
    return found


def _is_exact(step: Step, both: _Both) -> bool:
    """Return whether a step alone turns one value into the other, either way."""
    old, new = canonical.dumps(both.old), canonical.dumps(both.new)
    return new == canonical.dumps(_asked(step, "up", both.old)) or old == canonical.dumps(
        _asked(step, "down", both.new)
    )


def _asked(step: Step | None, way: str, value: JSON) -> JSON:
    """Return what a step makes of a value out of its context; None if it makes nothing of it."""
    if step is None:
        return value
    convert: Callable[[JSON], JSON] = step.up if way == "up" else step.down
    try:
        found = convert(value)
    except Exception:  # noqa: BLE001 - an author's function, which may expect its context
        return None
    return None if found is ABSENT else found
