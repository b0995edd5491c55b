"""Decides the state and next actions of a workflow: a pure function of its steps' progress.

The state is ``status.workflow`` of the run (v1beta1): steps with their phase, attempt and loop. The
key of a piece of work is that of the run's attempt and ``/INDEX.ITERATION.ATTEMPT``.
"""

import dataclasses
import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from controllers import kube
from controllers.runs import json_access, retries
from controllers.runs.retries import Backoff
from controllers.runs.runtimes import reports
from controllers.runs.runtimes.base import JSON, Key, Progress, Stage
from controllers.runs.runtimes.workflow import loops, workflow_state
from controllers.runs.runtimes.workflow.workflow_state import (
    CANCELLED,
    FAILED,
    PENDING,
    RETRYING,
    RUNNING,
    SUCCEEDED,
)

MAX_MESSAGE: Final = 640
LOST: Final = "The work of the attempt was deleted."
LEFT: Final = "The workflow was cancelled."
# Number of cancelled or failed steps named in a message.
MAX_NAMES: Final = 5


@dataclasses.dataclass(frozen=True, slots=True)
class Piece:
    """An attempt of a step."""

    index: int
    iteration: int
    attempt: int

    def key(self, base: Key) -> Key:
        """Return the key of its work, below that of the run's attempt."""
        return f"{base}/{self.index}.{self.iteration}.{self.attempt}"


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """A parsed v1beta1 WorkflowStep."""

    name: str
    retries: int
    backoff: Backoff
    timeout_seconds: float | None
    loop: Mapping[str, JSON] | None


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
        look_again: When a retry or a timeout is due.
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
    look_again: dt.datetime | None = None


def read(given: Sequence[Mapping[str, JSON]]) -> tuple[Step, ...]:
    """Parse a run's ``runtime.workflow.steps``."""
    return tuple(_step(one) for one in given)


def known(state: Mapping[str, JSON] | None) -> tuple[Step, ...]:
    """Return the steps in a state, for a run without its other objects."""
    return tuple(Step(name, 0, Backoff(), None, None) for name in workflow_state.names(state))


def under_way(state: Mapping[str, JSON] | None) -> tuple[Piece, ...]:
    """Return running pieces and those to be retried, which may need cancellation."""
    listed = workflow_state.steps(state, workflow_state.names(state))
    phases = {RUNNING, RETRYING}
    return tuple(_piece(index, one) for index, one in enumerate(listed) if one["phase"] in phases)


