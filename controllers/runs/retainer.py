"""Deletes runs that have ended, once they are archived, and their leftovers. Shell: the cluster.

What goes is decided by `retention`. Nothing is deleted that changed since it was decided upon, or
that the archive does not hold.
"""

import asyncio
import collections
import dataclasses
import datetime as dt
import logging
import random
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec

from controllers import kube
from controllers.kube import requests
from controllers.kube.client import PAGE_SIZE
from controllers.runs import naming, retention, views
from controllers.runs.archive import Archive, ArchiveError
from controllers.runs.retention import Chosen, Ended, Limits
from controllers.runs.words import ENDED

ROUND_SECONDS: Final = 3600.0
# After a start the controller has more urgent things to read.
FIRST_SECONDS: Final = 60.0
FAILED_SECONDS: Final = 300.0
# While more is due than a round deletes, rounds follow each other, but take a tenth of the time.
SHORTEST_PAUSE_SECONDS: Final = 60.0
PAUSE_SHARE: Final = 10.0
JITTER: Final = 0.1
# Calls side by side; an API server serves others as well.
MOST_CALLS: Final = 8
# One may be the fault of the run that it is about.
MOST_UNANSWERED: Final = 10
# Upstream's controller put the second one on each run, and nobody else removes it.
OUR_FINALIZERS: Final = frozenset({naming.FINALIZER, f"{naming.GROUP}/runtime-cleanup"})
_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a round did.

    Attributes:
        deleted: Runs that were deleted.
        archived: Runs that were archived before.
        kept: Runs that have ended and are there still.
        left: Those of them that are due, and have to wait for the next round.
        changed: Those of them that were not deleted because they had changed.
        failed: Those of them that could not be read or deleted.
        swept: ConfigMaps that were deleted.
        problem: Why nothing more could be archived, or empty.
    """

    deleted: int = 0
    archived: int = 0
    kept: int = 0
    left: int = 0
    changed: int = 0
    failed: int = 0
    swept: int = 0
    problem: str = ""


def pause_seconds(report: Report | None, took_seconds: float, dice: float) -> float:
    """How long to wait after a round. Pure.

    Args:
        report: Of the round; None if it failed.
        took_seconds: How long it was.
        dice: A random number from 0 to 1.
    """
    if report is None:
        pause = FAILED_SECONDS
    elif report.left and not report.problem:
        pause = max(SHORTEST_PAUSE_SECONDS, PAUSE_SHARE * took_seconds)
    else:
        pause = ROUND_SECONDS
    return pause * (1 + JITTER * dice)


class Retainer:
    """Keeps as many runs as the limits say.

    Args:
        client: May list, get, patch and delete runs, and list and delete ConfigMaps.
        archive: Gets each run before it is deleted.
        limits: How much is kept.
        namespace: Whose runs; None is all.
        no_archive: Whether runs are deleted although there is no archive.
        now: Aware UTC time.
        sleep: Waits for seconds.
        dice: A random number from 0 to 1.
    """

    def __init__(
        self,
        client: kube.Client,
        archive: Archive | None,
        limits: Limits | None = None,
        *,
        namespace: str | None = None,
        no_archive: bool = False,
        now: Callable[[], dt.datetime] = kube.utc_now,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self._client, self._archive, self._namespace = client, archive, namespace
        self._limits = limits or Limits()
        self._may_delete = archive is not None or no_archive
        self._now, self._sleep, self._dice = now, sleep, dice
        self._sweeper = Sweeper(client, self._limits, namespace=namespace, now=now)
        self._calls = asyncio.Semaphore(MOST_CALLS)

    async def run(self) -> None:
        """Do a round each hour, until cancelled."""
        await self._sleep(FIRST_SECONDS * (1 + self._dice()))
        while True:
            began, report = self._now(), None
            try:
                report = await self.round()
            except kube.KubeError as error:
                _log.warning("retention is tried again: %s", error)
            took = (self._now() - began).total_seconds()
            await self._sleep(pause_seconds(report, took, self._dice()))

    async def round(self) -> Report:
        """Delete what is due, as far as one round goes.

        Raises:
            KubeError: Runs cannot be listed, or the API server went away.
        """
        runs, held = await self._ended()
        # 50,000 runs take a moment, in which a leader has other things to do.
        due = await asyncio.to_thread(retention.due, runs.values(), self._now(), self._limits)
        chosen = retention.paced(due, self._limits)
        tally: collections.Counter[str] = collections.Counter()
        problem = await self._remove_all(chosen, tally)
        for run in held:
            await self._release(run)
        swept = await self._swept(runs)
        report = Report(
            deleted=tally["deleted"],
            archived=tally["archived"],
            kept=len(runs) - tally["deleted"] - tally["gone"],
            left=len(due) - len(chosen),
            changed=tally["changed"],
            failed=tally["failed"],
            swept=swept,
            problem=problem,
        )
        _log.info("retention: %s", report)
        return report

    # ------------------------------------------------------------------------------- observing

    async def _ended(self) -> tuple[dict[str, Ended], list[retention.Run]]:
        """Runs that have ended, by uid, and those of which only a finalizer of ours is left."""
        runs: dict[str, Ended] = {}
        held = []
        for phase in sorted(ENDED):
            selection = kube.Selection(namespace=self._namespace, fields=f"status.phase={phase}")
            pages = _listed(self._client, views.RUNS, selection, retention.Run)
            async for run, size_bytes in pages:
                found = retention.ended(run, size_bytes)
                if found is not None:
                    # Of many runs there are few namespaces.
                    namespace = sys.intern(found.namespace)
                    runs[found.uid] = dataclasses.replace(found, namespace=namespace)
                elif OUR_FINALIZERS.intersection(run.metadata.finalizers):
                    held.append(run)
        return runs, held

    # ---------------------------------------------------------------------------------- acting

    async def _remove_all(self, chosen: Sequence[Chosen], tally: collections.Counter[str]) -> str:
        """Archive and delete; why the archive did not take more, or empty."""
        if chosen and not self._may_delete:
            problem = (
                f"expected an archive for {len(chosen)} runs that are to be deleted, got none: "
                "name a directory, or allow to delete runs without one (--no-archive)"
            )
            _log.error("nothing is deleted: %s", problem)
            return problem
        try:
            if self._archive is not None:
                # First, because it makes room.
                await asyncio.to_thread(self._archive.trim)
            for batch in retention.batches(chosen):
                await self._remove(batch, tally)
        except ArchiveError as error:
            _log.error("nothing more is deleted until runs can be archived: %s", error)
            return str(error)
        return ""

    async def _remove(self, batch: Sequence[Chosen], tally: collections.Counter[str]) -> None:
        answers = await asyncio.gather(*(self._whole(one, tally) for one in batch))
        _raise_if_away(answers, tally)
        runs = [one for one in answers if isinstance(one, dict)]
        if self._archive is not None and runs:
            await asyncio.to_thread(self._archive.append, runs)
            tally["archived"] += len(runs)
        outcomes = await asyncio.gather(*(self._delete(run, tally) for run in runs))
        _raise_if_away(outcomes, tally)

    async def _whole(
        self, chosen: Chosen, tally: collections.Counter[str]
    ) -> kube.JSON | kube.KubeError | None:
        """A run as it is now, if it still is to be deleted."""
        name, namespace = chosen.run.name, chosen.run.namespace
        try:
            async with self._calls:
                whole = await self._client.get(views.RUNS, name, namespace=namespace)
            run = retention.ended(views.of(retention.Run, whole), chosen.run.size_bytes)
        except kube.NotFoundError:
            tally["gone"] += 1
            return None
        except kube.KubeError as error:
            return _failed(namespace, name, error, tally)
        if not retention.is_still(chosen, run, self._now(), self._limits):
            tally["changed"] += 1
            return None
        return whole

    async def _delete(
        self, whole: kube.JSON, tally: collections.Counter[str]
    ) -> kube.KubeError | None:
        metadata = whole["metadata"]
        name, namespace = metadata["name"], metadata["namespace"]
        try:
            async with self._calls:
                left = await self._client.delete(
                    views.RUNS,
                    name,
                    namespace=namespace,
                    uid=metadata["uid"],
                    resource_version=metadata["resourceVersion"],
                    propagation="Background",
                )
            tally["deleted"] += 1
            if left.get("kind") == views.RUNS.kind:
                await self._release(views.of(retention.Run, left))
        except kube.NotFoundError:
            tally["gone"] += 1
        except kube.ConflictError:
            tally["changed"] += 1
        except kube.KubeError as error:
            return _failed(namespace, name, error, tally)
        return None

    async def _release(self, run: retention.Run) -> None:
        """Let go of a run of which nothing runs any more, and which was deleted."""
        metadata = run.metadata
        others = [one for one in metadata.finalizers if one not in OUR_FINALIZERS]
        if len(others) == len(metadata.finalizers):
            return
        changes = {
            "metadata": {
                "uid": metadata.uid,
                "resourceVersion": metadata.resource_version,
                "finalizers": others,
            }
        }
        try:
            async with self._calls:
                await self._client.patch(
                    views.RUNS, metadata.name, changes, namespace=metadata.namespace
                )
        except (kube.NotFoundError, kube.ConflictError):
            return  # somebody was faster; if not, the next round is
        except kube.KubeError as error:
            _log.warning("%s was deleted, but is held: %s", run.key, error)

    async def _swept(self, runs: Mapping[str, Ended]) -> int:
        try:
            return await self._sweeper.sweep(runs)
        except kube.KubeError as error:
            _log.warning("leftovers are swept another time: %s", error)
            return 0


class Sweeper:
    """Deletes what was made for runs that ended long ago, and has no end of its own.

    Jobs have one, which the reaper gives them; their ConfigMaps have not.

    Args:
        client: May list and delete ConfigMaps.
        limits: How long they stay.
        namespace: Whose; None is all.
        now: Aware UTC time.
    """

    def __init__(
        self,
        client: kube.Client,
        limits: Limits,
        *,
        namespace: str | None = None,
        now: Callable[[], dt.datetime] = kube.utc_now,
    ) -> None:
        self._client, self._limits, self._namespace = client, limits, namespace
        self._now = now

    async def sweep(self, runs: Mapping[str, Ended]) -> int:
        """Delete the ConfigMaps of runs that have ended, by uid; how many.

        Raises:
            KubeError: They cannot be listed.
        """
        selection = kube.Selection(namespace=self._namespace, labels=naming.RUN_LABEL)
        found = []
        async for one, _ in _listed(self._client, kube.CONFIG_MAPS, selection, views.Named):
            leftover = retention.leftover(one.metadata)
            if leftover is not None:
                found.append(leftover)
        chosen = retention.leftovers_to_delete(found, runs, self._now(), self._limits)
        return sum([await self._delete(one) for one in chosen])

    async def _delete(self, one: retention.Leftover) -> int:
        try:
            await self._client.delete(
                kube.CONFIG_MAPS, one.name, namespace=one.namespace, uid=one.uid
            )
        except (kube.NotFoundError, kube.ConflictError):
            return 0
        except kube.ApiError as error:
            _log.warning("ConfigMap %s/%s is not deleted: %s", one.namespace, one.name, error)
            return 0
        return 1


# ------------------------------------------------------------------------------------- listing


class _ListMetadata(msgspec.Struct, frozen=True):
    continuation: str = msgspec.field(default="", name="continue")


class _Page(msgspec.Struct, frozen=True):
    metadata: _ListMetadata
    items: list[msgspec.Raw] | None = None


_page = msgspec.json.Decoder(_Page)
_metadata = msgspec.json.Decoder(_ListMetadata)
# A list of custom resources has its metadata last, as the keys of all that Go knows no type of are
# sorted; nothing that stands in an object can be there.
_END: Final = re.compile(rb'"metadata":(\{[^{}]*\})\}\s*$')
V = TypeVar("V", bound=kube.Projection)


async def _listed(
    client: kube.Client, resource: kube.Resource, selection: kube.Selection, view: type[V]
) -> AsyncIterator[tuple[V, int]]:
    """Objects and the sizes of their JSON, a page in memory at a time."""
    decoder = msgspec.json.Decoder(view)
    continuation, limit = None, PAGE_SIZE
    while True:
        request = requests.list_page(resource, selection, limit=limit, continuation=continuation)
        try:
            page = _paged(await client.body(request), request, limit)
        except kube.AnswerError:
            # They may be so big that fewer have to come at once, or one may not be readable.
            if limit == 1:
                raise
            limit = max(1, limit // 10)
            continue
        for raw in page.items or ():
            try:
                found = decoder.decode(raw)
            except (msgspec.MsgspecError, RecursionError) as error:
                _log.warning("%s: an object is passed over: %s", request, error)
                continue
            yield found, len(memoryview(raw))
        continuation, limit = page.metadata.continuation, min(2 * limit, PAGE_SIZE)
        if not continuation:
            return


def _paged(body: bytes, request: kube.Request, limit: int) -> _Page:
    """A page; an empty one for an object that is alone in it, and nested too deeply to be read."""
    try:
        return _page.decode(body)
    except (msgspec.MsgspecError, RecursionError) as error:
        end = _END.search(body) if limit == 1 else None
        if end is None:
            message = f"expected a list in the answer to {request}: {error}"
            raise kube.AnswerError(message) from error
        _log.warning("%s: an object is passed over: %s", request, error)
        return _Page(_metadata.decode(end[1]))


def _failed(
    namespace: str, name: str, error: kube.KubeError, tally: collections.Counter[str]
) -> kube.KubeError:
    _log.warning("%s/%s is kept, and tried again: %s", namespace, name, error)
    tally["failed"] += 1
    return error


def _raise_if_away(outcomes: Sequence[Any], tally: collections.Counter[str]) -> None:
    """End a round when so many calls in a row got no answer: all others would wait as long."""
    for one in outcomes:
        is_away = isinstance(one, kube.UnreachableError)
        tally["unanswered"] = tally["unanswered"] + 1 if is_away else 0
        if is_away and tally["unanswered"] >= MOST_UNANSWERED:
            raise one
