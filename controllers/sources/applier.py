"""Applies observations of issues to the cluster, each issue by one worker at a time. Shell.

Replicas do not know of each other: an ImplementationSpec is created, or applied to the
resourceVersion that was compared, so that an older observation never overwrites a newer one.
"""

import asyncio
import dataclasses
import datetime as dt
import time
from collections.abc import Callable
from typing import Final

import msgspec

from controllers import kube
from controllers.audit import log as audit_log
from controllers.kube import JSON
from controllers.sources import decisions, mapping, replay
from controllers.sources.api_constants import MANAGER, ORPHANED, SPECS, Ending, Skip
from controllers.sources.issues import Observation
from controllers.sources.source_view import Source

MAX_WAITING: Final = 20_000
# Few: receiving deliveries has to go on meanwhile, and what waits for an issue is coalesced.
WORKERS: Final = 4
# Attempts at an object that others change at the same time, before it waits its turn again.
_ATTEMPTS: Final = 5

Result = Skip | Ending | None
"""Why an observation changed nothing, or what it ended; None if the issue was applied."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Waiting:
    """An observation that waits for its issue's worker."""

    observation: Observation
    done: Callable[[Result], None]


class Applier:
    """Coalesces observations of an issue and applies the newest, with backoff until it succeeds.

    Args:
        client: May read, create and apply ImplementationSpecs.
        source_of: Returns a source by its key; None if it does not exist any more.
        now: Aware UTC time.
        clock: Monotonic seconds.
        on_applied: Called with each result.
        audit: Records what was written.
    """

    def __init__(
        self,
        client: kube.Client,
        source_of: Callable[[kube.Key], Source | None],
        *,
        now: Callable[[], dt.datetime] = kube.utc_now,
        clock: Callable[[], float] = time.monotonic,
        on_applied: Callable[[Result], None] = lambda _: None,
        audit: audit_log.Record = audit_log.nothing,
    ) -> None:
        self._client, self._source_of, self._now = client, source_of, now
        self._on_applied, self._audit = on_applied, audit
        self._waiting: dict[tuple[kube.Key, str], list[_Waiting]] = {}
        self._queue: kube.Queue[tuple[kube.Key, str]] = kube.Queue(clock=clock)

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def is_full(self) -> bool:
        """Whether so many issues wait that no more should be received."""
        return len(self._waiting) >= MAX_WAITING

    def put(
        self,
        source: Source,
        observation: Observation,
        done: Callable[[Result], None] = lambda _: None,
    ) -> None:
        """Apply an observation soon.

        Args:
            source: Its source.
            observation: Of an issue.
            done: Called once nothing of it is left to do.
        """
        key = (source.key, mapping.name(source, observation.issue.external_id))
        if key in self._waiting:  # queued, in flight, or backing off
            self._waiting[key].append(_Waiting(observation, done))
            return
        self._waiting[key] = [_Waiting(observation, done)]
        self._queue.add(key, priority=kube.CHANGED)

    async def apply(self, source: Source, observation: Observation) -> Result:
        """Apply an observation, and wait until it is stored; see ``put``."""
        stored: asyncio.Future[Result] = asyncio.get_running_loop().create_future()

        def done(result: Result) -> None:
            if not stored.done():
                stored.set_result(result)

        self.put(source, observation, done)
        return await stored

    async def run(self, workers: int = WORKERS) -> None:
        """Apply what is put, until cancelled."""
        await kube.reconcile(self._queue, self._apply_waiting, workers=workers)

    async def _apply_waiting(self, key: tuple[kube.Key, str]) -> None:
        """Apply the newest waiting observation of an issue; the others are older."""
        waiting = [*self._waiting.get(key, ())]
        if not waiting:
            return
        source = self._source_of(key[0])
        result: Result = Skip.OTHER_SCOPE
        if source is not None:
            # Of equal versions, the one that came last.
            newest = max(reversed(waiting), key=lambda each: each.observation.version)
            result = await self._apply_one(source, newest.observation)
        later = self._waiting[key][len(waiting) :]
        if later:
            self._waiting[key] = later
            self._queue.add(key, priority=kube.CHANGED)
        else:
            del self._waiting[key]
        for each in waiting:
            self._on_applied(result)
            each.done(result)

    async def _apply_one(self, source: Source, observation: Observation) -> Result:
        for _ in range(_ATTEMPTS - 1):
            try:
                return await self._try_to_apply(source, observation)
            except (kube.AlreadyExistsError, kube.ConflictError):
                continue  # Another replica was faster: compare with what it stored.
        return await self._try_to_apply(source, observation)

    async def _try_to_apply(self, source: Source, observation: Observation) -> Result:
        issue, version = observation.issue, observation.version
        name = mapping.name(source, issue.external_id)
        known = await self._known(source, name)
        skipped = replay.skip(source, observation, known)
        if skipped is not None:
            return skipped
        ending = replay.ending(source, observation)
        if ending is None:
            body = mapping.spec(source, issue, version)
        else:
            body = mapping.orphan(source, issue, version)
        if known is not None and _contains(known, body):
            stored = known
        else:
            stored = await self._write(body, known)
            self._audit(decisions.applied(stored, known, observation, ending))
        await self._write_status(stored, version.time_text, ending)
        return ending

    async def _known(self, source: Source, name: str) -> JSON | None:
        try:
            return await self._client.get(SPECS, name, namespace=source.metadata.namespace)
        except kube.NotFoundError:
            return None

    async def _write(self, body: JSON, known: JSON | None) -> JSON:
        if known is None:
            # An apply would overwrite what another replica created meanwhile.
            return await self._client.create(SPECS, body, field_manager=MANAGER)
        body["metadata"]["resourceVersion"] = known["metadata"]["resourceVersion"]
        return await self._client.apply(SPECS, body, field_manager=MANAGER, force=True)

    async def _write_status(self, stored: JSON, version: str, ending: Ending | None) -> None:
        """Write the status, unless it says so already."""
        status = stored.get("status") or {}
        known = msgspec.convert(status.get("conditions") or [], tuple[kube.Condition, ...])
        reason = next((each.reason for each in known if each.type == ORPHANED), None)
        if status.get("sourceVersion") == version and reason == ending:
            return
        now, metadata = self._now(), stored["metadata"]
        wanted: JSON = {"sourceVersion": version, "lastSyncTime": kube.time_text(now)}
        if ending is not None:
            value = "True", ending.value, _MESSAGES[ending]
            generation = metadata.get("generation", 0)
            wanted["conditions"] = [kube.condition(ORPHANED, value, generation, known, now)]
        await self._client.apply(
            SPECS,
            {
                "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]},
                "status": wanted,
            },
            field_manager=MANAGER,
            force=True,
            subresource="status",
            answers_metadata=True,
        )


_MESSAGES: Final = {
    Ending.DELETED: "The issue was deleted. Its last content is kept.",
    Ending.TRANSFERRED: "The issue was transferred. Its last content is kept.",
    Ending.OUT_OF_SCOPE: "The issue no longer has what the source asks for. Its last content is "
    "kept.",
}


def _contains(known: JSON, body: JSON) -> bool:
    """Return whether applying a body would change nothing."""
    metadata = known["metadata"]
    return all(
        (metadata.get(field) or {}).items() >= body["metadata"][field].items()
        for field in ("labels", "annotations")
    ) and all(
        (known.get("spec") or {}).get(field) == value for field, value in body["spec"].items()
    )
