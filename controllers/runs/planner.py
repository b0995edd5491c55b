"""Plans the next action for a run: a pure function of its observed state and the time.

A plan has at most one action, after which everything is observed again; so the points at which a
controller may crash are few and can be enumerated. Actions are idempotent and safe to repeat late:
a submission finds the work that its key started before, a status is written against the
resourceVersion that it was decided on, and a slot is freed by compare-and-swap.
"""

import dataclasses
import datetime as dt
import enum
from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias

from controllers import kube
from controllers.runs import naming, projections, retries, work
from controllers.runs.api_constants import ENDED, IN_FLIGHT, Condition, EventReason, Phase, Reason
from controllers.runs.retries import Backoff
from controllers.runs.run_status import Finished, Standing
from controllers.runs.runtimes.base import (
    HELD_SECONDS,
    Code,
    Progress,
    Ref,
    RuntimeFault,
    Stage,
)

# Missing references wake the run by a watch; this covers what no watch reports.
LOOK_AGAIN_SECONDS: Final = 60.0
# A deleted run waits this long for an unresponsive endpoint before an operator is notified.
CLEANUP_SECONDS: Final = 600.0
CLEANUP_RETRY_SECONDS: Final = 15.0
# Maximum length of the message before the reason for holding a slot.
MAX_REASON: Final = 320
# The backoff reaches its maximum much earlier.
MAX_FAILURES: Final = 1000


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
        dice: A random number from 0 to 1.
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
    dice: float = 0.5


class Do(enum.StrEnum):
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
        standing: The current state, to be written if the status differs.
        wants_slot: Whether the run is queued for admission.
        events: To be emitted after the status is written.
        look_again_seconds: Requeue delay, if nothing changes before.
    """

    action: Do | None = None
    standing: Standing | None = None
    wants_slot: bool = False
    events: tuple[Event, ...] = ()
    look_again_seconds: float | None = None


# ------------------------------------------------------------------- what has to be observed


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
    said = {one.type: one.status for one in run.status.conditions}
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
    return run.status.phase in IN_FLIGHT


def _is_idle(run: projections.Run) -> bool:
    return is_ended(run) or run.spec.purpose == Phase.TEMPLATE


# ------------------------------------------------------------------------------------ the plan


def reconcile(seen: Observed, now: dt.datetime) -> Plan:
    """Plan the next step for a run."""
    run = seen.run
    if run.metadata.deletion_timestamp:
        return _deleted(seen, now)
    if run.spec.purpose == Phase.TEMPLATE:
        return Plan(standing=Standing(phase=Phase.TEMPLATE, reason=Reason.TEMPLATE))
    if is_ended(run):
        # Anyone with access to statuses may have written this one: the reaper frees the slot.
        return Plan() if seen.has_slot else Plan(action=_tidy(seen))
    if run.status.phase in IN_FLIGHT:
        return _running(seen, now)
    return _pending(seen, now)


Ending: TypeAlias = tuple[Phase, str, str]
"""Final phase, reason and message."""


def _tidy(seen: Observed) -> Do | None:
    """Return the remaining action for a run without work."""
    if seen.has_slot:
        return Do.FREE
    return Do.REMOVE_FINALIZER if naming.FINALIZER in seen.run.metadata.finalizers else None


def _deleted(seen: Observed, now: dt.datetime) -> Plan:
    """Stop the work that garbage collection does not, then remove the finalizer."""
    run = seen.run
    if naming.FINALIZER not in run.metadata.finalizers:
        return Plan()  # its Jobs are garbage collected; the reaper frees its slot afterwards
    if seen.unreachable is not None:
        return _not_cleaned_up(seen, seen.unreachable, now)
    if is_ended(run):
        return Plan(action=Do.REMOVE_FINALIZER)  # the reaper frees a remaining slot
    may_work = seen.has_slot or run.status.phase in IN_FLIGHT
    if may_work and (ending := _end_of_work(seen)):
        return ending
    return Plan(action=_tidy(seen))


def _not_cleaned_up(seen: Observed, fault: RuntimeFault, now: dt.datetime) -> Plan:
    """Retry; after the deadline, tell how an operator can release the run."""
    run = seen.run
    deleted = kube.time_of(run.metadata.deletion_timestamp) or now
    pause = fault.retry_after_seconds or CLEANUP_RETRY_SECONDS
    if now < deleted + dt.timedelta(seconds=CLEANUP_SECONDS):
        return Plan(look_again_seconds=pause)
    name, namespace = run.metadata.name, run.metadata.namespace
    message = (
        "The work of the deleted run cannot be stopped. Once it is known to have ended, release "
        f"the run with `agentctl run release {name} -n {namespace}`: {fault.message}"
    )
    standing = Standing(
        phase=Phase(run.status.phase) if run.status.phase in set(Phase) else Phase.PENDING,
        reason=Reason.CLEANUP_BLOCKED,
        message=message,
        is_accepted=True if is_accepted(run) else None,
        is_cleanup_blocked=True,
        attempt=run.status.attempt,
        ref=seen.ref,
        started=kube.time_of(run.status.start_time),
        spec_hash=run.status.spec_hash,
    )
    is_new = run.status.reason != Reason.CLEANUP_BLOCKED
    events = (Event(EventReason.CLEANUP_BLOCKED, message, is_warning=True),) if is_new else ()
    return Plan(standing=standing, events=events, look_again_seconds=pause)


def _end_of_work(seen: Observed) -> Plan | None:
    """Plan the cancellation of the attempt's work; None if nothing of it runs or can start."""
    progress = seen.progress
    if progress is not None and progress.stage.is_ended:
        return None
    if progress is not None and progress.stage is Stage.CANCELLING:
        return Plan(look_again_seconds=progress.look_again_seconds)
    return Plan(action=Do.CANCEL)


