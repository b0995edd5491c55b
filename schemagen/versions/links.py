"""Parts of a record as links: a field on each side, and the step between them.

A uniform view for the checks of a conversion; ``footprint`` is the compiler's.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, TypeAlias

from schemagen.model import registry
from schemagen.problems import JSON
from schemagen.versions import records, reshaping, steps
from schemagen.versions.footprint import Side
from schemagen.versions.schema_places import ITEMS, VALUES
from schemagen.versions.steps import ABSENT, Path, Step

NOTHING: Final[JSON] = ABSENT
"""Not a constant: a link that converts a value, or only marks a field as covered."""


@dataclasses.dataclass(frozen=True, eq=False)
class Link:
    """A field of the older version, one of the newer version, and the step between them.

    Attributes:
        old: The older version's path; None if it has none.
        new: The newer version's path.
        step: The step between the two; None if nothing is converted.
        shares: The side on which the fields of the step's record are inlined in the enclosing
            record.
        value: The constant written on the only side.
        forgets: Whether the field is dropped on purpose.
        is_atomic: Whether the field is written as a whole.
        is_chosen: Whether functions decide if it is converted.
        line: Where it was declared.
    """

    old: Path | None = None
    new: Path | None = None
    step: Step | None = None
    shares: Side | None = None
    value: JSON = NOTHING
    forgets: bool = False
    is_atomic: bool = False
    is_chosen: bool = False
    line: str = ""

    def path(self, side: Side) -> Path | None:
        """Return the path on a side."""
        return self.old if side == "old" else self.new

    def reached(self, side: Side) -> list[Path]:
        """Return the paths that it covers on a side."""
        path = self.path(side)
        if path is None:
            return []
        if self.shares != side or self.step is None:
            return [path]
        return [(*path, *below) for below in reached(alternatives_of(self.step), side)]

    def written(self, side: Side) -> list[Path]:
        """Return the paths that it writes on a side."""
        is_read_only = side == "old" and isinstance(self.step, steps.OneWay)
        carries = self.step is not None or self.value is not NOTHING
        writes = carries and not is_read_only and not self.is_chosen
        return self.reached(side) if writes else []


Alternatives: TypeAlias = Sequence[Sequence[Link]]
"""Links of one part: of several sequences only one applies to an object."""


def every_link(step: Step) -> Iterator[Link]:
    """Yield all links of a step's parts."""
    for alternatives in alternatives_of(step):
        for links in alternatives:
            yield from links


def reached(parts: Iterable[Alternatives], side: Side) -> list[Path]:
    """Return the paths of a side that the parts of a record cover."""
    return [
        path
        for alternatives in parts
        for links in alternatives
        for link in links
        for path in link.reached(side)
    ]


def alternatives_of(step: Step) -> list[Alternatives]:
    """Return the links of a record's parts; other steps have none."""
    match unguarded(step):
        case records.Record(parts=parts):
            return [links_of(part) for part in parts]
        case records.OpenRecord(moves=moves, extra=extra):
            return [*([[_of_move(move)]] for move in moves), [[Link(new=(extra,), value={})]]]
    return []


def atomic_paths(older: registry.Version) -> list[Path]:
    """Return the paths of the next newer version that a version's conversion writes as a whole."""
    if not isinstance(older.conversion, records.Conversion):
        return []
    return [*paths_where(older.conversion.step, "new", lambda link: link.is_atomic)]


def paths_where(step: Step, side: Side, is_meant: Callable[[Link], bool]) -> Iterator[Path]:
    """Return the paths of a side whose links match, at every depth of a step."""
    match unguarded(step):
        case steps.Each(step=inner):
            yield from ((ITEMS, *path) for path in paths_where(inner, side, is_meant))
        case reshaping.Single(step=inner):
            above: Path = (ITEMS,) if side == "new" else ()
            yield from ((*above, *path) for path in paths_where(inner, side, is_meant))
        case reshaping.ByKey(step=inner):
            above = (VALUES,) if side == "new" else (ITEMS,)
            yield from ((*above, *path) for path in paths_where(inner, side, is_meant))
        case steps.Values(step=inner):
            yield from ((VALUES, *path) for path in paths_where(inner, side, is_meant))
        case found:
            for link in every_link(found):
                yield from _paths_of(link, side, is_meant)


