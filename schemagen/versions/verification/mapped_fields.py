"""Which fields the parts of a record cover, and which are written by two parts."""

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal, TypeAlias

from schemagen.versions import schema_places, steps
from schemagen.versions.footprint import Side
from schemagen.versions.links import Alternatives, Link
from schemagen.versions.schema_places import Fault, Node
from schemagen.versions.steps import Path

Reach: TypeAlias = Literal["whole", "part", "none"]
"""How much of a field the parts of a record cover."""

# Written by the conversion engine.
_ENVELOPE: Final = frozenset({("apiVersion",), ("kind",)})
_API_SERVERS: Final = _ENVELOPE | {("metadata",)}


@dataclasses.dataclass(frozen=True)
class Gap:
    """A field that no part of a record seems to cover.

    Attributes:
        fault: The error to report.
        path: Its path in the record.
        sides: The versions in which it is not covered.
    """

    fault: Fault
    path: Path
    sides: tuple[Side, ...]


def gaps(
    old: Node, new: Node, reached_old: Sequence[Path], reached_new: Sequence[Path], at: Path = ()
) -> Iterator[Gap]:
    """Yield fields at the same path in both versions of a record that no part covers.

    A field that only one version has needs no part: residue keeps it.
    """
    for name in (name for name in old.fields if name in new.fields):
        path = (*at, name)
        here, there = old.field(name), new.field(name)
        if here is None or there is None or (not old.path and path in _ENVELOPE):
            continue
        reach = _reach(reached_old, path), _reach(reached_new, path)
        if _is_looked_into(reach, here, there):
            yield from gaps(here, there, reached_old, reached_new, path)
        elif reach == ("none", "none"):
            yield Gap(_forgotten(here, there, path), path, ("old", "new"))
        elif reach[0] == "none":
            way_out = f'unrelated("{".".join(path)}")'
            yield Gap(_left_alone(here, there, way_out), path, ("old",))
        elif reach[1] == "none":
            way_out = f'unrelated(new=("{".".join(path)}",))'
            yield Gap(_left_alone(there, here, way_out), path, ("new",))


def common(old: Node, new: Node, at: Path = ()) -> Iterator[Path]:
    """Return the paths of fields that both versions have, without enclosing objects."""
    for name in (name for name in old.fields if name in new.fields):
        path = (*at, name)
        here, there = old.field(name), new.field(name)
        if here is None or there is None or path in _API_SERVERS:
            continue
        if here.type == there.type == "object":
            yield from common(here, there, path)
        else:
            yield path


def _is_looked_into(reach: tuple[Reach, Reach], old: Node, new: Node) -> bool:
    """Return whether two objects are compared by field: some fields are converted one by one."""
    return "part" in reach and "whole" not in reach and old.type == new.type == "object"


def _reach(reached: Iterable[Path], path: Path) -> Reach:
    found: Reach = "none"
    for write in reached:
        if write == path[: len(write)]:
            return "whole"
        if path == write[: len(path)]:
            found = "part"
    return found


def _forgotten(old: Node, new: Node, path: Path) -> Fault:
    name = ".".join(path)
    is_kept = next(schema_places.differences(old, new), None) is None
    carried = f'keep("{name}")' if len(path) == 1 else f'move("{name}", "{name}")'
    if not is_kept:
        carried = f'move("{name}", "{name}", STEP) with the step between the two types'
    return Fault(
        old.place,
        f"expected a step that carries it, got none, and {new.version} has the field too; add "
        f'{carried}, or unrelated("{name}", new=("{name}",)) if they mean different things',
    )


def _left_alone(node: Node, other: Node, way_out: str) -> Fault:
    return Fault(
        node.place,
        f"expected a step that carries it, got none, and a step carries the field of this path in "
        f"{other.version} elsewhere; add a step, or {way_out} if no field there corresponds to it",
    )


@dataclasses.dataclass(frozen=True)
class _Write:
    """A field written by a link; links of different alternatives of a part never conflict."""

    part: int
    alternative: int
    path: Path
    link: Link


def doubled(parts: Sequence[Alternatives], node: Node, side: Side) -> Iterator[Fault]:
    """Yield fields that two parts write, or that one writes inside of another's."""
    writes = [
        _Write(part, alternative, path, link)
        for part, alternatives in enumerate(parts)
        for alternative, links in enumerate(alternatives)
        for link in links
        for path in link.written(side)
    ]
    by_path: dict[Path, list[_Write]] = {}
    for write in writes:
        by_path.setdefault(write.path, []).append(write)
    for write in writes:
        yield from (_twice(node, write, other) for other in _above(write, by_path))


def _above(write: _Write, by_path: Mapping[Path, Sequence[_Write]]) -> Iterator[_Write]:
    """Return the links that write the field, or an enclosing object, before this one does."""
    for end in range(len(write.path)):
        yield from (other for other in by_path.get(write.path[:end], ()) if _collide(write, other))
    before = itertools.takewhile(lambda one: one is not write, by_path[write.path])
    yield from (other for other in before if _collide(write, other))


def _collide(one: _Write, other: _Write) -> bool:
    if one.link is other.link or (one.part == other.part and one.alternative != other.alternative):
        return False
    is_alias = any(isinstance(write.link.step, steps.OneWay) for write in (one, other))
    return not (is_alias and one.path == other.path)


def _twice(node: Node, inner: _Write, outer: _Write) -> Fault:
    place = schema_places.place_of(node.version, (*node.path, *inner.path))
    if inner.path == outer.path:
        how = "expected a single step that writes it, got two; leave one out"
    else:
        whole = schema_places.text_of((*node.path, *outer.path))
        how = (
            f"expected a single step that writes it, got another that writes all of {whole}; "
            "leave one out, or move its fields one by one"
        )
    return Fault(place, how, inner.link.line or outer.link.line)
