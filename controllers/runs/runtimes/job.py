"""The runtime ``Job``: one Kubernetes Job per attempt. Shell: the cluster.

A Job's name follows from the key, so that two submissions make one; and what is cancelled keeps its
name taken, by a suspended Job or by a tombstone, so that a late submission cannot start it.
"""

import asyncio
import contextlib
import dataclasses
import datetime as dt
import re
from collections.abc import Callable, Sequence
from typing import Final

from controllers import kube
from controllers.runs import naming, views
from controllers.runs.runtimes import job_objects, reports
from controllers.runs.runtimes.base import (
    SUBMISSION_SECONDS,
    Code,
    Key,
    Progress,
    Ref,
    RuntimeFault,
    Stage,
    Work,
)
from controllers.runs.words import Reason
from crds.admission import effective_pod

# Exit codes of the agent-runner for a bad spec (sysexits.h, docs/runner.md): the same next time.
_BAD_SPEC: Final = frozenset({64, 65, 78})
_MAX_MESSAGE: Final = 400
_REASONS: Final = {"DeadlineExceeded": Reason.TIMED_OUT}
_CODES: Final = {
    kube.UnauthorizedError: Code.DENIED,
    kube.ForbiddenError: Code.DENIED,
    kube.NotFoundError: Code.NOT_FOUND,
    kube.InvalidError: Code.TERMINAL,
}


# Why a pod does not start is in no Job's status: it is read where that takes so long, and again.
SLOW_START_SECONDS: Final = 15.0
SLOW_AGAIN_SECONDS: Final = 60.0
ORPHANS_SECONDS: Final = 1.0
MAX_UNRESERVED: Final = 1000


