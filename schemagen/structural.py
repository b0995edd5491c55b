"""Model -> structural schema: an own walk over annotations and field metadata.

Neither ``model_json_schema`` nor pydantic-core's schema is read: both have already lost what the
API server needs (factories' defaults, ``const``, bounds). Whatever has no place in a structural
schema is an error that names the model, the field and a way out.
"""

import collections.abc
import enum
import types
import typing
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Union

import typing_extensions
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined, to_jsonable_python

from schemagen import declarations, defaults, descriptions, expressions, keywords, unions
from schemagen.keywords import Schema, SchemaError
from schemagen.model import base, markers
from schemagen.problems import JSON

# Written first, in this order, so that a person finds what a field is before its bounds.
ORDER = ("description", "title", "type", "format", "enum", "default")

# Where ``schema_of(limits=True)`` notes the size limit of a value, and of a map's keys; they are
# never part of a CRD.
LIMIT = "x-kubewright-limit"
KEY_LIMIT = "x-kubewright-key-limit"


def schema_of(
    model: type[base.Model],
    *,
    descriptions: bool = True,
    max_description: int | None = None,
    limits: bool = False,
) -> Schema:
    """The structural schema of a root, spec or any nested model.

    Args:
        model: What to walk.
        descriptions: Whether to write descriptions; they are what makes a schema large.
        max_description: The longest description, in characters, where a field does not say its own.
        limits: Whether to note the ``MaxBytes`` or ``MaxEntries`` marker of a node under LIMIT.

    Raises:
        SchemaError: naming the model, the field, what was found and a way out.
    """
    longest = max_description if descriptions else 0
    schema = _Walk(max_description=longest, limits=limits).model(model, ())
    _translate(schema, expressions.names_of(model), model.__name__)
    return _ordered(schema)


class _Walk:
    """One walk; ``seen`` is the chain of models from the root, to refuse recursion."""

    def __init__(self, *, max_description: int | None, limits: bool) -> None:
        self.max_description = max_description
        self.limits = limits

    def model(self, model: type[base.Model], seen: tuple[type, ...]) -> Schema:
        """The object schema of a model."""
        try:
            return self._object(model, seen)
        except SchemaError as error:
            error.model = error.model or model
            raise

    def _object(self, model: type[base.Model], seen: tuple[type, ...]) -> Schema:
        if model in seen:
            raise SchemaError(
                f"{model.__name__}: expected a finite schema, got a model that contains itself; "
                "bound the depth with separate models, or keep the field as JSONObject"
            )
        declarations.check_model(model)
        properties, required = {}, []
        for name, field in model.model_fields.items():
            wire_name = field.alias or name
            if issubclass(model, base.Resource) and wire_name in _RESOURCE:
                continue
            properties[wire_name] = self.field(model, name, field, (*seen, model))
            if field.is_required():
                required.append(wire_name)
        said = {
            "description": descriptions.fitted(model.__doc__, self.max_description),
            "title": model.model_config.get("title"),
            "type": "object",
            "properties": properties,
            "required": required,
            "x-kubernetes-preserve-unknown-fields": model.model_config.get("extra") == "allow",
            "x-kubernetes-validations": [rule.validation() for rule in model.cel_rules],
        }
        schema = {keyword: value for keyword, value in said.items() if value}
        return _resource(schema) if issubclass(model, base.Resource) else schema

    def field(
        self, model: type[base.Model], name: str, field: FieldInfo, seen: tuple[type, ...]
    ) -> Schema:
        """The schema of a field: its type's, its markers', its default and description."""
        where = f"{model.__name__}.{name}"
        declarations.check_field(field, where)
        metadata = tuple(field.metadata)
        if field.discriminator is not None:
            metadata = (*metadata, field)
        schema = self.annotated(field.annotation, metadata, where, seen)
        default = defaults.of(field, where)
        if default is not PydanticUndefined:
            schema["default"] = default
        longest = descriptions.limit_of(
            keywords.flattened((*metadata, *_unwrapped(field.annotation)[1])), self.max_description
        )
        return schema | _told(field, longest)

    def annotated(
        self, annotation: Any, metadata: Iterable[Any], where: str, seen: tuple[type, ...]
    ) -> Schema:
        """The schema of an annotation with the metadata around it."""
        annotation, around = _unwrapped(annotation)
        outer = (*around, *metadata)
        found = tuple(keywords.flattened(outer))
        schema = self._bare(annotation, found, where, seen, discriminator=unions.named_by(outer))
        longest = descriptions.limit_of(found, self.max_description)
        for info in outer:
            if isinstance(info, FieldInfo):
                schema |= _told(info, longest)
        for marker in found:
            keywords.apply(schema, marker, where)
            if self.limits and isinstance(marker, markers.MaxBytes | markers.MaxEntries):
                schema[LIMIT] = marker
        return schema

    def _bare(
        self,
        annotation: Any,
        metadata: tuple[Any, ...],
        where: str,
        seen: tuple[type, ...],
        *,
        discriminator: str | None,
    ) -> Schema:
        origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
        if any(isinstance(marker, markers.IntOrString) for marker in metadata):
            return self._int_or_string(arguments, where, seen)
        if origin is Literal:
            return _enumeration(arguments, where)
        if origin in (Union, types.UnionType):
            return self._union(arguments, where, seen, discriminator=discriminator)
        if origin in _LISTS and (origin is not tuple or arguments[1:] == (...,)):
            items = self.annotated(arguments[0], (), where + "[]", seen)
            is_set = {"x-kubernetes-list-type": "set"} if origin in _SETS else {}
            return {"type": "array", "items": items, **is_set}
        if origin in _MAPS:
            return self._map(arguments, metadata, where, seen)
        return self._named(annotation, where, seen)

    def _named(self, annotation: Any, where: str, seen: tuple[type, ...]) -> Schema:
        if annotation is Any:
            return {"x-kubernetes-preserve-unknown-fields": True}
        if annotation in _SCALARS:
            return {"type": _SCALARS[annotation]}
        if isinstance(annotation, type) and issubclass(annotation, base.Model):
            return self.model(annotation, seen)
        if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
            declarations.check_enum(annotation, where)
            return _enumeration(tuple(member.value for member in annotation), where)
        raise declarations.unexpected(annotation, where)

    def _union(
        self,
        branches: tuple[Any, ...],
        where: str,
        seen: tuple[type, ...],
        *,
        discriminator: str | None,
    ) -> Schema:
        """A union told apart by a field; any other must say how it is to be told apart."""
        models = [_unwrapped(branch)[0] for branch in branches]
        is_all = all(isinstance(one, type) and issubclass(one, base.Model) for one in models)
        if discriminator is None or not is_all:
            raise SchemaError(
                f"{where}: expected one type, got a union of {len(branches)}; use int | str with "
                "IntOrString, models with Field(discriminator=...), or a model with one optional "
                "field per case and exactly_one_of"
            )
        arms = {model: self.model(model, seen) for model in models}
        return unions.merged(arms, discriminator, where)

    def _map(
        self,
        arguments: tuple[Any, ...],
        metadata: tuple[Any, ...],
        where: str,
        seen: tuple[type, ...],
    ) -> Schema:
        key, value = arguments
        keys = self.annotated(key, (), where + "{key}", seen)
        if keys.get("type") != "string":
            raise SchemaError(f"{where}: expected dict[str, ...], got a map by {key}; use str keys")
        limit = {KEY_LIMIT: keys.pop(LIMIT)} if LIMIT in keys else {}
        rules = unions.key_rules(keys, where)
        if any(isinstance(marker, markers.PreserveUnknown) for marker in metadata):
            if value is not Any:
                raise SchemaError(
                    f"{where}: expected dict[str, Any] beside PreserveUnknown, got values of "
                    f"{value}; leave PreserveUnknown out, or write Any"
                )
            if rules:
                raise SchemaError(
                    f"{where}: expected str keys beside PreserveUnknown, whose keys no rule can "
                    "read, got bounds on them; leave PreserveUnknown out, or the bounds"
                )
            return {"type": "object", **limit}
        schema: Schema = {
            "type": "object",
            "additionalProperties": self.annotated(value, (), where + "{}", seen),
            **limit,
        }
        return {**schema, "x-kubernetes-validations": rules} if rules else schema

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


