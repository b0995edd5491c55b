"""Model -> structural schema: an own walk over annotations and field metadata.

Neither ``model_json_schema`` nor pydantic-core's schema is read: both have already lost what the
API server needs (factories' defaults, ``const``, bounds). Whatever has no place in a structural
schema is an error that names the model, the field and a way out.
"""

import enum
import types
import typing
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Literal, Union

import annotated_types
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined, to_jsonable_python

from schemagen.model import base, markers
from schemagen.problems import JSON

Schema = dict[str, Any]

# Written first, in this order, so that a person finds what a field is before its bounds.
ORDER = ("description", "type", "format", "enum", "default")


class SchemaError(Exception):
    """A model says something that a structural schema cannot: the API author reads this."""


# Where ``schema_of(limits=True)`` notes a size limit; never part of a CRD.
LIMIT = "x-kubewright-limit"


def schema_of(
    model: type[base.Model], *, descriptions: bool = True, limits: bool = False
) -> Schema:
    """The structural schema of a root, spec or any nested model.

    Args:
        model: What to walk.
        descriptions: Whether to write descriptions; they are what makes a schema large.
        limits: Whether to note the ``MaxBytes`` or ``MaxEntries`` marker of a node under LIMIT.

    Raises:
        SchemaError: naming the model, the field, what was found and a way out.
    """
    return _ordered(_Walk(descriptions=descriptions, limits=limits).model(model, ()))


class _Walk:
    """One walk; ``seen`` is the chain of models from the root, to refuse recursion."""

    def __init__(self, *, descriptions: bool, limits: bool) -> None:
        self.descriptions = descriptions
        self.limits = limits

    def model(self, model: type[base.Model], seen: tuple[type, ...]) -> Schema:
        """The object schema of a model."""
        if model in seen:
            raise SchemaError(
                f"{model.__name__}: expected a finite schema, got a model that contains itself; "
                "bound the depth with separate models, or keep the field as JSONObject"
            )
        properties, required = {}, []
        for name, field in model.model_fields.items():
            wire_name = field.alias or name
            properties[wire_name] = self.field(model, name, field, (*seen, model))
            if field.is_required():
                required.append(wire_name)
        schema: Schema = {"type": "object"}
        if model.__doc__ and self.descriptions and not issubclass(model, base.Resource):
            schema["description"] = _paragraph(model.__doc__)
        if properties:
            schema["properties"] = properties
        if required:
            schema["required"] = required
        if model.cel_rules:
            schema["x-kubernetes-validations"] = [rule.validation() for rule in model.cel_rules]
        return _resource(model, schema) if issubclass(model, base.Resource) else schema

    def field(
        self, model: type[base.Model], name: str, field: FieldInfo, seen: tuple[type, ...]
    ) -> Schema:
        """The schema of a field: its type's, its markers', its default and description."""
        where = f"{model.__name__}.{name}"
        annotation, metadata = _without_none(field.annotation, tuple(field.metadata), where)
        schema = self.annotated(annotation, metadata, where, seen)
        default = _default(field)
        if default is not PydanticUndefined and default is not None:
            schema["default"] = to_jsonable_python(default, by_alias=True, exclude_none=True)
        if field.description and self.descriptions:
            schema["description"] = _paragraph(field.description)
        return schema

    def annotated(
        self, annotation: Any, metadata: Iterable[Any], where: str, seen: tuple[type, ...]
    ) -> Schema:
        """The schema of an annotation with the metadata around it."""
        while typing.get_origin(annotation) is Annotated:
            annotation, *inner = typing.get_args(annotation)
            metadata = (*inner, *metadata)
        found = tuple(_flattened(metadata))
        schema = self._bare(annotation, found, where, seen)
        for marker in found:
            _apply(schema, marker, where)
            if self.limits and isinstance(marker, markers.MaxBytes | markers.MaxEntries):
                schema[LIMIT] = marker
        return schema

    def _bare(
        self, annotation: Any, metadata: tuple[Any, ...], where: str, seen: tuple[type, ...]
    ) -> Schema:
        origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
        if any(isinstance(marker, markers.IntOrString) for marker in metadata):
            return self._int_or_string(arguments, where, seen)
        if origin is Literal:
            return _enumeration(arguments, where)
        if annotation is Any:
            return {"x-kubernetes-preserve-unknown-fields": True}
        if isinstance(annotation, type) and origin is None:
            return self._named(annotation, where, seen)
        if origin is list:
            return {"type": "array", "items": self.annotated(arguments[0], (), where + "[]", seen)}
        if origin is dict:
            return self._map(arguments, metadata, where, seen)
        raise SchemaError(
            f"{where}: expected a type that a structural schema can hold, got {annotation}; "
            "use a model, a scalar, list[...], dict[str, ...], Literal or JSONObject"
        )

    def _named(self, annotation: type, where: str, seen: tuple[type, ...]) -> Schema:
        if issubclass(annotation, base.Model):
            return self.model(annotation, seen)
        if issubclass(annotation, enum.Enum):
            return _enumeration(tuple(member.value for member in annotation), where)
        scalars = {str: "string", bool: "boolean", float: "number", int: "integer"}
        if annotation in scalars:
            return {"type": scalars[annotation]}
        raise SchemaError(
            f"{where}: expected a type that a structural schema can hold, got "
            f"{annotation.__name__}; use a model, str, int, bool, float or JSONObject"
        )

    def _map(
        self,
        arguments: tuple[Any, ...],
        metadata: tuple[Any, ...],
        where: str,
        seen: tuple[type, ...],
    ) -> Schema:
        key, value = arguments
        if key is not str:
            raise SchemaError(f"{where}: expected dict[str, ...], got a map by {key}; use str keys")
        if any(isinstance(marker, markers.PreserveUnknown) for marker in metadata):
            return {"type": "object"}
        return {
            "type": "object",
            "additionalProperties": self.annotated(value, (), where + "{}", seen),
        }

    def _int_or_string(
        self, arguments: tuple[Any, ...], where: str, seen: tuple[type, ...]
    ) -> Schema:
        """``int | str``; constraints on the string branch move to the node, as the server wants."""
        branches = [self.annotated(argument, (), where, seen) for argument in arguments]
        if [branch.pop("type", None) for branch in branches] != ["integer", "string"]:
            raise SchemaError(f"{where}: expected int | str beside IntOrString, in that order")
        return {
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "x-kubernetes-int-or-string": True,
            **branches[1],
        }


