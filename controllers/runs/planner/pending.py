"""Plans for runs before they start: inputs, idempotency key, slot and submission. Pure."""

import dataclasses
import datetime as dt
from typing import Final

from controllers import kube
from controllers.runs import naming, projections
from controllers.runs.api_constants import EventReason, Phase, Reason
from controllers.runs.planner import actions, endings, observation
from controllers.runs.planner.actions import Action, Event, Plan
from controllers.runs.planner.observation import Observed
from controllers.runs.retries import Backoff
from controllers.runs.run_status import RunState
from controllers.runs.runtimes.base import Code, Ref, RuntimeFault
from controllers.runs.work import work

# The backoff reaches its maximum much earlier.
MAX_FAILURES: Final = 1000


def plan(seen: Observed, now: dt.datetime) -> Plan:  # noqa: PLR0911 - guard clauses
    """Claim its key, wait for its inputs and a slot, then submit it."""
    run = seen.run
    if run.spec.cancel:
        note = "The run was cancelled before it started."
        return endings.never_started(seen, now, (Phase.CANCELLED, Reason.CANCEL_REQUESTED, note))
    if run.spec.suspend and not seen.has_slot:
        message = "The run is suspended until spec.suspend is false."
        return _waits(seen, Reason.SUSPENDED, message)
    match seen.inputs:
        case work.Waiting(reason, message):
            return _waits_for_inputs(seen, reason, message)
        case work.Refused(reason, message):
            return endings.never_started(seen, now, (Phase.FAILED, reason, message))
        case work.Ready() as ready if observation.has_changed(run, ready):
            message = "The spec was changed after the run was accepted; create a new run."
            return endings.never_started(seen, now, (Phase.FAILED, Reason.SPEC_CHANGED, message))
    if run.spec.idempotency_key and seen.claim.is_mine is None:
        return Plan(action=Action.CLAIM)
    return _duplicate(seen, now) if seen.claim.is_mine is False else _queued(seen, now)


def _duplicate(seen: Observed, now: dt.datetime) -> Plan:
    message = (
        f"Idempotency key {seen.run.spec.idempotency_key!r} of agent "
        f"{seen.run.spec.agent_ref.name!r} is already used by run {seen.claim.holder!r}."
    )
    return endings.never_started(seen, now, (Phase.FAILED, Reason.DUPLICATE, message))


def _waits_for_inputs(seen: Observed, reason: Reason, message: str) -> Plan:
    """Wait for missing objects, without a slot."""
    if seen.has_slot:
        return endings.stop_work(seen) or Plan(action=Action.FREE)
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
    state = RunState(
        phase=Phase.PENDING,
        reason=reason,
        message=message,
        is_accepted=False if is_missing else (True if observation.is_accepted(run) else None),
        attempt=run.status.attempt if attempt is None else attempt,
        started=kube.time_of(run.status.start_time),
        spec_hash=run.status.spec_hash,
    )
    is_new = run.status.reason != reason
    events = (Event(EventReason.BLOCKED, message, is_warning=is_missing),) if is_new else ()
    # The watch on runs reports the end of a suspension.
    seconds = actions.REQUEUE_SECONDS if is_missing else None
    return Plan(state=state, events=events, requeue_after_seconds=seconds)


def _queued(seen: Observed, now: dt.datetime) -> Plan:
    run = seen.run
    if seen.fault is not None:
        return _not_submitted(seen, seen.fault, now)
    next_attempt = kube.time_of(run.status.next_attempt_time)
    if next_attempt is not None and next_attempt > now:
        return Plan(requeue_after_seconds=(next_attempt - now).total_seconds())
    if not seen.is_collected and naming.FINALIZER not in run.metadata.finalizers:
        return Plan(action=Action.ADD_FINALIZER)
    if seen.has_slot:
        return Plan(action=Action.SUBMIT)
    if not seen.blocked_by:
        return Plan(wants_slot=True)
    message = f"The {seen.blocked_by.lower()}'s limit on runs in flight is reached."
    state = RunState(
        phase=Phase.PENDING,
        reason=Reason.CONCURRENCY_LIMIT,
        message=message,
        is_accepted=True,
        blocked_by=seen.blocked_by,
        blocked_since=_blocked_since(seen),
        attempt=run.status.attempt,
        started=kube.time_of(run.status.start_time),
        spec_hash=observation.known_hash(seen),
    )
    is_new = run.status.reason != Reason.CONCURRENCY_LIMIT
    events = (Event(EventReason.BLOCKED, message),) if is_new else ()
    return Plan(state=state, wants_slot=True, events=events)


def _blocked_since(seen: Observed) -> dt.datetime | None:
    """Return since when the limit blocks the run; a new leader continues from the status."""
    queue = seen.run.status.queue
    if queue is not None and queue.blocked_by == seen.blocked_by and queue.since:
        return kube.time_of(queue.since)
    return seen.blocked_since


def submitted(seen: Observed, ref: Ref, now: dt.datetime) -> Plan:
    """Plan the step after a submission."""
    run = seen.run
    state = RunState(
        phase=Phase.STARTING,
        reason=Reason.SUBMITTED,
        is_accepted=True,
        is_admitted=True,
        attempt=observation.attempt(run),
        ref=ref,
        started=now,
        spec_hash=observation.known_hash(seen),
    )
    number = f", attempt {state.attempt}" if state.attempt > 1 else ""
    note = f"Submitted to {run.spec.runtime.type} as {ref.name}{number}."
    return Plan(state=state, events=(Event(EventReason.SUBMITTED, note),))


def _not_submitted(seen: Observed, fault: RuntimeFault, now: dt.datetime) -> Plan:
    """Plan the step after a failed submission: retry, or fail the run."""
    if not fault.code.may_pass:
        return endings.never_started(seen, now, (Phase.FAILED, Reason.SUBMIT_FAILED, fault.message))
    backoff = seen.inputs.backoff if isinstance(seen.inputs, work.Ready) else Backoff()
    known = seen.run.status.runtime_ref or projections.RuntimeRef()
    failures = _count(known.extra.get(_FAILURES)) + 1
    pause = fault.retry_after_seconds or backoff.seconds(failures, seen.rng)
    ref = seen.ref and dataclasses.replace(seen.ref, extra={_FAILURES: failures})
    state = RunState(
        phase=Phase.PENDING,
        reason=Reason.QUOTA_EXCEEDED if fault.code is Code.QUOTA else Reason.RETRYING,
        message=fault.message,
        is_accepted=True,
        attempt=seen.run.status.attempt,
        next_attempt=now + dt.timedelta(seconds=pause),
        ref=ref,
        started=kube.time_of(seen.run.status.start_time),
        spec_hash=observation.known_hash(seen),
    )
    events = (Event(EventReason.BLOCKED, fault.message, is_warning=True),)
    return Plan(state=state, events=events, requeue_after_seconds=pause)


_FAILURES: Final = "submitFailures"


def _count(value: object) -> int:
    """Return a number from a status, which may have been written by anyone."""
    return min(max(value, 0), MAX_FAILURES) if isinstance(value, int) else 0
