"""Warnings in admission responses, within the API server's limits.

kube-apiserver drops a warning with a control character, and truncates all of them beyond 4096
characters in total (apiserver endpoints/handlers, KEP-1693); the API recommends at most 120 each,
and kubectl prints each on a line.
"""

from collections.abc import Iterable
from typing import Final

from schemagen import Problem

MAX_CHARACTERS: Final = 256
MAX_TOTAL: Final = 4096


def of(problems: Iterable[Problem]) -> list[str]:
    """Format problems as warnings while there is room; the last one counts the omitted ones."""
    texts = [*dict.fromkeys(_text(f"{problem.path}: {problem.message}") for problem in problems)]
    kept: list[str] = []
    room = MAX_TOTAL - MAX_CHARACTERS
    for text in texts:
        room -= len(text)
        if room < 0:
            return [*kept, f"and {len(texts) - len(kept)} more warnings"]
        kept.append(text)
    return kept


def _text(text: str) -> str:
    printable = "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text
    )
    if len(printable) <= MAX_CHARACTERS:
        return printable
    return printable[: MAX_CHARACTERS - 1] + "\N{HORIZONTAL ELLIPSIS}"
