"""Request metrics: plain counters that workers report and the supervisor exports.

Names of controller-runtime's webhook metrics (sigs.k8s.io/controller-runtime,
pkg/webhook/internal/metrics) are reused so that existing dashboards work.
"""

import bisect
import copy
import dataclasses
import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from prometheus_client import core

from certs import expiry_report
from controllers.process import log_writer
from schemagen import Api
from schemagen.model.registry import OPERATIONS
from webhooks.answers import RequestLog

# controller-runtime uses Prometheus' default buckets; the finer ones cover our latencies.
BUCKETS: Final = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)


@dataclasses.dataclass
class Timing:
    """A latency histogram.

    Attributes:
        counts: Per bucket, not cumulative; the last one is above all bounds.
    """

    seconds: float = 0.0
    counts: list[int] = dataclasses.field(default_factory=lambda: [0] * (len(BUCKETS) + 1))

    def add(self, seconds: float) -> None:
        """Count an observation."""
        self.seconds += seconds
        self.counts[bisect.bisect_left(BUCKETS, seconds)] += 1


OTHER: Final = "other"


@dataclasses.dataclass(frozen=True)
class LabelValues:
    """The closed set of label values: a client must not be able to create new ones.

    Attributes:
        kinds: Kinds of the API, and Scale.
        versions: Versions of the API, and Scale's.
        operations: Operations that rules may review.
    """

    kinds: frozenset[str]
    versions: frozenset[str]
    operations: frozenset[str]

    @classmethod
    def of(cls, api: Api) -> "LabelValues":
        """Return the label values of an API."""
        versions = {version.name for kind in api for version in kind.versions}
        return cls(
            frozenset({*(kind.name for kind in api), "Scale"}),
            frozenset({*versions, "v1"}),
            frozenset(OPERATIONS),
        )

    def kind(self, name: str) -> str:
        """Return the label of a kind."""
        return name if name in self.kinds else OTHER

    def version(self, name: str) -> str:
        """Return the label of a version."""
        return name if name in self.versions else OTHER

    def operation(self, name: str) -> str:
        """Return the label of an operation."""
        return name if name in self.operations else OTHER


class Counts:
    """Counters of a worker since it started; a snapshot is JSON.

    Args:
        labels: The allowed label values.
    """

    def __init__(self, labels: LabelValues) -> None:
        self._labels = labels
        self.answers: dict[tuple[str, int], int] = {}
        self.timings: dict[str, Timing] = {}
        self.reviews: dict[tuple[str, ...], int] = {}
        self.conversions: dict[tuple[str, ...], list[int]] = {}
        self.bytes: dict[tuple[str, str], int] = {}

    def add(self, request: RequestLog) -> None:
        """Count a response."""
        path, info = request.path, request.info
        key = path, request.status
        self.answers[key] = self.answers.get(key, 0) + 1
        timing = self.timings.get(path)
        if timing is None:
            timing = self.timings[path] = Timing()
        timing.add(request.seconds)
        for direction, size in (("in", request.bytes_in), ("out", request.bytes_out)):
            self.bytes[path, direction] = self.bytes.get((path, direction), 0) + size
        if info is None:
            return
        if info.objects is None:
            review = (
                self._labels.kind(info.kind),
                self._labels.operation(info.operation),
                self._labels.version(info.version),
                info.verdict,
            )
            self.reviews[review] = self.reviews.get(review, 0) + 1
        else:
            pair = self._labels.version(info.version), info.verdict
            counts = self.conversions.setdefault(pair, [0, 0, 0])
            counts[0] += 1
            counts[1] += info.objects
            counts[2] += info.dropped_bytes

    def snapshot(self) -> dict[str, Any]:
        """Return everything as JSON: lists of labels and numbers."""
        return {
            "answers": [[*key, count] for key, count in self.answers.items()],
            "timings": [
                [key, timing.seconds, timing.counts] for key, timing in self.timings.items()
            ],
            "reviews": [[*key, count] for key, count in self.reviews.items()],
            "conversions": [[*key, *counts] for key, counts in self.conversions.items()],
            "bytes": [[*key, count] for key, count in self.bytes.items()],
        }


Numbers: TypeAlias = dict[str, dict[tuple[str, ...], list[float]]]
"""Counters by name and labels."""

# Number of labels in a row; the remaining members are numbers.
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
    """Add a worker's snapshot to the totals."""
    for name, width in _LABELS.items():
        totals = numbers.setdefault(name, {})
        for row in snapshot.get(name, ()):
            labels = tuple(map(str, row[:width]))
            values = [number for item in row[width:] for number in _flat(item)]
            before = totals.get(labels, [0.0] * len(values))
            totals[labels] = [a + b for a, b in zip(before, values, strict=True)]


def _flat(item: Any) -> list[float]:
    return item if isinstance(item, list) else [item]


