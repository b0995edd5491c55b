"""Plans for work that ends: its slot is freed, its outcome recorded, or it is retried. Pure."""

import datetime as dt
from typing import Final, TypeAlias

from controllers import kube
from controllers.runs import naming, retries
from controllers.runs.api_constants import IN_FLIGHT, EventReason, Phase, Reason
from controllers.runs.planner import deadlines, observation
from controllers.runs.planner.actions import Action, Event, Plan
from controllers.runs.planner.observation import Observed
from controllers.runs.run_status import Finished, RunState
from controllers.runs.runtimes.base import HELD_SECONDS, Progress, Stage
from controllers.runs.work import work

# Maximum length of the message before the reason for holding a slot.
MAX_REASON: Final = 320

Ending: TypeAlias = tuple[Phase, str, str]
"""Final phase, reason and message."""


def remaining_action(seen: Observed) -> Action | None:
    """Return the remaining action for a run without work."""
    if seen.has_slot:
        return Action.FREE
    return Action.REMOVE_FINALIZER if naming.FINALIZER in seen.run.metadata.finalizers else None


def stop_work(seen: Observed) -> Plan | None:
    """Plan the cancellation of the attempt's work; None if nothing of it runs or can start."""
    progress = seen.progress
    if progress is not None and progress.stage.is_ended:
        return None
    if progress is not None and progress.stage is Stage.CANCELLING:
        return Plan(requeue_after_seconds=progress.requeue_after_seconds)
    return Plan(action=Action.CANCEL)


def never_started(seen: Observed, now: dt.datetime, ending: Ending) -> Plan:
    """End a run that was not submitted, or whose submission is uncertain."""
    # Another leader's submission may be in flight: only occupying the Job's name rules it out.
    if seen.has_slot and (end := stop_work(seen)):
        return end
    action = remaining_action(seen)
    return Plan(action=action) if action else _ended(seen, now, ending)


def after_work(seen: Observed, progress: Progress, now: dt.datetime) -> Plan:
    """Free the slot, then record the outcome, or retry."""
    if seen.has_slot:
        return Plan(action=Action.FREE)
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
    action = remaining_action(seen)
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
        case _ if isinstance(seen.inputs, work.Ready) and observation.has_changed(run, seen.inputs):
            return (
                Phase.FAILED,
                Reason.SPEC_CHANGED,
                "The spec was changed while the run was in progress.",
            )
        case _ if (deadline := deadlines.end_deadline(seen)) is not None and now >= deadline:
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
    deadline = deadlines.start_deadline_after(seen, kube.time_of(status.start_time))
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
    pause = ready.backoff.seconds(run.status.attempt, seen.rng)
    is_disrupted = progress.is_disruption
    attempts = _attempts_allowed(seen, progress, ready)
    note = (
        f"Attempt {run.status.attempt} of {attempts} failed ({ending[1]}){_at(seen)}: "
        f"{ending[2]} The next attempt starts in {pause:.0f} s."
    )
    note = _with_held_slot(note, seen)
    state = RunState(
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
    return Plan(state=state, events=events, requeue_after_seconds=pause)


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
    state = RunState(
        phase=phase,
        reason=reason,
        message=message,
        is_accepted=False
        if refused or is_duplicate
        else True
        if observation.is_accepted(run)
        else None,
        is_duplicate=is_duplicate,
        attempt=run.status.attempt,
        finished=_finished(seen, ending, now)
        if run.status.phase in IN_FLIGHT and run.status.attempt
        else None,
        ref=seen.ref if run.status.phase in IN_FLIGHT else None,
        progress=seen.progress,
        started=kube.time_of(run.status.start_time),
        ended=now,
        missing=refused.missing if refused else (),
        spec_hash=observation.known_hash(seen),
    )
    event = Event(EventReason(phase), message or reason, is_warning=phase is Phase.FAILED)
    return Plan(state=state, events=(event,))
