"""The head of a request as it is received, and the bytes of a response. Pure."""

from http import HTTPStatus
from typing import Final

from webhooks.answers import Answer

_STATUS_LINES: Final = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}
_CLOSE: Final = b"Connection: close\r\n"


class RequestHead:
    """The head of a request; it grows while it is received.

    Attributes:
        size: Bytes of target and headers.
        length: Content-Length; 0 without one.
        is_continued: Whether the client waits for ``100 Continue`` before it sends the body.
    """

    __slots__ = (
        "content_type",
        "encoding",
        "is_continued",
        "length",
        "size",
        "traceparent",
        "url",
    )

    def __init__(self) -> None:
        self.url = b""
        self.size = self.length = 0
        self.content_type = self.encoding = self.traceparent = ""
        self.is_continued = False

    def add(self, name: bytes, value: bytes) -> None:
        """Add a header."""
        match name.lower():
            case b"content-type":
                self.content_type = value.decode("latin-1")
            case b"content-encoding":
                self.encoding = value.decode("latin-1")
            case b"traceparent":
                self.traceparent = value.decode("latin-1")
            case b"content-length":
                self.length = int(value) if value.isdigit() else 0
            case b"expect":
                self.is_continued = value.lower() == b"100-continue"


def encoded(answer: Answer, *, is_last: bool) -> bytes:
    """Encode a response; after the last one the connection is closed."""
    head = (
        f"Content-Type: {answer.content_type}\r\nContent-Length: {len(answer.body)}\r\n"
    ).encode()
    close = _CLOSE if is_last else b""
    return b"".join((_STATUS_LINES[answer.status], head, close, b"\r\n", answer.body))
