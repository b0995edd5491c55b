"""Read objects of a live cluster, with nothing but GET. Shell.

The client is found by entry point, as this package imports none.
"""

import contextlib
from collections.abc import AsyncIterator
from typing import Final, Protocol

from schemagen.differential import servers
from schemagen.problems import JSON, UserError

GROUP: Final = "schemagen.clusters"
"""Entry point group of openers: from a context's name, or None, to a context of a ``Cluster``."""


class ClusterError(UserError):
    """A cluster cannot be read; the message names it and the cause."""


class Cluster(Protocol):
    """A cluster that can be read."""

    async def get(self, path: str, **query: str) -> JSON:
        """Return the answer to a GET.

        Raises:
            ClusterError: with the API server's message.
        """


@contextlib.asynccontextmanager
async def opened(context: str | None) -> AsyncIterator[Cluster]:
    """Open the cluster of a kubeconfig's context, by default of the current one."""
    async with servers.opener(GROUP, "kubeconfig")(context) as cluster:
        yield cluster


async def items(cluster: Cluster, path: str, *, page_size: int) -> AsyncIterator[JSON]:
    """Yield the items of a list, page by page; they lack apiVersion and kind."""
    query = {"limit": str(page_size)}
    while True:
        page = await cluster.get(path, **query)
        for item in page.get("items") or ():
            yield item
        token = page["metadata"].get("continue")
        if not token:
            return
        query["continue"] = token
