"""Why a run is in its state: from observed objects to values. Pure."""

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Final

from controllers import kube, ledger
from controllers.agentctl import durations
from controllers.agentctl.explain import leadership, queue_position
from controllers.agentctl.explain.queue_position import Position
from controllers.ledger import Candidate, Ledger, Limit, Limits
from controllers.runs import projections
from controllers.runs.api_constants import ENDED, Phase, Reason
from controllers.runs.slots import candidates
from schemagen.problems import JSON

_WAITING: Final = frozenset({Reason.CONCURRENCY_LIMIT, Reason.WAITING_FOR_SLOT})
_MISSING: Final = {
    Reason.MISSING_AGENT: "Agent",
    Reason.MISSING_PROVIDER: "AgentProvider",
    Reason.MISSING_IMPLEMENTATION: "ImplementationSpec",
    Reason.MISSING_MEMORY: "Memory",
    Reason.MISSING_RUNTIME: "runtime",
}
_MAX_EVENTS: Final = 10


@dataclasses.dataclass(frozen=True, kw_only=True)
class Observed:
    """The known state of a run and of what it waits for.

    Attributes:
        run: The AgentRun (v1beta1).
        book: The ledger; None if it could not be read.
        limits: On runs in flight; None if unknown, which means the defaults.
        waiting: All runs that wait for a slot.
        is_everywhere: Whether ``waiting`` covers all namespaces.
        events: The run's Events (events.k8s.io/v1).
        lease: The controller's Lease; None if it could not be read.
        workspaces: Directories on this machine of the latest attempt.
        notes: What could not be read, and why.
        now: Aware UTC time.
    """

    run: JSON
    now: dt.datetime
    book: Ledger | None = None
    limits: Limits | None = None
    waiting: Sequence[Candidate] = ()
    is_everywhere: bool = True
    events: Sequence[JSON] = ()
    lease: JSON = None
    workspaces: Sequence[str] = ()
    notes: Sequence[str] = ()


@dataclasses.dataclass(frozen=True)
class Use:
    """Usage of a limit; a limit of 0 means no limit."""

    in_flight: int
    limit: int

    def __str__(self) -> str:
        return f"{self.in_flight} of {self.limit}" if self.limit else f"{self.in_flight}, no limit"


@dataclasses.dataclass(frozen=True)
class Holder:
    """A run that holds a slot."""

    namespace: str
    run: str
    agent: str
    since: dt.datetime
    attempt: int


@dataclasses.dataclass(frozen=True)
class EventSummary:
    """An Event."""

    time: dt.datetime | None
    type: str
    reason: str
    note: str
    count: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Explanation:
    """The state of a run, and what blocks it.

    Attributes:
        summary: One sentence.
        missing: Kind of the missing referenced object; empty if none is missing.
        blocked_by: The limit that it waits for; empty if it waits for none.
        blocked_since: Time since which it waits for that limit.
        slot: The slot that it holds.
        position: Queue position; None if it is not queued or the ledger could not be read.
        is_position_whole: Whether the position covers the runs of all namespaces.
        uses: Usage per limit, if the ledger could be read.
        limits_from: Source of the limits: «controller» or «defaults».
        holders: Holders of the slots that it waits for, longest first.
        leader: Identity of the leading controller; empty for none, None if unknown.
        leader_silent_since: Last renewal of an expired Lease; else None.
        workspaces: Directories on this machine of the latest attempt.
    """

    namespace: str
    name: str
    agent: str
    priority: int
    phase: str
    reason: str
    message: str
    summary: str
    missing: str
    attempt: int
    disruptions: int
    next_attempt: dt.datetime | None
    started: dt.datetime | None
    ended: dt.datetime | None
    blocked_by: str
    blocked_since: dt.datetime | None
    slot: Holder | None
    position: Position | None
    is_position_whole: bool
    uses: Mapping[Limit, Use]
    limits_from: str
    holders: Sequence[Holder]
    leader: str | None
    leader_silent_since: dt.datetime | None
    workspaces: Sequence[str]
    conditions: Sequence[kube.Condition]
    events: Sequence[EventSummary]
    notes: Sequence[str]


def candidate(run: projections.Run) -> Candidate | None:
    """Return the ledger's candidate for a run that waits for a slot; None if it does not wait."""
    status = run.status
    is_waiting = status.phase == Phase.PENDING and status.reason in _WAITING
    return candidates.candidate(run) if is_waiting else None


