"""Workflows with failed, rejected and crashed steps; and the files of all steps."""

import dataclasses
import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import given, settings, strategies

from controllers.runs import projections
from controllers.runs.runtimes.base import Code, Progress, Ref, RuntimeFault, Stage
from controllers.runs.runtimes.workflow.workflow import WorkflowRuntime
from controllers.runs.work import work
from crds import hub
from tests.support import depth, run_world
from tests.support.step_runtime import Crash, StepRuntime

KEY = "uid-1/1"
LOOP = {"maxIterations": 2}


class Workflow:
    """A workflow with its recorded state."""

    def __init__(self, steps: list[dict[str, Any]], parallelism: int = 1, **options: Any) -> None:
        self.now = run_world.NOW
        self.inner = StepRuntime(**options)
        given = {"steps": steps, "parallelism": parallelism}
        self.spec = {"runtime": {"type": "Workflow", "workflow": given}}
        self.status: dict[str, Any] = {}
        self.progress = Progress(stage=Stage.RUNNING)

    @property
    def runtime(self) -> WorkflowRuntime:
        """Return the runtime of a restarted controller."""
        return WorkflowRuntime(self.inner, now=lambda: self.now, rng=lambda: 0.5)

    def _ref(self) -> Ref:
        ready = work.prepare(run_world.run(self.spec), run_world.related(), 1)
        assert isinstance(ready, work.Ready)
        body = run_world.run(self.spec, **self.status)
        extra = projections.of(projections.Run, body).carried
        return dataclasses.replace(self.runtime.ref(KEY, ready.work), extra=extra)

    async def submit(self) -> None:
        """Submit it."""
        ref = self._ref()
        self._write(await self.runtime.submit(ref.key, ref.work))

    async def look(self) -> Progress:
        """Reconcile once, and record the status."""
        self.progress = await self.runtime.status(self._ref())
        assert self.progress.ref is not None
        self._write(self.progress.ref)
        return self.progress

    async def unrecorded(self) -> Progress:
        """Reconcile once; the status is not recorded, as while a run is cancelled or deleted."""
        return await self.runtime.status(self._ref())

    async def cancel(self) -> None:
        """Cancel the run."""
        await self.runtime.cancel(self._ref())

    def _write(self, ref: Ref) -> None:
        written = json.loads(json.dumps({name: ref.extra[name] for name in ref.extra}))
        hub.agentrun.AgentRunStatus.model_validate(written)
        self.status = written

    def end(self, piece: str, stage: Stage, **report: Any) -> None:
        """End a piece, such as ``0.1.1``."""
        self.inner.stages[f"{KEY}/{piece}"] = stage
        self.inner.reports[f"{KEY}/{piece}"] = report

    def steps(self) -> list[tuple[str, str, str]]:
        """Return name, phase and message of each step."""
        listed = self.status["workflow"]["steps"]
        return [(one["name"], one["phase"], one.get("message", "")) for one in listed]


def two(**second: Any) -> list[dict[str, Any]]:
    return [{"name": "a"}, {"name": "b", **second}]


async def test_step_that_fails_fails_the_run_and_those_beside_it_are_cancelled_and_named() -> None:
    flow = Workflow([*two(), {"name": "c"}], parallelism=2, is_slow=True)
    await flow.submit()
    flow.end("1.1.1", Stage.FAILED)

    ending = await flow.look()
    flow.end("0.1.1", Stage.CANCELLED)
    over = await flow.look()

    assert Stage.CANCELLING is ending.stage
    assert (Stage.FAILED, "WorkflowStepFailed", Code.RETRYABLE) == (
        over.stage,
        over.reason,
        over.code,
    )
    assert "Step 'b' failed ('a' was cancelled): bad luck" == over.message
    assert [
        ("a", "Cancelled", "Cancelled because step 'b' failed."),
        ("b", "Failed", "bad luck"),
        ("c", "Pending", ""),
    ] == flow.steps()
    # Another controller may have been about to start it.
    assert Stage.CANCELLED is flow.inner.stages[f"{KEY}/2.1.1"]


async def test_cancelled_step_that_says_it_failed_is_not_tried_again() -> None:
    flow = Workflow([{"name": "a", "retry": {"limit": 3}}, {"name": "b"}], 2, is_slow=True)
    await flow.submit()
    flow.end("1.1.1", Stage.FAILED)
    await flow.look()

    flow.end("0.1.1", Stage.FAILED)
    over = await flow.look()

    assert (Stage.FAILED, "Step 'b' failed ('a' was cancelled): bad luck") == (
        over.stage,
        over.message,
    )


