"""Routes of webhooks, independent of HTTP: every input gets an answer. Pure except for its log."""

import asyncio
import dataclasses
import functools
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias

import structlog

from schemagen import Api, Facts, deadlines
from schemagen.versions.converter import Converter
from webhooks import reviewer
from webhooks.answers import Answer, refusal
from webhooks.cluster import configuration
from webhooks.review import admission, reviews, verdicts
from webhooks.reviewer import Fetch, Read

MIB: Final = 1024 * 1024

# An UPDATE carries the object twice, each at most 3 MiB (the API server's request limit), plus user
# info: 2 x 3 MiB + 1 MiB, as controller-runtime derives the same limit.
ADMISSION_BYTES: Final = 7 * MIB
# The protocol does not bound a ConversionReview. kube-apiserver 1.37 sends a single object (etcd
# stores at most 1.5 MiB) per review; this leaves room for lists of twenty of the largest.
CONVERSION_BYTES: Final = 32 * MIB

# Bytes of one path's bodies in flight. Each path has its own budget: any client that reaches the
# port may request conversions (the API server sends no certificate for them). 64 lists of 500
# objects are 96 MB.
TOTAL_BYTES: Final = 112 * MIB

# kube-apiserver waits 30 s for a conversion, and at most that for an admission.
MAX_TIMEOUT_SECONDS: Final = 30.0
# Share of the client's timeout reserved for sending the response.
RESPONSE_MARGIN: Final = 0.1
# kube-apiserver's format (Go's time.Duration).
_DURATION: Final = re.compile(rb"(?:^|&)timeout=(?:(\d{1,4})m)?(\d{1,4}(?:\.\d{1,9})?)s(?:&|$)")

log = structlog.get_logger("webhooks")


ReviewLarge: TypeAlias = Callable[[str, bytes, float], Awaitable[Answer]]
"""Delegates the review of a large body: path, body, and the client's timeout in seconds."""


@dataclasses.dataclass(frozen=True)
class Route:
    """A path, its limits and its handler.

    Attributes:
        review: Returns the response, or an awaitable of it.
        max_total_bytes: Limit for all bodies in flight.
        is_client_required: Require a client certificate.
        review_large: Reviews large bodies instead, if set.
    """

    path: str
    max_body_bytes: int
    review: Callable[[bytes], Answer | Awaitable[Answer]]
    max_total_bytes: int = TOTAL_BYTES
    is_client_required: bool = False
    review_large: ReviewLarge | None = None


def refused(
    route: Route | None,
    method: bytes,
    content_type: str,
    encoding: str,
    *,
    has_client: Callable[[], bool],
) -> Answer | None:
    """Return the response to a request that is refused by its headers, or None.

    Args:
        route: Requested route; None if unknown.
        method: HTTP method.
        content_type: Content-Type header.
        encoding: Content-Encoding header.
        has_client: Returns whether the client sent a certificate.
    """
    if route is None:
        return refusal(404, "expected /mutate, /validate or /convert")
    if method != b"POST":
        return refusal(405, f"expected POST at {route.path}")
    if route.is_client_required and not has_client():
        return refusal(401, f"expected a client certificate at {route.path}, got none")
    if content_type.partition(";")[0].strip().lower() != "application/json":
        return refusal(415, f"expected Content-Type application/json, got {content_type}")
    if encoding.lower() not in {"", "identity"}:
        return refusal(415, "expected a body without Content-Encoding")
    return None


def too_large(route: Route) -> Answer:
    """The response to a body over its limit."""
    return refusal(413, f"expected at most {route.max_body_bytes} bytes in {route.path}")


@functools.lru_cache(maxsize=64)
def seconds_of(query: bytes | None) -> float:
    """Parse the client's timeout from the query: ``timeout=10s``."""
    match = _DURATION.search(query or b"")
    if match is None:
        return MAX_TIMEOUT_SECONDS
    seconds = 60 * int(match[1] or 0) + float(match[2])
    return min(seconds, MAX_TIMEOUT_SECONDS) or MAX_TIMEOUT_SECONDS


