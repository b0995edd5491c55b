"""The reasons why a pod does not start, and the remedy for an image that runs as root."""

import dataclasses
import datetime as dt
from typing import Any

import pytest

from controllers import kube
from controllers.runs import caches, naming, projections, run_status
from controllers.runs.planner import planner
from controllers.runs.runtimes.base import Progress, Stage
from controllers.runs.runtimes.jobs import job
from tests.support import run_world

NOW = run_world.NOW
ROOT = "container has runAsNonRoot and image will run as root"
UNNAMED = "container has runAsNonRoot and image has non-numeric user (node), cannot verify"
WAY_OUT = (
    "; pods must not run as root: for such an image, the operator's settings may set "
    "pods.runAsUser, or pods.runAsNonRoot: false (docs/policies.md)"
)


def waiting(reason: str, message: str) -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": message}}
    return {"containerStatuses": [{"name": "agent-runner", "state": state}]}


def unscheduled(message: str) -> dict[str, Any]:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    return {"conditions": [{**condition, "message": message}]}


class Client:
    """Has Events, and counts how often they are listed."""

    def __init__(self, *events: dict[str, Any]) -> None:
        self.events, self.lists = events, 0

    async def list(self, resource: kube.Resource, *, namespace: str, fields: str) -> kube.Listing:
        """The warnings."""
        assert (kube.EVENTS, "team", "type=Warning") == (resource, namespace, fields)
        self.lists += 1
        return kube.Listing(tuple(one for one in self.events if one["type"] == "Warning"), "7")


async def progress(
    seconds: float, *pods: dict[str, Any], client: Client | None = None, **status: Any
) -> Progress:
    """Return the progress of a Job started some seconds ago."""
    ref = run_world.observed(run_world.run()).ref
    assert ref is not None
    started = (NOW - dt.timedelta(seconds=seconds)).isoformat()
    owner = {**projections.owner("fix", "uid-1"), "controller": True}
    metadata = {
        "name": ref.name,
        "namespace": "team",
        "uid": "uid-job",
        "annotations": {naming.KEY_ANNOTATION: ref.key},
        "ownerReferences": [owner],
    }
    body = {"metadata": metadata, "status": {"active": 1, "startTime": started, **status}}
    jobs: kube.Store[projections.Job] = kube.Store()
    jobs.put(projections.of(projections.Job, body))
    queue: kube.Queue[kube.Key] = kube.Queue()
    known = caches.Caches(kube.Client.from_kubeconfig("/none"), queue)
    for pod in pods:
        named = {
            "name": "p",
            "namespace": "team",
            "labels": {naming.JOB_LABEL: ref.name},
            "creationTimestamp": "2026-11-28T11:59:58Z",
        }
        known.pods.put(projections.of(projections.Pod, {"metadata": named, "status": pod}))
    asked: Any = client or Client()
    found = job.JobRuntime(asked, jobs, known.pods, now=lambda: NOW)
    return await found.status(dataclasses.replace(ref, namespace="team"))


@pytest.mark.parametrize(
    ("status", "reason", "message"),
    [
        (
            waiting("CreateContainerConfigError", ROOT),
            "CreateContainerConfigError",
            f"The pod has not started: CreateContainerConfigError: {ROOT}{WAY_OUT}",
        ),
        (
            waiting("CreateContainerConfigError", UNNAMED),
            "CreateContainerConfigError",
            f"The pod has not started: CreateContainerConfigError: {UNNAMED}{WAY_OUT}",
        ),
        (
            waiting("ImagePullBackOff", 'Back-off pulling image "x"'),
            "ImagePullBackOff",
            'The pod has not started: ImagePullBackOff: Back-off pulling image "x"',
        ),
        (
            waiting("InvalidImageName", ""),
            "InvalidImageName",
            "The pod has not started: InvalidImageName",
        ),
        (
            waiting("not a word", "why"),
            "ContainerWaiting",
            "The pod has not started: ContainerWaiting: why",
        ),
        (
            unscheduled("0/3 nodes are available"),
            "Unschedulable",
            "The pod has not started: Unschedulable: 0/3 nodes are available",
        ),
        (
            {"initContainerStatuses": waiting("ErrImagePull", "gone")["containerStatuses"]},
            "ErrImagePull",
            "The pod has not started: ErrImagePull: init container agent-runner: gone",
        ),
        (waiting("ContainerCreating", ""), "", ""),
        ({}, "", ""),
    ],
)
async def test_pod_that_has_not_started_says_why_at_once(
    status: dict[str, Any], reason: str, message: str
) -> None:
    found = await progress(1, status)

    assert (Stage.PENDING, reason, message) == (found.stage, found.reason, found.message)