# ------------------------------------------------------------------------------- before it runs


def _pending(seen: Observed, now: dt.datetime) -> Plan:  # noqa: PLR0911 - guard clauses
    run = seen.run
    if run.spec.cancel:
        note = "The run was cancelled before it started."
        return _never_started(seen, now, (Phase.CANCELLED, Reason.CANCEL_REQUESTED, note))
    if run.spec.suspend and not seen.has_slot:
        message = "The run is suspended until spec.suspend is false."
        return _waits(seen, Reason.SUSPENDED, message)
    match seen.inputs:
        case work.Waiting(reason, message):
            return _waits_for_inputs(seen, reason, message)
        case work.Refused(reason, message):
            return _never_started(seen, now, (Phase.FAILED, reason, message))
        case work.Ready() as ready if _has_changed(run, ready):
            message = "The spec was changed after the run was accepted; create a new run."
            return _never_started(seen, now, (Phase.FAILED, Reason.SPEC_CHANGED, message))
    if run.spec.idempotency_key and seen.claim.is_mine is None:
        return Plan(action=Do.CLAIM)
    return _duplicate(seen, now) if seen.claim.is_mine is False else _queued(seen, now)


def _has_changed(run: projections.Run, ready: work.Ready) -> bool:
    return bool(run.status.spec_hash) and run.status.spec_hash != ready.spec_hash


def _duplicate(seen: Observed, now: dt.datetime) -> Plan:
    message = (
        f"Idempotency key {seen.run.spec.idempotency_key!r} of agent "
        f"{seen.run.spec.agent_ref.name!r} is already used by run {seen.claim.holder!r}."
    )
    return _never_started(seen, now, (Phase.FAILED, Reason.DUPLICATE, message))


def _never_started(seen: Observed, now: dt.datetime, ending: Ending) -> Plan:
    """End a run that was not submitted, or whose submission is uncertain."""
    # Another leader's submission may be in flight: only occupying the Job's name rules it out.
    if seen.has_slot and (end := _end_of_work(seen)):
        return end
    action = _tidy(seen)
    return Plan(action=action) if action else _ended(seen, now, ending)


