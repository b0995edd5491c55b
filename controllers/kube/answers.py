"""Answers of a Kubernetes API as values. Pure; imports only the errors."""

import dataclasses
import re
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from controllers.kube import errors
from controllers.kube.errors import JSON

# RFC 9111 section 5.5 as the API server uses it: 299 - "text", quoted by backslashes.
_WARNING = re.compile(r'\d{3} \S+ "((?:[^"\\]|\\.)*)"')


@dataclasses.dataclass(frozen=True, slots=True)
class Listing:
    """A collection at one instant."""

    items: tuple[JSON, ...]
    resource_version: str
    """Where a watch goes on from."""


@dataclasses.dataclass(frozen=True, slots=True)
class Event:
    """One event of a watch."""

    type: str
    """ADDED, MODIFIED, DELETED or BOOKMARK; whatever else a newer API server may send."""
    object: JSON

    @property
    def resource_version(self) -> str:
        """Where a watch goes on from after this event."""
        return str(self.object["metadata"]["resourceVersion"])


def decode(body: bytes, request: str) -> Any:
    """Return a body as JSON.

    Raises:
        AnswerError: It is none; proxies and captive portals answer in HTML.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise errors.AnswerError(
            f"expected JSON in the answer to {request}, got {body[:64]!r}: check that the address "
            "is that of a Kubernetes API and not of a proxy before it"
        ) from error


def failure(code: int, body: bytes, request: str) -> errors.ApiError:
    """Return the error for an answer of 300 or more."""
    try:
        decoded = orjson.loads(body)
    except orjson.JSONDecodeError:
        decoded = None
    return errors.from_answer(code, decoded, body.decode(errors="replace"), request=request)


def event(line: bytes, request: str) -> Event:
    """Return one line of a watch as an event.

    Raises:
        ApiError: The line is an ERROR event: GoneError where the resourceVersion is too old.
        AnswerError: The line is no event.
    """
    decoded = decode(line, request)
    if not isinstance(decoded, dict) or not isinstance(decoded.get("object"), dict):
        raise errors.AnswerError(
            f"expected an event with type and object from {request}, got {line[:64]!r}"
        )
    if decoded.get("type") == "ERROR":
        raise errors.from_status(decoded["object"], request=request)
    return Event(str(decoded.get("type")), decoded["object"])


def warnings(headers: Iterable[str]) -> Iterator[str]:
    """Yield the texts of ``Warning`` headers, of which each may hold several."""
    for header in headers:
        for match in _WARNING.finditer(header):
            yield re.sub(r"\\(.)", r"\1", match[1])


class Lines:
    """Cuts a byte stream into lines; keeps what is not whole yet, up to a bound."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._parts: list[bytes] = []
        self._kept_bytes = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take the next bytes and return the lines that they complete, without line ends.

        Raises:
            AnswerError: A line is longer than allowed.
        """
        *ends, rest = chunk.split(b"\n")
        lines = []
        for end in ends:
            self._keep(end)
            lines.append(b"".join(self._parts))
            self._parts, self._kept_bytes = [], 0
        self._keep(rest)
        return [line for line in lines if line.strip()]

    @property
    def is_between(self) -> bool:
        """Whether no line is half read."""
        return not self._kept_bytes

    def _keep(self, part: bytes) -> None:
        self._kept_bytes += len(part)
        if self._kept_bytes > self._max_bytes:
            raise errors.AnswerError(
                f"expected watch events of at most {self._max_bytes} bytes, got a longer one"
            )
        if part:
            self._parts.append(part)
