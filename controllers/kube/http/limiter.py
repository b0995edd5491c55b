"""A token bucket that limits a client's request rate. Shell of one wait; imports only the errors.

`Bucket` computes without a clock; `Limiter` waits, first come first served.
"""

import asyncio
import dataclasses
import time
from collections.abc import Awaitable, Callable

from controllers.kube import errors

# Tolerance for floating-point errors after an exact wait.
_ROUNDING = 1e-9


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A rate limit.

    Attributes:
        qps: Sustained rate per second.
        burst: Maximum burst.
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
    """A token bucket; times are arguments, in seconds."""

    rate: Rate
    level: float
    at: float

    @classmethod
    def full(cls, rate: Rate, now: float) -> "Bucket":
        """Create a full bucket."""
        return cls(rate, rate.burst, now)

    def wait_seconds(self, now: float, tokens: int = 1) -> float:
        """Return the seconds until this many tokens are available."""
        missing = tokens - self._level(now)
        return missing / self.rate.qps if missing > _ROUNDING else 0.0

    def taken(self, now: float) -> "Bucket":
        """Return the bucket with one token less; the caller has waited for it."""
        return Bucket(self.rate, self._level(now) - 1, now)

    def _level(self, now: float) -> float:
        # A clock that went back neither adds nor removes tokens.
        grown = max(0.0, now - self.at) * self.rate.qps
        return min(float(self.rate.burst), self.level + grown)


class Limiter:
    """Limits the callers of an event loop to a rate, first come first served.

    Args:
        rate: The rate limit.
        clock: Monotonic seconds.
        sleep: Sleeps for seconds.
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
        # Fair: the longest waiter is next.
        self._turn = asyncio.Lock()

    async def wait(self, what: object, within_seconds: float) -> None:
        """Wait for a token and take it.

        Args:
            what: The request, for the error.
            within_seconds: Maximum wait.

        Raises:
            DeadlineExceededError: The token would be available too late. Raised immediately, like
                client-go, instead of queueing in vain.
        """
        seconds = self._bucket.wait_seconds(self._clock(), tokens=self._waiting + 1)
        if seconds > within_seconds:
            raise errors.DeadlineExceededError(
                f"expected to send {what} within {within_seconds:.3g} s, got a wait of "
                f"{seconds:.3g} s: {self._waiting} requests are queued for the client-side rate "
                f"limit of {self._bucket.rate.qps:g} per second"
            )
        self._waiting += 1
        try:
            # The token is taken only on success, so that a cancelled caller does not lose one.
            async with self._turn:
                while seconds := self._bucket.wait_seconds(self._clock()):
                    await self._sleep(seconds)
                self._bucket = self._bucket.taken(self._clock())
        finally:
            self._waiting -= 1