async def test_retry_that_was_not_written_down_yet_can_be_cancelled() -> None:
    flow = Workflow([{"name": "a", "retry": {"limit": 3}}])
    await flow.submit()
    flow.end("0.1.1", Stage.FAILED)

    await flow.cancel()
    over = await flow.look()
    flow.now += dt.timedelta(hours=1)
    later = await flow.look()

    assert [Stage.CANCELLED] * 2 == [over.stage, later.stage]
    assert [("a", "Cancelled", "The step was cancelled.")] == flow.steps()
    assert Stage.CANCELLED is flow.inner.stages[f"{KEY}/0.1.2"]
    assert [] == flow.inner.working


async def test_next_step_that_was_not_written_down_yet_can_be_cancelled() -> None:
    flow = Workflow([{"name": "a"}, {"name": "b"}])
    await flow.submit()
    flow.end("0.1.1", Stage.SUCCEEDED)

    await flow.cancel()
    over = await flow.look()
    later = await flow.look()

    assert [Stage.CANCELLED] * 2 == [over.stage, later.stage]
    assert ["Succeeded", "Cancelled"] == [phase for _, phase, _ in flow.steps()]
    assert Stage.CANCELLED is flow.inner.stages[f"{KEY}/1.1.1"]
    assert [] == flow.inner.working


@pytest.mark.parametrize("is_recorded", [True, False])
async def test_steps_that_end_at_once_are_followed_by_none_once_they_are_cancelled(
    *, is_recorded: bool
) -> None:
    flow = Workflow([{"name": "a"}, {"name": "b"}, {"name": "c"}])
    flow.inner.at_once = lambda key: Stage.RUNNING if "/2." in key else Stage.SUCCEEDED
    await flow.submit()
    if not is_recorded:
        flow.status = {}

    going = await flow.unrecorded()
    await flow.cancel()
    over = await flow.unrecorded()

    assert [Stage.RUNNING, Stage.CANCELLED] == [going.stage, over.stage]
    assert [] == flow.inner.working


async def test_artifacts_of_steps_that_end_at_once_are_kept() -> None:
    flow = Workflow([{"name": "a"}, {"name": "b"}])
    flow.inner.at_once = lambda _: Stage.SUCCEEDED
    flow.inner.artifacts = {f"{KEY}/0.1.1": ["log"], f"{KEY}/1.1.1": ["log"]}
    await flow.submit()

    over = await flow.look()

    assert (Stage.SUCCEEDED, [{"name": "a/log"}, {"name": "b/log"}]) == (
        over.stage,
        [*over.artifacts],
    )


async def test_step_that_waits_to_be_tried_again_goes_with_one_that_fails() -> None:
    flow = Workflow([{"name": "a", "retry": {"limit": 3}}, {"name": "b"}], parallelism=2)
    await flow.submit()
    flow.end("0.1.1", Stage.FAILED)
    await flow.look()
    flow.end("1.1.1", Stage.FAILED)

    over = await flow.look()

    assert (Stage.FAILED, ["Cancelled", "Failed"]) == (
        over.stage,
        [phase for _, phase, _ in flow.steps()],
    )
    assert Stage.CANCELLED is flow.inner.stages[f"{KEY}/0.1.2"]


async def test_next_attempt_that_nobody_wrote_down_runs_on() -> None:
    flow = Workflow([{"name": "a", "retry": {"limit": 1}}])
    await flow.submit()
    flow.end("0.1.1", Stage.FAILED)
    await flow.look()
    flow.inner.stages[f"{KEY}/0.1.2"] = Stage.RUNNING  # whoever submitted it was killed

    found = await flow.look()

    assert (Stage.RUNNING, [("a", "Running", "")]) == (found.stage, flow.steps())


async def test_workflow_ends_only_when_what_a_killed_controller_started_has_ended() -> None:
    flow = Workflow([*two(), {"name": "c"}], parallelism=2, is_slow=True)
    await flow.submit()
    flow.end("0.1.1", Stage.SUCCEEDED)
    written = flow.status
    await flow.look()
    flow.status = written  # it was killed before it wrote that
    flow.end("1.1.1", Stage.FAILED)

    ending = await flow.look()
    flow.end("2.1.1", Stage.CANCELLED)
    over = await flow.look()

    assert (Stage.CANCELLING, 1.0) == (ending.stage, ending.requeue_after_seconds)
    assert (Stage.FAILED, []) == (over.stage, flow.inner.working)


