"""The runtime ``Workflow``: steps, each carried out by another runtime. Shell: that runtime.

Steps have keys of their own below the run's, so that whatever holds for one piece of work holds for
each of them: it starts once, and what was cancelled does not start any more.
"""

import dataclasses
import datetime as dt
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from controllers.runs.runtimes import conditions, loops, workflow_steps
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
from controllers.runs.runtimes.workflow_steps import Decision, Piece


class WorkflowRuntime:
    """Carries out steps, one after the other or side by side.

    Args:
        inner: Carries out a step.
        evaluate: Answers whether a loop's condition holds.
        now: Aware UTC time.
        dice: A random number from 0 to 1.
    """

    type = "Workflow"

    def __init__(
        self,
        inner: Runtime,
        *,
        now: Callable[[], dt.datetime],
        dice: Callable[[], float] = random.random,
        evaluate: Callable[[loops.Question], Awaitable[bool]] = conditions.evaluate,
    ) -> None:
        self._inner, self._now, self._dice = inner, now, dice
        self._evaluate = evaluate
        self.is_collected, self.is_external = inner.is_collected, inner.is_external

    def ref(self, key: Key, work: Work) -> Ref:
        """Named as its first step's work."""
        first = self._inner.ref(f"{key}/0.1.1", work)
        return dataclasses.replace(first, type=self.type, key=key, work=work)

    async def submit(self, key: Key, work: Work) -> Ref:
        """Start the first steps."""
        if not work.steps:
            raise RuntimeFault(
                Code.TERMINAL, "expected steps at spec.runtime.workflow.steps, got none"
            )
        ref = self.ref(key, work)
        decision = await self._go_on(ref, None, {})
        return _with_state(ref, decision.state)

    async def status(self, ref: Ref) -> Progress:
        """Look at the steps that run, and start those that follow."""
        state = ref.extra.get("workflow")
        if state is None:
            return await self._unwritten(ref)
        seen = await self._seen(ref, workflow_steps.under_way(state))
        decision = await self._go_on(ref, state, seen)
        return self._progress(ref, decision, seen)

    async def cancel(self, ref: Ref) -> None:
        """Cancel what runs, and whatever a late submission would start next."""
        state = ref.extra.get("workflow")
        running = workflow_steps.under_way(state)
        seen = await self._seen(ref, running)
        following = await self._decided(ref, state, seen)
        for piece in (*running, *following.start, *following.cancel):
            await self._inner.cancel(self._ref_of(ref, piece))

    # ------------------------------------------------------------------------------ one look

    async def _unwritten(self, ref: Ref) -> Progress:
        """How a workflow stands of which nothing was written yet: as its first step does."""
        first = await self._inner.status(self._ref_of(ref, Piece(0, 1, 1)))
        if first.stage in {Stage.MISSING, Stage.CANCELLED, Stage.CANCELLING}:
            return dataclasses.replace(first, ref=None)
        if not ref.work.steps and not ref.work.refusal:
            raise RuntimeFault(
                Code.RETRYABLE, "expected what the steps refer to, which is not there any more"
            )
        decision = await self._go_on(ref, None, {})
        return self._progress(ref, decision, {})

    async def _go_on(
        self, ref: Ref, state: Mapping[str, JSON] | None, seen: Mapping[Piece, Progress]
    ) -> Decision:
        decision = await self._decided(ref, state, seen)
        for piece in decision.cancel:
            await self._inner.cancel(self._ref_of(ref, piece))
        for piece in decision.start:
            submitted = await self._inner.submit(piece.key(ref.key), _work(ref, piece, state))
            # What the state says of a step's Job is where its logs are.
            decision.state["steps"][piece.index]["jobRef"] = {
                "name": submitted.name,
                "namespace": submitted.namespace,
                **({"uid": submitted.uid} if submitted.uid else {}),
            }
        return decision

    async def _decided(
        self, ref: Ref, state: Mapping[str, JSON] | None, seen: Mapping[Piece, Progress]
    ) -> Decision:
        """Decide, with an answer to each condition that this depends on."""
        answers: dict[loops.Question, bool | loops.ConditionError] = {}
        while True:
            try:
                return self._decide(ref, state, seen, answers)
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
    ) -> Decision:
        given: Any = (ref.work.spec.get("runtime") or {}).get("workflow") or {}
        listed = given.get("steps") or ()
        # Of a run whose agent was deleted nothing can start, but what runs can be seen through.
        refusal = ref.work.refusal
        is_whole = bool(listed) and len(listed) == len(ref.work.steps)
        return workflow_steps.decide(
            workflow_steps.read(listed)
            if is_whole or (refusal and listed)
            else workflow_steps.known(state),
            given.get("parallelism") or 1 if is_whole or refusal else 0,
            state,
            seen,
            now=self._now(),
            dice=self._dice(),
            answers=answers,
            refusal=refusal,
        )

    async def _seen(self, ref: Ref, pieces: tuple[Piece, ...]) -> dict[Piece, Progress]:
        return {piece: await self._inner.status(self._ref_of(ref, piece)) for piece in pieces}

    def _ref_of(self, ref: Ref, piece: Piece) -> Ref:
        steps = ref.work.steps
        work = steps[piece.index] if piece.index < len(steps) else ref.work
        return self._inner.ref(piece.key(ref.key), work)

    def _progress(self, ref: Ref, decision: Decision, seen: Mapping[Piece, Progress]) -> Progress:
        pending = [one for one in seen.values() if one.stage is Stage.PENDING]
        look_again = None
        if decision.look_again is not None:
            look_again = max(0.0, (decision.look_again - self._now()).total_seconds())
        is_waiting = decision.stage is Stage.RUNNING and not decision.start and bool(seen)
        is_pending = is_waiting and len(pending) == len(seen)
        artifacts = [
            {**one, "name": f"{decision.state['steps'][piece.index]['name']}/{one['name']}"}
            for piece, progress in seen.items()
            for one in progress.artifacts
        ]
        return Progress(
            stage=Stage.PENDING if is_pending else decision.stage,
            reason=decision.reason,
            message=decision.message or (_why_pending(pending) if is_pending else ""),
            code=Code.RETRYABLE if decision.stage is Stage.FAILED else None,
            artifacts=artifacts,
            ref=_with_state(ref, decision.state),
            workflow=decision.state,
            look_again_seconds=look_again,
        )


def _why_pending(pending: Sequence[Progress]) -> str:
    """Why the first of the steps that have not started has not."""
    return next((one.message for one in pending if one.message), "")


def _with_state(ref: Ref, state: Mapping[str, JSON]) -> Ref:
    return dataclasses.replace(ref, extra={**ref.extra, "workflow": state})


def _work(ref: Ref, piece: Piece, state: Mapping[str, JSON] | None) -> Work:
    """A step's work; an iteration finds its number and what the one before it left."""
    step = ref.work.steps[piece.index]
    listed = (state or {}).get("steps") or ()
    known = listed[piece.index] if piece.index < len(listed) else {}
    loop = {"iteration": piece.iteration, "control": (known.get("loop") or {}).get("lastControl")}
    return dataclasses.replace(step, run_json={**step.run_json, "step": step.step, "loop": loop})
