"""Insertions that turn a list without keys into another one. Pure.

An insertion is ``[index, item]``, the index that of the item in the list as it is to be. One whose
item the list has as well is a repeat: by its value it is known in another list, too.
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


def repeats(base: list[JSON], inserts: Sequence[list[JSON]]) -> list[int]:
    """Which of the insertions into ``base`` repeat an item that it has."""
    there = {*map(canonical.dumps, base)}
    return [at for at, (_, item) in enumerate(inserts) if canonical.dumps(item) in there]


def inserted(value: JSON, inserts: JSON) -> list[JSON] | None:
    """A list with all insertions, or None if it cannot be the one that they are for."""
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
    value: list[JSON], inserts: JSON, numbers: JSON, digest_of: Callable[[JSON], str]
) -> list[JSON] | None:
    """Another list with those of the insertions that repeat an item of it, or None if none does.

    Each is where it was if that is behind the item that it repeats, else right behind that one: of
    items that are alike, the first one has the place.
    """
    waiting = _chosen(inserts, numbers)
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
    """The insertions of some numbers by their places; anybody may have written both."""
    chosen = {at for at in numbers if type(at) is int} if isinstance(numbers, list) else set()
    found = []
    for at, place in enumerate(inserts if isinstance(inserts, list) else ()):
        match place:
            case [int(index), item] if at in chosen:
                found.append((index, item))
    return collections.deque(sorted(found, key=lambda one: one[0]))
