"""Metrics of the controller, with controller-runtime's names where they exist. No I/O.

No label has names of runs: their cardinality is unbounded.
"""

from collections.abc import Callable

import prometheus_client
from prometheus_client import Counter, Gauge, Histogram

CONTROLLER = "agentrun"
_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)


class Metrics:
    """The metrics and their registry."""

    def __init__(self) -> None:
        self.registry = prometheus_client.CollectorRegistry()
        labels = ("controller",)
        self._reconciliations = Counter(
            "controller_runtime_reconcile",
            "Total number of reconciliations, by result.",
            (*labels, "result"),
            registry=self.registry,
        )
        self._reconcile_seconds = Histogram(
            "controller_runtime_reconcile_time_seconds",
            "Duration of reconciliations.",
            labels,
            buckets=_BUCKETS,
            registry=self.registry,
        ).labels(CONTROLLER)
        self._delay = Histogram(
            "workqueue_queue_duration_seconds",
            "Time that a run waits in the queue before reconciliation.",
            ("name",),
            buckets=_BUCKETS,
            registry=self.registry,
        ).labels(CONTROLLER)
        self._outcomes = Counter(
            "agents_agent_run_outcomes",
            "Total number of ended runs, by outcome and runtime.",
            ("outcome", "runtime"),
            registry=self.registry,
        )
        self._unreadable_events = Counter(
            "agents_unreadable_events",
            "Total number of unreadable objects that were skipped, by resource.",
            ("resource",),
            registry=self.registry,
        )
        self._unreadable = Gauge(
            "agents_unreadable_objects",
            "Number of unreadable objects that are ignored, by resource.",
            ("resource",),
            registry=self.registry,
        )
        self._followed = Gauge(
            "agents_followed",
            "Whether the cache of a resource is up to date.",
            ("resource",),
            registry=self.registry,
        )
        self._in_flight = Gauge(
            "agents_active_concurrency", "Number of runs that hold a slot.", registry=self.registry
        )
        self._leads = Gauge(
            "leader_election_master_status",
            "Whether this replica is the leader.",
            ("name",),
            registry=self.registry,
        )

    def unreadable(self, resource: str) -> None:
        """Count a skipped object."""
        self._unreadable_events.labels(resource).inc()

    def follows(
        self, resource: str, *, is_followed: Callable[[], bool], unreadable: Callable[[], int]
    ) -> None:
        """Export the state of a cache by callbacks."""
        self._followed.labels(resource).set_function(is_followed)
        self._unreadable.labels(resource).set_function(unreadable)

    def depth(self, count: Callable[[], int]) -> None:
        """Export the queue depth by a callback."""
        gauge = Gauge(
            "workqueue_depth", "Number of runs in the queue.", ("name",), registry=self.registry
        )
        gauge.labels(CONTROLLER).set_function(count)

    def reload_failures(self, count: Callable[[], int]) -> None:
        """Export the number of failed reloads by a callback."""
        gauge = Gauge(
            "kubewright_reload_failures",
            "Total number of failed reloads of changed files.",
            registry=self.registry,
        )
        gauge.set_function(count)

    def reconciled(self, result: str, seconds: float) -> None:
        """Count a reconciliation."""
        self._reconciliations.labels(CONTROLLER, result).inc()
        self._reconcile_seconds.observe(seconds)

    def waited(self, seconds: float) -> None:
        """Record a run's time in the queue."""
        self._delay.observe(seconds)

    def ended(self, outcome: str, runtime: str) -> None:
        """Count an ended run."""
        self._outcomes.labels(outcome, runtime).inc()

    def admitted(self, in_flight: int) -> None:
        """Set the number of held slots."""
        self._in_flight.set(in_flight)

    def leads(self, lease: str, *, is_leader: bool) -> None:
        """Set whether this replica leads."""
        self._leads.labels(lease).set(int(is_leader))
