"""What is answered where: the three paths of an API's webhooks, HTTP apart. Pure but for its log.

Every decision is in ``admission`` and ``conversion``; what is here turns bytes into their values
and their values into bytes, and answers whatever comes.
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
from webhooks import admission, configuration, conversion, oracle, reviews

MIB: Final = 1024 * 1024

# An UPDATE carries the object twice, each of at most 3 MiB (the API server's own limit for a
# request), and user info: 2 x 3 MiB + 1 MiB, the derivation of controller-runtime's same limit.
ADMISSION_BYTES: Final = 7 * MIB
# A review of a list has no upper bound by protocol. kube-apiserver 1.37 sends one object (etcd
# holds at most 1.5 MiB) per review; this leaves room for lists of twenty of the largest.
CONVERSION_BYTES: Final = 32 * MIB

# Bodies of one path that are being read or answered; those of others have room beside them, as
# whoever reaches the port may ask for conversions (the API server shows no certificate there).
# 64 lists of 500 objects are 96 MB.
TOTAL_BYTES: Final = 112 * MIB

# Characters of a word in logs; what is longer would be held and written whoever sends it.
MAX_LOGGED: Final = 256

# Bodies larger than this are reviewed by a thread: the event loop answers others meanwhile.
HEAVY_BYTES: Final = 64 * 1024
# A conversion of more than this lets other conversions have their turn in between.
TURN_BYTES: Final = 256 * 1024
# A review, or a turn of a conversion, may be computed for so long.
BUDGET_SECONDS: Final = 5.0

# kube-apiserver waits 30 s for a conversion, and at most as long for an admission.
LONGEST_SECONDS: Final = 30.0
# The share of a client's time that an answer may need to get there.
_FOR_THE_WAY: Final = 0.1
# As kube-apiserver writes them (Go's time.Duration).
_DURATION: Final = re.compile(rb"(?:^|&)timeout=(?:(\d{1,4})m)?(\d{1,4}(?:\.\d{1,9})?)s(?:&|$)")

log = structlog.get_logger("webhooks")


class About(msgspec.Struct, frozen=True, gc=False):
    """What an answer is about, for logs and metrics: no payload.

    Attributes:
        version: The object's API version; of a conversion, the wanted one.
        verdict: ``allowed``, ``denied``, ``failed`` or ``converted``.
        objects: How many a conversion was asked for; None for an admission.
        dropped_bytes: Residue of a conversion that found no room.
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
    """What goes back over HTTP."""

    status: int
    body: bytes
    content_type: str = "application/json"
    about: About | None = None


def refusal(status: int, message: str) -> Answer:
    """An answer to what is no review: a line that says what was expected."""
    return Answer(status, f"{message}\n".encode(), "text/plain; charset=utf-8")


ReviewLarge: TypeAlias = Callable[[str, bytes, float], Awaitable[Answer]]
"""Has a body reviewed elsewhere: its path, the body, and the seconds that its client waits."""


@dataclasses.dataclass(frozen=True)
class Route:
    """One path: how large its body may be, and what answers it.

    Attributes:
        review: The answer, or how to wait for it.
        max_total_bytes: Of all bodies that are being read or answered.
        is_client_required: Whether only clients with a certificate may ask.
        review_large: Reviews large bodies instead, if anything does.
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
    """The answer to a request that is refused for its head, if it is.

    Args:
        route: What is asked.
        method: Of HTTP.
        content_type: The header's value.
        encoding: The value of Content-Encoding.
        has_client: Whether the client showed a certificate.
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
    """The refusal of a body over its limit."""
    return refusal(413, f"expected at most {route.max_body_bytes} bytes in {route.path}")


class Seen(NamedTuple):
    """An answer as logs and metrics see it.

    Attributes:
        at: When, in seconds since 1970.
        seconds: From the whole request to its answer.
        traceparent: Whose trace it continues (W3C Trace Context); empty without one.
    """

    at: float
    path: str
    status: int
    about: About | None
    seconds: float
    bytes_in: int
    bytes_out: int
    traceparent: str = ""


