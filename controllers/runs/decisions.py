"""Decisions about runs as entries of the audit log. Pure."""

from typing import Final

from controllers import kube, ledger
from controllers.audit.records import Decision, Entry, Object, What
from controllers.runs import naming, projections
from controllers.runs.api_constants import ENDED, IN_FLIGHT, Reason
from controllers.runs.retention.retention_policy import Excess
from controllers.runs.run_status import RunState
from controllers.runs.runtimes.base import Ref

DELETED: Final = "Deleted"
"""Reason to stop the work of a run that was deleted."""


def admitted(candidate: ledger.Candidate) -> Entry:
    """Return the entry of a run that got a slot."""
    return Entry(
        what=What.RUN,
        decision=Decision.ADMITTED,
        who=naming.MANAGER,
        object=_run(candidate.namespace, candidate.run, candidate.uid),
        attempt=candidate.attempt,
    )


def recorded(run: projections.Run, state: RunState) -> Entry | None:
    """Return the entry of a state that was written to a run's status, if it is a decision.

    Args:
        run: The run before.
        state: Its new state.
    """
    was, finished = run.status.phase, state.finished
    decision, reason, attempt = Decision.ENDED, str(state.reason), state.attempt
    if state.reason == Reason.RETRYING and finished is not None:
        decision, reason, attempt = Decision.RETRIED, finished.reason, finished.number
    elif state.phase in IN_FLIGHT and was not in IN_FLIGHT:
        decision = Decision.STARTED
    elif state.phase not in ENDED or was in ENDED:
        return None
    metadata = run.metadata
    return Entry(
        what=What.RUN,
        decision=decision,
        who=naming.MANAGER,
        reason=reason,
        phase=str(state.phase) if decision is Decision.ENDED else "",
        object=_run(metadata.namespace, metadata.name, metadata.uid),
        work=_work(run, state.ref or (finished.ref if finished else None)),
        attempt=attempt,
    )


def cancelled(run: projections.Run, ref: Ref, attempt: int) -> Entry:
    """Return the entry of an attempt whose work was asked to stop."""
    reason = Reason.CANCEL_REQUESTED.value if run.spec.cancel else ""
    metadata = run.metadata
    return Entry(
        what=What.RUN,
        decision=Decision.CANCELLED,
        who=naming.MANAGER,
        reason=DELETED if metadata.deletion_timestamp else reason,
        object=_run(metadata.namespace, metadata.name, metadata.uid),
        work=_work(run, ref),
        attempt=attempt,
    )


def deleted(run: kube.JSON, why: Excess) -> Entry:
    """Return the entry of a run that retention deleted."""
    metadata = run["metadata"]
    return Entry(
        what=What.RUN,
        decision=Decision.DELETED,
        who=naming.MANAGER,
        reason=why.value,
        object=_run(metadata["namespace"], metadata["name"], metadata["uid"]),
    )


def _run(namespace: str, name: str, uid: str) -> Object:
    return Object(projections.RUNS.kind, namespace, name, uid)


def _work(run: projections.Run, ref: Ref | None) -> Object | None:
    if ref is None or not ref.name:
        return None
    return Object(run.spec.runtime.type, ref.namespace, ref.name, ref.uid)
