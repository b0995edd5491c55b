"""Leader election by a Lease. Shell: the cluster and the clock.

The holder of a Lease is the last to have renewed it; another candidate takes it once it has been
unchanged for its duration by the *candidate's own* clock, so clocks need not agree. A lease does
not fence: a leader that was suspended may act for a moment after losing it, so limits are enforced
by compare-and-swap. The kubernetes package's elector renews forever after its worker died, and
keeps working while a renewal hangs; this one does neither.

No other candidate can have seen a renewal before it was sent, so the Lease is safe for its duration
from then on, however long the response takes: a slow API server is waited for that long.
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
_MIN_SECONDS: Final = 0.05


class LostError(Exception):
    """The Lease was lost or not renewed in time; the work was cancelled."""


@dataclasses.dataclass(frozen=True)
class Timing:
    """Timing settings; the defaults are those of client-go's leaderelection.

    Attributes:
        lease_seconds: A Lease unchanged for this long may be taken by another candidate.
        renew_seconds: A leader that cannot renew for this long after the last response stops
            leading; less than the above.
        retry_seconds: Interval between attempts to acquire or renew.
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
        """How long a leader may act after sending a renewal, with time left to stop."""
        return (self.lease_seconds + self.renew_seconds) / 2

    @property
    def patience_seconds(self) -> float:
        """How long a renewal may take before it is sent again in parallel."""
        return self.renew_seconds / 3


