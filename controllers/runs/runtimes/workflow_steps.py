"""How a workflow stands and what it does next: a pure function of what was seen of its steps.

The state is ``status.workflow`` of the run (v1beta1): steps with their phase, attempt and loop. A
piece of work has the key of the run's attempt and ``/INDEX.ITERATION.ATTEMPT``.
"""

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Final

from controllers import kube
from controllers.runs import values
from controllers.runs.retries import Backoff
from controllers.runs.runtimes import loops, reports
from controllers.runs.runtimes.base import JSON, Key, Progress, Stage

PENDING: Final = "Pending"
RUNNING: Final = "Running"
RETRYING: Final = "Retrying"
SUCCEEDED: Final = "Succeeded"
FAILED: Final = "Failed"
# Of an endless loop, the last ones are listed.
MOST_ITERATIONS: Final = 20
LOST: Final = "The work of the attempt went away."


@dataclasses.dataclass(frozen=True, slots=True)
class Piece:
    """An attempt of a step that is under way, or is to start."""

    index: int
    iteration: int
    attempt: int

    def key(self, base: Key) -> Key:
        """The key of its work, under that of the run's attempt."""
        return f"{base}/{self.index}.{self.iteration}.{self.attempt}"


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """What a step says of itself (v1beta1 WorkflowStep), read."""

    name: str
    retries: int
    backoff: Backoff
    timeout_seconds: float | None
    loop: Mapping[str, JSON] | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What follows.

    Attributes:
        state: ``status.workflow``, new.
        start: To be submitted now.
        cancel: To be ended: what takes too long, and what a failed workflow needs no more.
        stage: Of the whole workflow.
        reason: Of a failure.
        message: For people.
        look_again: When a retry or a timeout is due.
    """

    state: dict[str, JSON]
    start: tuple[Piece, ...] = ()
    cancel: tuple[Piece, ...] = ()
    stage: Stage = Stage.RUNNING
    reason: str = ""
    message: str = ""
    look_again: dt.datetime | None = None


def read(given: Sequence[Mapping[str, JSON]]) -> tuple[Step, ...]:
    """The steps of a run's ``runtime.workflow.steps``."""
    return tuple(_step(one) for one in given)


def known(state: Mapping[str, JSON] | None) -> tuple[Step, ...]:
    """The steps as far as a state knows them: for a run of which nothing else is there any more."""
    listed = (state or {}).get("steps") or ()
    return tuple(Step(one.get("name", ""), 0, Backoff(), None, None) for one in listed)


def under_way(state: Mapping[str, JSON] | None) -> tuple[Piece, ...]:
    """What runs, by a state, and what is to be tried again: it can have been cancelled."""
    listed = (state or {}).get("steps") or ()
    phases = {RUNNING, RETRYING}
    return tuple(
        _piece(index, one) for index, one in enumerate(listed) if one.get("phase") in phases
    )


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
) -> Decision:
    """How the workflow stands now, and what to do.

    Args:
        given: The steps.
        parallelism: How many may run at the same time; 0 starts nothing.
        state: As it was written last; None before the first step.
        seen: How the pieces of work stand that the state says run.
        now: Aware UTC time.
        dice: A random number from 0 to 1.
        answers: Of conditions of loops.
        refusal: Why nothing may start any more: the step whose turn it is fails.

    Raises:
        loops.UnansweredError: An answer is missing.
    """
    known = list((state or {}).get("steps") or ())
    fresh = [known[at] if at < len(known) else {} for at in range(len(given))]
    turn = _Turn(now, dice, answers or {}, refusal)
    statuses = [turn.step(at, given[at], one, seen) for at, one in enumerate(fresh)]
    has_failed = any(one["phase"] == FAILED for one in statuses)
    if has_failed:
        cancel = [_piece(at, one) for at, one in enumerate(statuses) if one["phase"] == RUNNING]
        turn.cancel.extend(piece for piece in cancel if piece not in turn.cancel)
    elif not turn.is_cancelling:
        _start(turn, statuses, parallelism)
        has_failed = any(one["phase"] == FAILED for one in statuses)
    return _decided(turn, statuses, state, has_failed=has_failed)


# ---------------------------------------------------------------------------------- one step


