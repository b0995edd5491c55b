"""A source in a table: its conditions, its last read, and the number of its issues. Pure."""

import collections
import dataclasses
import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from controllers import kube
from controllers.agentctl import durations, tables
from controllers.kube import JSON
from controllers.sources.api_constants import SOURCE_LABEL, STATE_LABEL, SYNCED, State
from controllers.sources.source_view import Source
from crds import names

_READY: Final = "Ready"
_NONE: Final = "-"
HEAD: Final = (
    "NAME",
    "TRACKER",
    "MODE",
    "READY",
    "SYNCED",
    "LAST SYNC",
    "OPEN",
    "CLOSED",
    "ORPHANED",
)


@dataclasses.dataclass(frozen=True)
class Row:
    """A source.

    Attributes:
        namespace: Its namespace.
        name: Its name.
        tracker: ``GitHub owner/name`` or ``Linear ENG``.
        mode: How issues come.
        ready: The condition Ready.
        synced: The condition Synced; None before the first read.
        last_sync: When the last complete read began, by the tracker's clock.
        issues: How many ImplementationSpecs it has, by the state of their issue.
    """

    namespace: str
    name: str
    tracker: str
    mode: str
    ready: kube.Condition | None
    synced: kube.Condition | None
    last_sync: str
    issues: Mapping[str, int]

    @property
    def is_healthy(self) -> bool:
        """Whether it is ready, and its last read succeeded, as far as somebody has looked."""
        return all(one is None or one.status != "False" for one in (self.ready, self.synced))

    def document(self) -> JSON:
        """As JSON: ``{"namespace": ..., "issues": {"open": 1, ...}, ...}``."""
        return {
            "namespace": self.namespace,
            "name": self.name,
            "tracker": self.tracker,
            "mode": self.mode,
            "ready": _document(self.ready),
            "synced": _document(self.synced),
            "lastSyncTime": self.last_sync or None,
            "issues": dict(self.issues),
        }


def row(source: Source, specs: Iterable[JSON]) -> Row:
    """Return the row of a source.

    Args:
        source: The source.
        specs: ImplementationSpecs of its namespace.
    """
    mine, states = names.label(source.metadata.name), collections.Counter[str]()
    for spec in specs:
        labels = spec["metadata"].get("labels") or {}
        if labels.get(SOURCE_LABEL) == mine:
            states[labels.get(STATE_LABEL, "")] += 1
    conditions = {one.type: one for one in source.status.conditions}
    return Row(
        namespace=source.metadata.namespace,
        name=source.metadata.name,
        tracker=_tracker(source),
        mode=source.spec.ingestion.mode,
        ready=conditions.get(_READY),
        synced=conditions.get(SYNCED),
        last_sync=source.status.last_sync_time,
        issues={state.value: states[state.value] for state in State},
    )


def text(rows: Sequence[Row], now: dt.datetime, *, with_namespace: bool) -> str:
    """Return a table, and a line for each condition that is not met."""
    head = ("NAMESPACE", *HEAD) if with_namespace else HEAD
    cells = [
        ((one.namespace, *_cells(one, now)) if with_namespace else _cells(one, now)) for one in rows
    ]
    reasons = [
        f"{one.name}: {condition.type} is {condition.status}: {condition.reason}: "
        f"{' '.join(condition.message.split())}"
        for one in rows
        for condition in (one.ready, one.synced)
        if condition is not None and condition.status == "False"
    ]
    return "\n".join([tables.text(head, cells), *([""] if reasons else []), *reasons])


def _cells(one: Row, now: dt.datetime) -> tuple[str, ...]:
    last = kube.time_of(one.last_sync)
    return (
        one.name,
        one.tracker,
        one.mode,
        _state(one.ready),
        _state(one.synced),
        _NONE if last is None else f"{durations.since(last, now)} ago",
        *(str(one.issues[state.value]) for state in State),
    )


def _state(condition: kube.Condition | None) -> str:
    return _NONE if condition is None else condition.status


def _tracker(source: Source) -> str:
    github, linear = source.spec.github, source.spec.linear
    if github is not None:
        return f"GitHub {github.repository or github.organization}"
    return f"Linear {linear.team if linear and linear.team else 'any team'}"


def _document(condition: kube.Condition | None) -> JSON | None:
    if condition is None:
        return None
    return {
        "status": condition.status,
        "reason": condition.reason,
        "message": condition.message,
        "lastTransitionTime": condition.last_transition_time,
    }
