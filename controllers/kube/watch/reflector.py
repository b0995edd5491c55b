"""Keeps a store in sync with the API server. Shell: the cluster, the clock.

A streaming list first (WatchList, KEP-3157), or pages if the API server does not support it; then a
watch that resumes where it was cut. If the history is gone (410), everything is listed again, and
objects deleted in the meantime are reported as deletions, which other Python clients lose.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from typing import Final, Generic

from controllers.kube import errors
from controllers.kube.client import PAGE_SIZE, WATCH_SECONDS, WATCH_SILENCE_SECONDS, Client
from controllers.kube.http import limiter
from controllers.kube.requests import Selection, list_page, watch
from controllers.kube.resources import Resource
from controllers.kube.watch.projections import Change, Decoder, Key, T, Unreadable, WatchEvent
from controllers.kube.watch.store import Store

# client-go's reflector: k8s.io/client-go/tools/cache/reflector.go, v0.37.
MIN_PAUSE_SECONDS: Final = 0.8
MAX_BACKOFF_SECONDS: Final = 30.0
_CANNOT_STREAM: Final = (400, 422)
JITTER: Final = 1.0  # multiplies a delay by 1 to 2
# A working watch delivers a bookmark every minute.
MAX_SILENCES: Final = 2
# An API server restarts in less; a replica with an outdated cache is not ready.
MAX_FAILING_SECONDS: Final = 30.0
# Users who write unreadable objects must not be able to flood the log.
UNREADABLE_LOG_RATE: Final = limiter.Rate(qps=1 / 60, burst=20)
_log = logging.getLogger(__name__)


class Reflector(Generic[T]):
    """Watches a collection.

    Args:
        client: Needs list and watch on the resource.
        resource: The resource.
        view: Typed view of its objects.
        store: The store to fill.
        on_change: Called with each change after it was stored; must not block.
        on_unreadable: Called with each object that does not match the view, at each change.
        selection: Restricts the objects.
        silence_seconds: Without any event or bookmark for this long the watch is restarted; the
            second time in a row, by a list.
        sleep: Sleeps for seconds.
        rng: Returns a random number from 0 to 1, for jitter.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        client: Client,
        resource: Resource,
        view: type[T],
        store: Store[T],
        on_change: Callable[[Change[T]], None] = lambda _: None,
        *,
        on_unreadable: Callable[[Unreadable], None] = lambda _: None,
        selection: Selection | None = None,
        silence_seconds: float = WATCH_SILENCE_SECONDS,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rng: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client, self._store = client, store
        self.resource = resource
        self._selection = selection or Selection()
        self._decoder, self._on_change = Decoder(view), on_change
        self._on_unreadable = on_unreadable
        self._silence_seconds = silence_seconds
        self._sleep, self._rng, self._clock = sleep, rng, clock
        self._version = ""
        self._streams_lists = True
        self._failures = self._silences = 0
        self._error, self._failing_since = "", clock()
        self._unreadable: dict[Key, Unreadable] = {}
        self._log_bucket = limiter.Bucket.full(UNREADABLE_LOG_RATE, clock())
        self.synced = asyncio.Event()
        """Set once the cache has synced."""

    @property
    def unreadable(self) -> Mapping[Key, Unreadable]:
        """Objects that do not match the view; they are not in the store."""
        return self._unreadable

    @property
    def problem(self) -> str:
        """Why the cache is outdated, if that persists; empty otherwise."""
        if not self.synced.is_set():
            return f"{self.resource} has not been listed yet{self._error and ': '}{self._error}"
        seconds = self._clock() - self._failing_since
        if not self._error or seconds < MAX_FAILING_SECONDS:
            return ""
        return f"{self.resource} has not been watched for {seconds:.0f} s: {self._error}"

    async def run(self) -> None:
        """Watch the collection until cancelled; failures are retried with exponential backoff."""
        while True:
            try:
                if not self._version:
                    await self._list()
                await self._watch()
            except errors.GoneError:
                # Immediately the first time: changes may have been missed.
                self._version = ""
                if self._failures:
                    await self._back_off()
                self._failures = max(self._failures, 1)
            except errors.KubeError as error:
                # Silent twice in a row, it may watch a history that no longer exists (etcd was
                # restored): no event arrives until the new history is as long as the old one.
                is_silent = isinstance(error, errors.DeadlineExceededError)
                self._silences = self._silences + 1 if is_silent else 0
                if self._silences == MAX_SILENCES:
                    self._version = ""
                await self._handle_failure(error)
            except Exception as error:  # noqa: BLE001 - a bug must not stop the cache
                _log.exception("%s: watch failed, listing again", self.resource)
                self._version = ""
                await self._handle_failure(error)

    def resume_from(self, resource_version: str) -> None:
        """Resume from a resourceVersion without a list; the store must match it."""
        self._version = resource_version

    async def _handle_failure(self, error: Exception) -> None:
        text = str(error) or type(error).__name__
        if text != self._error:
            _log.warning("%s: watch failed, retrying: %s", self.resource, text)
        if not self._error:
            self._failing_since = self._clock()
        self._error = text
        await self._back_off()

    def _connected(self) -> None:
        self._error = ""

    async def _back_off(self) -> None:
        seconds = min(MIN_PAUSE_SECONDS * 2**self._failures, MAX_BACKOFF_SECONDS)
        self._failures = min(self._failures + 1, 10)
        await self._sleep(seconds * (1 + JITTER * self._rng()))

    async def _list(self) -> None:
        if self._streams_lists:
            try:
                await self._streamed()
            except errors.ApiError as error:
                if error.code not in _CANNOT_STREAM:
                    raise
                _log.info("%s cannot be streamed: listing pages", self.resource)
                self._streams_lists = False
            else:
                return
        await self._paged()

    async def _streamed(self) -> None:
        request = watch(
            self.resource,
            self._selection,
            resource_version=None,
            timeout_seconds=WATCH_SECONDS,
            sends_initial=True,
        )
        objects: dict[Key, T | Unreadable] = {}
        lines = self._client.lines(request, silence_seconds=self._silence_seconds)
        async with contextlib.aclosing(lines):
            async for line in lines:
                event = self._decoder.event(line, str(request))
                if event is None:
                    continue
                value = event.object if event.unreadable is None else event.unreadable
                if value is not None and event.type == "DELETED":
                    objects.pop(value.key, None)
                elif value is not None:
                    objects[value.key] = value
                if event.ends_initial:
                    self._replace(objects.values(), event.resource_version)
                    await self._follow(lines, str(request))
                    return
        raise errors.UnreachableError(f"{request} ended before all objects were sent")

    async def _paged(self) -> None:
        items: list[T | Unreadable] = []
        continuation: str | None = None
        limit: int | None = PAGE_SIZE
        while True:
            request = list_page(
                self.resource, self._selection, limit=limit, continuation=continuation
            )
            try:
                page = self._decoder.page(await self._client.body(request), str(request))
            except errors.GoneError:
                if limit is None:
                    raise
                # Paging took longer than history is kept: an unpaged list cannot expire.
                items, continuation, limit = [], None, None
                continue
            items += [*page.items, *page.unreadable]
            continuation = page.continuation
            if not continuation:
                self._replace(items, page.resource_version)
                return

    async def _watch(self) -> None:
        request = watch(
            self.resource,
            self._selection,
            resource_version=self._version,
            timeout_seconds=WATCH_SECONDS,
        )
        lines = self._client.lines(
            request, silence_seconds=self._silence_seconds, on_open=self._connected
        )
        async with contextlib.aclosing(lines):
            if not await self._follow(lines, str(request)):
                await self._back_off()  # a server that ends every watch must not be flooded

    async def _follow(self, lines: AsyncGenerator[bytes, None], request: str) -> bool:
        """Apply events until the API server ends the watch; return whether any arrived."""
        has_come = False
        async for line in lines:
            has_come = True
            event = self._decoder.event(line, request)
            if event is not None:
                self._apply_event(event)
        return has_come

    def _replace(self, objects: Iterable[T | Unreadable], resource_version: str) -> None:
        items, unreadable = list[T](), dict[Key, Unreadable]()
        for item in objects:
            if isinstance(item, Unreadable):
                unreadable[item.key] = item
            else:
                items.append(item)
        changes = self._store.replace(items, resource_version=resource_version)
        self._version, self._silences = resource_version, 0
        known, self._unreadable = self._unreadable, unreadable
        self._connected()
        self.synced.set()
        for change in changes:
            self._notify(change)
        for item in unreadable.values():
            if item != known.get(item.key):
                self._report(item)

    def _apply_event(self, event: WatchEvent[T]) -> None:
        change = None
        if event.unreadable is not None:
            change = self._skip(event.unreadable, is_gone=event.type == "DELETED")
        elif event.object is not None:
            key, is_gone = event.object.key, event.type == "DELETED"
            self._unreadable.pop(key, None)
            change = self._store.drop(key) if is_gone else self._store.put(event.object)
        self._version, self._failures, self._silences = event.resource_version, 0, 0
        self._connected()
        self._store.reached(event.resource_version)
        if change is not None:
            self._notify(change)

    def _skip(self, unreadable: Unreadable, *, is_gone: bool) -> Change[T] | None:
        """Drop an unreadable object: acting on its previous state would fail at each write."""
        key = unreadable.key
        if is_gone:
            self._unreadable.pop(key, None)
        else:
            self._unreadable[key] = unreadable
            self._report(unreadable)
        return self._store.drop(key)

    def _notify(self, change: Change[T]) -> None:
        try:
            self._on_change(change)
        except Exception:  # noqa: BLE001 - a failure of one object must not affect others
            _log.exception("%s %s: failed to handle the change", self.resource, change.key)

    def _report(self, unreadable: Unreadable) -> None:
        now = self._clock()
        if not self._log_bucket.wait_seconds(now):
            self._log_bucket = self._log_bucket.taken(now)
            _log.warning(
                "%s %s cannot be read and is skipped: %s",
                *(self.resource, unreadable.key, unreadable.problem),
            )
        try:
            self._on_unreadable(unreadable)
        except Exception:  # noqa: BLE001 - likewise
            _log.exception("%s %s: failed to report the object", self.resource, unreadable.key)
