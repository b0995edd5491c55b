"""What is answered where: the three paths of an API's webhooks, HTTP apart. Pure but for its log.

Every decision is in ``admission`` and ``conversion``; what is here turns bytes into their values
and their values into bytes, and answers whatever comes.
"""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import structlog

from schemagen import Api, Facts
from schemagen.problems import JSON
from schemagen.versions.converter import Converter
from webhooks import admission, configuration, conversion, reviews

MIB: Final = 1024 * 1024

# An UPDATE carries the object twice, each of at most 3 MiB (the API server's own limit for a
# request), and user info: 2 x 3 MiB + 1 MiB, the derivation of controller-runtime's same limit.
ADMISSION_BYTES: Final = 7 * MIB
# A review of a list has no upper bound by protocol. kube-apiserver 1.37 sends one object (etcd
# holds at most 1.5 MiB) per review; this leaves room for lists of twenty of the largest.
CONVERSION_BYTES: Final = 32 * MIB

# A review with more than this to convert lets others have their turn in between.
AT_ONCE_BYTES: Final = 256 * 1024

log = structlog.get_logger("webhooks")


@dataclasses.dataclass(frozen=True, slots=True)
class About:
    """What an answer is about, for logs and metrics: no payload.

    Attributes:
        version: The object's API version; of a conversion, the wanted one.
        verdict: ``allowed``, ``denied``, ``failed`` or ``converted``.
        objects: How many a conversion was asked for; None for an admission.
        dropped_bytes: Residue of a conversion that found no room.
        request: Of an admission.
    """

    uid: str
    version: str
    verdict: str
    kind: str = ""
    operation: str = ""
    objects: int | None = None
    dropped_bytes: int = 0
    request: reviews.AdmissionRequest | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """What goes back over HTTP."""

    status: int
    body: bytes
    content_type: str = "application/json"
    about: About | None = None


def refusal(status: int, message: str) -> Answer:
    """An answer to what is no review: a line that says what was expected."""
    return Answer(status, f"{message}\n".encode(), "text/plain; charset=utf-8")


@dataclasses.dataclass(frozen=True)
class Route:
    """One path: how large its body may be, and what answers it.

    Attributes:
        review: The answer, or how to wait for it.
    """

    path: str
    max_body_bytes: int
    review: Callable[[bytes], Answer | Awaitable[Answer]]


def refused(route: Route | None, method: bytes, content_type: str, encoding: str) -> Answer | None:
    """The answer to a request that is refused for its head, if it is."""
    if route is None:
        return refusal(404, "expected /mutate, /validate or /convert")
    if method != b"POST":
        return refusal(405, f"expected POST at {route.path}")
    if content_type.partition(";")[0].strip().lower() != "application/json":
        return refusal(415, f"expected Content-Type application/json, got {content_type}")
    if encoding.lower() not in {"", "identity"}:
        return refusal(415, "expected a body without Content-Encoding")
    return None


def too_large(route: Route) -> Answer:
    """The refusal of a body over its limit."""
    return refusal(413, f"expected at most {route.max_body_bytes} bytes in {route.path}")


Observe = Callable[[str, Answer, float, int], None]
"""Is told of an answer: its path, itself, the seconds that it took, the bytes of the request."""

Read = Callable[[str, Sequence[tuple[str, str]]], Awaitable[Mapping[tuple[str, str], JSON]]]
"""Reads objects of a namespace by kind and name; raises ``UnreadableError``."""


class UnreadableError(Exception):
    """The API server could not say whether an object is there."""


