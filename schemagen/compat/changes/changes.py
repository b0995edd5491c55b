"""Changes between CRDs, and what they mean to whoever writes, reads or has stored objects. Pure."""

import dataclasses
import enum
import re
from collections.abc import Mapping
from typing import Final

from schemagen.problems import JSON
from schemagen.schema.keywords import Schema


class Audience(enum.StrEnum):
    """Who is affected by a change."""

    WRITERS = "writers"
    """Send manifests: an accepted request is refused, or something else is stored for it."""
    READERS = "readers"
    """Read objects: they receive what was never served before, or no longer receive a field."""
    STORED = "stored"
    """Objects in etcd: they lose fields, or keep updates of other fields from being accepted."""


class Outcome(enum.StrEnum):
    """Meaning of a change for an audience."""

    SAFE = "safe"
    BREAKING = "breaking"
    UNPROVED = "unproved"


class Direction(enum.Enum):
    """How the set of accepted values changes."""

    TIGHTENED = "tightened"
    LOOSENED = "loosened"
    CHANGED = "changed"
    NEUTRAL = "neutral"


NARROWER: Final = "every object that is accepted now was accepted before"
WIDER: Final = "every object that was accepted is still accepted"
RATCHETED: Final = "an update that leaves the value unchanged is accepted (ratcheting)"

_SAFE: Final[Mapping[Direction, Mapping[Audience, str]]] = {
    Direction.TIGHTENED: {Audience.READERS: NARROWER},
    Direction.LOOSENED: {Audience.WRITERS: WIDER, Audience.STORED: WIDER},
    Direction.CHANGED: {},
    Direction.NEUTRAL: {},
}


@dataclasses.dataclass(frozen=True)
class Change:
    """A difference between two CRDs, or between two versions of a CRD.

    Attributes:
        rule: Its kind: ``max-length-lowered``.
        message: The change in a line, without its place.
        steps: The field as parts: ``(".spec", ".steps", "[]", ".name")``; empty for the root.
        version: The version of the CRD; empty for all of it.
        before: The earlier value; None for nothing.
        after: The present value.
        safe: The audiences that it cannot harm, each with the rule of schemas that proves it.
        place: The field of the new CRD to show, or of the old one if it is no longer there.
        is_anywhere: Whether its effects may show elsewhere in an object.
        old: The node's schema before; None if there was none.
        new: The node's schema now.
    """

    rule: str
    message: str
    steps: tuple[str, ...] = ()
    version: str = ""
    before: JSON = None
    after: JSON = None
    safe: Mapping[Audience, str] = dataclasses.field(default_factory=dict)
    place: str = ""
    is_anywhere: bool = False
    old: Schema | None = dataclasses.field(default=None, repr=False)
    new: Schema | None = dataclasses.field(default=None, repr=False)

    @property
    def path(self) -> str:
        """Return the field as shown: ``spec.steps[*].name``."""
        return shown(self.steps)


@dataclasses.dataclass(frozen=True)
class Witness:
    """Proof that a change breaks an audience: a request that is answered otherwise.

    Attributes:
        request: ``create``, ``update``, ``update status``, ``read``, ``install`` or HTTP.
        before: The answer before: an object, or a message.
        after: The answer now.
        object: What is sent, or is stored.
        old: The object that it replaces, for updates.
        version: The version in which it is sent.
    """

    request: str
    before: JSON = None
    after: JSON = None
    object: JSON = None
    old: JSON = None
    version: str = ""

    @property
    def fields(self) -> dict[str, JSON]:
        """Return it as JSON, without what is absent."""
        return {
            name: value
            for name, value in dataclasses.asdict(self).items()
            if value is not None and value != ""
        }


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Meaning of a change for an audience, with its proof.

    Attributes:
        outcome: Safe, breaking or unproved.
        reason: The rule that proves safety, the broken expectation, or what was tried.
        witness: For breaking.
        draws: Number of objects that were tried, for unproved.
    """

    outcome: Outcome
    reason: str
    witness: Witness | None = None
    draws: int = 0


Verdicts = Mapping[Audience, Verdict]


def all_safe(reason: str) -> dict[Audience, str]:
    """Return one proof for all audiences."""
    return dict.fromkeys(Audience, reason)


def safe_by(direction: Direction) -> dict[Audience, str]:
    """Return the audiences that a direction cannot harm, with the proof."""
    return dict(_SAFE[direction])


def shown(steps: tuple[str, ...]) -> str:
    """Return the path of a field as shown: ``spec.steps[*].name``, ``spec.labels[*]``."""
    return "".join("[*]" if step in {"[]", "{}"} else step for step in steps).removeprefix(".")


def pattern_of(steps: tuple[str, ...]) -> re.Pattern[str]:
    """Return what matches the API server's paths of a field, and of all below it."""
    parts = []
    for step in steps:
        match step:
            case "[]":
                parts.append(r"\[[^\]]*\]")
            case "{}":
                parts.append(r"(?:\[[^\]]*\]|\.[^.\[]+)")
            case _:
                parts.append(rf"(?:{re.escape(step)}|\[{re.escape(step[1:])}\])")
    return re.compile(rf"{''.join(parts)}(?P<below>[.\[].*)?")


def matches(steps: tuple[str, ...], field: str, *, exactly: bool = False) -> bool:
    """Return whether the API server's path names a field, or by default something below it."""
    dotted = field if field.startswith("[") else f".{field}" if field else ""
    found = pattern_of(steps).fullmatch(dotted)
    return found is not None and not (exactly and found["below"])


@dataclasses.dataclass(frozen=True)
class Decided:
    """A change and what it means to each audience."""

    change: Change
    verdicts: Verdicts

    @property
    def outcome(self) -> Outcome:
        """Return the worst outcome."""
        outcomes = {verdict.outcome for verdict in self.verdicts.values()}
        worst = (Outcome.BREAKING, Outcome.UNPROVED)
        return next((outcome for outcome in worst if outcome in outcomes), Outcome.SAFE)
