"""A runtime in memory by the Protocol's rules, which carries out a workflow's steps."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from controllers.runs import naming
from controllers.runs.runtimes.base import (
    Code,
    Key,
    Progress,
    Ref,
    Runtime,
    RuntimeFault,
    Stage,
    Work,
)


class Crash(BaseException):
    """The controller was killed."""


class StepRuntime(Runtime):
    """Carries steps out by saying so.

    Attributes:
        stages: How each piece stands, by its key.
        submitted: The work, likewise.
        reports: What the runner of each reported.
        codes: What their failures mean.
        refuses: Faults of submissions, by the name of the step.
        at_once: How pieces end as soon as they have started, by their keys; others run.
        calls_left: After so many calls that change something, the controller is killed.
        is_slow: Whether what is cancelled needs to be ended.
    """

    type, is_collected, is_external = "Job", True, False

    def __init__(self, *, is_slow: bool = False) -> None:
        self.stages: dict[Key, Stage] = {}
        self.submitted: dict[Key, Work] = {}
        self.reports: dict[Key, Mapping[str, Any]] = {}
        self.artifacts: dict[Key, Sequence[str]] = {}
        self.missing: dict[Key, Sequence[str]] = {}
        self.codes: dict[Key, Code] = {}
        self.refuses: dict[str, RuntimeFault] = {}
        self.at_once: Callable[[Key], Stage] = lambda _: Stage.RUNNING
        self.calls_left: int | None = None
        self.is_slow = is_slow

    @property
    def working(self) -> list[Key]:
        """Keys of what runs."""
        busy = {Stage.PENDING, Stage.RUNNING, Stage.CANCELLING}
        return [key for key, stage in self.stages.items() if stage in busy]

    def ref(self, key: Key, work: Work) -> Ref:
        """Where it would be."""
        return Ref(type="Job", key=key, work=work, name=naming.of_key(key))

    async def submit(self, key: Key, work: Work) -> Ref:
        """Start it, unless it was started or cancelled before."""
        self._crash()
        if work.step in self.refuses:
            raise self.refuses[work.step]
        if key not in self.stages:
            self.stages[key], self.submitted[key] = self.at_once(key), work
        return self.ref(key, work)

    async def status(self, ref: Ref) -> Progress:
        """How it stands."""
        stage = self.stages.get(ref.key, Stage.MISSING)
        return Progress(
            stage=stage,
            message="bad luck" if stage is Stage.FAILED else "",
            code=self.codes.get(ref.key) if stage is Stage.FAILED else None,
            runner=self.reports.get(ref.key),
            artifacts=[{"name": one} for one in self._ended(self.artifacts, ref.key)],
            missing_artifacts=self._ended(self.missing, ref.key),
        )

    def _ended(self, files: Mapping[Key, Sequence[str]], key: Key) -> Sequence[str]:
        """What a runner reports is known once it has ended."""
        return files.get(key, ()) if key not in self.working else ()

    async def cancel(self, ref: Ref) -> None:
        """End it, or see to it that it never starts."""
        self._crash()
        stage = self.stages.get(ref.key)
        if stage is Stage.RUNNING and self.is_slow:
            self.stages[ref.key] = Stage.CANCELLING
        elif stage in {None, Stage.RUNNING}:
            self.stages[ref.key] = Stage.CANCELLED

    def _crash(self) -> None:
        if self.calls_left is None:
            return
        if not self.calls_left:
            raise Crash
        self.calls_left -= 1
