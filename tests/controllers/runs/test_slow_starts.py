"""A pod that does not start says why, and what to do about an image that runs as root."""

import dataclasses
import datetime as dt
from typing import Any

import pytest

from controllers import kube
from controllers.runs import machine, naming, views
from controllers.runs.runtimes import job
from controllers.runs.runtimes.base import Progress, Stage
from tests.support import run_world

NOW = run_world.NOW
ROOT = "container has runAsNonRoot and image will run as root"
UNNAMED = "container has runAsNonRoot and image has non-numeric user (node), cannot verify"
WAY_OUT = (
    "; pods do not run as root: the operator's settings may set pods.runAsUser for such an image, "
    "or pods.runAsNonRoot: false (docs/policies.md)"
)


def waiting(reason: str, message: str) -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": message}}
    return {"containerStatuses": [{"name": "agent-runner", "state": state}]}


def unscheduled(message: str) -> dict[str, Any]:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    return {"conditions": [{**condition, "message": message}]}


class Client:
    """Has the pods of one Job, and counts how often they are listed."""

    def __init__(self, *statuses: dict[str, Any]) -> None:
        self.statuses, self.lists = statuses, 0

    async def list(self, *_: Any, **__: Any) -> Any:
        """The pods."""
        self.lists += 1
        metadata = {"name": "p", "namespace": "team"}
        items = [{"metadata": metadata, "status": status} for status in self.statuses]
        return type("Listed", (), {"items": items})


async def progress(client: Client, seconds: float, **status: Any) -> Progress:
    """How a Job stands that was started so many seconds ago."""
    ref = run_world.observed(run_world.run()).ref
    assert ref is not None
    started = (NOW - dt.timedelta(seconds=seconds)).isoformat()
    owner = {**views.owner("fix", "uid-1"), "controller": True}
    metadata = {
        "name": ref.name,
        "namespace": "team",
        "annotations": {naming.KEY_ANNOTATION: ref.key},
        "ownerReferences": [owner],
    }
    body = {"metadata": metadata, "status": {"active": 1, "startTime": started, **status}}
    jobs: kube.Store[views.Job] = kube.Store()
    jobs.put(views.of(views.Job, body))
    asked: Any = client
    found = job.JobRuntime(asked, jobs, kube.Store(), now=lambda: NOW)
    return await found.status(dataclasses.replace(ref, namespace="team"))


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (
            waiting("CreateContainerConfigError", ROOT),
            f"The pod has not started: CreateContainerConfigError: {ROOT}{WAY_OUT}",
        ),
        (
            waiting("CreateContainerConfigError", UNNAMED),
            f"The pod has not started: CreateContainerConfigError: {UNNAMED}{WAY_OUT}",
        ),
        (
            waiting("ImagePullBackOff", 'Back-off pulling image "x"'),
            'The pod has not started: ImagePullBackOff: Back-off pulling image "x"',
        ),
        (
            unscheduled("0/3 nodes are available"),
            "The pod has not started: Unschedulable: 0/3 nodes are available",
        ),
        (waiting("ContainerCreating", ""), ""),
        ({}, ""),
    ],
)
async def test_pod_that_starts_slowly_says_why(status: dict[str, Any], message: str) -> None:
    found = await progress(Client(status), job.SLOW_START_SECONDS)

    expected = (Stage.PENDING, message, job.SLOW_AGAIN_SECONDS)
    assert expected == (found.stage, found.message, found.look_again_seconds)


async def test_pods_are_not_listed_before_nor_once_one_is_ready() -> None:
    client = Client(waiting("CreateContainerConfigError", ROOT))

    early = await progress(client, 5)
    ready = await progress(client, 60, ready=1)

    assert (Stage.PENDING, "", 10.0) == (early.stage, early.message, early.look_again_seconds)
    assert (Stage.RUNNING, "", None) == (ready.stage, ready.message, ready.look_again_seconds)
    assert 0 == client.lists


def test_status_of_the_run_says_why_until_it_runs() -> None:
    said = Progress(stage=Stage.PENDING, message="why", look_again_seconds=60)
    running = {"phase": "Running", "attempt": 1, "startTime": "2026-11-28T12:00:00Z"}
    seen = run_world.observed(run_world.run(None, **running), progress=said, has_slot=True)

    pending = machine.reconcile(seen, NOW)
    begun = machine.reconcile(
        dataclasses.replace(seen, progress=Progress(stage=Stage.RUNNING, message="chatter")), NOW
    )

    assert pending.standing is not None
    assert begun.standing is not None
    assert ["why", ""] == [pending.standing.message, begun.standing.message]
    assert 60 == pending.look_again_seconds