async def test_hopeless_step_says_that_another_attempt_of_the_run_is_hopeless() -> None:
    flow = Workflow(two(), parallelism=2, is_slow=True)
    await flow.submit()
    flow.inner.codes[f"{KEY}/1.1.1"] = Code.TERMINAL
    flow.end("1.1.1", Stage.FAILED)
    await flow.look()
    flow.end("0.1.1", Stage.CANCELLED)

    assert Code.TERMINAL is (await flow.look()).code


async def test_step_that_can_never_be_submitted_fails_with_the_words_of_who_refused_it() -> None:
    flow = Workflow([*two(), {"name": "c"}], parallelism=2)
    flow.inner.refuses["c"] = RuntimeFault(Code.DENIED, "policy says no")
    await flow.submit()
    flow.end("0.1.1", Stage.SUCCEEDED)

    await flow.look()
    over = await flow.look()

    assert (Stage.FAILED, "Step 'c' failed ('b' was cancelled): policy says no") == (
        over.stage,
        over.message,
    )


async def test_step_that_finds_no_room_is_told_and_submitted_again() -> None:
    flow = Workflow(two())
    await flow.submit()
    flow.inner.refuses["b"] = RuntimeFault(Code.QUOTA, "exceeded quota", retry_after_seconds=7.0)
    flow.end("0.1.1", Stage.SUCCEEDED)

    waiting = await flow.look()
    told = flow.steps()
    flow.inner.refuses.clear()
    going = await flow.look()

    assert (Stage.PENDING, "exceeded quota", 7.0) == (
        waiting.stage,
        waiting.message,
        waiting.requeue_after_seconds,
    )
    assert [("a", "Succeeded", ""), ("b", "Pending", "exceeded quota")] == told
    assert (Stage.RUNNING, ("b", "Running", "")) == (going.stage, flow.steps()[1])


async def test_first_step_that_is_refused_is_the_submissions_fault() -> None:
    flow = Workflow(two())
    flow.inner.refuses["a"] = RuntimeFault(Code.DENIED, "policy says no")

    with pytest.raises(RuntimeFault, match="policy says no"):
        await flow.submit()


async def test_step_that_was_cancelled_from_elsewhere_cancels_the_workflow() -> None:
    flow = Workflow(two(), parallelism=2)
    await flow.submit()
    flow.end("0.1.1", Stage.CANCELLED)

    await flow.look()
    over = await flow.look()

    assert (Stage.CANCELLED, "Step 'a' was cancelled: The step was cancelled.") == (
        over.stage,
        over.message,
    )


async def test_iteration_finds_what_the_one_before_it_left() -> None:
    flow = Workflow([{"name": "a", "loop": {"maxIterations": 3}}])
    await flow.submit()

    for iteration in (1, 2):
        flow.end(f"0.{iteration}.1", Stage.SUCCEEDED, loopControl={"left": iteration})
        await flow.look()

    found = [flow.inner.submitted[f"{KEY}/0.{at}.1"].run_json["loop"] for at in (1, 2, 3)]
    assert [
        {"iteration": 1, "control": None},
        {"iteration": 2, "control": {"left": 1}},
        {"iteration": 3, "control": {"left": 2}},
    ] == found


async def test_artifacts_of_every_step_are_kept_and_what_is_missing_is_named() -> None:
    flow = Workflow([*two(), {"name": "c"}], parallelism=2)
    await flow.submit()
    flow.inner.artifacts = {f"{KEY}/{at}.1.1": ["log", "patch"][: at + 1] for at in range(3)}
    flow.inner.missing = {f"{KEY}/0.1.1": ["patch"]}
    told = []
    for piece in ("1.1.1", "0.1.1", "2.1.1"):
        flow.end(piece, Stage.SUCCEEDED)
        found = await flow.look()
        told.append([one["name"] for one in found.artifacts])

    assert [
        ["b/log", "b/patch"],
        ["a/log", "b/log", "b/patch"],
        ["a/log", "b/log", "b/patch", "c/log", "c/patch"],
    ] == told
    over = flow.progress
    assert (Stage.SUCCEEDED, ["a/patch"]) == (over.stage, [*over.missing_artifacts])
    assert "Declared artifacts not produced: 'a/patch'." == over.message


