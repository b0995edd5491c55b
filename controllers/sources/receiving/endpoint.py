"""The HTTP endpoint of deliveries: ``POST /v1/sources/NAMESPACE/NAME``. Shell: a socket.

A delivery is answered with 202 once it is durable: in the spool, or without one in the cluster.
Answers to anything else say nothing but the status; the reason is a metric.
"""

import asyncio
import contextlib
import datetime as dt
import logging
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Final

from aiohttp import web

from controllers import kube
from controllers.audit import log as audit_log
from controllers.kube.http.limiter import Bucket
from controllers.process import addresses
from controllers.sources import decisions
from controllers.sources.api_constants import Provider, Refusal, Skip
from controllers.sources.applier import Applier
from controllers.sources.issues import Observation
from controllers.sources.metrics import Metrics
from controllers.sources.payloads import (
    deliveries,
    github_issues,
    linear_issues,
    signatures,
    texts,
)
from controllers.sources.receiving.signing_secrets import RENEWED_SECONDS, SigningSecrets
from controllers.sources.receiving.spool import Segment, Spool, SpoolError
from controllers.sources.receiving.spool_records import Record
from controllers.sources.replay import RecentDeliveries
from controllers.sources.source_view import Source

PATH: Final = "/v1/sources/{namespace}/{name}"
# An issue's body has at most 65,536 characters on GitHub, twice in an edit, each at most 12 bytes
# of JSON (a surrogate pair); 4 MiB leave room for everything else.
MAX_BODY_BYTES: Final = 4 * 1024 * 1024
# Of all bodies that are being received.
MAX_HELD_BYTES: Final = 64 * 1024 * 1024
READ_SECONDS: Final = 10.0
# From the end of a body to the answer. Linear gives up after 5 s, and disables a webhook that often
# fails; a delivery that is refused in time is repaired.
ANSWER_SECONDS: Final = 0.24
RATE: Final = kube.Rate(qps=1000.0, burst=2000)
"""Deliveries of a source, before they are verified."""

_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)
_HEADERS: Final = (
    github_issues.EVENT_HEADER,
    github_issues.DELIVERY_HEADER,
    linear_issues.DELIVERY_HEADER,
)
_STATUSES: Final = {
    Refusal.UNKNOWN_SOURCE: 404,
    Refusal.NOT_RECEIVING: 404,
    Refusal.RATE_LIMITED: 429,
    Refusal.CONTENT_TYPE: 415,
    Refusal.TOO_LARGE: 413,
    Refusal.TOO_SLOW: 408,
    Refusal.UNREADABLE: 400,
    Refusal.NO_SECRET: 503,
    Refusal.NOT_DURABLE: 503,
}
"""Statuses of refusals; those of signatures and times are 401."""
_log = logging.getLogger(__name__)


