"""The controller: caches, admission, runs, reaper, readiness, under one Lease. Shell: tasks.

Standbys keep their caches synced, so that a new leader starts at once.
"""

import asyncio
import dataclasses
import datetime as dt
import logging
import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Final

from controllers import kube, ledger
from controllers.audit import log as audit_log
from controllers.readiness.reconciler import Readiness
from controllers.runs import decisions, naming
from controllers.runs.caches import Caches
from controllers.runs.metrics import Metrics
from controllers.runs.planner import observation
from controllers.runs.reconciler import Reconciler
from controllers.runs.references.work_records import Record, Records
from controllers.runs.retention import retention_policy
from controllers.runs.retention.archive import Archive
from controllers.runs.retention.retention_controller import RetentionController
from controllers.runs.runtimes.base import Runtime
from controllers.runs.slots.reaper import Reaper
from controllers.runs.slots.slot_allocator import SlotAllocator
from crds.admission.settings import Settings

LEASE: Final = "agents-controller"
REAP_SECONDS: Final = 10.0
SWEEP_SECONDS: Final = 60.0
_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Options of a controller.

    Attributes:
        home: Namespace of the Lease and the ledger.
        lease: Name of the Lease, shared by the replicas of a controller.
        namespace: Namespace whose runs are reconciled; None for all.
        limits: On runs in flight.
        weights: Of namespaces, for fair admission.
        workers: Number of runs reconciled concurrently.
        timing: Of the Lease.
        settings: Returns the operator's current settings.
        archive: Where runs are archived before deletion; None keeps them, unless ``no_archive``.
        no_archive: Whether runs are deleted without archiving.
        kept: Retention limits.
        secrets: Patterns of NAMESPACE/NAME of the Secrets that this controller may read.
        endpoints: Non-public CIDRs, addresses and hosts that users may have called.
        ingests: Whether issues are ingested, by work of ``Manager.while_leading`` and others.
        audit: Records decisions about runs.
    """

    home: str = "agents"
    lease: str = LEASE
    namespace: str | None = None
    limits: ledger.Limits = dataclasses.field(default_factory=ledger.Limits)
    weights: Mapping[str, float] = dataclasses.field(default_factory=dict)
    workers: int = 16
    timing: kube.Timing = dataclasses.field(default_factory=kube.Timing)
    settings: Callable[[], Settings] = Settings
    archive: Archive | None = None
    no_archive: bool = False
    kept: retention_policy.Limits = dataclasses.field(default_factory=retention_policy.Limits)
    secrets: Sequence[str] = ()
    endpoints: Sequence[str] = ()
    ingests: bool = False
    audit: audit_log.Record = audit_log.nothing


LEDGER: Final = "run-ledger"

Runtimes = Callable[[kube.Client, Caches, Callable[[kube.Key], None]], Iterable[Runtime]]
"""Builds the runtimes; the last argument requests reconciliation of a run."""


class Manager:
    """A replica of the controller.

    Args:
        client: Of the cluster.
        identity: Unique to this process.
        runtimes: Builds the runtimes.
        options: Options of the controller.
        now: Aware UTC time.
        sleep: Waits for seconds.
        rng: A random number from 0 to 1.
        clock: Monotonic seconds; None uses the machine's clocks.
    """

    def __init__(
        self,
        client: kube.Client,
        identity: str,
        runtimes: Runtimes,
        options: Options | None = None,
        *,
        now: Callable[[], dt.datetime] = kube.utc_now,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rng: Callable[[], float] = random.random,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._client, self._identity = client, identity
        self._options = options or Options()
        self._now, self._sleep, self._rng = now, sleep, rng
        self.metrics = Metrics()
        self._monotonic = clock or time.monotonic
        self.queue: kube.Queue[kube.Key] = kube.Queue(
            clock=self._monotonic, rng=rng, on_take=self.metrics.waited
        )
        self.metrics.depth(self.queue.__len__)
        self.while_leading: list[Callable[[], Coroutine[Any, Any, None]]] = []
        """Other work of the leader, started with its own."""
        self.synced = asyncio.Event()
        """Set once the caches are synced; from then on this replica can lead."""
        self.caches = Caches(
            client,
            self.queue,
            self._options.namespace,
            on_unreadable=self._unreadable,
            clock=self._monotonic,
        )
        made = runtimes(client, self.caches, self.queue.add)
        self._runtimes = {runtime.type: runtime for runtime in made}
        self._with_jobs = any(runtime.is_collected for runtime in self._runtimes.values())
        self._reflectors = [*self.caches.reflectors(with_jobs=self._with_jobs)]
        for reflector in self._reflectors:
            self._show(reflector)
        self._recorder: kube.Recorder | None = None
        self.elector = kube.Elector(
            client,
            (self._options.home, self._options.lease),
            identity,
            timing=self._options.timing,
            clock=clock or kube.boot_seconds,
            now=now,
        )

    async def run(self) -> None:
        """Sync the caches, wait for the Lease, and reconcile runs until it is lost.

        Raises:
            LostError: The Lease was lost; the process should restart.
        """
        following = [asyncio.ensure_future(reflector.run()) for reflector in self._reflectors]
        try:
            for reflector in self._reflectors:
                await reflector.synced.wait()
            _log.info("caches synced", extra={"identity": self._identity})
            self.synced.set()
            self.metrics.leads(self._options.lease, is_leader=False)
            await self.elector.lead(self._lead)
        finally:
            self.metrics.leads(self._options.lease, is_leader=False)
            await _ended(following)

    def _show(self, reflector: kube.Reflector[Any]) -> None:
        self.metrics.follows(
            reflector.resource.plural,
            is_followed=lambda: not reflector.problem,
            unreadable=lambda: len(reflector.unreadable),
        )

    @property
    def problem(self) -> str:
        """The reason why this replica is not ready; empty if it is."""
        problems = [reflector.problem for reflector in self._reflectors if reflector.problem]
        return "; ".join(problems) or ("" if self.synced.is_set() else "not synced yet")

    def _unreadable(self, resource: kube.Resource, unreadable: kube.Unreadable) -> None:
        self.metrics.unreadable(resource.plural)
        self._warn(resource, unreadable)

    def _warn(self, resource: kube.Resource, unreadable: kube.Unreadable) -> None:
        """Emit a Warning Event on an unreadable object; only the leader does."""
        if self._recorder is not None:
            self._recorder.event(
                kube.regarding_of(unreadable, resource),
                type="Warning",
                reason="Unreadable",
                action="Reconcile",
                note=f"The controller cannot read this object and ignores it: {unreadable.problem}",
            )

    async def _lead(self, epoch: int) -> None:
        self.metrics.leads(self._options.lease, is_leader=True)
        records = Records(self._client, self._options.home)
        reaper = Reaper(
            self._client,
            records,
            self._runtimes,
            namespace=self._options.namespace,
            with_jobs=self._with_jobs,
            epoch=epoch,
            now=self._now,
            sleep=self._sleep,
            settings=self._options.settings,
        )
        allocator = SlotAllocator(
            ledger.Book(
                self._client, (self._options.home, LEDGER), self._options.limits, rng=self._rng
            ),
            self._options.limits,
            reaper.survey,
            lambda key: self.queue.add(key, priority=kube.FOLLOWED),
            epoch=epoch,
            now=self._now,
            sleep=self._sleep,
            weights=self._options.weights,
            on_slots=self.metrics.admitted,
            on_admitted=lambda candidate: self._options.audit(decisions.admitted(candidate)),
        )
        async with kube.Recorder(
            self._client, naming.MANAGER, self._identity, clock=self._monotonic, now=self._now
        ) as recorder:
            reconciler = Reconciler(
                self._client,
                self.caches,
                self._runtimes,
                allocator,
                recorder,
                records=records,
                leads=lambda: self.elector.leads,
                on_end=self.metrics.ended,
                settings=self._options.settings,
                now=self._now,
                rng=self._rng,
                audit=self._options.audit,
            )
            self._recorder = recorder
            for reflector in self._reflectors:
                for unreadable in reflector.unreadable.values():
                    self._warn(reflector.resource, unreadable)
            await self._work(allocator, reconciler, reaper, self._readiness(recorder))

    def _readiness(self, recorder: kube.Recorder) -> Readiness:
        return Readiness(
            self._client,
            self.caches,
            recorder,
            secrets=self._options.secrets,
            endpoints=self._options.endpoints,
            ingests=self._options.ingests,
            leads=lambda: self.elector.leads,
            settings=self._options.settings,
            now=self._now,
            rng=self._rng,
            clock=self._monotonic,
        )

    async def _work(
        self,
        allocator: SlotAllocator,
        reconciler: Reconciler,
        reaper: Reaper,
        readiness: Readiness,
    ) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(readiness.run())
            for work in self.while_leading:
                group.create_task(work())
            group.create_task(allocator.run())
            # Admission is based on the ledger: no run has a slot before it was read.
            await allocator.opened.wait()
            for run in self.caches.runs:
                self.queue.add(run.key)
            group.create_task(
                kube.reconcile(
                    self.queue,
                    reconciler.reconcile,
                    workers=self._options.workers,
                    on_reconciled=self.metrics.reconciled,
                )
            )
            group.create_task(self._reap(allocator, reconciler, reaper))
            group.create_task(self._every(SWEEP_SECONDS, reaper.sweep))
            group.create_task(self._every(SWEEP_SECONDS, lambda: self._expire(reaper)))
            group.create_task(
                self._every(SWEEP_SECONDS, lambda: self._sweep_records(allocator, reaper))
            )
            if self._options.archive is not None or self._options.no_archive:
                group.create_task(self._retention().run())

    def _retention(self) -> RetentionController:
        return RetentionController(
            self._client,
            self._options.archive,
            self._options.kept,
            namespace=self._options.namespace,
            no_archive=self._options.no_archive,
            now=self._now,
            sleep=self._sleep,
            rng=self._rng,
            on_deleted=lambda run, why: self._options.audit(decisions.deleted(run, why)),
        )

    async def _reap(self, allocator: SlotAllocator, reconciler: Reconciler, reaper: Reaper) -> None:
        """Free the slots of runs that were deleted, or ended, unobserved."""
        while True:
            for uid, slot in dict(allocator.slots).items():
                run = self.caches.by_uid(uid)
                is_known = run is not None and observation.attempt(run) == slot.attempt
                if not is_known and allocator.holds(uid):
                    await self._reap_one(allocator, reaper, uid, slot)
            reconciler.orphaned.clear()
            await self._until_orphaned(reconciler)

    async def _reap_one(
        self, allocator: SlotAllocator, reaper: Reaper, uid: ledger.Uid, slot: ledger.Slot
    ) -> None:
        try:
            if await reaper.is_over(uid, slot):
                allocator.free(uid, slot.attempt)
        except kube.KubeError as error:
            _log.warning(
                "checking the slot of %s/%s failed, retrying: %s", slot.namespace, slot.run, error
            )

    async def _expire(self, reaper: Reaper) -> None:
        """Expire Jobs whose outcome is recorded."""

        def attempt(uid: ledger.Uid) -> int | None:
            run = self.caches.by_uid(uid)
            return None if run is None else observation.attempt(run)

        await reaper.expire([*self.caches.jobs], attempt)

    async def _sweep_records(self, allocator: SlotAllocator, reaper: Reaper) -> None:
        """Delete records of work that had ended when the previous controller stopped."""

        def is_live(record: Record) -> bool:
            run = self.caches.by_uid(record.run_uid)
            is_current = run is not None and observation.key(run) == record.key
            return is_current or allocator.holds(record.run_uid, record.attempt)

        await reaper.sweep_records(is_live)

    async def _until_orphaned(self, reconciler: Reconciler) -> None:
        for _ in range(int(REAP_SECONDS / _ORPHANED_SECONDS)):
            await self._sleep(_ORPHANED_SECONDS)
            if reconciler.orphaned:
                return

    async def _every(self, seconds: float, do: Callable[[], Awaitable[Any]]) -> None:
        while True:
            try:
                await do()
            except kube.KubeError as error:
                _log.warning("sweep failed, retrying in %.0f s: %s", seconds, error)
            await self._sleep(seconds)


_ORPHANED_SECONDS: Final = 0.5


async def _ended(tasks: Iterable[asyncio.Future[None]]) -> None:
    """Cancel tasks, and wait until they have ended."""
    cancelled = [*tasks]
    for task in cancelled:
        task.cancel()
    await asyncio.gather(*cancelled, return_exceptions=True)
