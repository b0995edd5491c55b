"""Invertible steps that a conversion is built from.

A step turns a value of the older version into one of the newer (``up``) and back (``down``). It is
total: a value that it cannot express in the other version becomes ``ABSENT``, never an error and
never something of another meaning. Nothing is lost by that: ``residue`` compares what comes back
with what went in, and keeps the difference.

``record`` is the step for an object: a list of moves between fields of the two versions. What no
move names is not carried over, so the result never holds a field that the target would prune.

Steps with a class of their own can be compiled (``lane``); any other one is two functions.
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
    """A part of two functions; one that is not given writes nothing.

    Attributes:
        old: The fields of the older version that it reads upwards and writes downwards, if it has
            to do with no others.
        new: Those of the newer version.
        annotations: The annotations that it turns into fields, if it has to do with nothing else
            in an object without them.
    """

    up: Callable[[dict[str, JSON], dict[str, JSON]], None] = _write_nothing
    down: Callable[[dict[str, JSON], dict[str, JSON]], None] = _write_nothing
    old: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    annotations: tuple[str, ...] = ()


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


@dataclasses.dataclass(frozen=True)
class Record(Fn):
    """``record``."""

    parts: tuple[Part, ...]


def record(*parts: Part | tuple[Part, ...]) -> Record:
    """An object, field by field."""
    flat = tuple(one for part in parts for one in (part if isinstance(part, tuple) else (part,)))
    return Record(
        _object([_way_up(part) for part in flat]),
        _object([_way_down(part) for part in reversed(flat)]),
        flat,
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


@dataclasses.dataclass(frozen=True)
class OpenRecord(Fn):
    """``open_record``, ``sealed_record``."""

    moves: tuple[Move, ...]
    extra: str


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

    return OpenRecord(up, down, moves, extra)


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

    return OpenRecord(opened.up, down, moves, extra)


@dataclasses.dataclass(frozen=True)
class Each(Fn):
    """A list. ``key``: tells its items apart; empty if the items themselves are told apart."""

    step: Step
    key: str | None = None


def each(step: Step) -> Step:
    """A list, item by item; an item that cannot be expressed is left out."""

    def convert(value: JSON, way: Callable[[JSON], JSON]) -> JSON:
        if type(value) is not list:
            return ABSENT
        return [item for item in map(way, value) if item is not ABSENT]

    return Each(
        lambda value: convert(value, step.up), lambda value: convert(value, step.down), step
    )


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

    return Each(up, each(step).down, step, key)


def each_by_last(key: str, step: Step) -> Step:
    """``each_by`` where the last of each stays, at its place: of two variables the later counts."""
    first = each_by(key, step)

    def up(value: JSON) -> JSON:
        return first.up(value[::-1])[::-1] if type(value) is list else ABSENT

    return Each(up, first.down, step, key)


def each_once(step: Step) -> Step:
    """A list of which the newer version makes a set of texts: each stays where it first stands."""
    every = each(step)

    def up(value: JSON) -> JSON:
        items = every.up(value)
        return items if items is ABSENT else list(dict.fromkeys(items))

    return Each(up, every.down, step, "")


@dataclasses.dataclass(frozen=True)
class Pairs(Fn):
    """``map_to_list``."""

    key: str
    value: str


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

    return Pairs(up, down, key, value_name)


@dataclasses.dataclass(frozen=True)
class Wrap(Fn):
    """``wrap``."""

    key: str


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

    return Wrap(up, down, key)


@dataclasses.dataclass(frozen=True, eq=False)  # a version is hashable
class Words(Fn):
    """``enumeration``."""

    pairs: Mapping[str, str]


def enumeration(pairs: Mapping[str, str]) -> Step:
    """An enum's words in both versions."""
    back = {new: old for old, new in pairs.items()}

    def lookup(table: Mapping[str, str]) -> Callable[[JSON], JSON]:
        return lambda value: table.get(value, ABSENT) if type(value) is str else ABSENT

    return Words(lookup(pairs), lookup(back), pairs)


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


@dataclasses.dataclass(frozen=True)
class Seconds(Fn):
    """``to_duration``."""

    least: int
    most: int


def to_duration(*, least: int = 0, most: int = INT32_MAX) -> Step:
    """Seconds <-> a duration: ``5400`` <-> ``1h30m``."""

    def up(value: JSON) -> JSON:
        return duration_of(value) if type(value) is int and least <= value <= most else ABSENT

    def down(value: JSON) -> JSON:
        seconds = seconds_of(value) if type(value) is str else None
        return seconds if seconds is not None and least <= seconds <= most else ABSENT

    return Seconds(up, down, least, most)