def _default(field: FieldInfo) -> Any:
    """The declared default; a factory is called, since the schema can hold its value only."""
    if field.default_factory_takes_validated_data:
        return PydanticUndefined
    return field.get_default(call_default_factory=True)


def _apply(schema: Schema, marker: Any, where: str) -> None:
    """Write what one marker says into the node; a marker nobody knows is an error."""
    for known, write in _WRITERS.items():
        if isinstance(marker, known):
            write(schema, marker)
            return
    pattern = getattr(marker, "pattern", None)  # Pydantic keeps Field(pattern=...) privately
    if isinstance(pattern, str):
        schema["pattern"] = pattern
        return
    raise SchemaError(
        f"{where}: expected a marker that schemagen knows, got {marker!r}; "
        "use schemagen's markers, annotated_types' bounds, or Field(...)"
    )


def _length(schema: Schema, bound: Literal["min", "max"], value: int) -> None:
    suffix = {"array": "Items", "object": "Properties"}.get(schema.get("type", ""), "Length")
    schema[f"{bound}{suffix}"] = value


def _keyed(name: str, value: Callable[[Any], Any]) -> Callable[[Schema, Any], None]:
    return lambda schema, marker: schema.update({name: value(marker)})


def _list_set(schema: Schema, marker: markers.ListSet) -> None:
    del marker
    schema["x-kubernetes-list-type"] = "set"


def _nothing(schema: Schema, marker: Any) -> None:
    del schema, marker


def _preserve_unknown(schema: Schema, marker: markers.PreserveUnknown) -> None:
    del marker
    schema["x-kubernetes-preserve-unknown-fields"] = True


def _list_map(schema: Schema, marker: markers.ListMap) -> None:
    schema["x-kubernetes-list-type"] = "map"
    schema["x-kubernetes-list-map-keys"] = list(marker.keys)


def _atomic(schema: Schema, marker: markers.Atomic) -> None:
    del marker
    suffix = "list" if schema.get("type") == "array" else "map"
    schema[f"x-kubernetes-{suffix}-type"] = "atomic"


def _cel(schema: Schema, marker: markers.Cel) -> None:
    schema.setdefault("x-kubernetes-validations", []).append(marker.validation())


