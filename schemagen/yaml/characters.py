"""The characters of a YAML document's bytes, as go.yaml.in/yaml/v2 decodes them."""

import codecs
import dataclasses
import re

# YAML 1.1's c-printable.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# The reader decodes this many bytes at a time, and finds what is wrong in them when it needs the
# first: what follows the end of a document further away is never looked at.
_WINDOW = 512

# How long a sequence of UTF-8 is, by its first byte: what is below.
_WIDTHS = ((0x80, 1), (0xC0, 1), (0xE0, 2), (0xF0, 3), (0xF8, 4))
_KIND_OF_BYTE, _FURTHER_BYTE = 0xC0, 0x80
# The upper byte of UTF-16's halves.
_KIND_OF_HALF, _FIRST_HALF, _SECOND_HALF = 0xFC, 0xD8, 0xDC

_MARK = "\ufeff"
_UTF8_MARK = codecs.BOM_UTF8
_ENCODINGS = ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


@dataclasses.dataclass(frozen=True)
class Characters:
    """What could be decoded.

    Attributes:
        text: The characters, without a byte order mark.
        problem: Why no more could be; None if that is all.
        line: The line, from 0, that shows it.
    """

    text: str
    problem: str | None = None
    line: int = 0


def decode(content: bytes) -> Characters:
    """The characters of a document."""
    mark, encoding = next(
        (found for found in _ENCODINGS if content.startswith(found[0])), (b"", "utf-8")
    )
    if content.startswith(_UTF8_MARK):
        mark = _UTF8_MARK
    try:
        text = content[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        fault = len(mark) + error.start
        problem = f"expected {encoding.upper()}, got the byte 0x{content[fault]:02x}"
        return _until(content, mark, encoding, fault, problem)
    if found := _FORBIDDEN.search(text):
        start = len(mark) + len(text[: found.start()].encode(encoding))
        problem = "control characters are not allowed"
        return _until(content, mark, encoding, start, problem)
    if text.startswith(_MARK):
        # The reader would take the second one, and the first character of each line, for nothing.
        return Characters("", "expected one byte order mark, got two")
    return Characters(text)


def _until(content: bytes, mark: bytes, encoding: str, fault: int, problem: str) -> Characters:
    """What is decoded before the character at fault is looked at."""
    start = 0
    while start + _WINDOW <= fault:
        start = _last_whole(content, start + _WINDOW, encoding)
    # A character that its window does not hold to its end is left for the next.
    is_cut = fault + _width(content, fault, encoding) > min(start + _WINDOW, len(content))
    end = fault if is_cut else max(start, len(mark))
    text = content[len(mark) : end].decode(encoding)
    return Characters(text, problem, content.count(b"\n", 0, fault))


def _width(content: bytes, position: int, encoding: str) -> int:
    """How many bytes a character has by its first."""
    if encoding != "utf-8":
        return 2 if _is_whole(content, position, encoding) else 4
    first = content[position]
    return next((width for limit, width in _WIDTHS if first < limit), 1)


def _is_whole(content: bytes, position: int, encoding: str) -> bool:
    """Whether two bytes of UTF-16 are a character."""
    high = content[position : position + 2][-1 if encoding == "utf-16-le" else 0]
    return high & _KIND_OF_HALF != _FIRST_HALF


def _last_whole(content: bytes, end: int, encoding: str) -> int:
    """Where the last character that is whole before ``end`` ends."""
    step = 1 if encoding == "utf-8" else 2
    while end > 0 and not _is_start(content, end, encoding):
        end -= step
    return end


def _is_start(content: bytes, position: int, encoding: str) -> bool:
    """Whether a character starts at a position."""
    if encoding == "utf-8":
        return content[position] & _KIND_OF_BYTE != _FURTHER_BYTE
    high = content[position : position + 2][-1 if encoding == "utf-16-le" else 0]
    return high & _KIND_OF_HALF != _SECOND_HALF
