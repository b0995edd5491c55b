"""The runtime ``Workflow``: steps, each executed by another runtime. Shell: that runtime.

Steps have their own keys below the run's, so that the guarantees for a piece of work hold for each
of them: it starts once, and does not start after its cancellation.
"""

import dataclasses
import datetime as dt
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from controllers.runs import json_access
from controllers.runs.runtimes.base import (
    JSON,
    Code,
    Key,
    Progress,
    Ref,
    Runtime,
    RuntimeFault,
    Stage,
    Work,
)
from controllers.runs.runtimes.workflow import (
    conditions,
    loops,
    workflow_files,
    workflow_state,
    workflow_steps,
)
from controllers.runs.runtimes.workflow.step_transitions import Piece, Step
from controllers.runs.runtimes.workflow.workflow_steps import Decision

# Retry delay of failed submissions, unless the server requests another.
SUBMIT_AGAIN_SECONDS: Final = 5.0
ENDING_SECONDS: Final = 1.0
_GONE: Final = frozenset({Stage.SUCCEEDED, Stage.FAILED, Stage.CANCELLED, Stage.MISSING})


class WorkflowRuntime(Runtime):
    """Executes steps, sequentially or in parallel.

    Args:
        inner: Executes a step.
        evaluate: Evaluates a loop's condition.
        now: Aware UTC time.
        rng: A random number from 0 to 1.
    """

    type = "Workflow"

    def __init__(
        self,
        inner: Runtime,
        *,
        now: Callable[[], dt.datetime],
        rng: Callable[[], float] = random.random,
        evaluate: Callable[[loops.Question], Awaitable[bool]] = conditions.evaluate,
    ) -> None:
        self._inner, self._now, self._rng = inner, now, rng
        self._evaluate = evaluate
        self.is_collected, self.is_external = inner.is_collected, inner.is_external

    def ref(self, key: Key, work: Work) -> Ref:
        """Return a ref with the name of the first step's work."""
        first = self._inner.ref(f"{key}/0.1.1", work)
        return dataclasses.replace(first, type=self.type, key=key, work=work)

    async def submit(self, key: Key, work: Work) -> Ref:
        """Start the first steps."""
        if not work.steps:
            raise RuntimeFault(
                Code.TERMINAL, "expected steps in spec.runtime.workflow.steps, got none"
            )
        ref = self.ref(key, work)
        submissions = _Submissions()
        decision = await self._executed(ref, None, {}, submissions)
        if submissions.faults and not submissions.refs:
            raise next(iter(submissions.faults.values()))
        return _with_state(ref, decision.state)

    async def status(self, ref: Ref) -> Progress:
        """Query the running steps, and start the following ones."""
        state = ref.extra.get("workflow")
        if state is None:
            return await self._unwritten(ref)
        seen = await self._seen(ref, self._under_way(ref, state))
        return await self._progress(ref, *await self._go_on(ref, state, seen))

    async def cancel(self, ref: Ref) -> None:
        """Cancel running steps, and whatever a late submission would start next."""
        state = ref.extra.get("workflow")
        cancelled: dict[Piece, None] = {}
        seen: dict[Piece, Progress] = {}
        pieces: Sequence[Piece] = self._under_way(ref, state)
        while True:
            await self._cancel(ref, pieces)
            cancelled |= dict.fromkeys(pieces)
            seen |= _decisive(await self._seen(ref, pieces))
            # What has ended can no longer be cancelled, and other steps follow it.
            following = await self._decided(ref, state, seen)
            state = following.state
            known = (*self._under_way(ref, state), *following.start)
            known = (*known, *following.cancel, *following.unclear)
            pieces = [piece for piece in known if piece not in cancelled]
            if not pieces:
                return

    # ------------------------------------------------------------------------------ reconciling

    async def _unwritten(self, ref: Ref) -> Progress:
        """Return the progress of a workflow without recorded state, from its first step."""
        first = await self._inner.status(self._ref_of(ref, Piece(0, 1, 1)))
        if first.stage in {Stage.MISSING, Stage.CANCELLED, Stage.CANCELLING}:
            return dataclasses.replace(first, ref=None)
        if not ref.work.steps and not ref.work.refusal:
            raise RuntimeFault(
                Code.RETRYABLE, "expected the objects that the steps refer to, got none any more"
            )
        return await self._progress(ref, *await self._go_on(ref, None, {}))

    async def _go_on(
        self, ref: Ref, state: Mapping[str, JSON] | None, seen: Mapping[Piece, Progress]
    ) -> tuple[Decision, Mapping[Piece, Progress]]:
        """Execute decisions until none of the started steps has ended; return the last one.

        While a run is cancelled or deleted, nothing is recorded: whatever an earlier
        reconciliation started is found here, or it would be started again and again.
        """
        while True:
            decision = await self._executed(ref, state, seen, _Submissions())
            new = [piece for piece in self._under_way(ref, decision.state) if piece not in seen]
            started = _decisive(await self._seen(ref, new))
            if not any(progress.stage.is_ended for progress in started.values()):
                return await self._settled(ref, decision, state), seen
            state, seen = decision.state, {**seen, **started}

    async def _executed(
        self,
        ref: Ref,
        state: Mapping[str, JSON] | None,
        seen: Mapping[Piece, Progress],
        done: "_Submissions",
    ) -> Decision:
        """Decide, then start and cancel steps; return the decision as executed."""
        while True:
            decision = await self._decided(ref, state, seen, done.refused)
            # A step that can never be submitted fails, which requires another decision.
            if await self._submitted(ref, decision, done):
                break
        decision = done.noted(decision, self._now())
        await self._cancel(ref, (*decision.cancel, *decision.unclear))
        return decision

    async def _submitted(self, ref: Ref, decision: Decision, done: "_Submissions") -> bool:
        """Submit the steps to start; return False if one was rejected for good."""
        for piece in decision.start:
            if piece in done.refs:
                continue
            work = _work(ref, piece, decision.state["steps"][piece.index])
            try:
                done.refs[piece] = await self._inner.submit(piece.key(ref.key), work)
            except RuntimeFault as fault:
                done.faults[piece] = fault
                if not fault.code.may_pass:
                    return False
        return True

    async def _settled(
        self, ref: Ref, decision: Decision, state: Mapping[str, JSON] | None
    ) -> Decision:
        """Keep a workflow from ending while any of it runs, including unrecorded work."""
        if not decision.stage.is_ended:
            return decision
        for piece in decision.unclear:
            progress = await self._inner.status(self._ref_of(ref, piece))
            unreserved = decision.unreserved or progress.unreserved
            decision = dataclasses.replace(decision, unreserved=unreserved)
            if not progress.stage.is_ended:
                known = {**decision.state, "phase": workflow_state.RUNNING, **(state or {})}
                later = self._now() + dt.timedelta(seconds=ENDING_SECONDS)
                return Decision(
                    state={**known, "steps": [*decision.before]},
                    stage=Stage.CANCELLING,
                    requeue_at=later,
                )
        return decision

    async def _decided(
        self,
        ref: Ref,
        state: Mapping[str, JSON] | None,
        seen: Mapping[Piece, Progress],
        refused: Mapping[Piece, str] | None = None,
    ) -> Decision:
        """Decide, evaluating the conditions that this depends on."""
        answers: dict[loops.Question, bool | loops.ConditionError] = {}
        while True:
            try:
                return self._decide(ref, state, seen, answers, refused)
            except loops.UnansweredError as unanswered:
                answers[unanswered.question] = await self._answer(unanswered.question)

    async def _answer(self, question: loops.Question) -> bool | loops.ConditionError:
        try:
            return await self._evaluate(question)
        except loops.ConditionError as error:
            return error

    def _decide(
        self,
        ref: Ref,
        state: Mapping[str, JSON] | None,
        seen: Mapping[Piece, Progress],
        answers: loops.Answers,
        refused: Mapping[Piece, str] | None,
    ) -> Decision:
        return workflow_steps.decide(
            *_steps(ref, state),
            state,
            seen,
            now=self._now(),
            rng=self._rng(),
            answers=answers,
            refusal=ref.work.refusal,
            refused=refused,
        )

    def _under_way(self, ref: Ref, state: Mapping[str, JSON] | None) -> tuple[Piece, ...]:
        count = len(_steps(ref, state)[0])
        return tuple(piece for piece in workflow_steps.under_way(state) if piece.index < count)

    async def _seen(self, ref: Ref, pieces: Sequence[Piece]) -> dict[Piece, Progress]:
        return {piece: await self._inner.status(self._ref_of(ref, piece)) for piece in pieces}

    async def _cancel(self, ref: Ref, pieces: Sequence[Piece]) -> None:
        for piece in dict.fromkeys(pieces):
            await self._inner.cancel(self._ref_of(ref, piece))

    def _ref_of(self, ref: Ref, piece: Piece) -> Ref:
        steps = ref.work.steps
        work = steps[piece.index] if piece.index < len(steps) else ref.work
        return self._inner.ref(piece.key(ref.key), work)

    # ----------------------------------------------------------------------------- reporting

    async def _progress(
        self, ref: Ref, decision: Decision, seen: Mapping[Piece, Progress]
    ) -> Progress:
        seconds = None
        if decision.requeue_at is not None:
            seconds = max(0.0, (decision.requeue_at - self._now()).total_seconds())
        waits = _waiting(decision, seen)
        files = workflow_files.merged(ref.extra, decision.state["steps"], seen)
        note = files.note if decision.stage is Stage.SUCCEEDED else ""
        code, is_disruption = None, False
        if decision.stage is Stage.FAILED:
            code, is_disruption = await self._failure(ref, decision, seen)
        extra = {**ref.extra, "workflow": decision.state, **workflow_files.remembered(files)}
        return Progress(
            stage=waits.stage if waits else decision.stage,
            reason=waits.reason if waits else decision.reason,
            message=waits.message if waits else decision.message or note,
            code=code,
            is_disruption=is_disruption,
            started=_started(decision, waits),
            artifacts=files.artifacts,
            missing_artifacts=files.missing,
            artifacts_omitted=files.omitted,
            ref=dataclasses.replace(ref, extra=extra),
            workflow=decision.state,
            requeue_after_seconds=seconds,
            is_held=waits is not None and waits.is_held,
            unreserved=decision.unreserved or _unreserved(seen),
        )

    async def _failure(
        self, ref: Ref, decision: Decision, seen: Mapping[Piece, Progress]
    ) -> tuple[Code, bool]:
        """Return the code of the steps' failures, and whether all were disruptions.

        Another attempt of the run may succeed, unless a step excludes it.
        """
        pieces = [seen.get(step) or await self._status_of(ref, step) for step in decision.failed]
        failed = [piece for piece in pieces if piece.stage is Stage.FAILED]
        is_hopeless = any(not piece.may_help_again for piece in failed)
        is_disruption = bool(failed) and all(piece.is_disruption for piece in failed)
        return Code.TERMINAL if is_hopeless else Code.RETRYABLE, is_disruption

    async def _status_of(self, ref: Ref, piece: Piece) -> Progress:
        return await self._inner.status(self._ref_of(ref, piece))


