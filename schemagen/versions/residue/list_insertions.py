"""Insertions that turn a list without keys into another one. Pure.

An insertion is ``[index, item]``, with the index in the resulting list. It is a repeat if the base
list has an equal item, and a namesake if it has one with the same keys: it can then be restored in
an edited list too, where that item is.
"""

import collections
import dataclasses
import enum
from collections.abc import Callable, Collection, Hashable, Sequence
from typing import TypeAlias

from schemagen import canonical
from schemagen.problems import JSON

Names: TypeAlias = Callable[[JSON], Hashable]
"""Returns what identifies an item, the values of its keys or all of it; None if nothing does."""


def between(base: list[JSON], wanted: list[JSON]) -> list[list[JSON]] | None:
    """Return the insertions that turn ``base`` into ``wanted``; None if they differ otherwise."""
    inserts: list[list[JSON]] = []
    place = 0
    for index, item in enumerate(wanted):
        if place < len(base) and canonical.identical(base[place], item):
            place += 1
        else:
            inserts.append([index, item])
    return inserts if place == len(base) else None


def without_repeats(
    base: list[JSON],
    wanted: list[JSON],
    names: Names,
    foreign: Collection[Hashable] = (),
) -> tuple[list[list[JSON]], list[JSON]] | None:
    """Return insertions of repeats and namesakes, and the rest of ``wanted``, as long as ``base``.

    None if there are too few of them. An item of the rest may still differ from that of ``base``;
    of several repeats, those stay by which more is the same, as a conversion keeps the first one
    or the last.

    Args:
        base: A list.
        wanted: A longer list.
        names: What identifies items.
        foreign: Names that no item of ``base`` has, whose items are insertions too.
    """
    if len(wanted) <= len(base):
        return None
    ways = [
        _kept(base, wanted, names, foreign),
        [*reversed(_kept(base[::-1], wanted[::-1], names, foreign))],
    ]
    rests = [[item for item, is_kept in zip(wanted, way, strict=True) if is_kept] for way in ways]
    best = max(range(len(ways)), key=lambda at: _similarity(base, rests[at]))
    inserts = [[at, item] for at, item in enumerate(wanted) if not ways[best][at]]
    if len(rests[best]) != len(base) or not {*foreign}.isdisjoint(map(names, rests[best])):
        return None
    return inserts, rests[best]


def _kept(
    base: list[JSON], wanted: list[JSON], names: Names, foreign: Collection[Hashable]
) -> list[bool]:
    """Return for each item whether it stays, where repeats go as early as possible."""
    left = collections.Counter(map(names, wanted))
    spare, place = len(wanted) - len(base), 0
    kept: list[bool] = []
    for item in wanted:
        name = names(item)
        is_there = place < len(base) and canonical.identical(base[place], item)
        is_kept = is_there or (left[name] == 1 and name not in foreign) or spare <= 0
        left[name] -= not is_kept
        spare -= not is_kept
        place += is_kept
        kept.append(is_kept)
    return kept


def _similarity(base: list[JSON], rest: list[JSON]) -> int:
    """Return how many items, or members of items, are the same at the same place."""
    return sum(
        canonical.identical(old, new) + len(_same_members(old, new))
        for old, new in zip(base, rest, strict=False)
    )


def _same_members(old: JSON, new: JSON) -> list[str]:
    if not isinstance(old, dict) or not isinstance(new, dict):
        return []
    return [key for key in new if key in old and canonical.identical(old[key], new[key])]


def repeats(rest: list[JSON], inserts: Sequence[list[JSON]]) -> list[int]:
    """Return the numbers of the insertions that repeat an item of ``rest``."""
    there = {*map(canonical.dumps, rest)}
    return [at for at, (_, item) in enumerate(inserts) if canonical.dumps(item) in there]


def followers(rest: list[JSON], inserts: Sequence[list[JSON]], names: Names) -> list[int]:
    """Return the numbers of the insertions that come after the item of ``rest`` with their name.

    Not of those before it: where the last of several counts, they would come to count.
    """
    numbers = {index: at for at, (index, _) in enumerate(inserts)}
    kept, left = set(), iter(rest)
    found = []
    for index in range(len(rest) + len(inserts)):
        if index not in numbers:
            kept.add(names(next(left)))
        elif names(inserts[numbers[index]][1]) in kept:
            found.append(numbers[index])
    return found


def inserted(value: JSON, inserts: JSON) -> list[JSON] | None:
    """Return a list with all insertions; None if they do not fit the list."""
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


def leaders(rest: list[JSON], inserts: Sequence[list[JSON]]) -> list[int]:
    """Return the numbers of the insertions that come before the item of ``rest`` they repeat."""
    behind = {*followers(rest, inserts, canonical.dumps)}
    return [at for at in repeats(rest, inserts) if at not in behind]


class Placing(enum.Enum):
    """Where the repeats of an item go in an edited list."""

    AHEAD = enum.auto()
    """At their index; those that came before the item before it: of equal ones the last counts."""
    BEHIND = enum.auto()
    """At their index if that is behind the item, otherwise beside it."""
    BESIDE = enum.auto()
    """Directly behind the item: then it does not matter which of equal ones counts."""


@dataclasses.dataclass(frozen=True)
class Repeats:
    """Insertions of which some repeat an item; untrusted.

    Attributes:
        inserts: All insertions.
        numbers: Those that are repeats.
        ahead: Those of them that came before the item.
        names: What identifies items.
    """

    inserts: JSON
    numbers: JSON
    ahead: JSON
    names: Names


def repeated(value: list[JSON], repeats: Repeats, placing: Placing) -> list[JSON] | None:
    """Return an edited list with the insertions that repeat a name in it; None if none does."""
    names, first = repeats.names, _numbers(repeats.ahead) if placing is Placing.AHEAD else ()
    waiting = collections.deque(
        (-1 if placing is Placing.BESIDE else index, again, at in first)
        for at, index, again in _chosen(repeats.inserts, repeats.numbers)
        if names(again) is not None
    )
    there = {*map(names, value)}
    target: list[JSON] = []
    seen: set[Hashable] = set()
    held = collections.defaultdict[Hashable, list[JSON]](list)
    for item in value:
        while waiting and waiting[0][0] <= len(target):
            _, again, is_first = waiting.popleft()
            name = names(again)
            is_free = name in seen or (is_first and name in there)
            (target if is_free else held[name]).append(again)
        target.append(item)
        name = names(item)
        seen.add(name)
        target += held.pop(name, ())
    target += [again for _, again, _ in waiting if names(again) in seen]
    return target if len(target) > len(value) else None


def _chosen(inserts: JSON, numbers: JSON) -> list[tuple[int, int, JSON]]:
    """Return the insertions of some numbers, with these, sorted by index."""
    chosen = _numbers(numbers)
    found = []
    for at, place in enumerate(inserts if isinstance(inserts, list) else ()):
        match place:
            case [int(index), item] if at in chosen:
                found.append((at, index, item))
    return sorted(found, key=lambda insertion: insertion[1])


def _numbers(value: JSON) -> set[int]:
    return {at for at in value if type(at) is int} if isinstance(value, list) else set()