_SCALARS = {str: "string", bool: "boolean", float: "number", int: "integer"}
_SETS = (set, frozenset, collections.abc.Set)
_LISTS = (list, tuple, collections.abc.Sequence, *_SETS)
_MAPS = (dict, collections.abc.Mapping)


def _unwrapped(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """The type inside ``Annotated``, aliases, ``NewType`` and ``| None``, and what they add."""
    metadata: tuple[Any, ...] = ()
    while True:
        if typing.get_origin(annotation) is Annotated:
            annotation, *inner = typing.get_args(annotation)
            metadata = (*inner, *metadata)
        elif isinstance(annotation, typing_extensions.TypeAliasType):
            annotation = annotation.__value__
        elif isinstance(annotation, typing.NewType):
            annotation = annotation.__supertype__
        elif typing.get_origin(annotation) in (Union, types.UnionType) and type(
            None
        ) in typing.get_args(annotation):
            # «may be absent», in Python's words; the API server drops a null by itself.
            rest = [one for one in typing.get_args(annotation) if one is not type(None)]
            annotation = rest[0] if len(rest) == 1 else Union[tuple(rest)]  # noqa: UP007 - built
        else:
            return annotation, metadata


def _told(field: FieldInfo, longest: int | None) -> Schema:
    """What ``Field(...)`` tells people: title, example and description."""
    said = {
        "title": field.title,
        "example": to_jsonable_python(field.examples[0], by_alias=True) if field.examples else None,
        "description": descriptions.fitted(declarations.description(field), longest) or None,
    }
    return {keyword: value for keyword, value in said.items() if value is not None}


def _enumeration(values: tuple[Any, ...], where: str) -> Schema:
    types_found = {type(value) for value in values}
    if len(types_found) != 1 or (only := types_found.pop()) not in _SCALARS:
        raise SchemaError(
            f"{where}: expected enum values all str or all int, got {list(values)}; use one type"
        )
    return {"type": _SCALARS[only], "enum": list(dict.fromkeys(values))}


# The root's own: strings without rules, and metadata, which is the API server's.
_RESOURCE: Schema = {
    "apiVersion": {"type": "string"},
    "kind": {"type": "string"},
    "metadata": {"type": "object"},
}


def _resource(schema: Schema) -> Schema:
    """The schema of a root, with what every object has."""
    own = {name: dict(field) for name, field in _RESOURCE.items()}
    return schema | {"properties": own | schema.get("properties", {})}


def _translate(schema: Schema, names: expressions.Names, where: str) -> None:
    """Write the rules of a schema, and of all below it, with wire names."""
    for _, node in keywords.nodes(schema):
        variables = {"self": node, "oldSelf": node}
        for entry in node.get("x-kubernetes-validations", ()):
            for keyword in entry.keys() & {"rule", "messageExpression"}:
                entry[keyword] = expressions.wire_expression(
                    entry[keyword], names, where, variables=variables
                )
            if "fieldPath" in entry:
                entry["fieldPath"] = expressions.wire_path(entry["fieldPath"], names, where, node)


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


__all__ = ["KEY_LIMIT", "LIMIT", "Schema", "SchemaError", "schema_of"]
