"""Parts for fields that depend on each other: unions and objects with a tag."""

import dataclasses
from collections.abc import Mapping

from schemagen.problems import JSON
from schemagen.versions.records.fields import Move, Part, PartFn
from schemagen.versions.steps import ABSENT, Path, Step, expect_step, get, put


@dataclasses.dataclass(frozen=True)
class FirstOf:
    """Fields of the older version that form one union in the newer: the first one wins."""

    moves: tuple[Move, ...]

    def up(self, old: dict[str, JSON], new: dict[str, JSON], /) -> None:
        """Write the first field that the newer version can express."""
        for move in self.moves:
            value = get(old, move.old)
            converted = ABSENT if value is ABSENT else move.step.up(value)
            if converted is not ABSENT:
                put(new, move.new, converted)
                return

    def down(self, new: dict[str, JSON], old: dict[str, JSON], /) -> None:
        """Write every field back."""
        for move in self.moves:
            move.down(new, old)


@dataclasses.dataclass(frozen=True)
class Spread:
    """A field of the older version whose own fields are inlined in the newer one's object.

    If the newer version sets none of them, it is omitted downwards.
    """

    old: Path
    new: Path
    step: Step

    def __post_init__(self) -> None:
        expect_step(self.step, f"Spread({self.old!r}, {self.new!r}, ...)")

    def up(self, old: dict[str, JSON], new: dict[str, JSON], /) -> None:
        """Write the fields."""
        converted = self.step.up(get(old, self.old))
        if converted is not ABSENT:
            put(new, self.new, {**_object_at(new, self.new), **converted})

    def down(self, new: dict[str, JSON], old: dict[str, JSON], /) -> None:
        """Collect the fields."""
        put(old, self.old, self.step.down(_object_at(new, self.new)) or ABSENT)


def _object_at(value: dict[str, JSON], path: Path) -> dict[str, JSON]:
    found = get(value, path)
    return found if type(found) is dict else {}


@dataclasses.dataclass(frozen=True, eq=False)  # a version must be hashable
class Tagged:
    """Objects whose other fields depend on a tag: separate parts for each tag value.

    Attributes:
        tag: The mapping of the tag itself.
        arms: The parts by the older version's tag value.
    """

    tag: Move
    arms: Mapping[str, tuple[Part, ...]]

    def up(self, old: dict[str, JSON], new: dict[str, JSON], /) -> None:
        """Write the tag and the fields that depend on it."""
        self._tag(old, new, self.tag.old, self.tag.new)
        word = get(old, self.tag.old)
        if type(word) is str and word in self.arms:
            self.tag.up(old, new)
            for part in self.arms[word]:
                part.up(old, new)

    def down(self, new: dict[str, JSON], old: dict[str, JSON], /) -> None:
        """Write the tag and the fields that depend on it."""
        self._tag(new, old, self.tag.new, self.tag.old)
        word = self.tag.step.down(get(new, self.tag.new))
        if word in self.arms:
            self.tag.down(new, old)
            for part in self.arms[word]:
                part.down(new, old)

    @staticmethod
    def _tag(source: dict[str, JSON], target: dict[str, JSON], here: Path, there: Path) -> None:
        """Keep an object even if its tag is unknown."""
        if there[:-1] and type(get(source, here[:-1])) is dict:
            put(target, there[:-1], {})


@dataclasses.dataclass(frozen=True, eq=False)  # a version must be hashable
class FlatUnion(PartFn):
    """``flat_union``."""

    tag: str = ""
    arms: Mapping[str, tuple[str, Step]] = dataclasses.field(default_factory=dict)


def flat_union(tag: str, **arms: tuple[str, Step]) -> Part:
    """Convert a tagged flat union <-> one object per case.

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
