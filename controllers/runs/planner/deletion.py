"""Plans for deleted runs: their work is stopped before their finalizer is removed. Pure."""

import datetime as dt
from typing import Final

from controllers import kube
from controllers.runs import naming
from controllers.runs.api_constants import IN_FLIGHT, EventReason, Phase, Reason
from controllers.runs.planner import endings, observation
from controllers.runs.planner.actions import Action, Event, Plan
from controllers.runs.planner.observation import Observed
from controllers.runs.run_status import RunState
from controllers.runs.runtimes.base import RuntimeFault

# A deleted run waits this long for an unresponsive endpoint before an operator is notified.
CLEANUP_SECONDS: Final = 600.0
CLEANUP_RETRY_SECONDS: Final = 15.0


def plan(seen: Observed, now: dt.datetime) -> Plan:
    """Stop the work that garbage collection does not, then remove the finalizer."""
    run = seen.run
    if naming.FINALIZER not in run.metadata.finalizers:
        return Plan()  # its Jobs are garbage collected; the reaper frees its slot afterwards
    if seen.unreachable is not None:
        return _not_cleaned_up(seen, seen.unreachable, now)
    if observation.is_ended(run):
        return Plan(action=Action.REMOVE_FINALIZER)  # the reaper frees a remaining slot
    may_work = seen.has_slot or run.status.phase in IN_FLIGHT
    if may_work and (ending := endings.stop_work(seen)):
        return ending
    return Plan(action=endings.remaining_action(seen))


def _not_cleaned_up(seen: Observed, fault: RuntimeFault, now: dt.datetime) -> Plan:
    """Retry; after the deadline, tell how an operator can release the run."""
    run = seen.run
    deleted = kube.time_of(run.metadata.deletion_timestamp) or now
    pause = fault.retry_after_seconds or CLEANUP_RETRY_SECONDS
    if now < deleted + dt.timedelta(seconds=CLEANUP_SECONDS):
        return Plan(requeue_after_seconds=pause)
    name, namespace = run.metadata.name, run.metadata.namespace
    message = (
        "The work of the deleted run cannot be stopped. Once it is known to have ended, release "
        f"the run with `agentctl run release {name} -n {namespace}`: {fault.message}"
    )
    state = RunState(
        phase=Phase(run.status.phase) if run.status.phase in set(Phase) else Phase.PENDING,
        reason=Reason.CLEANUP_BLOCKED,
        message=message,
        is_accepted=True if observation.is_accepted(run) else None,
        is_cleanup_blocked=True,
        attempt=run.status.attempt,
        ref=seen.ref,
        started=kube.time_of(run.status.start_time),
        spec_hash=run.status.spec_hash,
    )
    is_new = run.status.reason != Reason.CLEANUP_BLOCKED
    events = (Event(EventReason.CLEANUP_BLOCKED, message, is_warning=True),) if is_new else ()
    return Plan(state=state, events=events, requeue_after_seconds=pause)