def _waits_for_inputs(seen: Observed, reason: Reason, message: str) -> Plan:
    """Wait for missing objects, without a slot."""
    if seen.has_slot:
        return _end_of_work(seen) or Plan(action=Do.FREE)
    # The name of a cancelled attempt cannot be reused: the next attempt has another number.
    burned = seen.run.status.attempt + (1 if seen.progress is not None else 0)
    return _waits(seen, reason, message, attempt=burned)


def _waits(
    seen: Observed,
    reason: Reason,
    message: str,
    *,
    attempt: int | None = None,
) -> Plan:
    run = seen.run
    is_missing = isinstance(seen.inputs, work.Waiting)
    standing = Standing(
        phase=Phase.PENDING,
        reason=reason,
        message=message,
        is_accepted=False if is_missing else (True if is_accepted(run) else None),
        attempt=run.status.attempt if attempt is None else attempt,
        started=kube.time_of(run.status.start_time),
        spec_hash=run.status.spec_hash,
    )
    is_new = run.status.reason != reason
    events = (Event(EventReason.BLOCKED, message, is_warning=is_missing),) if is_new else ()
    # The watch on runs reports the end of a suspension.
    seconds = LOOK_AGAIN_SECONDS if is_missing else None
    return Plan(standing=standing, events=events, look_again_seconds=seconds)


def _queued(seen: Observed, now: dt.datetime) -> Plan:
    run = seen.run
    if seen.fault is not None:
        return _not_submitted(seen, seen.fault, now)
    next_attempt = kube.time_of(run.status.next_attempt_time)
    if next_attempt is not None and next_attempt > now:
        return Plan(look_again_seconds=(next_attempt - now).total_seconds())
    if not seen.is_collected and naming.FINALIZER not in run.metadata.finalizers:
        return Plan(action=Do.ADD_FINALIZER)
    if seen.has_slot:
        return Plan(action=Do.SUBMIT)
    if not seen.blocked_by:
        return Plan(wants_slot=True)
    message = f"The {seen.blocked_by.lower()}'s limit on runs in flight is reached."
    standing = Standing(
        phase=Phase.PENDING,
        reason=Reason.CONCURRENCY_LIMIT,
        message=message,
        is_accepted=True,
        blocked_by=seen.blocked_by,
        blocked_since=_blocked_since(seen),
        attempt=run.status.attempt,
        started=kube.time_of(run.status.start_time),
        spec_hash=_known_hash(seen),
    )
    is_new = run.status.reason != Reason.CONCURRENCY_LIMIT
    events = (Event(EventReason.BLOCKED, message),) if is_new else ()
    return Plan(standing=standing, wants_slot=True, events=events)


def _blocked_since(seen: Observed) -> dt.datetime | None:
    """Return since when the limit blocks the run; a new leader continues from the status."""
    told = seen.run.status.queue
    if told is not None and told.blocked_by == seen.blocked_by and told.since:
        return kube.time_of(told.since)
    return seen.blocked_since


def _known_hash(seen: Observed) -> str:
    """Return the hash that the run was accepted with, or its current one."""
    now = seen.inputs.spec_hash if isinstance(seen.inputs, work.Ready) else ""
    return seen.run.status.spec_hash or now


# ------------------------------------------------------------------------------ while it runs


def submitted(seen: Observed, ref: Ref, now: dt.datetime) -> Plan:
    """Plan the step after a submission."""
    run = seen.run
    standing = Standing(
        phase=Phase.STARTING,
        reason=Reason.SUBMITTED,
        is_accepted=True,
        is_admitted=True,
        attempt=attempt(run),
        ref=ref,
        started=now,
        spec_hash=_known_hash(seen),
    )
    number = f", attempt {standing.attempt}" if standing.attempt > 1 else ""
    note = f"Submitted to {run.spec.runtime.type} as {ref.name}{number}."
    return Plan(standing=standing, events=(Event(EventReason.SUBMITTED, note),))


