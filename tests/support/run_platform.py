"""A cluster in which runs can be carried out as Jobs, and controllers for it, in this process."""

import asyncio
import contextlib
import dataclasses
import itertools
import json
import pathlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from controllers import devcluster, kube, ledger, manager
from controllers.agentctl.chart import rights as matrix
from controllers.devcluster import jobs
from controllers.runs import projections
from controllers.runs.runtimes.jobs import job
from controllers.runs.runtimes.workflow.workflow import WorkflowRuntime
from crds.admission.settings import Pods, Settings
from tests.support import accounts

SECONDS = 120.0
ENDED = frozenset({"Succeeded", "Failed", "Cancelled"})
_numbers = itertools.count()


async def eventually(check: Callable[[], Awaitable[Any]], expected: Any) -> None:
    """Wait until a check answers what is expected."""
    found = None
    try:
        async with asyncio.timeout(SECONDS):
            while (found := await check()) != expected:  # noqa: ASYNC110 - it is the cluster's
                await asyncio.sleep(0.1)
    except TimeoutError:
        assert expected == found


async def hurried(seconds: float) -> None:
    """Sleep, but not as long as it takes to be sure that nothing is under way."""
    await asyncio.sleep(min(seconds, 1.0))


@dataclasses.dataclass
class Place:
    """A namespace with an agent, and a home for controllers."""

    client: kube.Client
    cluster: devcluster.Cluster
    namespace: str
    home: str
    controller: kube.Client | None = None
    """With exactly the rights of a controller; None where nobody judges rights."""
    kubeconfig: pathlib.Path = pathlib.Path()
    """Of the controller."""

    async def make(self, resource: kube.Resource, name: str, spec: dict[str, Any]) -> kube.JSON:
        """Create an object in the namespace."""
        body = {"metadata": {"name": name, "namespace": self.namespace}, "spec": spec}
        named = {"apiVersion": resource.api_version, "kind": resource.kind}
        return await self.client.create(resource, {**named, **body})

    async def agent(self, name: str = "coder", **spec: Any) -> None:
        """Create an agent, with a provider of its own."""
        await self.make(
            projections.PROVIDERS,
            f"{name}-provider",
            {
                "runner": {"command": "agent-runner"},
                "adapter": {"type": "Exec", "exec": {"binary": "/bin/true"}},
            },
        )
        await self.make(
            projections.AGENTS, name, {"providerRef": {"name": f"{name}-provider"}, **spec}
        )

    async def run(self, name: str, **spec: Any) -> kube.JSON:
        """Create a run."""
        return await self.make(projections.RUNS, name, run_spec(**spec))

    async def read(self, name: str) -> kube.JSON:
        """A run as it is."""
        return await self.client.get(projections.RUNS, name, namespace=self.namespace)

    async def change(self, name: str, **spec: Any) -> None:
        """Change a run as a user does."""
        await self.client.patch(projections.RUNS, name, {"spec": spec}, namespace=self.namespace)

    async def until(self, name: str, *phases: str) -> kube.JSON:
        """Wait until a run is in a phase; its status."""
        wanted = phases or tuple(ENDED)
        status: kube.JSON = {}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SECONDS):
                while status.get("phase") not in wanted:
                    await asyncio.sleep(0.1)
                    status = (await self.read(name)).get("status") or {}
        assert status.get("phase") in wanted, json.dumps(status, indent=1)
        return status

    async def phases(self) -> list[str]:
        """The phases of all runs."""
        found = await self.client.list(projections.RUNS, namespace=self.namespace)
        return [str((run.get("status") or {}).get("phase") or "") for run in found.items]

    async def jobs(self, name: str = "") -> list[kube.JSON]:
        """The Jobs of a run, or of all."""
        found = await self.client.list(projections.JOBS, namespace=self.namespace)
        owned = [
            job
            for job in found.items
            if not name
            or any(one["name"] == name for one in job["metadata"].get("ownerReferences") or ())
        ]
        return sorted(owned, key=lambda job: str(job["metadata"]["creationTimestamp"]))

    async def slots(self) -> Mapping[str, ledger.Slot]:
        """Who is in flight, by the ledger."""
        book = ledger.Book(self.client, (self.home, manager.LEDGER), ledger.Limits())
        return (await book.read()).slots

    async def events(self, name: str) -> list[str]:
        """The reasons of a run's Events, in order."""
        resource = kube.Resource("events.k8s.io", "v1", "events", "Event")
        found = await self.client.list(resource, namespace=self.namespace)
        mine = [one for one in found.items if one["regarding"].get("name") == name]
        return [one["reason"] for one in sorted(mine, key=lambda one: str(one["eventTime"]))]


