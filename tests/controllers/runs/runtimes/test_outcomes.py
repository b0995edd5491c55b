"""Outcomes of work from its end and its report, and ends of pods."""

import dataclasses
from typing import Any

import pytest

from controllers import kube
from controllers.runs import naming, projections
from controllers.runs.runtimes import outcomes
from controllers.runs.runtimes.base import Code, Progress, Stage
from controllers.runs.runtimes.jobs import job, pod_states
from controllers.runs.runtimes.outcomes import End, Outcome
from tests.support import run_world

S, F, C = Stage.SUCCEEDED, Stage.FAILED, Stage.CANCELLED


@pytest.mark.parametrize(
    ("ended", "said", "code", "expected"),
    [
        (S, {}, 0, S),
        (S, {"status": "Succeeded", "exitCode": 7}, 0, S),
        (S, {"status": "Failed"}, 0, F),
        (S, {"status": "Cancelled"}, 0, C),
        (S, {}, None, S),
        (S, {"exitCode": 3}, None, F),
        (F, {}, 1, F),
        (F, {"status": "Succeeded"}, 1, F),
        (F, {"status": "Cancelled"}, 143, C),
        (F, {"status": "Failed", "exitCode": 0}, 1, F),
        (C, {"status": "Succeeded"}, 0, C),
    ],
)
def test_work_has_succeeded_where_nothing_says_otherwise(
    ended: Stage, said: dict[str, Any], code: int | None, expected: Stage
) -> None:
    assert expected == outcomes.stage(ended, said, code)


def failed(reason: str, message: str, code: Code = Code.RETRYABLE) -> Outcome:
    return Outcome(stage=F, reason=reason, message=message, code=code)


@pytest.mark.parametrize(
    ("end", "said", "expected"),
    [
        (End(exit_code=0), {}, Outcome(stage=S)),
        (End(), {"status": "Succeeded", "exitCode": 0}, Outcome(stage=S)),
        (End(), {}, failed("RunnerFailed", "The runner exited without a report.")),
        (
            End(exit_code=-9),
            {},
            failed("RunnerFailed", "The runner exited with signal 9 (SIGKILL) without a report."),
        ),
        (
            End(exit_code=139),
            {"status": "Failed", "exitCode": 139},
            failed("RunnerFailed", "The agent exited with exit code 139 (SIGSEGV)."),
        ),
        (
            End(exit_code=1),
            {"status": "Succeeded", "exitCode": 0},
            failed("RunnerFailed", "The runner reported success, but exited with exit code 1."),
        ),
        (
            End(exit_code=0),
            {"status": "Failed", "exitCode": 3},
            failed("RunnerFailed", "The runner reported a failure, but exited with exit code 0."),
        ),
        (
            End(exit_code=65),
            {"status": "Failed", "error": "no such adapter"},
            failed("RunnerFailed", "no such adapter", Code.TERMINAL),
        ),
        (
            End(exit_code=143),
            {"status": "Cancelled", "error": "told to"},
            Outcome(stage=C, reason="RunnerCancelled", message="told to"),
        ),
        (
            End(exit_code=143, reason="Evicted", message="Low on memory.", is_disruption=True),
            {"status": "Cancelled", "error": "told to"},
            failed("Evicted", "Low on memory. The runner reported: told to"),
        ),
        (End(exit_code=0, reason="Evicted"), {"status": "Succeeded"}, Outcome(stage=S)),
    ],
)
def test_outcome_of_a_process(end: End, said: dict[str, Any], expected: Outcome) -> None:
    assert expected == outcomes.of_process(end, said)


@pytest.mark.parametrize(
    ("end", "said", "expected"),
    [
        (End(exit_code=0), {"status": "Succeeded"}, S),
        (End(exit_code=-15), {"status": "Succeeded"}, C),
        (End(exit_code=0), {}, C),
        (End(exit_code=1), {"status": "Failed"}, F),
    ],
)
def test_process_that_was_told_to_end_was_cancelled_unless_it_reported_otherwise(
    end: End, said: dict[str, Any], expected: Stage
) -> None:
    assert expected == outcomes.of_process(end, said, is_cancelled=True).stage


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, Outcome(stage=S)),
        ({"status": "Cancelled"}, Outcome(stage=C, reason="RunnerCancelled")),
        ({"status": "Failed"}, failed("RunnerFailed", "The agent failed.")),
        ({"exitCode": 3}, failed("RunnerFailed", "The agent exited with exit code 3.")),
        ({"status": "Failed", "error": "it broke"}, failed("RunnerFailed", "it broke")),
    ],
)
def test_report_of_work_whose_process_nobody_saw_counts(
    said: dict[str, Any], expected: Outcome
) -> None:
    assert expected == outcomes.of_report(said)


