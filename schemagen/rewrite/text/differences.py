"""Unified differences of files, as ``patch`` and ``git apply`` take them. Pure."""

import difflib
from collections.abc import Iterator

_NO_LINE_FEED = "\\ No newline at end of file\n"


def unified(source: str, before: bytes, after: bytes) -> str:
    """Return the difference of two contents of a file; empty if there is none."""
    texts = [content.decode(errors="surrogateescape") for content in (before, after)]
    old, new = (_lines(text) for text in texts)
    name = source.lstrip("/")
    lines = difflib.unified_diff(old, new, f"a/{name}", f"b/{name}")
    return "".join(_with_line_feeds(lines))


def _lines(text: str) -> list[str]:
    """Split only at line feeds: a carriage return belongs to its line."""
    *lines, last = text.split("\n")
    return [f"{line}\n" for line in lines] + ([last] if last else [])


def _with_line_feeds(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        yield line if line.endswith("\n") else f"{line}\n{_NO_LINE_FEED}"
