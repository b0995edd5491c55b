"""Steps of values in words. Pure."""

import fractions
from collections.abc import Callable, Mapping
from typing import Final

from schemagen.pages.reference import constraints
from schemagen.problems import JSON
from schemagen.versions import records, steps
from schemagen.versions.steps import Step

_SHOWN_WORDS: Final = 8
_EXAMPLE_SECONDS: Final = 5400


def of(step: Step) -> str:
    """Return what a step does, with code in backquotes; empty if it keeps the value."""
    if step is steps.KEEP:
        return ""
    for known, words in _WORDS.items():
        if isinstance(step, known):
            return words(step)
    return "converted by a function of the API"


def shown(value: JSON) -> str:
    """Return a value as in a manifest, in one line."""
    return constraints.written(value)


def _pairs(pairs: Mapping[str, str]) -> str:
    known = [f"`{old}` is `{new}`" for old, new in pairs.items() if old != new]
    more = len(known) - _SHOWN_WORDS
    return ", ".join(known[:_SHOWN_WORDS]) + (f" and {more} more" if more > 0 else "")


def _seconds(step: steps.Seconds) -> str:
    example = min(max(_EXAMPLE_SECONDS, step.least), step.most)
    return f"seconds become a duration: `{example}` is `{step.text(example)}`"


def _scaled(step: steps.Scaled) -> str:
    factor: fractions.Fraction = step.factor
    if factor.numerator == 1:
        return f"divided by {factor.denominator}"
    return f"multiplied by {factor}"


def _integer(step: steps.Integer) -> str:
    if step.least == steps.integer().least and step.most == steps.integer().most:  # type: ignore[attr-defined] # an Integer
        return "kept if it is a 32-bit integer"
    return f"kept if it is an integer from {step.least} to {step.most}"


def _typed(step: steps.Typed) -> str:
    names = {str: "a string", int: "an integer", bool: "true or false", dict: "an object"}
    kind = names.get(step.kind, "a list" if step.kind is list else "of the type")
    return f"kept if it is {kind}" + (" that the field allows" if step.allows else "")


def _guarded(step: steps.Guarded) -> str:
    inner = of(step.step)
    return (
        f"{inner}, where the newer field allows it" if inner else "kept where the field allows it"
    )


_WORDS: Final[Mapping[type, Callable[[JSON], str]]] = {
    steps.Words: lambda step: _pairs(step.pairs),
    steps.Respelled: lambda step: _pairs(step.pairs),
    steps.Seconds: _seconds,
    steps.Scaled: _scaled,
    steps.Pairs: lambda step: f"the map becomes a list of `{step.key}` and `{step.value}`",
    steps.Wrap: lambda step: f"each string becomes an object with `{step.key}`",
    steps.Integer: _integer,
    steps.Typed: _typed,
    steps.OneWay: lambda step: f"{of(step.step) or 'kept'}; read, and never written back",
    steps.Guarded: _guarded,
    records.Record: lambda _: "field by field",
}
