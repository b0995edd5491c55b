"""Footprint of a part of a record: the paths that it touches in either version."""

import functools
from collections.abc import Iterable, Sequence
from typing import Final, Literal, TypeAlias

from schemagen.versions import records, steps
from schemagen.versions.steps import Path, Step

STAR: Final = "*"
"""Last name of a path: the fields of an object that no other path names."""

Side: TypeAlias = Literal["old", "new"]
"""The older or the newer of two versions."""


@functools.singledispatch
def paths(part: records.Part, side: Side) -> list[Path]:
    """Return the paths of one version's object that a part touches."""
    raise TypeError(part, side)


@paths.register
def _(part: records.Move, side: Side) -> list[Path]:
    return [part.old if side == "old" else part.new]


@paths.register
def _(part: records.Forget | records.Unrelated, side: Side) -> list[Path]:
    return [*(part.old if side == "old" else part.new)]


@paths.register
def _(part: records.Spread, side: Side) -> list[Path]:
    return [part.old if side == "old" else (*part.new, STAR)]


@paths.register
def _(part: records.Constant, side: Side) -> list[Path]:
    return [(part.name,)] if side == "old" else []


@paths.register
def _(part: records.Implied, side: Side) -> list[Path]:
    return [] if side == "old" else [(part.name,)]


@paths.register
def _(part: records.WrittenOut | records.OpenWords, side: Side) -> list[Path]:
    del side
    return [(part.name,)]


@paths.register
def _(part: records.Sentinel, side: Side) -> list[Path]:
    return [part.move.old] if side == "old" else [part.move.new, part.place]


@paths.register
def _(part: records.FirstOf, side: Side) -> list[Path]:
    return _of_all(part.moves, side)


@paths.register
def _(part: records.Tagged, side: Side) -> list[Path]:
    arms = [inner for arm in part.arms.values() for inner in arm]
    return [*paths(part.tag, side), *_of_all(arms, side)]


@paths.register
def _(part: records.FlatUnion, side: Side) -> list[Path]:
    if side == "new":
        return [(name,) for name, _ in part.arms.values()]
    arms = [inner for _, step in part.arms.values() for inner in parts_of(step)]
    return [(part.tag,), *_of_all(arms, side)]


@paths.register
def _(part: records.PartFn, side: Side) -> list[Path]:
    return [tuple(path.split(".")) for path in (part.old if side == "old" else part.new)]


def _of_all(parts: Iterable[records.Part], side: Side) -> list[Path]:
    return [*dict.fromkeys(path for part in parts for path in paths(part, side))]


def is_known(part: records.Part) -> bool:
    """Return whether a part can be compiled."""
    match part:
        case records.Tagged():
            arms = [inner for arm in part.arms.values() for inner in arm]
            return isinstance(part.tag.step, steps.Words) and all(map(is_known, arms))
        case records.FlatUnion():
            arms_of = [step for _, step in part.arms.values()]
            return all(isinstance(inner, records.Record) for inner in arms_of) and all(
                is_known(inner) for step in arms_of for inner in parts_of(step)
            )
        case records.WrittenOut():
            return True
        case records.PartFn():
            return bool(part.old or part.new or part.annotations)
    return paths.dispatch(type(part)) is not paths.dispatch(object)


def parts_of(step: Step) -> Sequence[records.Part]:
    """Return the parts of a record; other steps have none."""
    return step.parts if isinstance(step, records.Record) else ()
