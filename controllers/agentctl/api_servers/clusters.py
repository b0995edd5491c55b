"""A live cluster for ``schemagen``'s commands, read by the project's client. Shell."""

import contextlib
import json
from collections.abc import AsyncIterator

from controllers import kube
from controllers.kube import requests
from schemagen.compat import clusters
from schemagen.problems import JSON


class Cluster:
    """Answers of an API server to GET."""

    def __init__(self, client: kube.Client, name: str) -> None:
        self._client, self._name = client, name

    async def get(self, path: str, **query: str) -> JSON:
        """Return the answer to a GET."""
        request = requests.Request("GET", path, tuple(query.items()))
        try:
            return json.loads(await self._client.body(request))
        except kube.KubeError as error:
            message = f"expected to read {path} of {self._name}, got: {error}"
            match error:
                case kube.NotFoundError():
                    raise clusters.NotFoundError(message) from error
                case kube.GoneError():
                    token = (error.status.get("metadata") or {}).get("continue") or ""
                    raise clusters.ExpiredError(message, token) from error
                case _:
                    raise clusters.ClusterError(message) from error


@contextlib.asynccontextmanager
async def kubeconfig(context: str | None) -> AsyncIterator[Cluster]:
    """Open the cluster of a context, by default the current one.

    Raises:
        clusters.ClusterError: if the kubeconfig has no such context, or no answer comes.
    """
    name = f"the cluster of context {context}" if context else "the current cluster"
    client = (
        kube.Client.from_kubeconfig(context=context, on_warning=_ignore)
        if context
        else kube.Client.from_environment(on_warning=_ignore)
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