def seen(path: str, answer: Answer, seconds: float, bytes_in: int, traceparent: str = "") -> Seen:
    """An answer that is given now."""
    return Seen(
        time.time(),
        path,
        answer.status,
        answer.about,
        seconds,
        bytes_in,
        len(answer.body),
        traceparent,
    )


@functools.lru_cache(maxsize=64)
def seconds_of(query: bytes | None) -> float:
    """How long a client waits, by the query of its request: ``timeout=10s``."""
    found = _DURATION.search(query or b"")
    if found is None:
        return LONGEST_SECONDS
    seconds = 60 * int(found[1] or 0) + float(found[2])
    return min(seconds, LONGEST_SECONDS) or LONGEST_SECONDS


Observe = Callable[[Seen], None]
"""Is told of every answer."""

Read = Callable[[str, Sequence[tuple[str, str]]], Awaitable[Mapping[tuple[str, str], JSON | None]]]
"""Reads objects of a namespace by kind and name; raises ``UnreadableError``."""

Fetch = Callable[[Kind, Version, str, str], Awaitable[JSON | None]]
"""Reads an object as it is now, by kind, version, namespace and name; raises likewise."""


class UnreadableError(Exception):
    """The API server could not say whether an object is there."""


def routes(
    api: Api,
    facts: Callable[[], Facts] = lambda: admission.NO_FACTS,
    read: Read | None = None,
    *,
    fetch: Fetch | None = None,
    is_verifying: bool = False,
    is_client_required: bool = False,
) -> Mapping[str, Route]:
    """The routes of an API's webhooks by path.

    Args:
        api: The API.
        facts: What every review knows, as it is at the time.
        read: Finds what else a rule wants to know; without it, rules do without.
        fetch: Finds what is scaled; without it, kinds whose scale is judged cannot be scaled.
        is_verifying: Whether the oracle of the API server sees each answer before it leaves.
        is_client_required: Whether admission is for clients with a certificate alone. Conversion
            is for all: the API server shows none when it asks for that.
    """
    given = _Reviewer(Converter(api), facts, read, fetch, is_verifying=is_verifying)
    admission_route = functools.partial(Route, is_client_required=is_client_required)
    found = (
        admission_route(configuration.MUTATE, ADMISSION_BYTES, given.mutate),
        admission_route(configuration.VALIDATE, ADMISSION_BYTES, given.validate),
        Route(configuration.CONVERT, CONVERSION_BYTES, given.convert),
    )
    return {route.path: route for route in found}


_T = TypeVar("_T")


