"""Texts from outside: decoded, or cut to a size, so that they stay valid and say so. Pure."""

from typing import Final, TypeVar

import msgspec

MAX_URL: Final = 2048
ELLIPSIS: Final = "…"
T = TypeVar("T")


class UnreadableError(Exception):
    """A text is not what it should be; its message contains no part of it."""


def decoded(decoder: "msgspec.json.Decoder[T]", body: bytes) -> T:
    """Decode a body.

    Raises:
        UnreadableError: It does not match.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise UnreadableError(str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # Messages of these quote the input, or give positions in it only.
        raise UnreadableError("expected JSON in UTF-8") from error


def fitting(text: str, max_bytes: int, mark: str = ELLIPSIS) -> str:
    """Return a text of at most this many bytes of UTF-8: cut between characters, and marked.

    Args:
        text: Any text.
        max_bytes: At least the size of the mark.
        mark: What a cut text ends with.
    """
    data = text.encode()
    if len(data) <= max_bytes:
        return text
    end = max_bytes - len(mark.encode())
    return data[:end].decode("utf-8", "ignore") + mark


def shortened(text: str, max_characters: int) -> str:
    """Return a text of at most this many characters: cut, and marked."""
    if len(text) <= max_characters:
        return text
    return text[: max_characters - len(ELLIPSIS)] + ELLIPSIS


def line(text: str) -> str:
    """Return a text as one line: runs of whitespace become a space."""
    return " ".join(text.split())


def url(text: str) -> str:
    """Return a URL if it is one of HTTP and fits, else an empty text: it is shown as a link."""
    is_usable = (
        text.startswith(("https://", "http://"))
        and len(text) <= MAX_URL
        and text.isprintable()
        and " " not in text
    )
    return text if is_usable else ""
