"""Warnings that the API server passes on as they are.

kube-apiserver drops a warning with a control character, and cuts all of them once they are longer
than 4096 characters together (apiserver endpoints/handlers, KEP-1693); the API asks for at most 120
each, and kubectl prints each on a line.
"""

from collections.abc import Iterable
from typing import Final

from schemagen import Problem

MAX_CHARACTERS: Final = 256
MAX_TOTAL: Final = 4096


def of(problems: Iterable[Problem]) -> list[str]:
    """A warning for each problem, as far as there is room; the last one says how many are left."""
    texts = [*dict.fromkeys(_text(f"{one.path}: {one.message}") for one in problems)]
    kept: list[str] = []
    room = MAX_TOTAL - MAX_CHARACTERS
    for text in texts:
        room -= len(text)
        if room < 0:
            return [*kept, f"and {len(texts) - len(kept)} warnings more"]
        kept.append(text)
    return kept


def _text(text: str) -> str:
    printable = "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)
    if len(printable) <= MAX_CHARACTERS:
        return printable
    return printable[: MAX_CHARACTERS - 1] + "\N{HORIZONTAL ELLIPSIS}"
