"""Regular expressions in RE2, as Go's regexp."""

import functools
from typing import Any

import re2

from schemagen.cel.library.registry import ANY, function
from schemagen.cel.values import EvaluationError, UndecidedError, Value, no_such_overload

_KEPT = 256

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False


@functools.lru_cache(_KEPT)
def compiled(pattern: str) -> Any:
    """Return the compiled pattern.

    Raises:
        UndecidedError: if it is invalid, as Go's error message is unknown.
    """
    try:
        return re2.compile(pattern, _OPTIONS)
    except re2.error as error:
        raise UndecidedError("a pattern that is not a regular expression") from error


@function("matches", str, str)
def matches(text: str, pattern: str) -> bool:
    """Return whether the pattern matches anywhere in the text."""
    return compiled(pattern).search(text) is not None


@function("matches", str, ANY)
def no_pattern(text: str, pattern: Value) -> bool:
    """Refuse a pattern that is not a string."""
    del text, pattern
    raise no_such_overload()


@function("matches", ANY, ANY)
def no_text(text: Value, pattern: Value) -> bool:
    """Refuse a text that is not a string."""
    del text, pattern
    raise EvaluationError("no such overload: matches")


@function("find", str, str)
def find(text: str, pattern: str) -> str:
    """Return the first match, or none."""
    match = compiled(pattern).search(text)
    return "" if match is None else str(match[0])


@function("findAll", str, str)
def find_all(text: str, pattern: str) -> list[Value]:
    """Return all matches."""
    return find_some(text, pattern, -1)


@function("findAll", str, str, int)
def find_some(text: str, pattern: str, count: int) -> list[Value]:
    """Return a number of matches; a negative count means all. As regexp.FindAllString.

    An empty match right after another match does not count.
    """
    expression = compiled(pattern)
    results: list[Value] = []
    at, last_end = 0, -1
    while at <= len(text) and (count < 0 or len(results) < count):
        match = expression.search(text, at)
        if match is None:
            break
        start, end = match.span()
        if end > start or end != last_end:
            results.append(text[start:end])
        last_end = end
        at = end if end > at else at + 1
    return results
