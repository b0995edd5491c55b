"""Checks of runs that do not make progress, and of their queue. Pure."""

import datetime as dt
from collections.abc import Iterator
from typing import Final

from controllers import kube, ledger
from controllers.agentctl import durations
from controllers.agentctl.diagnose.check import Check, Finding, Severity, Subject
from controllers.agentctl.diagnose.checks import platform
from controllers.agentctl.diagnose.observation import Snapshot, Unread
from controllers.agentctl.explain import explanation
from controllers.runs import projections
from controllers.runs.api_constants import IN_FLIGHT, Phase, Reason

_UNOBSERVED: Final = dt.timedelta(minutes=1)
_STUCK: Final = dt.timedelta(minutes=10)
_LONG_WAIT: Final = dt.timedelta(hours=1)
_QUEUE: Final = Subject("Queue", "runs")


def _explained(seen: Snapshot, run: kube.JSON) -> explanation.Explanation:
    """Explain a run as ``agentctl explain`` does, without its Events and its position."""
    lease = None if isinstance(seen.lease.result, Unread) else seen.lease.result
    return explanation.explain(explanation.Observed(run=run, now=seen.now, lease=lease))


def _runs(seen: Snapshot) -> Iterator[tuple[kube.JSON, projections.Run]]:
    for value in seen.each(projections.RUNS.kind):
        yield value, projections.of(projections.Run, value)


def _span(time: dt.timedelta) -> str:
    return durations.span(time.total_seconds())


def _age(since: str, now: dt.datetime) -> dt.timedelta:
    return now - (kube.time_of(since) or now)


def _changed(value: kube.JSON) -> str:
    """Return the time of the last write other than of the status."""
    metadata = value["metadata"]
    times = [
        str(entry.get("time") or "")
        for entry in metadata.get("managedFields") or ()
        if entry.get("subresource") != "status"
    ]
    return max((metadata.get("creationTimestamp") or "", *times))


def _unobserved(seen: Snapshot) -> Iterator[Finding]:
    for value, run in _runs(seen):
        is_current = run.status.phase and run.status.observed_generation == run.metadata.generation
        waited = _age(_changed(value), seen.now)
        if not is_current and waited >= _UNOBSERVED:
            yield Finding(
                subject=Subject.of(value),
                message="expected a controller to reconcile the latest change within "
                f"{_span(_UNOBSERVED)}, got none for "
                f"{_span(waited)}: {_explained(seen, value).summary}",
                fix="start a controller for this namespace, or see its log for this run",
                evidence={"observedGeneration": str(run.status.observed_generation)},
            )


def _since(run: projections.Run) -> str:
    """Return when the state of a run began: its latest transition of a condition."""
    return max(
        (condition.last_transition_time for condition in run.status.conditions),
        default=run.metadata.creation_timestamp,
    )


def _blocked(seen: Snapshot) -> Iterator[Finding]:
    for value, run in _runs(seen):
        found = _explained(seen, value)
        waited = _age(_since(run), seen.now)
        if found.missing and waited >= _STUCK:
            yield Finding(
                subject=Subject.of(value),
                message=f"expected the {found.missing} that the run refers to, got none for "
                f"{_span(waited)}: {found.summary}",
                fix=f"create the {found.missing}, and the run resumes by itself; or delete the run",
                evidence={"reason": found.reason},
            )


def _starting(seen: Snapshot) -> Iterator[Finding]:
    for value, run in _runs(seen):
        waited = _age(_since(run), seen.now)
        if run.status.phase == Phase.STARTING and waited >= _STUCK:
            found = _explained(seen, value)
            yield Finding(
                subject=Subject.of(value),
                message=f"expected its pod to start, got {found.reason} for "
                f"{_span(waited)}: {found.summary}",
                fix=f"agentctl explain -n {run.metadata.namespace} {run.metadata.name} shows its "
                "Events; cancel the run to free its slot",
                evidence={"reason": found.reason},
            )


