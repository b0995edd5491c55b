"""A live cluster for ``schemagen``'s commands, through the project's client. Shell."""

import contextlib
import json
import math
import pathlib
from collections.abc import AsyncIterator

from controllers import kube
from controllers.kube import requests
from controllers.kube.http import limiter
from schemagen.compat import clusters
from schemagen.problems import JSON


class Cluster:
    """Answers of an API server."""

    def __init__(self, client: kube.Client, name: str) -> None:
        self._client, self._name = client, name

    async def get(self, path: str, **query: str) -> JSON:
        """Return the answer to a GET."""
        request = requests.Request("GET", path, tuple(query.items()))
        return await self._answer(request, f"read {path}")

    async def send(self, write: clusters.Write) -> JSON:
        """Send a write and return the answer."""
        body = None if write.body is None else json.dumps(write.body).encode()
        request = requests.Request(
            write.method, write.path, write.query, write.content_type, body=body
        )
        return await self._answer(request, f"{write.method} {write.path}")

    async def _answer(self, request: requests.Request, what: str) -> JSON:
        try:
            return json.loads(await self._client.body(request))
        except kube.KubeError as error:
            raise _error(error, f"expected to {what} of {self._name}, got: {error}") from error


def _error(error: kube.KubeError, message: str) -> clusters.ClusterError:
    """Return the toolkit's error for one of the client."""
    match error:
        case kube.NotFoundError():
            return clusters.NotFoundError(message, code=404, cause=error.message)
        case kube.GoneError():
            token = (error.status.get("metadata") or {}).get("continue") or ""
            return clusters.ExpiredError(message, token)
        case kube.ApiError():
            return clusters.ClusterError(
                message,
                code=error.code,
                cause=str(error),
                retry_after_seconds=error.retry_after_seconds,
            )
        case _:
            return clusters.ClusterError(message, cause=str(error))


@contextlib.asynccontextmanager
async def kubeconfig(
    context: str | None, rate: float = 0, *, path: pathlib.Path | None = None
) -> AsyncIterator[Cluster]:
    """Open the cluster of a context, by default the current one.

    Args:
        context: Its name.
        rate: Maximum number of requests per second; 0 for no limit.
        path: The kubeconfig; by default that of the environment, or the pod's service account.

    Raises:
        clusters.ClusterError: if the kubeconfig has no such context, or no answer comes.
    """
    name = f"the cluster of context {context}" if context else "the current cluster"
    if path is not None:
        name += f" in {path}"
    limit = limiter.Rate(qps=rate, burst=math.ceil(rate)) if rate else None
    client = (
        kube.Client.from_kubeconfig(path, context, on_warning=_ignore, rate=limit)
        if context or path
        else kube.Client.from_environment(on_warning=_ignore, rate=limit)
    )
    async with contextlib.AsyncExitStack() as stack:
        try:
            opened = await stack.enter_async_context(client)
        except kube.KubeError as error:
            raise clusters.ClusterError(f"expected to open {name}, got: {error}") from error
        yield Cluster(opened, name)


def _ignore(warning: str) -> None:
    """Ignore warnings: deprecated versions send one per response."""
    del warning
