"""Deletes ended runs after archiving them, and their leftovers. Shell: the cluster.

`retention_policy` decides what to delete. Nothing is deleted that changed since the
decision, or that is not in the archive.
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
from controllers.runs import naming, projections
from controllers.runs.api_constants import ENDED
from controllers.runs.retention import retention_policy
from controllers.runs.retention.archive import Archive, ArchiveError
from controllers.runs.retention.retention_policy import Chosen, Ended, Excess, Limits

ROUND_SECONDS: Final = 3600.0
# After a start, the controller has more urgent requests.
FIRST_SECONDS: Final = 60.0
FAILED_SECONDS: Final = 300.0
# While more is due than one round deletes, rounds follow each other, with a duty cycle of 10 %.
MIN_PAUSE_SECONDS: Final = 60.0
PAUSE_SHARE: Final = 10.0
JITTER: Final = 0.1
# Concurrent requests, to leave the API server capacity for others.
MAX_CALLS: Final = 8
# A single failure may be specific to its run.
MAX_UNANSWERED: Final = 10
# Upstream's controller set the second one on each run, and nothing else removes it.
OUR_FINALIZERS: Final = frozenset({naming.FINALIZER, f"{naming.GROUP}/runtime-cleanup"})
_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The result of a round.

    Attributes:
        deleted: Deleted runs.
        archived: Runs archived before deletion.
        kept: Ended runs that still exist.
        left: Those of them that are due in a later round.
        changed: Those of them not deleted because they had changed.
        failed: Those of them that could not be read or deleted.
        swept: Deleted ConfigMaps.
        problem: Why archiving stopped, or empty.
    """

    deleted: int = 0
    archived: int = 0
    kept: int = 0
    left: int = 0
    changed: int = 0
    failed: int = 0
    swept: int = 0
    problem: str = ""


def pause_seconds(report: Report | None, took_seconds: float, rng: float) -> float:
    """Return the pause after a round. Pure.

    Args:
        report: Of the round; None if it failed.
        took_seconds: Duration of the round.
        rng: A random number from 0 to 1.
    """
    if report is None:
        pause = FAILED_SECONDS
    elif report.left and not report.problem:
        pause = max(MIN_PAUSE_SECONDS, PAUSE_SHARE * took_seconds)
    else:
        pause = ROUND_SECONDS
    return pause * (1 + JITTER * rng)


