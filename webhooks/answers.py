"""Responses as values, and what is logged, counted and traced of them. Pure but for the clock."""

import time
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import msgspec


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


Observe: TypeAlias = Callable[[RequestLog], None]
"""Callback invoked for each response."""
