"""A client of the Kubernetes API: verbs on plain JSON objects. Shell, through `transport`.

`requests` builds requests, `responses` parses responses, `errors` has the exceptions.
"""

import contextlib
import logging
import os
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Self, TypedDict, Unpack

from controllers.kube import errors, requests, responses
from controllers.kube.auth import discovery
from controllers.kube.errors import JSON
from controllers.kube.http import connections, limiter, transport
from controllers.kube.resources import Resource

_log = logging.getLogger(__name__)

DEADLINE_SECONDS = 30.0
# The page size of kubectl and of client-go's pager.
PAGE_SIZE = 500
# Bookmarks arrive about once a minute; half as long again without any means a dead connection.
WATCH_SILENCE_SECONDS = 90.0
# client-go's reflector watches for 5 to 10 minutes.
WATCH_SECONDS = 300


def _log_warning(text: str) -> None:
    _log.warning("api server warning: %s", text)


class Options(TypedDict, total=False):
    """Options that every constructor takes."""

    on_warning: Callable[[str], None]
    """Called with each ``Warning`` of the API server; logged by default."""
    deadline_seconds: float
    """Default deadline of calls."""
    user_agent: str
    """Also the default field manager of writes."""
    rate: limiter.Rate | None
    """Client-side rate limit; unlimited by default."""