@dataclasses.dataclass
class _Turn:
    """What one decision gathers."""

    now: dt.datetime
    dice: float
    answers: loops.Answers
    refusal: str = ""
    start: list[Piece] = dataclasses.field(default_factory=list)
    cancel: list[Piece] = dataclasses.field(default_factory=list)
    instants: list[dt.datetime] = dataclasses.field(default_factory=list)
    is_cancelled: bool = False
    is_cancelling: bool = False
    reason: str = ""

    def step(  # noqa: PLR0911 - a case each
        self, index: int, step: Step, status: JSON, seen: Mapping[Piece, Progress]
    ) -> dict[str, JSON]:
        """The status of a step as it is now."""
        if status.get("phase") not in {RUNNING, RETRYING}:
            return status or {"name": step.name, "phase": PENDING}
        piece = _piece(index, status)
        progress = seen.get(piece)
        if progress is None:
            return dict(status)
        if status["phase"] == RETRYING:
            return self._retrying(status, progress)
        if progress.stage is Stage.MISSING:
            self.cancel.append(piece)  # or it is created late, beside its next attempt
            return {**status, "message": LOST}
        deadline = _deadline(step, status)
        is_late = deadline is not None and self.now >= deadline
        if not progress.stage.is_ended:
            return self._going(piece, status, progress, deadline, is_late=is_late)
        if progress.stage is Stage.SUCCEEDED:
            return self._succeeded(step, status, progress)
        is_lost = status.get("message") == LOST
        if progress.stage is Stage.CANCELLED and not is_late and not is_lost:
            self.is_cancelled, self.reason = True, progress.reason
            return self._moved(status, FAILED, progress.message or "The step was cancelled.")
        return self._failed(step, status, progress, is_late=is_late)

    def _retrying(self, status: JSON, progress: Progress) -> dict[str, JSON]:
        """A step that waits; its next attempt can have been cancelled before it began."""
        if progress.stage is Stage.MISSING:
            return dict(status)
        self.is_cancelled = True
        return self._moved(status, FAILED, "The step was cancelled.")

    def _going(
        self,
        piece: Piece,
        status: JSON,
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
        return dict(status)

    def _succeeded(self, step: Step, status: JSON, progress: Progress) -> dict[str, JSON]:
        if step.loop is None:
            return self._moved(status, SUCCEEDED, progress.message)
        control = reports.loop_control(progress.runner)
        loop = _iterated(status, step.loop, control, self.now)
        try:
            completed = loop["completedIterations"]
            is_more, why = loops.goes_on(step.loop, completed, control, self.answers)
        except loops.ConditionError as error:
            return {**self._moved(status, FAILED, str(error)[:640]), "loop": loop}
        if is_more:
            following = {**loop, "currentIteration": loop["currentIteration"] + 1}
            moved = self._moved(status, PENDING, "")
            return {**moved, "attempt": 0, "loop": following}
        return {
            **self._moved(status, SUCCEEDED, progress.message),
            "loop": {**loop, "stopReason": why},
        }

    def _failed(
        self, step: Step, status: JSON, progress: Progress, *, is_late: bool
    ) -> dict[str, JSON]:
        message = "The attempt took too long." if is_late else progress.message or progress.reason
        attempt = status["attempt"]
        if attempt > step.retries or not progress.may_help_again:
            return self._moved(status, FAILED, message)
        pause = dt.timedelta(seconds=step.backoff.seconds(attempt, self.dice))
        moved = self._moved(status, RETRYING, message)
        return {**moved, "nextRetryTime": kube.time_text(self.now + pause)}

    def _moved(self, status: JSON, phase: str, message: str) -> dict[str, JSON]:
        """A step in another phase."""
        moved = {**status, "phase": phase, "message": message or None}
        moved["lastTransitionTime"] = kube.time_text(self.now)
        if phase in {SUCCEEDED, FAILED}:
            moved["completionTime"] = kube.time_text(self.now)
        return {name: value for name, value in moved.items() if value is not None}

    def started(self, index: int, status: JSON) -> dict[str, JSON]:
        """A step whose next attempt starts, or must not."""
        if self.refusal:
            self.cancel.append(_piece(index, status))  # or who did not know yet starts it late
            return self._moved(status, FAILED, self.refusal)
        attempt = status.get("attempt", 0) + 1
        moved = {
            **self._moved(status, RUNNING, ""),
            "attempt": attempt,
            "startTime": kube.time_text(self.now),
        }
        moved.pop("nextRetryTime", None)
        self.start.append(_piece(index, moved))
        return moved


def _start(turn: _Turn, statuses: list[dict[str, JSON]], parallelism: int) -> None:
    """Start as many steps as may run, in their order; one that is to be retried keeps its place."""
    running = sum(one["phase"] == RUNNING for one in statuses)
    for index, status in enumerate(statuses):
        if status["phase"] == RETRYING:
            due = dt.datetime.fromisoformat(status["nextRetryTime"])
            if due > turn.now:
                turn.instants.append(due)
                running += 1
                continue
        elif status["phase"] != PENDING:
            continue
        if running >= parallelism:
            return
        statuses[index] = turn.started(index, status)
        running += 1


def _decided(
    turn: _Turn,
    statuses: list[dict[str, JSON]],
    state: Mapping[str, JSON] | None,
    *,
    has_failed: bool,
) -> Decision:
    phases = {one["phase"] for one in statuses}
    phase = RUNNING
    if has_failed:
        phase = FAILED
    elif phases <= {SUCCEEDED}:
        phase = SUCCEEDED
    known = state or {}
    since = known.get("lastTransitionTime")
    is_same = known.get("phase") == phase and since
    written: dict[str, JSON] = {
        "phase": phase,
        "lastTransitionTime": since if is_same else kube.time_text(turn.now),
        "steps": statuses,
    }
    decision = Decision(
        state=written,
        start=tuple(turn.start),
        cancel=tuple(turn.cancel),
        look_again=min(turn.instants, default=None),
    )
    if phase == SUCCEEDED:
        return dataclasses.replace(decision, stage=Stage.SUCCEEDED)
    if not has_failed:
        stage = Stage.CANCELLING if turn.is_cancelling else Stage.RUNNING
        return dataclasses.replace(decision, stage=stage)
    if RUNNING in phases:
        return dataclasses.replace(decision, stage=Stage.CANCELLING)
    if turn.is_cancelled:
        return dataclasses.replace(decision, stage=Stage.CANCELLED, reason=turn.reason)
    return _over(decision, statuses)


def _over(decision: Decision, statuses: list[dict[str, JSON]]) -> Decision:
    """A workflow of which a step failed, and nothing runs any more."""
    failed = next(one for one in statuses if one["phase"] == FAILED)
    message = f"Step {failed['name']!r} failed: {failed.get('message', '')}"
    return dataclasses.replace(
        decision, stage=Stage.FAILED, reason="WorkflowStepFailed", message=message
    )


# ----------------------------------------------------------------------------------- reading


def _step(given: Mapping[str, JSON]) -> Step:
    retry = given.get("retry") or {}
    base = values.seconds((retry.get("backoff") or {}).get("base"))
    return Step(
        name=given["name"],
        retries=retry.get("limit") or 0,
        backoff=Backoff() if base is None else Backoff(base_seconds=base),
        timeout_seconds=values.seconds(given.get("timeout")) or None,
        loop=given.get("loop"),
    )


def _piece(index: int, status: Mapping[str, JSON]) -> Piece:
    """The attempt of a step that runs; of one that waits to be tried again, the next one."""
    iteration = (status.get("loop") or {}).get("currentIteration", 1)
    attempt = (status.get("attempt") or 0) + (0 if status["phase"] == RUNNING else 1)
    return Piece(index, iteration, attempt)


def _iterated(
    status: JSON, loop: Mapping[str, JSON], control: JSON, now: dt.datetime
) -> dict[str, JSON]:
    """A loop's status after an iteration that succeeded."""
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
    listed = [*(known.get("iterations") or ()), {k: v for k, v in one.items() if v is not None}]
    kept = listed[-MOST_ITERATIONS:]
    fields: dict[str, Any] = {
        "currentIteration": number,
        "completedIterations": known.get("completedIterations", 0) + 1,
        "maxIterations": loop["maxIterations"],
        "retainedIterations": len(kept),
        "prunedIterations": known.get("prunedIterations", 0) + len(listed) - len(kept),
        "lastControl": control if loops.is_kept(control) else None,
        "iterations": kept,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _deadline(step: Step, status: JSON) -> dt.datetime | None:
    if step.timeout_seconds is None or not status.get("startTime"):
        return None
    return dt.datetime.fromisoformat(status["startTime"]) + dt.timedelta(
        seconds=step.timeout_seconds
    )
