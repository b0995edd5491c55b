"""API servers for ``schemagen judge``: embedded, or of a kubeconfig. Shell."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator

from controllers import devcluster, kube
from schemagen import differential
from schemagen.problems import JSON, Cause
from webhooks.cluster import api_resources

_POLL_SECONDS = 0.05
_READY_TRIES = 600


@contextlib.asynccontextmanager
async def embedded() -> AsyncIterator[differential.Server]:
    """Run an embedded control plane on loopback for the duration of the context."""
    with devcluster.Cluster(tell=_tell) as cluster:
        async with kube.Client.from_kubeconfig(
            cluster.admin_kubeconfig, on_warning=_ignore
        ) as client:
            yield Server(client)


@contextlib.asynccontextmanager
async def kubeconfig() -> AsyncIterator[differential.Server]:
    """Use the cluster of the current context; CRDs of other groups are left alone."""
    async with kube.Client.from_environment(on_warning=_ignore) as client:
        yield Server(client)


def _tell(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201 - progress of a command


def _ignore(warning: str) -> None:
    """Ignore warnings: they are no verdicts, and deprecated versions send one per response."""
    del warning


class Server:
    """Queries by dry run; only CRDs and one object per series of updates are stored."""

    def __init__(self, client: kube.Client) -> None:
        self._client = client

    async def install(self, subject: differential.Subject) -> None:
        """Create the CRD, and wait until it is served."""
        await self._client.create(kube.CUSTOM_RESOURCE_DEFINITIONS, subject.crd)
        resource = _resource(subject)
        for _ in range(_READY_TRIES):
            with contextlib.suppress(kube.NotFoundError):  # not served yet
                await self._client.list(resource)
                return
            await asyncio.sleep(_POLL_SECONDS)
        raise kube.UnreachableError(f"expected {subject} to be served after 30 s, got 404")

    async def remove(self, subject: differential.Subject) -> None:
        """Delete the CRD and all its objects."""
        await self._client.delete(kube.CUSTOM_RESOURCE_DEFINITIONS, subject.crd["metadata"]["name"])

    async def store(self, subject: differential.Subject, value: JSON) -> JSON:
        """Create and store an object."""
        return await self._client.create(_resource(subject), value, field_validation="Ignore")

    async def ask(
        self, subject: differential.Subject, question: differential.Question
    ) -> differential.Said:
        """Query by dry run."""
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
            causes = [Cause(cause.reason, cause.message, cause.field) for cause in error.causes]
            return differential.Said(allowed=False, causes=causes, message=error.message)
        return differential.Said(allowed=True)


def _resource(subject: differential.Subject) -> kube.Resource:
    return api_resources.resource_of(subject.api, subject.kind, subject.version.name)
