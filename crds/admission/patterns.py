"""Patterns of the operator's settings: ``*`` is the only wildcard. Pure."""

import fnmatch
import functools
import re
from collections.abc import Callable, Iterable


def matching(
    texts: Iterable[str], patterns: Iterable[str], canonical: Callable[[str], str] = str
) -> str | None:
    """Return the first pattern that one of the texts matches.

    Args:
        texts: Spellings of a name.
        patterns: Patterns, as written by the operator.
        canonical: Normalizes a pattern to the spelling of the texts.
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
