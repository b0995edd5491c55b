"""An explanation as JSON and as text. Pure."""

import dataclasses
import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Final

from controllers import kube
from controllers.agentctl import durations, tables
from controllers.agentctl.explain.explanation import Explanation
from controllers.agentctl.explain.queue_position import Position, Rank
from schemagen.problems import JSON

_MAX_HOLDERS: Final = 10


def as_json(explanation: Explanation) -> JSON:
    """Return an explanation as JSON: RFC 3339 times, camel case names."""
    return {
        _camel(field.name): _plain(getattr(explanation, field.name))
        for field in dataclasses.fields(explanation)
    }


def _plain(value: object) -> JSON:
    match value:
        case dt.datetime():
            return kube.time_text(value)
        case kube.Condition():
            names = ("type", "status", "reason", "message")
            fields = {name: getattr(value, name) for name in names}
            return {**fields, "lastTransitionTime": value.last_transition_time}
        case Mapping():
            return {str(name).lower(): _plain(item) for name, item in value.items()}
        case tuple() | list():
            return [_plain(item) for item in value]
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


def as_text(explanation: Explanation, now: dt.datetime) -> str:
    """Return an explanation as text."""
    facts = [*_facts(explanation, now)]
    width = max(len(name) for name, _ in facts)
    parts = ["\n".join(f"{name:<{width}}   {value}" for name, value in facts)]
    parts += _tables(explanation, now)
    parts += [f"unknown: {note}" for note in explanation.notes]
    return "\n\n".join(parts)


def _facts(explanation: Explanation, now: dt.datetime) -> Iterator[tuple[str, str]]:
    yield "run", f"{explanation.name}, namespace {explanation.namespace}, agent {explanation.agent}"
    reason = f" ({explanation.reason})" if explanation.reason else ""
    yield "phase", f"{explanation.phase}{reason}"
    yield "why", explanation.summary
    if explanation.missing:
        yield "missing", f"{explanation.missing}; the run resumes automatically once it exists"
    yield from _times(explanation, now)
    if explanation.slot is not None:
        yield "slot", f"held for {durations.since(explanation.slot.since, now)}"
    if explanation.blocked_by:
        since = (
            f", for {durations.since(explanation.blocked_since, now)}"
            if explanation.blocked_since
            else ""
        )
        yield "blocked by", f"the {explanation.blocked_by.lower()}'s limit on runs in flight{since}"
    if explanation.position is not None:
        yield "position", _position(explanation, explanation.position)
    if explanation.uses:
        uses = [f"{limit.lower()} {use}" for limit, use in explanation.uses.items()]
        guess = ", assuming the default limits" if explanation.limits_from != "controller" else ""
        yield "in flight", f"{', '.join(uses)}{guess}"
    if explanation.leader:
        silent = explanation.leader_silent_since
        dead = (
            f", dead: its Lease was last renewed {durations.since(silent, now)} ago"
            if silent
            else ""
        )
        yield "controller", f"{explanation.leader}{dead}"
    for folder in explanation.workspaces:
        yield "workspace", folder


def _times(explanation: Explanation, now: dt.datetime) -> Iterator[tuple[str, str]]:
    if explanation.attempt:
        taken = f", {explanation.disruptions} of them disrupted" if explanation.disruptions else ""
        yield "attempt", f"{explanation.attempt}{taken}"
    if explanation.next_attempt is not None:
        left = (explanation.next_attempt - now).total_seconds()
        when = f"in {durations.span(left)}" if left > 0 else "now"
        yield "next attempt", f"{when} ({kube.time_text(explanation.next_attempt)})"
    if explanation.started is not None:
        end = explanation.ended or now
        took = durations.span((end - explanation.started).total_seconds())
        verb = "took" if explanation.ended else "for"
        yield "started", f"{kube.time_text(explanation.started)}, {verb} {took}"
    if explanation.ended is not None:
        yield "ended", kube.time_text(explanation.ended)


def _position(explanation: Explanation, where: Position) -> str:
    def rank(place: Rank, of: str) -> str:
        return f"{place.at} of {place.of} {of}"

    parts = [
        rank(where.agent, f"waiting for agent {explanation.agent}"),
        rank(where.namespace, f"in namespace {explanation.namespace}"),
    ]
    if explanation.is_position_whole:
        parts.append(rank(where.cluster, "in the cluster"))
        runs = "run has" if where.ends == 1 else "runs have"
        parts.append(f"{where.ends} {runs} to end first" if where.ends else "can start now")
    return ", ".join(parts)


def _tables(explanation: Explanation, now: dt.datetime) -> Iterator[str]:
    if explanation.holders:
        shown = explanation.holders[:_MAX_HOLDERS]
        rows = [
            (f"{holder.namespace}/{holder.run}", holder.agent, durations.since(holder.since, now))
            for holder in shown
        ]
        more = len(explanation.holders) - len(shown)
        yield tables.text(("SLOT HELD BY", "AGENT", "FOR"), rows) + (
            f"\nand {more} more" if more else ""
        )
    if explanation.conditions:
        rows_of = [
            (
                condition.type,
                condition.status,
                condition.reason,
                durations.since(kube.time_of(condition.last_transition_time), now),
                condition.message,
            )
            for condition in explanation.conditions
        ]
        yield tables.text(("CONDITION", "STATUS", "REASON", "FOR", "MESSAGE"), rows_of)
    if explanation.events:
        rows_of_events = [
            (
                f"{durations.since(event.time, now)} ago",
                event.type,
                event.reason,
                f"{event.note} (x{event.count})" if event.count > 1 else event.note,
            )
            for event in explanation.events
        ]
        yield tables.text(("EVENT", "TYPE", "REASON", "NOTE"), rows_of_events)
