"""Decides the state and next actions of a workflow: a pure function of its steps' progress.

The state is ``status.workflow`` of the run (v1beta1): steps with their phase, attempt and loop.
What becomes of a single step is in ``step_transitions``.
"""

import dataclasses
import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from controllers import kube
from controllers.runs.retries import Backoff
from controllers.runs.runtimes.base import JSON, Progress, Stage
from controllers.runs.runtimes.workflow import loops, step_transitions, workflow_state
from controllers.runs.runtimes.workflow.step_transitions import Piece, Step, Transitions
from controllers.runs.runtimes.workflow.workflow_state import (
    CANCELLED,
    FAILED,
    PENDING,
    RETRYING,
    RUNNING,
    SUCCEEDED,
)

LEFT: Final = "The workflow was cancelled."
# Number of cancelled or failed steps named in a message.
MAX_NAMES: Final = 5


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The next actions.

    Attributes:
        state: The new ``status.workflow``.
        before: The previous steps.
        start: To be submitted now.
        cancel: To be cancelled: timed out, or no longer needed by a failed workflow.
        unreserved: Why the submission of an ended piece may still land (see ``Progress``).
        unclear: Pieces of an ending workflow that another controller may have started, or may be
            about to: it ends once none of them can run any more.
        failed: The attempts by which steps failed.
        stage: Of the workflow.
        reason: Of a failure.
        message: Human-readable message.
        requeue_at: When a retry or a timeout is due.
    """

    state: dict[str, JSON]
    before: tuple[dict[str, JSON], ...] = ()
    start: tuple[Piece, ...] = ()
    cancel: tuple[Piece, ...] = ()
    unclear: tuple[Piece, ...] = ()
    failed: tuple[Piece, ...] = ()
    unreserved: str = ""
    stage: Stage = Stage.RUNNING
    reason: str = ""
    message: str = ""
    requeue_at: dt.datetime | None = None


def read(given: Sequence[Mapping[str, JSON]]) -> tuple[Step, ...]:
    """Parse a run's ``runtime.workflow.steps``."""
    return tuple(step_transitions.parsed(step) for step in given)


def known(state: Mapping[str, JSON] | None) -> tuple[Step, ...]:
    """Return the steps in a state, for a run without its other objects."""
    return tuple(Step(name, 0, Backoff(), None, None) for name in workflow_state.names(state))


def under_way(state: Mapping[str, JSON] | None) -> tuple[Piece, ...]:
    """Return running pieces and those to be retried, which may need cancellation."""
    listed = workflow_state.steps(state, workflow_state.names(state))
    phases = {RUNNING, RETRYING}
    return tuple(
        step_transitions.piece_of(index, status)
        for index, status in enumerate(listed)
        if status["phase"] in phases
    )


def decide(
    given: Sequence[Step],
    parallelism: int,
    state: Mapping[str, JSON] | None,
    seen: Mapping[Piece, Progress],
    *,
    now: dt.datetime,
    rng: float,
    answers: loops.Answers | None = None,
    refusal: str = "",
    refused: Mapping[Piece, str] | None = None,
) -> Decision:
    """Decide the state of the workflow and its next actions.

    Args:
        given: The steps.
        parallelism: Maximum number of running steps; 0 starts nothing.
        state: The last recorded state; None before the first step.
        seen: Progress of the pieces that the state records as running.
        now: Aware UTC time.
        rng: A random number from 0 to 1.
        answers: Results of loop conditions.
        refusal: Why nothing may start any more: the next step fails.
        refused: Why pieces can never be submitted: their steps fail.

    Raises:
        loops.UnansweredError: A result is missing.
    """
    before = workflow_state.steps(state, [step.name for step in given])
    has_ended_badly = any(status["phase"] in {FAILED, CANCELLED} for status in before)
    turn = Transitions(now, rng, answers or {}, refusal, refused or {}, is_closing=has_ended_badly)
    statuses = [turn.step(at, given[at], status, seen) for at, status in enumerate(before)]
    if not turn.is_cancelling and not _has_ended_badly(statuses):
        _start(turn, statuses, parallelism)
    _attribute(before, statuses)
    decision = _decided(turn, statuses, state, max(parallelism, 1))
    return dataclasses.replace(decision, before=tuple(before))


def _has_ended_badly(statuses: Sequence[Mapping[str, JSON]]) -> bool:
    return any(status["phase"] in {FAILED, CANCELLED} for status in statuses)


def _attribute(before: Sequence[Mapping[str, JSON]], statuses: list[dict[str, JSON]]) -> None:
    """Set the message of steps that were cancelled because another failed."""
    failed = _first(statuses, FAILED)
    if failed is None:
        return
    for at, status in enumerate(statuses):
        if status["phase"] == CANCELLED and before[at]["phase"] != CANCELLED:
            statuses[at] = {**status, "message": _because(failed)}


def _because(failed: Mapping[str, JSON]) -> str:
    return f"Cancelled because step {failed['name']!r} failed."


def _first(statuses: Sequence[dict[str, JSON]], phase: str) -> dict[str, JSON] | None:
    """Return the step that entered a phase first."""
    matching = [status for status in statuses if status["phase"] == phase]
    return min(
        matching, key=lambda one: step_transitions.time_field(one, "completionTime"), default=None
    )