async def test_pod_that_runs_makes_the_run_running_before_its_job_says_so() -> None:
    state = {"running": {"startedAt": None}}
    found = await progress(1, {"containerStatuses": [{"name": "agent-runner", "state": state}]})

    assert Stage.RUNNING is found.stage


async def test_pod_that_runs_before_its_resumed_job_says_so_was_started_with_the_job() -> None:
    """Or the time of the attempt would count from before the Job was suspended."""
    state = {"running": {"startedAt": None}}
    running = {"containerStatuses": [{"name": "agent-runner", "state": state}]}
    conditions = [{"type": "Suspended", "status": "True"}]

    found = await progress(600, running, startTime=None, conditions=conditions)

    began = dt.datetime(2026, 11, 28, 11, 59, 58, tzinfo=dt.UTC)
    assert (Stage.RUNNING, began) == (found.stage, found.started)


def event(note: str, when: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "Warning",
        "reason": "FailedCreate",
        "note": note,
        "eventTime": when,
        "regarding": {"uid": "uid-job"},
        **more,
    }


async def test_job_without_pods_has_the_words_of_its_last_warning() -> None:
    client = Client(
        event("no quota", "2026-11-28T11:00:00.000000Z"),
        event("violates PodSecurity", "2026-11-28T11:59:00.000000Z"),
        event("created", "2026-11-28T11:59:59.000000Z", type="Normal"),
        event("of another", "2026-11-28T11:59:59.000000Z", regarding={"uid": "uid-other"}),
        event("of nobody", "2026-11-28T11:59:59.000000Z", regarding=None),
    )

    found = await progress(job.SLOW_START_SECONDS, client=client)

    text = "The pod has not started: FailedCreate: violates PodSecurity"
    assert ("FailedCreate", text) == (found.reason, found.message)
    assert job.SLOW_START_SECONDS == found.requeue_after_seconds


async def test_events_are_read_late_seldom_and_never_once_something_runs() -> None:
    client = Client()

    early = await progress(2, client=client)
    told = await progress(600, waiting("ErrImagePull", ""), client=client)
    ready = await progress(60, client=client, ready=1)

    assert (Stage.PENDING, "", 3.0) == (early.stage, early.message, early.requeue_after_seconds)
    assert ("ErrImagePull", None) == (told.reason, told.requeue_after_seconds)
    assert (Stage.RUNNING, "", None) == (ready.stage, ready.message, ready.requeue_after_seconds)
    assert 0 == client.lists
    assert job.SLOW_AGAIN_SECONDS == (await progress(600, client=client)).requeue_after_seconds


def test_status_of_the_run_says_why_until_it_runs() -> None:
    said = Progress(stage=Stage.PENDING, reason="ErrImagePull", message="why")
    starting = {"phase": "Starting", "reason": "Submitted", "attempt": 1}
    seen = run_world.observed(run_world.run(None, **starting), progress=said, has_slot=True)

    pending = planner.reconcile(seen, NOW)
    begun = planner.reconcile(
        dataclasses.replace(seen, progress=Progress(stage=Stage.RUNNING, message="chatter")), NOW
    )

    assert pending.state is not None
    assert begun.state is not None
    assert ("Starting", "ErrImagePull", "why") == outline(pending.state)
    assert ("Running", "Running", "") == outline(begun.state)
    assert [("Waiting", "why", True)] == [
        (one.reason, one.note, one.is_warning) for one in pending.events
    ]
    assert ["Started"] == [one.reason for one in begun.events]


def test_same_wait_is_told_once() -> None:
    said = Progress(stage=Stage.PENDING, reason="ErrImagePull", message="why, again")
    starting = {"phase": "Starting", "reason": "ErrImagePull", "message": "why", "attempt": 1}
    seen = run_world.observed(run_world.run(None, **starting), progress=said, has_slot=True)

    assert () == planner.reconcile(seen, NOW).events


@pytest.mark.parametrize("stage", [Stage.PENDING, Stage.RUNNING, Stage.CANCELLING])
def test_what_has_run_never_starts_again(stage: Stage) -> None:
    running = {"phase": "Running", "reason": "Running", "attempt": 1}
    seen = run_world.observed(
        run_world.run(None, **running), progress=Progress(stage=stage), has_slot=True
    )

    run_state = planner.reconcile(seen, NOW).state

    assert run_state is not None
    assert "Running" == run_state.phase


def outline(run_state: run_status.RunState) -> tuple[str, str, str]:
    return run_state.phase, run_state.reason, run_state.message
