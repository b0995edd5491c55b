"""Plans for runs in flight: progress, cancellation and deadlines. Pure."""

import dataclasses
import datetime as dt
from collections.abc import Iterable, Iterator

from controllers import kube
from controllers.runs import projections
from controllers.runs.api_constants import EventReason, Phase, Reason
from controllers.runs.planner import actions, deadlines, endings, observation
from controllers.runs.planner.actions import Action, Event, Plan
from controllers.runs.planner.observation import Observed
from controllers.runs.run_status import RunState
from controllers.runs.runtimes.base import Progress, Stage
from controllers.runs.work import work


def plan(seen: Observed, now: dt.datetime) -> Plan:
    """Record its progress; cancel it on request, if it is late, or if its spec was changed."""
    run, progress = seen.run, seen.progress
    if observation.is_foreign(run):
        return _disowned(seen, now)
    if progress is None:
        return Plan(requeue_after_seconds=actions.REQUEUE_SECONDS)
    if progress.stage.is_ended:
        return endings.after_work(seen, progress, now)
    changed = isinstance(seen.inputs, work.Ready) and observation.has_changed(run, seen.inputs)
    deadline = deadlines.end_deadline(seen)
    is_late = deadline is not None and now >= deadline
    start_deadline = deadlines.start_deadline(seen)
    is_late = is_late or (start_deadline is not None and now >= start_deadline)
    wants_end = run.spec.cancel or is_late or changed or progress.stage is Stage.MISSING
    if wants_end and progress.stage is not Stage.CANCELLING:
        return Plan(action=Action.CANCEL)
    phase, reason, message = _going(run, progress)
    state = RunState(
        phase=phase,
        reason=reason,
        message=message,
        is_accepted=True,
        is_admitted=True,
        attempt=run.status.attempt,
        ref=progress.ref or seen.ref,
        progress=progress,
        started=kube.time_of(run.status.start_time),
        spec_hash=observation.known_hash(seen),
    )
    due = () if is_late else (deadline, start_deadline)
    seconds = _earliest(progress.requeue_after_seconds, due, now)
    events = tuple(_going_events(seen, state))
    return Plan(state=state, events=events, requeue_after_seconds=seconds)


def _disowned(seen: Observed, now: dt.datetime) -> Plan:
    """End a run whose work another controller started: to start it again would execute it twice."""
    known = seen.run.status.runtime_ref or projections.RuntimeRef()
    named = f" ({known.name})" if known.name else ""
    message = (
        "Another controller started this run, whose work cannot be followed and may still go on"
        f"{named}. Delete it, or wait for its end, and create the run again."
    )
    kept = seen.ref and dataclasses.replace(
        seen.ref, name=known.name, namespace=known.namespace, uid=known.uid, extra=known.extra
    )
    ending = (Phase.FAILED, Reason.OTHER_CONTROLLER, message)
    return endings.never_started(dataclasses.replace(seen, ref=kept), now, ending)


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


def _going_events(seen: Observed, state: RunState) -> Iterator[Event]:
    status = seen.run.status
    if state.phase is Phase.RUNNING and status.phase != Phase.RUNNING:
        yield Event(EventReason.STARTED, _started_note(seen))
    is_known = state.reason in {status.reason, Reason.SUBMITTED, Reason.CANCELLING}
    if state.phase is Phase.STARTING and not is_known:
        yield Event(EventReason.WAITING, state.message, is_warning=True)


def _started_note(seen: Observed) -> str:
    name = seen.ref.name if seen.ref is not None else ""
    return f"The agent started in {name}."


def _earliest(
    seconds: float | None, due: Iterable[dt.datetime | None], now: dt.datetime
) -> float | None:
    left = [max(0.0, (deadline - now).total_seconds()) for deadline in due if deadline is not None]
    return min((*left, *(() if seconds is None else (seconds,))), default=None)