class Endpoint:
    """Receives deliveries.

    Args:
        source_of: Returns a source by its key.
        secrets: Of the sources.
        applier: Applies what is received.
        metrics: Of this process.
        spool: Makes deliveries durable; None applies them before they are answered.
        rate: Deliveries of a source.
        answer_seconds: From the end of a body to the answer.
        now: Aware UTC time.
        clock: Monotonic seconds.
        audit: Records what was answered.

    Attributes:
        is_open: Whether sources are known, and the spool is recovered.
    """

    def __init__(
        self,
        source_of: Callable[[kube.Key], Source | None],
        secrets: SigningSecrets,
        applier: Applier,
        metrics: Metrics,
        *,
        spool: Spool | None = None,
        rate: kube.Rate = RATE,
        answer_seconds: float = ANSWER_SECONDS,
        now: Callable[[], dt.datetime] = kube.utc_now,
        clock: Callable[[], float] = time.monotonic,
        audit: audit_log.Record = audit_log.nothing,
    ) -> None:
        self._audit = audit
        self._source_of, self._secrets = source_of, secrets
        self._applier, self._metrics, self._spool = applier, metrics, spool
        self._rate, self._now, self._clock = rate, now, clock
        self._answer_seconds = answer_seconds
        self._buckets: dict[str, Bucket] = {}
        self._held_bytes = 0
        self._recent = RecentDeliveries()
        self.is_open = False

    def open(self) -> int:
        """Apply what an earlier process left in the spool, then receive deliveries.

        Returns:
            The number of recovered deliveries.
        """
        count = 0
        for record, segment in self._spool.recovered() if self._spool is not None else ():
            count += 1
            source = self._source_of(kube.Key(record.namespace, record.source))
            if source is None or source.metadata.uid != record.uid:
                segment.applied()
                continue
            received = dt.datetime.fromtimestamp(record.received, dt.UTC)
            shown = _verified(source.provider, record.headers, record.body, received)
            if isinstance(shown, Observation):
                self._put(source, shown, segment)
            else:
                segment.applied()
        self.is_open = True
        return count

    async def handle(self, request: web.Request) -> web.Response:
        """Answer a request."""
        started = self._clock()
        key = kube.Key(request.match_info["namespace"], request.match_info["name"])
        source = self._source_of(key) if self.is_open else None
        outcome = await self._receive(source, request)
        if isinstance(outcome, Refusal):
            self._metrics.refused(outcome)
            response = web.Response(status=_STATUSES.get(outcome, 401))
            if not request.content.is_eof():
                response.force_close()  # what is left of the body is not read
        else:
            self._metrics.accepted()
            response = web.Response(status=202)
        delivery_id = deliveries.delivery_id(source.provider, request.headers) if source else ""
        self._audit(decisions.delivery(source, outcome, delivery_id, _trace(request.headers)))
        self._metrics.answered(self._clock() - started)
        return response

    async def _receive(self, source: Source | None, request: web.Request) -> Refusal | Skip | None:
        """Receive a delivery; return why it is refused, or changes nothing."""
        refusal = self._refusal_of_head(source, request)
        if source is None or refusal is not None:
            return refusal
        body = await self._body(request)
        if isinstance(body, Refusal):
            return body
        try:
            async with asyncio.timeout(self._answer_seconds):
                return await self._take(source, _headers(request), body)
        except TimeoutError:
            return Refusal.NOT_DURABLE

    def _refusal_of_head(self, source: Source | None, request: web.Request) -> Refusal | None:
        if not self.is_open:
            return Refusal.NOT_DURABLE
        if source is None:
            return Refusal.UNKNOWN_SOURCE
        if not source.is_receiving:
            return Refusal.NOT_RECEIVING
        if not self._has_token(source):
            return Refusal.RATE_LIMITED
        # A form wraps the body, and a compressed one is not what was signed.
        is_plain = request.content_type == "application/json"
        is_plain = is_plain and "Content-Encoding" not in request.headers
        return None if is_plain else Refusal.CONTENT_TYPE

    async def _take(
        self, source: Source, headers: Mapping[str, str], body: bytes
    ) -> Refusal | Skip | None:
        """Verify a delivery and make it durable; return why it is refused, or changes nothing."""
        refusal = await self._signature_refusal(source, headers, body)
        if refusal is not None:
            return refusal
        signature = _signature(source.provider, headers)
        delivery_id = deliveries.delivery_id(source.provider, headers)
        now = self._now()
        shown = _verified(source.provider, headers, body, now)
        if isinstance(shown, Refusal):
            return shown
        if isinstance(shown, Observation) and not source.scope.has(shown.issue):
            shown = Skip.OTHER_SCOPE
        if isinstance(shown, Observation) and self._recent.has(
            source.metadata.uid, delivery_id, signature
        ):
            shown = Skip.DUPLICATE
        if isinstance(shown, Skip):
            self._metrics.observed(shown)
            return shown
        record = Record(
            source.metadata.namespace,
            source.metadata.name,
            source.metadata.uid,
            now.timestamp(),
            {name: headers[name] for name in _HEADERS if name in headers},
            body,
        )
        refusal = await self._keep(source, shown, record)
        if refusal is None:
            self._recent.add(source.metadata.uid, delivery_id, signature)
        return refusal

    async def _keep(self, source: Source, shown: Observation, record: Record) -> Refusal | None:
        """Make an observation durable."""
        if self._applier.is_full:
            return Refusal.NOT_DURABLE
        if self._spool is None:
            await self._applier.apply(source, shown)
            return None
        try:
            segment = await self._spool.append(record)
        except SpoolError as error:
            _log.warning("a delivery was refused: %s", error)
            return Refusal.NOT_DURABLE
        self._put(source, shown, segment)
        return None

    def _put(self, source: Source, shown: Observation, segment: Segment) -> None:
        """Apply a durable observation."""
        self._applier.put(source, shown, lambda _: segment.applied())

    async def _signature_refusal(
        self, source: Source, headers: Mapping[str, str], body: bytes
    ) -> Refusal | None:
        secrets = await self._secrets.of(source)
        refusal = signatures.refusal(source.provider, headers, body, secrets)
        if refusal in {Refusal.WRONG_SIGNATURE, Refusal.NO_SECRET}:
            renewed = await self._secrets.of(source, max_age_seconds=RENEWED_SECONDS)
            if renewed != secrets:
                return signatures.refusal(source.provider, headers, body, renewed)
        return refusal

    def _has_token(self, source: Source) -> bool:
        now = self._clock()
        bucket = self._buckets.get(source.metadata.uid) or Bucket.full(self._rate, now)
        has_token = not bucket.wait_seconds(now)
        self._buckets[source.metadata.uid] = bucket.taken(now) if has_token else bucket
        return has_token

    async def _body(self, request: web.Request) -> bytes | Refusal:
        """Read a body within all limits."""
        if (request.content_length or 0) > MAX_BODY_BYTES:
            return Refusal.TOO_LARGE
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(READ_SECONDS):
                while part := await request.content.readany():
                    parts.append(part)
                    size += len(part)
                    self._held_bytes += len(part)
                    if size > MAX_BODY_BYTES:
                        return Refusal.TOO_LARGE
                    if self._held_bytes > MAX_HELD_BYTES:
                        return Refusal.NOT_DURABLE
        except TimeoutError:
            return Refusal.TOO_SLOW
        except (OSError, web.HTTPException, web.RequestPayloadError):
            return Refusal.UNREADABLE
        finally:
            self._held_bytes -= size
        return b"".join(parts)