def explain(seen: Observed) -> Explanation:
    """Explain the state of a run."""
    run = projections.of(projections.Run, seen.run)
    status, uid = run.status, run.metadata.uid
    limits, lease = seen.limits or Limits(), seen.lease
    leader = None if lease is None else leadership.holder(lease)
    silent = None if lease is None else leadership.silent_since(lease, seen.now)
    book = seen.book
    blocked_by = _blocked_by(run, seen, limits)
    own = None if book is None else book.slots.get(uid)
    place = None
    if book is not None and blocked_by:
        place = queue_position.position(book, seen.waiting, limits, uid, now=seen.now.timestamp())
    return Explanation(
        namespace=run.metadata.namespace,
        name=run.metadata.name,
        agent=run.spec.agent_ref.name,
        priority=run.spec.priority,
        phase=status.phase or Phase.PENDING,
        reason=status.reason,
        message=status.message,
        summary=_summary(run, _who(leader, silent, seen.now)),
        missing=_MISSING.get(Reason(status.reason), "") if _is_missing(run) else "",
        attempt=status.attempt,
        disruptions=status.disruptions,
        next_attempt=kube.time_of(status.next_attempt_time),
        started=kube.time_of(status.start_time),
        ended=kube.time_of(status.completion_time),
        blocked_by=blocked_by,
        blocked_since=kube.time_of(status.queue.since) if status.queue else None,
        slot=None if own is None else _holder(own),
        position=place,
        is_position_whole=seen.is_everywhere,
        uses={} if book is None else _uses(book, run, limits),
        limits_from="defaults" if seen.limits is None else "controller",
        holders=_holders(book, run, blocked_by) if book is not None else (),
        leader=leader,
        leader_silent_since=silent,
        workspaces=tuple(seen.workspaces),
        conditions=status.conditions,
        events=_latest_events(seen.events),
        notes=tuple(seen.notes),
    )


def _is_missing(run: projections.Run) -> bool:
    return run.status.phase == Phase.PENDING and run.status.reason in set(_MISSING)


def _blocked_by(run: projections.Run, seen: Observed, limits: Limits) -> str:
    """Return the first limit that a run hits now; its status may be half a minute old."""
    mine = candidate(run)
    if mine is None:
        return ""
    recorded = run.status.queue.blocked_by if run.status.queue else ""
    if seen.book is None:
        return recorded
    decision = ledger.decide(seen.book, [mine], limits, epoch=0, now=seen.now.timestamp())
    return str(decision.blocked.get(mine.uid) or recorded)


def _summary(run: projections.Run, who: str) -> str:
    status = run.status
    if run.metadata.deletion_timestamp:
        return "The run is being deleted; it is removed once all its work has stopped."
    if not status.phase:
        return f"No controller has reconciled the run yet: {who}."
    if status.phase in ENDED:
        return f"The run has ended. {status.message}".strip()
    if status.observed_generation != run.metadata.generation:
        return f"The controller has not observed the latest change yet: {who}."
    if status.phase == Phase.TEMPLATE:
        return "The run is a Template, which is only copied and never executed."
    return status.message or f"The run is {status.phase}."


def _who(leader: str | None, silent: dt.datetime | None, now: dt.datetime) -> str:
    if leader is None:
        return "it is unknown whether a controller is running"
    if silent is not None:
        age = durations.since(silent, now)
        return f"no controller is running; the last leader, {leader}, has been silent for {age}"
    return f"the leader is {leader}" if leader else "no controller is running"


def _uses(book: Ledger, run: projections.Run, limits: Limits) -> dict[Limit, Use]:
    return {
        Limit.AGENT: Use(len(_peers(book, run, Limit.AGENT)), limits.agent),
        Limit.NAMESPACE: Use(len(_peers(book, run, Limit.NAMESPACE)), limits.namespace),
        Limit.CLUSTER: Use(len(book.slots), limits.cluster),
    }


def _peers(book: Ledger, run: projections.Run, limit: str) -> list[ledger.Slot]:
    """Return the slots that count against a limit that applies to a run."""
    namespace, agent = run.metadata.namespace, run.spec.agent_ref.name
    slots = [*book.slots.values()]
    if limit == Limit.CLUSTER:
        return slots
    same = [slot for slot in slots if slot.namespace == namespace]
    return same if limit == Limit.NAMESPACE else [slot for slot in same if slot.agent == agent]


def _holders(book: Ledger, run: projections.Run, limit: str) -> tuple[Holder, ...]:
    holders = [_holder(slot) for slot in _peers(book, run, limit)] if limit else []
    return tuple(sorted(holders, key=lambda holder: (holder.since, holder.namespace, holder.run)))


def _holder(slot: ledger.Slot) -> Holder:
    since = dt.datetime.fromtimestamp(slot.since, dt.UTC)
    return Holder(slot.namespace, slot.run, slot.agent, since, slot.attempt)


def _latest_events(events: Sequence[JSON]) -> tuple[EventSummary, ...]:
    """Return the latest Events, oldest first."""
    happenings = [_event_summary(event) for event in events]
    long_ago = dt.datetime.min.replace(tzinfo=dt.UTC)
    return tuple(
        sorted(happenings, key=lambda happening: happening.time or long_ago)[-_MAX_EVENTS:]
    )


def _event_summary(event: JSON) -> EventSummary:
    series = event.get("series") or {}
    when = (
        series.get("lastObservedTime")
        or event.get("eventTime")
        or event.get("deprecatedLastTimestamp")
        or ""
    )
    return EventSummary(
        kube.time_of(when),
        str(event.get("type") or ""),
        str(event.get("reason") or ""),
        str(event.get("note") or ""),
        int(series.get("count") or event.get("deprecatedCount") or 1),
    )
