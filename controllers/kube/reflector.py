"""Keeps a store of a kind as the API server has it, for ever. Shell: the cluster, the clock.

A streamed list first (WatchList, KEP-3157), pages where the API server has none; then a watch that
goes on where it was cut. Where the history is gone (410), all is listed again, and what went
meanwhile is told as deleted: other Python clients lose such deletions.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Final, Generic

from controllers.kube import errors
from controllers.kube.client import PAGE_SIZE, WATCH_SECONDS, WATCH_SILENCE_SECONDS, Client
from controllers.kube.projections import Change, Decoder, Seen, T
from controllers.kube.requests import Selection, list_page, watch
from controllers.kube.resources import Resource
from controllers.kube.store import Store

# client-go's reflector: k8s.io/client-go/tools/cache/reflector.go, v0.37.
SHORTEST_PAUSE_SECONDS: Final = 0.8
LONGEST_PAUSE_SECONDS: Final = 30.0
_CANNOT_STREAM: Final = (400, 422)
JITTER: Final = 1.0  # a pause is once to twice as long
# A watch that works brings a bookmark a minute.
MOST_SILENCES: Final = 2
_log = logging.getLogger(__name__)


class Reflector(Generic[T]):
    """Follows one collection.

    Args:
        client: May list and watch the kind.
        resource: The kind.
        view: What of each object is kept.
        store: Where.
        on_change: Told each change, after the store has it; must not wait.
        selection: Which objects of the kind.
        silence_seconds: After so long without anything, bookmarks included, the watch is begun
            anew; after the second time on end, by a list.
        sleep: Waits for seconds.
        dice: A random number from 0 to 1.
    """

    def __init__(
        self,
        client: Client,
        resource: Resource,
        view: type[T],
        store: Store[T],
        on_change: Callable[[Change[T]], None] = lambda _: None,
        *,
        selection: Selection | None = None,
        silence_seconds: float = WATCH_SILENCE_SECONDS,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self._client, self._resource, self._store = client, resource, store
        self._selection = selection or Selection()
        self._decoder, self._on_change = Decoder(view), on_change
        self._silence_seconds = silence_seconds
        self._sleep, self._dice = sleep, dice
        self._version = ""
        self._streams_lists = True
        self._failures = self._silences = 0
        self.synced = asyncio.Event()
        """Set once all objects have been seen."""

    async def run(self) -> None:
        """Follow the collection until cancelled; what fails is tried again, ever more slowly."""
        said = ""
        while True:
            try:
                if not self._version:
                    await self._list()
                await self._watch()
            except errors.GoneError:
                # At once the first time: nobody knows what went meanwhile.
                self._version = ""
                if self._failures:
                    await self._pause()
                self._failures = max(self._failures, 1)
            except errors.KubeError as error:
                # Silent twice on end, it may follow a history that is no more (etcd was restored):
                # nothing comes until that has grown as long as the one that was followed.
                is_silent = isinstance(error, errors.DeadlineExceededError)
                self._silences = self._silences + 1 if is_silent else 0
                if self._silences == MOST_SILENCES:
                    self._version = ""
                if str(error) != said:
                    _log.warning("%s is not followed, but tried again: %s", self._resource, error)
                said = str(error)
                await self._pause()

    def go_on_from(self, resource_version: str) -> None:
        """Watch from there the next time, without a list; for who knows what the store has."""
        self._version = resource_version

    async def _pause(self) -> None:
        seconds = min(SHORTEST_PAUSE_SECONDS * 2**self._failures, LONGEST_PAUSE_SECONDS)
        self._failures = min(self._failures + 1, 10)
        await self._sleep(seconds * (1 + JITTER * self._dice()))

    async def _list(self) -> None:
        if self._streams_lists:
            try:
                await self._streamed()
            except errors.ApiError as error:
                if error.code not in _CANNOT_STREAM:
                    raise
                _log.info("%s cannot be streamed: listing pages", self._resource)
                self._streams_lists = False
            else:
                return
        await self._paged()

    async def _streamed(self) -> None:
        request = watch(
            self._resource,
            self._selection,
            resource_version=None,
            timeout_seconds=WATCH_SECONDS,
            sends_initial=True,
        )
        found: dict[object, T] = {}
        lines = self._client.lines(request, silence_seconds=self._silence_seconds)
        async with contextlib.aclosing(lines):
            async for line in lines:
                seen = self._event(line, str(request))
                if seen is None:
                    continue
                if seen.object is not None and seen.type == "DELETED":
                    found.pop(seen.object.key, None)
                elif seen.object is not None:
                    found[seen.object.key] = seen.object
                if seen.ends_initial:
                    self._replace(tuple(found.values()), seen.resource_version)
                    await self._follow(lines, str(request))
                    return
        raise errors.UnreachableError(f"{request} ended before all objects were sent")

    async def _paged(self) -> None:
        items: list[T] = []
        continuation: str | None = None
        limit: int | None = PAGE_SIZE
        while True:
            request = list_page(
                self._resource, self._selection, limit=limit, continuation=continuation
            )
            try:
                page = self._decoder.page(await self._client.body(request), str(request))
            except errors.GoneError:
                if limit is None:
                    raise
                # The pages took longer than history is kept: all at once cannot expire.
                items, continuation, limit = [], None, None
                continue
            items += page.items
            continuation = page.continuation
            if not continuation:
                self._replace(tuple(items), page.resource_version)
                return

    async def _watch(self) -> None:
        request = watch(
            self._resource,
            self._selection,
            resource_version=self._version,
            timeout_seconds=WATCH_SECONDS,
        )
        lines = self._client.lines(request, silence_seconds=self._silence_seconds)
        async with contextlib.aclosing(lines):
            if not await self._follow(lines, str(request)):
                await self._pause()  # or a server that ends every watch at once is asked for ever

    async def _follow(self, lines: AsyncGenerator[bytes, None], request: str) -> bool:
        """Take in what comes, until the API server ends it; whether anything came."""
        has_come = False
        async for line in lines:
            has_come = True
            seen = self._event(line, request)
            if seen is not None:
                self._take(seen)
        return has_come

    def _event(self, line: bytes, request: str) -> Seen[T] | None:
        """Read an event; None for what is passed over.

        Whoever may create an object that is too deep to read must not keep all others from being
        followed. `sys.setrecursionlimit` says what is too deep.
        """
        try:
            return self._decoder.event(line, request)
        except RecursionError:
            _log.warning("%s: an object that is nested too deeply is passed over", request)
            return None

    def _replace(self, items: tuple[T, ...], resource_version: str) -> None:
        changes = self._store.replace(items, resource_version=resource_version)
        self._version, self._silences = resource_version, 0
        self.synced.set()
        for change in changes:
            self._on_change(change)

    def _take(self, seen: Seen[T]) -> None:
        change = None
        if seen.object is not None:
            is_gone = seen.type == "DELETED"
            change = self._store.drop(seen.object.key) if is_gone else self._store.put(seen.object)
        self._version, self._failures, self._silences = seen.resource_version, 0, 0
        self._store.reached(seen.resource_version)
        if change is not None:
            self._on_change(change)
