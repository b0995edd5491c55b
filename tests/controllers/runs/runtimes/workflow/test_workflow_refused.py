"""A workflow whose next step violates a policy ends, and starts nothing more."""

import dataclasses
from typing import Any

import pytest

from controllers.runs.runtimes.base import Code, Ref, Stage, Work
from controllers.runs.runtimes.workflow.workflow import WorkflowRuntime
from controllers.runs.work import work
from tests.support import run_world
from tests.support.step_runtime import StepRuntime

STEPS = [{"name": "a"}, {"name": "b"}]
RUNTIME = {"type": "Workflow", "workflow": {"steps": STEPS}}
REFUSAL = "spec.workload.image: expected an image that is allowed, got 'x', which 'x' denies"


def refused(state: Any) -> Ref:
    """Return the workflow as it is after its inputs were rejected."""
    bare = Work(
        namespace="team",
        run="fix",
        uid="uid-1",
        attempt=1,
        spec={"runtime": RUNTIME},
        provider={},
        run_json={},
        runner_json={},
        refusal=REFUSAL,
    )
    return Ref(type="Workflow", key="uid-1/1", work=bare, extra={"workflow": state})


async def test_step_that_is_refused_fails_the_workflow_and_its_name_is_taken() -> None:
    inner = StepRuntime()
    runtime = WorkflowRuntime(inner, now=lambda: run_world.NOW)
    ready = work.prepare(run_world.run({"runtime": RUNTIME}), run_world.related(), 1)
    assert isinstance(ready, work.Ready)
    started = await runtime.submit("uid-1/1", ready.work)

    running = await runtime.status(refused(started.extra["workflow"]))
    inner.stages["uid-1/1/0.1.1"] = Stage.SUCCEEDED
    ended = await runtime.status(refused(started.extra["workflow"]))

    assert Stage.RUNNING is running.stage
    assert (Stage.FAILED, "WorkflowStepFailed", f"Step 'b' failed: {REFUSAL}", Code.RETRYABLE) == (
        ended.stage,
        ended.reason,
        ended.message,
        ended.code,
    )
    assert {"uid-1/1/0.1.1": Stage.SUCCEEDED, "uid-1/1/1.1.1": Stage.CANCELLED} == inner.stages


@pytest.mark.parametrize("spec", [{}, {"runtime": RUNTIME}], ids=["steps unknown", "steps known"])
async def test_cancellation_ends_what_runs_and_takes_the_name_of_what_would_follow(
    spec: dict[str, Any],
) -> None:
    inner = StepRuntime()
    runtime = WorkflowRuntime(inner, now=lambda: run_world.NOW)
    state = {"steps": [{"name": "a", "phase": "Succeeded"}, {"name": "b", "phase": "Pending"}]}
    found = refused(state)

    work_ = dataclasses.replace(found.work, spec=spec)
    await runtime.cancel(dataclasses.replace(found, work=work_))

    assert {"uid-1/1/1.1.1": Stage.CANCELLED} == inner.stages
