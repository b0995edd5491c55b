"""Decides what becomes of one step of a workflow: it starts, ends, is retried or repeated. Pure.

The key of a piece of work is that of the run's attempt and ``/INDEX.ITERATION.ATTEMPT``.
"""

import dataclasses
import datetime as dt
from collections.abc import Mapping
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


@dataclasses.dataclass
class Transitions:
    """The state of a decision.

    Attributes:
        is_closing: Whether a step failed or was cancelled before, so that the others are cancelled.
    """

    now: dt.datetime
    rng: float
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
        progress = seen.get(piece_of(index, status))
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
        piece = piece_of(index, status)
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
        is_cancelled = progress.stage is Stage.CANCELLED and not is_late and not is_lost
        if self.is_closing or is_cancelled:
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
        if progress.requeue_after_seconds is not None:
            pause = dt.timedelta(seconds=progress.requeue_after_seconds)
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
                is_more, why = loops.should_continue(step.loop, completed, control, self.answers)
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
        pause = dt.timedelta(seconds=step.backoff.seconds(attempt, self.rng))
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
        piece = piece_of(index, status)
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


def parsed(given: Mapping[str, JSON]) -> Step:
    """Parse a WorkflowStep (v1beta1)."""
    retry = given.get("retry") or {}
    base = json_access.seconds((retry.get("backoff") or {}).get("base"))
    return Step(
        name=given["name"],
        retries=retry.get("limit") or 0,
        backoff=Backoff() if base is None else Backoff(base_seconds=base),
        timeout_seconds=json_access.seconds(given.get("timeout")) or None,
        loop=given.get("loop"),
    )


def piece_of(index: int, status: Mapping[str, JSON]) -> Piece:
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


def time_field(status: Mapping[str, JSON], name: str) -> dt.datetime:
    """Return a time of a step; the minimum if missing."""
    text = status.get(name)
    return dt.datetime.fromisoformat(text) if text else dt.datetime.min.replace(tzinfo=dt.UTC)


def _deadline(step: Step, status: Mapping[str, JSON], progress: Progress) -> dt.datetime | None:
    """Return the attempt's deadline; None while a queue suspends the attempt."""
    if step.timeout_seconds is None or not status.get("startTime") or progress.is_held:
        return None
    started = time_field(status, "startTime")
    if progress.started is not None:
        started = max(started, progress.started)
    return started + dt.timedelta(seconds=step.timeout_seconds)