@contextlib.asynccontextmanager
async def listening(endpoint: Endpoint, host: str, port: int) -> AsyncIterator[str]:
    """Serve an endpoint inside the context; yields the base URL.

    Args:
        endpoint: Receives deliveries.
        host: Address to listen on.
        port: 0 picks a free one.
    """
    app = web.Application()
    app.add_routes([web.post(PATH, endpoint.handle)])
    # The signature is of the bytes as they were sent.
    runner = web.AppRunner(app, access_log=None, auto_decompress=False)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield addresses.url("http", *runner.addresses[0][:2])
    finally:
        await runner.cleanup()


def _headers(request: web.Request) -> dict[str, str]:
    """Return the headers; repeated ones are joined, so that no signature matches them."""
    joined: dict[str, str] = {}
    for name, value in request.headers.items():
        lower = name.lower()
        joined[lower] = f"{joined[lower]}, {value}" if lower in joined else value
    return joined


def _trace(headers: Mapping[str, str]) -> str:
    """Return the identifier of a request's trace (W3C Trace Context); empty without one."""
    found = _TRACEPARENT.fullmatch(headers.get("traceparent", ""))
    return found[1] if found is not None else ""


def _signature(provider: Provider, headers: Mapping[str, str]) -> str:
    is_github = provider is Provider.GITHUB
    return headers[signatures.GITHUB_HEADER if is_github else signatures.LINEAR_HEADER]


def _verified(
    provider: Provider, headers: Mapping[str, str], body: bytes, now: dt.datetime
) -> Observation | Skip | Refusal:
    try:
        return deliveries.verified(provider, headers, body, now=now)
    except texts.UnreadableError as error:
        _log.warning("a signed delivery is unreadable: %s", error)
        return Refusal.UNREADABLE
