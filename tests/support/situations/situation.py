"""A situation: what is given, what happens, and what must come of it. Pure."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

from tests.support.situations.given import BOTH, Given, RuntimeName
from tests.support.situations.world import Step

OF_A_CANCEL: Final = ("Cancelled", "CancelRequested")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Expected:
    """What must come of it.

    Attributes:
        phase: How the run ends.
        reason: Why, as documented; alternatives are parted by ``|``.
        says: A part of its message.
        events: The reason and a part of the note of Events that must be there.
        status: A part of its status: an object's members, the items of a list one by one.
        attempts: Numbers of attempts, where it matters.
        jobs: Jobs that carried something out, likewise.
        refused: What the API server says of the field at which it refuses the run; nothing else
            is looked at then.
        is_gone: Whether the run is not there any more.
    """

    phase: str = "Succeeded"
    reason: str = "Completed"
    says: str = ""
    events: tuple[tuple[str, str], ...] = ()
    status: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    attempts: int | None = None
    jobs: int | None = None
    refused: str = ""
    is_gone: bool = False

    @property
    def endings(self) -> set[tuple[str, str]]:
        """Phase and reason, of which one is right."""
        return {(self.phase, reason) for reason in self.reason.split("|")}


SUCCEEDED: Final = Expected(events=(("Submitted", ""), ("Succeeded", "")))


def failed(reason: str, says: str = "", **more: Any) -> Expected:
    """The run fails, and an Event says so."""
    events = (("Failed", says), *more.pop("events", ()))
    return Expected(phase="Failed", reason=reason, says=says, events=events, **more)


def refused(says: str) -> Expected:
    """The API server does not take the run."""
    return Expected(refused=says)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Situation:
    """One.

    Attributes:
        name: In words with hyphens.
        given: What there is.
        happens: What happens then, in order.
        expected: What must come of it.
        runtimes: On which it can happen.
    """

    name: str
    given: Given = dataclasses.field(default_factory=Given)
    happens: tuple[Step, ...] = ()
    expected: Expected = SUCCEEDED
    runtimes: tuple[RuntimeName, ...] = BOTH
