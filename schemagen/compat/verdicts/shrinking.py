"""Shrink an object to a smaller one that still shows the same. Pure."""

from collections.abc import Callable, Iterator
from typing import Final

from schemagen.differential import generation
from schemagen.problems import JSON

_TRIES: Final = 60
_LONG: Final = 40


def smallest(value: JSON, still: Callable[[JSON], bool]) -> JSON:
    """Remove and shorten parts of an object while ``still`` holds, a bounded number of times."""
    tries = 0
    progress = True
    while progress:
        progress = False
        for candidate in _smaller(value):
            tries += 1
            if tries > _TRIES:
                return value
            if still(candidate):
                value, progress = candidate, True
                break
    return value


def _smaller(value: JSON) -> Iterator[JSON]:
    places = sorted((path for path, _ in generation.places_of(value, {}) if path), key=len)
    for path in places:
        yield generation.without(value, path)
    for path in places:
        part = generation.at(value, path)
        if isinstance(part, str) and len(part) > _LONG:
            yield generation.replaced(value, path, part[: len(part) // 2])