class JobRuntime:
    """Carries runs out as Jobs.

    Args:
        client: May get and create Jobs and ConfigMaps, patch Jobs, list and delete pods.
        jobs: Followed by a reflector, as far as it got.
        pods: Likewise those that have ended, by ``job``, which is ``namespace/name``.
        now: Aware UTC time.
    """

    type = "Job"
    is_collected = True
    is_external = False

    def __init__(
        self,
        client: kube.Client,
        jobs: kube.Store[views.Job],
        pods: kube.Store[views.Pod],
        *,
        now: Callable[[], dt.datetime] = kube.utc_now,
    ) -> None:
        self._client, self._jobs, self._pods, self._now = client, jobs, pods, now
        self._unreserved: dict[Key, str] = {}
        """Why the names of Jobs that are not there could not be taken."""

    def ref(self, key: Key, work: Work) -> Ref:
        """The Job's name and namespace."""
        name = naming.of_key(key)
        return Ref(type=self.type, key=key, work=work, name=name, namespace=work.namespace)

    async def submit(self, key: Key, work: Work) -> Ref:
        """Create the ConfigMap and the Job, or find them."""
        ref = self.ref(key, work)
        body, files = job_objects.job(key, work), job_objects.config_map(key, work)
        try:
            async with asyncio.timeout(SUBMISSION_SECONDS):
                await self._create_mine(kube.CONFIG_MAPS, files, ref)
                found = await self._create_mine(views.JOBS, body, ref)
        except TimeoutError as error:
            message = f"expected Job {ref.name} to be created within {SUBMISSION_SECONDS:.0f} s"
            raise RuntimeFault(Code.RETRYABLE, message) from error
        except kube.KubeError as error:
            raise fault(error) from error
        return dataclasses.replace(ref, uid=found.uid)

    async def status(self, ref: Ref) -> Progress:
        """What the Job's status says; once it has ended, what its pod's runner reported."""
        job = self._jobs.get(kube.Key(ref.namespace, ref.name)) or await self._read(ref)
        if job is None:
            is_refused = ref.key in self._unreserved
            return await self._gone(ref) if is_refused else Progress(stage=Stage.MISSING)
        self._unreserved.pop(ref.key, None)
        if not job_objects.is_mine(job.metadata, ref.key, ref.work):
            return Progress(
                stage=Stage.CANCELLED,
                reason=Reason.JOB_MISSING,
                message=_foreign(views.JOBS, ref),
                code=Code.TERMINAL,
            )
        if naming.TOMBSTONE_LABEL in job.metadata.labels:
            return await self._gone(ref)
        ending = job.ending
        if ending is None:
            return await self._unended(ref, job)
        return _ended(job, ending, await self._report(ref, job))

    async def _unended(self, ref: Ref, job: views.Job) -> Progress:
        stage, started = job_objects.stage(job), kube.time_of(job.status.start_time)
        progress = Progress(stage=stage, started=started)
        if stage is Stage.PENDING and job.spec.suspend:
            return _suspended(job)
        if stage is not Stage.PENDING or started is None:
            return progress
        left = SLOW_START_SECONDS - (self._now() - started).total_seconds()
        if left > 0:
            return dataclasses.replace(progress, look_again_seconds=left)
        waiting = [pod.waiting for pod in await self._listed_pods(ref)]
        why = next((_why_waiting(one) for one in waiting if one is not None), "")
        return dataclasses.replace(progress, message=why, look_again_seconds=SLOW_AGAIN_SECONDS)

    async def _gone(self, ref: Ref) -> Progress:
        """How work stands whose Job is not there, and cannot come any more.

        A Job can be deleted without its pods (``--cascade=orphan``): the work ends with them.
        """
        pods = [pod for pod in await self._listed_pods(ref) if not pod.has_ended]
        if pods:
            names = ", ".join(sorted(pod.metadata.name for pod in pods))
            return Progress(
                stage=Stage.CANCELLING,
                message=f"Job {ref.name} went away; its pods are being ended: {names}.",
                look_again_seconds=ORPHANS_SECONDS,
            )
        return Progress(
            stage=Stage.CANCELLED,
            reason=Reason.JOB_MISSING,
            message=f"Job {ref.name} went away before it had ended.",
            code=Code.RETRYABLE,
            unreserved=self._unreserved.get(ref.key, ""),
        )

    async def cancel(self, ref: Ref) -> None:
        """Suspend the Job, which ends its pods; where there is none, reserve its name.

        Where the cluster refuses that too, nothing is left to be done: ``status`` says so then.
        """
        try:
            while True:
                job = await self._read(ref)
                if job is None and await self._reserved(ref):
                    continue
                if job is None or naming.TOMBSTONE_LABEL in job.metadata.labels:
                    await self._end_orphans(ref)
                    return
                # Where another's Job has the name, no submission can start anything.
                is_mine = job_objects.is_mine(job.metadata, ref.key, ref.work)
                if not is_mine or job.ending is not None or _is_cancelled(job):
                    return
                await self._client.patch(
                    views.JOBS, ref.name, _cancellation(job), namespace=ref.namespace
                )
        except kube.KubeError as error:
            raise fault(error) from error

    async def _reserved(self, ref: Ref) -> bool:
        """Have the Job's name taken; False where the cluster refuses whatever could take it."""
        for body in job_objects.tombstones(ref.key, ref.work):
            try:
                await self._create_once(views.JOBS, body)
            except kube.ApiError as error:
                if not is_refusal(error):
                    raise
                self._note(ref.key, str(error))
            else:
                self._unreserved.pop(ref.key, None)
                return True
        return False

    def _note(self, key: Key, refusal: str) -> None:
        """Remember why a name could not be taken; the oldest is forgotten where there are many."""
        if len(self._unreserved) >= MAX_UNRESERVED:
            self._unreserved.pop(next(iter(self._unreserved)))
        self._unreserved[key] = refusal

    async def _end_orphans(self, ref: Ref) -> None:
        """Delete the pods that outlived their Job."""
        for pod in await self._listed_pods(ref):
            is_mine = pod.metadata.labels.get(naming.RUN_LABEL) == ref.work.uid
            if is_mine and not pod.has_ended and not pod.metadata.deletion_timestamp:
                with contextlib.suppress(kube.NotFoundError, kube.ConflictError):
                    await self._client.delete(
                        views.PODS,
                        pod.metadata.name,
                        namespace=ref.namespace,
                        uid=pod.metadata.uid,
                    )

    async def _create_mine(
        self, resource: kube.Resource, body: kube.JSON, ref: Ref
    ) -> kube.Metadata:
        """Create an object of a piece of work, or find it; never take another's for it."""
        found = views.of(views.Named, await self._create_once(resource, body)).metadata
        if not job_objects.is_mine(found, ref.key, ref.work):
            raise RuntimeFault(Code.TERMINAL, _foreign(resource, ref))
        return found

    async def _create_once(self, resource: kube.Resource, body: kube.JSON) -> kube.JSON:
        """Create an object, or read the one that has its name."""
        try:
            return await self._client.create(resource, body)
        except kube.AlreadyExistsError:
            name, namespace = body["metadata"]["name"], body["metadata"]["namespace"]
            return await self._client.get(resource, name, namespace=namespace)

    async def _read(self, ref: Ref) -> views.Job | None:
        """The Job as it is, whatever was followed so far."""
        try:
            found = await self._client.get(views.JOBS, ref.name, namespace=ref.namespace)
        except kube.NotFoundError:
            return None
        except kube.KubeError as error:
            raise fault(error) from error
        try:
            return views.of(views.Job, found)
        except kube.AnswerError as error:
            raise fault(error) from error

    async def _report(self, ref: Ref, job: views.Job) -> kube.JSON | None:
        """What the runner of the latest pod left as its termination message."""
        pods = await self._ended_pods(ref, job)
        for pod in sorted(pods, key=lambda pod: pod.metadata.creation_timestamp, reverse=True):
            if ended := pod.ended(effective_pod.CONTAINER):
                return _told(ended)
        return None

    async def _ended_pods(self, ref: Ref, job: views.Job) -> Sequence[views.Pod]:
        """The pods of a Job that has ended: as they were followed, if those are all it counts.

        To list them, the API server looks through all pods of the namespace.
        """
        followed = self._pods.by("job", str(kube.Key(ref.namespace, ref.name)))
        if followed and len(followed) >= job.status.succeeded + job.status.failed:
            return followed
        return await self._listed_pods(ref)

    async def _listed_pods(self, ref: Ref) -> Sequence[views.Pod]:
        """The pods of a Job as they are now."""
        selector = f"{naming.JOB_LABEL}={ref.name}"
        try:
            listed = await self._client.list(views.PODS, namespace=ref.namespace, labels=selector)
        except kube.KubeError as error:
            raise fault(error) from error
        return [*views.each(views.Pod, listed.items)]


