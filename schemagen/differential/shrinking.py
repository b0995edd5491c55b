"""Shrink an object to a minimal one that still shows the same result."""

from collections.abc import Awaitable, Callable, Iterator

from schemagen.differential import generation
from schemagen.problems import JSON

Still = Callable[[JSON], Awaitable[bool]]

# Limit of requests for one difference.
_QUESTIONS = 400


async def smallest(value: JSON, still: Still, *, kept: frozenset[str] = frozenset()) -> JSON:
    """Remove and shorten parts of a value while ``still`` holds.

    Args:
        value: The start value; ``still(value)`` holds.
        still: Whether a smaller value shows the same result.
        kept: Top-level fields left unchanged.
    """
    questions = 0
    progress = True
    while progress and questions < _QUESTIONS:
        progress = False
        for candidate in _smaller(value, kept):
            questions += 1
            if questions >= _QUESTIONS:
                break
            if await still(candidate):
                value, progress = candidate, True
                break
    return value


def _smaller(value: JSON, kept: frozenset[str]) -> Iterator[JSON]:
    """Yield smaller values, most promising first: parts removed, then scalars shortened."""
    places = [path for path, _ in generation.places_of(value, {}) if path and path[0] not in kept]
    for path in sorted(places, key=len):
        yield generation.without(value, path)
    for path in places:
        for part in _simpler(generation.at(value, path)):
            yield generation.replaced(value, path, part)


def _simpler(value: JSON) -> Iterator[JSON]:
    if isinstance(value, str) and len(value) > 1:
        half = len(value) // 2
        yield from (value[:half], value[half:], value[:-1], value[1:])
    elif isinstance(value, int | float) and not isinstance(value, bool) and abs(value) > 1:
        yield from (type(value)(0), type(value)(1), type(value)(value / 2))