def routes(
    api: Api,
    facts: Callable[[], Facts] = lambda: admission.NO_FACTS,
    read: Read | None = None,
    *,
    fetch: Fetch | None = None,
    is_verifying: bool = False,
    is_client_required: bool = False,
) -> Mapping[str, Route]:
    """Build the routes of an API's webhooks by path.

    Args:
        api: The API.
        facts: Returns the current facts for a review.
        read: Reads related objects; without it, rules run without them.
        fetch: Reads a scaled object; without it, kinds whose scale is reviewed cannot be scaled.
        is_verifying: Validate each response as the API server would, before it is sent.
        is_client_required: Require a client certificate for admission. The API server sends none
            for conversion.
    """
    reviewing = reviewer.Reviewer(Converter(api), facts, read, fetch, is_verifying=is_verifying)
    admission_route = functools.partial(Route, is_client_required=is_client_required)
    built = (
        admission_route(configuration.MUTATE, ADMISSION_BYTES, reviewing.mutate),
        admission_route(configuration.VALIDATE, ADMISSION_BYTES, reviewing.validate),
        Route(configuration.CONVERT, CONVERSION_BYTES, reviewing.convert),
    )
    return {route.path: route for route in built}


def answer(
    route: Route, body: bytes, seconds: float = MAX_TIMEOUT_SECONDS
) -> Answer | Awaitable[Answer]:
    """Answer a body: the response, or an awaitable of it.

    A review response wherever a uid can be read, otherwise a plain HTTP error.

    Args:
        route: The requested route.
        body: The request body.
        seconds: The client's timeout; a response is given before it expires.
    """
    if route.review_large is not None and len(body) > reviewer.HEAVY_BYTES:
        return _delegated(route.review_large(route.path, body, seconds), seconds)
    try:
        result = route.review(body)
    except Exception as error:  # noqa: BLE001 - every request gets a response
        return _failed(route, body, error)
    return result if isinstance(result, Answer) else _waited(route, body, result, seconds)


async def _delegated(answer: Awaitable[Answer], seconds: float) -> Answer:
    """Await a delegated review, within the client's timeout."""
    try:
        async with asyncio.timeout(seconds):
            return await answer
    except TimeoutError:
        return refusal(503, f"expected a response within {seconds:g} s: try again")


async def _waited(route: Route, body: bytes, answer: Awaitable[Answer], seconds: float) -> Answer:
    try:
        async with asyncio.timeout(seconds * (1 - RESPONSE_MARGIN)):
            return await answer
    except TimeoutError:
        return _too_late(body, f"expected a response within {seconds:g} s: try again")
    except Exception as error:  # noqa: BLE001 - likewise
        return _failed(route, body, error)


def _too_late(body: bytes, message: str) -> Answer:
    """The response to a review that timed out."""
    try:
        envelope = reviews.envelope_of(reviews.decode(body))
    except (reviews.MalformedReviewError, KeyError, TypeError):  # not validated yet
        return refusal(503, message)
    return _failure(verdicts.Failed(envelope, message, verdicts.TIMED_OUT))


def _failed(route: Route, body: bytes, error: Exception) -> Answer:
    if isinstance(error, deadlines.DeadlineExceededError):
        seconds = f"{reviewer.BUDGET_SECONDS:g} s"
        message = f"expected an object that can be reviewed within {seconds}; make it smaller"
        return _too_late(body, message)
    if isinstance(error, reviews.MalformedReviewError):
        return refusal(400, str(error))
    if isinstance(error, reviews.UnusableReviewError):
        return _failure(verdicts.Failed(error.envelope, error.message))
    if isinstance(error, RecursionError):
        return refusal(400, "expected JSON of at most 1024 levels")
    log.error("review failed", path=route.path, exc_info=error)
    envelope = reviews.envelope_of(reviews.decode(body))
    message = "internal error of the webhook server; see its log for the traceback"
    return _failure(verdicts.Failed(envelope, message, verdicts.INTERNAL_ERROR))


def _failure(verdict: verdicts.Failed) -> Answer:
    return Answer(200, verdicts.encode(verdict))