class RetentionController:
    """Enforces the retention limits.

    Args:
        client: May list, get, patch and delete runs, and list and delete ConfigMaps.
        archive: Receives each run before its deletion.
        limits: Retention limits.
        namespace: Namespace of the runs; None for all.
        no_archive: Whether runs are deleted without an archive.
        now: Aware UTC time.
        sleep: Waits for seconds.
        rng: A random number from 0 to 1.
        on_deleted: Called with each deleted run, and why it was.
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
        rng: Callable[[], float] = random.random,
        on_deleted: Callable[[kube.JSON, Excess], None] = lambda _, __: None,
    ) -> None:
        self._on_deleted = on_deleted
        self._client, self._archive, self._namespace = client, archive, namespace
        self._limits = limits or Limits()
        self._may_delete = archive is not None or no_archive
        self._now, self._sleep, self._rng = now, sleep, rng
        self._sweeper = Sweeper(client, self._limits, namespace=namespace, now=now)
        self._calls = asyncio.Semaphore(MAX_CALLS)

    async def run(self) -> None:
        """Run a round per hour until cancelled."""
        await self._sleep(FIRST_SECONDS * (1 + self._rng()))
        while True:
            began, report = self._now(), None
            try:
                report = await self.round()
            except kube.KubeError as error:
                _log.warning("retention failed, retrying: %s", error)
            took = (self._now() - began).total_seconds()
            await self._sleep(pause_seconds(report, took, self._rng()))

    async def round(self) -> Report:
        """Delete what is due, up to the limit of a round.

        Raises:
            KubeError: Runs cannot be listed, or the API server is unavailable.
        """
        runs, held = await self._ended()
        # 50,000 runs take a moment, which would block the event loop of a leader.
        due = await asyncio.to_thread(
            retention_policy.due, runs.values(), self._now(), self._limits
        )
        chosen = retention_policy.to_delete(due, self._limits)
        tally: collections.Counter[str] = collections.Counter()
        problem = await self._remove_all(chosen, tally)
        for run in held:
            await self._release(run)
        swept = await self._sweep_leftovers(runs)
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
        _log.info("retention round finished: %s", report)
        return report

    # ------------------------------------------------------------------------------- observing

    async def _ended(self) -> tuple[dict[str, Ended], list[retention_policy.Run]]:
        """Return ended runs by UID, and deleted ones held only by our finalizers."""
        runs: dict[str, Ended] = {}
        held = []
        for phase in sorted(ENDED):
            selection = kube.Selection(namespace=self._namespace, fields=f"status.phase={phase}")
            pages = _listed(self._client, projections.RUNS, selection, retention_policy.Run)
            async for run, size_bytes in pages:
                ended = retention_policy.ended(run, size_bytes)
                if ended is not None:
                    # Many runs share few namespaces.
                    namespace = sys.intern(ended.namespace)
                    runs[ended.uid] = dataclasses.replace(ended, namespace=namespace)
                elif OUR_FINALIZERS.intersection(run.metadata.finalizers):
                    held.append(run)
        return runs, held

    # ---------------------------------------------------------------------------------- acting

    async def _remove_all(self, chosen: Sequence[Chosen], tally: collections.Counter[str]) -> str:
        """Archive and delete runs; return why archiving stopped, or empty."""
        if chosen and not self._may_delete:
            problem = (
                f"expected an archive for {len(chosen)} runs to be deleted, got none: "
                "set a directory, or allow deletion without an archive (--no-archive)"
            )
            _log.error("deletion skipped: %s", problem)
            return problem
        try:
            if self._archive is not None:
                # Trim first, to make room.
                await asyncio.to_thread(self._archive.trim)
            for batch in retention_policy.batches(chosen):
                await self._remove(batch, tally)
        except ArchiveError as error:
            _log.error("deletion suspended until runs can be archived: %s", error)
            return str(error)
        return ""

    async def _remove(self, batch: Sequence[Chosen], tally: collections.Counter[str]) -> None:
        answers = await asyncio.gather(*(self._current(candidate, tally) for candidate in batch))
        _raise_if_unreachable(answers, tally)
        runs = [answer for answer in answers if isinstance(answer, dict)]
        if self._archive is not None and runs:
            await asyncio.to_thread(self._archive.append, runs)
            tally["archived"] += len(runs)
        why = {candidate.run.uid: candidate.why for candidate in batch}
        outcomes = await asyncio.gather(
            *(self._delete(run, why[run["metadata"]["uid"]], tally) for run in runs)
        )
        _raise_if_unreachable(outcomes, tally)

    async def _current(
        self, chosen: Chosen, tally: collections.Counter[str]
    ) -> kube.JSON | kube.KubeError | None:
        """Return the current run, if it still is to be deleted."""
        name, namespace = chosen.run.name, chosen.run.namespace
        try:
            async with self._calls:
                whole = await self._client.get(projections.RUNS, name, namespace=namespace)
            run = retention_policy.ended(
                projections.of(retention_policy.Run, whole), chosen.run.size_bytes
            )
        except kube.NotFoundError:
            tally["gone"] += 1
            return None
        except kube.KubeError as error:
            return _failed(namespace, name, error, tally)
        if not retention_policy.is_still(chosen, run, self._now(), self._limits):
            tally["changed"] += 1
            return None
        return whole

    async def _delete(
        self, whole: kube.JSON, why: Excess, tally: collections.Counter[str]
    ) -> kube.KubeError | None:
        metadata = whole["metadata"]
        name, namespace = metadata["name"], metadata["namespace"]
        try:
            async with self._calls:
                left = await self._client.delete(
                    projections.RUNS,
                    name,
                    namespace=namespace,
                    uid=metadata["uid"],
                    resource_version=metadata["resourceVersion"],
                    propagation="Background",
                )
            tally["deleted"] += 1
            self._on_deleted(whole, why)
            if left.get("kind") == projections.RUNS.kind:
                await self._release(projections.of(retention_policy.Run, left))
        except kube.NotFoundError:
            tally["gone"] += 1
        except kube.ConflictError:
            tally["changed"] += 1
        except kube.KubeError as error:
            return _failed(namespace, name, error, tally)
        return None

    async def _release(self, run: retention_policy.Run) -> None:
        """Remove our finalizers from a deleted run without work."""
        metadata = run.metadata
        others = [finalizer for finalizer in metadata.finalizers if finalizer not in OUR_FINALIZERS]
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
                    projections.RUNS, metadata.name, changes, namespace=metadata.namespace
                )
        except (kube.NotFoundError, kube.ConflictError):
            return  # already done, or the next round does it
        except kube.KubeError as error:
            _log.warning("removing the finalizer of deleted run %s failed: %s", run.key, error)

    async def _sweep_leftovers(self, runs: Mapping[str, Ended]) -> int:
        try:
            return await self._sweeper.sweep(runs)
        except kube.KubeError as error:
            _log.warning("sweeping leftovers failed, retrying in the next round: %s", error)
            return 0


class Sweeper:
    """Deletes leftover objects of runs that ended long ago.

    Jobs get a TTL from the reaper; their ConfigMaps have none.

    Args:
        client: May list and delete ConfigMaps.
        limits: Retention limits.
        namespace: Their namespace; None for all.
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
        """Delete the ConfigMaps of ended runs, given by UID; return how many.

        Raises:
            KubeError: They cannot be listed.
        """
        selection = kube.Selection(namespace=self._namespace, labels=naming.RUN_LABEL)
        leftovers = []
        async for config_map, _ in _listed(
            self._client, kube.CONFIG_MAPS, selection, projections.Named
        ):
            leftover = retention_policy.leftover(config_map.metadata)
            if leftover is not None:
                leftovers.append(leftover)
        chosen = retention_policy.leftovers_to_delete(leftovers, runs, self._now(), self._limits)
        return sum([await self._delete(item) for item in chosen])

    async def _delete(self, leftover: retention_policy.Leftover) -> int:
        try:
            await self._client.delete(
                kube.CONFIG_MAPS, leftover.name, namespace=leftover.namespace, uid=leftover.uid
            )
        except (kube.NotFoundError, kube.ConflictError):
            return 0
        except kube.ApiError as error:
            _log.warning(
                "deleting ConfigMap %s/%s failed: %s", leftover.namespace, leftover.name, error
            )
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
# Lists of custom resources end with their metadata, because Go sorts the keys of untyped objects;
# no content of an object can appear there.
_END: Final = re.compile(rb'"metadata":(\{[^{}]*\})\}\s*$')
V = TypeVar("V", bound=kube.Projection)