def _start(turn: Transitions, statuses: list[dict[str, JSON]], parallelism: int) -> None:
    """Start as many steps as allowed, in order; a step waiting for its retry keeps its slot."""
    running = sum(one["phase"] == RUNNING for one in statuses)
    for index, status in enumerate(statuses):
        if status["phase"] == RETRYING:
            due = step_transitions.time_field(status, "nextRetryTime")
            if due > turn.now:
                turn.instants.append(due)
                running += 1
                continue
        elif status["phase"] != PENDING:
            continue
        if running >= parallelism:
            return
        statuses[index] = turn.started(index, status)
        if turn.refusing:
            return
        running += 1


# ------------------------------------------------------------------------------ the whole workflow


def _decided(
    turn: Transitions,
    statuses: list[dict[str, JSON]],
    state: Mapping[str, JSON] | None,
    width: int,
) -> Decision:
    phases = {status["phase"] for status in statuses}
    phase = next((ending for ending in (FAILED, CANCELLED) if ending in phases), RUNNING)
    if phases <= {SUCCEEDED}:
        phase = SUCCEEDED
    decision = Decision(
        state=_written(phase, statuses, state, turn.now),
        start=tuple(turn.start),
        cancel=tuple(turn.cancel),
        requeue_at=min(turn.instants, default=None),
    )
    if phase == SUCCEEDED:
        return dataclasses.replace(decision, stage=Stage.SUCCEEDED)
    if phase == RUNNING:
        stage = Stage.CANCELLING if turn.is_cancelling else Stage.RUNNING
        return dataclasses.replace(decision, stage=stage)
    return _closed(turn, decision, statuses, width)


def _written(
    phase: str,
    statuses: list[dict[str, JSON]],
    state: Mapping[str, JSON] | None,
    now: dt.datetime,
) -> dict[str, JSON]:
    known = state or {}
    since = known.get("lastTransitionTime")
    is_same = known.get("phase") == phase and since
    return {
        "phase": phase,
        "lastTransitionTime": since if is_same else kube.time_text(now),
        "steps": workflow_state.fitted(statuses),
    }


def _closed(
    turn: Transitions, decision: Decision, statuses: list[dict[str, JSON]], width: int
) -> Decision:
    """End a workflow after a failure or cancellation, once the other steps have ended."""
    running = [
        step_transitions.piece_of(at, status)
        for at, status in enumerate(statuses)
        if status["phase"] == RUNNING
    ]
    waiting = [
        step_transitions.piece_of(at, status)
        for at, status in enumerate(statuses)
        if status["phase"] == RETRYING
    ]
    following = [
        step_transitions.piece_of(at, status)
        for at, status in enumerate(statuses)
        if status["phase"] == PENDING
    ]
    decision = dataclasses.replace(
        decision,
        cancel=tuple(dict.fromkeys((*decision.cancel, *running))),
        unclear=(*turn.refusing, *waiting, *following[:width]),
    )
    if running:
        return dataclasses.replace(decision, stage=Stage.CANCELLING)
    failed = _first(statuses, FAILED)
    left = [*_left(turn.now, statuses, failed)]
    state = {**decision.state, "steps": workflow_state.fitted(left)}
    decision = dataclasses.replace(decision, state=state)
    if failed is not None:
        return _failed(decision, failed, left)
    cancelled = [status for status in statuses if status.get("message") != LEFT]
    first = _first(cancelled, CANCELLED) or {}
    message = f"Step {first.get('name')!r} was cancelled: {first.get('message', '')}"
    return dataclasses.replace(decision, stage=Stage.CANCELLED, reason=turn.reason, message=message)


def _left(
    now: dt.datetime, statuses: Sequence[dict[str, JSON]], failed: Mapping[str, JSON] | None
) -> Iterator[dict[str, JSON]]:
    """Yield the steps of an ended workflow, cancelling those that waited to continue."""
    for status in statuses:
        is_begun = status["phase"] == RETRYING or (status["phase"] == PENDING and "loop" in status)
        if not is_begun:
            yield status
            continue
        at = kube.time_text(now)
        known = {name: value for name, value in status.items() if name != "nextRetryTime"}
        message = _because(failed) if failed else LEFT
        moved = {"message": message, "lastTransitionTime": at, "completionTime": at}
        yield {**known, "phase": CANCELLED, **moved}


def _failed(
    decision: Decision, first: Mapping[str, JSON], statuses: Sequence[Mapping[str, JSON]]
) -> Decision:
    """Return the decision for a failed workflow of which nothing runs."""
    others = [
        status["name"] for status in statuses if status["phase"] == FAILED and status is not first
    ]
    cancelled = [status["name"] for status in statuses if status["phase"] == CANCELLED]
    notes = [
        f"{_listed(names)} {verb}"
        for names, verb in (
            (others, "also failed"),
            (cancelled, "were cancelled" if len(cancelled) > 1 else "was cancelled"),
        )
        if names
    ]
    noted = f" ({'; '.join(notes)})" if notes else ""
    message = f"Step {first['name']!r} failed{noted}: {first.get('message', '')}"
    pieces = (
        step_transitions.piece_of(at, status)
        for at, status in enumerate(statuses)
        if status["phase"] == FAILED
    )
    return dataclasses.replace(
        decision,
        stage=Stage.FAILED,
        reason="WorkflowStepFailed",
        message=message,
        failed=tuple(piece for piece in pieces if piece.attempt),
    )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:MAX_NAMES])
    more = len(names) - MAX_NAMES
    return f"{shown} and {more} more" if more > 0 else shown
