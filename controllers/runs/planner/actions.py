"""Plans: an action, the state to record, and Events. Pure."""

import dataclasses
import enum
from typing import Final

from controllers.runs.api_constants import EventReason
from controllers.runs.run_status import RunState

# Missing references wake the run by a watch; this covers what no watch reports.
REQUEUE_SECONDS: Final = 60.0


class Action(enum.StrEnum):
    """An idempotent action."""

    ADD_FINALIZER = "AddFinalizer"
    REMOVE_FINALIZER = "RemoveFinalizer"
    CLAIM = "Claim"
    SUBMIT = "Submit"
    CANCEL = "Cancel"
    FREE = "Free"


@dataclasses.dataclass(frozen=True, slots=True)
class Event:
    """An Event to emit."""

    reason: EventReason
    note: str
    is_warning: bool = False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The next step.

    Attributes:
        action: An action, after which the run is observed and planned again.
        state: The current state, to be written if the status differs.
        wants_slot: Whether the run is queued for admission.
        events: To be emitted after the status is written.
        requeue_after_seconds: Requeue delay, if nothing changes before.
    """

    action: Action | None = None
    state: RunState | None = None
    wants_slot: bool = False
    events: tuple[Event, ...] = ()
    requeue_after_seconds: float | None = None
