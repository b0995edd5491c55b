"""The groups in which the entries of an annotation are tried, and how many may be."""

import collections
from collections.abc import Iterable, Iterator, Sequence

from schemagen import canonical
from schemagen.problems import JSON
from schemagen.versions.residue import residue_entries
from schemagen.versions.residue.residue_entries import Entry

# How often an object may be converted to see what of its residue keeps its meaning. Ours is put
# back at once but where somebody edited around it; anybody's may hold a thousand entries.
MAX_ATTEMPTS = 64
# All entries together, and each half of them by itself.
MIN_ATTEMPTS = 3
# An attempt takes some 20 microseconds for each value of the object.
MAX_TRIED_VALUES = 40_000


def max_attempts(value: JSON, entries: Sequence[Entry]) -> int:
    """How many groups of entries may be tried, each of which converts the whole object.

    By sizes and not by a clock: the same object must always be converted to the same.
    """
    size = _size((value, *entries), MAX_TRIED_VALUES // MIN_ATTEMPTS)
    return max(MIN_ATTEMPTS, min(MAX_ATTEMPTS, MAX_TRIED_VALUES // size))


def _size(values: Iterable[JSON], limit: int) -> int:
    """How many values there are in values; counted no further than just above a limit."""
    size, waiting = 0, [*values]
    while waiting and size <= limit:
        value = waiting.pop()
        size += 1
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    return size


class EntryGroups:
    """Entries in the groups in which they are tried: all, halves of those refused, single ones.

    Halves are divided between fields where there are several: what a list of many refused entries
    takes of the attempts is not lost to the field beside it. Of a single entry that is refused, its
    parts are tried. What cannot be divided is tried a second time: it may fit only once another one
    is in place.
    """

    def __init__(self, entries: Sequence[Entry], max_attempts: int) -> None:
        self._order = {id(entry): number for number, entry in enumerate(entries)}
        self._waiting = collections.deque([tuple(_by_place(entries))])
        self._refused: list[Entry] = []
        self._left = max_attempts

    def __iter__(self) -> Iterator[Sequence[Entry]]:
        while self._left and (self._waiting or self._refused):
            self._left -= 1
            if self._waiting:
                group = [entry for place in self._waiting.popleft() for entry in place]
                # What a list gets stands behind what its items get.
                yield sorted(group, key=lambda entry: self._order.get(id(entry), 0))
            else:
                yield [self._refused.pop(0)]

    def refuse(self, group: Sequence[Entry]) -> None:
        """Try a group again in parts."""
        places = _by_place(group)
        if len(places) == 1:
            entries = group if len(group) > 1 else residue_entries.parts_of(group[0]) or group
            places = [[entry] for entry in entries]
        if len(places) > 1:
            middle = _middle([residue_entries.field_of(place[0]) for place in places])
            self._waiting += (tuple(places[:middle]), tuple(places[middle:]))
        elif self._waiting:
            self._refused += group


def _by_place(entries: Sequence[Entry]) -> list[list[Entry]]:
    places: dict[bytes, list[Entry]] = {}
    for entry in entries:
        places.setdefault(canonical.dumps(entry.get("at")), []).append(entry)
    return list(places.values())


def _middle(fields: Sequence[Sequence[str]]) -> int:
    """Where to divide places, of which each is in a field."""
    borders = [at for at in range(1, len(fields)) if fields[at] != fields[at - 1]]
    half = len(fields) // 2
    return min(borders, key=lambda border: abs(border - half), default=half)
