"""What the controller counts, under controller-runtime's names where it has one. No I/O.

No label holds a name of a run: their number has no bound.
"""

from collections.abc import Callable

import prometheus_client
from prometheus_client import Counter, Gauge, Histogram

CONTROLLER = "agentrun"
_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)


class Metrics:
    """A registry of its own, and what is in it."""

    def __init__(self) -> None:
        self.registry = prometheus_client.CollectorRegistry()
        labels = ("controller",)
        self._looks = Counter(
            "controller_runtime_reconcile",
            "Looks at runs, by outcome.",
            (*labels, "result"),
            registry=self.registry,
        )
        self._look_seconds = Histogram(
            "controller_runtime_reconcile_time_seconds",
            "How long a look at a run took.",
            labels,
            buckets=_BUCKETS,
            registry=self.registry,
        ).labels(CONTROLLER)
        self._delay = Histogram(
            "workqueue_queue_duration_seconds",
            "How long a run was due before it was looked at.",
            ("name",),
            buckets=_BUCKETS,
            registry=self.registry,
        ).labels(CONTROLLER)
        self._outcomes = Counter(
            "agents_agent_run_outcomes",
            "Runs that ended, by outcome and runtime.",
            ("outcome", "runtime"),
            registry=self.registry,
        )
        self._unreadable_events = Counter(
            "agents_unreadable_events",
            "Times that an object was passed over because it could not be read, by resource.",
            ("resource",),
            registry=self.registry,
        )
        self._unreadable = Gauge(
            "agents_unreadable_objects",
            "Objects that cannot be read and are passed over, by resource.",
            ("resource",),
            registry=self.registry,
        )
        self._followed = Gauge(
            "agents_followed",
            "Whether the objects of a resource are followed.",
            ("resource",),
            registry=self.registry,
        )
        self._in_flight = Gauge(
            "agents_active_concurrency", "Runs that hold a slot.", registry=self.registry
        )
        self._leads = Gauge(
            "leader_election_master_status",
            "Whether this replica leads.",
            ("name",),
            registry=self.registry,
        )

    def unreadable(self, resource: str) -> None:
        """An object was passed over."""
        self._unreadable_events.labels(resource).inc()

    def follows(
        self, resource: str, *, is_followed: Callable[[], bool], unreadable: Callable[[], int]
    ) -> None:
        """Whether a collection is followed, and how much is passed over, is asked when shown."""
        self._followed.labels(resource).set_function(is_followed)
        self._unreadable.labels(resource).set_function(unreadable)

    def depth(self, count: Callable[[], int]) -> None:
        """How many runs are to be looked at is asked whenever it is shown."""
        gauge = Gauge(
            "workqueue_depth", "Runs that are to be looked at.", ("name",), registry=self.registry
        )
        gauge.labels(CONTROLLER).set_function(count)

    def reload_failures(self, count: Callable[[], int]) -> None:
        """How often changed settings were refused is asked whenever it is shown."""
        gauge = Gauge(
            "kubewright_reload_failures",
            "Changed files that were refused, because they were broken.",
            registry=self.registry,
        )
        gauge.set_function(count)

    def looked(self, result: str, seconds: float) -> None:
        """A run was looked at."""
        self._looks.labels(CONTROLLER, result).inc()
        self._look_seconds.observe(seconds)

    def waited(self, seconds: float) -> None:
        """A run was due for so long."""
        self._delay.observe(seconds)

    def ended(self, outcome: str, runtime: str) -> None:
        """A run ended."""
        self._outcomes.labels(outcome, runtime).inc()

    def admitted(self, in_flight: int) -> None:
        """So many runs hold a slot now."""
        self._in_flight.set(in_flight)

    def leads(self, lease: str, *, is_leader: bool) -> None:
        """Whether this replica leads."""
        self._leads.labels(lease).set(int(is_leader))
