"""Whether, or how far, a schema holds a value: declared fields only, of the declared types."""

import functools

from schemagen import structural
from schemagen.model import base
from schemagen.problems import JSON
from schemagen.structural import Schema
from schemagen.versions.steps import ABSENT

_TYPES: dict[str | None, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
    "integer": (int,),
    "number": (int, float),
}


@functools.cache
def schema_of(model: type[base.Model]) -> Schema:
    """The model's schema without descriptions, made once."""
    return structural.schema_of(model, descriptions=False)


def holds(schema: Schema, value: JSON) -> bool:
    """Whether a typed field can take a free-form value over: nothing pruned, missing or foreign.

    Bounds and patterns are not looked at: a stored object keeps a value that breaks one.
    """
    return trimmed(schema, value) is value and _is_complete(schema, value)


def trimmed(schema: Schema, value: JSON) -> JSON:
    """What of a value the schema has a place for; ABSENT if its very type is another.

    What does not fit would be pruned by the API server, or make server-side apply fail later. A
    value that fits as a whole is returned itself.
    """
    if schema.get("x-kubernetes-int-or-string"):
        return value if type(value) in (int, str) else ABSENT
    expected = schema.get("type")
    if expected is None:
        return ABSENT if value is None else value
    if type(value) not in _TYPES[expected]:
        return ABSENT
    if expected == "object":
        return _trimmed_object(schema, value)
    return _trimmed_list(schema["items"], value) if expected == "array" else value


def _trimmed_list(items: Schema, value: list[JSON]) -> list[JSON]:
    fitted = [trimmed(items, item) for item in value]
    if all(one is other for one, other in zip(fitted, value, strict=True)):
        return value
    return [item for item in fitted if item is not ABSENT]


def _trimmed_object(schema: Schema, value: dict[str, JSON]) -> dict[str, JSON]:
    properties = schema.get("properties", _NOTHING)
    rest = schema.get("additionalProperties")
    if rest is None and "x-kubernetes-preserve-unknown-fields" in schema:
        rest = _ANYTHING
    fitted: dict[str, JSON] = {}
    is_whole = True
    for name, item in value.items():
        field = properties.get(name, rest)
        one = ABSENT if field is None else item if field is _ANYTHING else trimmed(field, item)
        is_whole = is_whole and one is item
        if one is not ABSENT:
            fitted[name] = one
    return value if is_whole else fitted


_NOTHING: Schema = {}
_ANYTHING: Schema = {"x-kubernetes-preserve-unknown-fields": True}


def _is_complete(schema: Schema, value: JSON) -> bool:
    """Whether every required field is there and every enum's word is known, all the way down."""
    if "enum" in schema and value not in schema["enum"]:
        return False
    if type(value) is list and "items" in schema:
        return all(_is_complete(schema["items"], item) for item in value)
    if type(value) is not dict:
        return True
    properties, rest = schema.get("properties", {}), schema.get("additionalProperties", {})
    return all(name in value for name in schema.get("required", ())) and all(
        _is_complete(properties.get(name, rest), item) for name, item in value.items()
    )
