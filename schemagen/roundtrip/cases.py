"""Cases, their losses, and running totals of them. Pure."""

import collections
import dataclasses
from collections.abc import Mapping, Sequence

from schemagen.problems import JSON
from schemagen.roundtrip.changes import Change
from schemagen.roundtrip.differences import Difference
from schemagen.roundtrip.simulated_server import Value

Said = dict[str, JSON]

ENVELOPE = ("apiVersion", "kind", "metadata")


def as_object(value: JSON) -> dict[str, JSON]:
    """Return an object, empty instead of any other value."""
    return value if isinstance(value, dict) else {}


def own_members(value: Mapping[str, JSON]) -> dict[str, JSON]:
    """Return an object without its envelope."""
    return {key: item for key, item in value.items() if key not in ENVELOPE}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """An object's life, to be replayed.

    Attributes:
        origin: The version that it begins in.
        storage: The version that is stored.
        value: The object.
        is_broken: It was never admitted, but found in etcd.
        changes: What is made of it then.
    """

    origin: str
    storage: str
    value: Value
    is_broken: bool = False
    changes: tuple[Change, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Loss:
    """A failed check of a case.

    Attributes:
        what: ``lost``, ``not stored as written``, ``unnecessary residue``, ``schema violation``,
            or the exception that was raised.
        version: The version that shows it.
        differences: Where.
        before: What the object said in that version, or should have said.
        now: What it says in each version now.
    """

    what: str
    version: str = ""
    differences: Sequence[Difference] = ()
    before: JSON = None
    now: Mapping[str, JSON] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Tally:
    """Running totals of cases.

    Attributes:
        objects: Objects drawn; ``broken`` of them break their schema.
        trips: Looks at an object in another version than the one it was written in.
        changes: Changes by what was written.
        losses: How many cases lost something.
        shown: The first of them, made small.
        residue: Bytes of residue of each look.
        microseconds: CPU time of each conversion.
        beyond: Fields of objects that are valid in one version and not in another.
        overflows: Cases that ended because residue found no room.
        refused: Objects whose creation was refused: a number that Go writes otherwise is valid as
            it was drawn, and not as it comes. A real API server knows rules besides.
        refused_changes: Changes that were refused, and others drawn in their place.
    """

    objects: int = 0
    broken: int = 0
    trips: int = 0
    losses: int = 0
    overflows: int = 0
    refused: int = 0
    refused_changes: int = 0
    changes: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    shown: list[tuple[Case, Loss]] = dataclasses.field(default_factory=list)
    residue: collections.Counter[int] = dataclasses.field(default_factory=collections.Counter)
    microseconds: collections.Counter[int] = dataclasses.field(default_factory=collections.Counter)
    beyond: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)


class LossError(Exception):
    """Raised where a check fails."""

    def __init__(self, loss: Loss) -> None:
        super().__init__(loss.what)
        self.loss = loss


class RoomError(Exception):
    """Residue found no room: what follows is told to the writer, and is no loss in silence."""
