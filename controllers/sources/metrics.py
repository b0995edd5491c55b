"""Metrics of sources. No I/O.

Labels are words of closed sets: nothing of a request, and no name of a source.
"""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from controllers.sources.api_constants import Ending, Refusal, Skip
from controllers.sources.applier import Result

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)


class Metrics:
    """The metrics of this process' sources.

    Args:
        registry: That of the process.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._refused = Counter(
            "agents_source_deliveries_refused",
            "Total number of refused deliveries, by reason.",
            ("reason",),
            registry=registry,
        )
        self._accepted = Counter(
            "agents_source_deliveries_accepted",
            "Total number of deliveries that were answered with 202.",
            registry=registry,
        )
        self._observations = Counter(
            "agents_source_observations",
            "Total number of observations of issues, by what they changed.",
            ("result",),
            registry=registry,
        )
        self._seconds = Histogram(
            "agents_source_delivery_seconds",
            "Duration from the end of a delivery's head to its answer.",
            buckets=_BUCKETS,
            registry=registry,
        )
        for reason in Refusal:
            self._refused.labels(reason.value)
        for word in (*Skip, *Ending):
            self._observations.labels(word.value)

    def refused(self, reason: Refusal) -> None:
        """Count a refused delivery."""
        self._refused.labels(reason.value).inc()

    def accepted(self) -> None:
        """Count a delivery that was answered with 202."""
        self._accepted.inc()

    def observed(self, result: Result) -> None:
        """Count an observation by its result."""
        self._observations.labels("applied" if result is None else result.value).inc()

    def answered(self, seconds: float) -> None:
        """Observe the duration of a delivery."""
        self._seconds.observe(seconds)

    def follow(self, waiting: Callable[[], float], spool_bytes: Callable[[], float]) -> None:
        """Show how many issues wait to be applied, and the size of the spool."""
        for name, text, value in (
            ("agents_source_waiting_issues", "Number of issues that wait.", waiting),
            ("agents_source_spool_bytes", "Size of the spool.", spool_bytes),
        ):
            Gauge(name, text, registry=self._registry).set_function(value)