def _paths_of(link: Link, side: Side, is_meant: Callable[[Link], bool]) -> Iterator[Path]:
    path = link.path(side)
    if path is None:
        return
    if is_meant(link):
        yield path
    elif link.step is not None:
        yield from ((*path, *below) for below in paths_where(link.step, side, is_meant))


def unguarded(step: Step) -> Step:
    """Return the step inside guards."""
    while isinstance(step, steps.Guarded):
        step = step.step
    return step


def _of_move(move: records.Move) -> Link:
    return Link(move.old, move.new, move.step, line=move.line)


@functools.singledispatch
def links_of(part: records.Part) -> Alternatives:
    """Return the links of a part; empty for an unknown class."""
    del part
    return []


def is_known(part: records.Part) -> bool:
    """Return whether a part's links are known."""
    return links_of.dispatch(type(part)) is not links_of.dispatch(object)


@links_of.register
def _(part: records.Move) -> Alternatives:
    return [[_of_move(part)]]


@links_of.register
def _(part: records.Spread) -> Alternatives:
    return [[Link(part.old, part.new, part.step, shares="new")]]


@links_of.register
def _(part: records.Forget | records.Unrelated) -> Alternatives:
    forgets = isinstance(part, records.Forget)
    old = [Link(old=path, forgets=forgets) for path in part.old]
    return [[*old, *(Link(new=path, forgets=forgets) for path in part.new)]]


@links_of.register
def _(part: records.Constant) -> Alternatives:
    return [[Link(old=(part.name,), value=part.value)]]


@links_of.register
def _(part: records.Implied) -> Alternatives:
    return [[Link(new=(part.name,), value=part.value)]]


@links_of.register
def _(part: records.WrittenOut) -> Alternatives:
    return [[Link((part.name,), (part.name,), steps.KEEP)]]


@links_of.register
def _(part: records.OpenWords) -> Alternatives:
    words = [Link(new=(part.name,), value=word) for word in sorted({*part.words, part.other})]
    open_word = Link((part.name,), (part.name,), steps.when(bool, steps.text()))
    return [[open_word, Link(new=(part.detail,), step=steps.text())], *([word] for word in words)]


@links_of.register
def _(part: records.Sentinel) -> Alternatives:
    return [
        [_of_move(part.move)],
        [Link(old=part.move.old, value=part.old)],
        [Link(new=part.place, value=part.new)],
    ]


@links_of.register
def _(part: records.FirstOf) -> Alternatives:
    return [[_of_move(move)] for move in part.moves]


@links_of.register
def _(part: records.Tagged) -> Alternatives:
    return [
        [_of_move(part.tag), *links]
        for arm in part.arms.values()
        for links in _combined([links_of(inner) for inner in arm])
    ]


@links_of.register
def _(part: records.FlatUnion) -> Alternatives:
    return [
        [Link(old=(part.tag,), value=word), Link((), (name,), step, shares="old")]
        for word, (name, step) in part.arms.items()
    ]


@links_of.register
def _(part: records.PartFn) -> Alternatives:
    named = [
        *(Link(old=tuple(path.split("."))) for path in part.old),
        *(Link(new=tuple(path.split("."))) for path in part.new),
        *(Link(new=tuple(path.split(".")), is_atomic=True) for path in part.atomic),
    ]
    return [named, *(_chosen(links) for use in part.uses for links in links_of(use))]


def _chosen(links: Iterable[Link]) -> Sequence[Link]:
    return [dataclasses.replace(link, is_chosen=True) for link in links]


def _combined(parts: Sequence[Alternatives]) -> Iterator[Sequence[Link]]:
    """Combine alternatives: the first of each part, the second of each, and so on."""
    if not parts:
        yield []
    for index in range(max((len(part) for part in parts), default=0)):
        yield [link for part in parts if part for link in part[min(index, len(part) - 1)]]
