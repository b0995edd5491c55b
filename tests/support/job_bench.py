"""The runtime Job on a cluster whose Jobs run."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from controllers import devcluster, kube
from controllers.devcluster import jobs
from controllers.runs import caches, naming, projections
from controllers.runs.runtimes.base import Key
from controllers.runs.runtimes.jobs import job
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


@contextlib.asynccontextmanager
async def opened(cluster: devcluster.Cluster) -> AsyncIterator[JobBench]:
    async with kube.Client.from_kubeconfig(cluster.admin_kubeconfig) as client:
        with contextlib.suppress(kube.AlreadyExistsError):
            await client.create(kube.NAMESPACES, {"metadata": {"name": NAMESPACE}})
        yield JobBench(client)
