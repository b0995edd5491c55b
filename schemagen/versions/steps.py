"""Invertible steps that a conversion is built from.

A step turns a value of the older version into one of the newer (``up``) and back (``down``). It is
total: a value that it cannot express in the other version becomes ``ABSENT``, never an error and
never something of another meaning. Nothing is lost by that: ``residue`` compares what comes back
with what went in, and keeps the difference.

``record`` is the step for an object: a list of moves between fields of the two versions. What no
move names is not carried over, so the result never holds a field that the target would prune.
"""

import dataclasses
import itertools
import re
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from schemagen.problems import JSON


class Absent:
    """The type of ``ABSENT``."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = Absent()
"""No value: what a step answers when the other version cannot say it."""

Path = tuple[str, ...]


class Step(Protocol):
    """One value's way up and down."""

    def up(self, value: JSON, /) -> JSON:
        """The newer version's value, or ABSENT."""

    def down(self, value: JSON, /) -> JSON:
        """The older version's value, or ABSENT."""


class Part(Protocol):
    """A part of a record: reads the source object, writes into the (fresh) target object."""

    def up(self, old: dict[str, JSON], new: dict[str, JSON], /) -> None:
        """Write the newer version's fields."""

    def down(self, new: dict[str, JSON], old: dict[str, JSON], /) -> None:
        """Write the older version's fields."""


@dataclasses.dataclass(frozen=True)
class Fn:
    """A step of two functions."""

    up: Callable[[JSON], JSON]
    down: Callable[[JSON], JSON]


def _write_nothing(source: dict[str, JSON], target: dict[str, JSON]) -> None:
    del source, target


@dataclasses.dataclass(frozen=True)
class PartFn:
    """A part of two functions; one that is not given writes nothing."""

    up: Callable[[dict[str, JSON], dict[str, JSON]], None] = _write_nothing
    down: Callable[[dict[str, JSON], dict[str, JSON]], None] = _write_nothing


def get(value: JSON, path: Path) -> JSON:
    """The value at a path of members, or ABSENT."""
    for name in path:
        if type(value) is not dict or name not in value:
            return ABSENT
        value = value[name]
    return value


def put(target: dict[str, JSON], path: Path, value: JSON) -> None:
    """Set the value at a path, making the objects on the way; ABSENT sets nothing."""
    if value is ABSENT:
        return
    for name in path[:-1]:
        target = target.setdefault(name, {})
    target[path[-1]] = value


def same(value: JSON) -> JSON:
    """A value that both versions write alike; null is what neither schema allows."""
    return ABSENT if value is None else value


KEEP: Final[Step] = Fn(same, same)


@dataclasses.dataclass(frozen=True)
class Move:
    """A field of one version that is a field of the other, by another name, place or form."""

    old: Path
    new: Path
    step: Step = KEEP

    def up(self, old: dict[str, JSON], new: dict[str, JSON], /) -> None:
        """Carry the field to its newer place."""
        value = get(old, self.old)
        if value is not ABSENT:
            put(new, self.new, self.step.up(value))

    def down(self, new: dict[str, JSON], old: dict[str, JSON], /) -> None:
        """Carry the field to its older place."""
        value = get(new, self.new)
        if value is not ABSENT:
            put(old, self.old, self.step.down(value))


def keep(*names: str) -> tuple[Move, ...]:
    """Fields that are the same in both versions."""
    return tuple(Move((name,), (name,)) for name in names)


def same_name(name: str, step: Step) -> Move:
    """A field of the same name whose value changes form."""
    return Move((name,), (name,), step)


def move(old: str, new: str, step: Step = KEEP) -> Move:
    """A field that moves or is renamed; paths are dotted: ``vcsRef``, ``vcs.providerRef``."""
    return Move(tuple(old.split(".")), tuple(new.split(".")), step)


def record(*parts: Part | tuple[Part, ...]) -> Step:
    """An object, field by field."""
    flat = tuple(one for part in parts for one in (part if isinstance(part, tuple) else (part,)))
    return Fn(
        _object([_way_up(part) for part in flat]),
        _object([_way_down(part) for part in reversed(flat)]),
    )


Write = Callable[[dict[str, JSON], dict[str, JSON]], None]

# A field carried over: its name there, its name here, and how it changes (None: not at all).
Field = tuple[str, str, Callable[[JSON], JSON] | None]


def _way_up(part: Part) -> Field | Write:
    if isinstance(part, Move) and len(part.old) == len(part.new) == 1:
        return part.old[0], part.new[0], None if part.step is KEEP else part.step.up
    return part.up


def _way_down(part: Part) -> Field | Write:
    if isinstance(part, Move) and len(part.old) == len(part.new) == 1:
        return part.new[0], part.old[0], None if part.step is KEEP else part.step.down
    return part.down


def _object(ways: list[Field | Write]) -> Callable[[JSON], JSON]:
    """One way of a record; fields that only move are handled together: most are such."""
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
    """Carry fields over, one after the other."""

    def write(source: dict[str, JSON], target: dict[str, JSON]) -> None:
        for here, there, change in fields:
            if here in source:
                value = source[here]
                if change is not None:
                    value = change(value)
                if value is not ABSENT and (value is not None or change is not None):
                    target[there] = value

    return write


