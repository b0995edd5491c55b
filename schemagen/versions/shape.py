"""Whether, or how far, a schema holds a value: declared fields only, of the declared types."""

import functools
import operator
from collections.abc import Callable, Mapping
from typing import TypeAlias

from schemagen import structural
from schemagen.model import base
from schemagen.problems import JSON
from schemagen.structural import Schema
from schemagen.versions.steps import ABSENT

Fit: TypeAlias = Callable[[JSON], JSON]
"""What of a value a schema has a place for: the value itself if all, ABSENT if its type is wrong.

What does not fit would be pruned by the API server, or make server-side apply fail later.
"""


@functools.cache
def schema_of(model: type[base.Model]) -> Schema:
    """The model's schema without descriptions, made once."""
    return structural.schema_of(model, descriptions=False)


@functools.cache
def fields_of(model: type[base.Model]) -> Mapping[str, Fit]:
    """How each field of a model fits, made once."""
    return {name: fit_of(child) for name, child in schema_of(model)["properties"].items()}


@functools.cache
def _fit_of_model(model: type[base.Model]) -> Fit:
    return fit_of(schema_of(model))


def holds(model: type[base.Model], value: JSON) -> bool:
    """Whether a typed field can take a free-form value over: nothing pruned, missing or foreign.

    Bounds and patterns are not looked at: a stored object keeps a value that breaks one.
    """
    return _fit_of_model(model)(value) is value and _is_complete(schema_of(model), value)


def fit_of(schema: Schema) -> Fit:
    """The fit of a schema's node and of all below it: closures, as conversions wait for them."""
    if schema.get("x-kubernetes-int-or-string"):
        return _of_types(int, str)
    match schema.get("type"):
        case None:
            return _anything
        case "object":
            return _object(schema)
        case "array":
            return _list(fit_of(schema["items"]))
        case "number":
            return _of_types(int, float)
        case scalar:
            return _of_type({"string": str, "boolean": bool, "integer": int}[scalar])


def _anything(value: JSON) -> JSON:
    return ABSENT if value is None else value


def _kept(value: JSON) -> JSON:
    return value


def _of_type(kind: type) -> Fit:
    return lambda value: value if value.__class__ is kind else ABSENT


def _of_types(*kinds: type) -> Fit:
    return lambda value: value if value.__class__ in kinds else ABSENT


def _list(fit: Fit) -> Fit:
    def fitted(value: JSON) -> JSON:
        if value.__class__ is not list:
            return ABSENT
        items = [fit(item) for item in value]
        if all(map(operator.is_, items, value)):
            return value
        return [item for item in items if item is not ABSENT]

    return fitted


def _object(schema: Schema) -> Fit:
    fields = {name: fit_of(child) for name, child in schema.get("properties", {}).items()}
    values = schema.get("additionalProperties")
    rest = fit_of(values) if values is not None else None
    if rest is None and "x-kubernetes-preserve-unknown-fields" in schema:
        rest = _kept

    def fitted(value: JSON) -> JSON:
        if value.__class__ is not dict:
            return ABSENT
        for name, item in value.items():
            fit = fields.get(name, rest)
            if fit is None or fit(item) is not item:
                return trimmed(value)
        return value

    def trimmed(value: dict[str, JSON]) -> dict[str, JSON]:
        fits = ((name, item, fields.get(name, rest)) for name, item in value.items())
        fitting = ((name, fit(item)) for name, item, fit in fits if fit is not None)
        return {name: item for name, item in fitting if item is not ABSENT}

    return fitted


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
