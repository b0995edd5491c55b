"""Selects the ended runs, and leftovers of theirs, to delete. Pure.

Runs are deleted by age first; then, oldest first, to meet the limits on count and size.
"""

import collections
import dataclasses
import datetime as dt
import enum
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Final, Protocol, TypeAlias, TypeVar

import msgspec

from controllers import kube
from controllers.runs import json_access, naming, projections
from controllers.runs.api_constants import ENDED, Phase

# A member of the archive: runs of one namespace compress well, and the batch fits into memory.
MAX_BATCH_RUNS: Final = 50
MAX_BATCH_BYTES: Final = 8 * 1024**2


class Excess(enum.StrEnum):
    """The limit that a run exceeds."""

    AGE = "Age"
    NAMESPACE_COUNT = "NamespaceCount"
    COUNT = "Count"
    SIZE = "Size"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Retention limits of ended runs.

    Attributes:
        age: Maximum age, unless the run has its own.
        namespace_count: Maximum number of runs per namespace.
        count: Maximum number of runs. A run a minute for 30 days is 43,000.
        size_bytes: Maximum total size of their JSON; etcd's default quota is 2 GiB.
        per_round: Objects deleted per namespace and round.
        leftover_age: How long a ConfigMap is kept after the end of its run.
    """

    age: dt.timedelta = dt.timedelta(days=30)
    namespace_count: int = 10_000
    count: int = 50_000
    size_bytes: int = 1024**3
    per_round: int = 100
    leftover_age: dt.timedelta = dt.timedelta(days=7)


class _Part(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A part of a view."""


class _Spec(_Part, frozen=True):
    purpose: str = ""
    retention: projections.Retention = projections.Retention()


class Status(_Part, frozen=True):
    """Phase and times of a run."""

    phase: str = ""
    completion_time: str = ""
    last_update_time: str = ""


