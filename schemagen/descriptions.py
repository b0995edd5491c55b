"""Descriptions in a schema: a docstring as ``kubectl explain`` shows it, as long as allowed.

Lines of a paragraph are joined, since kubectl wraps them itself; paragraphs, lists, indented text
and code between fences keep their lines.
"""

import inspect
import re
from collections.abc import Iterable, Iterator
from typing import Any

from schemagen.model import markers

# A list's item, a heading of Google's style, a table's row, a doctest, or what is indented: a line
# that begins anew.
_OWN_LINE = re.compile(r"(?:[-*+\u2022] |\d+[.)] |\||>|#|\s|[A-Z][\w ]*:$)")
_FENCE = re.compile(r"\s*(?:```|~~~)")


def fitted(text: str | None, longest: int | None) -> str:
    """A text without its indentation; past the limit, its first sentences or words."""
    if not text or longest == 0:
        return ""
    whole = "\n".join(_lines(inspect.cleandoc(text))).strip()
    if longest is None or len(whole) <= longest:
        return whole
    return _cut(whole.partition("\n")[0], longest)


def limit_of(metadata: Iterable[Any], longest: int | None) -> int | None:
    """The limit for a field: its own, but none where descriptions are left out altogether."""
    own = [marker.limit for marker in metadata if isinstance(marker, markers.MaxDescription)]
    return min(own) if own and longest != 0 else longest


def _cut(line: str, longest: int) -> str:
    if len(line) <= longest:
        return line
    sentence, full_stop, _ = line[: longest + 1].rpartition(". ")
    if full_stop:
        return sentence + "."
    return line[: longest - 1].rpartition(" ")[0] + "…" if longest > 1 else ""


def _lines(text: str) -> Iterator[str]:
    """The lines of a text, those of a paragraph as one."""
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