def _foreign(resource: kube.Resource, ref: Ref) -> str:
    where = f"{ref.work.namespace}/{ref.name}"
    return f"expected {resource.kind} {where} to be free or this run's, got another's"


def fault(error: kube.KubeError) -> RuntimeFault:
    """What an API server's refusal means for a runtime."""
    seconds = error.retry_after_seconds if isinstance(error, kube.TooManyRequestsError) else None
    return RuntimeFault(_code(error), str(error), retry_after_seconds=seconds)


def _code(error: kube.KubeError) -> Code:
    if isinstance(error, kube.ForbiddenError) and "exceeded quota" in str(error):
        # k8s.io/apiserver/pkg/admission/plugin/resourcequota; no code or reason of its own.
        return Code.QUOTA
    if isinstance(error, kube.ApiError) and _DENIED.search(str(error)):
        return Code.DENIED  # with whichever HTTP code the webhook chose
    for kind, code in _CODES.items():
        if isinstance(error, kind):
            return code
    return Code.TERMINAL if _is_clients_fault(error) else Code.RETRYABLE


# k8s.io/apiserver: a webhook, and a ValidatingAdmissionPolicy.
_DENIED: Final = re.compile(r"denied (the )?request")
# Codes by which a server says that the same request may be taken another time.
_MAY_PASS: Final = frozenset({408, 409, 425, 429})