def open_record(moves: tuple[Move, ...], *, extra: str) -> Step:
    """A free-form object of the older version, typed in the newer one.

    Keys whose values fit become fields; every other key goes to the field ``extra`` as it is. Of
    two keys for one field the one whose move comes first is taken. Moves start at top-level keys.
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

    return Fn(up, down)


def sealed_record(moves: tuple[Move, ...], *, extra: str) -> Step:
    """``open_record`` where ``extra`` cannot say what is a field's to say.

    A key of ``extra`` that would have become a field is not carried down: otherwise it would count
    for the older version and not for the newer one, behind the back of rules for the field.
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

    return Fn(opened.up, down)


def each(step: Step) -> Step:
    """A list, item by item; an item that cannot be expressed is left out."""

    def convert(value: JSON, way: Callable[[JSON], JSON]) -> JSON:
        if type(value) is not list:
            return ABSENT
        return [item for item in map(way, value) if item is not ABSENT]

    return Fn(lambda value: convert(value, step.up), lambda value: convert(value, step.down))


def each_by(key: str, step: Step) -> Step:
    """A list whose items the newer version tells apart by a key: the first of each stays."""

    def up(value: JSON) -> JSON:
        if type(value) is not list:
            return ABSENT
        items: dict[str, JSON] = {}
        for item in value:
            name = get(item, (key,))
            converted = step.up(item) if type(name) is str and name not in items else ABSENT
            if converted is not ABSENT:
                items[name] = converted
        return list(items.values())

    return Fn(up, each(step).down)


def each_by_last(key: str, step: Step) -> Step:
    """``each_by`` where the last of each stays, at its place: of two variables the later counts."""
    first = each_by(key, step)

    def up(value: JSON) -> JSON:
        return first.up(value[::-1])[::-1] if type(value) is list else ABSENT

    return Fn(up, first.down)


def each_once(step: Step) -> Step:
    """A list of which the newer version makes a set of texts: each stays where it first stands."""
    every = each(step)

    def up(value: JSON) -> JSON:
        items = every.up(value)
        return items if items is ABSENT else list(dict.fromkeys(items))

    return Fn(up, every.down)


def map_to_list(key: str, value_name: str) -> Step:
    """A map of strings <-> a list of ``{key, value}`` sorted by key.

    The API server sorts a map's keys, so the list's order is not data.
    """

    def up(value: JSON) -> JSON:
        if type(value) is not dict:
            return ABSENT
        return [
            {key: name, value_name: value[name]}
            for name in sorted(value)
            if type(value[name]) is str
        ]

    def down(value: JSON) -> JSON:
        if type(value) is not list:
            return ABSENT
        pairs = ((get(item, (key,)), get(item, (value_name,))) for item in value)
        return {name: text for name, text in pairs if type(name) is str and type(text) is str}

    return Fn(up, down)


def wrap(key: str) -> Step:
    """A list of scalars <-> a list of objects with one field, unique by it."""

    def up(value: JSON) -> JSON:
        if type(value) is not list:
            return ABSENT
        return [{key: name} for name in dict.fromkeys(item for item in value if type(item) is str)]

    def down(value: JSON) -> JSON:
        if type(value) is not list:
            return ABSENT
        names = (get(item, (key,)) for item in value)
        return [name for name in names if type(name) is str]

    return Fn(up, down)


def enumeration(pairs: Mapping[str, str]) -> Step:
    """An enum's words in both versions."""
    back = {new: old for old, new in pairs.items()}

    def lookup(table: Mapping[str, str]) -> Callable[[JSON], JSON]:
        return lambda value: table.get(value, ABSENT) if type(value) is str else ABSENT

    return Fn(lookup(pairs), lookup(back))


def respelled(pairs: Mapping[str, str]) -> Step:
    """Words of a text that both versions spell differently; any other text is the same in both.

    A word in the other version's spelling changes places with it, so no two texts become one.
    """
    swapped = {**pairs, **{new: old for old, new in pairs.items()}}

    def way(value: JSON) -> JSON:
        return swapped.get(value, value) if type(value) is str else ABSENT

    return Fn(way, way)


_DURATION = re.compile(r"(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)s)?")
INT32_MAX = 2**31 - 1
# Longer texts are no duration or number in int64; int() would take quadratic time on them.
MAX_DURATION_CHARACTERS = 64
MAX_INT64_DIGITS = 19


def duration_of(seconds: int) -> str:
    """``5400`` -> ``1h30m``: largest unit first, zero units left out, ``0s`` for zero."""
    hours, rest = divmod(seconds, 3600)
    minutes, left = divmod(rest, 60)
    text = "".join(f"{n}{unit}" for n, unit in ((hours, "h"), (minutes, "m"), (left, "s")) if n)
    return text or "0s"


def seconds_of(text: str) -> int | None:
    """``1h30m`` -> ``5400``; None if it is no duration in whole seconds."""
    if not text or not text.isascii() or len(text) > MAX_DURATION_CHARACTERS:
        return None
    found = _DURATION.fullmatch(text)
    if found is None:
        return None
    hours, minutes, seconds = (int(group or 0) for group in found.groups())
    return hours * 3600 + minutes * 60 + seconds


