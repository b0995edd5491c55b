"""The one client of a Kubernetes API: its verbs, on plain JSON objects. Shell, through `transport`.

Requests come from `requests`, answers are read by `answers`, errors go out by `errors`.
"""

import contextlib
import logging
import os
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Self, TypedDict, Unpack

from controllers.kube import answers, errors, limiter, requests, sources, transport
from controllers.kube.errors import JSON
from controllers.kube.resources import Resource

_log = logging.getLogger(__name__)

DEADLINE_SECONDS = 30.0
# The page size of kubectl and of client-go's pager.
PAGE_SIZE = 500
# Bookmarks come about once a minute; half as long again without any is a dead connection.
WATCH_SILENCE_SECONDS = 90.0
# client-go's reflector watches for 5 to 10 minutes.
WATCH_SECONDS = 300


def _log_warning(text: str) -> None:
    _log.warning("api server warning: %s", text)


class Options(TypedDict, total=False):
    """What every way to make a client takes besides."""

    on_warning: Callable[[str], None]
    """Gets each ``Warning`` of the API server; by default they are logged."""
    deadline_seconds: float
    """For each call that does not say its own."""
    user_agent: str
    """Also the field manager of writes that name none."""
    rate: limiter.Rate | None
    """How many requests it may send; by default as many as it is asked for."""


