"""When a run that failed is tried again. Pure."""

import dataclasses
from typing import Final


@dataclasses.dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before the next attempt; as ``runDefaults.retry.backoff`` of an Agent.

    Attributes:
        base_seconds: Before the second attempt.
        max_seconds: At most; a wait doubles from attempt to attempt.
        jitter: By which share a wait varies to both sides.
    """

    base_seconds: float = 5.0
    max_seconds: float = 300.0
    jitter: float = 0.2

    def seconds(self, failures: int, dice: float) -> float:
        """How long to wait after so many failures; ``dice`` is a random number from 0 to 1."""
        doubled: float = self.base_seconds * 2 ** min(failures - 1, _MOST_DOUBLINGS)
        return min(doubled, self.max_seconds) * (1 - self.jitter + 2 * self.jitter * dice)


_MOST_DOUBLINGS: Final = 30
