"""Schema descriptions: docstrings as ``kubectl explain`` shows them, within a length limit.

Lines of a paragraph are joined, since kubectl wraps them itself; paragraphs, lists, indented text
and fenced code keep their lines.
"""

import inspect
import re
from collections.abc import Iterable, Iterator
from typing import Any

from schemagen.model import base, markers, object_types

# Lines that are not joined to the previous one: list item, Google-style heading, table row,
# doctest, indented text.
_OWN_LINE = re.compile(r"(?:[-*+\u2022] |\d+[.)] |\||>|#|\s|[A-Z][\w ]*:$)")
_FENCE = re.compile(r"\s*(?:```|~~~)")


def fitted(text: str | None, max_length: int | None) -> str:
    """Return a dedented text, shortened to its first sentences or words if over the limit."""
    if not text or max_length == 0:
        return ""
    full = "\n".join(_lines(inspect.cleandoc(text))).strip()
    if max_length is None or len(full) <= max_length:
        return full
    return _cut(full.partition("\n")[0], max_length)


def shortened(text: str | None, max_length: int | None) -> str:
    """Return a text as it is, or its first sentences or words if over the limit."""
    if not text or max_length is None:
        return text or ""
    return text if len(text) <= max_length else _cut(text.partition("\n")[0], max_length)


def of_object(shape: object_types.Shape, max_length: int | None, *, is_verbatim: bool) -> str:
    """Return the description of an object: the docstring, or the text that replaces it."""
    if not is_verbatim:
        return fitted(shape.description, max_length)
    is_resource = issubclass(shape.kind, base.Resource)
    text = shape.kind.kind_metadata.description if is_resource else ""
    return shortened(text, max_length)


def limit_of(metadata: Iterable[Any], max_length: int | None) -> int | None:
    """Return the limit for a field: its own marker, or 0 where all descriptions are dropped."""
    own = [marker.limit for marker in metadata if isinstance(marker, markers.MaxDescription)]
    return min(own) if own and max_length != 0 else max_length


def _cut(line: str, max_length: int) -> str:
    if len(line) <= max_length:
        return line
    sentence, full_stop, _ = line[: max_length + 1].rpartition(". ")
    if full_stop:
        return sentence + "."
    return line[: max_length - 1].rpartition(" ")[0] + "…" if max_length > 1 else ""


def _lines(text: str) -> Iterator[str]:
    """Return the lines of a text, each paragraph joined to one."""
    paragraph: list[str] = []
    is_code = False
    for line in map(str.rstrip, text.splitlines()):
        is_fence = _FENCE.match(line) is not None
        if is_code or is_fence or not line or _OWN_LINE.match(line):
            yield from _joined(paragraph)
            paragraph = []
            is_code ^= is_fence
            yield line
        else:
            paragraph.append(line)
    yield from _joined(paragraph)


def _joined(paragraph: list[str]) -> Iterator[str]:
    if paragraph:
        yield " ".join(" ".join(paragraph).split())
