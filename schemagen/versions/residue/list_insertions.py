"""Insertions that turn a list without keys into another one. Pure.

An insertion is ``[index, item]``, with the index in the resulting list. It is a repeat if the base
list has an equal item: it can then be restored in an edited list too, by its value.
"""

import collections
from collections.abc import Callable, Sequence

from schemagen import canonical
from schemagen.problems import JSON


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
    base: list[JSON], wanted: list[JSON]
) -> tuple[list[list[JSON]], list[JSON]] | None:
    """Return insertions of repeated items, and the rest of ``wanted``, as long as ``base``.

    None if there are too few of them. An item of the rest may still differ from that of ``base``;
    of several repeats, those stay by which more is the same, as a conversion keeps the first one
    or the last.
    """
    if len(wanted) <= len(base):
        return None
    ways = [_kept(base, wanted), [*reversed(_kept(base[::-1], wanted[::-1]))]]
    rests = [[item for item, is_kept in zip(wanted, way, strict=True) if is_kept] for way in ways]
    best = max(range(len(ways)), key=lambda at: _similarity(base, rests[at]))
    inserts = [[at, item] for at, item in enumerate(wanted) if not ways[best][at]]
    return (inserts, rests[best]) if len(rests[best]) == len(base) else None


def _kept(base: list[JSON], wanted: list[JSON]) -> list[bool]:
    """Return for each item whether it stays, where repeats go as early as possible."""
    left = collections.Counter(map(canonical.dumps, wanted))
    spare, place = len(wanted) - len(base), 0
    kept: list[bool] = []
    for item in wanted:
        text = canonical.dumps(item)
        is_there = place < len(base) and canonical.identical(base[place], item)
        is_kept = is_there or left[text] == 1 or spare <= 0
        left[text] -= not is_kept
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


def repeats(base: list[JSON], inserts: Sequence[list[JSON]]) -> list[int]:
    """Return the numbers of the insertions that repeat an item of ``base``."""
    there = {*map(canonical.dumps, base)}
    return [at for at, (_, item) in enumerate(inserts) if canonical.dumps(item) in there]


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


def repeated(
    value: list[JSON],
    inserts: JSON,
    numbers: JSON,
    digest_of: Callable[[JSON], str],
    *,
    is_adjacent: bool = False,
) -> list[JSON] | None:
    """Return an edited list with the insertions that repeat an item of it; None if none does.

    A repeat keeps its index if that is behind the item that it repeats; otherwise it directly
    follows that item, as all do where ``is_adjacent``: of equal items side by side it does not
    matter which one a conversion keeps, the first or the last.
    """
    waiting = _chosen(inserts, numbers)
    if is_adjacent:
        waiting = collections.deque((-1, again) for _, again in waiting)
    target: list[JSON] = []
    seen: set[str] = set()
    held = collections.defaultdict[str, list[JSON]](list)
    for item in value:
        while waiting and waiting[0][0] <= len(target):
            again = waiting.popleft()[1]
            digest = digest_of(again)
            (target if digest in seen else held[digest]).append(again)
        target.append(item)
        seen.add(digest_of(item))
        target += held.pop(digest_of(item), ())
    target += [again for _, again in waiting if digest_of(again) in seen]
    return target if len(target) > len(value) else None


def _chosen(inserts: JSON, numbers: JSON) -> collections.deque[tuple[int, JSON]]:
    """Return the insertions of some numbers, sorted by index; both arguments are untrusted."""
    chosen = {at for at in numbers if type(at) is int} if isinstance(numbers, list) else set()
    found = []
    for at, place in enumerate(inserts if isinstance(inserts, list) else ()):
        match place:
            case [int(index), item] if at in chosen:
                found.append((index, item))
    return collections.deque(sorted(found, key=lambda one: one[0]))
