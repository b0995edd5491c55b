"""The steps of a workflow: order, retries, loops, and all possible paths."""

import dataclasses
import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import given, settings, strategies

from controllers.runs.runtimes import reports
from controllers.runs.runtimes.base import Code, Progress, Stage
from controllers.runs.runtimes.workflow import condition_child, loops, workflow_steps
from controllers.runs.runtimes.workflow.step_transitions import Piece
from controllers.runs.runtimes.workflow.workflow_steps import Decision
from crds import hub
from tests.support import depth
from tests.support.run_world import NOW

FAILED = Progress(stage=Stage.FAILED, code=Code.RETRYABLE, message="no")
DONE = Progress(stage=Stage.SUCCEEDED)


def decide(
    steps: list[dict[str, Any]],
    state: dict[str, Any] | None = None,
    seen: dict[Piece, Progress] | None = None,
    *,
    parallelism: int = 1,
    now: dt.datetime = NOW,
) -> Decision:
    read = workflow_steps.read(steps)
    answers: dict[loops.Question, bool | loops.ConditionError] = {}
    while True:
        try:
            return workflow_steps.decide(
                read, parallelism, state, seen or {}, now=now, rng=0.5, answers=answers
            )
        except loops.UnansweredError as unanswered:
            answers[unanswered.question] = answer(unanswered.question)


def answer(question: loops.Question) -> bool | loops.ConditionError:
    """Same as ``conditions``, in this process."""
    try:
        return condition_child.evaluate(
            question.expression, json.loads(question.control), question.iteration
        )
    except ValueError as error:
        return loops.ConditionError(f"condition {question.excerpt!r}: {error}")


def should_continue(loop: dict[str, Any], control: object) -> tuple[bool, str]:
    """Return whether there is a second iteration."""
    given = control if isinstance(control, reports.Control) else reports.Control(control)
    try:
        return loops.should_continue(loop, 1, given, {})
    except loops.UnansweredError as unanswered:
        known = {unanswered.question: answer(unanswered.question)}
    return loops.should_continue(loop, 1, given, known)


def phases(decision: Decision) -> list[str]:
    return [one["phase"] for one in decision.state["steps"]]


TWO: list[dict[str, Any]] = [{"name": "a"}, {"name": "b"}]


@pytest.mark.parametrize(
    ("retries", "attempts", "expected"), [(0, "D", 1), (1, "DDFF", 4), (1, "FDF", 3)]
)
def test_attempt_of_a_step_that_was_taken_away_uses_up_no_retry(
    retries: int, attempts: str, expected: int
) -> None:
    steps = [{"name": "a", "retry": {"limit": retries}}]
    decision, now = decide(steps), NOW
    for number, each in enumerate(attempts, 1):
        progress = dataclasses.replace(FAILED, is_disruption=each == "D")
        decision = decide(steps, decision.state, {Piece(0, 1, number): progress}, now=now)
        now += dt.timedelta(hours=1)
        decision = decide(steps, decision.state, now=now)

    (step,) = decision.state["steps"]
    assert ("Failed", expected) == (step["phase"], step["attempt"])
    assert attempts.count("D") == step["disruptions"]


def test_steps_start_one_after_the_other() -> None:
    first = decide(TWO)
    second = decide(TWO, first.state, {Piece(0, 1, 1): DONE})
    third = decide(TWO, second.state, {Piece(1, 1, 1): DONE})

    assert (["Running", "Pending"], (Piece(0, 1, 1),)) == (phases(first), first.start)
    assert (["Succeeded", "Running"], (Piece(1, 1, 1),)) == (phases(second), second.start)
    assert (Stage.SUCCEEDED, ()) == (third.stage, third.start)


def test_steps_run_side_by_side_as_many_as_may() -> None:
    steps: list[dict[str, Any]] = [*TWO, {"name": "c"}]

    assert ["Running", "Running", "Pending"] == phases(decide(steps, parallelism=2))


