"""Parts for values with a special meaning in one version: constants, defaults, sentinels."""

import dataclasses

from schemagen.problems import JSON
from schemagen.versions.records.fields import Move, Part, PartFn
from schemagen.versions.steps import Path, get, put


@dataclasses.dataclass(frozen=True)
class Constant:
    """A field of the older version with a single possible value, which the newer one omits."""

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
    """A field of the newer version with the value that its absence implies in the older one."""

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
    """A field with one special value: ``0`` seconds that mean «forever».

    Attributes:
        move: The mapping of all other values.
        old: The special value of the field.
        place: The path of its counterpart in the newer version.
        new: The value at that path.
    """

    move: Move
    old: JSON
    place: Path
    new: JSON

    def up(self, old: dict[str, JSON], new: dict[str, JSON], /) -> None:
        """Write the newer field, or the value at its path."""
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
    """A string of the older version that is an enum with a detail field in the newer one.

    Attributes:
        name: The field, in both versions.
        words: The values known to the newer version.
        other: Its value for all others, one of ``words``.
        detail: The newer version's field for the string itself.
    """

    name: str
    words: frozenset[str]
    other: str
    detail: str

    def up(self, old: dict[str, JSON], new: dict[str, JSON], /) -> None:
        """Write the value, and the original string if it is unknown."""
        word = old.get(self.name)
        if type(word) is not str:
            return
        new[self.name] = word if word in self.words else self.other
        if word not in self.words:
            new[self.detail] = word

    def down(self, new: dict[str, JSON], old: dict[str, JSON], /) -> None:
        """Write the original string."""
        word, detail = new.get(self.name), new.get(self.detail)
        if type(word) is str:
            old[self.name] = detail if word == self.other and type(detail) is str else word


@dataclasses.dataclass(frozen=True)
class WrittenOut(PartFn):
    """``written_out``."""

    name: str = ""


def written_out(name: str, default: JSON) -> Part:
    """Write out a default that the older version may leave implicit."""

    def up(old: dict[str, JSON], new: dict[str, JSON]) -> None:
        value = old.get(name)
        new[name] = default if value is None else value

    return WrittenOut(up, Move((name,), (name,)).down, name=name)
