"""What a server did, counted: plain numbers that workers send and one process shows.

Prometheus sees the names of controller-runtime's webhook metrics (sigs.k8s.io/controller-runtime,
pkg/webhook/internal/metrics), so that dashboards made for it work, and more of our own.
"""

import bisect
import copy
import dataclasses
import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from prometheus_client import core

from certs import monitor
from schemagen import Api
from schemagen.model.registry import OPERATIONS
from webhooks import log_writer
from webhooks.routes import Seen

# controller-runtime's are Prometheus' defaults; the finer ones below are where our answers are.
BUCKETS: Final = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)


@dataclasses.dataclass
class Timing:
    """How often something took how long.

    Attributes:
        counts: Of each bucket alone, one more than there are bounds.
    """

    seconds: float = 0.0
    counts: list[int] = dataclasses.field(default_factory=lambda: [0] * (len(BUCKETS) + 1))

    def add(self, seconds: float) -> None:
        """Count one."""
        self.seconds += seconds
        self.counts[bisect.bisect_left(BUCKETS, seconds)] += 1


OTHER: Final = "other"


@dataclasses.dataclass(frozen=True)
class Words:
    """The labels that there may be: whoever sends a review must not be able to make new ones.

    Attributes:
        kinds: Of the API, and Scale.
        versions: Of the API, and Scale's.
        operations: Those that rules may be asked for.
    """

    kinds: frozenset[str]
    versions: frozenset[str]
    operations: frozenset[str]

    @classmethod
    def of(cls, api: Api) -> "Words":
        """The words of an API."""
        versions = {version.name for kind in api for version in kind.versions}
        return cls(
            frozenset({*(kind.name for kind in api), "Scale"}),
            frozenset({*versions, "v1"}),
            frozenset(OPERATIONS),
        )

    def kind(self, name: str) -> str:
        """A kind as a label."""
        return name if name in self.kinds else OTHER

    def version(self, name: str) -> str:
        """A version as a label."""
        return name if name in self.versions else OTHER

    def operation(self, name: str) -> str:
        """An operation as a label."""
        return name if name in self.operations else OTHER


class Counts:
    """What one worker did since it started; a snapshot of it is JSON.

    Args:
        words: The labels that there may be.
    """

    def __init__(self, words: Words) -> None:
        self._words = words
        self.answers: dict[tuple[str, int], int] = {}
        self.timings: dict[str, Timing] = {}
        self.reviews: dict[tuple[str, ...], int] = {}
        self.conversions: dict[tuple[str, ...], list[int]] = {}
        self.bytes: dict[tuple[str, str], int] = {}

    def add(self, seen: Seen) -> None:
        """Count an answer."""
        path, about = seen.path, seen.about
        key = path, seen.status
        self.answers[key] = self.answers.get(key, 0) + 1
        timing = self.timings.get(path)
        if timing is None:
            timing = self.timings[path] = Timing()
        timing.add(seen.seconds)
        for way, size in (("in", seen.bytes_in), ("out", seen.bytes_out)):
            self.bytes[path, way] = self.bytes.get((path, way), 0) + size
        if about is None:
            return
        if about.objects is None:
            review = (
                self._words.kind(about.kind),
                self._words.operation(about.operation),
                self._words.version(about.version),
                about.verdict,
            )
            self.reviews[review] = self.reviews.get(review, 0) + 1
        else:
            pair = self._words.version(about.version), about.verdict
            found = self.conversions.setdefault(pair, [0, 0, 0])
            found[0] += 1
            found[1] += about.objects
            found[2] += about.dropped_bytes

    def snapshot(self) -> dict[str, Any]:
        """Everything as JSON: lists of labels and numbers."""
        return {
            "answers": [[*key, count] for key, count in self.answers.items()],
            "timings": [[key, one.seconds, one.counts] for key, one in self.timings.items()],
            "reviews": [[*key, count] for key, count in self.reviews.items()],
            "conversions": [[*key, *counts] for key, counts in self.conversions.items()],
            "bytes": [[*key, count] for key, count in self.bytes.items()],
        }


Numbers: TypeAlias = dict[str, dict[tuple[str, ...], list[float]]]
"""What was counted, by name and labels."""

# How many of a row's members are labels; the rest are numbers.
_LABELS: Final = {
    "answers": 2,
    "timings": 1,
    "reviews": 4,
    "conversions": 2,
    "bytes": 2,
    "handshakes": 1,
    "dropped_lines": 1,
}


def add(numbers: Numbers, snapshot: Mapping[str, Any]) -> None:
    """Add a worker's snapshot to the numbers of others."""
    for name, width in _LABELS.items():
        found = numbers.setdefault(name, {})
        for row in snapshot.get(name, ()):
            labels = tuple(map(str, row[:width]))
            values = [one for item in row[width:] for one in _flat(item)]
            before = found.get(labels, [0.0] * len(values))
            found[labels] = [a + b for a, b in zip(before, values, strict=True)]