async def test_artifacts_for_which_there_is_no_room_are_counted() -> None:
    flow = Workflow(two())
    await flow.submit()
    flow.inner.artifacts = {f"{KEY}/{at}.1.1": [f"f{n}" for n in range(40)] for at in range(2)}

    flow.end("0.1.1", Stage.SUCCEEDED)
    await flow.look()
    flow.end("1.1.1", Stage.SUCCEEDED)
    over = await flow.look()

    assert (50, 30) == (len(over.artifacts), over.artifacts_omitted)


async def test_name_of_an_artifact_finds_room_with_its_steps() -> None:
    flow = Workflow(two())
    await flow.submit()
    flow.inner.artifacts = {f"{KEY}/0.1.1": ["n" * 1024]}
    flow.end("0.1.1", Stage.SUCCEEDED)

    (found,) = (await flow.look()).artifacts

    assert "a/" + "n" * 1022 == found["name"]


STEP = strategies.fixed_dictionaries(
    {},
    optional={
        "retry": strategies.fixed_dictionaries({"limit": strategies.integers(0, 2)}),
        "timeout": strategies.just("1h"),
        "loop": strategies.just(LOOP),
    },
)
ENDINGS = strategies.sampled_from([Stage.SUCCEEDED, Stage.FAILED, Stage.CANCELLED])


async def played(flow: Workflow, data: strategies.DataObject) -> None:
    """Reconcile, with some crashes, while pieces end."""
    for _ in range(data.draw(strategies.integers(0, 12))):
        for key in flow.inner.working:
            if data.draw(strategies.integers(0, 2)) == 0:
                flow.end(key.removeprefix(f"{KEY}/"), data.draw(ENDINGS))
        flow.now += dt.timedelta(seconds=data.draw(strategies.sampled_from([0, 3, 300, 4000])))
        flow.inner.calls_left = data.draw(strategies.sampled_from([None, 0, 1, 2]))
        try:
            await (flow.look() if data.draw(strategies.integers(0, 9)) else flow.cancel())
        except Crash:
            continue
        if flow.progress.stage.is_ended:
            return


@settings(max_examples=depth.draws(50), deadline=None)
@given(
    strategies.lists(STEP, min_size=1, max_size=4),
    strategies.integers(1, 3),
    strategies.data(),
)
async def test_nothing_of_a_workflow_that_is_over_runs_wherever_controllers_crash(
    drawn: list[dict[str, Any]], parallelism: int, data: strategies.DataObject
) -> None:
    steps = [{**one, "name": f"s{at}"} for at, one in enumerate(drawn)]
    flow = Workflow(steps, parallelism, is_slow=data.draw(strategies.booleans()))
    await flow.submit()

    await played(flow, data)
    flow.inner.calls_left = None
    for _ in range(100):
        if flow.progress.stage.is_ended:
            break
        assert len(flow.inner.working) <= parallelism
        for key in flow.inner.working:
            flow.end(key.removeprefix(f"{KEY}/"), Stage.SUCCEEDED)
        flow.now += dt.timedelta(hours=2)
        await flow.look()

    assert flow.progress.stage.is_ended
    assert [] == flow.inner.working
    assert flow.progress == await flow.look()


@settings(max_examples=depth.draws(50), deadline=None)
@given(
    strategies.lists(STEP, min_size=1, max_size=4),
    strategies.integers(1, 3),
    strategies.data(),
)
async def test_workflow_that_is_cancelled_ends_though_nothing_is_recorded(
    drawn: list[dict[str, Any]], parallelism: int, data: strategies.DataObject
) -> None:
    steps = [{**one, "name": f"s{at}"} for at, one in enumerate(drawn)]
    flow = Workflow(steps, parallelism, is_slow=data.draw(strategies.booleans()))
    stages = strategies.sampled_from([Stage.RUNNING, Stage.SUCCEEDED, Stage.FAILED])
    flow.inner.at_once = lambda _: data.draw(stages)
    await flow.submit()
    if data.draw(strategies.booleans()):
        flow.status = {}

    over = await flow.unrecorded()
    await flow.cancel()
    for key in flow.inner.working:
        flow.end(key.removeprefix(f"{KEY}/"), data.draw(strategies.sampled_from([*OF_A_CANCEL])))
    flow.inner.at_once = lambda _: Stage.RUNNING
    for _ in range(3):
        over = await flow.unrecorded()
        if over.stage.is_ended:
            break
        await flow.cancel()
        for key in flow.inner.working:
            flow.end(key.removeprefix(f"{KEY}/"), Stage.CANCELLED)

    assert over.stage.is_ended
    assert [] == flow.inner.working


OF_A_CANCEL = (Stage.SUCCEEDED, Stage.FAILED, Stage.CANCELLED)