def integer(*, least: int = -(2**31), most: int = INT32_MAX) -> Step:
    """An integer within bounds that the newer version sets."""
    step = typed(int, lambda value: least <= value <= most)
    return Integer(step.up, step.down, least, most)


def text() -> Step:
    """A string."""
    return typed(str)


@dataclasses.dataclass(frozen=True)
class Typed(Fn):
    """``typed``."""

    kind: type
    allows: Callable[[JSON], bool] | None = None


@dataclasses.dataclass(frozen=True)
class Integer(Fn):
    """``integer``."""

    least: int
    most: int


def typed(kind: type, allows: Callable[[JSON], bool] | None = None) -> Step:
    """A value of exactly one JSON type: true is no integer, 1.0 is none either."""

    def way(value: JSON) -> JSON:
        return value if type(value) is kind and (allows is None or allows(value)) else ABSENT

    return Typed(way, way, kind, allows)


def text_or_integer() -> Step:
    """A string <-> what may be a string or an integer, such as a quantity."""
    return Typed(
        text().up, lambda value: str(value) if type(value) is int else text().down(value), str, None
    )


def numeric(step: Step) -> Step:
    """What ``step`` takes as a number may also come as a numeric string, as CLIs send it."""

    def up(value: JSON) -> JSON:
        is_number = type(value) is str and value.isascii() and value.isdecimal()
        return step.up(int(value) if is_number and len(value) <= MAX_INT64_DIGITS else value)

    return Fn(up, step.down)


def when(allows: Callable[[JSON], bool], step: Step = KEEP) -> Step:
    """The step for values of the older version that the newer one's type can hold."""
    return Fn(lambda value: step.up(value) if allows(value) else ABSENT, step.down)


@dataclasses.dataclass(frozen=True)
class Values(Fn):
    """``values``."""

    step: Step


def values(step: Step) -> Step:
    """A map, value by value; a value that cannot be expressed is left out."""

    def convert(value: JSON, way: Callable[[JSON], JSON]) -> JSON:
        if type(value) is not dict:
            return ABSENT
        converted = ((key, way(item)) for key, item in value.items())
        return {key: item for key, item in converted if item is not ABSENT}

    return Values(
        lambda value: convert(value, step.up), lambda value: convert(value, step.down), step
    )


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


@dataclasses.dataclass(frozen=True)
class Constant:
    """A field of the older version with a single possible value, which the newer one leaves out."""

    name: str
    value: JSON

    def up(self, old: dict[str, JSON], new: dict[str, JSON], /) -> None:
        """Write nothing."""

    def down(self, new: dict[str, JSON], old: dict[str, JSON], /) -> None:
        """Write the value."""
        del new
        old[self.name] = self.value


@dataclasses.dataclass(frozen=True)
class Implied:
    """A field of the newer version that says what the older one means by not having it."""

    name: str
    value: JSON

    def up(self, old: dict[str, JSON], new: dict[str, JSON], /) -> None:
        """Write the value."""
        del old
        new[self.name] = self.value

    def down(self, new: dict[str, JSON], old: dict[str, JSON], /) -> None:
        """Write nothing."""


@dataclasses.dataclass(frozen=True)
class Sentinel:
    """A field of which one value means something else: ``0`` seconds that mean «for ever».

    Attributes:
        move: The field's way for every other value.
        old: The value of the field.
        place: Where the newer version says it instead.
        new: What stands there.
    """

    move: Move
    old: JSON
    place: Path
    new: JSON

    def up(self, old: dict[str, JSON], new: dict[str, JSON], /) -> None:
        """Write the newer field or the value at its place."""
        value = get(old, self.move.old)
        if type(value) is type(self.old) and value == self.old:
            put(new, self.place, self.new)
        else:
            self.move.up(old, new)

    def down(self, new: dict[str, JSON], old: dict[str, JSON], /) -> None:
        """Write the older field."""
        value = get(new, self.place)
        if type(value) is type(self.new) and value == self.new:
            put(old, self.move.old, self.old)
        else:
            self.move.down(new, old)


