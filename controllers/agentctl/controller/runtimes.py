"""Builds the runtimes of a controller from its options. Shell: reads Secrets and ConfigMaps."""

import asyncio
import contextlib
import dataclasses
import logging
import pathlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Final, Literal, TypeAlias

from controllers import kube
from controllers.runs.caches import Caches
from controllers.runs.runtimes import custom
from controllers.runs.runtimes.base import Key, Runtime, RuntimeFault
from controllers.runs.runtimes.jobs import job
from controllers.runs.runtimes.local import local
from controllers.runs.runtimes.temporal_settings import Settings as TemporalSettings
from controllers.runs.runtimes.workflow import workflow
from crds import hub

Wake: TypeAlias = Callable[[kube.Key], None]
"""Requests reconciliation of a run."""

_Type: TypeAlias = hub.agentrun.RuntimeType

_SWEEP_SECONDS: Final = 600.0
_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Selects and configures the runtimes.

    Attributes:
        jobs: What executes runs of type Job: Kubernetes, or processes on this machine.
        workspaces: Directory of local workspaces.
        endpoints: Non-public CIDRs, addresses and hosts that Custom runs may call.
        temporal: HOST:PORT of the Temporal frontend; empty for none.
        temporal_settings: From the operator's settings.
    """

    jobs: Literal["job", "local"] = "job"
    workspaces: pathlib.Path
    endpoints: Sequence[str] = ()
    temporal: str = ""
    temporal_settings: TemporalSettings = dataclasses.field(default_factory=TemporalSettings)


@dataclasses.dataclass(frozen=True)
class Surroundings:
    """Dependencies of the adapters.

    Attributes:
        client: Of the cluster.
        caches: The controller's caches.
        wake: Requests reconciliation of a run.
        options: Selects and configures the runtimes.
        jobs: Executes runs of type Job, and the steps of other runtimes.
    """

    client: kube.Client
    caches: Caches
    wake: Wake
    options: Options
    jobs: Runtime


def _temporal(around: Surroundings) -> Runtime | None:
    if not around.options.temporal:
        return None
    from controllers.runs.runtimes import temporal  # noqa: PLC0415 - optional dependency

    settings = around.options.temporal_settings
    return temporal.Temporal(
        around.options.temporal,
        namespace=settings.namespace,
        access=settings.access,
        credentials=settings.credentials,
    )


ADAPTERS: Final[Mapping[_Type, Callable[[Surroundings], Runtime | None]]] = {
    _Type.JOB: lambda around: around.jobs,
    _Type.WORKFLOW: lambda around: workflow.WorkflowRuntime(around.jobs, now=kube.utc_now),
    _Type.CUSTOM: lambda around: custom.Custom(allowed=around.options.endpoints),
    _Type.TEMPORAL: _temporal,
}
"""Builds the adapter of each runtime; None if the options exclude it."""


def build_runtimes(
    client: kube.Client, caches: Caches, wake: Wake, options: Options
) -> Iterator[Runtime]:
    """Build the runtimes of a controller; see ``Surroundings``."""
    jobs: Runtime
    if options.jobs == "local":
        jobs = local_runtime(client, caches, wake, options.workspaces)
    else:
        jobs = job.JobRuntime(
            client, caches.jobs, caches.pods, caches.deleted_pods, caches.deleted_jobs
        )
    around = Surroundings(client, caches, wake, options, jobs)
    yield from (runtime for build in ADAPTERS.values() if (runtime := build(around)))


@contextlib.asynccontextmanager
async def maintain_runtimes(made: Sequence[Runtime]) -> AsyncIterator[None]:
    """Run the runtimes' periodic maintenance, and close them at the end."""
    tasks = [asyncio.create_task(_sweep(runtime)) for runtime in made]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for each in made:
            await each.close()


async def _sweep(runtime: Runtime) -> None:
    """Delete what is left of runs that ended long ago, such as workspaces."""
    while True:
        try:
            count = await runtime.sweep()
            if count:
                _log.info("deleted %d expired workspaces", count)
        except RuntimeFault as error:
            _log.warning("sweeping workspaces failed in part, retrying: %s", error)
        await asyncio.sleep(_SWEEP_SECONDS)


def local_runtime(
    client: kube.Client, caches: Caches, wake: Wake, root: pathlib.Path
) -> local.Local:
    """Build the runtime that executes agents as local processes."""
    values = _Values(client)

    def tell(key: Key) -> None:
        run = caches.by_uid(key.partition("/")[0])
        if run is not None:
            wake(run.key)

    return local.Local(root, resolve=values.one, resolve_all=values.all, on_change=tell)


class _Values:
    """Reads Secrets and ConfigMaps, as the kubelet does for pods."""

    def __init__(self, client: kube.Client) -> None:
        self._client = client

    async def one(self, namespace: str, kind: str, name: str, key: str) -> bytes | None:
        """Return the value of a key; None if it does not exist."""
        resource = kube.SECRETS if kind == kube.SECRETS.kind else kube.CONFIG_MAPS
        values = await self._read(resource, namespace, name)
        return None if values is None else values.get(key)

    async def all(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        """Return all values of a Secret; None if it does not exist."""
        return await self._read(kube.SECRETS, namespace, name)

    async def _read(
        self, resource: kube.Resource, namespace: str, name: str
    ) -> dict[str, bytes] | None:
        try:
            value = await self._client.get(resource, name, namespace=namespace)
        except kube.NotFoundError:
            return None
        return kube.values_of(resource, value)
