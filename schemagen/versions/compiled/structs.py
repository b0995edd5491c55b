"""A schema's shape as a type for msgspec to decode JSON into: declared fields and types.

A value that decodes conforms to the schema unchanged: no unknown fields, other types or nulls.
Bounds and patterns are ignored, as a stored object may violate them (see ``schema_coverage``).
"""

import functools
import types
from typing import Any, Final

import msgspec
import orjson

from schemagen.schema.structural import Schema

RAW: Final[Schema] = {"type": "raw"}
"""The schema of a value whose bytes are passed through."""

_SCALARS: Final[dict[str, Any]] = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": int | float,
    "raw": msgspec.Raw,
}
# Any value but null, which no schema allows in place of a value.
_ANYTHING: Final[Any] = str | int | float | bool | list[Any] | dict[str, Any]


def type_of(schema: Schema | None) -> Any:
    """Return the type of exactly what a schema's node allows; None if there is none."""
    return None if schema is None else _type_of(orjson.dumps(_outline(schema)))


def attribute(name: str) -> str:
    """Return the struct attribute of a field: neither a keyword nor a name of msgspec's."""
    return f"{name}_" if name.isidentifier() else "f_" + name.encode().hex()


def _outline(schema: Schema) -> Schema:
    """Return what a type depends on: nodes with the same outline have the same type."""
    outline: Schema = {key: schema[key] for key in _FLAGS if key in schema}
    if "properties" in schema:
        outline["properties"] = {
            name: _outline(child) for name, child in schema["properties"].items()
        }
    for key in ("items", "additionalProperties"):
        if key in schema:
            outline[key] = _outline(schema[key])
    return outline


_FLAGS: Final = ("type", "x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields")


@functools.cache
def _type_of(outline: bytes) -> Any:
    schema = orjson.loads(outline)
    if schema.get("x-kubernetes-int-or-string"):
        return int | str
    match schema.get("type"):
        case None:
            return _ANYTHING
        case "object":
            return _object(schema)
        case "array":
            items = type_of(schema["items"])
            return None if items is None else types.GenericAlias(list, (items,))
        case scalar:
            return _SCALARS[scalar]


def _object(schema: Schema) -> Any:
    properties, rest = schema.get("properties", {}), schema.get("additionalProperties")
    if rest is not None:
        values = type_of(rest)
        return None if values is None or properties else types.GenericAlias(dict, (str, values))
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return None if properties else dict[str, Any]
    return _struct(properties)


def _struct(properties: dict[str, Schema]) -> Any:
    """Return a struct with a field for each property that has a type; all fields are optional."""
    typed = {name: type_of(child) for name, child in properties.items()}
    return msgspec.defstruct(
        "Fields",
        [
            (attribute(name), kind | msgspec.UnsetType, msgspec.UNSET)
            for name, kind in typed.items()
            if kind is not None
        ],
        rename={attribute(name): name for name in typed},
        forbid_unknown_fields=True,
        gc=False,
    )