def _is_clients_fault(error: kube.KubeError) -> bool:
    is_refused = isinstance(error, kube.ApiError) and 400 <= error.code < 500  # noqa: PLR2004
    return is_refused and isinstance(error, kube.ApiError) and error.code not in _MAY_PASS


def is_refusal(error: kube.ApiError) -> bool:
    """Whether a cluster did not take an object, as it will not the next time, or not soon."""
    return _code(error) in {Code.DENIED, Code.QUOTA, Code.TERMINAL}


# ------------------------------------------------------------------------------ what a Job says


def _is_cancelled(job: views.Job) -> bool:
    """Whether a Job was suspended by us, for good; others suspend it for a time."""
    return job.spec.suspend and naming.CANCELLED_ANNOTATION in job.metadata.annotations


def _cancellation(job: views.Job) -> kube.JSON:
    """What ends a Job's pods; without parallelism it gets none though a queue may let it go."""
    return {
        "metadata": {
            "uid": job.metadata.uid,
            "annotations": {naming.CANCELLED_ANNOTATION: "true"},
        },
        "spec": {"suspend": True, "parallelism": 0},
    }


def _suspended(job: views.Job) -> Progress:
    return Progress(
        stage=Stage.PENDING,
        reason=Reason.JOB_SUSPENDED,
        message=f"Job {job.metadata.name} is suspended by another controller, such as a queue; it "
        "goes on once that lets it.",
        is_held=True,
    )


def _why_waiting(waiting: views.Waiting) -> str:
    """Why a pod has not started, in the words of whoever keeps it from that, with a way out."""
    found = f"The pod has not started: {waiting.reason}: {waiting.message}"[:_MAX_MESSAGE]
    if "runAsNonRoot" not in waiting.message:
        return found
    return (
        f"{found}; pods do not run as root: the operator's settings may set pods.runAsUser for "
        "such an image, or pods.runAsNonRoot: false (docs/policies.md)"
    )


def _ended(job: views.Job, ending: views.JobCondition, report: kube.JSON | None) -> Progress:
    said, files = reports.runner(report) or {}, reports.files(report)
    is_cancelled = said.get("status") == "Cancelled"
    stage = Stage.SUCCEEDED if ending.type == "Complete" else Stage.FAILED
    reason, message, code = "", files.note if stage is Stage.SUCCEEDED else "", None
    if stage is Stage.FAILED:
        stage = Stage.CANCELLED if is_cancelled else stage
        own = Reason.RUNNER_CANCELLED if is_cancelled else "RunnerFailed"
        reason = _REASONS.get(ending.reason, own if said else "JobFailed")
        message = str(said.get("error") or "") or _exit_message(said) or ending.message
        is_hopeless = said.get("exitCode") in _BAD_SPEC
        code = Code.TERMINAL if is_hopeless else Code.RETRYABLE
    return Progress(
        stage=stage,
        reason=reason,
        message=message,
        code=code,
        started=kube.time_of(job.status.start_time),
        ended=kube.time_of(job.status.completion_time or ending.last_transition_time),
        runner=report,
        artifacts=files.artifacts,
        missing_artifacts=files.missing,
        artifacts_omitted=files.omitted,
    )


def _exit_message(said: kube.JSON) -> str:
    code = said.get("exitCode")
    return "" if code is None else f"The agent ended with exit code {code}."


def _told(ended: views.Terminated) -> kube.JSON:
    """The report; where there is none, what the kubelet knows."""
    found = reports.read(ended.message)
    if found is not None:
        return found
    known: kube.JSON = {
        "status": "failed" if ended.exit_code else "succeeded",
        "exitCode": ended.exit_code,
        "startedAt": ended.started_at,
        "finishedAt": ended.finished_at,
    }
    return {name: value for name, value in known.items() if value != ""}