# ------------------------------------------------------------------------------------- of pods


def pod(
    phase: str = "Failed",
    terminated: dict[str, Any] | None = None,
    *,
    deleted: bool = False,
    **status: Any,
) -> projections.Pod:
    metadata = {"name": "p", "namespace": "team"}
    if deleted:
        metadata["deletionTimestamp"] = "2026-11-28T12:00:00Z"
    if terminated is not None:
        container = {"name": "agent-runner", "state": {"terminated": terminated}}
        status["containerStatuses"] = [container]
    return projections.of(
        projections.Pod, {"metadata": metadata, "status": {"phase": phase, **status}}
    )


def disrupted(reason: str, message: str = "") -> dict[str, Any]:
    one = {"type": "DisruptionTarget", "status": "True", "reason": reason, "message": message}
    return {"conditions": [one]}


KILLED = {"exitCode": 137, "reason": "Error", "startedAt": None, "finishedAt": None}
LOST = "The container could not be located when the pod was terminated"
LOW = "The node was low on resource: memory."


@pytest.mark.parametrize(
    ("given", "code", "reason", "message", "is_disruption"),
    [
        (pod("Succeeded", {"exitCode": 0, "reason": "Completed"}), 0, "", "", False),
        (pod(terminated={"exitCode": 3, "reason": "Error", "message": "{}"}), 3, "", "", False),
        (
            pod(terminated={"exitCode": 1, "reason": "Error", "message": "Segmentation fault"}),
            *(1, "", "The agent exited with exit code 1: Segmentation fault", False),
        ),
        (
            pod(terminated={"exitCode": 1, "reason": "Error", "message": "[" * 4096}),
            1,
            "",
            "",
            False,
        ),
        (pod("Succeeded", {"exitCode": 0, "message": "All done"}), 0, "", "", False),
        (
            pod(terminated={"exitCode": 137, "reason": "OOMKilled"}),
            *(137, "OOMKilled"),
            "The container exceeded its memory limit: exit code 137 (SIGKILL).",
            False,
        ),
        (
            pod(terminated={**KILLED, "reason": "ContainerStatusUnknown", "message": LOST}),
            *(137, "ContainerStatusUnknown", f"The kubelet lost the container: {LOST}", True),
        ),
        (
            pod(terminated={"exitCode": 128, "reason": "StartError", "message": "not in $PATH"}),
            *(128, "StartError", "The container did not start: not in $PATH", False),
        ),
        (
            pod(reason="Evicted", message=LOW, containerStatuses=None),
            *(None, "Evicted", f"The pod was evicted: {LOW}", True),
        ),
        (
            pod(
                reason="Evicted",
                message='Usage of EmptyDir volume "workspace" exceeds the limit "1Gi".',
            ),
            *(None, "Evicted"),
            'The pod was evicted: Usage of EmptyDir volume "workspace" exceeds the limit "1Gi".',
            False,
        ),
        (
            pod(reason="Evicted", message="Container x exceeded its local ephemeral storage limit"),
            *(None, "Evicted"),
            "The pod was evicted: Container x exceeded its local ephemeral storage limit",
            False,
        ),
        (
            pod(terminated=KILLED, **disrupted("PreemptionByScheduler", "by pod a")),
            *(137, "Preempted", "The pod was preempted: by pod a", True),
        ),
        (
            pod("Running", **disrupted("DeletionByTaintManager", "NoExecute")),
            *(None, "Evicted", "The pod was evicted: NoExecute", True),
        ),
        (
            pod(terminated=KILLED, **disrupted("EvictionByEvictionAPI", "drain")),
            *(137, "Evicted", "The pod was evicted: drain", True),
        ),
        (
            pod(**disrupted("DeletionByPodGC", "node no longer exists")),
            *(None, "NodeLost", "The pod's node was lost: node no longer exists", True),
        ),
        (
            pod(reason="Terminated", **disrupted("TerminationByKubelet", "shutting down")),
            *(None, "NodeShutdown", "The pod's node was shut down: shutting down", True),
        ),
        (
            pod(reason="NodeLost", message="Node n is unresponsive"),
            *(None, "NodeLost", "The pod's node was lost: Node n is unresponsive", True),
        ),
        (
            pod(reason="DeadlineExceeded", message="Pod was active too long"),
            *(None, "DeadlineExceeded", "DeadlineExceeded: Pod was active too long", False),
        ),
        (
            pod(reason="OutOfcpu", message="Node didn't have enough resource: cpu"),
            *(None, "OutOfcpu", "OutOfcpu: Node didn't have enough resource: cpu", True),
        ),
        (pod(reason="what is this?"), None, "PodFailed", "PodFailed: PodFailed", False),
        (
            pod(
                initContainerStatuses=[
                    {"name": "fetch", "state": {"terminated": {"exitCode": 1, "message": "no"}}}
                ]
            ),
            *(None, "InitContainerFailed"),
            "InitContainerFailed: init container fetch exited with exit code 1: no",
            False,
        ),
        (
            pod(terminated={"exitCode": 143, "reason": "Error"}, deleted=True),
            *(143, "PodDeleted", "The pod was deleted: a client deleted it", True),
        ),
        (
            pod(terminated={"exitCode": 143, "reason": "Error", "message": "{}"}, deleted=True),
            *(143, "", "", False),
        ),
        (pod(terminated={"exitCode": 3, "reason": "Error"}, deleted=True), 3, "", "", False),
        (pod("Running"), None, "PodDeleted", "The pod was deleted: a client deleted it", True),
    ],
)
def test_end_of_a_pod_is_named(
    given: projections.Pod, code: int | None, reason: str, message: str, *, is_disruption: bool
) -> None:
    expected = End(exit_code=code, reason=reason, message=message, is_disruption=is_disruption)

    assert expected == pod_states.end(given)