def _flat(item: Any) -> list[float]:
    return item if isinstance(item, list) else [item]


class Collector:
    """What all workers did, for prometheus_client: those that run, and those that ended."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self.live: dict[int, Mapping[str, Any]] = {}
        self._ended: Numbers = {}
        self.certificates: Callable[[], monitor.Status | None] = lambda: None
        """What is known of the certificates."""

    def ended(self, pid: int) -> None:
        """A worker is no more; what it did still counts."""
        add(self._ended, self.live.pop(pid, {}))

    def collect(self) -> Iterator[core.Metric]:
        """Every metric."""
        found: Numbers = copy.deepcopy(self._ended)
        for snapshot in [{}, *self.live.values()]:
            add(found, snapshot)
        yield _counter(
            "controller_runtime_webhook_requests",
            "Total number of admission and conversion requests by HTTP status code.",
            ["webhook", "code"],
            found["answers"],
        )
        yield _latency(found["timings"])
        flying = core.GaugeMetricFamily(
            "controller_runtime_webhook_requests_in_flight",
            "Requests that are being read or answered.",
            labels=["webhook"],
        )
        flying.add_metric(["all"], sum(one.get("in_flight", 0) for one in self.live.values()))
        yield flying
        yield _counter(
            "kubewright_admission_reviews",
            "Admission reviews by kind, operation, version and verdict.",
            ["kind", "operation", "version", "verdict"],
            found["reviews"],
        )
        for at, (name, text) in enumerate(_CONVERSIONS.items()):
            labels = ["version", "verdict"]
            yield _counter(f"kubewright_conversion_{name}", text, labels, found["conversions"], at)
        yield _counter(
            "kubewright_webhook_bytes",
            "Bytes of bodies, in and out.",
            ["webhook", "direction"],
            found["bytes"],
        )
        yield _counter(
            "kubewright_webhook_tls_handshake_errors",
            "TLS handshakes that failed, by why.",
            ["reason"],
            found["handshakes"],
        )
        yield log_writer.metric(found["dropped_lines"])
        yield core.GaugeMetricFamily(
            "kubewright_webhook_workers", "Worker processes that serve.", value=len(self.live)
        )
        status = self.certificates()
        yield from _leaves([*self.live.values()], self._now(), status)
        if status is not None:
            yield from _authority(status)


def _leaves(
    live: Sequence[Mapping[str, Any]], now: float, status: monitor.Status | None
) -> Iterator[core.Metric]:
    ends = [one["leaf_not_after"] for one in live if one.get("leaf_not_after")]
    if ends:
        yield core.GaugeMetricFamily(
            "kubewright_certificate_not_after_seconds",
            "When the leaf ends that is served, in seconds since 1970.",
            value=min(ends),
        )
        yield core.GaugeMetricFamily(
            "kubewright_certificate_remaining_seconds",
            "Seconds until the leaf ends that is served; below 0: since then.",
            value=min(ends) - now,
        )
    yield core.GaugeMetricFamily(
        "kubewright_reload_failures",
        "Changed files that were refused, because they were broken.",
        value=sum(one.get("reload_failures", 0) for one in live)
        + (0 if status is None else status.reload_failures),
    )


def _authority(status: monitor.Status) -> Iterator[core.Metric]:
    rows = {
        "authority_not_after_seconds": ("When the authority ends.", status.authority_not_after),
        "generation": ("Of the authority whose leaf is served.", status.generation),
        "bundle_in_sync": ("Whether all caBundles show it.", status.is_bundle_in_sync),
        "rotating": ("Whether two authorities are published.", status.is_rotating),
    }
    for name, (text, value) in rows.items():
        if value is not None:
            yield core.GaugeMetricFamily(f"kubewright_certificate_{name}", text, value=float(value))


# The numbers of a conversion's row.
_CONVERSIONS: Final = {
    "reviews": "Conversion reviews by wanted version.",
    "objects": "Objects in conversion reviews.",
    "dropped_bytes": "Bytes of residue that found no room.",
}


def _counter(
    name: str,
    text: str,
    labels: Sequence[str],
    rows: Mapping[tuple[str, ...], Sequence[float]],
    at: int = 0,
) -> core.Metric:
    """A counter of the number at a place of each row."""
    counter = core.CounterMetricFamily(name, text, labels=labels)
    for values, numbers in rows.items():
        counter.add_metric(values, numbers[at])
    return counter


def _latency(timings: Mapping[tuple[str, ...], list[float]]) -> core.Metric:
    latency = core.HistogramMetricFamily(
        "controller_runtime_webhook_latency_seconds",
        "Seconds from a whole request to its answer.",
        labels=["webhook"],
    )
    for labels, (seconds, *counts) in timings.items():
        bounds = [*map(str, BUCKETS), "+Inf"]
        totals = itertools.accumulate(counts)
        latency.add_metric(labels, [*zip(bounds, totals, strict=True)], seconds)
    return latency