def decide(
    given: Sequence[Step],
    parallelism: int,
    state: Mapping[str, JSON] | None,
    seen: Mapping[Piece, Progress],
    *,
    now: dt.datetime,
    dice: float,
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
        dice: A random number from 0 to 1.
        answers: Results of loop conditions.
        refusal: Why nothing may start any more: the next step fails.
        refused: Why pieces can never be submitted: their steps fail.

    Raises:
        loops.UnansweredError: A result is missing.
    """
    before = workflow_state.steps(state, [one.name for one in given])
    has_ended_badly = any(one["phase"] in {FAILED, CANCELLED} for one in before)
    turn = _Turn(now, dice, answers or {}, refusal, refused or {}, is_closing=has_ended_badly)
    statuses = [turn.step(at, given[at], one, seen) for at, one in enumerate(before)]
    if not turn.is_cancelling and not _has_ended_badly(statuses):
        _start(turn, statuses, parallelism)
    _attribute(before, statuses)
    decision = _decided(turn, statuses, state, max(parallelism, 1))
    return dataclasses.replace(decision, before=tuple(before))


def _has_ended_badly(statuses: Sequence[Mapping[str, JSON]]) -> bool:
    return any(one["phase"] in {FAILED, CANCELLED} for one in statuses)


def _attribute(before: Sequence[Mapping[str, JSON]], statuses: list[dict[str, JSON]]) -> None:
    """Set the message of steps that were cancelled because another failed."""
    failed = _first(statuses, FAILED)
    if failed is None:
        return
    for at, one in enumerate(statuses):
        if one["phase"] == CANCELLED and before[at]["phase"] != CANCELLED:
            statuses[at] = {**one, "message": _because(failed)}


def _because(failed: Mapping[str, JSON]) -> str:
    return f"Cancelled because step {failed['name']!r} failed."


def _first(statuses: Sequence[dict[str, JSON]], phase: str) -> dict[str, JSON] | None:
    """Return the step that entered a phase first."""
    found = [one for one in statuses if one["phase"] == phase]
    return min(found, key=lambda one: _instant(one, "completionTime"), default=None)


# ---------------------------------------------------------------------------------- one step


@dataclasses.dataclass
class _Turn:
    """The state of a decision.

    Attributes:
        is_closing: Whether a step failed or was cancelled before, so that the others are cancelled.
    """

    now: dt.datetime
    dice: float
    answers: loops.Answers
    refusal: str
    refused: Mapping[Piece, str]
    is_closing: bool
    start: list[Piece] = dataclasses.field(default_factory=list)
    cancel: list[Piece] = dataclasses.field(default_factory=list)
    refusing: list[Piece] = dataclasses.field(default_factory=list)
    instants: list[dt.datetime] = dataclasses.field(default_factory=list)
    is_cancelling: bool = False
    reason: str = ""

    def step(
        self, index: int, step: Step, status: dict[str, JSON], seen: Mapping[Piece, Progress]
    ) -> dict[str, JSON]:
        """Return the current status of a step."""
        progress = seen.get(_piece(index, status))
        if status["phase"] not in {RUNNING, RETRYING} or progress is None:
            return status
        if status["phase"] == RETRYING:
            if progress.stage is Stage.MISSING:
                return status
            if progress.stage is Stage.CANCELLED:
                return self._cancelled(status, progress)
            # The next attempt was submitted, but the controller stopped before recording it.
            status = self._begun(status)
        return self._running(index, step, status, progress)

    def _running(
        self, index: int, step: Step, status: dict[str, JSON], progress: Progress
    ) -> dict[str, JSON]:
        piece = _piece(index, status)
        if progress.stage is Stage.MISSING:
            self.cancel.append(piece)  # or it may be created late, along with the next attempt
            return {**status, "message": LOST}
        deadline = _deadline(step, status, progress)
        is_late = deadline is not None and self.now >= deadline
        if not progress.stage.is_ended:
            return self._going(piece, status, progress, deadline, is_late=is_late)
        if progress.stage is Stage.SUCCEEDED:
            return self._succeeded(step, status, progress)
        is_lost = status.get("message") == LOST
        is_told = progress.stage is Stage.CANCELLED and not is_late and not is_lost
        if self.is_closing or is_told:
            return self._cancelled(status, progress)
        return self._failed(step, status, progress, is_late=is_late)

    def _cancelled(self, status: dict[str, JSON], progress: Progress) -> dict[str, JSON]:
        self.reason = self.reason or progress.reason
        return self._moved(status, CANCELLED, progress.message or "The step was cancelled.")

    def _going(
        self,
        piece: Piece,
        status: dict[str, JSON],
        progress: Progress,
        deadline: dt.datetime | None,
        *,
        is_late: bool,
    ) -> dict[str, JSON]:
        if progress.stage is Stage.CANCELLING and not is_late:
            self.is_cancelling = True
        elif is_late and progress.stage is not Stage.CANCELLING:
            self.cancel.append(piece)
        elif deadline is not None and not is_late:
            self.instants.append(deadline)
        if progress.look_again_seconds is not None:
            pause = dt.timedelta(seconds=progress.look_again_seconds)
            self.instants.append(self.now + pause)
        return status

    def _succeeded(
        self, step: Step, status: dict[str, JSON], progress: Progress
    ) -> dict[str, JSON]:
        if step.loop is None:
            return self._moved(status, SUCCEEDED, progress.message)
        control = reports.loop_control(progress.runner)
        loop = _iterated(status, step.loop, control.content, self.now)
        try:
            completed = loop["completedIterations"]
            is_more, why = True, ""
            if not self.is_closing:
                is_more, why = loops.goes_on(step.loop, completed, control, self.answers)
        except loops.ConditionError as error:
            return {**self._moved(status, FAILED, str(error)[:MAX_MESSAGE]), "loop": loop}
        if is_more:
            following = {**loop, "currentIteration": loop["currentIteration"] + 1}
            moved = self._moved(status, PENDING, "")
            moved.pop("disruptions", None)
            return {**moved, "attempt": 0, "loop": following}
        return {
            **self._moved(status, SUCCEEDED, progress.message),
            "loop": {**loop, "stopReason": why},
        }

    def _failed(
        self, step: Step, status: dict[str, JSON], progress: Progress, *, is_late: bool
    ) -> dict[str, JSON]:
        message = (
            "The attempt exceeded its deadline." if is_late else progress.message or progress.reason
        )
        attempt = status["attempt"]
        disruptions = status.get("disruptions", 0) + progress.is_disruption
        status = {**status, **json_access.present({"disruptions": disruptions or None})}
        is_last = attempt >= retries.allowed(step.retries, disruptions)
        if is_last or not progress.may_help_again:
            return self._moved(status, FAILED, message)
        pause = dt.timedelta(seconds=step.backoff.seconds(attempt, self.dice))
        moved = self._moved(status, RETRYING, message)
        return {**moved, "nextRetryTime": kube.time_text(self.now + pause)}

    def _moved(self, status: Mapping[str, JSON], phase: str, message: str) -> dict[str, JSON]:
        """Return a step in another phase."""
        moved = {**status, "phase": phase, "message": message or None}
        moved["lastTransitionTime"] = kube.time_text(self.now)
        if phase in workflow_state.ENDED:
            moved["completionTime"] = kube.time_text(self.now)
        return json_access.present(moved)

    def started(self, index: int, status: dict[str, JSON]) -> dict[str, JSON]:
        """Start a step's next attempt, or fail it if it must not start."""
        piece = _piece(index, status)
        refusal = self.refusal or self.refused.get(piece, "")
        if refusal:
            self.refusing.append(piece)  # another controller may have started it
            return self._moved(status, FAILED, refusal[:MAX_MESSAGE])
        self.start.append(piece)
        return self._begun(status)

    def _begun(self, status: Mapping[str, JSON]) -> dict[str, JSON]:
        moved = {
            **self._moved(status, RUNNING, ""),
            "attempt": status.get("attempt", 0) + 1,
            "startTime": kube.time_text(self.now),
        }
        moved.pop("nextRetryTime", None)
        return moved


def _start(turn: _Turn, statuses: list[dict[str, JSON]], parallelism: int) -> None:
    """Start as many steps as allowed, in order; a step waiting for its retry keeps its slot."""
    running = sum(one["phase"] == RUNNING for one in statuses)
    for index, status in enumerate(statuses):
        if status["phase"] == RETRYING:
            due = _instant(status, "nextRetryTime")
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
    turn: _Turn,
    statuses: list[dict[str, JSON]],
    state: Mapping[str, JSON] | None,
    width: int,
) -> Decision:
    phases = {one["phase"] for one in statuses}
    phase = next((one for one in (FAILED, CANCELLED) if one in phases), RUNNING)
    if phases <= {SUCCEEDED}:
        phase = SUCCEEDED
    decision = Decision(
        state=_written(phase, statuses, state, turn.now),
        start=tuple(turn.start),
        cancel=tuple(turn.cancel),
        look_again=min(turn.instants, default=None),
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
    turn: _Turn, decision: Decision, statuses: list[dict[str, JSON]], width: int
) -> Decision:
    """End a workflow after a failure or cancellation, once the other steps have ended."""
    running = [_piece(at, one) for at, one in enumerate(statuses) if one["phase"] == RUNNING]
    waiting = [_piece(at, one) for at, one in enumerate(statuses) if one["phase"] == RETRYING]
    following = [_piece(at, one) for at, one in enumerate(statuses) if one["phase"] == PENDING]
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
    told = [one for one in statuses if one.get("message") != LEFT]
    first = _first(told, CANCELLED) or {}
    message = f"Step {first.get('name')!r} was cancelled: {first.get('message', '')}"
    return dataclasses.replace(decision, stage=Stage.CANCELLED, reason=turn.reason, message=message)


