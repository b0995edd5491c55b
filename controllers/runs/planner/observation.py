"""The observed state that a plan depends on, and what has to be observed. Pure."""

import dataclasses
import datetime as dt

from controllers.runs import naming, projections
from controllers.runs.api_constants import ENDED, IN_FLIGHT, Condition, Phase
from controllers.runs.runtimes.base import Progress, Ref, RuntimeFault
from controllers.runs.work import work


@dataclasses.dataclass(frozen=True, slots=True)
class Claim:
    """Ownership of a run's idempotency key.

    Attributes:
        is_mine: None if not claimed yet.
        holder: Name of the run that has the key.
    """

    is_mine: bool | None = None
    holder: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """The observed state that a plan depends on.

    Attributes:
        run: Its last observed state.
        is_collected: Whether garbage collection stops the runtime's work when the run is deleted.
        inputs: The prepared work, if ``needs_inputs``.
        claim: On its idempotency key, if it has one.
        has_slot: Whether it holds a slot in the ledger.
        blocked_by: The limit that blocked admission, or empty.
        blocked_since: Since when.
        ref: Of the attempt that ``attempt`` returns.
        progress: Of that attempt, if ``needs_progress``.
        fault: Why the submission just tried failed.
        unreachable: Why the work of a deleted run could not be stopped.
        rng: A random number from 0 to 1.
    """

    run: projections.Run
    is_collected: bool = True
    inputs: work.Inputs | None = None
    claim: Claim = Claim()
    has_slot: bool = False
    blocked_by: str = ""
    blocked_since: dt.datetime | None = None
    ref: Ref | None = None
    progress: Progress | None = None
    fault: RuntimeFault | None = None
    unreachable: RuntimeFault | None = None
    rng: float = 0.5


def attempt(run: projections.Run) -> int:
    """Return the number of the current or next attempt, from 1."""
    return run.status.attempt if run.status.phase in IN_FLIGHT else run.status.attempt + 1


def key(run: projections.Run) -> str:
    """Return the idempotency key of that attempt."""
    return f"{run.metadata.uid}/{attempt(run)}"


def is_ended(run: projections.Run) -> bool:
    """Return whether a run has ended."""
    return run.status.phase in ENDED


def is_accepted(run: projections.Run) -> bool:
    """Return whether the run was accepted in its current generation."""
    said = {condition.type: condition.status for condition in run.status.conditions}
    is_seen = run.status.observed_generation == run.metadata.generation
    return is_seen and said.get(Condition.ACCEPTED) == "True"


def needs_inputs(run: projections.Run, *, has_slot: bool) -> bool:
    """Return whether the complete run and its referenced objects have to be read."""
    if _is_idle(run):
        return False
    if run.metadata.deletion_timestamp:
        return naming.FINALIZER in run.metadata.finalizers
    return needs_work(run, has_slot=has_slot) or not (run.spec.suspend or is_accepted(run))


def needs_work(run: projections.Run, *, has_slot: bool) -> bool:
    """Return whether that includes its work, because the run may have been started."""
    is_going = bool(run.metadata.deletion_timestamp)
    return has_slot or run.status.phase in IN_FLIGHT or is_going


def needs_progress(run: projections.Run) -> bool:
    """Return whether the runtime has to be queried for the attempt's progress."""
    return run.status.phase in IN_FLIGHT and not is_foreign(run)


def is_foreign(run: projections.Run) -> bool:
    """Return whether a run in flight was started by another controller: this one counts attempts.

    Its work has a name that only that controller knows.
    """
    return run.status.phase in IN_FLIGHT and run.status.attempt == 0


def _is_idle(run: projections.Run) -> bool:
    return is_ended(run) or run.spec.purpose == Phase.TEMPLATE


def has_changed(run: projections.Run, ready: work.Ready) -> bool:
    """Return whether the spec was changed after the run was accepted."""
    return bool(run.status.spec_hash) and run.status.spec_hash != ready.spec_hash


def known_hash(seen: Observed) -> str:
    """Return the hash that the run was accepted with, or its current one."""
    now = seen.inputs.spec_hash if isinstance(seen.inputs, work.Ready) else ""
    return seen.run.status.spec_hash or now
