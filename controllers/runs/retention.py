"""Which runs that have ended are deleted, and which leftovers of theirs. Pure.

A run goes by its age first; then, the oldest first, as many as there are too many of, or too big.
"""

import collections
import dataclasses
import datetime as dt
import enum
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Final, Protocol, TypeAlias, TypeVar

import msgspec

from controllers import kube
from controllers.runs import naming, values, views
from controllers.runs.words import ENDED, Phase

# A member of the archive: many runs of one namespace compress well, and fit into memory.
MOST_IN_BATCH: Final = 50
MOST_BATCH_BYTES: Final = 8 * 1024**2


class Why(enum.StrEnum):
    """Which limit a run is beyond."""

    AGE = "Age"
    NAMESPACE_COUNT = "NamespaceCount"
    COUNT = "Count"
    SIZE = "Size"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much is kept of runs that have ended.

    Attributes:
        age: How long, where the run itself does not say.
        namespace_count: How many runs in one namespace.
        count: How many runs in all. A run a minute for 30 days is 43,000.
        size_bytes: Of their JSON in all; etcd holds 2 GiB by default.
        per_round: How many objects of one namespace are deleted in a round.
        leftover_age: How long a ConfigMap stays after the end of its run.
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
    retention: views.Retention = views.Retention()


class Status(_Part, frozen=True):
    """Whether a run has ended, and when."""

    phase: str = ""
    completion_time: str = ""
    last_update_time: str = ""


class Run(kube.Projection, frozen=True):
    """Of an AgentRun, what decides how long it is kept."""

    spec: _Spec = _Spec()
    status: Status = Status()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A run that has ended.

    Attributes:
        namespace: Where it is.
        name: Its name there.
        uid: Tells it from another of that name.
        version: Its resourceVersion.
        at: When it ended.
        size_bytes: Of its JSON.
        ttl_seconds: How long it is to be kept by its own word.
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
    why: Why

    @property
    def namespace(self) -> str:
        """Where the run is."""
        return self.run.namespace


def ended(run: Run, size_bytes: int) -> Ended | None:
    """A run as one that has ended; None if it has not, or is being deleted."""
    metadata, spec = run.metadata, run.spec
    if run.status.phase not in ENDED or metadata.deletion_timestamp:
        return None
    ttl_seconds = values.seconds(spec.retention.ttl)
    return Ended(
        namespace=metadata.namespace,
        name=metadata.name,
        uid=metadata.uid,
        version=metadata.resource_version,
        at=ended_at(run.metadata, run.status),
        size_bytes=size_bytes,
        ttl_seconds=ttl_seconds,
        # No seconds meant for ever in v1alpha1; v1beta1 takes no such ttl.
        is_kept=(spec.retention.keep_forever or spec.purpose == Phase.TEMPLATE or ttl_seconds == 0),
    )


def ended_at(metadata: kube.Metadata, status: Status) -> dt.datetime:
    """When a run ended, as far as it says."""
    for text in (status.completion_time, status.last_update_time, metadata.creation_timestamp):
        found = _instant(text)
        if found is not None:
            return found
    # The API server gives every object a creationTimestamp: whoever has none must not go.
    return dt.datetime.max.replace(tzinfo=dt.UTC)


def is_over_age(run: Ended, now: dt.datetime, limits: Limits) -> bool:
    """Whether a run has been kept for as long as it was to be."""
    if run.is_kept:
        return False
    age = now - run.at
    if run.ttl_seconds is None:
        return age >= limits.age
    # A ttl of 32 digits is allowed, and more than a timedelta holds.
    return age.total_seconds() >= run.ttl_seconds


def is_still(chosen: Chosen, run: Ended | None, now: dt.datetime, limits: Limits) -> bool:
    """Whether a run that was chosen is to be deleted as it is by now."""
    if run is None or run.uid != chosen.run.uid or run.is_kept:
        return False
    return chosen.why is not Why.AGE or is_over_age(run, now, limits)


# ------------------------------------------------------------------------------------ choosing


def due(runs: Iterable[Ended], now: dt.datetime, limits: Limits) -> list[Chosen]:
    """All runs beyond a limit: by age, then by count and size; each the oldest first.

    Runs that are kept for ever are never among them, but take their share of the limits.
    """
    oldest_first = sorted(runs, key=lambda run: (run.at, run.namespace, run.name, run.uid))
    chosen, rest = [], []
    for run in oldest_first:
        if is_over_age(run, now, limits):
            chosen.append(Chosen(run, Why.AGE))
        else:
            rest.append(run)
    for why, most, scope, weight in _bounds(limits):
        gone, rest = _beyond(rest, most, scope, weight)
        chosen += [Chosen(run, why) for run in gone]
    return chosen


