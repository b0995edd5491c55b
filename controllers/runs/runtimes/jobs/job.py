"""The runtime ``Job``: one Kubernetes Job per attempt. Shell: the cluster.

A Job's name is derived from the key, so that two submissions create one Job; and cancelled work
keeps its name reserved, by a suspended Job or a tombstone, so that a late submission cannot start
it.
"""

import asyncio
import contextlib
import dataclasses
import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from controllers import kube
from controllers.runs import naming, projections
from controllers.runs.api_constants import Reason
from controllers.runs.runtimes.base import (
    SUBMISSION_SECONDS,
    Code,
    Key,
    Progress,
    Ref,
    Runtime,
    RuntimeFault,
    Stage,
    Work,
)
from controllers.runs.runtimes.jobs import (
    api_faults,
    job_objects,
    job_progress,
    pod_events,
    pod_states,
)

_TTL: Final = "ttlSecondsAfterFinished"
# Only Events tell why a Job gets no pods, or a pod no volumes: they are read if nothing else tells
# why after this time, with exponential backoff.
SLOW_START_SECONDS: Final = 5.0
SLOW_AGAIN_SECONDS: Final = 60.0
ORPHANS_SECONDS: Final = 1.0
MAX_UNRESERVED: Final = 1000


class JobRuntime(Runtime):
    """Executes runs as Jobs.

    Args:
        client: May get and create Jobs and ConfigMaps, patch Jobs, list and delete pods, and list
            Events.
        jobs: A reflector's cache, possibly behind.
        pods: A reflector's cache, indexed by ``job``, which is ``namespace/name``.
        deleted: Last deleted pod of a Job, by the same key.
        deleted_jobs: Jobs deleted after their end, by the same key.
        now: Aware UTC time.
    """

    type = "Job"
    is_collected = True
    is_external = False

    def __init__(
        self,
        client: kube.Client,
        jobs: kube.Store[projections.Job],
        pods: kube.Store[projections.Pod],
        deleted: Mapping[str, projections.Pod] = MappingProxyType({}),
        deleted_jobs: Mapping[str, projections.Job] = MappingProxyType({}),
        *,
        now: Callable[[], dt.datetime] = kube.utc_now,
    ) -> None:
        self._client, self._jobs, self._pods, self._now = client, jobs, pods, now
        self._deleted, self._deleted_jobs = deleted, deleted_jobs
        self._warnings = pod_events.Warnings(client, now)
        self._unreserved: dict[Key, str] = {}
        """Why names of missing Jobs could not be reserved."""

    def ref(self, key: Key, work: Work) -> Ref:
        """Return the Job's name and namespace."""
        name = naming.of_key(key)
        return Ref(type=self.type, key=key, work=work, name=name, namespace=work.namespace)

    async def submit(self, key: Key, work: Work) -> Ref:
        """Create the ConfigMap and the Job, or return the existing ones."""
        ref = self.ref(key, work)
        body, files = job_objects.job(key, work), job_objects.config_map(key, work)
        try:
            async with asyncio.timeout(SUBMISSION_SECONDS):
                await self._create_mine(kube.CONFIG_MAPS, files, ref)
                created = await self._create_mine(projections.JOBS, body, ref)
        except TimeoutError as error:
            message = f"expected Job {ref.name} to be created within {SUBMISSION_SECONDS:.0f} s"
            raise RuntimeFault(Code.RETRYABLE, message) from error
        except kube.KubeError as error:
            raise api_faults.fault(error) from error
        return dataclasses.replace(ref, uid=created.uid)

    async def status(self, ref: Ref) -> Progress:
        """Return the Job's status; after its end, with its pod's runner report."""
        key = kube.Key(ref.namespace, ref.name)
        job = self._jobs.get(key) or await self._read(ref) or self._deleted_jobs.get(str(key))
        if job is None:
            is_refused = ref.key in self._unreserved
            return await self._gone(ref) if is_refused else Progress(stage=Stage.MISSING)
        self._unreserved.pop(ref.key, None)
        if not job_objects.is_mine(job.metadata, ref.key, ref.work):
            # Another Job may have completed under that name.
            gone = await self._gone(ref, may_have_completed=False)
            is_over = gone.stage.is_ended
            said = _foreign(projections.JOBS, ref) if is_over else gone.message
            return dataclasses.replace(gone, message=said, code=Code.TERMINAL if is_over else None)
        if naming.TOMBSTONE_LABEL in job.metadata.labels:
            return await self._gone(ref)
        ending = job.ending
        if ending is None:
            await self._keep(ref, job)
            return await self._unended(ref, job)
        return job_progress.ended(job, ending, await self._last_pod(ref, job))

    async def _keep(self, ref: Ref, job: projections.Job) -> None:
        """Remove a TTL set by a policy or a user: the outcome is not recorded yet."""
        if job.spec.ttl_seconds_after_finished is None:
            return
        changes = {"metadata": {"uid": job.metadata.uid}, "spec": {_TTL: None}}
        with contextlib.suppress(kube.ApiError):
            await self._client.patch(projections.JOBS, ref.name, changes, namespace=ref.namespace)

    async def _unended(self, ref: Ref, job: projections.Job) -> Progress:
        known = self._pods.by("job", str(kube.Key(ref.namespace, ref.name)))
        pods = [pod for pod in known if not pod.has_ended]
        stage, started = job_objects.stage(job), job_progress.started(job, pods)
        if stage is Stage.PENDING and any(pod_states.is_running(pod) for pod in pods):
            stage = Stage.RUNNING
        progress = Progress(stage=stage, started=started)
        if stage is Stage.PENDING and job_objects.is_held(job):
            return job_progress.suspended(job)
        if stage is not Stage.PENDING or started is None:
            return progress
        if (why := pod_states.why_waiting(pods)) is not None:
            return job_progress.waiting(progress, why)
        seconds = (self._now() - started).total_seconds()
        if seconds < SLOW_START_SECONDS:
            return dataclasses.replace(progress, requeue_after_seconds=SLOW_START_SECONDS - seconds)
        uids = [pod.metadata.uid for pod in pods] or [job.metadata.uid]
        why = await self._warnings.about(ref.namespace, uids)
        again = min(seconds, SLOW_AGAIN_SECONDS)
        return job_progress.waiting(dataclasses.replace(progress, requeue_after_seconds=again), why)

    async def _gone(self, ref: Ref, *, may_have_completed: bool = True) -> Progress:
        """Return the progress of work whose Job is gone for good.

        A Job can be deleted without its pods (``--cascade=orphan``): the work ends with them.
        """
        pods = await self._living_pods(ref)
        if pods:
            names = ", ".join(sorted(pod.metadata.name for pod in pods))
            is_ending = all(pod.metadata.deletion_timestamp for pod in pods)
            return Progress(
                stage=Stage.CANCELLING if is_ending else Stage.PENDING,
                reason=Reason.JOB_MISSING,
                message=f"Job {ref.name} was deleted; its pods still exist: {names}.",
                requeue_after_seconds=ORPHANS_SECONDS,
            )
        unreserved = self._unreserved.get(ref.key, "")
        if may_have_completed and await self._has_completed(ref):
            message = f"Job {ref.name} completed and was deleted, with the report of its runner."
            return Progress(stage=Stage.SUCCEEDED, message=message, unreserved=unreserved)
        return Progress(
            stage=Stage.CANCELLED,
            reason=Reason.JOB_MISSING,
            message=f"Job {ref.name} was deleted before it had ended.",
            code=Code.RETRYABLE,
            unreserved=unreserved,
        )

    async def _has_completed(self, ref: Ref) -> bool:
        """Return whether an Event reports that the deleted Job completed.

        A user or a policy may have set a TTL that expired while the controller was down.
        """
        fields = f"regarding.kind=Job,regarding.name={ref.name},reason=Completed"
        try:
            listed = await self._client.list(kube.EVENTS, namespace=ref.namespace, fields=fields)
        except kube.ForbiddenError:
            return False
        except kube.KubeError as error:
            raise api_faults.fault(error) from error
        return bool(listed.items)

    async def cancel(self, ref: Ref) -> None:
        """Suspend the Job, which deletes its pods; without a Job, reserve its name.

        Pods that outlived their Job are deleted on the next call: this one may only be for its
        name. If the cluster rejects all reservations, ``status`` reports it.
        """
        try:
            job = await self._read(ref)
            is_again = job is not None or ref.key in self._unreserved
            while job is None or not job_progress.is_settled(ref, job):
                if job is not None:
                    change = _cancellation(job)
                    await self._client.patch(
                        projections.JOBS, ref.name, change, namespace=ref.namespace
                    )
                elif not await self._reserved(ref):
                    break
                job = await self._read(ref)
            if is_again and (job is None or not job_progress.has_own_pods(ref, job)):
                await self._end_orphans(ref)
        except kube.KubeError as error:
            raise api_faults.fault(error) from error

    async def _reserved(self, ref: Ref) -> bool:
        """Reserve the Job's name; False if the cluster rejects all reservations."""
        for body in job_objects.tombstones(ref.key, ref.work):
            try:
                await self._create_once(projections.JOBS, body)
            except kube.ApiError as error:
                if not api_faults.is_refusal(error):
                    raise
                self._note(ref.key, str(error))
            else:
                self._unreserved.pop(ref.key, None)
                return True
        return False

    def _note(self, key: Key, refusal: str) -> None:
        """Remember why a name could not be reserved, and drop the oldest beyond the limit."""
        if len(self._unreserved) >= MAX_UNRESERVED:
            self._unreserved.pop(next(iter(self._unreserved)))
        self._unreserved[key] = refusal

    async def _end_orphans(self, ref: Ref) -> None:
        """Delete the pods that outlived their Job."""
        for pod in await self._living_pods(ref):
            if not pod.metadata.deletion_timestamp:
                with contextlib.suppress(kube.NotFoundError, kube.ConflictError):
                    await self._client.delete(
                        projections.PODS,
                        pod.metadata.name,
                        namespace=ref.namespace,
                        uid=pod.metadata.uid,
                    )

    async def _create_mine(
        self, resource: kube.Resource, body: kube.JSON, ref: Ref
    ) -> kube.Metadata:
        """Create an object of the work, or return it; never adopt an object of other work."""
        metadata = projections.of(
            projections.Named, await self._create_once(resource, body)
        ).metadata
        if not job_objects.is_mine(metadata, ref.key, ref.work):
            raise RuntimeFault(Code.TERMINAL, _foreign(resource, ref))
        return metadata

    async def _create_once(self, resource: kube.Resource, body: kube.JSON) -> kube.JSON:
        """Create an object, or read the existing one with its name."""
        try:
            return await self._client.create(resource, body)
        except kube.AlreadyExistsError:
            name, namespace = body["metadata"]["name"], body["metadata"]["namespace"]
            return await self._client.get(resource, name, namespace=namespace)

    async def _read(self, ref: Ref) -> projections.Job | None:
        """Read the current Job, bypassing the cache."""
        try:
            job = await self._client.get(projections.JOBS, ref.name, namespace=ref.namespace)
        except kube.NotFoundError:
            return None
        except kube.KubeError as error:
            raise api_faults.fault(error) from error
        try:
            return projections.of(projections.Job, job)
        except kube.AnswerError as error:
            raise api_faults.fault(error) from error

    async def _last_pod(self, ref: Ref, job: projections.Job) -> projections.Pod | None:
        """Return the pod that determined the Job's outcome, from the cache if complete.

        Listing pods makes the API server scan all pods of the namespace.
        """
        key = str(kube.Key(ref.namespace, ref.name))
        ended = [pod for pod in self._pods.by("job", key) if pod.has_ended]
        if not ended or len(ended) < job.status.succeeded + job.status.failed:
            known = self._deleted.get(key)
            listed = await self._listed_pods(ref) if known is None else [*ended, known]
            ended = [pod for pod in listed if pod is known or pod.has_ended]
        return pod_states.last(ended)

    async def _living_pods(self, ref: Ref) -> Sequence[projections.Pod]:
        """Return the running pods of the work, whoever owns them."""
        uid = ref.work.uid
        listed = await self._listed_pods(ref)
        mine = [pod for pod in listed if pod.metadata.labels.get(naming.RUN_LABEL) == uid]
        return [pod for pod in mine if not pod.has_ended]

    async def _listed_pods(self, ref: Ref) -> Sequence[projections.Pod]:
        """List the current pods of a Job."""
        selector = f"{naming.JOB_LABEL}={ref.name}"
        try:
            listed = await self._client.list(
                projections.PODS, namespace=ref.namespace, labels=selector
            )
        except kube.KubeError as error:
            raise api_faults.fault(error) from error
        return [*projections.each(projections.Pod, listed.items)]


def _foreign(resource: kube.Resource, ref: Ref) -> str:
    where = f"{ref.work.namespace}/{ref.name}"
    return f"expected {resource.kind} {where} to be unused or owned by this run, got another owner"


def _cancellation(job: projections.Job) -> kube.JSON:
    """Return the patch that stops a Job; without parallelism a queue cannot resume it either."""
    return {
        "metadata": {
            "uid": job.metadata.uid,
            "annotations": {naming.CANCELLED_ANNOTATION: "true"},
        },
        "spec": {"suspend": True, "parallelism": 0},
    }
