"""The runtimes that a controller has, by its options. Shell: reads Secrets and ConfigMaps."""

import asyncio
import base64
import contextlib
import dataclasses
import logging
import pathlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Final, Literal, TypeAlias

from controllers import kube
from controllers.runs.caches import Caches
from controllers.runs.runtimes import custom, job, local, workflow
from controllers.runs.runtimes.base import Key, Runtime, RuntimeFault
from controllers.runs.runtimes.temporal_settings import Settings as TemporalSettings

Wake: TypeAlias = Callable[[kube.Key], None]
"""Has a run looked at."""

_SWEEP_SECONDS: Final = 600.0
_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Which runtimes, and how.

    Attributes:
        jobs: What carries runs of type Job out: Kubernetes, or processes of this machine.
        workspaces: Where those have their folders.
        image: Of the runner, where neither a run nor its provider names one.
        endpoints: CIDRs, addresses and hosts that runs of type Custom may call though not public.
        temporal: HOST:PORT of Temporal's frontend; empty is none.
        temporal_settings: The operator's.
    """

    jobs: Literal["job", "local"] = "job"
    workspaces: pathlib.Path
    image: str = ""
    endpoints: Sequence[str] = ()
    temporal: str = ""
    temporal_settings: TemporalSettings = dataclasses.field(default_factory=TemporalSettings)

    @property
    def pod_image(self) -> str:
        """The image that pods get, where there are pods."""
        return self.image if self.jobs == "job" else ""


def composed(
    client: kube.Client, caches: Caches, wake: Wake, options: Options
) -> Iterator[Runtime]:
    """All runtimes of a controller.

    Args:
        client: Of the cluster.
        caches: What the controller follows.
        wake: Has a run looked at.
        options: Which, and how.
    """
    jobs: Runtime
    if options.jobs == "local":
        jobs = local_runtime(client, caches, wake, options.workspaces)
    else:
        jobs = job.JobRuntime(
            client, caches.jobs, caches.pods, caches.deleted_pods, caches.deleted_jobs
        )
    yield jobs
    yield workflow.WorkflowRuntime(jobs, now=kube.utc_now)
    yield custom.Custom(allowed=options.endpoints)
    if options.temporal:
        from controllers.runs.runtimes import temporal  # noqa: PLC0415 - an extra

        settings = options.temporal_settings
        yield temporal.Temporal(
            options.temporal,
            namespace=settings.namespace,
            access=settings.access,
            credentials=settings.credentials,
        )


@contextlib.asynccontextmanager
async def looked_after(made: Sequence[Runtime]) -> AsyncIterator[None]:
    """Do what runtimes want done from time to time, and close them at the end."""
    locals_ = [one for one in made if isinstance(one, local.Local)]
    tasks = [asyncio.create_task(_sweep(one)) for one in locals_]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for each in made:
            if isinstance(each, local.Local | custom.Custom):
                await each.close()


async def _sweep(found: local.Local) -> None:
    """Delete workspaces of runs that ended long ago."""
    while True:
        try:
            count = await found.sweep()
            if count:
                _log.info("%d workspaces are deleted", count)
        except RuntimeFault as error:
            _log.warning("not all workspaces could be swept: %s", error)
        await asyncio.sleep(_SWEEP_SECONDS)


def local_runtime(
    client: kube.Client, caches: Caches, wake: Wake, root: pathlib.Path
) -> local.Local:
    """The runtime of processes on this machine."""
    values = _Values(client)

    def tell(key: Key) -> None:
        run = caches.by_uid(key.partition("/")[0])
        if run is not None:
            wake(run.key)

    return local.Local(root, resolve=values.one, resolve_all=values.all, on_change=tell)


class _Values:
    """What Secrets and ConfigMaps hold; the kubelet's part where there is none."""

    def __init__(self, client: kube.Client) -> None:
        self._client = client

    async def one(self, namespace: str, kind: str, name: str, key: str) -> bytes | None:
        """The value of a key; None if it is not there."""
        resource = kube.SECRETS if kind == kube.SECRETS.kind else kube.CONFIG_MAPS
        found = await self._read(resource, namespace, name)
        return None if found is None else found.get(key)

    async def all(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        """All values of a Secret; None if it is not there."""
        return await self._read(kube.SECRETS, namespace, name)

    async def _read(
        self, resource: kube.Resource, namespace: str, name: str
    ) -> dict[str, bytes] | None:
        try:
            found = await self._client.get(resource, name, namespace=namespace)
        except kube.NotFoundError:
            return None
        data = found.get("data") or {}
        if resource == kube.SECRETS:
            # Go writes no bytes at all as null.
            return {key: base64.b64decode(text or "") for key, text in data.items()}
        binary = found.get("binaryData") or {}
        plain = {key: (text or "").encode() for key, text in data.items()}
        return {**plain, **{key: base64.b64decode(text or "") for key, text in binary.items()}}
