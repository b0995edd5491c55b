"""Probes the stores of Memories while this replica leads. Shell: probes."""

import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Mapping

from controllers import kube
from controllers.readiness.findings import Effect, Finding, Report, Type
from controllers.readiness.memory import health, probe
from controllers.readiness.memory.addresses import StoreAddresses
from controllers.readiness.memory.health import Health, Outcome
from controllers.runs import projections
from controllers.runs.runtimes.egress import Allowed
from schemagen.problems import JSON


@dataclasses.dataclass(frozen=True, slots=True)
class Checked:
    """The result of a check.

    Attributes:
        outcome: What the status reports.
        delay_seconds: Until the next probe.
    """

    outcome: Outcome
    delay_seconds: float


class Monitor:
    """Remembers the health of stores between probes.

    Args:
        allowed: Destinations that the operator allows besides the usual ones.
        rng: A random number from 0 to 1.
        clock: Monotonic seconds.
    """

    def __init__(
        self, allowed: Iterable[str], *, rng: Callable[[], float], clock: Callable[[], float]
    ) -> None:
        self._addresses = StoreAddresses(Allowed.of(allowed))
        self._rng, self._clock = rng, clock
        self._known: dict[kube.Key, tuple[object, Health, float]] = {}

    async def check(
        self, seen: projections.Whole, spec: JSON, values: Mapping[str, bytes]
    ) -> Checked:
        """Probe a store if that is due, and return what is known of it."""
        # Another spec or Secret is another store: nothing is known of it.
        identity = (seen.metadata.uid, seen.metadata.generation, _digest(values))
        schedule = health.schedule(spec)
        known, state, due = self._known.get(seen.key, (None, Health(), 0.0))
        if known != identity:
            state, due = Health(), self._clock()
        if state.shown is None or self._clock() >= due:
            outcome = await probe.probe(
                spec, values, self._addresses, timeout_seconds=schedule.timeout_seconds
            )
            state = health.observe(state, outcome)
            due = self._clock() + schedule.delay(state, self._rng())
            self._known[seen.key] = (identity, state, due)
        assert state.shown is not None  # noqa: S101 - probed above
        return Checked(state.shown, max(due - self._clock(), 0.0))

    def forget(self, key: kube.Key) -> None:
        """Drop what is known of a deleted Memory, or of one without a Secret."""
        self._known.pop(key, None)


def _digest(values: Mapping[str, bytes]) -> bytes:
    """Return a digest of a Secret, which is not kept itself."""
    return hashlib.sha256(repr(sorted(values.items())).encode()).digest()


def with_outcome(report: Report, outcome: Outcome) -> Report:
    """Add the outcome of a probe to the report on a Memory."""
    if outcome.is_ready:
        return dataclasses.replace(report, reason=outcome.reason, message=outcome.message)
    type_ = Type.INVALID_SPEC if outcome.is_invalid else Type.UNREACHABLE
    finding = Finding(outcome.reason, outcome.message, type_, Effect.BLOCKS)
    return dataclasses.replace(report, findings=(*report.findings, finding))
