"""Does something to every object of a CRD, page by page, many at a time. Shell.

Pages come in the order of etcd's keys, so that a position, a `continue` token, says which objects
are done; the next page is read while one is worked on.
"""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Final

from schemagen.compat import clusters
from schemagen.migrate.requests.attempts import Attempts
from schemagen.problems import JSON

PAGE_SIZE: Final = 500


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far a sweep is.

    Attributes:
        position: Where to go on after a restart.
        done: Number of objects before the position.
        remaining: Number of objects behind it, as far as the API server says.
        revision: resourceVersion of the list.
    """

    position: str
    done: int
    remaining: int
    revision: str = ""


@dataclasses.dataclass
class _Page:
    items: list[JSON]
    following: str
    remaining: int
    revision: str
    left: int = 0


class Sweep:
    """One pass over the objects.

    Args:
        attempts: Sends the requests.
        path: API path of the collection.
        parallel: How many objects are worked on at a time.
        advance: Receives the progress after each page.
        page_size: Number of objects in a page.
    """

    def __init__(
        self,
        attempts: Attempts,
        path: str,
        *,
        parallel: int,
        advance: Callable[[Progress], Awaitable[None]],
        page_size: int = PAGE_SIZE,
    ) -> None:
        self._attempts, self._path, self._parallel = attempts, path, parallel
        self._advance, self._page_size = advance, page_size

    async def run(
        self, act: Callable[[JSON], Awaitable[None]], position: str = "", done: int = 0
    ) -> Progress:
        """Act on every object from a position on; return the progress at the end."""
        waiting: asyncio.Queue[tuple[_Page, JSON] | None] = asyncio.Queue(self._page_size)
        open_pages: list[_Page] = []
        progress = Progress(position, done, 0)

        async def work() -> None:
            nonlocal progress
            while (job := await waiting.get()) is not None:
                page, value = job
                await act(value)
                page.left -= 1
                while open_pages and not open_pages[0].left:
                    first = open_pages.pop(0)
                    count = progress.done + len(first.items)
                    progress = Progress(first.following, count, first.remaining, first.revision)
                    await self._advance(progress)
            await waiting.put(None)

        async with asyncio.TaskGroup() as group:
            for _ in range(self._parallel):
                group.create_task(work())
            async with contextlib.aclosing(self._pages(position)) as pages:
                async for page in pages:
                    page.left = len(page.items)
                    progress = progress if page.items else _ended(progress, page)
                    open_pages += [page] if page.items else []
                    for value in page.items:
                        await waiting.put((page, value))
            await waiting.put(None)
        return progress

    async def _pages(self, position: str) -> AsyncGenerator[_Page, None]:
        while True:
            query = {"limit": str(self._page_size)} | ({"continue": position} if position else {})
            try:
                page = await self._attempts.get(self._path, **query)
            except clusters.ExpiredError as error:
                # The revision of the first page is compacted; the token leads to the present one.
                # Without a token all begins again: what is done is done at no cost.
                position = error.token
                continue
            metadata = page["metadata"]
            position = metadata.get("continue") or ""
            yield _Page(
                page.get("items") or [],
                position,
                int(metadata.get("remainingItemCount") or 0),
                str(metadata.get("resourceVersion", "")),
            )
            if not position:
                return


def _ended(progress: Progress, page: _Page) -> Progress:
    return dataclasses.replace(progress, position="", revision=page.revision)