async def _listed(
    client: kube.Client, resource: kube.Resource, selection: kube.Selection, view: type[V]
) -> AsyncIterator[tuple[V, int]]:
    """Yield objects and the sizes of their JSON, holding a page in memory at a time."""
    decoder = msgspec.json.Decoder(view)
    continuation, limit = None, PAGE_SIZE
    while True:
        request = requests.list_page(resource, selection, limit=limit, continuation=continuation)
        try:
            page = _paged(await client.body(request), request, limit)
        except kube.AnswerError:
            # The page may be too large, or contain one unreadable object: retry with fewer objects.
            if limit == 1:
                raise
            limit = max(1, limit // 10)
            continue
        for raw in page.items or ():
            try:
                value = decoder.decode(raw)
            except (msgspec.MsgspecError, RecursionError) as error:
                _log.warning("%s: skipping unreadable object: %s", request, error)
                continue
            yield value, len(memoryview(raw))
        continuation, limit = page.metadata.continuation, min(2 * limit, PAGE_SIZE)
        if not continuation:
            return


def _paged(body: bytes, request: kube.Request, limit: int) -> _Page:
    """Decode a page; a page with a single object nested too deeply is returned empty."""
    try:
        return _page.decode(body)
    except (msgspec.MsgspecError, RecursionError) as error:
        end = _END.search(body) if limit == 1 else None
        if end is None:
            message = f"expected a list in the response to {request}: {error}"
            raise kube.AnswerError(message) from error
        _log.warning("%s: skipping unreadable object: %s", request, error)
        return _Page(_metadata.decode(end[1]))


def _failed(
    namespace: str, name: str, error: kube.KubeError, tally: collections.Counter[str]
) -> kube.KubeError:
    _log.warning(
        "deleting run %s/%s failed, retrying in the next round: %s", namespace, name, error
    )
    tally["failed"] += 1
    return error


def _raise_if_unreachable(outcomes: Sequence[Any], tally: collections.Counter[str]) -> None:
    """Abort the round after many unanswered calls in a row: the rest would time out as well."""
    for outcome in outcomes:
        is_unreachable = isinstance(outcome, kube.UnreachableError)
        tally["unanswered"] = tally["unanswered"] + 1 if is_unreachable else 0
        if is_unreachable and tally["unanswered"] >= MAX_UNANSWERED:
            raise outcome
