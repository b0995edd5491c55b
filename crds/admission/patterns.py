"""Patterns of the operator's settings: ``*`` is any text, and nothing else is special. Pure."""

import fnmatch
import functools
import re
from collections.abc import Callable, Iterable


def matching(
    texts: Iterable[str], patterns: Iterable[str], canonical: Callable[[str], str] = str
) -> str | None:
    """The first of the patterns that one of the texts matches.

    Args:
        texts: The spellings of a name.
        patterns: As the operator wrote them.
        canonical: Spells a pattern as the texts are spelt.
    """
    given = tuple(texts)
    for pattern in patterns:
        compiled = _compiled(canonical(pattern))
        if any(compiled.fullmatch(text) for text in given):
            return pattern
    return None


@functools.lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(re.sub(r"[\[?]", r"[\g<0>]", pattern)))
