"""Why a run stands as it stands: from what was read, to values, to text. Pure."""

import dataclasses
import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from controllers import kube, ledger
from controllers.agentctl import position, tables, times
from controllers.agentctl.position import Position, Rank
from controllers.ledger import Candidate, Ledger, Limit, Limits
from controllers.runs import candidates, views
from controllers.runs.words import ENDED, Phase, Reason
from schemagen.problems import JSON

_WAITING: Final = frozenset({Reason.CONCURRENCY_LIMIT, Reason.WAITING_FOR_SLOT})
_MISSING: Final = {
    Reason.MISSING_AGENT: "Agent",
    Reason.MISSING_PROVIDER: "AgentProvider",
    Reason.MISSING_IMPLEMENTATION: "ImplementationSpec",
    Reason.MISSING_MEMORY: "Memory",
    Reason.MISSING_RUNTIME: "runtime",
}
_MOST_HOLDERS: Final = 10
_MOST_EVENTS: Final = 10
# Of this machine's clock to the controller's, before a Lease is said to be over.
_MAX_SKEW: Final = dt.timedelta(seconds=10)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Observed:
    """All that is known of a run and of what it waits for.

    Attributes:
        run: The AgentRun (v1beta1).
        book: The ledger; None where it could not be read.
        limits: On runs in flight; None where nobody says, which means the defaults.
        waiting: All runs that wait for a slot.
        is_everywhere: Whether these are the runs of all namespaces.
        events: Of the run (events.k8s.io/v1).
        lease: Of the controller; None where it could not be read.
        workspaces: Folders of this machine in which its latest attempt works, or worked.
        notes: What could not be found out, and why.
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
    """How much of a limit is in use; a limit of 0 is none."""

    in_flight: int
    limit: int

    def __str__(self) -> str:
        return f"{self.in_flight} of {self.limit}" if self.limit else f"{self.in_flight}, no limit"


@dataclasses.dataclass(frozen=True)
class Holder:
    """A run that has a slot."""

    namespace: str
    run: str
    agent: str
    since: dt.datetime
    attempt: int


@dataclasses.dataclass(frozen=True)
class Happening:
    """An Event."""

    time: dt.datetime | None
    type: str
    reason: str
    note: str
    count: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Explanation:
    """Where a run stands, and what keeps it.

    Attributes:
        summary: In a sentence.
        missing: The kind of what it refers to and is not there; empty if all is.
        blocked_by: The limit that it waits for; empty if it waits for none.
        blocked_since: Since when.
        slot: The slot that it has.
        position: Among those that wait, where it does and the ledger could be read.
        is_position_whole: Whether the runs of all namespaces are counted in it.
        uses: Of each limit, where the ledger could be read.
        limits_from: Who says how high the limits are: «controller» or «defaults».
        holders: Of the slots that it waits for, who has had one longest first.
        leader: Who looks after runs; empty is nobody, None is not known.
        leader_silent_since: When that one was heard of last, where its Lease is over; else None.
        workspaces: Folders of this machine in which its latest attempt works, or worked.
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
    conditions: Sequence[views.Condition]
    events: Sequence[Happening]
    notes: Sequence[str]


def candidate(run: views.Run) -> Candidate | None:
    """What the ledger is told of a run that waits for a slot; None if it does not."""
    status = run.status
    is_waiting = status.phase == Phase.PENDING and status.reason in _WAITING
    return candidates.candidate(run) if is_waiting else None


def explain(seen: Observed) -> Explanation:
    """Say where a run stands."""
    run = views.of(views.Run, seen.run)
    status, uid = run.status, run.metadata.uid
    limits, leader, silent = seen.limits or Limits(), _leader(seen), _silent_since(seen)
    book = seen.book
    blocked_by = _blocked_by(run, seen, limits)
    own = None if book is None else book.slots.get(uid)
    found = None
    if book is not None and blocked_by:
        found = position.position(book, seen.waiting, limits, uid, now=seen.now.timestamp())
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
        position=found,
        is_position_whole=seen.is_everywhere,
        uses={} if book is None else _uses(book, run, limits),
        limits_from="defaults" if seen.limits is None else "controller",
        holders=_holders(book, run, blocked_by) if book is not None else (),
        leader=leader,
        leader_silent_since=silent,
        workspaces=tuple(seen.workspaces),
        conditions=status.conditions,
        events=_happenings(seen.events),
        notes=tuple(seen.notes),
    )


def _is_missing(run: views.Run) -> bool:
    return run.status.phase == Phase.PENDING and run.status.reason in set(_MISSING)