class Run(kube.Projection, frozen=True):
    """The fields of an AgentRun that retention depends on."""

    spec: _Spec = _Spec()
    status: Status = Status()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A run that has ended.

    Attributes:
        namespace: Its namespace.
        name: Its name.
        uid: Its UID.
        version: Its resourceVersion.
        at: When it ended.
        size_bytes: Size of its JSON.
        ttl_seconds: Its own retention.
        is_kept: Whether it is never deleted.
    """

    namespace: str
    name: str
    uid: str
    version: str = ""
    at: dt.datetime
    size_bytes: int = 0
    ttl_seconds: int | None = None
    is_kept: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Chosen:
    """A run to delete."""

    run: Ended
    why: Excess

    @property
    def namespace(self) -> str:
        """Namespace of the run."""
        return self.run.namespace


def ended(run: Run, size_bytes: int) -> Ended | None:
    """Return an ended run; None if it has not ended, or is being deleted."""
    metadata, spec = run.metadata, run.spec
    if run.status.phase not in ENDED or metadata.deletion_timestamp:
        return None
    ttl_seconds = json_access.seconds(spec.retention.ttl)
    return Ended(
        namespace=metadata.namespace,
        name=metadata.name,
        uid=metadata.uid,
        version=metadata.resource_version,
        at=ended_at(run.metadata, run.status),
        size_bytes=size_bytes,
        ttl_seconds=ttl_seconds,
        # A TTL of 0 means forever in v1alpha1, and is invalid in v1beta1.
        is_kept=(spec.retention.keep_forever or spec.purpose == Phase.TEMPLATE or ttl_seconds == 0),
    )


def ended_at(metadata: kube.Metadata, status: Status) -> dt.datetime:
    """Return when a run ended, as far as recorded."""
    for text in (status.completion_time, status.last_update_time, metadata.creation_timestamp):
        time = _instant(text)
        if time is not None:
            return time
    # The API server sets creationTimestamp on each object: never delete a run without one.
    return dt.datetime.max.replace(tzinfo=dt.UTC)


def is_over_age(run: Ended, now: dt.datetime, limits: Limits) -> bool:
    """Return whether a run has exceeded its retention."""
    if run.is_kept:
        return False
    age = now - run.at
    if run.ttl_seconds is None:
        return age >= limits.age
    # A TTL of 32 digits is valid, and exceeds a timedelta.
    return age.total_seconds() >= run.ttl_seconds


def is_still(chosen: Chosen, run: Ended | None, now: dt.datetime, limits: Limits) -> bool:
    """Return whether a chosen run is still to be deleted in its current state."""
    if run is None or run.uid != chosen.run.uid or run.is_kept:
        return False
    return chosen.why is not Excess.AGE or is_over_age(run, now, limits)


# ------------------------------------------------------------------------------------ choosing


def due(runs: Iterable[Ended], now: dt.datetime, limits: Limits) -> list[Chosen]:
    """Return all runs that exceed a limit: by age, then by count and size; each oldest first.

    Runs kept forever are not included, but count towards the limits.
    """
    oldest_first = sorted(runs, key=lambda run: (run.at, run.namespace, run.name, run.uid))
    chosen, rest = [], []
    for run in oldest_first:
        if is_over_age(run, now, limits):
            chosen.append(Chosen(run, Excess.AGE))
        else:
            rest.append(run)
    for why, limit, scope, weight in _bounds(limits):
        gone, rest = _beyond(rest, limit, scope, weight)
        chosen += [Chosen(run, why) for run in gone]
    return chosen


def to_delete(due_runs: Iterable[Chosen], limits: Limits) -> list[Chosen]:
    """Return those of the due runs that are deleted in one round, in order.

    The pace affects only the time: after enough rounds all due runs are deleted, and none is
    deleted in place of another that has to wait.
    """
    taken: collections.Counter[str] = collections.Counter()
    chosen, is_waiting = [], False
    for item in due_runs:
        is_shared = item.why in _SHARED
        if taken[item.namespace] == limits.per_round or (is_shared and is_waiting):
            # Another namespace's run, deleted now, would let this one stay.
            is_waiting = is_waiting or is_shared
            continue
        taken[item.namespace] += 1
        chosen.append(item)
    return chosen


_SHARED: Final = frozenset({Excess.COUNT, Excess.SIZE})
"""Limits of all namespaces together."""


class _Placed(Protocol):
    @property
    def namespace(self) -> str: ...


P = TypeVar("P", bound=_Placed)


def paced(items: Iterable[P], limits: Limits) -> list[P]:
    """Return the first of each namespace, up to the limit of a round."""
    taken: collections.Counter[str] = collections.Counter()
    chosen = []
    for item in items:
        taken[item.namespace] += 1
        if taken[item.namespace] <= limits.per_round:
            chosen.append(item)
    return chosen


def batches(chosen: Iterable[Chosen]) -> Iterator[list[Chosen]]:
    """Yield batches of runs to archive: of one namespace, limited in number and size."""
    by_namespace: dict[str, list[Chosen]] = {}
    for run in chosen:
        by_namespace.setdefault(run.namespace, []).append(run)
    for runs in by_namespace.values():
        yield from _cut(runs)


_Scope: TypeAlias = Callable[[Ended], Hashable]
_Weight: TypeAlias = Callable[[Ended], int]


def _bounds(limits: Limits) -> Iterator[tuple[Excess, int, _Scope, _Weight]]:
    """Yield each limit with its scope and the weight of a run."""
    yield Excess.NAMESPACE_COUNT, limits.namespace_count, lambda run: run.namespace, lambda _: 1
    yield Excess.COUNT, limits.count, lambda _: None, lambda _: 1
    yield Excess.SIZE, limits.size_bytes, lambda _: None, lambda run: run.size_bytes


def _beyond(
    oldest_first: Sequence[Ended], limit: int, scope: _Scope, weight: _Weight
) -> tuple[list[Ended], list[Ended]]:
    """Return the runs to delete to meet a limit, and the others."""
    sums: collections.Counter[Hashable] = collections.Counter()
    for run in oldest_first:
        sums[scope(run)] += weight(run)
    gone, rest = [], []
    for run in oldest_first:
        if run.is_kept or sums[scope(run)] <= limit:
            rest.append(run)
        else:
            sums[scope(run)] -= weight(run)
            gone.append(run)
    return gone, rest


def _cut(runs: Sequence[Chosen]) -> Iterator[list[Chosen]]:
    batch: list[Chosen] = []
    size_bytes = 0
    for run in runs:
        is_full = len(batch) == MAX_BATCH_RUNS or size_bytes + run.run.size_bytes > MAX_BATCH_BYTES
        if batch and is_full:
            yield batch
            batch, size_bytes = [], 0
        batch.append(run)
        size_bytes += run.run.size_bytes
    if batch:
        yield batch


def _instant(text: str) -> dt.datetime | None:
    """Parse a time of a status, which may contain anything; None without a zone."""
    try:
        time = dt.datetime.fromisoformat(text)
    except ValueError:
        # Empty, or a leap second.
        return None
    return time if time.tzinfo is not None else None


# ----------------------------------------------------------------------------------- leftovers


@dataclasses.dataclass(frozen=True, slots=True)
class Leftover:
    """A ConfigMap created for a run.

    Attributes:
        namespace: Its namespace.
        name: Name of its Job.
        uid: Its UID.
        run_uid: UID of its run.
    """

    namespace: str
    name: str
    uid: str
    run_uid: str


def leftover(metadata: kube.Metadata) -> Leftover | None:
    """Return a run's ConfigMap; None if only its label matches."""
    run_uid = metadata.labels.get(naming.RUN_LABEL)
    is_owned = any(
        owner.controller and owner.is_of(projections.RUNS) and owner.uid == run_uid
        for owner in metadata.owner_references
    )
    if not run_uid or not is_owned or metadata.deletion_timestamp:
        return None
    return Leftover(metadata.namespace, metadata.name, metadata.uid, run_uid)


def leftovers_to_delete(
    config_maps: Iterable[Leftover], runs: Mapping[str, Ended], now: dt.datetime, limits: Limits
) -> list[Leftover]:
    """Return the ConfigMaps to delete in one round: those of runs that ended long ago.

    Args:
        config_maps: All ConfigMaps.
        runs: Ended runs, by UID. Objects of deleted runs are garbage collected.
        now: Aware UTC time.
        limits: Their retention, and the number per round.
    """
    ends = ((config_map, runs.get(config_map.run_uid)) for config_map in config_maps)
    old = [
        (run.at, config_map)
        for config_map, run in ends
        if run is not None and now - run.at >= limits.leftover_age
    ]
    oldest_first = sorted(old, key=lambda pair: (pair[0], pair[1].namespace, pair[1].name))
    return paced((config_map for _, config_map in oldest_first), limits)