@dataclasses.dataclass(frozen=True)
class OpenWords:
    """A text of the older version of which the newer one knows some words; any other is a detail.

    Attributes:
        name: The field, in both versions.
        words: What the newer version knows.
        other: Its word for all else, one of ``words``.
        detail: The newer version's field for the text itself.
    """

    name: str
    words: frozenset[str]
    other: str
    detail: str

    def up(self, old: dict[str, JSON], new: dict[str, JSON], /) -> None:
        """Write the word, and what it was if it is unknown."""
        word = old.get(self.name)
        if type(word) is not str:
            return
        new[self.name] = word if word in self.words else self.other
        if word not in self.words:
            new[self.detail] = word

    def down(self, new: dict[str, JSON], old: dict[str, JSON], /) -> None:
        """Write the word that it was."""
        word, detail = new.get(self.name), new.get(self.detail)
        if type(word) is str:
            old[self.name] = detail if word == self.other and type(detail) is str else word


@dataclasses.dataclass(frozen=True)
class FirstOf:
    """Fields of the older version that are one union in the newer: of several the first counts."""

    moves: tuple[Move, ...]

    def up(self, old: dict[str, JSON], new: dict[str, JSON], /) -> None:
        """Carry the first field that the newer version can express."""
        for one in self.moves:
            value = get(old, one.old)
            converted = ABSENT if value is ABSENT else one.step.up(value)
            if converted is not ABSENT:
                put(new, one.new, converted)
                return

    def down(self, new: dict[str, JSON], old: dict[str, JSON], /) -> None:
        """Carry every field back."""
        for one in self.moves:
            one.down(new, old)


@dataclasses.dataclass(frozen=True)
class Spread:
    """A field of the older version whose own fields stand among others in the newer one's object.

    One that the newer version does not fill is left out downwards.
    """

    old: Path
    new: Path
    step: Step

    def up(self, old: dict[str, JSON], new: dict[str, JSON], /) -> None:
        """Add the fields."""
        converted = self.step.up(get(old, self.old))
        if converted is not ABSENT:
            put(new, self.new, {**_object_at(new, self.new), **converted})

    def down(self, new: dict[str, JSON], old: dict[str, JSON], /) -> None:
        """Collect the fields."""
        put(old, self.old, self.step.down(_object_at(new, self.new)) or ABSENT)


def _object_at(value: dict[str, JSON], path: Path) -> dict[str, JSON]:
    found = get(value, path)
    return found if type(found) is dict else {}


@dataclasses.dataclass(frozen=True, eq=False)  # a version is hashable
class Tagged:
    """Objects whose other fields depend on a word: under each word, parts of their own.

    Attributes:
        tag: The word's own way.
        arms: The parts by the older version's word.
    """

    tag: Move
    arms: Mapping[str, tuple[Part, ...]]

    def up(self, old: dict[str, JSON], new: dict[str, JSON], /) -> None:
        """Write the word and what depends on it."""
        self._tag(old, new, self.tag.old, self.tag.new)
        word = get(old, self.tag.old)
        if type(word) is str and word in self.arms:
            self.tag.up(old, new)
            for part in self.arms[word]:
                part.up(old, new)

    def down(self, new: dict[str, JSON], old: dict[str, JSON], /) -> None:
        """Write the word and what depends on it."""
        self._tag(new, old, self.tag.new, self.tag.old)
        word = self.tag.step.down(get(new, self.tag.new))
        if word in self.arms:
            self.tag.down(new, old)
            for part in self.arms[word]:
                part.down(new, old)

    @staticmethod
    def _tag(source: dict[str, JSON], target: dict[str, JSON], here: Path, there: Path) -> None:
        """An object stays one, though its word is unknown."""
        if type(get(source, here[:-1])) is dict:
            put(target, there[:-1], {})


@dataclasses.dataclass(frozen=True)
class WrittenOut(PartFn):
    """``written_out``."""

    name: str = ""


def written_out(name: str, default: JSON) -> Part:
    """A field that the older version may leave out for its default; the newer one writes it out."""

    def up(old: dict[str, JSON], new: dict[str, JSON]) -> None:
        value = old.get(name)
        new[name] = default if value is None else value

    return WrittenOut(up, Move((name,), (name,)).down, name=name)


@dataclasses.dataclass(frozen=True, eq=False)  # a version is hashable
class FlatUnion(PartFn):
    """``flat_union``."""

    tag: str = ""
    arms: Mapping[str, tuple[str, Step]] = dataclasses.field(default_factory=dict)


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

    return FlatUnion(up, down, tag=tag, arms=arms)


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
