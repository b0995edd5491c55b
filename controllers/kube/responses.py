"""Parses responses of a Kubernetes API. Pure; imports only the errors."""

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
    """A collection at a resourceVersion."""

    items: tuple[JSON, ...]
    resource_version: str
    """Where to start a watch."""


@dataclasses.dataclass(frozen=True, slots=True)
class Event:
    """A watch event."""

    type: str
    """ADDED, MODIFIED, DELETED or BOOKMARK; newer API servers may send others."""
    object: JSON

    @property
    def resource_version(self) -> str:
        """Where to resume the watch after this event."""
        return str(self.object["metadata"]["resourceVersion"])


def decode(body: bytes, request: str) -> Any:
    """Decode a body as JSON.

    Raises:
        AnswerError: It is not JSON, as from proxies and captive portals.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise errors.AnswerError(
            f"expected JSON in the response to {request}, got {body[:64]!r}: check that the "
            "address is that of a Kubernetes API and not of a proxy in front of it"
        ) from error


def failure(code: int, body: bytes, request: str) -> errors.ApiError:
    """Return the error for a response with status 300 or above."""
    try:
        decoded = orjson.loads(body)
    except orjson.JSONDecodeError:
        decoded = None
    return errors.from_answer(code, decoded, body.decode(errors="replace"), request=request)


def event(line: bytes, request: str) -> Event:
    """Parse a line of a watch.

    Raises:
        ApiError: The line is an ERROR event: GoneError if the resourceVersion is too old.
        AnswerError: The line is not an event.
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
    """Yield the texts of ``Warning`` headers; a header may have several."""
    for header in headers:
        for match in _WARNING.finditer(header):
            yield re.sub(r"\\(.)", r"\1", match[1])


class Lines:
    """Splits a byte stream into lines, buffering an incomplete line up to a limit."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._parts: list[bytes] = []
        self._kept_bytes = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """Add bytes and return the completed lines, without line ends.

        Raises:
            AnswerError: A line exceeds the limit.
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
        """Whether no incomplete line is buffered."""
        return not self._kept_bytes

    def _keep(self, part: bytes) -> None:
        self._kept_bytes += len(part)
        if self._kept_bytes > self._max_bytes:
            raise errors.AnswerError(
                f"expected watch events of at most {self._max_bytes} bytes, got a longer one"
            )
        if part:
            self._parts.append(part)
