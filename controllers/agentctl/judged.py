"""A real API server for ``schemagen judge``: an embedded one, or that of a kubeconfig. Shell."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator

from controllers import devcluster, kube
from schemagen import agreement
from schemagen.problems import JSON, Cause
from webhooks import resources

_POLL_SECONDS = 0.05
_READY_TRIES = 600


@contextlib.asynccontextmanager
async def embedded() -> AsyncIterator[agreement.Server]:
    """A control plane of its own on loopback, which goes away with the run."""
    with devcluster.Cluster(tell=_tell) as cluster:
        async with kube.Client.from_kubeconfig(
            cluster.admin_kubeconfig, on_warning=_ignore
        ) as client:
            yield Server(client)


@contextlib.asynccontextmanager
async def kubeconfig() -> AsyncIterator[agreement.Server]:
    """The cluster of the current context; its CRDs of other groups are not touched."""
    async with kube.Client.from_environment(on_warning=_ignore) as client:
        yield Server(client)


def _tell(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201 - progress of a command


def _ignore(warning: str) -> None:
    """Warnings are no verdicts, and a deprecated version gives one with every answer."""
    del warning


class Server:
    """Asks by dry runs; only CRDs, and one object for each series of updates, are stored."""

    def __init__(self, client: kube.Client) -> None:
        self._client = client

    async def install(self, subject: agreement.Subject) -> None:
        """Create the CRD, and wait until its objects are served."""
        await self._client.create(kube.CUSTOM_RESOURCE_DEFINITIONS, subject.crd)
        resource = _resource(subject)
        for _ in range(_READY_TRIES):
            with contextlib.suppress(kube.NotFoundError):  # not served yet
                await self._client.list(resource)
                return
            await asyncio.sleep(_POLL_SECONDS)
        raise kube.UnreachableError(f"expected {subject} to be served after 30 s, got 404")

    async def remove(self, subject: agreement.Subject) -> None:
        """Delete the CRD with all its objects."""
        await self._client.delete(kube.CUSTOM_RESOURCE_DEFINITIONS, subject.crd["metadata"]["name"])

    async def store(self, subject: agreement.Subject, value: JSON) -> JSON:
        """Create an object for good."""
        return await self._client.create(_resource(subject), value, field_validation="Ignore")

    async def ask(self, subject: agreement.Subject, question: agreement.Question) -> agreement.Said:
        """Ask by a dry run."""
        resource = _resource(subject)
        try:
            if question.operation == "create":
                await self._client.create(
                    resource, question.value, dry_run=True, field_validation="Ignore"
                )
            else:
                await self._client.replace(
                    resource,
                    question.value,
                    subresource="status" if question.operation == "update_status" else None,
                    dry_run=True,
                    field_validation="Ignore",
                )
        except kube.ApiError as error:
            causes = [Cause(one.reason, one.message, one.field) for one in error.causes]
            return agreement.Said(allowed=False, causes=causes, message=error.message)
        return agreement.Said(allowed=True)


def _resource(subject: agreement.Subject) -> kube.Resource:
    return resources.resource_of(subject.api, subject.kind, subject.version.name)
