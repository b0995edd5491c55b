"""AgentRuns as values, and a world in memory in which the machine's plans can be carried out.

The runtime here is an implementation of the Protocol's rules on a dictionary: what has a key is
found again, and what was cancelled stays so.
"""

import dataclasses
import datetime as dt
from typing import Any

from controllers.runs import naming, projections, run_status
from controllers.runs.api_constants import Phase
from controllers.runs.planner import actions, observation, pending, planner
from controllers.runs.planner.actions import Action, Plan
from controllers.runs.planner.observation import Claim, Observed
from controllers.runs.runtimes.base import Progress, Ref, Stage
from controllers.runs.work import related_objects, work

NOW = dt.datetime(2026, 11, 28, 12, 0, 0, tzinfo=dt.UTC)
RUNNING: dict[str, Any] = {
    "phase": "Running",
    "reason": "Submitted",
    "attempt": 1,
    "observedGeneration": 1,
    "startTime": "2026-11-28T12:00:00Z",
}
AGENT = {"spec": {"providerRef": {"name": "shell"}}}
PROVIDER = {
    "spec": {
        "runner": {"command": "agent-runner"},
        "adapter": {"type": "Exec", "exec": {"binary": "/bin/true"}},
    }
}


def run(spec: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    """An AgentRun (v1beta1), whole."""
    return {
        "apiVersion": projections.RUNS.api_version,
        "kind": projections.RUNS.kind,
        "metadata": {
            "name": "fix",
            "namespace": "team",
            "uid": "uid-1",
            "generation": 1,
            "resourceVersion": "1",
            "creationTimestamp": "2026-11-28T12:00:00Z",
        },
        "spec": {
            "agentRef": {"name": "coder"},
            "implementation": {"inline": {"text": "Mend it."}},
            "runtime": {"type": "Job"},
            **(spec or {}),
        },
        **({"status": status} if status else {}),
    }


def related(**changes: Any) -> related_objects.Related:
    """What a run refers to, all there."""
    return related_objects.Related(**{"agent": AGENT, "provider": PROVIDER, **changes})


def agent(**spec: Any) -> dict[str, Any]:
    """An Agent."""
    return {"spec": {**AGENT["spec"], **spec}}


def observed(body: dict[str, Any], **changes: Any) -> Observed:
    """A run with all that it needs, as the interpreter would observe it."""
    view = projections.of(projections.Run, body)
    inputs = work.prepare(body, related(), observation.attempt(view))
    key = observation.key(view)
    piece = inputs.work if isinstance(inputs, work.Ready) else None
    ref = Ref(type="Job", key=key, work=piece, name=naming.of_key(key))  # type: ignore[arg-type]
    return dataclasses.replace(Observed(run=view, inputs=inputs, ref=ref), **changes)


class World:
    """One run, its runtime and its slot; the machine's plans become true in it."""

    def __init__(self, spec: dict[str, Any] | None = None, *, retries: int = 0) -> None:
        self.body = run(spec)
        self.now = NOW
        self.agent = agent(runDefaults={"retry": {"limit": retries}, "timeout": "1h"})
        self.has_agent = True
        self.is_disruption = False
        self.has_slot = self.wants_slot = False
        self.stages: dict[str, Stage] = {}
        self.claim = Claim()
        self.holder = ""
        self.events: list[actions.Event] = []
        self.statuses: list[dict[str, Any]] = []
        self.most_working = 0

    @property
    def view(self) -> projections.Run:
        """The run as the controller sees it."""
        return projections.of(projections.Run, self.body)

    @property
    def phase(self) -> str:
        """How the run stands."""
        return self.view.status.phase

    @property
    def working(self) -> list[str]:
        """Keys of what runs."""
        busy = {Stage.PENDING, Stage.RUNNING, Stage.CANCELLING}
        return [key for key, stage in self.stages.items() if stage in busy]

    def observe(self) -> Observed:
        """What a controller that was just started observes."""
        view = self.view
        key = observation.key(view)
        found = work.prepare(
            self.body,
            related(agent=self.agent if self.has_agent else None),
            observation.attempt(view),
        )
        needs = observation.needs_inputs(view, has_slot=self.has_slot)
        piece = found.work if isinstance(found, work.Ready) else None
        return Observed(
            run=view,
            inputs=found if needs else None,
            claim=Claim(is_mine=True) if view.status.spec_hash else self.claim,
            has_slot=self.has_slot,
            blocked_by="" if self.has_slot or not self.wants_slot else "Agent",
            blocked_since=NOW,
            ref=Ref(type="Job", key=key, work=piece, name=naming.of_key(key)),  # type: ignore[arg-type]
            progress=self._progress(key) if observation.needs_progress(view) else None,
        )

    def look(self) -> Plan:
        """One look, to the end."""
        seen = self.observe()
        for _ in range(10):
            plan = planner.reconcile(seen, self.now)
            if plan.action is Action.SUBMIT:
                assert seen.ref is not None
                self.stages.setdefault(seen.ref.key, Stage.PENDING)
                self.most_working = max(self.most_working, len(self.working))
                plan = pending.submitted(seen, seen.ref, self.now)
            if plan.action is None:
                self.conclude(plan)
                return plan
            seen = self.act(plan.action, seen)
        raise AssertionError("the machine does not settle")

    def act(self, action: Action, seen: Observed) -> Observed:
        """Do one thing."""
        assert seen.ref is not None
        match action:
            case Action.CANCEL:
                stage = self.stages.get(seen.ref.key)
                if stage in {None, Stage.PENDING}:
                    self.stages[seen.ref.key] = Stage.CANCELLED
                elif stage is Stage.RUNNING:
                    self.stages[seen.ref.key] = Stage.CANCELLING
                return dataclasses.replace(seen, progress=self._progress(seen.ref.key))
            case Action.FREE:
                self.has_slot = False
                return dataclasses.replace(seen, has_slot=False)
            case Action.CLAIM:
                self.claim = Claim(is_mine=not self.holder, holder=self.holder)
                return dataclasses.replace(seen, claim=self.claim)
            case _:
                raise AssertionError(action)

    def conclude(self, plan: Plan) -> None:
        """Write what the plan says."""
        self.wants_slot = plan.wants_slot
        status = plan.state and run_status.written(plan.state, self.view, self.now)
        if status:
            version = int(self.body["metadata"]["resourceVersion"]) + 1
            self.body["metadata"]["resourceVersion"] = str(version)
            self.body["status"] = status
            self.statuses.append(status)
            self.events += plan.events

    def end(self, stage: Stage) -> None:
        """End what runs."""
        for key in self.working:
            self.stages[key] = Stage.CANCELLED if self.stages[key] is Stage.CANCELLING else stage

    def ask(self, **spec: Any) -> None:
        """Change the run as a user does."""
        self.body["spec"] = {**self.body["spec"], **spec}
        self.body["metadata"]["generation"] += 1

    def is_over(self) -> bool:
        """Whether the run has ended."""
        return self.phase in {Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED}

    def _progress(self, key: str) -> Progress:
        stage = self.stages.get(key, Stage.MISSING)
        return Progress(stage=stage, is_disruption=self.is_disruption and stage is Stage.FAILED)
