"""Embedded resources: schema requirements beside ``EmbeddedResource()``.

Follows apiextensions-apiserver's schema/validation.go and defaulting/validation.go: type meta and
metadata have fixed types, and each of their defaults must be valid by itself.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from pydantic.fields import FieldInfo

from schemagen.model import base, checker_provider, markers, object_types
from schemagen.problems import quoted
from schemagen.schema import declarations
from schemagen.schema.keywords import Schema, SchemaError

Documented: TypeAlias = Callable[[FieldInfo, Sequence[Any], str], Schema]
"""Returns what ``Field(...)`` documents, given its markers and its place."""

_EMBEDDED: Final = "x-kubernetes-embedded-resource"
_PRESERVED: Final = "x-kubernetes-preserve-unknown-fields"
_TYPES: Final = {"apiVersion": "string", "kind": "string", "metadata": "object"}
_SAMPLE: Final = {"apiVersion": "v1", "kind": "Pod"}


def check(schema: Schema, where: str) -> None:
    """Refuse an embedded object that the API server refuses.

    Raises:
        SchemaError: naming the invalid field.
    """
    if not schema.get(_EMBEDDED):
        return
    if not schema.get("properties") and not schema.get(_PRESERVED):
        raise SchemaError(
            f"{where}: expected an embedded object with fields, got one without any; declare them, "
            "or write Annotated[JSONObject, EmbeddedResource()]"
        )
    for problem in _problems(schema.get("properties", {})):
        raise SchemaError(f"{where}: expected an embedded object whose {problem}")


def check_marked(model: type, metadata: Iterable[Any], where: str) -> None:
    """Refuse an unmarked embedded object: its metadata would be pruned."""
    if any(isinstance(marker, markers.EmbeddedResource) for marker in metadata):
        return
    raise SchemaError(
        f"{where}: expected EmbeddedResource() on {model.__name__}, a whole object "
        "inside another, got none: the API server would drop its metadata; write "
        f"Annotated[{model.__name__}, EmbeddedResource()]"
    )


def check_metadata(schema: Schema, where: str) -> None:
    """Refuse metadata without fields (controller-tools issue 448)."""
    name = where.rpartition(".")[2]
    holds = ("properties", "additionalProperties", "x-kubernetes-preserve-unknown-fields")
    if name == "metadata" and schema.get("type") == "object" and not schema.keys() & {*holds}:
        raise SchemaError(
            f"{where}: expected metadata with fields, got an object without any: the API "
            "server would drop its contents; inherit the model from Resource and mark its "
            "field EmbeddedResource(), or write ObjectMeta"
        )


def _problems(properties: dict[str, Schema]) -> Iterator[str]:
    for name, kind in _TYPES.items():
        field = properties.get(name, {"type": kind})
        if field.get("type") != kind:
            yield (
                f"{name} is of type {kind}, got {field.get('type', 'any value')}; leave the field "
                "out, or inherit the model from Resource"
            )
    if properties.get("metadata", {}).get(_EMBEDDED):
        yield (
            "metadata is not itself an embedded resource, got EmbeddedResource(); leave it out "
            "there"
        )
    yield from _defaults(properties)


def _defaults(properties: dict[str, Schema]) -> Iterator[str]:
    given = {
        name: field["default"]
        for name, field in properties.items()
        if name in _SAMPLE and "default" in field
    }
    if not given:
        return
    plain = {"type": "object", _EMBEDDED: True, _PRESERVED: True}
    for cause in checker_provider.checks().of_keywords(plain).create({**_SAMPLE, **given}).causes:
        name = cause.field
        yield (
            f"{name} is valid, got the default {quoted(given[name])}: {cause.message}; correct it"
        )


def envelope(shape: object_types.Shape, documented: Documented) -> dict[str, Schema]:
    """Return what a root says of the fields that every object has."""
    return {
        shape.wire_name(name): declarations.restated(
            documented(field, (), f"{shape.name}.{name}"), declarations.raw_keywords(field.metadata)
        )
        for name, field in shape.fields.items()
        if name in base.Resource.model_fields
    }


def with_envelope(schema: Schema, stated: Mapping[str, Schema]) -> Schema:
    """Return the schema of a root, with the fields that every object has.

    They have no rules, and metadata no schema: the API server defines it.

    Args:
        schema: Of the fields that the root declares.
        stated: What it says of apiVersion, kind and metadata: descriptions, ``Keywords``.
    """
    envelope = {name: {"type": kind} | stated.get(name, {}) for name, kind in _TYPES.items()}
    return schema | {"properties": envelope | schema.get("properties", {})}
