"""One leader of many replicas, by a Lease. Shell: the cluster and the clock.

The holder of a Lease is who renewed it last; another takes it once it has stood unchanged for its
duration by the *other's own* clock, so that clocks need not agree. A lease is no fence: a leader
that was suspended may act for a moment after it lost it, which is why limits are kept by
compare-and-swap and not by being the leader. The kubernetes package's elector renews for ever after
its worker has died, and works on while a renewal hangs; this one does neither.
"""

import asyncio
import contextlib
import dataclasses
import datetime as dt
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Final

from controllers.kube import clocks, errors
from controllers.kube.client import Client
from controllers.kube.errors import JSON
from controllers.kube.resources import LEASES

_log = logging.getLogger(__name__)
_JITTER: Final = 0.2
_RELEASE_SECONDS: Final = 2.0
_SHORTEST_SECONDS: Final = 0.05


class LostError(Exception):
    """The Lease is another's now, or could not be renewed in time: whatever ran was cancelled."""


@dataclasses.dataclass(frozen=True)
class Timing:
    """How long; by default as client-go's leaderelection.

    Attributes:
        lease_seconds: Another takes the Lease when it has not changed for so long.
        renew_seconds: Who could not renew for so long leads no more; less than the above.
        retry_seconds: Between two attempts to take or renew.
    """

    lease_seconds: float = 15.0
    renew_seconds: float = 10.0
    retry_seconds: float = 2.0

    def __post_init__(self) -> None:
        if not 0 < self.retry_seconds < self.renew_seconds < self.lease_seconds:
            raise ValueError(
                f"expected 0 < retry < renew < lease, got {self.retry_seconds}, "
                f"{self.renew_seconds}, {self.lease_seconds} s"
            )