def _left(
    now: dt.datetime, statuses: Sequence[dict[str, JSON]], failed: Mapping[str, JSON] | None
) -> Iterator[dict[str, JSON]]:
    """Yield the steps of an ended workflow, cancelling those that waited to continue."""
    for one in statuses:
        is_begun = one["phase"] == RETRYING or (one["phase"] == PENDING and "loop" in one)
        if not is_begun:
            yield one
            continue
        at = kube.time_text(now)
        known = {name: value for name, value in one.items() if name != "nextRetryTime"}
        message = _because(failed) if failed else LEFT
        moved = {"message": message, "lastTransitionTime": at, "completionTime": at}
        yield {**known, "phase": CANCELLED, **moved}


def _failed(
    decision: Decision, first: Mapping[str, JSON], statuses: Sequence[Mapping[str, JSON]]
) -> Decision:
    """Return the decision for a failed workflow of which nothing runs."""
    others = [one["name"] for one in statuses if one["phase"] == FAILED and one is not first]
    cancelled = [one["name"] for one in statuses if one["phase"] == CANCELLED]
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
    pieces = (_piece(at, one) for at, one in enumerate(statuses) if one["phase"] == FAILED)
    return dataclasses.replace(
        decision,
        stage=Stage.FAILED,
        reason="WorkflowStepFailed",
        message=message,
        failed=tuple(one for one in pieces if one.attempt),
    )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(one) for one in names[:MAX_NAMES])
    more = len(names) - MAX_NAMES
    return f"{shown} and {more} more" if more > 0 else shown