class Collector:
    """Prometheus collector for all workers, running and ended."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self.live: dict[int, Mapping[str, Any]] = {}
        self._ended: Numbers = {}
        self.certificates: Callable[[], expiry_report.Status | None] = lambda: None
        """Returns the certificate status, if known."""

    def ended(self, pid: int) -> None:
        """Keep the counters of a worker that ended."""
        add(self._ended, self.live.pop(pid, {}))

    def collect(self) -> Iterator[core.Metric]:
        """Yield every metric."""
        totals: Numbers = copy.deepcopy(self._ended)
        for snapshot in [{}, *self.live.values()]:
            add(totals, snapshot)
        yield _counter(
            "controller_runtime_webhook_requests",
            "Total number of admission and conversion requests by HTTP status code.",
            ["webhook", "code"],
            totals["answers"],
        )
        yield _latency(totals["timings"])
        flying = core.GaugeMetricFamily(
            "controller_runtime_webhook_requests_in_flight",
            "Number of requests in flight.",
            labels=["webhook"],
        )
        flying.add_metric(
            ["all"], sum(snapshot.get("in_flight", 0) for snapshot in self.live.values())
        )
        yield flying
        yield _counter(
            "kubewright_admission_reviews",
            "Admission reviews by kind, operation, version and verdict.",
            ["kind", "operation", "version", "verdict"],
            totals["reviews"],
        )
        for at, (name, text) in enumerate(_CONVERSIONS.items()):
            labels = ["version", "verdict"]
            yield _counter(f"kubewright_conversion_{name}", text, labels, totals["conversions"], at)
        yield _counter(
            "kubewright_webhook_bytes",
            "Bytes of request and response bodies.",
            ["webhook", "direction"],
            totals["bytes"],
        )
        yield _counter(
            "kubewright_webhook_tls_handshake_errors",
            "Failed TLS handshakes by reason.",
            ["reason"],
            totals["handshakes"],
        )
        yield log_writer.metric(totals["dropped_lines"])
        yield core.GaugeMetricFamily(
            "kubewright_webhook_workers",
            "Number of serving worker processes.",
            value=len(self.live),
        )
        status = self.certificates()
        yield from _leaves([*self.live.values()], self._now(), status)
        if status is not None:
            yield from _authority(status)


def _leaves(
    live: Sequence[Mapping[str, Any]], now: float, status: expiry_report.Status | None
) -> Iterator[core.Metric]:
    ends = [snapshot["leaf_not_after"] for snapshot in live if snapshot.get("leaf_not_after")]
    if ends:
        yield core.GaugeMetricFamily(
            "kubewright_certificate_not_after_seconds",
            "Expiry of the serving certificate, in seconds since 1970.",
            value=min(ends),
        )
        yield core.GaugeMetricFamily(
            "kubewright_certificate_remaining_seconds",
            "Seconds until the serving certificate expires; negative once expired.",
            value=min(ends) - now,
        )
    yield core.GaugeMetricFamily(
        "kubewright_reload_failures",
        "Failed reloads of changed files.",
        value=sum(snapshot.get("reload_failures", 0) for snapshot in live)
        + (0 if status is None else status.reload_failures),
    )


def _authority(status: expiry_report.Status) -> Iterator[core.Metric]:
    rows = {
        "authority_not_after_seconds": (
            "Expiry of the CA, in seconds since 1970.",
            status.authority_not_after,
        ),
        "generation": (
            "Generation of the CA that signed the serving certificate.",
            status.generation,
        ),
        "bundle_in_sync": ("Whether all caBundles contain the CA.", status.is_bundle_in_sync),
        "rotating": ("Whether a CA rotation is in progress.", status.is_rotating),
    }
    for name, (text, value) in rows.items():
        if value is not None:
            yield core.GaugeMetricFamily(f"kubewright_certificate_{name}", text, value=float(value))


# The columns of a conversion row.
_CONVERSIONS: Final = {
    "reviews": "Conversion reviews by desired API version.",
    "objects": "Objects in conversion reviews.",
    "dropped_bytes": "Bytes of conversion residue dropped for lack of space.",
}


def _counter(
    name: str,
    text: str,
    labels: Sequence[str],
    rows: Mapping[tuple[str, ...], Sequence[float]],
    column: int = 0,
) -> core.Metric:
    """Build a counter from one column of the rows."""
    counter = core.CounterMetricFamily(name, text, labels=labels)
    for values, numbers in rows.items():
        counter.add_metric(values, numbers[column])
    return counter


def _latency(timings: Mapping[tuple[str, ...], list[float]]) -> core.Metric:
    latency = core.HistogramMetricFamily(
        "controller_runtime_webhook_latency_seconds",
        "Latency from the complete request to the response, in seconds.",
        labels=["webhook"],
    )
    for labels, (seconds, *counts) in timings.items():
        bounds = [*map(str, BUCKETS), "+Inf"]
        totals = itertools.accumulate(counts)
        latency.add_metric(labels, [*zip(bounds, totals, strict=True)], seconds)
    return latency
