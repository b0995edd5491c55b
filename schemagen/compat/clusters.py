"""Read objects of a live cluster, with nothing but GET. Shell.

The client is found by entry point, as this package imports none.
"""

import contextlib
import dataclasses
from collections.abc import AsyncIterator
from typing import Final, Protocol

from schemagen.differential import servers
from schemagen.problems import JSON, UserError

GROUP: Final = "schemagen.clusters"
"""Entry point group of openers: from a context's name, or None, to a context of a ``Cluster``."""


class ClusterError(UserError):
    """A cluster cannot be read; the message names it and the cause."""


class NotFoundError(ClusterError):
    """The cluster has no such object or resource."""


class ExpiredError(ClusterError):
    """The pages of a list are no longer available at the revision of the first one.

    Attributes:
        token: Where to go on at the current revision; empty if the list has to begin again.
    """

    def __init__(self, message: str, token: str) -> None:
        super().__init__(message)
        self.token = token


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
    """Yield the items of a list, page by page; those of built-in kinds lack apiVersion and kind."""
    async for page in pages(cluster, path, page_size=page_size):
        for item in page.items:
            yield item


@dataclasses.dataclass(frozen=True)
class Page:
    """A part of a list.

    Attributes:
        items: Its objects.
        remaining: Number of objects in the pages to come, as far as the API server says.
    """

    items: list[JSON]
    remaining: int


async def pages(cluster: Cluster, path: str, *, page_size: int) -> AsyncIterator[Page]:
    """Yield the pages of a list.

    Reading longer than etcd keeps a revision, by default 5 minutes, goes on at the current one.
    """
    query = {"limit": str(page_size)}
    while True:
        try:
            page = await cluster.get(path, **query)
        except ExpiredError as error:
            if not error.token:
                raise
            query["continue"] = error.token
            continue
        metadata = page["metadata"]
        yield Page(page.get("items") or [], int(metadata.get("remainingItemCount") or 0))
        if not metadata.get("continue"):
            return
        query["continue"] = metadata["continue"]
