"""The state of a Job as the progress of its work. Pure."""

import dataclasses
import datetime as dt
from collections.abc import Sequence
from typing import Final

from controllers import kube
from controllers.runs import naming, projections
from controllers.runs.api_constants import Reason
from controllers.runs.runtimes import outcomes, reports
from controllers.runs.runtimes.base import Code, Progress, Ref, Stage
from controllers.runs.runtimes.jobs import job_objects, pod_states
from crds.admission.pods import pod_sources

_REASONS: Final = {"DeadlineExceeded": Reason.TIMED_OUT}
JOB_FAILED: Final = "JobFailed"


def _is_cancelled(job: projections.Job) -> bool:
    """Return whether we suspended a Job for good; others suspend it temporarily."""
    return job.spec.suspend and naming.CANCELLED_ANNOTATION in job.metadata.annotations


def has_own_pods(ref: Ref, job: projections.Job) -> bool:
    """Return whether pods of the work are owned by the Job, and deleted with it."""
    is_tombstone = naming.TOMBSTONE_LABEL in job.metadata.labels
    return not is_tombstone and job_objects.is_mine(job.metadata, ref.key, ref.work)


def is_settled(ref: Ref, job: projections.Job) -> bool:
    """Return whether the object with the Job's name needs no further action.

    If another Job has the name, no submission can start anything.
    """
    is_over = job.ending is not None or _is_cancelled(job)
    return is_over or not has_own_pods(ref, job)


def started(job: projections.Job, pods: Sequence[projections.Pod]) -> dt.datetime | None:
    """Return when a Job was started or resumed.

    Its pods may be observed before its status is, by a watch of their own.
    """
    created = [pod.metadata.creation_timestamp for pod in pods]
    first = min((time for time in created if time), default="")
    return kube.time_of(job.status.start_time) or kube.time_of(first)


def suspended(job: projections.Job) -> Progress:
    """Return the progress of a Job that another controller suspended."""
    return Progress(
        stage=Stage.PENDING,
        reason=Reason.JOB_SUSPENDED,
        message=f"Job {job.metadata.name} is suspended by another controller, such as a queue, "
        "until that resumes it.",
        is_held=True,
    )


def waiting(progress: Progress, why: projections.Waiting | None) -> Progress:
    """Return the progress of a Job whose pod waits, with the reason."""
    if why is None:
        return progress
    said = pod_states.waiting_text(why)
    return dataclasses.replace(progress, reason=why.reason, message=said)


def ended(
    job: projections.Job, ending: projections.JobCondition, pod: projections.Pod | None
) -> Progress:
    """Return the outcome of a Job, from its last pod if it exists."""
    end = pod_states.end(pod) if pod is not None else _without_pod(ending)
    report = None if pod is None else _report(pod)
    outcome, files = outcomes.of_process(end, reports.runner(report) or {}), reports.files(report)
    if ending.reason in _REASONS:
        outcome = outcomes.Outcome(
            stage=Stage.FAILED,
            reason=_REASONS[ending.reason],
            message=ending.message,
            code=Code.RETRYABLE,
        )
    return Progress(
        stage=outcome.stage,
        reason=outcome.reason,
        message=files.note if outcome.stage is Stage.SUCCEEDED else outcome.message,
        code=outcome.code,
        is_disruption=end.is_disruption and outcome.stage is Stage.FAILED,
        started=kube.time_of(job.status.start_time),
        ended=kube.time_of(job.status.completion_time or ending.last_transition_time),
        runner=report,
        artifacts=files.artifacts,
        missing_artifacts=files.missing,
        artifacts_omitted=files.omitted,
    )


def _without_pod(ending: projections.JobCondition) -> outcomes.End:
    """Return the end of a Job without pods: if it failed, they were deleted before."""
    if ending.type == "Complete":
        return outcomes.End(exit_code=0)
    is_deleted = ending.reason == "BackoffLimitExceeded"
    return outcomes.End(
        reason=pod_states.POD_DELETED if is_deleted else JOB_FAILED,
        message=f"{ending.message or ending.reason}; the Job's pod no longer exists.",
        is_disruption=is_deleted,
    )


def _report(pod: projections.Pod) -> kube.JSON | None:
    """Return the report, or else the kubelet's data. The exit code is always the kubelet's."""
    ended = pod.ended(pod_sources.CONTAINER)
    if ended is None:
        return None
    report = reports.read(ended.message)
    if report is not None:
        return {**report, "exitCode": ended.exit_code}
    known: kube.JSON = {
        "status": "failed" if ended.exit_code else "succeeded",
        "exitCode": ended.exit_code,
        "startedAt": ended.started_at,
        "finishedAt": ended.finished_at,
    }
    return {name: value for name, value in known.items() if value != ""}
