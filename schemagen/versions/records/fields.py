"""Records, and the parts that move a field to one of the other version.

A field without a move is not converted, so the result never holds a field that the target would
prune.
"""

import dataclasses
import functools
import itertools
import sys
from collections.abc import Callable, Iterable
from typing import Protocol

from schemagen.model.field_types import DeclarationError
from schemagen.problems import JSON, quoted
from schemagen.versions.steps import ABSENT, KEEP, Fn, Hollow, Path, Step, expect_step, get, put


class Part(Protocol):
    """A part of a record: reads the source object, writes to the new target object."""

    def up(self, old: dict[str, JSON], new: dict[str, JSON], /) -> None:
        """Write the newer version's fields."""

    def down(self, new: dict[str, JSON], old: dict[str, JSON], /) -> None:
        """Write the older version's fields."""


def _write_nothing(source: dict[str, JSON], target: dict[str, JSON]) -> None:
    del source, target


@dataclasses.dataclass(frozen=True)
class PartFn:
    """A part made of two functions; a missing function writes nothing.

    Attributes:
        old: The fields of the older version that it reads (up) and writes (down), as dotted paths,
            if it touches no others.
        new: Those of the newer version.
        annotations: The annotations that it converts to fields, if without them it touches nothing
            else.
        uses: The parts that the functions choose from: their paths and types are checked at
            generation, and their fields count as converted.
        atomic: Dotted paths of the newer version that are written as a whole: another value
            replaces newer-only data there, as in an atomic list.
    """

    up: Callable[[dict[str, JSON], dict[str, JSON]], None] = _write_nothing
    down: Callable[[dict[str, JSON], dict[str, JSON]], None] = _write_nothing
    old: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    annotations: tuple[str, ...] = ()
    uses: tuple["Part", ...] = ()
    atomic: tuple[str, ...] = ()


def _line_of_caller() -> str:
    """Return ``FILE:LINE`` of the first caller outside this package, for messages."""
    frame = sys._getframe(1)  # noqa: SLF001 - inspect.stack() reads every file on the way
    while frame.f_globals.get("__package__") == __package__ and frame.f_back is not None:
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


@dataclasses.dataclass(frozen=True)
class Move:
    """A field that has another name, place or form in the other version.

    Attributes:
        old: The field's path in the older version.
        new: Its path in the newer version.
        step: The step of its value.
        line: Where it was declared, for messages.
    """

    old: Path
    new: Path
    step: Step = KEEP
    line: str = dataclasses.field(default_factory=_line_of_caller, compare=False, repr=False)

    def __post_init__(self) -> None:
        expect_step(self.step, f"move({'.'.join(self.old)!r}, {'.'.join(self.new)!r}, ...)")

    def up(self, old: dict[str, JSON], new: dict[str, JSON], /) -> None:
        """Write the field of the newer version."""
        value = get(old, self.old)
        if value is not ABSENT:
            put(new, self.new, self.way_up(value))

    def down(self, new: dict[str, JSON], old: dict[str, JSON], /) -> None:
        """Write the field of the older version."""
        value = get(new, self.new)
        if value is not ABSENT:
            put(old, self.old, self.way_down(value))

    @functools.cached_property
    def way_up(self) -> Callable[[JSON], JSON]:
        """Return the mapping to the newer version."""
        return self._carrying(self.step.up, self.step.down)

    @functools.cached_property
    def way_down(self) -> Callable[[JSON], JSON]:
        """Return the mapping to the older version."""
        return self._carrying(self.step.down, self.step.up)

    def _carrying(
        self, way: Callable[[JSON], JSON], back: Callable[[JSON], JSON]
    ) -> Callable[[JSON], JSON]:
        # An empty object may be meaningful: the other version may write it out.
        if not isinstance(self.step, Record | OpenRecord) or back({}):
            return way

        def carried(value: JSON) -> JSON:
            changed = way(value)
            return Hollow() if value and changed.__class__ is dict and not changed else changed

        return carried


def keep(*names: str) -> tuple[Move, ...]:
    """Keep fields that are the same in both versions."""
    return tuple(Move((name,), (name,)) for name in names)


def same_name(name: str, step: Step) -> Move:
    """Convert the value of a field that keeps its name."""
    return Move((name,), (name,), step)


def move(old: str, new: str, step: Step = KEEP) -> Move:
    """Move or rename a field; paths are dotted: ``vcsRef``, ``vcs.providerRef``."""
    return Move(tuple(old.split(".")), tuple(new.split(".")), step)


@dataclasses.dataclass(frozen=True)
class _Silent:
    """Fields of either version of which nothing is written in the other."""

    old: tuple[Path, ...] = ()
    new: tuple[Path, ...] = ()

    def up(self, old: dict[str, JSON], new: dict[str, JSON], /) -> None:
        """Write nothing."""

    def down(self, new: dict[str, JSON], old: dict[str, JSON], /) -> None:
        """Write nothing."""


class Forget(_Silent):
    """``forget``."""