class Elector:
    """A candidate in a leader election.

    Args:
        client: Needs get, create and update on the Lease, and watch.
        place: Namespace and name of the Lease.
        identity: Unique name of this process.
        timing: Timing settings.
        clock: Monotonic seconds that include suspend.
        now: Aware UTC time, for the content of the Lease.
        rng: Returns a random number from 0 to 1, for jitter.
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
        rng: Callable[[], float] = random.random,
    ) -> None:
        self._client, self._identity = client, identity
        self._namespace, self._name = place
        self._timing = timing or Timing()
        self._clock, self._now, self._rng = clock, now, rng
        self._lease: JSON = {}
        self._seen: tuple[str, float] = ("", 0.0)
        self._leads_until = float("-inf")
        # Send times of renewals without a known result, by their renewTime.
        self._sent: dict[str, float] = {}
        self._sent_last = float("-inf")

    @property
    def leads(self) -> bool:
        """Whether the Lease was renewed recently enough to act."""
        return self._clock() < self._leads_until

    @property
    def _deadline_seconds(self) -> float:
        """Deadline of a call: the rest of the Lease, or the lifetime of a new one."""
        if not self.leads:
            return self._timing.safe_seconds
        return max(self._leads_until - self._clock(), _MIN_SECONDS)

    async def lead(self, work: Callable[[int], Awaitable[None]]) -> None:
        """Wait for the Lease and work while it is held; release it in any case.

        Args:
            work: Called with the epoch, which grows with every change of leaders
                (leaseTransitions). When it ends or fails, this process stops leading.

        Raises:
            LostError: The Lease was lost; the work was cancelled and has ended. The cause is a bug
                that stopped the renewals, if there was one.
        """
        epoch = await self._acquire()
        _log.info("%s became leader with Lease %s, epoch %d", self._identity, self._name, epoch)
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
            _, renewal_error = await asyncio.gather(working, renewing, return_exceptions=True)
            await self._release()
        raise LostError(
            f"Lease {self._namespace}/{self._name} was lost by {self._identity}"
        ) from renewal_error

    async def _acquire(self) -> int:
        while True:
            try:
                if await self._try_acquire():
                    return int(self._lease["spec"]["leaseTransitions"])
            except errors.KubeError as error:
                _log.info("failed to acquire Lease %s, retrying: %s", self._name, error)
            await self._until_released()

    async def _until_released(self) -> None:
        """Wait until the Lease is released, or for the retry interval.

        client-go polls, so that after a rollout there is no leader for a retry period; a watch
        costs as little.
        """
        jitter = 1 + _JITTER * (self._rng() - 0.5)
        # Not beyond its expiry if nobody renews it.
        left = self._seen[1] + self._timing.lease_seconds - self._clock()
        seconds = min(self._timing.retry_seconds * jitter, max(left, _MIN_SECONDS))
        ends = self._clock() + seconds
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                if await self._is_released():
                    return
        # The watch failed: sleep instead.
        await asyncio.sleep(max(0.0, ends - self._clock()))

    async def _is_released(self) -> bool:
        """Watch the Lease until it has no holder; False if it cannot be watched."""
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

    async def _try_acquire(self) -> bool:
        """Take the Lease if no one holds it; return whether this process leads."""
        lease = await self._read()
        body = self._body(lease, is_new=True)
        if lease is None:
            self._note_sent(body)
            deadline = self._deadline_seconds
            self._extend(await self._client.create(LEASES, body, deadline_seconds=deadline))
        elif self._is_held(lease) and not self._is_sent(lease):
            return False
        else:
            self._extend(await self._replace(body))
        # False if the response came too late.
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
            await self._wait_until_due()
            is_mine = await self._renew_once()

    async def _renew_once(self) -> bool:
        """Renew within the remaining time; False once the Lease is lost.

        A renewal without a quick response is sent again in parallel, as its connection may be dead.
        Of all renewals for a resourceVersion only one can succeed.
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
                    await self._wait_until_due()
            return False
        finally:
            for task in attempts:
                task.cancel()
            await asyncio.gather(*attempts, return_exceptions=True)

    async def _attempt(self) -> bool | None:
        """Renew; return whether the Lease is still held, or None if that is unknown."""
        try:
            self._extend(await self._replace(self._body(self._lease)))
        except errors.ConflictError:
            return await self._is_still_mine()
        except errors.KubeError as error:
            _log.warning("failed to renew Lease %s: %s", self._name, error)
            return None
        return True

    async def _is_still_mine(self) -> bool | None:
        """Return whether the conflict was only a label change, or a renewal with a lost response.

        None if the Lease cannot be read.
        """
        try:
            lease = await self._read()
        except errors.KubeError:
            return None
        if lease is None or not self._is_mine(lease):
            return False
        self._extend(lease)
        return True

    def _note_sent(self, body: JSON) -> None:
        """Record when a renewal was sent: if it succeeds, it counts from then on."""
        self._sent_last = self._clock()
        self._sent.setdefault(body["spec"]["renewTime"], self._sent_last)

    def _is_sent(self, lease: JSON) -> bool:
        """Return whether this process wrote the Lease."""
        return self._is_mine(lease) and lease["spec"].get("renewTime") in self._sent

    def _is_mine(self, lease: JSON) -> bool:
        return bool((lease.get("spec") or {}).get("holderIdentity") == self._identity)

    def _extend(self, lease: JSON) -> None:
        """Extend the leadership by a Lease of this process, while no one else can take it."""
        self._lease = lease
        sent = self._sent.get(lease["spec"].get("renewTime") or "")
        if sent is None:
            return
        safe = min(self._clock() + self._timing.renew_seconds, sent + self._timing.safe_seconds)
        self._leads_until = max(self._leads_until, safe)
        self._sent = {text: at for text, at in self._sent.items() if at >= sent}

    async def _release(self) -> None:
        """Release the Lease, unless another process leads already."""
        if not self.leads:
            return
        self._leads_until = float("-inf")
        try:
            async with asyncio.timeout(_RELEASE_SECONDS):
                # A cancelled renewal may have succeeded: decide by the current Lease.
                lease = await self._read()
                if lease is not None and self._is_mine(lease):
                    await self._replace(self._body(lease, holder=""))
        except Exception as error:  # noqa: BLE001 - the Lease expires anyway; do not mask the original error
            _log.info("failed to release Lease %s: %r", self._name, error)

    async def _wait_until_due(self) -> None:
        """Wait until a renewal is due, counted from when the last one was sent."""
        jitter = 1 + _JITTER * (self._rng() - 0.5)
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

    def _body(self, lease: JSON | None, holder: str | None = None, *, is_new: bool = False) -> JSON:
        """Build the Lease, with the resourceVersion of the one it replaces.

        Args:
            lease: The Lease that it replaces.
            holder: By default this process.
            is_new: Whether it is acquired rather than renewed.
        """
        spec = dict((lease or {}).get("spec") or {})
        now = clocks.micro_time(self._now())
        known = {"name": self._name, "namespace": self._namespace}
        return {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.kind,
            "metadata": known if lease is None else lease["metadata"],
            "spec": {
                **spec,
                "holderIdentity": self._identity if holder is None else holder,
                "leaseDurationSeconds": max(1, round(self._timing.lease_seconds)),
                "renewTime": now,
                "acquireTime": now if is_new else spec.get("acquireTime"),
                "leaseTransitions": int(spec.get("leaseTransitions") or 0) + is_new,
            },
        }
