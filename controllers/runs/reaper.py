"""Slots of runs that nobody looks after any more, and a ledger that was lost. Shell: the cluster.

Everything here is asked of the API server itself: a cache that is behind would free a slot whose
Job is about to start.
"""

import datetime as dt
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from controllers import kube, ledger
from controllers.runs import naming, values, views
from controllers.runs.records import Record, Records, is_news
from controllers.runs.runtimes import job_objects
from controllers.runs.runtimes.base import SUBMISSION_SECONDS, Runtime, RuntimeFault
from controllers.runs.words import ENDED, Phase

# What was sent before may still land for a while.
TOMBSTONE_SECONDS: Final = 900.0
# Controllers look whether the ledger is there every 5 s (`admitter`).
SURVEY_PAUSE_SECONDS: Final = SUBMISSION_SECONDS + 5.0
_log = logging.getLogger(__name__)


class Reaper:
    """Looks after slots.

    Args:
        client: May get runs, and list, create and delete Jobs.
        records: Of work outside the cluster.
        runtimes: By ``runtime.type``.
        namespace: Of runs; None is all.
        with_jobs: Whether runs may have Jobs.
        epoch: Of this leader; 1 is the first there ever was.
        now: Aware UTC time.
        sleep: Waits for seconds.
    """

    def __init__(
        self,
        client: kube.Client,
        records: Records,
        runtimes: Mapping[str, Runtime],
        *,
        namespace: str | None,
        with_jobs: bool,
        epoch: int,
        now: Callable[[], dt.datetime],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._client, self._namespace, self._with_jobs = client, namespace, with_jobs
        self._records, self._runtimes = records, runtimes
        self._epoch, self._now, self._sleep = epoch, now, sleep

    async def is_over(self, uid: ledger.Uid, slot: ledger.Slot) -> bool:
        """Whether nothing of a slot's attempt runs, or can start any more."""
        try:
            run = await self._client.get(views.RUNS, slot.run, namespace=slot.namespace)
        except kube.NotFoundError:
            run = None
        if run is not None and run["metadata"]["uid"] != uid:
            run = None
        if run is not None and _is_live(run, slot.attempt):
            return False
        # A finalizer can be removed, and a status be written, by whoever may write the run.
        record = await self._records.read(f"{uid}/{slot.attempt}")
        if record is not None:
            return await self._ended_outside(record)
        if not self._with_jobs:
            return True
        jobs = await self._jobs(uid, slot.namespace)
        if any(not _is_over(job) for job in jobs) or await self._has_pods(uid, slot.namespace):
            return False
        name = naming.of_key(f"{uid}/{slot.attempt}")
        is_taken = any(job.metadata.name == name for job in jobs)
        return is_taken or await self._bury(name, uid, slot)

    async def _ended_outside(self, record: Record) -> bool:
        """End work outside the cluster that no run is about any more; whether it has ended."""
        runtime, ref = self._runtimes.get(record.type), record.ref()
        if runtime is None:
            _log.warning(
                "work of %s is not ended: there is no runtime %s", record.where, record.type
            )
            return False
        try:
            await runtime.cancel(ref)
            progress = await runtime.status(ref)
        except RuntimeFault as fault:
            _log.warning("work of %s may go on: %s", record.where, fault)
            return False
        if progress.stage.is_ended:
            await self._records.remove(record.key)
        elif progress.ref is not None and is_news(record, progress.ref):
            await self._records.update(progress.ref)
        return progress.stage.is_ended

    async def sweep_records(self, is_live: Callable[[Record], bool]) -> None:
        """See to the end of work that nobody looks after any more, and remove its record.

        A controller may have ended before it did so, and a run's type may have been changed.
        """
        for record in await self._records.every():
            if not is_live(record):
                await self._ended_outside(record)

    async def _bury(self, name: str, uid: ledger.Uid, slot: ledger.Slot) -> bool:
        """Take the name of the Job that might still be created; False to look again."""
        try:
            await self._client.create(views.JOBS, job_objects.tombstone(name, slot.namespace, uid))
        except kube.AlreadyExistsError:
            return False
        except (kube.NotFoundError, kube.ForbiddenError) as error:
            # The namespace is going or gone: nothing can be created in it.
            _log.info("slot of %s/%s is freed: %s", slot.namespace, slot.run, error)
        return True

    async def sweep(self) -> int:
        """Remove tombstones that no request can come after; how many."""
        selector, removed = f"{naming.TOMBSTONE_LABEL}=true", 0
        found = await self._client.list(views.JOBS, namespace=self._namespace, labels=selector)
        for job in found.items:
            metadata = job["metadata"]
            age = self._now() - dt.datetime.fromisoformat(metadata["creationTimestamp"])
            # Whoever may write Jobs may put a label on one that works.
            is_ours = values.at(job, "spec", "suspend") and not metadata.get("ownerReferences")
            if is_ours and age.total_seconds() >= TOMBSTONE_SECONDS:
                removed += await self._remove(metadata)
        return removed

    async def survey(self) -> ledger.Ledger:
        """The runs that have work, or may be getting some this very moment.

        Unless there never was another leader, it first waits until nothing that one sent can still
        land: only then what is listed is all there is.
        """
        found = await self._client.list(views.RUNS, namespace=self._namespace)
        if self._epoch == 1 and not any(run.get("status") for run in found.items):
            return ledger.Ledger()
        await self._sleep(SURVEY_PAUSE_SECONDS)
        working = await self._working_jobs()
        runs = await self._client.list(views.RUNS, namespace=self._namespace)
        slots: dict[ledger.Uid, ledger.Slot] = {}
        for run in runs.items:
            uid = run["metadata"]["uid"]
            is_running = values.at(run, "status", "phase") == Phase.RUNNING
            if is_running or uid in working:
                slots[uid] = self._slot(run, is_running=is_running)
        return ledger.Ledger(slots)

    def _slot(self, run: kube.JSON, *, is_running: bool) -> ledger.Slot:
        """The slot of a run that has work, whatever else it says: also one that no view fits."""
        metadata, attempt = run["metadata"], values.at(run, "status", "attempt")
        attempt = attempt if type(attempt) is int else 0
        return ledger.Slot(
            metadata["namespace"],
            str(values.at(run, "spec", "agentRef", "name") or ""),
            0,
            self._now().timestamp(),
            metadata["name"],
            attempt if is_running else attempt + 1,
        )

    async def _working_jobs(self) -> set[ledger.Uid]:
        if not self._with_jobs:
            return set()
        found = await self._client.list(
            views.JOBS, namespace=self._namespace, labels=naming.RUN_LABEL
        )
        return {
            job.metadata.labels[naming.RUN_LABEL]
            for job in views.each(views.Job, found.items)
            if not _is_over(job)
        }

    async def _jobs(self, uid: ledger.Uid, namespace: str) -> list[views.Job]:
        selector = f"{naming.RUN_LABEL}={uid}"
        found = await self._client.list(views.JOBS, namespace=namespace, labels=selector)
        return [views.of(views.Job, job) for job in found.items]

    async def _has_pods(self, uid: ledger.Uid, namespace: str) -> bool:
        """Whether pods outlived their Job, as they do while they end."""
        selector = f"{naming.RUN_LABEL}={uid}"
        found = await self._client.list(views.PODS, namespace=namespace, labels=selector)
        phases = {(pod.get("status") or {}).get("phase") for pod in found.items}
        return bool(phases - {"Succeeded", "Failed"})

    async def _remove(self, metadata: kube.JSON) -> int:
        try:
            await self._client.delete(
                views.JOBS,
                metadata["name"],
                namespace=metadata["namespace"],
                uid=metadata["uid"],
                propagation="Background",
            )
        except (kube.NotFoundError, kube.ConflictError):
            return 0
        return 1


def _is_live(run: kube.JSON, attempt: int) -> bool:
    """Whether an attempt is what a run is about now."""
    phase, latest = values.at(run, "status", "phase"), values.at(run, "status", "attempt")
    latest = latest if isinstance(latest, int) else 0
    return phase not in ENDED and attempt == latest + (phase != Phase.RUNNING)


def _is_over(job: views.Job) -> bool:
    """Whether a Job's pods have ended, or can never start."""
    return naming.TOMBSTONE_LABEL in job.metadata.labels or job.ending is not None