def _steps(ref: Ref, state: Mapping[str, JSON] | None) -> tuple[tuple[Step, ...], int]:
    """Return the steps and the parallelism.

    Without its agent, a run can start nothing, but running steps are completed.
    """
    given: Any = json_access.at(ref.work.spec, "runtime", "workflow") or {}
    listed, parallelism = given.get("steps") or (), given.get("parallelism") or 1
    is_whole = bool(listed) and len(listed) == len(ref.work.steps)
    if is_whole or (ref.work.refusal and listed):
        return workflow_steps.read(listed), parallelism
    return workflow_steps.known(state), parallelism if ref.work.refusal else 0


@dataclasses.dataclass
class _Submissions:
    """Results of the submissions of one reconciliation."""

    refs: dict[Piece, Ref] = dataclasses.field(default_factory=dict)
    faults: dict[Piece, RuntimeFault] = dataclasses.field(default_factory=dict)

    @property
    def refused(self) -> dict[Piece, str]:
        """Pieces that can never be submitted, with the reasons."""
        return {
            piece: fault.message for piece, fault in self.faults.items() if not fault.code.may_pass
        }

    def noted(self, decision: Decision, now: dt.datetime) -> Decision:
        """Add references to submitted work to the decision; failed submissions stay pending."""
        listed, delays = [*decision.state["steps"]], []
        for piece in decision.start:
            ref = self.refs.get(piece)
            if ref is not None:
                listed[piece.index] = {**listed[piece.index], "jobRef": _job_ref(ref)}
                continue
            fault = self.faults[piece]
            before = decision.before[piece.index]
            listed[piece.index] = {**before, "message": fault.message[:640]}
            delays.append(fault.retry_after_seconds or SUBMIT_AGAIN_SECONDS)
        decision = dataclasses.replace(
            decision,
            state={**decision.state, "steps": listed},
            start=tuple(piece for piece in decision.start if piece in self.refs),
        )
        if not delays:
            return decision
        again = now + dt.timedelta(seconds=min(delays))
        message = next(fault.message for fault in self.faults.values() if fault.code.may_pass)
        return dataclasses.replace(
            decision,
            message=decision.message or message,
            requeue_at=min(again, decision.requeue_at or again),
        )


