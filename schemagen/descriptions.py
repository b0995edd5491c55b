"""Descriptions in a schema: the first paragraph of a text, as long as allowed."""

from collections.abc import Iterable
from typing import Any

from schemagen.model import markers


def fitted(text: str | None, longest: int | None) -> str:
    """A text's first paragraph on one line; past the limit, its last whole sentence or word."""
    if not text or longest == 0:
        return ""
    line = " ".join(text.strip().split("\n\n", maxsplit=1)[0].split())
    if longest is None or len(line) <= longest:
        return line
    sentence, full_stop, _ = line[: longest + 1].rpartition(". ")
    if full_stop:
        return sentence + "."
    return line[: longest - 1].rpartition(" ")[0] + "…" if longest > 1 else ""


def limit_of(metadata: Iterable[Any], longest: int | None) -> int | None:
    """The limit for a field: its own, but none where descriptions are left out altogether."""
    own = [marker.limit for marker in metadata if isinstance(marker, markers.MaxDescription)]
    return min(own) if own and longest != 0 else longest
