"""Our YAML against kubectl's own reader, which the judge carries along."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Self

from schemagen import judge, yaml
from schemagen.problems import JSON
from tests.support import yaml_draws

_KINDS = ("scalar", "document", "mutation", "stream", "value")

# What kubectl leaves to chance (Go's maps have no order), or to a second byte order mark.
_REFUSED_BY_US = "of which kubectl may use either"
_TWO_MARKS = ("\ufeff" * 2).encode()


@dataclasses.dataclass
class Tally:
    """What a proof found.

    Attributes:
        asked: How many texts and values there were of each kind.
        taken: How many of the texts kubectl's reader takes.
        undecided: Texts that it takes, and reads now so, now so.
        differences: Where both part, in words.
    """

    asked: dict[str, int] = dataclasses.field(default_factory=lambda: dict.fromkeys(_KINDS, 0))
    taken: int = 0
    undecided: int = 0
    differences: list[str] = dataclasses.field(default_factory=list)

    def __iadd__(self, other: Self) -> Self:
        for kind, count in other.asked.items():
            self.asked[kind] += count
        self.taken += other.taken
        self.undecided += other.undecided
        self.differences += other.differences
        return self


def prove(
    asked: judge.Judge, number: int, seed: int, part: tuple[int, int] = (1, 1)
) -> Iterator[Tally]:
    """Draw and compare; ``part`` is which of how many equal parts of the number."""
    real = yaml_draws.documents()
    index, parts = part
    for item in range(index - 1, number, parts):
        draw = yaml_draws.Draw(f"{seed}:{item}", real)
        kind = _KINDS[item % len(_KINDS)]
        found = Tally()
        found.asked[kind] += 1
        if kind == "value":
            _write(asked, draw.value(), found)
        else:
            texts: dict[str, Callable[[], bytes]] = {
                "scalar": draw.scalar,
                "document": draw.document,
                "mutation": draw.mutation,
                "stream": draw.stream,
            }
            read(asked, texts[kind](), found)
        yield found


def read(asked: judge.Judge, content: bytes, found: Tally) -> None:
    """Read a text both ways."""
    reading = asked.read_manifest(content)
    theirs = [_sent(one) for one in reading.documents]
    ours: list[JSON] = []
    problem = ""
    try:
        ours.extend(document.value for document in yaml.read(content))
    except yaml.YAMLError as error:
        problem = error.problem
    found.taken += not reading.problem
    if problem.endswith(_REFUSED_BY_US) or (problem and _TWO_MARKS in content):
        found.undecided += 1
        return
    if bool(problem) != bool(reading.problem) or not _is_same(ours, theirs):
        found.differences.append(
            f"{content!r}: kubectl reads {theirs} {reading.problem!r}, we {ours} {problem!r}"
        )


def _write(asked: judge.Judge, value: JSON, found: Tally) -> None:
    """Write a value, and read it both ways."""
    text = yaml.dumps(value).encode()
    reading = asked.read_manifest(text)
    found.taken += not reading.problem
    expected = [_sent(value)] if value is not None else []
    ours = yaml.load_all(text)
    if reading.problem or not all(
        _is_same(one, expected) for one in ([*map(_sent, reading.documents)], ours)
    ):
        found.differences.append(
            f"{value!r} is written {text!r}: kubectl reads {reading.documents} "
            f"{reading.problem!r}, we {ours}"
        )


def _sent(value: JSON) -> JSON:
    """A value with numbers as kubectl sends them: 64-bit integers, else floats."""
    match value:
        case dict():
            return {key: _sent(child) for key, child in value.items()}
        case list():
            return [_sent(child) for child in value]
        case float() if value.is_integer() and abs(value) < 2**63:
            return int(value)
        case bool():
            return value
        case int() if not -(2**63) <= value < 2**63:
            return float(value)
        case _:
            return value


def _is_same(one: JSON, other: JSON) -> bool:
    """Whether two values are equal, and of the same types."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_is_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_is_same, one, other))
    return type(one) is type(other) and bool(one == other)