def _failing(seen: Snapshot) -> Iterator[Finding]:
    reasons = (Reason.RECONCILE_FAILED, Reason.CLEANUP_BLOCKED, Reason.QUOTA_EXCEEDED)
    for value, run in _runs(seen):
        if run.status.reason in reasons and run.status.phase in {Phase.PENDING, *IN_FLIGHT}:
            yield Finding(
                subject=Subject.of(value),
                message=f"expected the controller to make progress, got {run.status.reason}: "
                f"{run.status.message}",
                fix="remove the cause that the message names; the controller tries again",
                evidence={"reason": run.status.reason},
            )


def _deleting(seen: Snapshot) -> Iterator[Finding]:
    for value, run in _runs(seen):
        deleted = value["metadata"].get("deletionTimestamp") or ""
        waited = _age(deleted, seen.now)
        if deleted and waited >= _STUCK:
            finalizers = ", ".join(value["metadata"].get("finalizers") or ())
            yield Finding(
                subject=Subject.of(value),
                message="expected a deleted run to go within "
                f"{_span(_STUCK)}, got it held by finalizers "
                f"({finalizers}) for {_span(waited)}",
                fix="start a controller, which ends the work; if the endpoint of the work is gone "
                f"for good, agentctl run release -n {run.metadata.namespace} {run.metadata.name}",
                evidence={"finalizers": finalizers},
            )


def _queued(seen: Snapshot) -> list[tuple[projections.Run, ledger.Candidate, dt.timedelta]]:
    queued = []
    for _, run in _runs(seen):
        candidate = explanation.candidate(run)
        since = run.status.queue.since if run.status.queue else run.metadata.creation_timestamp
        if candidate is not None:
            queued.append((run, candidate, _age(since, seen.now)))
    return queued


def _moving(seen: Snapshot) -> Iterator[Finding]:
    queued, book = _queued(seen), platform.book_of(seen)
    decision = ledger.decide(
        book,
        [candidate for _, candidate, _ in queued],
        platform.limits_of(seen),
        epoch=0,
        now=seen.now.timestamp(),
    )
    for run, candidate, waited in queued:
        if candidate.uid in decision.admitted and waited >= _UNOBSERVED:
            yield Finding(
                subject=Subject(projections.RUNS.kind, run.metadata.name, run.metadata.namespace),
                message="expected a free slot to be allocated at once, got a run that waits for "
                f"one for {_span(waited)} though no limit is reached",
                fix="check that a controller leads (check lease-held), and see its log",
                evidence={"in flight": str(len(book.slots)), "queued": str(len(queued))},
            )


def _wait(seen: Snapshot) -> Iterator[Finding]:
    queued = _queued(seen)
    longest = max(queued, key=lambda waiting: waiting[2], default=None)
    if longest is not None and longest[2] >= _LONG_WAIT:
        run, _, waited = longest
        yield Finding(
            subject=Subject(projections.RUNS.kind, run.metadata.name, run.metadata.namespace),
            message=f"expected runs to wait for at most {_span(_LONG_WAIT)}, got {_span(waited)}, "
            f"with {len(queued)} in the queue",
            fix=f"agentctl explain -n {run.metadata.namespace} {run.metadata.name} shows its "
            "position and who holds the slots; raise the limit, or cancel runs",
            evidence={"queued": str(len(queued))},
        )


CHECKS: Final = (
    Check("runs-reconciled", "a controller has observed every run", Severity.ERROR, _unobserved),
    Check(
        "runs-references", "no run waits for an object that is missing", Severity.ERROR, _blocked
    ),
    Check("runs-starting", "the pods of runs start", Severity.ERROR, _starting),
    Check("runs-progressing", "the controller can act on every run", Severity.ERROR, _failing),
    Check("runs-deleted", "deleted runs go", Severity.ERROR, _deleting),
    Check("queue-moving", "free slots are allocated", Severity.ERROR, _moving),
    Check("queue-wait", "no run waits for long", Severity.WARNING, _wait),
)
