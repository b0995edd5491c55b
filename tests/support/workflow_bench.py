"""The runtime Workflow on child processes."""

import contextlib
import dataclasses
import pathlib
from collections.abc import AsyncIterator
from typing import Any

from controllers import kube
from controllers.runs.runtimes.base import Key, Work
from controllers.runs.runtimes.workflow import workflow
from tests.support import local_bench
from tests.support.runtime_bench import Behaviour, Bench


class WorkflowBench(Bench):
    """A workflow of one step, whose peer is that step's."""

    def __init__(self, inner: local_bench.LocalBench) -> None:
        self.inner = inner

    def adapter(self) -> workflow.WorkflowRuntime:
        return workflow.WorkflowRuntime(self.inner.adapter(), now=kube.utc_now)

    def spec(self, behaviour: Behaviour) -> dict[str, Any]:
        del behaviour
        steps = [{"name": "implement"}]
        return {"runtime": {"type": "Workflow", "workflow": {"steps": steps}}}

    async def starts(self, key: Key) -> int:
        return await self.inner.starts(f"{key}/0.1.1")

    def work(self, behaviour: Behaviour, *, attempt: int = 1) -> tuple[Key, Work]:
        key, work = super().work(behaviour, attempt=attempt)
        step = dataclasses.replace(work, step="implement")
        return key, dataclasses.replace(work, steps=(step,))


@contextlib.asynccontextmanager
async def opened(root: pathlib.Path) -> AsyncIterator[WorkflowBench]:
    async with local_bench.opened(root) as inner:
        yield WorkflowBench(inner)
