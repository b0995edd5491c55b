"""Routes of an API's webhooks, independent of HTTP. Pure except for its log.

Decisions are made in ``admission`` and ``conversion``; this module decodes bodies, encodes
responses, and answers every input.
"""

import asyncio
import concurrent.futures
import dataclasses
import functools
import gc
import re
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar, cast

import msgspec
import structlog

from schemagen import Api, Facts, Kind, Version, deadlines
from schemagen.problems import JSON
from schemagen.versions.converter import Converter
from webhooks.cluster import configuration
from webhooks.review import admission, answer_check, conversion, reviews

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

# Characters of a value in logs, which would otherwise be unbounded and client-controlled.
MAX_LOGGED: Final = 256

# Larger bodies are reviewed in a thread, so that the event loop stays responsive.
HEAVY_BYTES: Final = 64 * 1024
# A conversion of more than this yields to other conversions after each chunk.
TURN_BYTES: Final = 256 * 1024
# Computing time of a review, or of a chunk of a conversion.
BUDGET_SECONDS: Final = 5.0

# kube-apiserver waits 30 s for a conversion, and at most that for an admission.
MAX_TIMEOUT_SECONDS: Final = 30.0
# Share of the client's timeout reserved for sending the response.
RESPONSE_MARGIN: Final = 0.1
# kube-apiserver's format (Go's time.Duration).
_DURATION: Final = re.compile(rb"(?:^|&)timeout=(?:(\d{1,4})m)?(\d{1,4}(?:\.\d{1,9})?)s(?:&|$)")

log = structlog.get_logger("webhooks")


class ReviewInfo(msgspec.Struct, frozen=True, gc=False):
    """Metadata of a review for logs and metrics, without payload.

    Attributes:
        version: API version of the object; the desired one for a conversion.
        verdict: ``allowed``, ``denied``, ``failed`` or ``converted``.
        objects: Number of objects of a conversion; None for an admission.
        dropped_bytes: Conversion residue dropped for lack of space.
    """

    uid: str
    version: str
    verdict: str
    kind: str = ""
    operation: str = ""
    namespace: str = ""
    name: str = ""
    user: str = ""
    dry_run: bool = False
    objects: int | None = None
    dropped_bytes: int = 0


class Answer(msgspec.Struct, frozen=True, gc=False):
    """An HTTP response."""

    status: int
    body: bytes
    content_type: str = "application/json"
    info: ReviewInfo | None = None


def refusal(status: int, message: str) -> Answer:
    """A response to a request that is not a review: one line that says what was expected."""
    return Answer(status, f"{message}\n".encode(), "text/plain; charset=utf-8")


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


class RequestLog(NamedTuple):
    """A handled request for logs, metrics and traces.

    Attributes:
        at: Time of the response, in seconds since 1970.
        seconds: Latency from the complete request to the response.
        traceparent: The caller's W3C Trace Context; empty without one.
    """

    at: float
    path: str
    status: int
    info: ReviewInfo | None
    seconds: float
    bytes_in: int
    bytes_out: int
    traceparent: str = ""


def request_log(
    path: str, answer: Answer, seconds: float, bytes_in: int, traceparent: str = ""
) -> RequestLog:
    """Build the record of a response that is sent now."""
    return RequestLog(
        time.time(),
        path,
        answer.status,
        answer.info,
        seconds,
        bytes_in,
        len(answer.body),
        traceparent,
    )


@functools.lru_cache(maxsize=64)
def seconds_of(query: bytes | None) -> float:
    """Parse the client's timeout from the query: ``timeout=10s``."""
    match = _DURATION.search(query or b"")
    if match is None:
        return MAX_TIMEOUT_SECONDS
    seconds = 60 * int(match[1] or 0) + float(match[2])
    return min(seconds, MAX_TIMEOUT_SECONDS) or MAX_TIMEOUT_SECONDS


Observe = Callable[[RequestLog], None]
"""Callback invoked for each response."""

Read = Callable[[str, Sequence[tuple[str, str]]], Awaitable[Mapping[tuple[str, str], JSON | None]]]
"""Reads objects of a namespace by kind and name; raises ``UnreadableError``."""

Fetch = Callable[[Kind, Version, str, str], Awaitable[JSON | None]]
"""Reads an object uncached, by kind, version, namespace and name; raises likewise."""