def to_delete(runs: Iterable[Ended], now: dt.datetime, limits: Limits) -> list[Chosen]:
    """The runs that are deleted in one round, in order.

    The pace decides nothing but when: round after round, all that was due goes, and no other run
    goes in the place of one that has to wait.
    """
    return paced(due(runs, now, limits), limits)


class _Placed(Protocol):
    @property
    def namespace(self) -> str: ...


P = TypeVar("P", bound=_Placed)


def paced(found: Iterable[P], limits: Limits) -> list[P]:
    """The first of each namespace, as many as one round deletes."""
    taken: collections.Counter[str] = collections.Counter()
    chosen = []
    for one in found:
        taken[one.namespace] += 1
        if taken[one.namespace] <= limits.per_round:
            chosen.append(one)
    return chosen


def batches(chosen: Iterable[Chosen]) -> Iterator[list[Chosen]]:
    """Runs that are archived together: of one namespace, and not too many or too big."""
    by_namespace: dict[str, list[Chosen]] = {}
    for one in chosen:
        by_namespace.setdefault(one.namespace, []).append(one)
    for found in by_namespace.values():
        yield from _cut(found)


_Scope: TypeAlias = Callable[[Ended], Hashable]
_Weight: TypeAlias = Callable[[Ended], int]


def _bounds(limits: Limits) -> Iterator[tuple[Why, int, _Scope, _Weight]]:
    """Each limit: on the sum of what, over which runs together."""
    yield Why.NAMESPACE_COUNT, limits.namespace_count, lambda run: run.namespace, lambda _: 1
    yield Why.COUNT, limits.count, lambda _: None, lambda _: 1
    yield Why.SIZE, limits.size_bytes, lambda _: None, lambda run: run.size_bytes


def _beyond(
    oldest_first: Sequence[Ended], most: int, scope: _Scope, weight: _Weight
) -> tuple[list[Ended], list[Ended]]:
    """The runs that have to go for a sum to be within its limit, and those that stay."""
    sums: collections.Counter[Hashable] = collections.Counter()
    for run in oldest_first:
        sums[scope(run)] += weight(run)
    gone, rest = [], []
    for run in oldest_first:
        if run.is_kept or sums[scope(run)] <= most:
            rest.append(run)
        else:
            sums[scope(run)] -= weight(run)
            gone.append(run)
    return gone, rest


def _cut(found: Sequence[Chosen]) -> Iterator[list[Chosen]]:
    batch: list[Chosen] = []
    size_bytes = 0
    for one in found:
        is_full = len(batch) == MOST_IN_BATCH or size_bytes + one.run.size_bytes > MOST_BATCH_BYTES
        if batch and is_full:
            yield batch
            batch, size_bytes = [], 0
        batch.append(one)
        size_bytes += one.run.size_bytes
    if batch:
        yield batch


def _instant(text: str) -> dt.datetime | None:
    """An instant of a status, in which anybody may have written anything that has a zone."""
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        # Empty, or a leap second.
        return None
    return found if found.tzinfo is not None else None


# ----------------------------------------------------------------------------------- leftovers


@dataclasses.dataclass(frozen=True, slots=True)
class Leftover:
    """A ConfigMap that was made for a run.

    Attributes:
        namespace: Where it is.
        name: That of the Job it was for.
        uid: Tells it from another of that name.
        run_uid: Whose it is.
    """

    namespace: str
    name: str
    uid: str
    run_uid: str


def leftover(metadata: kube.Metadata) -> Leftover | None:
    """A ConfigMap as a run's; None if it only bears a label like that."""
    run_uid = metadata.labels.get(naming.RUN_LABEL)
    is_owned = any(
        one.controller and one.is_of(views.RUNS) and one.uid == run_uid
        for one in metadata.owner_references
    )
    if not run_uid or not is_owned or metadata.deletion_timestamp:
        return None
    return Leftover(metadata.namespace, metadata.name, metadata.uid, run_uid)


def leftovers_to_delete(
    found: Iterable[Leftover], runs: Mapping[str, Ended], now: dt.datetime, limits: Limits
) -> list[Leftover]:
    """The ConfigMaps that are deleted in one round: those of runs that ended long ago.

    Args:
        found: All there are.
        runs: Those that have ended, by uid. What belongs to a run that went goes with it.
        now: Aware UTC time.
        limits: How long they stay, and how many go at once.
    """
    ends = ((one, runs.get(one.run_uid)) for one in found)
    old = [
        (run.at, one)
        for one, run in ends
        if run is not None and now - run.at >= limits.leftover_age
    ]
    oldest_first = sorted(old, key=lambda pair: (pair[0], pair[1].namespace, pair[1].name))
    return paced((one for _, one in oldest_first), limits)