def _not_submitted(seen: Observed, fault: RuntimeFault, now: dt.datetime) -> Plan:
    """Plan the step after a failed submission: retry, or fail the run."""
    if not fault.code.may_pass:
        return _never_started(seen, now, (Phase.FAILED, Reason.SUBMIT_FAILED, fault.message))
    backoff = seen.inputs.backoff if isinstance(seen.inputs, work.Ready) else Backoff()
    known = seen.run.status.runtime_ref or projections.RuntimeRef()
    failures = _count(known.extra.get(_FAILURES)) + 1
    pause = fault.retry_after_seconds or backoff.seconds(failures, seen.dice)
    ref = seen.ref and dataclasses.replace(seen.ref, extra={_FAILURES: failures})
    standing = Standing(
        phase=Phase.PENDING,
        reason=Reason.QUOTA_EXCEEDED if fault.code is Code.QUOTA else Reason.RETRYING,
        message=fault.message,
        is_accepted=True,
        attempt=seen.run.status.attempt,
        next_attempt=now + dt.timedelta(seconds=pause),
        ref=ref,
        started=kube.time_of(seen.run.status.start_time),
        spec_hash=_known_hash(seen),
    )
    events = (Event(EventReason.BLOCKED, fault.message, is_warning=True),)
    return Plan(standing=standing, events=events, look_again_seconds=pause)


_FAILURES: Final = "submitFailures"


def _count(value: object) -> int:
    """Return a number from a status, which may have been written by anyone."""
    return min(max(value, 0), MAX_FAILURES) if isinstance(value, int) else 0


def _running(seen: Observed, now: dt.datetime) -> Plan:
    run, progress = seen.run, seen.progress
    if progress is None:
        return Plan(look_again_seconds=LOOK_AGAIN_SECONDS)
    if progress.stage.is_ended:
        return _outcome(seen, progress, now)
    changed = isinstance(seen.inputs, work.Ready) and _has_changed(run, seen.inputs)
    deadline = _deadline(seen)
    is_late = deadline is not None and now >= deadline
    start_deadline = _start_deadline(seen)
    is_late = is_late or (start_deadline is not None and now >= start_deadline)
    wants_end = run.spec.cancel or is_late or changed or progress.stage is Stage.MISSING
    if wants_end and progress.stage is not Stage.CANCELLING:
        return Plan(action=Do.CANCEL)
    phase, reason, message = _going(run, progress)
    standing = Standing(
        phase=phase,
        reason=reason,
        message=message,
        is_accepted=True,
        is_admitted=True,
        attempt=run.status.attempt,
        ref=progress.ref or seen.ref,
        progress=progress,
        started=kube.time_of(run.status.start_time),
        spec_hash=_known_hash(seen),
    )
    due = () if is_late else (deadline, start_deadline)
    seconds = _earliest(progress.look_again_seconds, due, now)
    events = tuple(_going_events(seen, standing))
    return Plan(standing=standing, events=events, look_again_seconds=seconds)


def _going(run: projections.Run, progress: Progress) -> tuple[Phase, str, str]:
    """Return phase, reason and message of an attempt in progress.

    Once running, it never returns to Starting: a pod ends shortly before its Job, and a step of a
    workflow before the next one.
    """
    has_run = run.status.phase == Phase.RUNNING or progress.stage is Stage.RUNNING
    phase = Phase.RUNNING if has_run else Phase.STARTING
    if progress.stage is Stage.CANCELLING:
        why = "" if has_run else run.status.message
        return phase, Reason.CANCELLING, progress.message or why
    if progress.stage is not Stage.PENDING:
        return phase, Reason.RUNNING, ""
    usual = Reason.RUNNING if has_run else Reason.SUBMITTED
    return phase, progress.reason or usual, progress.message


def _going_events(seen: Observed, standing: Standing) -> Iterator[Event]:
    status = seen.run.status
    if standing.phase is Phase.RUNNING and status.phase != Phase.RUNNING:
        yield Event(EventReason.STARTED, _started_note(seen))
    is_known = standing.reason in {status.reason, Reason.SUBMITTED, Reason.CANCELLING}
    if standing.phase is Phase.STARTING and not is_known:
        yield Event(EventReason.WAITING, standing.message, is_warning=True)