def _exclusive(schema: Schema, name: Literal["minimum", "maximum"], value: Any) -> None:
    # OpenAPI 3.0: the bound is one keyword, its exclusiveness a boolean beside it.
    schema[name] = value
    schema[f"exclusive{name.capitalize()}"] = True


_WRITERS: dict[type, Callable[[Schema, Any], None]] = {
    annotated_types.MinLen: lambda schema, marker: _length(schema, "min", marker.min_length),
    annotated_types.MaxLen: lambda schema, marker: _length(schema, "max", marker.max_length),
    annotated_types.Ge: _keyed("minimum", lambda marker: marker.ge),
    annotated_types.Le: _keyed("maximum", lambda marker: marker.le),
    annotated_types.Gt: lambda schema, marker: _exclusive(schema, "minimum", marker.gt),
    annotated_types.Lt: lambda schema, marker: _exclusive(schema, "maximum", marker.lt),
    annotated_types.MultipleOf: _keyed("multipleOf", lambda marker: marker.multiple_of),
    markers.Format: _keyed("format", lambda marker: marker.name),
    markers.MaxBytes: _keyed("maxLength", lambda marker: marker.limit),
    markers.MaxEntries: lambda schema, marker: _length(schema, "max", marker.limit),
    markers.ListMap: _list_map,
    markers.ListSet: _list_set,
    markers.Atomic: _atomic,
    markers.PreserveUnknown: _preserve_unknown,
    markers.IntOrString: _nothing,  # read before the walk into the type
    markers.Cel: _cel,
}


def _flattened(metadata: Iterable[Any]) -> Iterable[Any]:
    """Grouped metadata (``Len``, nested ``Field(...)``) as single markers."""
    for marker in metadata:
        if isinstance(marker, annotated_types.GroupedMetadata):
            yield from marker
        elif isinstance(marker, FieldInfo):
            yield from marker.metadata
        else:
            yield marker


def _without_none(
    annotation: Any, metadata: tuple[Any, ...], where: str
) -> tuple[Any, tuple[Any, ...]]:
    """``T | None`` is how Python says «may be absent»; null itself is pruned by the API server."""
    if typing.get_origin(annotation) not in (Union, types.UnionType):
        return annotation, metadata
    branches = [branch for branch in typing.get_args(annotation) if branch is not type(None)]
    if len(branches) == 1:
        return branches[0], metadata
    if any(isinstance(marker, markers.IntOrString) for marker in metadata):
        return annotation, metadata
    raise SchemaError(
        f"{where}: expected one type (or IntOrString), got a union of {len(branches)}; "
        "use a model with one optional field per case and exactly_one_of"
    )


def _enumeration(values: tuple[Any, ...], where: str) -> Schema:
    types_found = {type(value) for value in values}
    names = {str: "string", int: "integer"}
    if len(types_found) != 1 or (only := types_found.pop()) not in names:
        raise SchemaError(
            f"{where}: expected enum values all str or all int, got {list(values)}; use one type"
        )
    return {"type": names[only], "enum": list(values)}


def _resource(model: type[base.Resource], schema: Schema) -> Schema:
    """The root: apiVersion and kind are strings without rules, metadata is the API server's."""
    properties = schema["properties"]
    properties["apiVersion"] = {"type": "string"}
    properties["kind"] = {"type": "string"}
    properties["metadata"] = {"type": "object"}
    schema["required"] = [name for name in schema.get("required", []) if name in ("spec", "status")]
    if not schema["required"]:
        del schema["required"]
    if model.__doc__:
        schema["description"] = _paragraph(model.__doc__)
    return schema


def _paragraph(text: str) -> str:
    """A docstring's first paragraph on one line."""
    return " ".join(text.strip().split("\n\n", maxsplit=1)[0].split())


def _ordered(node: Schema) -> Schema:
    first = [name for name in ORDER if name in node]
    names = [*first, *(name for name in node if name not in ORDER)]
    return {name: _ordered_value(name, node[name]) for name in names}


def _ordered_value(keyword: str, value: JSON) -> JSON:
    match keyword, value:
        case "properties", dict(fields):
            return {name: _ordered(field) for name, field in fields.items()}
        case (("items" | "additionalProperties"), dict(child)):
            return _ordered(child)
        case _:
            return value


__all__ = ["LIMIT", "Schema", "SchemaError", "schema_of"]