def test_failed_step_is_tried_again_after_a_pause_and_then_fails_the_workflow() -> None:
    retry = {"limit": 1, "backoff": {"base": "30s"}}
    steps: list[dict[str, Any]] = [{"name": "a", "retry": retry}, {"name": "b"}]
    first = decide(steps)
    waiting = decide(steps, first.state, {Piece(0, 1, 1): FAILED})
    early = decide(steps, waiting.state, {Piece(0, 1, 2): Progress(stage=Stage.MISSING)})
    again = decide(steps, early.state, {}, now=NOW + dt.timedelta(seconds=30))
    failed = decide(steps, again.state, {Piece(0, 1, 2): FAILED})

    assert ["Retrying", "Pending"] == phases(waiting)
    assert NOW + dt.timedelta(seconds=30) == early.requeue_at
    assert ((), (Piece(0, 1, 2),)) == (early.start, again.start)
    assert (Stage.FAILED, "WorkflowStepFailed", ()) == (failed.stage, failed.reason, failed.start)
    assert "Step 'a' failed: no" == failed.message


def test_failed_step_ends_those_beside_it() -> None:
    first = decide(TWO, parallelism=2)
    busy = decide(
        TWO,
        first.state,
        {Piece(0, 1, 1): FAILED, Piece(1, 1, 1): Progress(stage=Stage.RUNNING)},
        parallelism=2,
    )
    over = decide(TWO, busy.state, {Piece(1, 1, 1): Progress(stage=Stage.CANCELLED)})

    assert (Stage.CANCELLING, (Piece(1, 1, 1),)) == (busy.stage, busy.cancel)
    assert Stage.CANCELLED is over.stage or Stage.FAILED is over.stage


def test_step_that_takes_too_long_is_ended_and_tried_again() -> None:
    steps = [{"name": "a", "timeout": "1m", "retry": {"limit": 1}}]
    running = {Piece(0, 1, 1): Progress(stage=Stage.RUNNING)}
    late = NOW + dt.timedelta(minutes=1)
    first = decide(steps)
    meanwhile = decide(steps, first.state, running)
    ended = decide(steps, first.state, running, now=late)
    over = decide(steps, ended.state, {Piece(0, 1, 1): Progress(stage=Stage.CANCELLED)}, now=late)

    assert (late, ()) == (meanwhile.requeue_at, meanwhile.cancel)
    assert (Piece(0, 1, 1),) == ended.cancel
    assert (["Retrying"], "The attempt exceeded its deadline.") == (
        phases(over),
        over.state["steps"][0]["message"],
    )


def test_step_that_was_cancelled_cancels_the_workflow() -> None:
    first = decide(TWO)
    over = decide(TWO, first.state, {Piece(0, 1, 1): Progress(stage=Stage.CANCELLED)})

    assert (Stage.CANCELLED, ()) == (over.stage, over.start)


def test_work_that_went_away_is_buried_and_tried_again() -> None:
    steps = [{"name": "a", "retry": {"limit": 1}}]
    first = decide(steps)
    lost = decide(steps, first.state, {Piece(0, 1, 1): Progress(stage=Stage.MISSING)})
    buried = Progress(stage=Stage.CANCELLED, reason="JobMissing", code=Code.RETRYABLE)
    over = decide(steps, lost.state, {Piece(0, 1, 1): buried})

    assert (Piece(0, 1, 1),) == lost.cancel
    assert ["Retrying"] == phases(over)