def _started_note(seen: Observed) -> str:
    name = seen.ref.name if seen.ref is not None else ""
    return f"The agent started in {name}."


def _deadline(seen: Observed) -> dt.datetime | None:
    """Return the attempt's deadline; None while a queue suspends the attempt."""
    started = kube.time_of(seen.run.status.start_time)
    progress = seen.progress
    if not isinstance(seen.inputs, work.Ready) or started is None:
        return None
    if progress is not None and progress.is_held:
        return None
    if progress is not None and progress.started is not None:
        started = max(started, progress.started)
    seconds = seen.inputs.work.timeout_seconds
    return started + dt.timedelta(seconds=seconds) if seconds else None


def _start_deadline(seen: Observed) -> dt.datetime | None:
    """Return the start deadline of a pod; None while its Job may have no pod."""
    is_waiting = seen.progress is not None and seen.progress.stage is Stage.PENDING
    begun = seen.progress.started if is_waiting and seen.progress is not None else None
    return _started_by(seen, begun) if begun is not None else None


def _started_by(seen: Observed, begun: dt.datetime | None) -> dt.datetime | None:
    """Return the start deadline for a start time; None if the attempt has run, or has no limit."""
    is_starting = seen.run.status.phase == Phase.STARTING
    if not is_starting or begun is None or not isinstance(seen.inputs, work.Ready):
        return None
    seconds = seen.inputs.work.start_timeout_seconds
    return begun + dt.timedelta(seconds=seconds) if seconds else None


def _earliest(
    seconds: float | None, due: Iterable[dt.datetime | None], now: dt.datetime
) -> float | None:
    left = [max(0.0, (one - now).total_seconds()) for one in due if one is not None]
    return min((*left, *(() if seconds is None else (seconds,))), default=None)


# ------------------------------------------------------------------------------- after it ran


def _outcome(seen: Observed, progress: Progress, now: dt.datetime) -> Plan:
    """Free the slot, then record the outcome, or retry."""
    if seen.has_slot:
        return Plan(action=Do.FREE)
    ending = _ending(seen, progress, now)
    ready = seen.inputs
    is_again = (
        ending[0] is Phase.FAILED
        and ending[1] != Reason.SPEC_CHANGED
        and isinstance(ready, work.Ready)
        and seen.run.status.attempt < _attempts_allowed(seen, progress, ready)
        and progress.may_help_again
    )
    if is_again and isinstance(ready, work.Ready):
        return _again(seen, progress, ready, ending, now)
    action = _tidy(seen)
    return Plan(action=action) if action else _ended(seen, now, ending)


def _ending(  # noqa: PLR0911 - one return per case
    seen: Observed, progress: Progress, now: dt.datetime
) -> Ending:
    run, message = seen.run, progress.message
    match progress.stage:
        case Stage.SUCCEEDED:
            return Phase.SUCCEEDED, Reason.COMPLETED, message
        case Stage.FAILED:
            return Phase.FAILED, progress.reason or "Failed", message
        case _ if run.spec.cancel:
            return Phase.CANCELLED, Reason.CANCEL_REQUESTED, "The run was cancelled."
        case _ if isinstance(seen.inputs, work.Ready) and _has_changed(run, seen.inputs):
            return (
                Phase.FAILED,
                Reason.SPEC_CHANGED,
                "The spec was changed while the run was in progress.",
            )
        case _ if (deadline := _deadline(seen)) is not None and now >= deadline:
            return (
                Phase.FAILED,
                Reason.TIMED_OUT,
                f"The attempt exceeded its deadline of {deadline}.",
            )
        case _ if progress.reason == Reason.JOB_MISSING:
            return Phase.FAILED, Reason.JOB_MISSING, message
        case _ if (late := _not_started(seen, now)) is not None:
            return Phase.FAILED, Reason.START_TIMED_OUT, late
        case _:
            return Phase.CANCELLED, progress.reason or Reason.RUNNER_CANCELLED, message


