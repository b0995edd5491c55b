"""The ledger in the cluster: read, decided about, replaced by compare-and-swap. Shell: cluster."""

import asyncio
import contextlib
import random
from collections.abc import Callable
from typing import Final, TypeVar

from controllers import kube
from controllers.ledger import stored
from controllers.ledger.admission import Ledger, Limits

ATTEMPTS: Final = 10
# After a conflict, up to so long and each time up to twice as long: who is slower gets its turn.
FIRST_PAUSE_SECONDS: Final = 0.01

D = TypeVar("D")


class BusyError(Exception):
    """Others were faster, time and again; nothing was written."""


class Book:
    """A ledger that several processes may write.

    Args:
        client: May get, create and replace the ConfigMap.
        place: Its namespace and name.
        limits: Those that are kept; told beside the ledger.
        dice: A random number from 0 to 1.
    """

    def __init__(
        self,
        client: kube.Client,
        place: tuple[str, str],
        limits: Limits,
        *,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self._client, self._limits, self._dice = client, limits, dice
        self._place = self._namespace, self._name = place
        self._written: kube.JSON | None = None

    async def begin(self, ledger: Ledger) -> bool:
        """Write a first ledger, unless there is one; whether it was written.

        Args:
            ledger: With all runs that may have a Job, live or about to be made: a ledger that was
                lost may only be rebuilt from what the API server itself lists, not from a cache.
        """
        body = stored.config_map(ledger, self._limits, self._place)
        try:
            await self._client.create(kube.CONFIG_MAPS, body)
        except kube.AlreadyExistsError:
            return False
        return True

    async def discard(self, resource_version: str) -> None:
        """Remove what is no ledger, so that one can be begun; nothing if it has changed since.

        Another may have begun a good one meanwhile, and given slots away by it.

        Args:
            resource_version: Of what was read and is no ledger (``CorruptError``).
        """
        with contextlib.suppress(kube.NotFoundError, kube.ConflictError):
            await self._client.delete(
                kube.CONFIG_MAPS,
                self._name,
                namespace=self._namespace,
                resource_version=resource_version,
            )

    async def read(self) -> Ledger:
        """The ledger as it is.

        Raises:
            NotFoundError: There is none: it has to be begun, and nothing may be admitted before.
            CorruptError: There is something else in its place.
        """
        return stored.read(await self._get())

    async def change(self, decide: Callable[[Ledger], tuple[Ledger, D]]) -> D:
        """Replace the ledger by what is decided about it, and return what was decided.

        Whoever decides sees the very ledger that is replaced: if another was faster, it is read and
        decided about again. Nothing is written where nothing changes.

        Args:
            decide: Pure; may be called several times.

        Raises:
            NotFoundError: As for ``read``.
            CorruptError: Likewise.
            BusyError: Others were faster ten times in a row.
        """
        for attempt in range(ATTEMPTS):
            # What was written last is still there, unless another writes too: then that one's
            # resourceVersion refuses this.
            found, self._written = self._written, None
            is_remembered = found is not None
            found = found or await self._get()
            before = stored.read(found)
            after, decision = decide(before)
            if after == before and stored.limits(found) == self._limits:
                if is_remembered:
                    continue
                return decision
            body = stored.config_map(after, self._limits, self._place, found["metadata"])
            try:
                self._written = await self._client.replace(kube.CONFIG_MAPS, body)
            except kube.ConflictError:
                if not is_remembered:
                    await asyncio.sleep(FIRST_PAUSE_SECONDS * 2**attempt * self._dice())
                continue
            return decision
        raise BusyError(
            f"expected to write ledger {self._namespace}/{self._name}, but others were faster "
            f"{ATTEMPTS} times"
        )

    async def _get(self) -> kube.JSON:
        return await self._client.get(kube.CONFIG_MAPS, self._name, namespace=self._namespace)
