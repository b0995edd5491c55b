"""The ledger in the cluster, updated by compare-and-swap. Shell: the cluster."""

import asyncio
import contextlib
import random
from collections.abc import Callable
from typing import Final, TypeVar

from controllers import kube
from controllers.ledger import encoding
from controllers.ledger.admission import Ledger, Limits

ATTEMPTS: Final = 10
# Initial backoff after a conflict, doubled each time, with full jitter.
FIRST_PAUSE_SECONDS: Final = 0.01

D = TypeVar("D")


class BusyError(Exception):
    """Conflicts persisted after all retries; nothing was written."""


class Book:
    """A ledger shared by several writers.

    Args:
        client: May get, create and replace the ConfigMap.
        place: Its namespace and name.
        limits: The limits in use, stored beside the ledger.
        rng: A random number from 0 to 1.
    """

    def __init__(
        self,
        client: kube.Client,
        place: tuple[str, str],
        limits: Limits,
        *,
        rng: Callable[[], float] = random.random,
    ) -> None:
        self._client, self._limits, self._rng = client, limits, rng
        self._place = self._namespace, self._name = place
        self._written: kube.JSON | None = None

    async def begin(self, ledger: Ledger) -> bool:
        """Create the ledger unless it exists; return whether it was created.

        Args:
            ledger: With all runs that have or may get a Job. A lost ledger may only be rebuilt from
                lists of the API server, not from a cache.
        """
        body = encoding.config_map(ledger, self._limits, self._place)
        try:
            await self._client.create(kube.CONFIG_MAPS, body)
        except kube.AlreadyExistsError:
            return False
        return True

    async def discard(self, resource_version: str) -> None:
        """Delete a corrupt ledger so that a new one can be created; do nothing if it has changed.

        Another replica may have created a valid one meanwhile, and assigned slots in it.

        Args:
            resource_version: Of the corrupt object (``CorruptError``).
        """
        with contextlib.suppress(kube.NotFoundError, kube.ConflictError):
            await self._client.delete(
                kube.CONFIG_MAPS,
                self._name,
                namespace=self._namespace,
                resource_version=resource_version,
            )

    async def read(self) -> Ledger:
        """Return the current ledger.

        Raises:
            NotFoundError: It does not exist: create it before admitting runs.
            CorruptError: The ConfigMap holds no ledger.
        """
        return encoding.read(await self._get())

    async def change(self, decide: Callable[[Ledger], tuple[Ledger, D]]) -> D:
        """Replace the ledger by the result of ``decide``; return the decision.

        ``decide`` sees the same ledger that is replaced: on a conflict it is read and decided
        again. Nothing is written if nothing changes.

        Args:
            decide: Pure; may be called several times.

        Raises:
            NotFoundError: As for ``read``.
            CorruptError: As for ``read``.
            BusyError: Ten conflicts in a row.
        """
        for attempt in range(ATTEMPTS):
            # The last written ledger is current unless another replica writes too; then its
            # resourceVersion makes this update conflict.
            config_map, self._written = self._written, None
            is_remembered = config_map is not None
            config_map = config_map or await self._get()
            before = encoding.read(config_map)
            after, decision = decide(before)
            if after == before and encoding.limits(config_map) == self._limits:
                if is_remembered:
                    continue
                return decision
            body = encoding.config_map(after, self._limits, self._place, config_map["metadata"])
            try:
                self._written = await self._client.replace(kube.CONFIG_MAPS, body)
            except kube.ConflictError:
                if not is_remembered:
                    await asyncio.sleep(FIRST_PAUSE_SECONDS * 2**attempt * self._rng())
                continue
            return decision
        raise BusyError(
            f"expected to update ledger {self._namespace}/{self._name}, got {ATTEMPTS} conflicts "
            "in a row"
        )

    async def _get(self) -> kube.JSON:
        return await self._client.get(kube.CONFIG_MAPS, self._name, namespace=self._namespace)