class UnreadableError(Exception):
    """An object could not be read from the API server."""


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
    reviewer = _Reviewer(Converter(api), facts, read, fetch, is_verifying=is_verifying)
    admission_route = functools.partial(Route, is_client_required=is_client_required)
    built = (
        admission_route(configuration.MUTATE, ADMISSION_BYTES, reviewer.mutate),
        admission_route(configuration.VALIDATE, ADMISSION_BYTES, reviewer.validate),
        Route(configuration.CONVERT, CONVERSION_BYTES, reviewer.convert),
    )
    return {route.path: route for route in built}


_Result = TypeVar("_Result")


class _ReviewThread:
    """A thread that runs one function at a time, each within the time budget."""

    def __init__(self) -> None:
        self._pool = concurrent.futures.ThreadPoolExecutor(1, "review")

    async def run(self, function: Callable[..., _Result], *args: Any) -> _Result:
        """Run a function; it is skipped if its caller is gone before its turn."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, _cleared, function, *args)


def _cleared(function: Callable[..., _Result], *args: Any) -> _Result:
    """Run a function within the time budget and free its garbage immediately."""
    try:
        return _budgeted(function, *args)
    except deadlines.DeadlineExceededError as error:
        traceback.clear_frames(error.__traceback__)  # the frames hold the review
        raise deadlines.DeadlineExceededError from None
    finally:
        gc.collect()


def _budgeted(function: Callable[..., _Result], *args: Any) -> _Result:
    with deadlines.within(BUDGET_SECONDS):
        return function(*args)


class _Reviewer:
    """Reviews request bodies."""

    def __init__(
        self,
        converter: Converter,
        facts: Callable[[], Facts],
        read: Read | None,
        fetch: Fetch | None,
        *,
        is_verifying: bool,
    ) -> None:
        self._converter, self._facts, self._read, self._fetch = converter, facts, read, fetch
        self._is_verifying = is_verifying
        # Separate threads: any client that reaches the port may request conversions.
        self._admissions, self._conversions = _ReviewThread(), _ReviewThread()

    def mutate(self, body: bytes) -> Answer | Awaitable[Answer]:
        if _blocks_event_loop(body):
            return self._admissions.run(self._mutated, body)
        return _budgeted(self._mutated, body)

    def _mutated(self, body: bytes) -> Answer:
        request = reviews.admission_request(body)
        result = admission.answer(admission.mutate, self._converter, request, self._facts())
        return self._admitted("mutate", body, request, result)

    def validate(self, body: bytes) -> Answer | Awaitable[Answer]:
        return (
            self._validated_in_thread(body) if _blocks_event_loop(body) else self._validated(body)
        )

    async def _validated_in_thread(self, body: bytes) -> Answer:
        result = await self._admissions.run(self._validated, body)
        return result if isinstance(result, Answer) else await result

    def _validated(self, body: bytes) -> Answer | Awaitable[Answer]:
        return _budgeted(self._opened, body)

    def _opened(self, body: bytes) -> Answer | Awaitable[Answer]:
        request = reviews.admission_request(body)
        subject = admission.opened(self._converter, request)
        if isinstance(subject, admission.ScaleRequest) and self._fetch is not None:
            return self._looked_up(body, request, self._scaled(subject, self._fetch))
        if not isinstance(subject, admission.Subject):
            result = admission.answer(admission.validate, self._converter, request, self._facts())
            return self._admitted("validate", body, request, result)
        names = admission.related(subject) if self._read is not None else ()
        if self._read is not None and names:
            return self._looked_up(body, request, self._related(subject, self._read, names))
        result = admission.validate(subject, self._facts())
        return self._admitted("validate", body, request, result)

    async def _scaled(self, scale: admission.ScaleRequest, fetch: Fetch) -> JSON:
        request = scale.request
        current = await fetch(scale.kind, scale.version, request.namespace, request.name)
        subject = scale.of(current) if isinstance(current, dict) else None
        names = () if subject is None else admission.related(subject)
        if subject is not None and self._read is not None and names:
            return await self._related(subject, self._read, names)
        return admission.scaled(scale, current, self._facts())

    async def _related(
        self, subject: admission.Subject, read: Read, names: Sequence[tuple[str, str]]
    ) -> JSON:
        objects = await read(subject.request.namespace, names)
        if further := admission.related_further(subject, objects):
            objects = {**objects, **await read(subject.request.namespace, further)}
        known = msgspec.structs.replace(self._facts(), related=objects)
        if (subject.request.written_bytes or 0) > HEAVY_BYTES:
            return await self._admissions.run(admission.validate, subject, known)
        return _budgeted(admission.validate, subject, known)

    async def _looked_up(
        self, body: bytes, request: reviews.AdmissionRequest, answer: Awaitable[JSON]
    ) -> Answer:
        """Answer from looked-up objects, or fail if they cannot be read."""
        try:
            result = await answer
        except UnreadableError as error:
            result = reviews.failed(request.envelope, str(error), code=reviews.UNAVAILABLE)
        return self._admitted("validate", body, request, result)

    def convert(self, body: bytes) -> Answer | Awaitable[Answer]:
        if _blocks_event_loop(body):
            return self._in_turns(body)
        request = reviews.conversion_request(body)
        outcome = _budgeted(conversion.convert, self._converter, request)
        return self._converted(body, request, outcome)

    async def _in_turns(self, body: bytes) -> Answer:
        request = await self._conversions.run(reviews.conversion_request, body)
        turns = conversion.turns(self._converter, request, TURN_BYTES)
        outcome = None
        while outcome is None:
            outcome = await self._conversions.run(_next_turn, turns)
        return await self._conversions.run(self._converted, body, request, outcome)

    def _admitted(
        self,
        caller: answer_check.Caller,
        body: bytes,
        request: reviews.AdmissionRequest,
        answer: JSON,
    ) -> Answer:
        if self._is_verifying:
            answer = _verified(caller, body, answer)
        response = answer["response"]
        info = ReviewInfo(
            _clipped(request.envelope.uid),
            _clipped(request.version),
            "allowed" if response["allowed"] else _verdict(response["status"]["code"]),
            kind=_clipped(request.kind),
            operation=_clipped(request.operation),
            namespace=_clipped(request.namespace),
            name=_clipped(request.name),
            user=_clipped(request.user.username),
            dry_run=request.dry_run,
        )
        return Answer(200, reviews.encode(answer), info=info)

    def _converted(
        self, body: bytes, request: reviews.ConversionRequest, outcome: conversion.Outcome
    ) -> Answer:
        answer, dropped_bytes = outcome
        if self._is_verifying:
            answer = _verified("convert", body, answer)
        status = answer["response"]["result"]["status"]
        info = ReviewInfo(
            _clipped(request.envelope.uid),
            _clipped(request.desired_api_version.rpartition("/")[2]),
            "converted" if status == "Success" else "failed",
            objects=len(request.objects),
            dropped_bytes=dropped_bytes,
        )
        if dropped_bytes:
            log.warning("residue dropped", uid=info.uid, bytes=dropped_bytes)
        return Answer(200, reviews.encode(answer), info=info)


def _blocks_event_loop(body: bytes) -> bool:
    """Return whether a body is large and an event loop is running."""
    if len(body) <= HEAVY_BYTES:
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _clipped(text: str) -> str:
    """Bound a value for logs: no Kubernetes name is longer."""
    return text if len(text) <= MAX_LOGGED else f"{text[:MAX_LOGGED]}\N{HORIZONTAL ELLIPSIS}"


def _next_turn(turns: conversion.Turns) -> conversion.Outcome | None:
    """Run the next chunk; return the outcome after the last one."""
    try:
        next(turns)
    except StopIteration as end:
        return cast("conversion.Outcome", end.value)
    return None


def _verdict(code: int) -> str:
    return "denied" if code == reviews.UNPROCESSABLE else "failed"


def _verified(caller: answer_check.Caller, body: bytes, answer: JSON) -> JSON:
    checked = answer_check.verified(caller, body, answer)
    if checked is not answer:
        status = checked["response"].get("status") or checked["response"]["result"]
        log.error(
            "invalid response suppressed", uid=checked["response"]["uid"], reason=status["message"]
        )
    return checked


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
    if route.review_large is not None and len(body) > HEAVY_BYTES:
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
    failed = reviews.failed(envelope, message, code=reviews.TIMED_OUT)
    return Answer(200, reviews.encode(failed))


def _failed(route: Route, body: bytes, error: Exception) -> Answer:
    if isinstance(error, deadlines.DeadlineExceededError):
        message = (
            f"expected an object that can be reviewed within {BUDGET_SECONDS:g} s; make it smaller"
        )
        return _too_late(body, message)
    if isinstance(error, reviews.MalformedReviewError):
        return refusal(400, str(error))
    if isinstance(error, reviews.UnusableReviewError):
        return Answer(200, reviews.encode(reviews.failed(error.envelope, error.message)))
    if isinstance(error, RecursionError):
        return refusal(400, "expected JSON of at most 1024 levels")
    log.error("review failed", path=route.path, exc_info=error)
    envelope = reviews.envelope_of(reviews.decode(body))
    message = "internal error of the webhook server; see its log for the traceback"
    failed = reviews.failed(envelope, message, code=reviews.INTERNAL_ERROR)
    return Answer(200, reviews.encode(failed))