def to_duration(*, least: int = 0, most: int = INT32_MAX) -> Step:
    """Seconds <-> a duration: ``5400`` <-> ``1h30m``."""

    def up(value: JSON) -> JSON:
        return duration_of(value) if type(value) is int and least <= value <= most else ABSENT

    def down(value: JSON) -> JSON:
        seconds = seconds_of(value) if type(value) is str else None
        return seconds if seconds is not None and least <= seconds <= most else ABSENT

    return Fn(up, down)


def integer(*, least: int = -(2**31), most: int = INT32_MAX) -> Step:
    """An integer within bounds that the newer version sets."""
    return typed(int, lambda value: least <= value <= most)


def text() -> Step:
    """A string."""
    return typed(str)


def typed(kind: type, allows: Callable[[JSON], bool] | None = None) -> Step:
    """A value of exactly one JSON type: true is no integer, 1.0 is none either."""

    def way(value: JSON) -> JSON:
        return value if type(value) is kind and (allows is None or allows(value)) else ABSENT

    return Fn(way, way)


def numeric(step: Step) -> Step:
    """What ``step`` takes as a number may also come as a numeric string, as CLIs send it."""

    def up(value: JSON) -> JSON:
        is_number = type(value) is str and value.isascii() and value.isdecimal()
        return step.up(int(value) if is_number and len(value) <= MAX_INT64_DIGITS else value)

    return Fn(up, step.down)


def when(allows: Callable[[JSON], bool], step: Step = KEEP) -> Step:
    """The step for values of the older version that the newer one's type can hold."""
    return Fn(lambda value: step.up(value) if allows(value) else ABSENT, step.down)


def values(step: Step) -> Step:
    """A map, value by value; a value that cannot be expressed is left out."""

    def convert(value: JSON, way: Callable[[JSON], JSON]) -> JSON:
        if type(value) is not dict:
            return ABSENT
        converted = ((key, way(item)) for key, item in value.items())
        return {key: item for key, item in converted if item is not ABSENT}

    return Fn(lambda value: convert(value, step.up), lambda value: convert(value, step.down))


def exact(step: Step) -> Step:
    """Only values of the older version that come back as they were."""

    def up(value: JSON) -> JSON:
        converted = step.up(value)
        return converted if converted is not ABSENT and step.down(converted) == value else ABSENT

    return Fn(up, step.down)


def one_way(step: Step) -> Step:
    """A second name of the older version for a field: read, never written."""

    def down(value: JSON) -> JSON:
        del value
        return ABSENT

    return Fn(step.up, down)


def constant(old: str, word: str) -> Part:
    """A field of the older version with a single possible word, which the newer one leaves out."""

    def down(new: dict[str, JSON], target: dict[str, JSON]) -> None:
        del new
        target[old] = word

    return PartFn(down=down)


def written_out(name: str, default: JSON) -> Part:
    """A field that the older version may leave out for its default; the newer one writes it out."""

    def up(old: dict[str, JSON], new: dict[str, JSON]) -> None:
        value = old.get(name)
        new[name] = default if value is None else value

    return PartFn(up, Move((name,), (name,)).down)


def flat_union(tag: str, **arms: tuple[str, Step]) -> Part:
    """A tagged flat union <-> one object per case.

    ``flat_union("type", pvc=("persistentVolumeClaim", record(*keep("claimName"))))`` turns
    ``{type: pvc, claimName: x}`` into ``{persistentVolumeClaim: {claimName: x}}`` and back.
    """

    def up(old: dict[str, JSON], new: dict[str, JSON]) -> None:
        word = old.get(tag)
        arm = arms.get(word) if type(word) is str else None
        if arm is not None:
            put(new, (arm[0],), arm[1].up(old))

    def down(new: dict[str, JSON], old: dict[str, JSON]) -> None:
        for word, (name, step) in arms.items():
            fields = step.down(new.get(name))
            if fields is not ABSENT:
                old.update({tag: word, **fields})
                return

    return PartFn(up, down)


@dataclasses.dataclass(frozen=True)
class Conversion:
    """A version's way to its next newer one (``registry.Conversion``).

    Attributes:
        step: The step for the whole object, usually a ``record``.
        unordered: Dotted paths of the newer version's keyed lists that are maps in the older one:
            ``spec.steps.[].parameters``.
    """

    step: Step
    unordered_paths: tuple[str, ...] = ()

    @property
    def unordered(self) -> tuple[Path, ...]:
        """The paths, split."""
        return tuple(tuple(path.split(".")) for path in self.unordered_paths)

    def up(self, value: dict[str, JSON], /) -> dict[str, JSON]:
        """The newer version's object."""
        return self._object(self.step.up(value))

    def down(self, value: dict[str, JSON], /) -> dict[str, JSON]:
        """The older version's object."""
        return self._object(self.step.down(value))

    def _object(self, value: JSON) -> dict[str, JSON]:
        return value if type(value) is dict else {}
