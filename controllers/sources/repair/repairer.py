"""Reads what webhooks did not deliver, and what is polled, while this replica leads. Shell.

A read begins where the last one did, minus an overlap, by GitHub's clock. That time is the source's
``status.lastSyncTime``, written once everything that was read is applied; the condition Synced says
whether reads succeed. A read that ends early is continued where it was, while this process runs.
"""

import asyncio
import contextlib
import dataclasses
import datetime as dt
import logging
from collections.abc import Callable
from typing import Final

from controllers import kube
from controllers.kube import JSON
from controllers.sources.api_constants import MANAGER, SOURCES, SYNCED
from controllers.sources.applier import Applier
from controllers.sources.issues import Observation, Rank
from controllers.sources.repair.github_reader import GitHubReader, LimitedError, ReadError
from controllers.sources.source_view import Source

# GitHub's lists lag behind its changes.
OVERLAP: Final = dt.timedelta(seconds=120)
FAILED_SECONDS: Final = 300
_MAX_MESSAGE: Final = 1024
_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class _Begun:
    """A read that ended early.

    Attributes:
        began: By GitHub's clock; None if there was no answer.
        since: What changed before is applied; None if nothing is.
    """

    began: dt.datetime | None
    since: dt.datetime | None


class Repairer:
    """Reads sources, each at its interval.

    Args:
        client: May get the Secrets of sources, and write their statuses.
        sources: Kept synced by others.
        applier: Applies what is read.
        reader: Reads GitHub.
        now: Aware UTC time.
    """

    def __init__(
        self,
        client: kube.Client,
        sources: kube.Store[Source],
        applier: Applier,
        reader: GitHubReader,
        now: Callable[[], dt.datetime] = kube.utc_now,
    ) -> None:
        self._client, self._sources, self._now = client, sources, now
        self._applier, self._reader = applier, reader
        self._queue: kube.Queue[kube.Key] = kube.Queue()
        self._begun: dict[kube.Key, _Begun] = {}

    def changed(self, change: kube.Change[Source]) -> None:
        """Read a source soon that is new, or has another specification, or asks for a read."""
        before, after = change.before, change.after
        if after is None or before is None or before.spec != after.spec:
            self._begun.pop(change.key, None)
        if after is None:
            return
        is_other = before is None or before.spec != after.spec
        if is_other or after.requested_sync != after.status.last_requested_sync:
            self._queue.add(change.key, priority=kube.CHANGED)

    async def run(self) -> None:
        """Read sources until cancelled, one at a time: GitHub asks for serial requests."""
        for source in self._sources:
            self._queue.add(source.key)
        await kube.reconcile(self._queue, self.read, workers=1)

    async def read(self, key: kube.Key) -> float | None:
        """Read a source; return the seconds until it is due again."""
        source = self._sources.get(key)
        seconds = None if source is None else source.interval_seconds
        if source is None or seconds is None:
            return None
        try:
            await self._read(source)
        except LimitedError as error:
            until = kube.time_text(self._now() + dt.timedelta(seconds=error.seconds))
            _log.info("reading a source waits for GitHub's rate limit until %s", until)
            failure = f"GitHub's rate limit is used up until {until}"
            await self._write_status(source, source.last_sync, "RateLimited", failure)
            return error.seconds
        except ReadError as error:
            _log.warning("reading a source failed: %s", error, extra={"source": str(key)})
            await self._write_status(source, source.last_sync, "ReadFailed", str(error))
            return max(seconds, FAILED_SECONDS)
        return seconds

    async def _read(self, source: Source) -> None:
        token = await self._token(source)
        last = source.last_sync
        begun = self._begun.get(source.key) or _Begun(None, last and last - OVERLAP)
        repository = source.spec.github.repository if source.spec.github else ""
        pages = self._reader.pages(repository, token, begun.since)
        async with contextlib.aclosing(pages):
            async for time, issues in pages:
                seen = [Observation(issue, Rank.READ) for issue in issues]
                await asyncio.gather(*(self._applier.apply(source, each) for each in seen))
                newest = max((issue.updated for issue in issues), default=begun.since)
                begun = self._begun[source.key] = _Begun(begun.began or time, newest)
        self._begun.pop(source.key, None)
        if begun.began is not None:
            await self._write_status(source, begun.began)

    async def _token(self, source: Source) -> str:
        ref = source.spec.credentials.secret_key_ref
        namespace = source.metadata.namespace
        try:
            secret = await self._client.get(kube.SECRETS, ref.name, namespace=namespace)
            token = kube.values_of(kube.SECRETS, secret)[ref.key].decode()
        except (kube.NotFoundError, kube.ForbiddenError) as error:
            raise ReadError(f"the credentials cannot be read: {error}") from error
        except (KeyError, UnicodeDecodeError):
            token = ""
        token = token.strip()
        # Nothing else may be in a header.
        if not token or not token.isascii() or not token.isprintable():
            raise ReadError(f"expected a token in Secret {ref.name!r}, key {ref.key!r}")
        return token

    async def _write_status(
        self,
        source: Source,
        last_sync: dt.datetime | None,
        reason: str = "Read",
        failure: str = "",
    ) -> None:
        """Write the time of the last complete read, and whether reads succeed, if it changed."""
        value = ("False" if failure else "True", reason, failure[:_MAX_MESSAGE])
        condition = kube.condition(
            SYNCED, value, source.metadata.generation, source.status.conditions, self._now()
        )
        asked = source.requested_sync
        is_handled = asked == source.status.last_requested_sync
        if is_handled and last_sync == source.last_sync and source.has_condition(condition):
            return
        status: JSON = {"conditions": [condition]}
        if asked:
            status["lastRequestedSync"] = asked
        if last_sync is not None:
            status["lastSyncTime"] = kube.time_text(last_sync)
        metadata = {"name": source.metadata.name, "namespace": source.metadata.namespace}
        await self._client.apply(
            SOURCES,
            {"metadata": metadata, "status": status},
            field_manager=MANAGER,
            force=True,
            subresource="status",
            answers_metadata=True,
        )
