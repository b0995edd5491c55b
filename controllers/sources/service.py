"""Everything that a replica does with sources: follow, receive, apply, repair. Shell: tasks.

Every replica receives and applies; only the leader reads trackers.
"""

import asyncio
import contextlib
import logging
import pathlib
from collections.abc import AsyncIterator, Iterable

import aiohttp
from prometheus_client import CollectorRegistry

from controllers import kube
from controllers.audit import log as audit_log
from controllers.sources import mapping
from controllers.sources.api_constants import SOURCES
from controllers.sources.applier import Applier
from controllers.sources.metrics import Metrics
from controllers.sources.receiving import endpoint
from controllers.sources.receiving.signing_secrets import SigningSecrets
from controllers.sources.receiving.spool import Spool
from controllers.sources.repair import github_reader
from controllers.sources.repair.repairer import Repairer
from controllers.sources.source_view import Source

_log = logging.getLogger(__name__)


class Service:
    """The sources of a replica.

    Args:
        client: Of the cluster.
        registry: Of the process' metrics.
        namespace: Namespace whose sources are served; None for all.
        spool: Directory that makes deliveries durable; None makes them so in the cluster.
        github_api: Base URL of GitHub's REST API.
        rate: Deliveries of a source.
        answer_seconds: From the end of a delivery to its answer.
        audit: Records deliveries and what they changed.
    """

    def __init__(
        self,
        client: kube.Client,
        registry: CollectorRegistry,
        *,
        namespace: str | None = None,
        spool: pathlib.Path | None = None,
        github_api: str = github_reader.PUBLIC_API,
        rate: kube.Rate = endpoint.RATE,
        answer_seconds: float = endpoint.ANSWER_SECONDS,
        audit: audit_log.Record = audit_log.nothing,
    ) -> None:
        self._audit = audit
        self._client, self._rate, self._answer_seconds = client, rate, answer_seconds
        self.sources: kube.Store[Source] = kube.Store()
        self._reflector = kube.Reflector(
            client,
            SOURCES,
            Source,
            self.sources,
            self._changed,
            selection=kube.Selection(namespace=namespace),
        )
        self._metrics = Metrics(registry)
        self._applier = Applier(
            client, self.sources.get, on_applied=self._metrics.observed, audit=audit
        )
        self._spool = None if spool is None else Spool(spool)
        self._tasks: list[asyncio.Task[None]] = []
        self._github_api = github_api
        self._repairer: Repairer | None = None

    @property
    def problem(self) -> str:
        """The reason why deliveries are not served; empty if they are."""
        for task in self._tasks:
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                return f"receiving deliveries failed, restart: {error!r}"
        if self._reflector.synced.is_set():
            return self._reflector.problem
        return self._reflector.problem or "the sources are not synced yet"

    @contextlib.asynccontextmanager
    async def serving(self, host: str, port: int) -> AsyncIterator[str]:
        """Serve deliveries inside the context; yields the base URL.

        Until the sources are synced, deliveries are answered with 503.

        Args:
            host: Address to listen on.
            port: 0 picks a free one.

        Raises:
            SpoolError: The spool cannot be used.
            OSError: The port is not free.
        """
        async with contextlib.AsyncExitStack() as stack:
            if self._spool is not None:
                await stack.enter_async_context(self._spool)
            served = endpoint.Endpoint(
                self.sources.get,
                SigningSecrets(self._client),
                self._applier,
                self._metrics,
                spool=self._spool,
                rate=self._rate,
                answer_seconds=self._answer_seconds,
                audit=self._audit,
            )
            self._metrics.follow(
                self._applier.__len__, lambda: 0 if self._spool is None else self._spool.size
            )
            url = await stack.enter_async_context(endpoint.listening(served, host, port))
            _log.info("receiving deliveries", extra={"url": url})
            work = (self._reflector.run(), self._applier.run(), self._open(served))
            self._tasks = [asyncio.create_task(each) for each in work]
            stack.push_async_callback(_ended, self._tasks)
            yield url

    async def repair(self) -> None:
        """Read sources until cancelled; for one replica at a time."""
        await self._reflector.synced.wait()
        async with aiohttp.ClientSession() as session:
            reader = github_reader.GitHubReader(session, self._github_api)
            self._repairer = Repairer(self._client, self.sources, self._applier, reader)
            await self._repairer.run()

    def _changed(self, change: kube.Change[Source]) -> None:
        if self._repairer is not None:
            self._repairer.changed(change)
        if change.after is not None:
            for problem in mapping.unknown_fields(change.after.spec.mapping):
                _log.warning("a mapping is ignored: %s", problem, extra={"source": str(change.key)})

    async def _open(self, served: endpoint.Endpoint) -> None:
        await self._reflector.synced.wait()
        recovered = served.open()
        if recovered:
            _log.info("applying deliveries of the spool", extra={"count": recovered})


async def _ended(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks, and wait until they have ended."""
    cancelled = [*tasks]
    for task in cancelled:
        task.cancel()
    await asyncio.gather(*cancelled, return_exceptions=True)