class Client:
    """Talks to one cluster; to be opened by ``async with`` and used from one event loop.

    An API server that is gone makes calls fail, never the client: the next call tries anew.
    """

    def __init__(
        self,
        source: sources.Source,
        *,
        on_warning: Callable[[str], None] = _log_warning,
        deadline_seconds: float = DEADLINE_SECONDS,
        user_agent: str = "kubewright",
        rate: limiter.Rate | None = None,
    ) -> None:
        self._source = source
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
        """Return a client for a context of a kubeconfig, by default KUBECONFIG's current one.

        Args:
            path: The file, or several parted by ``os.pathsep``.
            context: A context's name.
            options: As for the class.
        """
        return cls(sources.kubeconfig(path, context), **options)

    @classmethod
    def in_cluster(cls, **options: Unpack[Options]) -> Self:
        """Return a client with the service account of the pod that this runs in."""
        return cls(sources.in_cluster(), **options)

    @classmethod
    def from_environment(cls, **options: Unpack[Options]) -> Self:
        """Return a client by KUBECONFIG, else of the pod, else by ``~/.kube/config``."""
        return cls(sources.environment(), **options)

    async def __aenter__(self) -> Self:
        await self.close()
        self._transport = transport.Transport(
            await self._source(),
            on_warning=self._on_warning,
            user_agent=self._user_agent,
            rate=self._rate,
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
        """Return one object.

        Args:
            resource: Its kind.
            name: Its name.
            namespace: Where it is.
            subresource: Such as ``status`` or ``scale``.
            not_older_than: A resourceVersion of its kind: the object may be as it was then, or at
                any time since, which the API server answers from its cache, at a third of the CPU.
                None is as it is now.
            deadline_seconds: For this call.

        Raises:
            NotFoundError: There is none.
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
    ) -> answers.Listing:
        """Return all objects that match, and the resourceVersion to watch from.

        Args:
            resource: Their kind.
            namespace: One namespace; None is all.
            labels: A label selector, such as ``app=x,tier!=y``.
            fields: A field selector, such as ``metadata.name=x``.
            page_size: How many objects one request asks for.
            deadline_seconds: For each page.
        """
        selection = requests.Selection(namespace=namespace, labels=labels, fields=fields)
        try:
            return await self._pages(resource, selection, page_size, deadline_seconds)
        except errors.GoneError:
            # The pages took longer than history is kept (5 minutes). All at once cannot expire,
            # and is what client-go's pager does.
            return await self._pages(resource, selection, None, deadline_seconds)

    async def create(
        self,
        resource: Resource,
        body: JSON,
        *,
        name: str | None = None,
        namespace: str | None = None,
        subresource: str | None = None,
        field_manager: str | None = None,
        field_validation: requests.FieldValidation | None = None,
        dry_run: bool = False,
        deadline_seconds: float | None = None,
    ) -> JSON:
        """Create an object and return it as stored.

        Args:
            resource: Its kind.
            body: The object.
            name: The owner of a subresource; an object's own name stands in its body.
            namespace: Where the body does not say it.
            subresource: To post to, such as ``token`` or ``eviction``.
            field_manager: Who owns the fields.
            field_validation: What to do about unknown and duplicate fields.
            dry_run: Whether to do everything but store.
            deadline_seconds: For this call.

        Raises:
            AlreadyExistsError: There is one of that name.
            InvalidError: It breaks its schema or a rule.
        """
        request = requests.create(
            resource,
            body,
            name=name,
            namespace=namespace,
            subresource=subresource,
            options=requests.WriteOptions(
                field_manager=field_manager, field_validation=field_validation, dry_run=dry_run
            ),
        )
        return await self._call(request, deadline_seconds)

    async def replace(
        self,
        resource: Resource,
        body: JSON,
        *,
        namespace: str | None = None,
        subresource: str | None = None,
        field_manager: str | None = None,
        field_validation: requests.FieldValidation | None = None,
        dry_run: bool = False,
        deadline_seconds: float | None = None,
    ) -> JSON:
        """Replace the object that the body names (PUT) and return it as stored.

        Raises:
            ConflictError: The body's resourceVersion is not the current one any more.
        """
        request = requests.replace(
            resource,
            body,
            namespace=namespace,
            subresource=subresource,
            options=requests.WriteOptions(
                field_manager=field_manager, field_validation=field_validation, dry_run=dry_run
            ),
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
        field_validation: requests.FieldValidation | None = None,
        dry_run: bool = False,
        deadline_seconds: float | None = None,
    ) -> JSON:
        """Apply server-side what the body says, and return the object as stored.

        Args:
            resource: The kind.
            body: The fields to own; what this manager applied before and leaves out goes away.
            field_manager: The owner.
            force: Whether to take fields that other managers own.
            namespace: Where the body does not say it.
            subresource: Such as ``status``.
            answers_metadata: Whether to return only ``metadata`` (a PartialObjectMetadata), which
                saves both sides the rest.
            field_validation: What to do about unknown and duplicate fields; ``Ignore`` saves the
                API server to read the body twice.
            dry_run: Whether to do everything but store.
            deadline_seconds: For this call.

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
            options=requests.WriteOptions(
                field_manager=field_manager, field_validation=field_validation, dry_run=dry_run
            ),
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
        field_manager: str | None = None,
        field_validation: requests.FieldValidation | None = None,
        dry_run: bool = False,
        deadline_seconds: float | None = None,
    ) -> JSON:
        """Change an object by a merge or JSON patch and return it as stored.

        Raises:
            InvalidError: The outcome breaks a rule, or a JSON patch's ``test`` failed.
        """
        request = requests.patch(
            resource,
            name,
            changes,
            kind=kind,
            namespace=namespace,
            subresource=subresource,
            options=requests.WriteOptions(
                field_manager=field_manager, field_validation=field_validation, dry_run=dry_run
            ),
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
        """Delete one object; return it where finalizers still hold it, else a Status.

        Raises:
            ConflictError: The uid or resourceVersion is not that of the object there is.
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
    ) -> AsyncGenerator[answers.Event, None]:
        """Follow a collection until the API server ends the watch, as it does after a time.

        Leave early through ``contextlib.aclosing``, which closes the connection at once.

        Args:
            resource: The kind.
            resource_version: Where to go on from: a listing's, or the last event's. None starts
                with ADDED events for all that exists.
            namespace: One namespace; None is all.
            labels: A label selector.
            fields: A field selector.
            timeout_seconds: When the API server is to end the watch.
            silence_seconds: How long to wait for the next event, bookmarks included.

        Raises:
            GoneError: The resourceVersion is too old: list again.
            UnreachableError: The connection broke or fell silent.
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
                yield answers.event(line, str(request))

    def lines(
        self,
        request: requests.Request,
        *,
        silence_seconds: float = WATCH_SILENCE_SECONDS,
        on_open: Callable[[], None] = lambda: None,
    ) -> AsyncGenerator[bytes, None]:
        """The lines of a watch's answer as they come; see ``watch``.

        Args:
            request: The watch.
            silence_seconds: How long to wait for the next event.
            on_open: Called once the API server has begun to answer.
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
        """Send a request, and return its answer as it came."""
        return await self._opened.body(request, deadline_seconds or self._deadline_seconds)

    async def _pages(
        self,
        resource: Resource,
        selection: requests.Selection,
        page_size: int | None,
        deadline_seconds: float | None,
    ) -> answers.Listing:
        items: list[JSON] = []
        continuation = None
        while True:
            request = requests.list_page(
                resource, selection, limit=page_size, continuation=continuation
            )
            page = await self._call(request, deadline_seconds)
            # Items of built-in kinds come without them, unlike the same objects one by one.
            named = {"apiVersion": resource.api_version, "kind": resource.kind}
            items += [named | item for item in page.get("items") or ()]
            # All pages are of the first one's instant, and each says so.
            continuation = page["metadata"].get("continue")
            if not continuation:
                return answers.Listing(tuple(items), page["metadata"]["resourceVersion"])

    async def _call(self, request: requests.Request, deadline_seconds: float | None) -> JSON:
        answer = await self._opened.call(request, deadline_seconds or self._deadline_seconds)
        if not isinstance(answer, dict):
            raise errors.AnswerError(
                f"expected an object in the answer to {request}, got {type(answer).__name__}"
            )
        return answer

    @property
    def _opened(self) -> transport.Transport:
        if self._transport is None:
            raise errors.ConfigurationError(
                "expected an open client, got a closed one: `async with`"
            )
        return self._transport
