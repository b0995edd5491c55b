"""How many requests a client may send: a token bucket. Shell of one wait; imports only the errors.

`Bucket` decides and knows no clock; `Limiter` waits, first come first served.
"""

import asyncio
import dataclasses
import time
from collections.abc import Awaitable, Callable

from controllers.kube import errors

# A wait that was just long enough may leave a token short by what floats lose.
_ROUNDING = 1e-9


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How often something may happen.

    Attributes:
        qps: Per second, in the long run.
        burst: At once, after a pause.
    """

    qps: float
    burst: int

    def __post_init__(self) -> None:
        if self.qps <= 0 or self.burst < 1:
            raise ValueError(
                f"expected qps above 0 and a burst of at least 1, got {self.qps:g} and {self.burst}"
            )


@dataclasses.dataclass(frozen=True, slots=True)
class Bucket:
    """Tokens, one for each thing that happens; every instant is an argument, in seconds."""

    rate: Rate
    level: float
    at: float

    @classmethod
    def full(cls, rate: Rate, now: float) -> "Bucket":
        """The bucket of who has done nothing for long."""
        return cls(rate, rate.burst, now)

    def wait_seconds(self, now: float, tokens: int = 1) -> float:
        """How long until there are so many tokens, those counted that are taken meanwhile."""
        missing = tokens - self._level(now)
        return missing / self.rate.qps if missing > _ROUNDING else 0.0

    def taken(self, now: float) -> "Bucket":
        """The bucket with a token less; whoever takes one has waited for it."""
        return Bucket(self.rate, self._level(now) - 1, now)

    def _level(self, now: float) -> float:
        # A clock that went back gives nothing and takes nothing.
        grown = max(0.0, now - self.at) * self.rate.qps
        return min(float(self.rate.burst), self.level + grown)


class Limiter:
    """Lets callers of one event loop go on as fast as a rate allows, in the order they came.

    Args:
        rate: How fast.
        clock: Seconds that never go back.
        sleep: Waits for seconds.
    """

    def __init__(
        self,
        rate: Rate,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._clock, self._sleep = clock, sleep
        self._bucket = Bucket.full(rate, clock())
        self._waiting = 0
        # Fair: whoever waits for it longest gets it next.
        self._turn = asyncio.Lock()

    async def wait(self, what: object, within_seconds: float) -> None:
        """Wait for one's turn and take a token.

        Args:
            what: Waits; for the error.
            within_seconds: How long it may.

        Raises:
            DeadlineExceededError: The turn would come too late. Told at once, as by client-go, so
                that nobody queues for nothing.
        """
        seconds = self._bucket.wait_seconds(self._clock(), tokens=self._waiting + 1)
        if seconds > within_seconds:
            raise errors.DeadlineExceededError(
                f"expected to send {what} within {within_seconds:.3g} s, got a turn in "
                f"{seconds:.3g} s: {self._waiting} requests wait already for the client's own "
                f"limit of {self._bucket.rate.qps:g} a second"
            )
        self._waiting += 1
        try:
            # A token is taken only by who goes on, so that who is cancelled leaves none missing.
            async with self._turn:
                while seconds := self._bucket.wait_seconds(self._clock()):
                    await self._sleep(seconds)
                self._bucket = self._bucket.taken(self._clock())
        finally:
            self._waiting -= 1
