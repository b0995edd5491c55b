"""Sends the requests of a migration, and waits for whatever is away. Shell: time, randomness."""

import asyncio
import dataclasses
import random
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from schemagen.compat import clusters
from schemagen.migrate.requests import failures
from schemagen.migrate.requests.failures import Failure
from schemagen.problems import JSON, UserError

_T = TypeVar("_T")

_FIRST_SECONDS, _MAX_SECONDS = 0.1, 5.0
_DOUBTS = 3


class StalledError(UserError):
    """The API server or a webhook stayed away too long; the progress is kept."""


@dataclasses.dataclass(frozen=True)
class Answer:
    """The answer to a write.

    Attributes:
        value: The object; None if the write was not accepted.
        failure: Why it was not accepted.
        cause: The same in the API server's words.
        is_repeated: Whether an earlier attempt was not answered, and may have been carried out.
    """

    value: JSON
    failure: Failure | None = None
    cause: str = ""
    is_repeated: bool = False


class Attempts:
    """Retries requests with backoff.

    Args:
        cluster: Where to send them.
        patience_seconds: How long to wait for something that is away.
        tell: Receives a line whenever waiting begins or ends.
    """

    def __init__(
        self,
        cluster: clusters.WritableCluster,
        *,
        patience_seconds: float,
        tell: Callable[[str], None],
    ) -> None:
        self._cluster, self._patience_seconds, self._tell = cluster, patience_seconds, tell
        self._last_success = time.monotonic()
        self._is_waiting = False

    async def get(self, path: str, **query: str) -> JSON:
        """Return the answer to a GET, however long it takes to come."""
        return await self._until(lambda: self._cluster.get(path, **query), "")

    async def get_object(self, path: str, name: str) -> JSON:
        """Return an object.

        Raises:
            clusters.NotFoundError: if it does not exist.
        """
        return await self._until(lambda: self._cluster.get(path), name)

    async def send(self, write: clusters.Write, name: str = "") -> Answer:
        """Send a write until it is answered, also with a refusal.

        Args:
            write: The write.
            name: The name of its object.
        """
        tries = 0

        async def attempt() -> JSON:
            nonlocal tries
            tries += 1
            return await self._cluster.send(write)

        try:
            value = await self._until(attempt, name)
        except clusters.ClusterError as error:
            return Answer(None, failures.of(error, name), error.cause, is_repeated=tries > 1)
        return Answer(value, is_repeated=tries > 1)

    async def _until(self, attempt: Callable[[], Awaitable[_T]], name: str) -> _T:
        doubts, delay = 0, _FIRST_SECONDS
        while True:
            try:
                answer = await attempt()
            except clusters.ClusterError as error:
                failure = failures.of(error, name)
                doubts += failure is Failure.DOUBTFUL
                is_transient = failure in failures.WAITS
                if not is_transient and (failure is not Failure.DOUBTFUL or doubts > _DOUBTS):
                    raise
                if is_transient:
                    self._wait(error, failure)
                seconds = max(delay * random.uniform(0.5, 1), error.retry_after_seconds or 0)  # noqa: S311 - jitter
                await asyncio.sleep(seconds)
                delay = min(delay * 2, _MAX_SECONDS)
            else:
                self._succeed()
                return answer

    def _wait(self, error: clusters.ClusterError, failure: Failure) -> None:
        seconds = time.monotonic() - self._last_success
        if seconds > self._patience_seconds:
            raise StalledError(
                f"expected an answer within {self._patience_seconds:.0f} s, got none: {error}; "
                "what is done is kept, and the same command goes on from there"
            ) from error
        if not self._is_waiting:
            self._is_waiting = True
            what = "a webhook" if failure is Failure.WEBHOOK_AWAY else "the API server"
            self._tell(f"waiting for {what}: {error.cause or error}")

    def _succeed(self) -> None:
        self._last_success = time.monotonic()
        if self._is_waiting:
            self._is_waiting = False
            self._tell("going on")
