"""Decode the bytes of a YAML document, as go.yaml.in/yaml/v2 does."""

import codecs
import dataclasses
import re

# YAML 1.1's c-printable.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# The reader decodes this many bytes at a time, and reports errors in them when it needs the first:
# what follows the end of a document further away is never checked.
_WINDOW = 512

# Length of a UTF-8 sequence by its first byte: upper limits.
_WIDTHS = ((0x80, 1), (0xC0, 1), (0xE0, 2), (0xF0, 3), (0xF8, 4))
_KIND_OF_BYTE, _FURTHER_BYTE = 0xC0, 0x80
# The upper byte of UTF-16 surrogates.
_KIND_OF_HALF, _FIRST_HALF, _SECOND_HALF = 0xFC, 0xD8, 0xDC

_MARK = "\ufeff"
_UTF8_MARK = codecs.BOM_UTF8
_ENCODINGS = ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


@dataclasses.dataclass(frozen=True)
class Characters:
    """Decoded text.

    Attributes:
        text: The characters, without a byte order mark.
        problem: Why decoding stopped; None at the end.
        line: The line of the problem, from 0.
    """

    text: str
    problem: str | None = None
    line: int = 0


def decode(content: bytes) -> Characters:
    """Decode the characters of a document."""
    mark, encoding = next(
        (match for match in _ENCODINGS if content.startswith(match[0])), (b"", "utf-8")
    )
    if content.startswith(_UTF8_MARK):
        mark = _UTF8_MARK
    try:
        text = content[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        fault = len(mark) + error.start
        problem = f"expected {encoding.upper()}, got the byte 0x{content[fault]:02x}"
        return _until(content, mark, encoding, fault, problem)
    if match := _FORBIDDEN.search(text):
        start = len(mark) + len(text[: match.start()].encode(encoding))
        problem = "control characters are not allowed"
        return _until(content, mark, encoding, start, problem)
    if text.startswith(_MARK):
        # The reader would silently drop the second one, and the first character of each line.
        return Characters("", "expected one byte order mark, got two")
    return Characters(text)


def _until(content: bytes, mark: bytes, encoding: str, fault: int, problem: str) -> Characters:
    """Return what is decoded before the invalid character is read."""
    start = 0
    while start + _WINDOW <= fault:
        start = _last_whole(content, start + _WINDOW, encoding)
    # A character cut off by its window is left for the next.
    is_cut = fault + _width(content, fault, encoding) > min(start + _WINDOW, len(content))
    end = fault if is_cut else max(start, len(mark))
    text = content[len(mark) : end].decode(encoding)
    return Characters(text, problem, content.count(b"\n", 0, fault))


def _width(content: bytes, position: int, encoding: str) -> int:
    """Return the length of a character in bytes by its first byte."""
    if encoding != "utf-8":
        return 2 if _is_whole(content, position, encoding) else 4
    first = content[position]
    return next((width for limit, width in _WIDTHS if first < limit), 1)


def _is_whole(content: bytes, position: int, encoding: str) -> bool:
    """Return whether two bytes of UTF-16 are a whole character."""
    high = content[position : position + 2][-1 if encoding == "utf-16-le" else 0]
    return high & _KIND_OF_HALF != _FIRST_HALF


def _last_whole(content: bytes, end: int, encoding: str) -> int:
    """Return the end of the last whole character before ``end``."""
    step = 1 if encoding == "utf-8" else 2
    while end > 0 and not _is_start(content, end, encoding):
        end -= step
    return end


def _is_start(content: bytes, position: int, encoding: str) -> bool:
    """Return whether a character starts at a position."""
    if encoding == "utf-8":
        return content[position] & _KIND_OF_BYTE != _FURTHER_BYTE
    high = content[position : position + 2][-1 if encoding == "utf-16-le" else 0]
    return high & _KIND_OF_HALF != _SECOND_HALF
