"""Reviews bodies of requests: decodes them, decides, encodes verdicts. Pure except for threads.

Decisions are made in ``admission`` and ``conversion``. Large bodies are reviewed in a thread, and
every review has a budget of time.
"""

import asyncio
import concurrent.futures
import gc
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias, TypeVar, cast

import msgspec
import structlog

from schemagen import Facts, Kind, Version, deadlines
from schemagen.problems import JSON
from schemagen.versions.converter import Converter
from webhooks.answers import Answer, ReviewInfo
from webhooks.review import admission, answer_check, conversion, reviews, verdicts
from webhooks.review.verdicts import Admitted, Converted, Failed, Verdict

# Characters of a value in logs, which would otherwise be unbounded and client-controlled.
MAX_LOGGED: Final = 256

# Larger bodies are reviewed in a thread, so that the event loop stays responsive.
HEAVY_BYTES: Final = 64 * 1024
# A conversion of more than this yields to other conversions after each chunk.
TURN_BYTES: Final = 256 * 1024
# Computing time of a review, or of a chunk of a conversion.
BUDGET_SECONDS: Final = 5.0

log = structlog.get_logger("webhooks")

Read: TypeAlias = Callable[
    [str, Sequence[tuple[str, str]]], Awaitable[Mapping[tuple[str, str], JSON | None]]
]
"""Reads objects of a namespace by kind and name; raises ``UnreadableError``."""

Fetch: TypeAlias = Callable[[Kind, Version, str, str], Awaitable[JSON | None]]
"""Reads an object uncached, by kind, version, namespace and name; raises likewise."""


class UnreadableError(Exception):
    """An object could not be read from the API server."""


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


class Reviewer:
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
        """Answer a request of the mutating webhook."""
        if _blocks_event_loop(body):
            return self._admissions.run(self._mutated, body)
        return _budgeted(self._mutated, body)

    def _mutated(self, body: bytes) -> Answer:
        request = reviews.admission_request(body)
        verdict = admission.decide(admission.mutate, self._converter, request, self._facts())
        return self._admitted("mutate", body, request, verdict)

    def validate(self, body: bytes) -> Answer | Awaitable[Answer]:
        """Answer a request of the validating webhook."""
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
            verdict = admission.decide(admission.validate, self._converter, request, self._facts())
            return self._admitted("validate", body, request, verdict)
        names = admission.related(subject) if self._read is not None else ()
        if self._read is not None and names:
            return self._looked_up(body, request, self._related(subject, self._read, names))
        verdict = admission.validate(subject, self._facts())
        return self._admitted("validate", body, request, verdict)

    async def _scaled(self, scale: admission.ScaleRequest, fetch: Fetch) -> Admitted:
        request = scale.request
        current = await fetch(scale.kind, scale.version, request.namespace, request.name)
        subject = scale.of(current) if isinstance(current, dict) else None
        names = () if subject is None else admission.related(subject)
        if subject is not None and self._read is not None and names:
            return await self._related(subject, self._read, names)
        return admission.scaled(scale, current, self._facts())

    async def _related(
        self, subject: admission.Subject, read: Read, names: Sequence[tuple[str, str]]
    ) -> Admitted:
        objects = await read(subject.request.namespace, names)
        if further := admission.related_further(subject, objects):
            objects = {**objects, **await read(subject.request.namespace, further)}
        known = msgspec.structs.replace(self._facts(), related=objects)
        if (subject.request.written_bytes or 0) > HEAVY_BYTES:
            return await self._admissions.run(admission.validate, subject, known)
        return _budgeted(admission.validate, subject, known)

    async def _looked_up(
        self, body: bytes, request: reviews.AdmissionRequest, pending: Awaitable[Admitted]
    ) -> Answer:
        """Answer from looked-up objects, or fail if they cannot be read."""
        try:
            verdict = await pending
        except UnreadableError as error:
            verdict = Failed(request.envelope, str(error), verdicts.UNAVAILABLE)
        return self._admitted("validate", body, request, verdict)

    def convert(self, body: bytes) -> Answer | Awaitable[Answer]:
        """Answer a request for a conversion."""
        if _blocks_event_loop(body):
            return self._in_turns(body)
        request = reviews.conversion_request(body)
        verdict = _budgeted(conversion.convert, self._converter, request)
        return self._converted(body, request, verdict)

    async def _in_turns(self, body: bytes) -> Answer:
        request = await self._conversions.run(reviews.conversion_request, body)
        turns = conversion.turns(self._converter, request, TURN_BYTES)
        verdict = None
        while verdict is None:
            verdict = await self._conversions.run(_next_turn, turns)
        return await self._conversions.run(self._converted, body, request, verdict)

    def _admitted(
        self,
        caller: answer_check.Caller,
        body: bytes,
        request: reviews.AdmissionRequest,
        verdict: Admitted,
    ) -> Answer:
        word, response = self._encoded(caller, body, verdict)
        info = ReviewInfo(
            _clipped(request.envelope.uid),
            _clipped(request.version),
            word,
            kind=_clipped(request.kind),
            operation=_clipped(request.operation),
            namespace=_clipped(request.namespace),
            name=_clipped(request.name),
            user=_clipped(request.user.username),
            dry_run=request.dry_run,
        )
        return Answer(200, response, info=info)

    def _converted(
        self, body: bytes, request: reviews.ConversionRequest, verdict: Converted | Failed
    ) -> Answer:
        word, response = self._encoded("convert", body, verdict)
        dropped_bytes = verdict.dropped_bytes if isinstance(verdict, Converted) else 0
        info = ReviewInfo(
            _clipped(request.envelope.uid),
            _clipped(request.desired_api_version.rpartition("/")[2]),
            word,
            objects=len(request.objects),
            dropped_bytes=dropped_bytes,
        )
        if dropped_bytes:
            log.warning("residue dropped", uid=info.uid, bytes=dropped_bytes)
        return Answer(200, response, info=info)

    def _encoded(
        self, caller: answer_check.Caller, body: bytes, verdict: Verdict
    ) -> tuple[str, bytes]:
        """Return a verdict in a word and encoded; a failure if it is checked and invalid."""
        response = verdicts.encode(verdict)
        failure = answer_check.failure(caller, body, response) if self._is_verifying else None
        if failure is None:
            return _WORDS[type(verdict)], response
        log.error("invalid response suppressed", uid=failure.envelope.uid, reason=failure.message)
        return _WORDS[Failed], verdicts.encode(failure)


_WORDS: Final[Mapping[type[Verdict], str]] = {
    verdicts.Allowed: "allowed",
    verdicts.Denied: "denied",
    Failed: "failed",
    Converted: "converted",
}


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


def _next_turn(turns: conversion.Turns) -> Converted | Failed | None:
    """Run the next chunk; return the verdict after the last one."""
    try:
        next(turns)
    except StopIteration as end:
        return cast("Converted | Failed", end.value)
    return None
