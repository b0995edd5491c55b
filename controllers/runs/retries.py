"""Retries of failed runs. Pure."""

import dataclasses
from typing import Final

# Disruptions that do not use up a retry: a pod that fits no node would be evicted endlessly.
MAX_DISRUPTIONS: Final = 10


def allowed(retries: int, disruptions: int) -> int:
    """Return the allowed number of attempts; disruptions use up no retry.

    Without retries, a disrupted attempt is not repeated either, because it had begun.
    """
    return 1 + retries + min(disruptions, MAX_DISRUPTIONS) if retries else 1


@dataclasses.dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential backoff between attempts, as ``runDefaults.retry.backoff`` of an Agent.

    Attributes:
        base_seconds: Before the second attempt.
        max_seconds: Maximum; the delay doubles with each attempt.
        jitter: Share by which a delay varies in both directions.
    """

    base_seconds: float = 5.0
    max_seconds: float = 300.0
    jitter: float = 0.2

    def seconds(self, failures: int, rng: float) -> float:
        """Return the delay after a number of failures; ``rng`` is a random number from 0 to 1."""
        doubled: float = self.base_seconds * 2 ** min(failures - 1, _MAX_DOUBLINGS)
        return min(doubled, self.max_seconds) * (1 - self.jitter + 2 * self.jitter * rng)


_MAX_DOUBLINGS: Final = 30
