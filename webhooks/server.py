"""The shell: TLS listener, bounded reads, HTTP statuses. Does network I/O and reads the clock.

Every decision is in ``admission`` and ``conversion``; what is here turns bytes into their values
and their values into bytes, and keeps serving whatever comes.
"""

import contextlib
import dataclasses
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Final

import structlog
from aiohttp import web

from schemagen import Api, Facts
from schemagen.problems import JSON
from schemagen.versions.converter import Converter
from webhooks import admission, configuration, conversion, related, reviews

MIB: Final = 1024 * 1024

# An UPDATE carries the object twice, each of at most 3 MiB (the API server's own limit for a
# request), and user info: 2 x 3 MiB + 1 MiB, the derivation of controller-runtime's same limit.
ADMISSION_BYTES: Final = 7 * MIB
# A review of a list has no upper bound by protocol. kube-apiserver 1.37 sends one object (etcd
# holds at most 1.5 MiB) per review; this leaves room for lists of twenty of the largest.
CONVERSION_BYTES: Final = 32 * MIB

# The API server keeps idle connections for 90 s (Go's default transport) and fails the next call
# on one that we closed first.
KEEPALIVE_SECONDS: Final = 120.0

log = structlog.get_logger("webhooks")


@dataclasses.dataclass(frozen=True)
class Route:
    """One path: how its body is read, how large it may be, and what answers it."""

    path: str
    max_body_bytes: int
    review: Callable[[bytes], Awaitable[JSON]]


Read = Callable[[str, Sequence[tuple[str, str]]], Awaitable[Mapping[tuple[str, str], JSON]]]
"""Reads objects of a namespace by kind and name; raises ``related.UnreadableError``."""


def routes(
    api: Api, facts: Facts = admission.NO_FACTS, read: Read | None = None
) -> tuple[Route, ...]:
    """The three paths of an API's webhooks.

    Args:
        api: The API.
        facts: What every review knows.
        read: Finds what else a rule wants to know; without it, rules do without.
    """
    converter = Converter(api)

    def admitted(body: bytes) -> reviews.AdmissionRequest:
        return reviews.admission_request(reviews.decode(body))

    async def mutate(body: bytes) -> JSON:
        return admission.mutate(api, admitted(body), facts)

    async def validate(body: bytes) -> JSON:
        request = admitted(body)
        known = facts
        wanted = admission.related(api, request) if read is not None else ()
        if read is not None and wanted:
            try:
                found = await read(request.namespace, wanted)
            except related.UnreadableError as error:
                return reviews.failed(request.envelope, str(error), code=reviews.UNAVAILABLE)
            known = dataclasses.replace(facts, related=found)
        return admission.validate(api, request, known)

    async def convert(body: bytes) -> JSON:
        return conversion.convert(converter, reviews.conversion_request(body))

    return (
        Route(configuration.MUTATE, ADMISSION_BYTES, mutate),
        Route(configuration.VALIDATE, ADMISSION_BYTES, validate),
        Route(configuration.CONVERT, CONVERSION_BYTES, convert),
    )


async def answer(route: Route, body: bytes) -> JSON:
    """The answer to a body: a proper review wherever a uid can be read.

    Raises:
        reviews.MalformedReviewError: if no uid can be read.
    """
    try:
        return await route.review(body)
    except reviews.UnusableReviewError as error:
        return reviews.failed(error.envelope, error.message)
    except reviews.MalformedReviewError:
        raise
    except Exception:
        log.exception("review failed", path=route.path)
        envelope = reviews.envelope_of(reviews.decode(body))
        message = "internal error of the webhook server; its log has the traceback"
        return reviews.failed(envelope, message, code=reviews.INTERNAL_ERROR)


def application(
    api: Api, facts: Facts = admission.NO_FACTS, read: Read | None = None
) -> web.Application:
    """The aiohttp application of an API's webhooks."""
    app = web.Application()
    for route in routes(api, facts, read):
        app.router.add_post(route.path, _handler(route))
    return app


@contextlib.asynccontextmanager
async def serving(
    api: Api,
    *,
    host: str,
    port: int,
    tls: ssl.SSLContext,
    facts: Facts = admission.NO_FACTS,
    read: Read | None = None,
) -> AsyncIterator[tuple[str, int]]:
    """Listen inside the context; its value is the address that accepts connections."""
    runner = web.AppRunner(
        application(api, facts, read), access_log=None, keepalive_timeout=KEEPALIVE_SECONDS
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, ssl_context=tls)
        await site.start()
        address = runner.addresses[0]
        yield str(address[0]), int(address[1])
    finally:
        await runner.cleanup()


def _handler(route: Route) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        started = time.perf_counter()
        response = await _respond(route, request)
        log.info(
            "answered",
            path=route.path,
            status=response.status,
            duration_ms=round((time.perf_counter() - started) * 1000, 3),
        )
        return response

    return handle


async def _respond(route: Route, request: web.Request) -> web.Response:
    if request.content_type != "application/json":
        return _refusal(415, f"expected Content-Type application/json, got {request.content_type}")
    if request.headers.get("Content-Encoding", "identity") != "identity":
        return _refusal(415, "expected a body without Content-Encoding")
    body = await _body(request, route.max_body_bytes)
    if body is None:
        return _refusal(413, f"expected at most {route.max_body_bytes} bytes in {route.path}")
    try:
        found = await answer(route, body)
    except reviews.MalformedReviewError as error:
        return _refusal(400, str(error))
    return web.Response(body=reviews.encode(found), content_type="application/json")


async def _body(request: web.Request, limit: int) -> bytes | None:
    """The body, or None once it is known to be larger than the limit."""
    if request.content_length is not None and request.content_length > limit:
        return None
    chunks, size = [], 0
    async for chunk in request.content.iter_any():
        size += len(chunk)
        if size > limit:
            return None
        chunks.append(chunk)
    return b"".join(chunks)


def _refusal(status: int, message: str) -> web.Response:
    return web.Response(status=status, text=message + "\n")
