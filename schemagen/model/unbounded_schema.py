"""Pydantic's core schema of a model without its bounds, which are checked before building.

Pydantic's patterns match more digits than RE2's, and its integers refuse ``1.0000000001``; whatever
the API server accepts must not be refused here.
"""

import enum
import functools
from collections.abc import Callable
from typing import Any

from pydantic_core import CoreSchema, core_schema

_BOUNDS = frozenset(
    {"pattern", "min_length", "max_length", "ge", "gt", "le", "lt", "multiple_of", "strict"}
)
_BOUNDED = frozenset({"str", "int", "float", "list", "set", "frozenset", "tuple", "dict"})
_BELOW = (
    *("schema", "items_schema", "keys_schema", "values_schema", "fields", "choices"),
    *("json_schema", "python_schema", "steps"),  # of a Sequence
)

Resolve = Callable[[CoreSchema], CoreSchema]
"""Resolves a reference to a definition."""


def without_bounds(schema: CoreSchema, resolve: Resolve) -> CoreSchema:
    """Return the schema without bounds."""
    relaxed: CoreSchema = _Relaxation(resolve).relaxed(schema)
    return relaxed


class _Relaxation:
    """One pass over a core schema; follows references, except recursive ones."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self._open: set[str] = set()

    def relaxed(self, schema: Any) -> Any:
        """Return what is below a schema: one, several, or the label beside a choice."""
        if isinstance(schema, list | tuple):
            return type(schema)(self.relaxed(item) for item in schema)
        return self._schema(schema) if isinstance(schema, dict) else schema

    def _schema(self, schema: Any) -> Any:
        kind = schema["type"]
        if kind == "definition-ref":
            return self._inlined(schema)
        if kind == "literal":
            return _of_words(schema)
        if kind == "function-after" and _is_bound(schema):
            return self.relaxed(schema["schema"])
        if kind == "function-wrap" and _is_wire(schema):
            inner = self.relaxed(schema["schema"])
            return core_schema.no_info_wrap_validator_function(_built, inner)
        if kind == "chain" and all(map(_is_bound, schema["steps"][1:])):
            return self.relaxed(schema["steps"][0])
        is_bounded = kind in _BOUNDED
        kept = {
            name: value for name, value in schema.items() if not (is_bounded and name in _BOUNDS)
        }
        return kept | {name: self._below(kept[name]) for name in _BELOW if name in kept}

    def _below(self, below: Any) -> Any:
        """Return the schemas below: one, several, or by name."""
        if isinstance(below, dict) and not isinstance(below.get("type"), str):
            # Union members are selected by the value sent, also by that of an Enum member.
            return {
                name.value if isinstance(name, enum.Enum) else name: self.relaxed(child)
                for name, child in below.items()
            }
        return self.relaxed(below)

    def _inlined(self, reference: Any) -> Any:
        """Return the referenced schema without bounds; own models are already without."""
        name = reference["schema_ref"]
        try:
            target: Any = self._resolve(reference)
        except LookupError:  # a model still being built refers to itself
            return reference
        if name in self._open or target.get("type") in {"function-wrap", "definition-ref"}:
            return reference
        self._open.add(name)
        relaxed = self.relaxed(target)
        self._open.discard(name)
        relaxed.pop("ref", None)
        return relaxed


def _of_words(schema: Any) -> CoreSchema:
    """Make a Literal of Enum members accept their values, which are sent on the wire."""
    members = {word.value: word for word in schema["expected"] if isinstance(word, enum.Enum)}
    if not members:
        words: CoreSchema = schema
        return words
    values = [word.value if isinstance(word, enum.Enum) else word for word in schema["expected"]]
    return core_schema.no_info_after_validator_function(
        lambda value: members.get(value, value), core_schema.literal_schema(values)
    )


def _is_wire(schema: Any) -> bool:
    """Return whether it is the check of a wire type, which sees only a part of the schema."""
    function = schema.get("function", {}).get("function")
    return str(getattr(function, "__qualname__", "")).startswith("_Wire.")


def _built(value: Any, build: core_schema.ValidatorFunctionWrapHandler) -> Any:
    """Keep a list that is accepted for a string with a format (see markers)."""
    return value if isinstance(value, list) else build(value)


def _is_bound(schema: Any) -> bool:
    """Return whether it is one of Pydantic's own functions, for a bound that the schema lacks."""
    function = schema.get("function", {}).get("function")
    function = function.func if isinstance(function, functools.partial) else function
    module: str = getattr(function, "__module__", "")
    # The function that builds a Sequence from its items' schema does not count.
    is_builder = getattr(function, "__name__", "") == "sequence_validator"
    return module.startswith("pydantic._internal.") and not is_builder