def forget(*old: str, new: tuple[str, ...] = ()) -> Forget:
    """Drop fields on purpose: their values are not kept as residue.

    For data that must not remain in an annotation, such as a password that the newer version lacks.
    Clients lose the field where objects are stored in the other version.

    Args:
        old: Dotted paths of the older version.
        new: Dotted paths of the newer version.
    """
    return Forget(_paths(old), _paths(new))


class Unrelated(_Silent):
    """``unrelated``."""


def unrelated(*old: str, new: tuple[str, ...] = ()) -> Unrelated:
    """Declare fields without a counterpart, though the other version has a field of the same path.

    Their values are kept as residue. Not needed for a path that only one version has.

    Args:
        old: Dotted paths of the older version.
        new: Dotted paths of the newer version.
    """
    return Unrelated(_paths(old), _paths(new))


def _paths(dotted: Iterable[str]) -> tuple[Path, ...]:
    return tuple(tuple(path.split(".")) for path in dotted)


@dataclasses.dataclass(frozen=True)
class Record(Fn):
    """``record``."""

    parts: tuple[Part, ...]


def record(*parts: Part | tuple[Part, ...]) -> Record:
    """Convert an object field by field."""
    flat = tuple(step for part in parts for step in (part if isinstance(part, tuple) else (part,)))
    for part in flat:
        if not hasattr(part, "up") or not hasattr(part, "down"):
            raise DeclarationError(
                f"record(...): expected parts such as keep('name'), got {quoted(part)}"
            )
    return Record(
        _object([_way_up(part) for part in flat]),
        _object([_way_down(part) for part in reversed(flat)]),
        flat,
    )


Write = Callable[[dict[str, JSON], dict[str, JSON]], None]
# A converted field: its name there, its name here, and its conversion (None: unchanged).
Field = tuple[str, str, Callable[[JSON], JSON] | None]


def _way_up(part: Part) -> Field | Write:
    if isinstance(part, Move) and len(part.old) == len(part.new) == 1:
        return part.old[0], part.new[0], None if part.step is KEEP else part.way_up
    return part.up


def _way_down(part: Part) -> Field | Write:
    if isinstance(part, Move) and len(part.old) == len(part.new) == 1:
        return part.new[0], part.old[0], None if part.step is KEEP else part.way_down
    return part.down


def _object(ways: list[Field | Write]) -> Callable[[JSON], JSON]:
    """Return one direction of a record, with unchanged fields, the majority, handled together."""
    writes: list[Write] = []
    for is_field, group in itertools.groupby(ways, key=lambda way: isinstance(way, tuple)):
        together = [*group]
        writes += [_fields(together)] if is_field else together  # type: ignore[arg-type] # grouped so

    def convert(value: JSON) -> JSON:
        if value.__class__ is not dict:
            return ABSENT
        target: dict[str, JSON] = {}
        for write in writes:
            write(value, target)
        return target

    return convert


def _fields(fields: list[Field]) -> Write:
    """Convert fields one after the other."""

    def write(source: dict[str, JSON], target: dict[str, JSON]) -> None:
        for here, there, change in fields:
            if here in source:
                value = source[here]
                if change is not None:
                    value = change(value)
                if value is not ABSENT and (value is not None or change is not None):
                    target[there] = value

    return write


@dataclasses.dataclass(frozen=True)
class OpenRecord(Fn):
    """``open_record``, ``sealed_record``."""

    moves: tuple[Move, ...]
    extra: str


def open_record(moves: tuple[Move, ...], *, extra: str) -> Step:
    """Convert a free-form object of the older version to typed fields in the newer one.

    Keys whose values fit become fields; all others go to the field ``extra`` unchanged. If two keys
    map to one field, the earlier move wins. Moves start at top-level keys.
    """

    def up(value: JSON) -> JSON:
        if type(value) is not dict:
            return ABSENT
        target: dict[str, JSON] = {}
        typed_keys = set()
        for known in moves:
            converted = known.step.up(value[known.old[0]]) if known.old[0] in value else ABSENT
            if converted is not ABSENT and get(target, known.new) is ABSENT:
                put(target, known.new, converted)
                typed_keys.add(known.old[0])
        rest = {key: item for key, item in value.items() if key not in typed_keys}
        return {**target, extra: rest} if rest else target

    def down(value: JSON) -> JSON:
        if type(value) is not dict:
            return ABSENT
        rest = value.get(extra)
        target: dict[str, JSON] = dict(rest) if type(rest) is dict else {}
        for known in moves:
            known.down(value, target)
        return target

    return OpenRecord(up, down, moves, extra)


def sealed_record(moves: tuple[Move, ...], *, extra: str) -> Step:
    """``open_record`` in which ``extra`` cannot set what a field should.

    A key of ``extra`` that would have become a field is not converted down: otherwise the older
    version would use it and the newer one would not, bypassing rules for the field.
    """
    opened = open_record(moves, extra=extra)

    def is_typed(key: str, item: JSON) -> bool:
        return any(move.old[0] == key and move.step.up(item) is not ABSENT for move in moves)

    def down(value: JSON) -> JSON:
        rest = get(value, (extra,))
        if type(rest) is dict:
            foreign = {key: item for key, item in rest.items() if not is_typed(key, item)}
            value = {**value, extra: foreign}
        return opened.down(value)

    return OpenRecord(opened.up, down, moves, extra)
