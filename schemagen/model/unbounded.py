"""Pydantic's core schema of a model without its bounds, which were checked before it is built.

Pydantic's patterns know more digits than RE2, and its integers no ``1.0000000001``; what the API
server takes must not be refused here.
"""

from typing import Any

from pydantic_core import CoreSchema

_BOUNDS = frozenset(
    {"pattern", "min_length", "max_length", "ge", "gt", "le", "lt", "multiple_of", "strict"}
)
_BOUNDED = frozenset({"str", "int", "float", "list", "set", "frozenset", "tuple", "dict"})
_BELOW = ("schema", "items_schema", "keys_schema", "values_schema")


def without_bounds(schema: CoreSchema) -> CoreSchema:
    """The same schema, which takes more."""
    return _relaxed(schema)  # type: ignore[no-any-return] # a typed dict of many kinds


def _relaxed(schema: Any) -> Any:
    kind = schema.get("type")
    kept = {
        name: value for name, value in schema.items() if not (kind in _BOUNDED and name in _BOUNDS)
    }
    for name in _BELOW:
        if isinstance(kept.get(name), dict):
            kept[name] = _relaxed(kept[name])
    if kind == "model-fields":
        kept["fields"] = {name: _relaxed(field) for name, field in kept["fields"].items()}
    return kept
