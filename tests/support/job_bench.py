"""The runtime Job on a cluster whose Jobs run, and the runtime Workflow on child processes."""

import contextlib
import dataclasses
import pathlib
from collections.abc import AsyncIterator
from typing import Any

from controllers import devcluster, kube
from controllers.devcluster import jobs
from controllers.runs import caches, naming, projections
from controllers.runs.runtimes.base import Key, Work
from controllers.runs.runtimes.jobs import job
from controllers.runs.runtimes.workflow import workflow
from tests.support import local_bench
from tests.support.runtime_bench import NAMESPACE, Behaviour, Bench

PODS = {
    Behaviour.SUCCEEDS: {"seconds": "0.2"},
    Behaviour.FAILS: {"seconds": "0.2", "exit-code": "3"},
    Behaviour.LASTS: {"seconds": "never"},
}


class JobBench(Bench):
    patience_seconds = 60.0

    def __init__(self, client: kube.Client) -> None:
        self.client = client

    def adapter(self) -> job.JobRuntime:
        # Of stores that nobody fills nothing is believed: each look is at the API server.
        empty = caches.Caches(self.client, kube.Queue())
        return job.JobRuntime(self.client, empty.jobs, empty.pods)

    def spec(self, behaviour: Behaviour) -> dict[str, Any]:
        annotations = {f"{jobs.ANNOTATIONS}{name}": one for name, one in PODS[behaviour].items()}
        return {"runtime": {"type": "Job", "extraConfig": {"podAnnotations": annotations}}}

    async def starts(self, key: Key) -> int:
        selector = f"{naming.JOB_LABEL}={naming.of_key(key)}"
        pods = await self.client.list(projections.PODS, namespace=NAMESPACE, labels=selector)
        return len(pods.items)


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
async def opened(cluster: devcluster.Cluster) -> AsyncIterator[JobBench]:
    async with kube.Client.from_kubeconfig(cluster.admin_kubeconfig) as client:
        with contextlib.suppress(kube.AlreadyExistsError):
            await client.create(kube.NAMESPACES, {"metadata": {"name": NAMESPACE}})
        yield JobBench(client)


@contextlib.asynccontextmanager
async def opened_workflow(root: pathlib.Path) -> AsyncIterator[WorkflowBench]:
    async with local_bench.opened(root) as inner:
        yield WorkflowBench(inner)