def _blocked_by(run: views.Run, seen: Observed, limits: Limits) -> str:
    """The limit that a run meets first now; what its status says may be half a minute old."""
    mine = candidate(run)
    if mine is None:
        return ""
    told = run.status.queue.blocked_by if run.status.queue else ""
    if seen.book is None:
        return told
    decision = ledger.decide(seen.book, [mine], limits, epoch=0, now=seen.now.timestamp())
    return str(decision.blocked.get(mine.uid) or told)


def _leader(seen: Observed) -> str | None:
    if seen.lease is None:
        return None
    return str((seen.lease.get("spec") or {}).get("holderIdentity") or "")


def _silent_since(seen: Observed) -> dt.datetime | None:
    """When the leader renewed its Lease last, if that is over: it has died, or cannot write."""
    spec = (seen.lease or {}).get("spec") or {}
    renewed = kube.time_of(spec.get("renewTime") or "")
    if renewed is None or not spec.get("holderIdentity"):
        return None
    held = dt.timedelta(seconds=spec.get("leaseDurationSeconds") or 0)
    return renewed if renewed + held + _MAX_SKEW < seen.now else None


def _summary(run: views.Run, who: str) -> str:
    status = run.status
    if run.metadata.deletion_timestamp:
        return "It is being deleted, and goes once nothing of it runs."
    if not status.phase:
        return f"No controller has looked at it yet: {who}."
    if status.phase in ENDED:
        return f"It has ended. {status.message}".strip()
    if status.observed_generation != run.metadata.generation:
        return f"The controller has not seen its latest change yet: {who}."
    if status.phase == Phase.TEMPLATE:
        return "It is a Template, which is never carried out, only copied."
    return status.message or f"It is {status.phase}."


def _who(leader: str | None, silent: dt.datetime | None, now: dt.datetime) -> str:
    if leader is None:
        return "whether one runs is not known"
    if silent is not None:
        return f"none runs, {leader} was to do so and is silent for {times.since(silent, now)}"
    return f"{leader} is to do so" if leader else "none runs"


def _uses(book: Ledger, run: views.Run, limits: Limits) -> dict[Limit, Use]:
    return {
        Limit.AGENT: Use(len(_peers(book, run, Limit.AGENT)), limits.agent),
        Limit.NAMESPACE: Use(len(_peers(book, run, Limit.NAMESPACE)), limits.namespace),
        Limit.CLUSTER: Use(len(book.slots), limits.cluster),
    }


def _peers(book: Ledger, run: views.Run, limit: str) -> list[ledger.Slot]:
    """The slots that count against a limit that holds for a run."""
    namespace, agent = run.metadata.namespace, run.spec.agent_ref.name
    slots = [*book.slots.values()]
    if limit == Limit.CLUSTER:
        return slots
    same = [slot for slot in slots if slot.namespace == namespace]
    return same if limit == Limit.NAMESPACE else [slot for slot in same if slot.agent == agent]


def _holders(book: Ledger, run: views.Run, limit: str) -> tuple[Holder, ...]:
    found = [_holder(slot) for slot in _peers(book, run, limit)] if limit else []
    return tuple(sorted(found, key=lambda one: (one.since, one.namespace, one.run)))


def _holder(slot: ledger.Slot) -> Holder:
    since = dt.datetime.fromtimestamp(slot.since, dt.UTC)
    return Holder(slot.namespace, slot.run, slot.agent, since, slot.attempt)


def _happenings(events: Sequence[JSON]) -> tuple[Happening, ...]:
    """The latest ones, the oldest of them first."""
    found = [_happening(one) for one in events]
    long_ago = dt.datetime.min.replace(tzinfo=dt.UTC)
    return tuple(sorted(found, key=lambda one: one.time or long_ago)[-_MOST_EVENTS:])


def _happening(event: JSON) -> Happening:
    series = event.get("series") or {}
    when = (
        series.get("lastObservedTime")
        or event.get("eventTime")
        or event.get("deprecatedLastTimestamp")
        or ""
    )
    return Happening(
        kube.time_of(when),
        str(event.get("type") or ""),
        str(event.get("reason") or ""),
        str(event.get("note") or ""),
        int(series.get("count") or event.get("deprecatedCount") or 1),
    )


# ------------------------------------------------------------------------------------ as JSON


def as_json(found: Explanation) -> JSON:
    """An explanation for programs; instants are RFC 3339, names as in Kubernetes' objects."""
    return {
        _camel(field.name): _plain(getattr(found, field.name))
        for field in dataclasses.fields(found)
    }


