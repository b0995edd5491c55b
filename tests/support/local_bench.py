"""The runtime Local with a stand-in for the agent-runner."""

import contextlib
import pathlib
import sys
from collections.abc import AsyncIterator
from typing import Any

from controllers.runs import naming
from controllers.runs.runtimes.base import Key
from controllers.runs.runtimes.local import detached_processes, launch, local, workspaces
from tests.support.runtime_bench import NAMESPACE, Behaviour, Bench

STANDIN = (sys.executable, "-I", "-S", str(pathlib.Path(__file__).with_name("standin_runner.py")))


class LocalBench(Bench):
    def __init__(self, root: pathlib.Path) -> None:
        self.root = root
        self.adapters: list[local.Local] = []

    def adapter(self, **options: Any) -> local.Local:
        settings = {"command": STANDIN, "requeue_after_seconds": 0.02, **options}
        self.adapters.append(local.Local(self.root, **settings))
        return self.adapters[-1]

    def spec(self, behaviour: Behaviour) -> dict[str, Any]:
        del behaviour
        return {"runtime": {"type": "Job"}}

    async def starts(self, key: Key) -> int:
        path = self.place(key).workspace / "starts"
        return len(path.read_text()) if path.exists() else 0

    def place(self, key: Key) -> workspaces.Place:
        return workspaces.place(self.root, NAMESPACE, naming.of_key(key))

    def end_all(self) -> None:
        """End what tests have started, and nothing else."""
        for place in workspaces.places(self.root):
            started = place.started()
            if started is not None and launch.stamp(started.pid) == started.stamp:
                detached_processes.kill(started.pid, place.workspace)
            detached_processes.kill_leftovers(place.workspace)


@contextlib.asynccontextmanager
async def opened(root: pathlib.Path) -> AsyncIterator[LocalBench]:
    bench = LocalBench(root)
    try:
        yield bench
    finally:
        for adapter in bench.adapters:
            await adapter.close()
        bench.end_all()