def _decisive(seen: Mapping[Piece, Progress]) -> dict[Piece, Progress]:
    """Return what decides about other steps; a new step may still be missing in a cache."""
    return {
        piece: progress
        for piece, progress in seen.items()
        if progress.stage.is_ended or progress.stage is Stage.CANCELLING
    }


def _job_ref(ref: Ref) -> dict[str, str]:
    """Return the reference to a piece's Job, for its logs."""
    fields = {"name": ref.name, "namespace": ref.namespace, "uid": ref.uid}
    return {name: value for name, value in fields.items() if value}


def _waiting(decision: Decision, seen: Mapping[Piece, Progress]) -> Progress | None:
    """Return why the first waiting step has not started; None if a step runs."""
    going = [progress for progress in seen.values() if progress.stage not in _GONE]
    is_running = decision.stage is Stage.RUNNING and not decision.start
    if not is_running or any(progress.stage is not Stage.PENDING for progress in going):
        return None
    explained = [progress for progress in going if progress.message] or going
    if not explained:
        message = decision.message
        return Progress(stage=Stage.PENDING, message=message) if message else None
    return dataclasses.replace(explained[0], is_held=all(progress.is_held for progress in going))


def _started(decision: Decision, waits: Progress | None) -> dt.datetime | None:
    """Return the start of the Job whose pod the first step waits for; None once a step has run."""
    phases = {step["phase"] for step in decision.state["steps"]}
    is_first = phases <= {workflow_state.PENDING, workflow_state.RUNNING}
    return waits.started if waits is not None and is_first else None


def _unreserved(seen: Mapping[Piece, Progress]) -> str:
    return next((progress.unreserved for progress in seen.values() if progress.unreserved), "")


def _with_state(ref: Ref, state: Mapping[str, JSON]) -> Ref:
    return dataclasses.replace(ref, extra={**ref.extra, "workflow": state})


def _work(ref: Ref, piece: Piece, status: Mapping[str, JSON]) -> Work:
    """Return a step's work; an iteration receives its number and the previous control data."""
    step = ref.work.steps[piece.index]
    control = (status.get("loop") or {}).get("lastControl")
    loop = {**step.run_json.get("loop", {}), "iteration": piece.iteration, "control": control}
    return dataclasses.replace(step, run_json={**step.run_json, "step": step.step, "loop": loop})
