"""Whether residue may be put back: the object keeps its meaning, and gets no new problem. Pure."""

import dataclasses
import functools
from collections.abc import Callable, Collection, Sequence
from typing import TypeAlias

from schemagen import checking
from schemagen.model import base
from schemagen.problems import JSON, Cause
from schemagen.versions import defaulting, schema_coverage
from schemagen.versions.residue import comparison, residue_entries
from schemagen.versions.residue.residue_entries import Entry

Way: TypeAlias = Callable[[dict[str, JSON]], dict[str, JSON]]
"""Converts a result back, for comparison."""

# How many problems of an object are looked for in how many entries; a forged annotation could hold
# a hundred thousand entries beside as many problems.
MAX_COMPARISONS = 10_000


class Meaning:
    """Meaning of an object, with which the meaning of results with residue is compared.

    Many results are tried for one object: the first difference ends a comparison, and the meaning
    of the plain conversion is computed once.

    Args:
        meant: The object in its own version, with defaults.
        node: Schema of that version.
        ways: Conversions back: of a result as it is, and with the defaults that it is served with.
        plain: Returns the plain conversion of the object, with hollow objects marked.
        served: Conversion back of the plain conversion with defaults: an object that only residue
            makes has its defaults, which the plain one gets when it is written.
    """

    def __init__(
        self,
        meant: dict[str, JSON],
        node: defaulting.Node,
        *,
        ways: Sequence[Way],
        plain: Callable[[], dict[str, JSON]],
        served: Way,
    ) -> None:
        self._meant = meant
        self._node = node
        self._ways, self._served = ways, served
        self._marked = functools.cache(plain)
        self._known: tuple[dict[str, JSON], list[dict[str, JSON]]] = {}, []

    def is_of(self, candidate: dict[str, JSON]) -> bool:
        """Return whether a result says what the object says, or what its plain conversion says.

        Each part by itself: what of a field finds no way must not cost another one.
        """
        return all(
            (found := way(candidate)) == self._meant or self._agrees(found, index, candidate)
            for index, way in enumerate(self._ways)
        )

    def _agrees(self, found: JSON, index: int, candidate: JSON) -> bool:
        said = self._said_plainly(schema_coverage.resolved(self._marked(), candidate))
        return comparison.agrees(found, (self._meant, said[index], said[-1]), self._node)

    def _said_plainly(self, plain: dict[str, JSON]) -> list[dict[str, JSON]]:
        if not self._known[1] or self._known[0] != plain:
            self._known = plain, [way(plain) for way in (*self._ways, self._served)]
        return self._known[1]


class Sound:
    """Whether an object has no problem with its schema that another one has not."""

    def __init__(self, model: type[base.Resource], plain: dict[str, JSON]) -> None:
        self._model = model
        self._check = checking.of(model).create
        self._plain = plain

    @functools.cached_property
    def _known(self) -> frozenset[Cause]:
        return _problems(self._check(self._plain))

    def holds(
        self,
        value: dict[str, JSON],
        parts: Collection[str],
        entries: Sequence[Entry] = (),
    ) -> bool:
        """Whether no problem is new in some members of an object.

        What is wrong with a value that comes back as it was, is not new.
        """
        if not parts:
            return True
        found = _problems(self._check(value)) - self._known
        fresh = [problem for problem in found if _member(problem.field) in parts]
        if len(fresh) * len(entries) > MAX_COMPARISONS:
            return False
        return all(self._was_there(problem, value, entries) for problem in fresh)

    def _was_there(self, problem: Cause, value: dict[str, JSON], entries: Sequence[Entry]) -> bool:
        node = defaulting.of(self._model)
        return any(
            residue_entries.has_written(entry, problem.path, value, node) for entry in entries
        )


def _member(field: str) -> str:
    """The member of an object in a field's path."""
    return field.partition(".")[0].partition("[")[0]


def _problems(checked: checking.Checked) -> frozenset[Cause]:
    """Problems, identified by field and reason."""
    return frozenset(dataclasses.replace(cause, message="") for cause in checked.causes)
