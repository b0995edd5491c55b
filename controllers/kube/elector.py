"""One leader of many replicas, by a Lease. Shell: the cluster and the clock.

The holder of a Lease is who renewed it last; another takes it once it has stood unchanged for its
duration by the *other's own* clock, so that clocks need not agree. A lease is no fence: a leader
that was suspended may act for a moment after it lost it, which is why limits are kept by
compare-and-swap and not by being the leader. The kubernetes package's elector renews for ever after
its worker has died, and works on while a renewal hangs; this one does neither.

Nobody else can have seen a renewal before it was sent, so the Lease is safe from then on for its
duration, however long the answer takes: an API server that is slow is waited for that long.
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
        renew_seconds: Who could not renew for so long after the last answer leads no more; less
            than the above.
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

    @property
    def safe_seconds(self) -> float:
        """How long after a renewal was sent its leader may act, with time left to stop."""
        return (self.lease_seconds + self.renew_seconds) / 2

    @property
    def patience_seconds(self) -> float:
        """How long a renewal may take before it is sent again beside, on another connection."""
        return self.renew_seconds / 3


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
        self._leads_until = float("-inf")
        # When each renewal was sent whose fate is not known, by what it says in renewTime.
        self._sent: dict[str, float] = {}
        self._sent_last = float("-inf")

    @property
    def leads(self) -> bool:
        """Whether the Lease was renewed lately enough to act on."""
        return self._clock() < self._leads_until

    @property
    def _deadline_seconds(self) -> float:
        """How long a call may take: what is left of the Lease, or what a new one would allow."""
        if not self.leads:
            return self._timing.safe_seconds
        return max(self._leads_until - self._clock(), _SHORTEST_SECONDS)

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
        found = await self._read()
        body = self._body(found, is_new=True)
        if found is None:
            self._note_sent(body)
            deadline = self._deadline_seconds
            self._extend(await self._client.create(LEASES, body, deadline_seconds=deadline))
        elif self._is_held(found) and not self._is_sent(found):
            return False
        else:
            self._extend(await self._replace(body))
        # Not if the answer came too late.
        return self.leads

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
        is_mine = True
        while is_mine:
            await self._pause()
            is_mine = await self._renewed()

    async def _renewed(self) -> bool:
        """Renew in the time that is left; False once the Lease is lost.

        What is not answered soon is sent again beside, as its connection may be dead. Of all that
        were sent for one resourceVersion, one can land.
        """
        attempts: set[asyncio.Task[bool | None]] = set()
        try:
            while self.leads:
                attempts.add(asyncio.ensure_future(self._attempt()))
                seconds = min(self._timing.patience_seconds, self._deadline_seconds)
                done, attempts = await asyncio.wait(
                    attempts, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
                )
                outcomes = [task.result() for task in done]
                for outcome in outcomes:
                    if outcome is not None:
                        return outcome
                if outcomes:
                    await self._pause()
            return False
        finally:
            for task in attempts:
                task.cancel()
            await asyncio.gather(*attempts, return_exceptions=True)

    async def _attempt(self) -> bool | None:
        """Renew once: whether the Lease is ours; None if that could not be found out."""
        try:
            self._extend(await self._replace(self._body(self._lease)))
        except errors.ConflictError:
            return await self._is_still_mine()
        except errors.KubeError as error:
            _log.warning("Lease %s not renewed: %s", self._name, error)
            return None
        return True

    async def _is_still_mine(self) -> bool | None:
        """Whether somebody merely changed a label, or a renewal landed whose answer was lost.

        None if that cannot be read.
        """
        try:
            found = await self._read()
        except errors.KubeError:
            return None
        if found is None or not self._is_mine(found):
            return False
        self._extend(found)
        return True

    def _note_sent(self, body: JSON) -> None:
        """Remember when a renewal was sent: it counts from then on, once it is known to land."""
        self._sent_last = self._clock()
        self._sent.setdefault(body["spec"]["renewTime"], self._sent_last)

    def _is_sent(self, lease: JSON) -> bool:
        """Whether a Lease is what this process has written."""
        return self._is_mine(lease) and lease["spec"].get("renewTime") in self._sent

    def _is_mine(self, lease: JSON) -> bool:
        return bool((lease.get("spec") or {}).get("holderIdentity") == self._identity)

    def _extend(self, lease: JSON) -> None:
        """Lead by a Lease that is ours, for as long as nobody can take it."""
        self._lease = lease
        sent = self._sent.get(lease["spec"].get("renewTime") or "")
        if sent is None:
            return
        safe = min(self._clock() + self._timing.renew_seconds, sent + self._timing.safe_seconds)
        self._leads_until = max(self._leads_until, safe)
        self._sent = {text: at for text, at in self._sent.items() if at >= sent}

    async def _release(self) -> None:
        """Let another lead at once, unless one does already."""
        if not self.leads:
            return
        self._leads_until = float("-inf")
        try:
            async with asyncio.timeout(_RELEASE_SECONDS):
                # A renewal that was cancelled on its way may have landed: what is there counts.
                found = await self._read()
                if found is not None and self._is_mine(found):
                    await self._replace(self._body(found, holder=""))
        except Exception as error:  # noqa: BLE001 - it runs out, and hides no reason why it was lost
            _log.info("Lease %s not released: %r", self._name, error)

    async def _pause(self) -> None:
        """Wait until a renewal is due: that long after the last one was sent, not answered."""
        jitter = 1 + _JITTER * (self._dice() - 0.5)
        due = min(self._sent_last + self._timing.retry_seconds * jitter, self._leads_until)
        await asyncio.sleep(max(0.0, due - self._clock()))

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
        self._note_sent(body)
        return await self._client.replace(LEASES, body, deadline_seconds=self._deadline_seconds)

    def _body(self, found: JSON | None, holder: str | None = None, *, is_new: bool = False) -> JSON:
        """The Lease as it is to be, with the resourceVersion of the one it replaces.

        Args:
            found: What it replaces.
            holder: By default this process.
            is_new: Whether it is taken, rather than kept.
        """
        spec = dict((found or {}).get("spec") or {})
        now = clocks.micro_time(self._now())
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
                "acquireTime": now if is_new else spec.get("acquireTime"),
                "leaseTransitions": int(spec.get("leaseTransitions") or 0) + is_new,
            },
        }