class Elector:
    """A candidate.

    Args:
        client: May get, create and replace the Lease.
        place: Namespace and name of the Lease.
        identity: Of this process: no other has it.
        timing: How long.
        clock: Seconds that never go back, and count while the machine sleeps.
        now: Aware UTC time, for what the Lease shows.
        dice: A random number from 0 to 1.
    """

    def __init__(
        self,
        client: Client,
        place: tuple[str, str],
        identity: str,
        *,
        timing: Timing | None = None,
        clock: Callable[[], float] = clocks.boot_seconds,
        now: Callable[[], dt.datetime] = clocks.utc_now,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self._client, self._identity = client, identity
        self._namespace, self._name = place
        self._timing = timing or Timing()
        self._clock, self._now, self._dice = clock, now, dice
        self._lease: JSON = {}
        self._seen: tuple[str, float] = ("", 0.0)
        self._renewed = float("-inf")

    @property
    def leads(self) -> bool:
        """Whether the Lease was renewed lately enough to act on."""
        return self._clock() - self._renewed < self._timing.renew_seconds

    @property
    def _deadline_seconds(self) -> float:
        return self._timing.renew_seconds / 3

    async def lead(self, work: Callable[[int], Awaitable[None]]) -> None:
        """Wait for the Lease, then work for as long as it is held; release it however that ends.

        Args:
            work: Gets the epoch, which grows with every change of leaders (leaseTransitions). When
                it ends, or fails, this process leads no more.

        Raises:
            LostError: The Lease was lost; the work was cancelled, and has ended. Its cause is what
                stopped the renewals, where that was no answer of the API server but a bug.
        """
        epoch = await self._acquire()
        _log.info("%s leads by Lease %s, epoch %d", self._identity, self._name, epoch)
        working = asyncio.ensure_future(work(epoch))
        renewing = asyncio.ensure_future(self._renew())
        try:
            await asyncio.wait([working, renewing], return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
                return
        finally:
            for task in (working, renewing):
                task.cancel()
            _, renewed = await asyncio.gather(working, renewing, return_exceptions=True)
            await self._release()
        raise LostError(
            f"Lease {self._namespace}/{self._name} was lost by {self._identity}"
        ) from renewed

    async def _acquire(self) -> int:
        while True:
            try:
                if await self._take():
                    return int(self._lease["spec"]["leaseTransitions"])
            except errors.KubeError as error:
                _log.info("Lease %s not taken: %s", self._name, error)
            await self._until_released()

    async def _until_released(self) -> None:
        """Wait for the next attempt: until the Lease is released, or as long as between attempts.

        client-go polls, and after a rollout nobody leads for a retry period; a watch is as cheap.
        """
        jitter = 1 + _JITTER * (self._dice() - 0.5)
        # Not later than it runs out, should nobody renew it.
        left = self._seen[1] + self._timing.lease_seconds - self._clock()
        seconds = min(self._timing.retry_seconds * jitter, max(left, _SHORTEST_SECONDS))
        ends = self._clock() + seconds
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                if await self._is_released():
                    return
        # It could not be followed: then it is waited for.
        await asyncio.sleep(max(0.0, ends - self._clock()))

    async def _is_released(self) -> bool:
        """Follow the Lease until it has no holder; False where it cannot be followed."""
        watch = self._client.watch(
            LEASES,
            namespace=self._namespace,
            fields=f"metadata.name={self._name}",
            resource_version=self._seen[0] or None,
        )
        with contextlib.suppress(errors.KubeError):
            async with contextlib.aclosing(watch):
                async for event in watch:
                    version = str(event.object["metadata"].get("resourceVersion") or "")
                    if event.type != "BOOKMARK" and version != self._seen[0]:
                        self._seen = version, self._clock()
                    holder = (event.object.get("spec") or {}).get("holderIdentity")
                    if event.type == "DELETED" or (event.type != "BOOKMARK" and not holder):
                        return True
        return False

    async def _take(self) -> bool:
        """Take the Lease if nobody holds it."""
        started = self._clock()
        found = await self._read()
        if found is None:
            body = self._body(None)
            self._lease = await self._client.create(
                LEASES, body, deadline_seconds=self._deadline_seconds
            )
        elif self._is_held(found):
            return False
        else:
            self._lease = await self._replace(self._body(found))
        self._renewed = started
        return True

    def _is_held(self, lease: JSON) -> bool:
        spec, version = lease.get("spec") or {}, lease["metadata"]["resourceVersion"]
        if version != self._seen[0]:
            self._seen = version, self._clock()
        if not spec.get("holderIdentity"):
            return False
        lasts = float(spec.get("leaseDurationSeconds") or self._timing.lease_seconds)
        return self._clock() - self._seen[1] < max(lasts, self._timing.lease_seconds)

    async def _renew(self) -> None:
        """Renew until the Lease is lost."""
        while True:
            await self._pause()
            started = self._clock()
            if started - self._renewed >= self._timing.renew_seconds:
                return
            try:
                self._lease = await self._replace(self._body(self._lease))
                self._renewed = started
            except errors.ConflictError:
                if not await self._is_still_mine():
                    return
            except errors.KubeError as error:
                _log.warning("Lease %s not renewed: %s", self._name, error)

    async def _is_still_mine(self) -> bool:
        """Whether somebody merely changed a label; what cannot be read is tried again."""
        try:
            found = await self._read()
        except errors.KubeError:
            return True
        if found is None or (found.get("spec") or {}).get("holderIdentity") != self._identity:
            return False
        self._lease = found
        return True

    async def _release(self) -> None:
        """Let another lead at once, unless one does already."""
        if not self.leads:
            return
        self._renewed = float("-inf")
        try:
            async with asyncio.timeout(_RELEASE_SECONDS):
                # A renewal that was cancelled on its way may have landed: what is there counts.
                if await self._is_still_mine():
                    await self._replace(self._body(self._lease, holder=""))
        except Exception as error:  # noqa: BLE001 - it runs out, and hides no reason why it was lost
            _log.info("Lease %s not released: %r", self._name, error)

    async def _pause(self) -> None:
        jitter = 1 + _JITTER * (self._dice() - 0.5)
        await asyncio.sleep(self._timing.retry_seconds * jitter)

    async def _read(self) -> JSON | None:
        try:
            return await self._client.get(
                LEASES,
                self._name,
                namespace=self._namespace,
                deadline_seconds=self._deadline_seconds,
            )
        except errors.NotFoundError:
            return None

    async def _replace(self, body: JSON) -> JSON:
        return await self._client.replace(LEASES, body, deadline_seconds=self._deadline_seconds)

    def _body(self, found: JSON | None, holder: str | None = None) -> JSON:
        """The Lease as it is to be, with the resourceVersion of the one it replaces."""
        spec = dict((found or {}).get("spec") or {})
        mine = spec.get("holderIdentity") == self._identity
        now = clocks.micro_time(self._now())
        transitions = int(spec.get("leaseTransitions") or 0)
        known = {"name": self._name, "namespace": self._namespace}
        return {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.kind,
            "metadata": known if found is None else found["metadata"],
            "spec": {
                **spec,
                "holderIdentity": self._identity if holder is None else holder,
                "leaseDurationSeconds": max(1, round(self._timing.lease_seconds)),
                "renewTime": now,
                "acquireTime": spec.get("acquireTime") if mine else now,
                "leaseTransitions": transitions if mine else transitions + 1,
            },
        }