def run_spec(**spec: Any) -> dict[str, Any]:
    """The spec of a run that is carried out as a Job."""
    return {
        "agentRef": {"name": "coder"},
        "implementation": {"inline": {"text": "Mend it."}},
        "runtime": {"type": "Job"},
        **spec,
    }


async def new_place(cluster: devcluster.Cluster, client: accounts.Admin, **behaviour: str) -> Place:
    """A place whose pods behave so: ``seconds``, ``exit_code``, ``message``.

    Its controllers have the rights of the chart, in its namespace.
    """
    return await _place(cluster, client, behaviour, is_everywhere=False)


async def new_wide_place(
    cluster: devcluster.Cluster, client: accounts.Admin, **behaviour: str
) -> Place:
    """One whose controllers have these rights in all namespaces."""
    return await _place(cluster, client, behaviour, is_everywhere=True)


async def _place(
    cluster: devcluster.Cluster,
    client: accounts.Admin,
    behaviour: Mapping[str, str],
    *,
    is_everywhere: bool,
) -> Place:
    number = next(_numbers)
    annotations = {
        f"{jobs.ANNOTATIONS}{name.replace('_', '-')}": value for name, value in behaviour.items()
    }
    for name, added in ((f"team-{number}", annotations), (f"home-{number}", {})):
        await client.create(
            kube.NAMESPACES,
            {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {"name": name, "annotations": added},
            },
        )
    objects, home = f"team-{number}", f"home-{number}"
    controller, kubeconfig = await client.account(
        cluster, matrix.CONTROLLER, home=home, objects=None if is_everywhere else objects
    )
    return Place(client, cluster, objects, home, controller, kubeconfig)


HURRIED: Final = kube.Timing(lease_seconds=4, renew_seconds=3, retry_seconds=0.4)
SETTINGS: Final = Settings(pods=Pods(image="runner"))


def jobs_and_workflows(
    client: kube.Client, caches: Any, wake: Callable[[kube.Key], None]
) -> list[Any]:
    """Jobs, and workflows of Jobs."""
    del wake
    jobs_ = job.JobRuntime(
        client, caches.jobs, caches.pods, caches.deleted_pods, caches.deleted_jobs
    )
    return [jobs_, WorkflowRuntime(jobs_, now=kube.utc_now)]


def new_manager(
    place: Place,
    identity: str = "one",
    *,
    client: kube.Client | None = None,
    limits: ledger.Limits | None = None,
    lease: str = manager.LEASE,
    is_everywhere: bool = False,
    sleep: Callable[[float], Awaitable[None]] = hurried,
    more_runtimes: Sequence[Any] = (),
    runtimes: manager.Runtimes = jobs_and_workflows,
    settings: Settings = SETTINGS,
    timing: kube.Timing = HURRIED,
) -> manager.Manager:
    """A controller for a place."""
    return manager.Manager(
        client or place.controller or place.client,
        identity,
        lambda *given: [*runtimes(*given), *more_runtimes],
        manager.Options(
            home=place.home,
            lease=lease,
            namespace=None if is_everywhere else place.namespace,
            limits=limits or ledger.Limits(),
            timing=timing,
            settings=lambda: settings,
        ),
        sleep=sleep,
    )


@contextlib.asynccontextmanager
async def running(controller: manager.Manager) -> AsyncIterator[asyncio.Task[None]]:
    """A controller at work; it must not end by itself."""
    task = asyncio.create_task(controller.run())
    try:
        yield task
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