def _not_started(seen: Observed, now: dt.datetime) -> str | None:
    """Return why an attempt that never ran was stopped; None if it was within its deadline."""
    status = seen.run.status
    deadline = _started_by(seen, kube.time_of(status.start_time))
    if deadline is None or now < deadline:
        return None
    said = f" {status.message}" if status.message else ""
    return f"The attempt did not run by its start deadline of {deadline}.{said}"


def _attempts_allowed(seen: Observed, progress: Progress, ready: work.Ready) -> int:
    return retries.allowed(ready.retries, seen.run.status.disruptions + progress.is_disruption)


def _again(
    seen: Observed, progress: Progress, ready: work.Ready, ending: Ending, now: dt.datetime
) -> Plan:
    run = seen.run
    pause = ready.backoff.seconds(run.status.attempt, seen.dice)
    is_disrupted = progress.is_disruption
    attempts = _attempts_allowed(seen, progress, ready)
    note = (
        f"Attempt {run.status.attempt} of {attempts} failed ({ending[1]}){_at(seen)}: "
        f"{ending[2]} The next attempt starts in {pause:.0f} s."
    )
    note = _with_held_slot(note, seen)
    standing = Standing(
        phase=Phase.PENDING,
        reason=Reason.RETRYING,
        message=note,
        is_accepted=True,
        attempt=run.status.attempt,
        next_attempt=now + dt.timedelta(seconds=pause),
        finished=_finished(seen, ending, now),
        is_disrupted=is_disrupted,
        progress=seen.progress,
        spec_hash=ready.spec_hash,
    )
    events = (Event(EventReason.RETRYING, note, is_warning=True),)
    return Plan(standing=standing, events=events, look_again_seconds=pause)


def _at(seen: Observed) -> str:
    """Return where an attempt ended, as a phrase."""
    return f" in {seen.ref.name}" if seen.ref is not None and seen.ref.name else ""


def _finished(seen: Observed, ending: Ending, now: dt.datetime) -> Finished:
    phase, reason, message = ending
    status = seen.run.status
    return Finished(
        number=status.attempt,
        phase=phase,
        reason=reason,
        message=message,
        ref=seen.ref,
        progress=seen.progress,
        started=kube.time_of(status.start_time),
        ended=now,
    )


def _with_held_slot(message: str, seen: Observed) -> str:
    """Append the reason for holding the slot, if the attempt's slot is held after its end."""
    if seen.progress is None or not seen.progress.unreserved:
        return message
    return (
        f"{message[:MAX_REASON]} Its slot is held for {HELD_SECONDS:.0f} s, until no in-flight "
        f"request can create its Job, because its name could not be reserved: "
        f"{seen.progress.unreserved}"
    ).strip()


def _ended(seen: Observed, now: dt.datetime, ending: Ending) -> Plan:
    run, (phase, reason, said) = seen.run, ending
    message = _with_held_slot(said, seen)
    refused = seen.inputs if isinstance(seen.inputs, work.Refused) else None
    is_duplicate = reason == Reason.DUPLICATE
    standing = Standing(
        phase=phase,
        reason=reason,
        message=message,
        is_accepted=False if refused or is_duplicate else True if is_accepted(run) else None,
        is_duplicate=is_duplicate,
        attempt=run.status.attempt,
        finished=_finished(seen, ending, now) if run.status.phase in IN_FLIGHT else None,
        ref=seen.ref if run.status.phase in IN_FLIGHT else None,
        progress=seen.progress,
        started=kube.time_of(run.status.start_time),
        ended=now,
        missing=refused.missing if refused else (),
        spec_hash=_known_hash(seen),
    )
    event = Event(EventReason(phase), message or reason, is_warning=phase is Phase.FAILED)
    return Plan(standing=standing, events=(event,))