# ------------------------------------------------------------------------------------- of Jobs


async def ended(
    *pods: projections.Pod,
    type_: str = "Failed",
    reason: str = "BackoffLimitExceeded",
    deleted: int = 0,
) -> Progress:
    """The end of a Job whose first pods were deleted."""
    ref = run_world.observed(run_world.run()).ref
    assert ref is not None
    metadata = {
        "name": ref.name,
        "namespace": "team",
        "annotations": {naming.KEY_ANNOTATION: ref.key},
        "ownerReferences": [{**projections.owner("fix", "uid-1"), "controller": True}],
    }
    condition = {"type": type_, "status": "True", "reason": reason, "message": "It is over."}
    count = {"failed": len(pods)} if type_ == "Failed" else {"succeeded": len(pods)}
    body = {"metadata": metadata, "status": {"conditions": [condition], **count}}
    jobs: kube.Store[projections.Job] = kube.Store()
    jobs.put(projections.of(projections.Job, body))
    key = f"team/{ref.name}"
    known: kube.Store[projections.Pod] = kube.Store({"job": lambda _: [key]})
    for one in pods[deleted:]:
        known.put(one)
    gone = {key: pods[0]} if deleted else {}
    client: Any = _Nothing()
    runtime = job.JobRuntime(client, jobs, known, gone)
    return await runtime.status(dataclasses.replace(ref, namespace="team"))


class _Nothing:
    """A cluster without pods."""

    async def list(self, *_: Any, **__: Any) -> Any:
        return type("Listed", (), {"items": []})


async def test_report_has_the_exit_code_of_the_kubelet() -> None:
    said = '{"status": "succeeded", "exitCode": 0}'
    found = await ended(pod(terminated={"exitCode": 1, "reason": "Error", "message": said}))

    assert (F, "RunnerFailed") == (found.stage, found.reason)
    assert {"status": "succeeded", "exitCode": 1} == found.runner


async def test_pod_that_the_kubelet_lost_ends_its_run() -> None:
    terminated = {**KILLED, "reason": "ContainerStatusUnknown", "message": LOST}
    found = await ended(pod(terminated=terminated))

    assert (F, "ContainerStatusUnknown", True) == (found.stage, found.reason, found.is_disruption)
    assert {"status": "failed", "exitCode": 137} == found.runner


async def test_deleted_pod_is_remembered() -> None:
    found = await ended(pod("Running", **disrupted("PreemptionByScheduler", "by a")), deleted=1)

    assert ("Preempted", "The pod was preempted: by a", True) == (
        found.reason,
        found.message,
        found.is_disruption,
    )


@pytest.mark.parametrize(
    ("type_", "reason", "expected"),
    [
        ("Failed", "BackoffLimitExceeded", (F, "PodDeleted", True)),
        ("Failed", "DeadlineExceeded", (F, "TimedOut", False)),
        ("Failed", "", (F, "JobFailed", False)),
        ("Complete", "CompletionsReached", (S, "", False)),
    ],
)
async def test_job_whose_pod_is_gone_says_so(
    type_: str, reason: str, expected: tuple[Stage, str, bool]
) -> None:
    found = await ended(type_=type_, reason=reason)

    assert expected == (found.stage, found.reason, found.is_disruption)