class Client:
    """A client of one cluster; open it with ``async with`` and use it from one event loop.

    When the API server is unavailable calls fail, but the client recovers with the next call.
    """

    def __init__(
        self,
        source: discovery.Source,
        *,
        on_warning: Callable[[str], None] = _log_warning,
        deadline_seconds: float = DEADLINE_SECONDS,
        user_agent: str = "kubewright",
        rate: limiter.Rate | None = None,
        connect: transport.Connect = connections.Connections,
    ) -> None:
        self._source, self._connect = source, connect
        self._on_warning = on_warning
        self._deadline_seconds = deadline_seconds
        self._user_agent = user_agent
        self._rate = rate
        self._transport: transport.Transport | None = None

    @classmethod
    def from_kubeconfig(
        cls,
        path: str | os.PathLike[str] | None = None,
        context: str | None = None,
        **options: Unpack[Options],
    ) -> Self:
        """Create a client for a kubeconfig context, by default the current one of KUBECONFIG.

        Args:
            path: A file, or several separated by ``os.pathsep``.
            context: Name of the context.
            options: As for the class.
        """
        return cls(discovery.kubeconfig(path, context), **options)

    @classmethod
    def in_cluster(cls, **options: Unpack[Options]) -> Self:
        """Create a client with the pod's service account."""
        return cls(discovery.in_cluster(), **options)

    @classmethod
    def from_environment(cls, **options: Unpack[Options]) -> Self:
        """Create a client from KUBECONFIG, else the pod's account, else ``~/.kube/config``."""
        return cls(discovery.environment(), **options)

    async def __aenter__(self) -> Self:
        await self.close()
        self._transport = transport.Transport(
            await self._source(),
            on_warning=self._on_warning,
            user_agent=self._user_agent,
            rate=self._rate,
            connect=self._connect,
        )
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections; a running watch ends with an error."""
        if self._transport is not None:
            await self._transport.close()
        self._transport = None

    async def get(
        self,
        resource: Resource,
        name: str,
        *,
        namespace: str | None = None,
        subresource: str | None = None,
        not_older_than: str | None = None,
        deadline_seconds: float | None = None,
    ) -> JSON:
        """Return an object.

        Args:
            resource: Its resource.
            name: Its name.
            namespace: Its namespace.
            subresource: Such as ``status`` or ``scale``.
            not_older_than: A resourceVersion: the API server may answer from its cache with any
                state since then, at a third of the CPU. None reads the current state.
            deadline_seconds: Deadline of this call.

        Raises:
            NotFoundError: It does not exist.
        """
        request = requests.get(
            resource,
            name,
            namespace=namespace,
            subresource=subresource,
            not_older_than=not_older_than,
        )
        return await self._call(request, deadline_seconds)

    async def list(
        self,
        resource: Resource,
        *,
        namespace: str | None = None,
        labels: str | None = None,
        fields: str | None = None,
        page_size: int = PAGE_SIZE,
        deadline_seconds: float | None = None,
    ) -> responses.Listing:
        """Return all matching objects, and the resourceVersion to watch from.

        Args:
            resource: Their resource.
            namespace: A namespace; None for all.
            labels: A label selector, such as ``app=x,tier!=y``.
            fields: A field selector, such as ``metadata.name=x``.
            page_size: Maximum number of objects per request.
            deadline_seconds: Deadline of each page.
        """
        selection = requests.Selection(namespace=namespace, labels=labels, fields=fields)
        try:
            return await self._pages(resource, selection, page_size, deadline_seconds)
        except errors.GoneError:
            # Paging took longer than history is kept (5 minutes). An unpaged list cannot
            # expire, and is also the fallback of client-go's pager.
            return await self._pages(resource, selection, None, deadline_seconds)

    async def create(
        self,
        resource: Resource,
        body: JSON,
        *,
        name: str | None = None,
        namespace: str | None = None,
        subresource: str | None = None,
        deadline_seconds: float | None = None,
        **options: Unpack[requests.WriteOptions],
    ) -> JSON:
        """Create an object and return it as stored.

        Args:
            resource: Its resource.
            body: The object.
            name: The parent of a subresource; an object's own name is in its body.
            namespace: Namespace, if the body has none.
            subresource: Such as ``token`` or ``eviction``.
            deadline_seconds: Deadline of this call.
            options: See ``requests.WriteOptions``.

        Raises:
            AlreadyExistsError: An object with that name exists.
            InvalidError: It violates its schema or a rule.
        """
        request = requests.create(
            resource,
            body,
            name=name,
            namespace=namespace,
            subresource=subresource,
            **options,
        )
        return await self._call(request, deadline_seconds)

    async def replace(
        self,
        resource: Resource,
        body: JSON,
        *,
        namespace: str | None = None,
        subresource: str | None = None,
        deadline_seconds: float | None = None,
        **options: Unpack[requests.WriteOptions],
    ) -> JSON:
        """Replace the object named in the body (PUT) and return it as stored.

        Raises:
            ConflictError: The body's resourceVersion is not the current one.
        """
        request = requests.replace(
            resource,
            body,
            namespace=namespace,
            subresource=subresource,
            **options,
        )
        return await self._call(request, deadline_seconds)

    async def apply(
        self,
        resource: Resource,
        body: JSON,
        *,
        field_manager: str,
        force: bool = False,
        namespace: str | None = None,
        subresource: str | None = None,
        answers_metadata: bool = False,
        deadline_seconds: float | None = None,
        **options: Unpack[requests.StorageOptions],
    ) -> JSON:
        """Apply the body server-side and return the object as stored.

        Args:
            resource: Its resource.
            body: The fields to own; fields applied earlier by this manager and omitted are removed.
            field_manager: Owner of the fields.
            force: Take over fields that other managers own.
            namespace: Namespace, if the body has none.
            subresource: Such as ``status``.
            answers_metadata: Return only ``metadata`` (a PartialObjectMetadata), which saves
                encoding and decoding the rest.
            deadline_seconds: Deadline of this call.
            options: See ``requests.StorageOptions``.

        Raises:
            ConflictError: Another manager, named in it, owns one of the fields.
        """
        request = requests.apply(
            resource,
            body,
            force=force,
            namespace=namespace,
            subresource=subresource,
            answers_metadata=answers_metadata,
            field_manager=field_manager,
            **options,
        )
        return await self._call(request, deadline_seconds)

    async def patch(
        self,
        resource: Resource,
        name: str,
        changes: JSON | Sequence[JSON],
        *,
        kind: requests.PatchKind = "merge",
        namespace: str | None = None,
        subresource: str | None = None,
        deadline_seconds: float | None = None,
        **options: Unpack[requests.WriteOptions],
    ) -> JSON:
        """Change an object by a merge or JSON patch and return it as stored.

        Raises:
            InvalidError: The result violates a rule, or a JSON patch's ``test`` failed.
        """
        request = requests.patch(
            resource,
            name,
            changes,
            kind=kind,
            namespace=namespace,
            subresource=subresource,
            **options,
        )
        return await self._call(request, deadline_seconds)

    async def delete(
        self,
        resource: Resource,
        name: str,
        *,
        namespace: str | None = None,
        propagation: requests.Propagation | None = None,
        uid: str | None = None,
        resource_version: str | None = None,
        dry_run: bool = False,
        deadline_seconds: float | None = None,
    ) -> JSON:
        """Delete an object; return it if finalizers still block it, else a Status.

        Raises:
            ConflictError: The uid or resourceVersion is not that of the existing object.
        """
        request = requests.delete(
            resource,
            name,
            namespace=namespace,
            propagation=propagation,
            uid=uid,
            resource_version=resource_version,
            dry_run=dry_run,
        )
        return await self._call(request, deadline_seconds)

    async def watch(
        self,
        resource: Resource,
        *,
        resource_version: str | None = None,
        namespace: str | None = None,
        labels: str | None = None,
        fields: str | None = None,
        timeout_seconds: int = WATCH_SECONDS,
        silence_seconds: float = WATCH_SILENCE_SECONDS,
    ) -> AsyncGenerator[responses.Event, None]:
        """Watch a collection until the API server ends the watch.

        To stop early use ``contextlib.aclosing``, which closes the connection immediately.

        Args:
            resource: The resource.
            resource_version: Where to resume: a listing's, or the last event's. None starts with
                ADDED events for all existing objects.
            namespace: A namespace; None for all.
            labels: A label selector.
            fields: A field selector.
            timeout_seconds: Time after which the API server ends the watch.
            silence_seconds: Timeout for the next event, including bookmarks.

        Raises:
            GoneError: The resourceVersion is too old: list again.
            UnreachableError: The connection was lost or fell silent.
        """
        request = requests.watch(
            resource,
            requests.Selection(namespace=namespace, labels=labels, fields=fields),
            resource_version=resource_version,
            timeout_seconds=timeout_seconds,
        )
        lines = self.lines(request, silence_seconds=silence_seconds)
        async with contextlib.aclosing(lines):
            async for line in lines:
                yield responses.event(line, str(request))

    def lines(
        self,
        request: requests.Request,
        *,
        silence_seconds: float = WATCH_SILENCE_SECONDS,
        on_open: Callable[[], None] = lambda: None,
    ) -> AsyncGenerator[bytes, None]:
        """Yield the lines of a watch response; see ``watch``.

        Args:
            request: The watch.
            silence_seconds: Timeout for the next event.
            on_open: Called once the response has begun.
        """
        return self._opened.lines(
            request,
            deadline_seconds=self._deadline_seconds,
            silence_seconds=silence_seconds,
            on_open=on_open,
        )

    async def body(
        self, request: requests.Request, *, deadline_seconds: float | None = None
    ) -> bytes:
        """Send a request and return the raw response body."""
        return await self._opened.body(request, deadline_seconds or self._deadline_seconds)

    async def _pages(
        self,
        resource: Resource,
        selection: requests.Selection,
        page_size: int | None,
        deadline_seconds: float | None,
    ) -> responses.Listing:
        items: list[JSON] = []
        continuation = None
        while True:
            request = requests.list_page(
                resource, selection, limit=page_size, continuation=continuation
            )
            page = await self._call(request, deadline_seconds)
            # Items of built-in kinds lack these in lists.
            named = {"apiVersion": resource.api_version, "kind": resource.kind}
            items += [named | item for item in page.get("items") or ()]
            # All pages have the first page's resourceVersion.
            continuation = page["metadata"].get("continue")
            if not continuation:
                return responses.Listing(tuple(items), page["metadata"]["resourceVersion"])

    async def _call(self, request: requests.Request, deadline_seconds: float | None) -> JSON:
        answer = await self._opened.call(request, deadline_seconds or self._deadline_seconds)
        if not isinstance(answer, dict):
            raise errors.AnswerError(
                f"expected an object in the response to {request}, got {type(answer).__name__}"
            )
        return answer

    @property
    def _opened(self) -> transport.Transport:
        if self._transport is None:
            raise errors.ConfigurationError(
                "expected an open client, got a closed one: use `async with`"
            )
        return self._transport
