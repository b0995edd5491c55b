"""Keeps a store of a kind as the API server has it, for ever. Shell: the cluster, the clock.

A streamed list first (WatchList, KEP-3157), pages where the API server has none; then a watch that
goes on where it was cut. Where the history is gone (410), all is listed again, and what went
meanwhile is told as deleted: other Python clients lose such deletions.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from typing import Final, Generic

from controllers.kube import errors, limiter
from controllers.kube.client import PAGE_SIZE, WATCH_SECONDS, WATCH_SILENCE_SECONDS, Client
from controllers.kube.projections import Change, Decoder, Key, Seen, T, Unreadable
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
# An API server that restarts is away for less; a replica that follows nothing is not ready.
MAX_FAILING_SECONDS: Final = 30.0
# Whoever writes objects that cannot be read must not fill the log with them.
UNREADABLE_LOG_RATE: Final = limiter.Rate(qps=1 / 60, burst=20)
_log = logging.getLogger(__name__)


class Reflector(Generic[T]):
    """Follows one collection.

    Args:
        client: May list and watch the kind.
        resource: The kind.
        view: What of each object is kept.
        store: Where.
        on_change: Told each change, after the store has it; must not wait.
        on_unreadable: Told each object that the view does not fit, whenever it changes.
        selection: Which objects of the kind.
        silence_seconds: After so long without anything, bookmarks included, the watch is begun
            anew; after the second time on end, by a list.
        sleep: Waits for seconds.
        dice: A random number from 0 to 1.
        clock: Seconds that never go back.
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
        dice: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client, self._store = client, store
        self.resource = resource
        self._selection = selection or Selection()
        self._decoder, self._on_change = Decoder(view), on_change
        self._on_unreadable = on_unreadable
        self._silence_seconds = silence_seconds
        self._sleep, self._dice, self._clock = sleep, dice, clock
        self._version = ""
        self._streams_lists = True
        self._failures = self._silences = 0
        self._error, self._failing_since = "", clock()
        self._unreadable: dict[Key, Unreadable] = {}
        self._log_bucket = limiter.Bucket.full(UNREADABLE_LOG_RATE, clock())
        self.synced = asyncio.Event()
        """Set once all objects have been seen."""

    @property
    def unreadable(self) -> Mapping[Key, Unreadable]:
        """The objects that the view does not fit, as they were seen last; the store has none."""
        return self._unreadable

    @property
    def problem(self) -> str:
        """Why the collection is not followed, where that lasts; empty where it is followed."""
        if not self.synced.is_set():
            return f"{self.resource} has not been listed yet{self._error and ': '}{self._error}"
        seconds = self._clock() - self._failing_since
        if not self._error or seconds < MAX_FAILING_SECONDS:
            return ""
        return f"{self.resource} has not been followed for {seconds:.0f} s: {self._error}"

    async def run(self) -> None:
        """Follow the collection until cancelled; what fails is tried again, ever more slowly."""
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
                await self._fail(error)
            except Exception as error:  # noqa: BLE001 - a bug must not end what everything else relies on
                _log.exception("%s: watch failed, listing again", self.resource)
                self._version = ""
                await self._fail(error)

    def go_on_from(self, resource_version: str) -> None:
        """Watch from there the next time, without a list; for who knows what the store has."""
        self._version = resource_version

    async def _fail(self, error: Exception) -> None:
        text = str(error) or type(error).__name__
        if text != self._error:
            _log.warning("%s: watch failed, retrying: %s", self.resource, text)
        if not self._error:
            self._failing_since = self._clock()
        self._error = text
        await self._pause()

    def _connected(self) -> None:
        self._error = ""

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
        found: dict[Key, T | Unreadable] = {}
        lines = self._client.lines(request, silence_seconds=self._silence_seconds)
        async with contextlib.aclosing(lines):
            async for line in lines:
                seen = self._decoder.event(line, str(request))
                if seen is None:
                    continue
                value = seen.object if seen.unreadable is None else seen.unreadable
                if value is not None and seen.type == "DELETED":
                    found.pop(value.key, None)
                elif value is not None:
                    found[value.key] = value
                if seen.ends_initial:
                    self._replace(found.values(), seen.resource_version)
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
                # The pages took longer than history is kept: all at once cannot expire.
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
                await self._pause()  # or a server that ends every watch at once is asked for ever

    async def _follow(self, lines: AsyncGenerator[bytes, None], request: str) -> bool:
        """Take in what comes, until the API server ends it; whether anything came."""
        has_come = False
        async for line in lines:
            has_come = True
            seen = self._decoder.event(line, request)
            if seen is not None:
                self._take(seen)
        return has_come

    def _replace(self, found: Iterable[T | Unreadable], resource_version: str) -> None:
        items, unreadable = list[T](), dict[Key, Unreadable]()
        for one in found:
            if isinstance(one, Unreadable):
                unreadable[one.key] = one
            else:
                items.append(one)
        changes = self._store.replace(items, resource_version=resource_version)
        self._version, self._silences = resource_version, 0
        known, self._unreadable = self._unreadable, unreadable
        self._connected()
        self.synced.set()
        for change in changes:
            self._tell(change)
        for one in unreadable.values():
            if one != known.get(one.key):
                self._report(one)

    def _take(self, seen: Seen[T]) -> None:
        change = None
        if seen.unreadable is not None:
            change = self._pass_over(seen.unreadable, is_gone=seen.type == "DELETED")
        elif seen.object is not None:
            key, is_gone = seen.object.key, seen.type == "DELETED"
            self._unreadable.pop(key, None)
            change = self._store.drop(key) if is_gone else self._store.put(seen.object)
        self._version, self._failures, self._silences = seen.resource_version, 0, 0
        self._connected()
        self._store.reached(seen.resource_version)
        if change is not None:
            self._tell(change)

    def _pass_over(self, unreadable: Unreadable, *, is_gone: bool) -> Change[T] | None:
        """Forget what an object was: to go on from that would fail at each write."""
        key = unreadable.key
        if is_gone:
            self._unreadable.pop(key, None)
        else:
            self._unreadable[key] = unreadable
            self._report(unreadable)
        return self._store.drop(key)

    def _tell(self, change: Change[T]) -> None:
        try:
            self._on_change(change)
        except Exception:  # noqa: BLE001 - one object's trouble is not another's
            _log.exception("%s %s: the change was not handled", self.resource, change.key)

    def _report(self, unreadable: Unreadable) -> None:
        now = self._clock()
        if not self._log_bucket.wait_seconds(now):
            self._log_bucket = self._log_bucket.taken(now)
            _log.warning(
                "%s %s cannot be read and is passed over: %s",
                *(self.resource, unreadable.key, unreadable.problem),
            )
        try:
            self._on_unreadable(unreadable)
        except Exception:  # noqa: BLE001 - likewise
            _log.exception("%s %s: not reported", self.resource, unreadable.key)
