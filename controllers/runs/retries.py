"""When a run that failed is tried again. Pure."""

import dataclasses
from typing import Final

# So many attempts may be taken away without using up a retry: a pod that is too large for any node
# is evicted again and again.
MAX_DISRUPTIONS: Final = 10


def allowed(retries: int, disruptions: int) -> int:
    """How many attempts there may be, if so many were taken away; those use up no retry.

    Where none is to be repeated, one that was taken away is not either: it had begun.
    """
    return 1 + retries + min(disruptions, MAX_DISRUPTIONS) if retries else 1


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