class _ReviewThread:
    """A thread that computes one thing after the other, each within the budget."""

    def __init__(self) -> None:
        self._pool = concurrent.futures.ThreadPoolExecutor(1, "review")

    async def run(self, function: Callable[..., _T], *args: Any) -> _T:
        """What a function returns; one whose caller is gone before its turn is not called."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, _cleared, function, *args)


def _cleared(function: Callable[..., _T], *args: Any) -> _T:
    """What a function returns within the budget; what it leaves behind is freed at once."""
    try:
        return _budgeted(function, *args)
    except deadlines.DeadlineExceededError as error:
        traceback.clear_frames(error.__traceback__)  # they hold the review
        raise deadlines.DeadlineExceededError from None
    finally:
        gc.collect()


def _budgeted(function: Callable[..., _T], *args: Any) -> _T:
    with deadlines.within(BUDGET_SECONDS):
        return function(*args)


class _Reviewer:
    """Answers to bodies."""

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
        # Of their own: whoever reaches the port may ask for conversions.
        self._admissions, self._conversions = _ReviewThread(), _ReviewThread()

    def mutate(self, body: bytes) -> Answer | Awaitable[Answer]:
        if _would_hold_up_others(body):
            return self._admissions.run(self._mutated, body)
        return _budgeted(self._mutated, body)

    def _mutated(self, body: bytes) -> Answer:
        request = reviews.admission_request(body)
        found = admission.answer(admission.mutate, self._converter, request, self._facts())
        return self._admitted("mutate", body, request, found)

    def validate(self, body: bytes) -> Answer | Awaitable[Answer]:
        return self._heavily(body) if _would_hold_up_others(body) else self._validated(body)

    async def _heavily(self, body: bytes) -> Answer:
        found = await self._admissions.run(self._validated, body)
        return found if isinstance(found, Answer) else await found

    def _validated(self, body: bytes) -> Answer | Awaitable[Answer]:
        return _budgeted(self._opened, body)

    def _opened(self, body: bytes) -> Answer | Awaitable[Answer]:
        request = reviews.admission_request(body)
        subject = admission.opened(self._converter, request)
        if isinstance(subject, admission.ScaleRequest) and self._fetch is not None:
            return self._knowing(body, request, self._scaled(subject, self._fetch))
        if not isinstance(subject, admission.Subject):
            found = admission.answer(admission.validate, self._converter, request, self._facts())
            return self._admitted("validate", body, request, found)
        wanted = admission.related(subject) if self._read is not None else ()
        if self._read is not None and wanted:
            return self._knowing(body, request, self._related(subject, self._read, wanted))
        found = admission.validate(subject, self._facts())
        return self._admitted("validate", body, request, found)

    async def _scaled(self, scale: admission.ScaleRequest, fetch: Fetch) -> JSON:
        request = scale.request
        found = await fetch(scale.kind, scale.version, request.namespace, request.name)
        subject = scale.of(found) if isinstance(found, dict) else None
        wanted = () if subject is None else admission.related(subject)
        if subject is not None and self._read is not None and wanted:
            return await self._related(subject, self._read, wanted)
        return admission.scaled(scale, found, self._facts())

    async def _related(
        self, subject: admission.Subject, read: Read, wanted: Sequence[tuple[str, str]]
    ) -> JSON:
        found = await read(subject.request.namespace, wanted)
        if further := admission.related_further(subject, found):
            found = {**found, **await read(subject.request.namespace, further)}
        known = msgspec.structs.replace(self._facts(), related=found)
        if (subject.request.written_bytes or 0) > HEAVY_BYTES:
            return await self._admissions.run(admission.validate, subject, known)
        return _budgeted(admission.validate, subject, known)

    async def _knowing(
        self, body: bytes, request: reviews.AdmissionRequest, answer: Awaitable[JSON]
    ) -> Answer:
        """An answer that something is read for; a refusal if that cannot be read."""
        try:
            found = await answer
        except UnreadableError as error:
            found = reviews.failed(request.envelope, str(error), code=reviews.UNAVAILABLE)
        return self._admitted("validate", body, request, found)

    def convert(self, body: bytes) -> Answer | Awaitable[Answer]:
        if _would_hold_up_others(body):
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
        caller: oracle.Caller,
        body: bytes,
        request: reviews.AdmissionRequest,
        answer: JSON,
    ) -> Answer:
        if self._is_verifying:
            answer = _verified(caller, body, answer)
        response = answer["response"]
        about = About(
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
        return Answer(200, reviews.encode(answer), about=about)

    def _converted(
        self, body: bytes, request: reviews.ConversionRequest, outcome: conversion.Outcome
    ) -> Answer:
        answer, dropped_bytes = outcome
        if self._is_verifying:
            answer = _verified("convert", body, answer)
        status = answer["response"]["result"]["status"]
        about = About(
            _clipped(request.envelope.uid),
            _clipped(request.desired_api_version.rpartition("/")[2]),
            "converted" if status == "Success" else "failed",
            objects=len(request.objects),
            dropped_bytes=dropped_bytes,
        )
        if dropped_bytes:
            log.warning("residue dropped", uid=about.uid, bytes=dropped_bytes)
        return Answer(200, reviews.encode(answer), about=about)


def _would_hold_up_others(body: bytes) -> bool:
    """Whether a body is large, and there are others: an event loop that answers them."""
    if len(body) <= HEAVY_BYTES:
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _clipped(text: str) -> str:
    """A word of a review for logs: no name of Kubernetes is longer."""
    return text if len(text) <= MAX_LOGGED else f"{text[:MAX_LOGGED]}\N{HORIZONTAL ELLIPSIS}"


def _next_turn(turns: conversion.Turns) -> conversion.Outcome | None:
    """The outcome, once the last turn was taken."""
    try:
        next(turns)
    except StopIteration as end:
        return cast("conversion.Outcome", end.value)
    return None


def _verdict(code: int) -> str:
    return "denied" if code == reviews.UNPROCESSABLE else "failed"


def _verified(caller: oracle.Caller, body: bytes, answer: JSON) -> JSON:
    found = oracle.verified(caller, body, answer)
    if found is not answer:
        said = found["response"].get("status") or found["response"]["result"]
        log.error("answer held back", uid=found["response"]["uid"], reason=said["message"])
    return found


def answer(
    route: Route, body: bytes, seconds: float = LONGEST_SECONDS
) -> Answer | Awaitable[Answer]:
    """The answer to a body, or how to wait for it.

    A proper review wherever a uid can be read, else a refusal.

    Args:
        route: What answers.
        body: Of the request.
        seconds: So long the client waits; it hears before that what came in between.
    """
    if route.review_large is not None and len(body) > HEAVY_BYTES:
        return _elsewhere(route.review_large(route.path, body, seconds), seconds)
    try:
        found = route.review(body)
    except Exception as error:  # noqa: BLE001 - whatever comes gets an answer
        return _failed(route, body, error)
    return found if isinstance(found, Answer) else _waited(route, body, found, seconds)


async def _elsewhere(answer: Awaitable[Answer], seconds: float) -> Answer:
    """The answer of who reviews large bodies: who hears in time what came in between, too."""
    try:
        async with asyncio.timeout(seconds):
            return await answer
    except TimeoutError:
        return refusal(503, f"expected to find an answer within {seconds:g} s: try again")


async def _waited(route: Route, body: bytes, answer: Awaitable[Answer], seconds: float) -> Answer:
    try:
        async with asyncio.timeout(seconds * (1 - _FOR_THE_WAY)):
            return await answer
    except TimeoutError:
        return _late(body, f"expected to find an answer within {seconds:g} s: try again")
    except Exception as error:  # noqa: BLE001 - likewise
        return _failed(route, body, error)


def _late(body: bytes, message: str) -> Answer:
    """The answer to a review that nobody waits for any longer, or that takes too long."""
    try:
        envelope = reviews.envelope_of(reviews.decode(body))
    except (reviews.MalformedReviewError, KeyError, TypeError):  # nobody has read it yet
        return refusal(503, message)
    failed = reviews.failed(envelope, message, code=reviews.TIMED_OUT)
    return Answer(200, reviews.encode(failed))


def _failed(route: Route, body: bytes, error: Exception) -> Answer:
    if isinstance(error, deadlines.DeadlineExceededError):
        message = (
            f"expected an object that is reviewed within {BUDGET_SECONDS:g} s; make it smaller"
        )
        return _late(body, message)
    if isinstance(error, reviews.MalformedReviewError):
        return refusal(400, str(error))
    if isinstance(error, reviews.UnusableReviewError):
        return Answer(200, reviews.encode(reviews.failed(error.envelope, error.message)))
    if isinstance(error, RecursionError):
        return refusal(400, "expected JSON of at most 1024 levels")
    log.error("review failed", path=route.path, exc_info=error)
    envelope = reviews.envelope_of(reviews.decode(body))
    message = "internal error of the webhook server; its log has the traceback"
    failed = reviews.failed(envelope, message, code=reviews.INTERNAL_ERROR)
    return Answer(200, reviews.encode(failed))
