"""Whether, or how far, a schema covers a value: declared fields only, of the declared types."""

import functools
import operator
from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

from schemagen.model import base
from schemagen.problems import JSON
from schemagen.schema import structural
from schemagen.schema.structural import Schema
from schemagen.versions.steps import ABSENT, Hollow

Fit: TypeAlias = Callable[[JSON], JSON]
"""The part of a value that a schema allows: all of it, or ABSENT if its type is wrong. The rest
would be pruned by the API server, or make server-side apply fail later.
"""

ENVELOPE: Final = ("apiVersion", "kind", "metadata")
"""Fields of every resource, whatever its schema says."""
_OPEN: Final[Schema] = {"x-kubernetes-preserve-unknown-fields": True}


@functools.cache
def schema_of(model: type[base.Model]) -> Schema:
    """Return the model's schema without descriptions, cached."""
    return structural.schema_of(model, descriptions=False)


@functools.cache
def root_fit(model: type[base.Model], *, marks_hollow: bool = False) -> Fit:
    """Return the fit of a root model's objects, cached; metadata is passed through.

    Args:
        model: A root model.
        marks_hollow: Whether an optional object of which nothing fits is kept as ``Hollow``.
    """
    properties = {**schema_of(model)["properties"], **dict.fromkeys(ENVELOPE, _OPEN)}
    return _object({**schema_of(model), "properties": properties}, marks_hollow=marks_hollow)


@functools.cache
def _fit_of_model(model: type[base.Model]) -> Fit:
    return fit_of(schema_of(model))


def holds(model: type[base.Model], value: JSON) -> bool:
    """Return whether a typed field can hold a free-form value: nothing pruned, missing or foreign.

    Bounds and patterns are ignored: a stored object keeps a value that violates one.
    """
    return _fit_of_model(model)(value) is value and _is_complete(schema_of(model), value)


def fit_of(schema: Schema, *, marks_hollow: bool = False) -> Fit:
    """Return the fit of a schema's node and everything below it, as closures for speed."""
    fit = _fit_of(schema, marks_hollow=marks_hollow)
    return _or_null(fit) if schema.get("nullable") else fit


def _fit_of(schema: Schema, *, marks_hollow: bool) -> Fit:
    if schema.get("x-kubernetes-int-or-string"):
        return _of_types(int, str)
    match schema.get("type"):
        case None:
            return kept if schema is _OPEN else _anything
        case "object":
            return _object(schema, marks_hollow=marks_hollow)
        case "array":
            return _list(fit_of(schema["items"], marks_hollow=marks_hollow))
        case scalar:
            return scalar_fit(scalar)


def scalar_fit(name: str) -> Fit:
    """Return the fit of a scalar type."""
    if name == "number":
        return _of_types(int, float)
    return _integer if name == "integer" else _of_type({"string": str, "boolean": bool}[name])


def _integer(value: JSON) -> JSON:
    """Return an integer; 1.0 is one, too, and Go writes it so."""
    if value.__class__ is int:
        return value
    return int(value) if value.__class__ is float and value.is_integer() else ABSENT


def _or_null(fit: Fit) -> Fit:
    return lambda value: None if value is None else fit(value)


def _anything(value: JSON) -> JSON:
    return ABSENT if value is None else value


def kept(value: JSON) -> JSON:
    """Fit a value without a schema."""
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
        return [_solid(item) for item in items if item is not ABSENT]

    return fitted


def rest_of(schema: Schema, values: Fit | None) -> Fit | None:
    """Return the fit of members that are no properties; None if they are not allowed."""
    if values is None and "x-kubernetes-preserve-unknown-fields" in schema:
        return kept
    return values


def embedded_fields(schema: Schema) -> dict[str, Fit]:
    """Return the implied fields of an embedded resource."""
    return dict.fromkeys(ENVELOPE, kept) if schema.get("x-kubernetes-embedded-resource") else {}


def _object(schema: Schema, *, marks_hollow: bool) -> Fit:
    fields = {
        name: fit_of(child, marks_hollow=marks_hollow)
        for name, child in schema.get("properties", {}).items()
    } | embedded_fields(schema)
    values = schema.get("additionalProperties")
    inner = None if values is None else fit_of(values, marks_hollow=marks_hollow)
    rest = rest_of(schema, inner)
    required = frozenset(schema.get("required", ()))
    # A map entry exists by its key; members without a schema are never required.
    is_free = rest is kept

    def is_optional(name: str) -> bool:
        return name not in required and (is_free or name in fields)

    def fitted(value: JSON) -> JSON:
        if not isinstance(value, dict):
            return ABSENT
        if value.__class__ is not Hollow:
            for name, item in value.items():
                fit = fields.get(name, rest)
                if fit is None or item.__class__ is Hollow or fit(item) is not item:
                    break
            else:
                return value
        fits = ((name, item, fields.get(name, rest)) for name, item in value.items())
        fitting = ((name, fit(item)) for name, item, fit in fits if fit is not None)
        members = _members(fitting, is_optional, marks_hollow=marks_hollow)
        is_hollow = all(item.__class__ is Hollow for item in members.values())
        return Hollow(members) if is_hollow else members

    return fitted


def _members(
    items: Iterable[tuple[str, JSON]], is_optional: Callable[[str], bool], *, marks_hollow: bool
) -> dict[str, JSON]:
    """Return the members that fit; an empty one only if required."""
    members = {}
    for name, item in items:
        if item.__class__ is Hollow and is_optional(name):
            if marks_hollow:
                members[name] = item
        elif item is not ABSENT:
            members[name] = _solid(item)
    return members


def resolved(marked: JSON, like: JSON) -> JSON:
    """Return a value with hollow objects resolved like in another value: empty, or omitted.

    Returns the value itself if it has none. Without another value (None), an object is empty in
    which others are hollow, and these are omitted.
    """
    is_alone = like is None
    if isinstance(marked, list):
        is_alike = isinstance(like, list) and len(like) == len(marked)
        others = like if is_alike else [None if is_alone else ABSENT] * len(marked)
        items = [resolved(item, other) for item, other in zip(marked, others, strict=True)]
        return marked if all(map(operator.is_, items, marked)) else items
    if not isinstance(marked, dict):
        return marked
    known = like if isinstance(like, dict) else {}
    members = {
        name: _solid(resolved(item, None if is_alone else known.get(name, ABSENT)))
        for name, item in marked.items()
        if item.__class__ is not Hollow or name in known or (is_alone and item)
    }
    is_same = len(members) == len(marked) and all(members[name] is marked[name] for name in marked)
    return marked if is_same else members


def _solid(value: JSON) -> JSON:
    """Return a plain object for a hollow one."""
    return dict(value) if value.__class__ is Hollow else value


def _is_complete(schema: Schema, value: JSON) -> bool:
    """Return whether all required fields are set and all enum values are known, at every depth."""
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