def _plain(value: object) -> JSON:
    match value:
        case dt.datetime():
            return kube.time_text(value)
        case views.Condition():
            names = ("type", "status", "reason", "message")
            told = {name: getattr(value, name) for name in names}
            return {**told, "lastTransitionTime": value.last_transition_time}
        case Mapping():
            return {str(name).lower(): _plain(one) for name, one in value.items()}
        case tuple() | list():
            return [_plain(one) for one in value]
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {
                _camel(field.name): _plain(getattr(value, field.name))
                for field in dataclasses.fields(value)
            }
        case _:
            return value


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


# ------------------------------------------------------------------------------------ as text


def as_text(found: Explanation, now: dt.datetime) -> str:
    """An explanation for people."""
    facts = [*_facts(found, now)]
    width = max(len(name) for name, _ in facts)
    parts = ["\n".join(f"{name:<{width}}   {value}" for name, value in facts)]
    parts += _tables(found, now)
    parts += [f"not known: {note}" for note in found.notes]
    return "\n\n".join(parts)


def _facts(found: Explanation, now: dt.datetime) -> Iterator[tuple[str, str]]:
    yield "run", f"{found.name}, namespace {found.namespace}, agent {found.agent}"
    reason = f" ({found.reason})" if found.reason else ""
    yield "phase", f"{found.phase}{reason}"
    yield "why", found.summary
    if found.missing:
        yield "missing", f"{found.missing}; it goes on by itself once that is there"
    yield from _times(found, now)
    if found.slot is not None:
        yield "slot", f"held for {times.since(found.slot.since, now)}"
    if found.blocked_by:
        since = f", for {times.since(found.blocked_since, now)}" if found.blocked_since else ""
        yield "blocked by", f"the {found.blocked_by.lower()}'s limit of runs in flight{since}"
    if found.position is not None:
        yield "position", _position(found, found.position)
    if found.uses:
        uses = [f"{limit.lower()} {use}" for limit, use in found.uses.items()]
        guess = (
            ", if the controller has the default limits"
            if found.limits_from != "controller"
            else ""
        )
        yield "in flight", f"{', '.join(uses)}{guess}"
    if found.leader:
        silent = found.leader_silent_since
        dead = f", dead: its Lease was renewed {times.since(silent, now)} ago" if silent else ""
        yield "controller", f"{found.leader}{dead}"
    for folder in found.workspaces:
        yield "workspace", folder


def _times(found: Explanation, now: dt.datetime) -> Iterator[tuple[str, str]]:
    if found.attempt:
        taken = f", {found.disruptions} of them taken away" if found.disruptions else ""
        yield "attempt", f"{found.attempt}{taken}"
    if found.next_attempt is not None:
        left = (found.next_attempt - now).total_seconds()
        when = f"in {times.span(left)}" if left > 0 else "now"
        yield "next attempt", f"{when} ({kube.time_text(found.next_attempt)})"
    if found.started is not None:
        end = found.ended or now
        took = times.span((end - found.started).total_seconds())
        yield (
            "started",
            f"{kube.time_text(found.started)}, {'took' if found.ended else 'for'} {took}",
        )
    if found.ended is not None:
        yield "ended", kube.time_text(found.ended)


def _position(found: Explanation, where: Position) -> str:
    def rank(one: Rank, of: str) -> str:
        return f"{one.at} of {one.of} {of}"

    parts = [
        rank(where.agent, f"waiting for agent {found.agent}"),
        rank(where.namespace, f"in namespace {found.namespace}"),
    ]
    if found.is_position_whole:
        parts.append(rank(where.cluster, "in the cluster"))
        runs = "run has" if where.ends == 1 else "runs have"
        parts.append(f"{where.ends} {runs} to end first" if where.ends else "it may start now")
    return ", ".join(parts)


def _tables(found: Explanation, now: dt.datetime) -> Iterator[str]:
    if found.holders:
        shown = found.holders[:_MOST_HOLDERS]
        rows = [
            (f"{one.namespace}/{one.run}", one.agent, times.since(one.since, now)) for one in shown
        ]
        more = len(found.holders) - len(shown)
        yield tables.text(("SLOT HELD BY", "AGENT", "FOR"), rows) + (
            f"\nand {more} more" if more else ""
        )
    if found.conditions:
        rows_of = [
            (
                one.type,
                one.status,
                one.reason,
                times.since(kube.time_of(one.last_transition_time), now),
                one.message,
            )
            for one in found.conditions
        ]
        yield tables.text(("CONDITION", "STATUS", "REASON", "FOR", "MESSAGE"), rows_of)
    if found.events:
        rows_of_events = [
            (
                f"{times.since(one.time, now)} ago",
                one.type,
                one.reason,
                f"{one.note} (x{one.count})" if one.count > 1 else one.note,
            )
            for one in found.events
        ]
        yield tables.text(("EVENT", "TYPE", "REASON", "NOTE"), rows_of_events)