def nested(depth: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(depth):
        found = [found]
    return found


LOOP = {"maxIterations": 5, "while": {"cel": "control.left > iteration"}}


def test_step_is_repeated_while_its_condition_holds() -> None:
    steps = [{"name": "a", "loop": LOOP}]
    done = Progress(stage=Stage.SUCCEEDED, runner={"loopControl": {"left": 2}})
    first = decide(steps)
    second = decide(steps, first.state, {Piece(0, 1, 1): done})
    over = decide(steps, second.state, {Piece(0, 2, 1): done})

    assert (Piece(0, 2, 1),) == second.start
    loop = over.state["steps"][0]["loop"]
    assert (Stage.SUCCEEDED, 2, "ConditionFalse", {"left": 2}) == (
        over.stage,
        loop["completedIterations"],
        loop["stopReason"],
        loop["lastControl"],
    )


@pytest.mark.parametrize(
    ("changes", "control", "expected"),
    [
        ({}, {"left": 9}, (True, "")),
        ({"maxIterations": 1}, {"left": 9}, (False, "MaxIterations")),
        ({"while": None}, None, (True, "")),
        ({}, None, (False, "ControlMissing")),
        ({}, [1], (False, "ControlInvalid")),
        ({}, {"left": 9, "text": "x" * 16_384}, (False, "ControlInvalid")),
        ({}, reports.Control(problem="expected a JSON object"), (False, "ControlInvalid")),
        ({}, {"left": nested(40)}, (False, "ControlInvalid")),
    ],
)
def test_loop_goes_on(changes: dict[str, Any], control: object, expected: tuple[bool, str]) -> None:
    assert expected == should_continue({**LOOP, **changes}, control)


@pytest.mark.parametrize(
    ("condition", "control", "words"),
    [
        ({"cel": "control.left"}, {"left": 1}, "expected true or false, got 1"),
        ({"cel": "control.gone > 1"}, {}, "gone"),
        ({"cel": "control."}, {}, "Syntax error"),
        ({"cel": "true", "control": {"onMissing": "Fail"}}, None, "expected a control file"),
        ({"cel": "true", "control": {"onInvalid": "Fail"}}, 7, "expected an object"),
        (
            {"cel": "true", "control": {"onInvalid": "Fail"}},
            reports.Control(problem="expected a JSON object"),
            "expected a JSON object",
        ),
        (
            {"cel": "true", "control": {"onInvalid": "Fail"}},
            {"text": "x" * 16_384},
            "expected a control file of at most 16384 bytes, got 16395",
        ),
    ],
)
def test_loop_without_an_answer_fails(
    condition: dict[str, Any], control: object, words: str
) -> None:
    with pytest.raises(loops.ConditionError, match=words):
        should_continue({"maxIterations": 5, "while": condition}, control)


STEP = strategies.fixed_dictionaries(
    {},
    optional={
        "retry": strategies.fixed_dictionaries({"limit": strategies.integers(0, 2)}),
        "timeout": strategies.sampled_from(["1s", "1h"]),
        "loop": strategies.sampled_from([{"maxIterations": 2}, LOOP]),
    },
)
PROGRESS = strategies.sampled_from(
    [
        None,
        Progress(stage=Stage.RUNNING),
        Progress(stage=Stage.SUCCEEDED, runner={"loopControl": {"left": 2}}),
        FAILED,
        Progress(stage=Stage.FAILED, code=Code.TERMINAL),
        Progress(stage=Stage.CANCELLED),
        Progress(stage=Stage.CANCELLING),
        Progress(stage=Stage.MISSING),
    ]
)


@settings(max_examples=depth.draws(100), deadline=None)
@given(strategies.lists(STEP, min_size=1, max_size=4), strategies.integers(1, 3), strategies.data())
def test_whatever_steps_do_the_workflow_is_valid_and_ends(
    drawn: list[dict[str, Any]], parallelism: int, data: strategies.DataObject
) -> None:
    steps = [{**one, "name": f"s{at}"} for at, one in enumerate(drawn)]
    now, decision = NOW, decide(steps, parallelism=parallelism)
    started = [*decision.start]

    for turn in range(200):
        state, watched = decision.state, workflow_steps.under_way(decision.state)
        hub.agentrun.WorkflowStatus.model_validate(state)
        assert sum(one["phase"] == "Running" for one in state["steps"]) <= parallelism
        if decision.stage.is_ended:
            break
        running = [p for p in watched if state["steps"][p.index]["phase"] == "Running"]
        seen = {
            piece: found
            for piece in running
            if (found := data.draw(PROGRESS) if turn < 20 else DONE) is not None
        }
        if turn >= 20 and decision.stage is Stage.CANCELLING:
            seen = {piece: Progress(stage=Stage.CANCELLED) for piece in running}
        now += dt.timedelta(minutes=10)
        decision = decide(steps, state, seen, parallelism=parallelism, now=now)
        started += decision.start

    assert decision.stage.is_ended
    assert len(started) == len({*started})
