"""Read objects of a live cluster, with nothing but GET; only a migration also writes. Shell.

The client is found by entry point, as this package imports none.
"""

import contextlib
import dataclasses
import pathlib
from collections.abc import AsyncIterator
from typing import Final, Protocol

from schemagen.differential import servers
from schemagen.problems import JSON, UserError

GROUP: Final = "schemagen.clusters"
"""Entry point group of openers: from a context's name, or None, to a context of a ``Cluster``;
``path`` is a kubeconfig other than the environment's."""


class ClusterError(UserError):
    """A cluster cannot be read or written; the message names it and the cause.

    Attributes:
        code: HTTP status of the answer; 0 if none came.
        cause: What the API server, or the connection, said.
        retry_after_seconds: Delay that the API server asked for, if any.
    """

    def __init__(
        self,
        message: str,
        *,
        code: int = 0,
        cause: str = "",
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code, self.cause = code, cause
        self.retry_after_seconds = retry_after_seconds


class NotFoundError(ClusterError):
    """The cluster has no such object or resource."""


class ExpiredError(ClusterError):
    """The pages of a list are no longer available at the revision of the first one.

    Attributes:
        token: Where to go on at the current revision; empty if the list has to begin again.
    """

    def __init__(self, message: str, token: str) -> None:
        super().__init__(message, code=410, cause=message)
        self.token = token


class Cluster(Protocol):
    """A cluster that can be read."""

    async def get(self, path: str, **query: str) -> JSON:
        """Return the answer to a GET.

        Raises:
            ClusterError: with the API server's message.
        """


@dataclasses.dataclass(frozen=True)
class Write:
    """A request that changes something.

    Attributes:
        method: POST, PUT, PATCH or DELETE.
        path: The API path.
        body: The object, or the patch.
        content_type: Media type of the body.
        query: Parameters, such as ``dryRun``.
    """

    method: str
    path: str
    body: JSON = None
    content_type: str = "application/json"
    query: tuple[tuple[str, str], ...] = ()


class WritableCluster(Cluster, Protocol):
    """A cluster that can be read and written."""

    async def send(self, write: Write) -> JSON:
        """Send a write and return the answer.

        Raises:
            ClusterError: with the API server's message.
        """


@contextlib.asynccontextmanager
async def opened(
    context: str | None, *, kubeconfig: pathlib.Path | None = None
) -> AsyncIterator[Cluster]:
    """Open the cluster of a kubeconfig's context, by default of the current one."""
    async with servers.opener(GROUP, "kubeconfig")(context, path=kubeconfig) as cluster:
        yield cluster


@contextlib.asynccontextmanager
async def opened_for_writing(
    context: str | None, rate: float = 0, *, kubeconfig: pathlib.Path | None = None
) -> AsyncIterator[WritableCluster]:
    """Open the cluster of a context, by default of the current one.

    Args:
        context: Its name.
        rate: Maximum number of requests per second; 0 for no limit.
        kubeconfig: The file that has the context; None for kubectl's.
    """
    async with servers.opener(GROUP, "kubeconfig")(context, rate, path=kubeconfig) as cluster:
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
