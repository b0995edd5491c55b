"""Frees slots of abandoned runs, and rebuilds a lost ledger. Shell: the cluster.

Reads the API server, not caches: a stale cache would free a slot whose Job is about to start.
"""

import contextlib
import datetime as dt
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final

from controllers import kube, ledger
from controllers.runs import json_access, naming, projections
from controllers.runs.api_constants import ENDED, IN_FLIGHT
from controllers.runs.references.work_records import Record, Records, is_news
from controllers.runs.runtimes.base import (
    HELD_SECONDS,
    SUBMISSION_SECONDS,
    Key,
    Runtime,
    RuntimeFault,
    Work,
)
from controllers.runs.runtimes.jobs import api_faults, job_objects
from crds.admission.settings import Settings

# In-flight requests may still land for a while.
TOMBSTONE_SECONDS: Final = 900.0
# Controllers check every 5 s whether the ledger exists (`slot_allocator`).
SURVEY_PAUSE_SECONDS: Final = SUBMISSION_SECONDS + 5.0
_log = logging.getLogger(__name__)


class Reaper:
    """Cleans up slots, tombstones, Jobs and records.

    Args:
        client: May get runs, list, create, patch and delete Jobs, list and delete pods.
        records: Of work outside the cluster.
        runtimes: By ``runtime.type``.
        namespace: Of runs; None for all.
        with_jobs: Whether runs may have Jobs.
        epoch: Of this leader; 1 is the first leader ever.
        now: Aware UTC time.
        sleep: Waits for seconds.
        settings: Returns the operator's current settings.
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
        settings: Callable[[], Settings] = Settings,
    ) -> None:
        self._client, self._namespace, self._with_jobs = client, namespace, with_jobs
        self._records, self._runtimes = records, runtimes
        self._epoch, self._now, self._sleep, self._settings = epoch, now, sleep, settings
        self._refused: dict[Key, dt.datetime] = {}

    async def is_over(self, uid: ledger.Uid, slot: ledger.Slot) -> bool:
        """Return whether nothing of a slot's attempt runs or can start any more."""
        try:
            run = await self._client.get(projections.RUNS, slot.run, namespace=slot.namespace)
        except kube.NotFoundError:
            run = None
        if run is not None and run["metadata"]["uid"] != uid:
            run = None
        if run is not None and _is_live(run, slot.attempt):
            return False
        # Anyone with access to the run can remove the finalizer and write the status.
        record = await self._records.read(f"{uid}/{slot.attempt}")
        if record is not None:
            return await self._ended_outside(record)
        return not self._with_jobs or await self._jobs_are_over(uid, slot, is_gone=run is None)

    async def _jobs_are_over(self, uid: ledger.Uid, slot: ledger.Slot, *, is_gone: bool) -> bool:
        """Return whether no Job or pod of a slot's attempt runs, and none can be created."""
        jobs = await self._jobs(uid, slot.namespace)
        working = [each_job for each_job in jobs if not job_objects.is_over(each_job)]
        if is_gone:
            await self._delete_orphaned(projections.JOBS, working)
        if working or await self._has_pods(uid, slot.namespace, is_gone=is_gone):
            return False
        key = f"{uid}/{slot.attempt}"
        is_taken = any(each_job.metadata.name == naming.of_key(key) for each_job in jobs)
        return is_taken or await self._reserve_name(key, slot)

    async def _ended_outside(self, record: Record) -> bool:
        """Cancel work outside the cluster whose run is gone; return whether it has ended."""
        runtime, ref = self._runtimes.get(record.type), record.ref()
        if runtime is None:
            _log.warning("cannot cancel work of %s: unknown runtime %s", record.where, record.type)
            return False
        try:
            await runtime.cancel(ref)
            progress = await runtime.status(ref)
        except RuntimeFault as fault:
            _log.warning("cancelling work of %s failed, it may still run: %s", record.where, fault)
            return False
        if progress.stage.is_ended:
            await self._records.remove(record.key)
        elif progress.ref is not None and is_news(record, progress.ref):
            await self._records.update(progress.ref)
        return progress.stage.is_ended

    async def sweep_records(self, is_live: Callable[[Record], bool]) -> None:
        """Cancel abandoned work, and remove its record.

        A controller may have stopped before it did so, and a run's type may have been changed.
        """
        for record in await self._records.every():
            if not is_live(record):
                await self._ended_outside(record)

    async def _reserve_name(self, key: Key, slot: ledger.Slot) -> bool:
        """Create a tombstone that reserves the Job's name; False to check again."""
        refusal = ""
        for body in job_objects.tombstones(key, self._work(key, slot)):
            try:
                await self._client.create(projections.JOBS, body)
            except kube.AlreadyExistsError:
                return False
            except kube.NotFoundError:
                return True
            except kube.ApiError as error:
                if _is_terminating(error):
                    return True
                if not api_faults.is_refusal(error):
                    raise
                refusal = str(error)
            else:
                self._refused.pop(key, None)
                return True
        return self._is_landing_ruled_out(key, slot, refusal)

    def _is_landing_ruled_out(self, key: Key, slot: ledger.Slot, refusal: str) -> bool:
        """Return whether in-flight creations are ruled out, if the name cannot be reserved.

        Their senders have observed meanwhile that the attempt has ended or is gone.
        """
        now = self._now()
        if key not in self._refused:
            self._refused[key] = now
            _log.warning(
                "holding the slot of %s/%s for %.0f s, its Job's name cannot be reserved: %s",
                *(slot.namespace, slot.run, HELD_SECONDS, refusal),
            )
        is_late = (now - self._refused[key]).total_seconds() >= HELD_SECONDS
        if is_late:
            del self._refused[key]
        return is_late

    def _work(self, key: Key, slot: ledger.Slot) -> Work:
        """Return the part of the work that is known from a slot."""
        return Work(
            namespace=slot.namespace,
            run=slot.run,
            uid=key.partition("/")[0],
            attempt=slot.attempt,
            spec={"agentRef": {"name": slot.agent}},
            provider={},
            run_json={},
            runner_json={},
            pods=self._settings().pods,
        )

    async def sweep(self) -> int:
        """Delete tombstones after all in-flight requests have ended; return how many."""
        selector, removed = f"{naming.TOMBSTONE_LABEL}=true", 0
        tombstones = await self._client.list(
            projections.JOBS, namespace=self._namespace, labels=selector
        )
        for item in tombstones.items:
            metadata = projections.of(projections.Named, item).metadata
            age = self._now() - dt.datetime.fromisoformat(metadata.creation_timestamp)
            # Anyone who may write Jobs may label one that is in use.
            is_idle = (
                json_access.at(item, "spec", "suspend")
                or json_access.at(item, "spec", "parallelism") == 0
            )
            is_ours = is_idle and not metadata.owner_references
            if is_ours and age.total_seconds() >= TOMBSTONE_SECONDS:
                removed += await self._remove(projections.JOBS, metadata)
        return removed

    async def expire(
        self, jobs: Iterable[projections.Job], attempts: Callable[[ledger.Uid], int | None]
    ) -> int:
        """Set the TTL of Jobs whose outcome is recorded; return how many.

        Args:
            jobs: From the cache.
            attempts: Returns the current attempt of a live run; None if it has ended or was
                deleted.
        """
        given = 0
        for each_job in jobs:
            change = job_objects.expiry(each_job)
            if change is None or _needs_outcome(each_job, attempts):
                continue
            with contextlib.suppress(kube.NotFoundError, kube.ConflictError):
                await self._client.patch(
                    projections.JOBS,
                    each_job.metadata.name,
                    change,
                    namespace=each_job.metadata.namespace,
                )
                given += 1
        return given

    async def survey(self) -> ledger.Ledger:
        """Return the runs that have work, or may be getting some.

        Unless this is the first leader ever, it first waits until no request of another leader can
        land: only then the lists are complete.
        """
        listed = await self._client.list(projections.RUNS, namespace=self._namespace)
        if self._epoch == 1 and not any(run.get("status") for run in listed.items):
            return ledger.Ledger()
        await self._sleep(SURVEY_PAUSE_SECONDS)
        working = await self._working_jobs()
        runs = await self._client.list(projections.RUNS, namespace=self._namespace)
        slots: dict[ledger.Uid, ledger.Slot] = {}
        for run in runs.items:
            uid = run["metadata"]["uid"]
            is_running = json_access.at(run, "status", "phase") in IN_FLIGHT
            if is_running or uid in working:
                slots[uid] = self._slot(run, is_running=is_running)
        return ledger.Ledger(slots)

    def _slot(self, run: kube.JSON, *, is_running: bool) -> ledger.Slot:
        """Return the slot of a run with work, even if no view matches the run."""
        metadata, attempt = run["metadata"], json_access.at(run, "status", "attempt")
        attempt = attempt if type(attempt) is int else 0
        return ledger.Slot(
            metadata["namespace"],
            str(json_access.at(run, "spec", "agentRef", "name") or ""),
            0,
            self._now().timestamp(),
            metadata["name"],
            attempt if is_running else attempt + 1,
        )

    async def _working_jobs(self) -> set[ledger.Uid]:
        if not self._with_jobs:
            return set()
        listed = await self._client.list(
            projections.JOBS, namespace=self._namespace, labels=naming.RUN_LABEL
        )
        return {
            job.metadata.labels[naming.RUN_LABEL]
            for job in projections.each(projections.Job, listed.items)
            if not job_objects.is_over(job)
        }

    async def _jobs(self, uid: ledger.Uid, namespace: str) -> list[projections.Job]:
        selector = f"{naming.RUN_LABEL}={uid}"
        listed = await self._client.list(projections.JOBS, namespace=namespace, labels=selector)
        return [projections.of(projections.Job, job) for job in listed.items]

    async def _delete_orphaned(
        self, resource: kube.Resource, objects: Iterable[kube.Projection]
    ) -> None:
        """Delete the Jobs or pods of a deleted run that are not garbage collected.

        ``--cascade=orphan``, or a user, removes their owner reference: such a Job or pod would hold
        its slot as long as it runs.
        """
        for orphan in objects:
            metadata = orphan.metadata
            if not metadata.owner_references and not metadata.deletion_timestamp:
                await self._remove(resource, metadata)

    async def _has_pods(self, uid: ledger.Uid, namespace: str, *, is_gone: bool) -> bool:
        """Return whether pods outlived their Job, as they do while terminating.

        Those of a deleted run that no Job owns are deleted.
        """
        selector = f"{naming.RUN_LABEL}={uid}"
        listed = await self._client.list(projections.PODS, namespace=namespace, labels=selector)
        living = [
            pod
            for pod in listed.items
            if json_access.at(pod, "status", "phase") not in projections.POD_ENDED
        ]
        if is_gone:
            await self._delete_orphaned(
                projections.PODS, projections.each(projections.Named, living)
            )
        return bool(living)

    async def _remove(self, resource: kube.Resource, metadata: kube.Metadata) -> int:
        try:
            await self._client.delete(
                resource,
                metadata.name,
                namespace=metadata.namespace,
                uid=metadata.uid,
                propagation="Background",
            )
        except (kube.NotFoundError, kube.ConflictError):
            return 0
        return 1


def _is_live(run: kube.JSON, attempt: int) -> bool:
    """Return whether an attempt is the run's current one."""
    phase, latest = json_access.at(run, "status", "phase"), json_access.at(run, "status", "attempt")
    latest = latest if isinstance(latest, int) else 0
    return phase not in ENDED and attempt == latest + (phase not in IN_FLIGHT)


def _needs_outcome(job: projections.Job, attempts: Callable[[ledger.Uid], int | None]) -> bool:
    """Return whether a run still needs the outcome of a Job."""
    uid, _, rest = job.metadata.annotations.get(naming.KEY_ANNOTATION, "").partition("/")
    number, current = rest.partition("/")[0], attempts(uid)
    return current is not None and not (number.isdecimal() and int(number) < current)


def _is_terminating(error: kube.ApiError) -> bool:
    """Return whether the namespace is terminating: nothing can be created in it."""
    return any(cause.reason == "NamespaceTerminating" for cause in error.causes)