def routes(
    api: Api, facts: Callable[[], Facts] = lambda: admission.NO_FACTS, read: Read | None = None
) -> Mapping[str, Route]:
    """The routes of an API's webhooks by path.

    Args:
        api: The API.
        facts: What every review knows, as it is at the time.
        read: Finds what else a rule wants to know; without it, rules do without.
    """
    converter = Converter(api)

    def mutate(body: bytes) -> Answer:
        request = _admission(body)
        return _admitted(request, admission.mutate(api, request, facts()))

    def validate(body: bytes) -> Answer | Awaitable[Answer]:
        request = _admission(body)
        wanted = admission.related(api, request) if read is not None else ()
        if read is not None and wanted:
            return _validate_knowing(api, request, facts(), read(request.namespace, wanted))
        return _admitted(request, admission.validate(api, request, facts()))

    def convert(body: bytes) -> Answer | Awaitable[Answer]:
        request = reviews.conversion_request(body)
        if len(body) <= AT_ONCE_BYTES:
            return _converted(request, conversion.convert(converter, request))
        return _in_turns(request, conversion.turns(converter, request, AT_ONCE_BYTES))

    found = (
        Route(configuration.MUTATE, ADMISSION_BYTES, mutate),
        Route(configuration.VALIDATE, ADMISSION_BYTES, validate),
        Route(configuration.CONVERT, CONVERSION_BYTES, convert),
    )
    return {route.path: route for route in found}


def answer(route: Route, body: bytes) -> Answer | Awaitable[Answer]:
    """The answer to a body, or how to wait for it.

    A proper review wherever a uid can be read, else a refusal.
    """
    try:
        found = route.review(body)
    except Exception as error:  # noqa: BLE001 - whatever comes gets an answer
        return _failed(route, body, error)
    return found if isinstance(found, Answer) else _waited(route, body, found)


async def _waited(route: Route, body: bytes, answer: Awaitable[Answer]) -> Answer:
    try:
        return await answer
    except Exception as error:  # noqa: BLE001 - likewise
        return _failed(route, body, error)


def _failed(route: Route, body: bytes, error: Exception) -> Answer:
    if isinstance(error, reviews.MalformedReviewError):
        return refusal(400, str(error))
    if isinstance(error, reviews.UnusableReviewError):
        return Answer(200, reviews.encode(reviews.failed(error.envelope, error.message)))
    log.error("review failed", path=route.path, exc_info=error)
    envelope = reviews.envelope_of(reviews.decode(body))
    message = "internal error of the webhook server; its log has the traceback"
    failed = reviews.failed(envelope, message, code=reviews.INTERNAL_ERROR)
    return Answer(200, reviews.encode(failed))


def _admission(body: bytes) -> reviews.AdmissionRequest:
    return reviews.admission_request(reviews.decode(body))


async def _validate_knowing(
    api: Api,
    request: reviews.AdmissionRequest,
    facts: Facts,
    found: Awaitable[Mapping[tuple[str, str], JSON]],
) -> Answer:
    try:
        known = dataclasses.replace(facts, related=await found)
    except UnreadableError as error:
        failed = reviews.failed(request.envelope, str(error), code=reviews.UNAVAILABLE)
        return _admitted(request, failed)
    return _admitted(request, admission.validate(api, request, known))


def _admitted(request: reviews.AdmissionRequest, answer: JSON) -> Answer:
    response = answer["response"]
    verdict = (
        "allowed" if response["allowed"] else _REFUSALS.get(response["status"]["code"], "failed")
    )
    about = About(
        request.envelope.uid,
        request.version,
        verdict,
        kind=request.kind,
        operation=request.operation,
        request=request,
    )
    return Answer(200, reviews.encode(answer), about=about)


_REFUSALS: Final = {reviews.UNPROCESSABLE: "denied"}


def _converted(request: reviews.ConversionRequest, outcome: conversion.Outcome) -> Answer:
    answer, dropped_bytes = outcome
    status = answer["response"]["result"]["status"]
    about = About(
        request.envelope.uid,
        request.desired_api_version.rpartition("/")[2],
        "converted" if status == "Success" else "failed",
        objects=len(request.objects),
        dropped_bytes=dropped_bytes,
    )
    if dropped_bytes:
        log.warning("residue dropped", uid=about.uid, bytes=dropped_bytes)
    return Answer(200, reviews.encode(answer), about=about)


async def _in_turns(request: reviews.ConversionRequest, turns: conversion.Turns) -> Answer:
    while True:
        try:
            next(turns)
        except StopIteration as end:
            return _converted(request, end.value)
        await asyncio.sleep(0)