# ----------------------------------------------------------------------------------- reading


def _step(given: Mapping[str, JSON]) -> Step:
    retry = given.get("retry") or {}
    base = json_access.seconds((retry.get("backoff") or {}).get("base"))
    return Step(
        name=given["name"],
        retries=retry.get("limit") or 0,
        backoff=Backoff() if base is None else Backoff(base_seconds=base),
        timeout_seconds=json_access.seconds(given.get("timeout")) or None,
        loop=given.get("loop"),
    )


def _piece(index: int, status: Mapping[str, JSON]) -> Piece:
    """Return the current attempt of a step, or the next one if it waits."""
    iteration = (status.get("loop") or {}).get("currentIteration", 1)
    is_waiting = status["phase"] in {PENDING, RETRYING}
    return Piece(index, iteration, status.get("attempt", 0) + is_waiting)


def _iterated(
    status: Mapping[str, JSON], loop: Mapping[str, JSON], control: JSON, now: dt.datetime
) -> dict[str, JSON]:
    """Return a loop's status after a successful iteration."""
    known = status.get("loop") or {}
    number = known.get("currentIteration", 1)
    one = {
        "index": number,
        "phase": SUCCEEDED,
        "attempts": status["attempt"],
        "startTime": status.get("startTime"),
        "completionTime": kube.time_text(now),
        "jobRef": status.get("jobRef"),
    }
    listed = [*(known.get("iterations") or ()), json_access.present(one)]
    kept = listed[-workflow_state.MAX_ITERATIONS :]
    fields: dict[str, Any] = {
        "currentIteration": number,
        "completedIterations": known.get("completedIterations", 0) + 1,
        "maxIterations": loop["maxIterations"],
        "retainedIterations": len(kept),
        "prunedIterations": known.get("prunedIterations", 0) + len(listed) - len(kept),
        "lastControl": control if loops.is_kept(control) else None,
        "iterations": kept,
    }
    return json_access.present(fields)


def _instant(status: Mapping[str, JSON], name: str) -> dt.datetime:
    """Return a time of a step; the minimum if missing."""
    text = status.get(name)
    return dt.datetime.fromisoformat(text) if text else dt.datetime.min.replace(tzinfo=dt.UTC)


def _deadline(step: Step, status: Mapping[str, JSON], progress: Progress) -> dt.datetime | None:
    """Return the attempt's deadline; None while a queue suspends the attempt."""
    if step.timeout_seconds is None or not status.get("startTime") or progress.is_held:
        return None
    started = _instant(status, "startTime")
    if progress.started is not None:
        started = max(started, progress.started)
    return started + dt.timedelta(seconds=step.timeout_seconds)
