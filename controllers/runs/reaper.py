"""Slots of runs that nobody looks after any more, and a ledger that was lost. Shell: the cluster.

Everything here is asked of the API server itself: a cache that is behind would free a slot whose
Job is about to start.
"""

import contextlib
import datetime as dt
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final

from controllers import kube, ledger
from controllers.runs import naming, values, views
from controllers.runs.records import Record, Records, is_news
from controllers.runs.runtimes import job, job_objects
from controllers.runs.runtimes.base import (
    HELD_SECONDS,
    SUBMISSION_SECONDS,
    Key,
    Runtime,
    RuntimeFault,
    Work,
)
from controllers.runs.words import ENDED, IN_FLIGHT
from crds.admission.settings import Settings

# What was sent before may still land for a while.
TOMBSTONE_SECONDS: Final = 900.0
# Controllers look whether the ledger is there every 5 s (`admitter`).
SURVEY_PAUSE_SECONDS: Final = SUBMISSION_SECONDS + 5.0
_log = logging.getLogger(__name__)


class Reaper:
    """Looks after slots.

    Args:
        client: May get runs, list, create, patch and delete Jobs, list and delete pods.
        records: Of work outside the cluster.
        runtimes: By ``runtime.type``.
        namespace: Of runs; None is all.
        with_jobs: Whether runs may have Jobs.
        epoch: Of this leader; 1 is the first there ever was.
        now: Aware UTC time.
        sleep: Waits for seconds.
        settings: Gives the operator's as they are now.
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
        working = [one for one in jobs if not job_objects.is_over(one)]
        if working:
            await self._end_abandoned(working if run is None else ())
            return False
        if await self._has_pods(uid, slot.namespace, is_gone=run is None):
            return False
        key = f"{uid}/{slot.attempt}"
        is_taken = any(one.metadata.name == naming.of_key(key) for one in jobs)
        return is_taken or await self._bury(key, slot)

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

    async def _bury(self, key: Key, slot: ledger.Slot) -> bool:
        """Take the name of the Job that might still be created; False to look again."""
        refusal = ""
        for body in job_objects.tombstones(key, self._work(key, slot)):
            try:
                await self._client.create(views.JOBS, body)
            except kube.AlreadyExistsError:
                return False
            except kube.NotFoundError:
                return True
            except kube.ApiError as error:
                if _is_going(error):
                    return True
                if not job.is_refusal(error):
                    raise
                refusal = str(error)
            else:
                self._refused.pop(key, None)
                return True
        return self._is_too_late(key, slot, refusal)

    def _is_too_late(self, key: Key, slot: ledger.Slot, refusal: str) -> bool:
        """Whether no creation that was sent before can land any more, where no name can be taken.

        Who sent one was told since that the attempt is over, or is not there any more.
        """
        now = self._now()
        if key not in self._refused:
            self._refused[key] = now
            _log.warning(
                "slot of %s/%s is held for %.0f s: %s",
                *(slot.namespace, slot.run, HELD_SECONDS, refusal),
            )
        is_late = (now - self._refused[key]).total_seconds() >= HELD_SECONDS
        if is_late:
            del self._refused[key]
        return is_late

    def _work(self, key: Key, slot: ledger.Slot) -> Work:
        """As much of the work as a slot tells."""
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
        """Remove tombstones that no request can come after; how many."""
        selector, removed = f"{naming.TOMBSTONE_LABEL}=true", 0
        found = await self._client.list(views.JOBS, namespace=self._namespace, labels=selector)
        for item in found.items:
            metadata = item["metadata"]
            age = self._now() - dt.datetime.fromisoformat(metadata["creationTimestamp"])
            # Whoever may write Jobs may put a label on one that works.
            is_idle = (
                values.at(item, "spec", "suspend") or values.at(item, "spec", "parallelism") == 0
            )
            is_ours = is_idle and not metadata.get("ownerReferences")
            if is_ours and age.total_seconds() >= TOMBSTONE_SECONDS:
                removed += await self._remove(metadata)
        return removed

    async def expire(
        self, jobs: Iterable[views.Job], attempts: Callable[[ledger.Uid], int | None]
    ) -> int:
        """Give Jobs their TTL once how they ended is written down; how many.

        Args:
            jobs: As they were followed.
            attempts: The attempt that a live run is about; None for one that has ended, or went.
        """
        given = 0
        for one in jobs:
            change = job_objects.expiry(one)
            if change is None or _is_awaited(one, attempts):
                continue
            with contextlib.suppress(kube.NotFoundError, kube.ConflictError):
                await self._client.patch(
                    views.JOBS, one.metadata.name, change, namespace=one.metadata.namespace
                )
                given += 1
        return given

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
            is_running = values.at(run, "status", "phase") in IN_FLIGHT
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
            if not job_objects.is_over(job)
        }

    async def _jobs(self, uid: ledger.Uid, namespace: str) -> list[views.Job]:
        selector = f"{naming.RUN_LABEL}={uid}"
        found = await self._client.list(views.JOBS, namespace=namespace, labels=selector)
        return [views.of(views.Job, job) for job in found.items]

    async def _end_abandoned(self, jobs: Iterable[views.Job]) -> None:
        """Delete the Jobs of a run that is gone and that the garbage collector leaves alone.

        ``kubectl delete agentrun --cascade=orphan`` takes their owner away, and so may a user: such
        a Job would hold its slot for as long as it works.
        """
        for one in jobs:
            metadata = one.metadata
            if not metadata.owner_references and not metadata.deletion_timestamp:
                await self._remove(
                    {
                        "name": metadata.name,
                        "namespace": metadata.namespace,
                        "uid": metadata.uid,
                    }
                )

    async def _has_pods(self, uid: ledger.Uid, namespace: str, *, is_gone: bool) -> bool:
        """Whether pods outlived their Job, as they do while they end.

        Those of a run that is gone are ended, if no Job does it: they were left by it
        (``--cascade=orphan``).
        """
        selector = f"{naming.RUN_LABEL}={uid}"
        found = await self._client.list(views.PODS, namespace=namespace, labels=selector)
        living = [
            pod for pod in found.items if values.at(pod, "status", "phase") not in views.POD_ENDED
        ]
        for pod in living if is_gone else ():
            metadata = pod["metadata"]
            if not metadata.get("ownerReferences") and not metadata.get("deletionTimestamp"):
                await self._remove(metadata, views.PODS)
        return bool(living)

    async def _remove(self, metadata: kube.JSON, resource: kube.Resource = views.JOBS) -> int:
        try:
            await self._client.delete(
                resource,
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
    return phase not in ENDED and attempt == latest + (phase not in IN_FLIGHT)


def _is_awaited(job: views.Job, attempts: Callable[[ledger.Uid], int | None]) -> bool:
    """Whether a run is still to be told how a Job ended."""
    uid, _, rest = job.metadata.annotations.get(naming.KEY_ANNOTATION, "").partition("/")
    number, current = rest.partition("/")[0], attempts(uid)
    return current is not None and not (number.isdecimal() and int(number) < current)


def _is_going(error: kube.ApiError) -> bool:
    """Whether the namespace is being deleted: nothing can be created in it."""
    return any(cause.reason == "NamespaceTerminating" for cause in error.causes)
