"""Model -> structural schema, by walking annotations and field metadata.

Neither ``model_json_schema`` nor pydantic-core's schema is used: both have already lost what the
API server needs (default factories, ``const``, bounds). Whatever a structural schema cannot express
is an error that names the model, the field and an alternative.
"""

import collections
import collections.abc
import copy
import dataclasses
import enum
import itertools
import math
import typing
from collections.abc import Iterator, Sequence
from typing import Any, Literal, Union

import pydantic
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from schemagen.model import annotations, base, declared_schemas, markers, object_types
from schemagen.problems import JSON
from schemagen.schema import (
    declarations,
    defaults,
    descriptions,
    embedded_resources,
    expressions,
    int_or_string,
    keywords,
    satisfiability,
    unions,
)
from schemagen.schema.keywords import KEY_LIMIT, LIMIT, Schema, SchemaError

# Written first, in this order, so that a reader sees what a field is before its bounds.
ORDER = ("description", "title", "type", "format", "enum", "default")

# Limit for type arguments that grow without end (``type L[T] = list[L[list[T]]]``).
_MAX_DEPTH = 100


def schema_of(
    model: type[base.Model],
    *,
    descriptions: bool = True,
    max_description: int | None = None,
    limits: bool = False,
) -> Schema:
    """Return the structural schema of a root, spec or any nested model.

    Args:
        model: What to walk.
        descriptions: Whether to write descriptions, which make up most of a schema's size.
        max_description: Default maximum description length, in characters.
        limits: Whether to note the ``MaxBytes`` or ``MaxEntries`` marker of a node under LIMIT.

    Raises:
        SchemaError: naming the model, the field, what was found and an alternative.
    """
    if issubclass(model, base.Resource) and model.declared_schema is not None:
        return declared_schemas.of(model.declared_schema, descriptions=descriptions)
    max_length = max_description if descriptions else 0
    walk = _Walk(max_description=max_length, limits=limits, is_verbatim=_is_verbatim(model))
    schema = walk.root(model)
    expressions.translate(schema, expressions.names_of(model), model.__name__)
    return _ordered(schema)


@dataclasses.dataclass(frozen=True)
class _Place:
    """Position of the walk: ``Model.field[]``, and the enclosing classes and aliases."""

    where: str
    seen: tuple[Any, ...] = ()

    def below(self, step: str) -> "_Place":
        return dataclasses.replace(self, where=self.where + step)

    def through(self, aliases: Sequence[Any]) -> "_Place":
        """Return the place inside type aliases.

        Raises:
            SchemaError: if an alias is recursive.
        """
        if not aliases:
            return self
        seen = self.seen
        for alias in aliases:
            if alias in seen or len(seen) > _MAX_DEPTH:
                raise SchemaError(f"{self.where}: {annotations.contains_itself(alias)}")
            seen = (*seen, alias)
        return dataclasses.replace(self, seen=seen)


class _Walk:
    """One walk over a model and everything below it."""

    def __init__(self, *, max_description: int | None, limits: bool, is_verbatim: bool) -> None:
        self.max_description = max_description
        self.limits = limits
        self.is_verbatim = is_verbatim

    def root(self, model: type[base.Model]) -> Schema:
        """Return the schema of the model at which the walk begins."""
        return self._shaped(model, _Place(model.__name__))

    def _shaped(self, kind: Any, place: _Place) -> Schema:
        """Return the object schema of a model, dataclass or TypedDict."""
        shape = _shape(kind)
        if shape is None:
            raise declarations.unexpected(kind, place.where)
        try:
            return self._object(shape, place)
        except SchemaError as error:
            raise _located(error, kind) from error.__cause__

    def _object(self, shape: object_types.Shape, place: _Place) -> Schema:
        if shape.kind in place.seen or len(place.seen) > _MAX_DEPTH:
            raise SchemaError(
                f"{place.where}: expected a finite schema, got {shape.name}, a model that contains "
                "itself; bound the depth with separate models, or keep the field as JSONObject"
            )
        declarations.check_shape(shape)
        properties, required = {}, []
        for name, field in _own_fields(shape):
            wire_name = shape.wire_name(name)
            inner = _Place(f"{shape.name}.{name}", (*place.seen, shape.kind))
            properties[wire_name] = self.field(field, inner)
            if field.is_required():
                required.append(wire_name)
        texts = {
            "description": descriptions.of_object(
                shape, self.max_description, is_verbatim=self.is_verbatim
            ),
            "title": shape.config.get("title"),
            "type": "object",
            "properties": properties,
            "required": required,
            "x-kubernetes-preserve-unknown-fields": shape.config.get("extra") == "allow",
            "x-kubernetes-validations": [rule.validation() for rule in shape.rules],
        }
        schema = {keyword: value for keyword, value in texts.items() if value}
        if issubclass(shape.kind, base.Resource):
            schema = embedded_resources.with_envelope(
                schema, embedded_resources.envelope(shape, self._documented)
            )
        return declarations.restated(schema, shape.keywords)

    def _documented(self, field: FieldInfo, metadata: Sequence[Any], where: str) -> Schema:
        max_length = descriptions.limit_of(metadata, self.max_description)
        return defaults.documentation(field, max_length, where, is_verbatim=self.is_verbatim)

    def field(self, field: FieldInfo, place: _Place) -> Schema:
        """Return the schema of a field: type, markers, default and description."""
        declarations.check_field(field, place.where)
        metadata = tuple(field.metadata)
        if field.discriminator is not None:
            metadata = (*metadata, field)
        schema, outer_markers = self._limited(field.annotation, metadata, place)
        if not declarations.raw_keywords(outer_markers):
            embedded_resources.check_metadata(schema, place.where)
        default = defaults.of(field, place.where)
        if default is not PydanticUndefined:
            schema["default"] = default
            _check_default(schema, field, place.where)
        return schema | self._documented(field, outer_markers, place.where)

    def annotated(self, annotation: Any, metadata: Sequence[Any], place: _Place) -> Schema:
        """Return the schema of an annotation with its surrounding metadata."""
        return self._limited(annotation, metadata, place)[0]

    def _limited(
        self, annotation: Any, metadata: Sequence[Any], place: _Place
    ) -> tuple[Schema, Sequence[Any]]:
        """Return that schema and the markers of the field."""
        inner = _unwrapped(annotation, place)
        outer = (*inner.metadata, *metadata)
        outer_markers = tuple(markers.flattened(outer))
        if not inner.is_optional and any(
            isinstance(item, markers.Nullable) for item in outer_markers
        ):
            raise SchemaError(
                f"{place.where}: expected T | None with Nullable(), got {inner.annotation}, for "
                "which Python accepts no null; write Annotated[T | None, Nullable()]"
            )
        schema = self._bare(inner.annotation, outer_markers, outer, place.through(inner.aliases))
        for info in outer:
            if isinstance(info, FieldInfo):
                schema |= self._documented(info, outer_markers, place.where)
        for marker in outer_markers:
            keywords.apply(schema, marker, place.where)
            if self.limits and isinstance(marker, markers.MaxBytes | markers.MaxEntries):
                schema[LIMIT] = marker
        if any(isinstance(item, pydantic.Strict) for item in outer_markers):
            declarations.check_strict(annotation, metadata, place.where)
        raw = declarations.raw_keywords(outer_markers)
        if not raw:
            embedded_resources.check(schema, place.where)
            satisfiability.check(schema, place.where)
        return declarations.restated(schema, raw), outer_markers

    def _bare(
        self, annotation: Any, metadata: tuple[Any, ...], outer: tuple[Any, ...], place: _Place
    ) -> Schema:
        """Return the schema of a type without wrappers, applying structural markers."""
        origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
        discriminator = unions.named_by(outer, place.where)
        if discriminator is not None and not annotations.is_union(annotation):
            raise SchemaError(
                f"{place.where}: expected a union of models with the discriminator "
                f"{discriminator}, got {annotation}; leave the discriminator out"
            )
        if any(isinstance(marker, markers.IntOrString) for marker in metadata):
            return self._int_or_string(annotation, place)
        if origin is Literal:
            return _enumeration(arguments, place.where)
        if annotations.is_union(annotation):
            return self._union(arguments, discriminator, place)
        if origin in _LISTS and arguments and (origin is not tuple or arguments[1:] == (...,)):
            return self._list(origin, arguments[0], place)
        if origin in _MAPS and arguments:
            return self._map(arguments, metadata, place)
        return self._named(annotation, metadata, place)

    def _list(self, origin: Any, item: Any, place: _Place) -> Schema:
        items = self.annotated(item, (), place.below("[]"))
        if origin not in _SETS:
            return {"type": "array", "items": items}
        if items.get("type") in {None, "array", "object"} and not int_or_string.is_int_or_string(
            items
        ):
            raise SchemaError(
                f"{place.where}: expected a set of scalars, got "
                f"{items.get('type', 'any value')} as items; write list[...], with ListMap if a "
                "field tells them apart"
            )
        schema = {"type": "array", "items": items, "x-kubernetes-list-type": "set"}
        keywords.check_items(schema, place.where)
        return schema

    def _named(self, annotation: Any, metadata: tuple[Any, ...], place: _Place) -> Schema:
        if annotation is Any:
            return {"x-kubernetes-preserve-unknown-fields": True}
        if isinstance(annotation, collections.abc.Hashable) and annotation in _SCALARS:
            return {"type": _SCALARS[annotation]}
        if not isinstance(annotation, type):
            raise declarations.unexpected(annotation, place.where)
        if issubclass(annotation, pydantic.RootModel):
            return self._wrapper(annotation, place)
        if issubclass(annotation, enum.Enum):
            declarations.check_enum(annotation, place.where)
            return _enumeration(tuple(member.value for member in annotation), place.where)
        if issubclass(annotation, base.Resource):
            embedded_resources.check_marked(annotation, metadata, place.where)
        return self._shaped(annotation, place)

    def _wrapper(self, model: type[pydantic.RootModel[Any]], place: _Place) -> Schema:
        """Return the schema of a RootModel's value."""
        try:
            field = declarations.root_of(model)
            schema = self.field(field, _Place(f"{model.__name__}.root", (*place.seen, model)))
        except SchemaError as error:
            raise _located(error, model) from error.__cause__
        text = descriptions.fitted(model.__doc__, self.max_description)
        return schema | {"description": text} if text else schema

    def _union(self, branches: tuple[Any, ...], discriminator: str | None, place: _Place) -> Schema:
        """Return the schema of a discriminated union or of literals; refuse any other union."""
        if discriminator is not None:
            arms = list(self._arms(branches, discriminator, place))
            return unions.merged(arms, discriminator, place.where, self.max_description)
        kinds = [_unwrapped(branch, place) for branch in branches]
        if all(_is_words(kind.annotation) and not kind.metadata for kind in kinds):
            words = [self._bare(kind.annotation, (), (), place)["enum"] for kind in kinds]
            return _enumeration(tuple(itertools.chain.from_iterable(words)), place.where)
        raise SchemaError(
            f"{place.where}: expected one type, got a union of {len(branches)}; use int | str with "
            "IntOrString, float for int | float, models with Field(discriminator=...), or a model "
            "with one optional field per case and exactly_one_of"
        )

    def _arms(
        self, branches: tuple[Any, ...], discriminator: str, place: _Place
    ) -> Iterator[unions.Arm]:
        """Return the models of a union, with those of nested unions on the same discriminator."""
        for branch in branches:
            kind = _unwrapped(branch, place)
            inner = place.through(kind.aliases)
            if annotations.is_union(kind.annotation):
                own = unions.named_by(kind.metadata, place.where)
                unions.check_nested(own, discriminator, place.where)
                yield from self._arms(typing.get_args(kind.annotation), discriminator, inner)
                continue
            unions.check_branch(kind.annotation, kind.metadata, place.where)
            shape = _shape(kind.annotation)
            if shape is None:
                raise SchemaError(
                    f"{place.where}: expected models with the discriminator {discriminator}, got "
                    f"{kind.annotation}; write a model with a Literal at {discriminator}"
                )
            if issubclass(shape.kind, base.Resource):
                raise SchemaError(
                    f"{place.where}: expected models with the discriminator {discriminator}, got "
                    f"{shape.name}, a whole object; write one optional field for each kind, "
                    "Annotated[..., EmbeddedResource()], and exactly_one_of"
                )
            unions.check_discriminator(shape, discriminator, place.where)
            yield unions.Arm(shape, self._shaped(shape.kind, inner))

    def _map(self, arguments: tuple[Any, ...], metadata: tuple[Any, ...], place: _Place) -> Schema:
        key, value = arguments
        keys = self.annotated(key, (), place.below("{key}"))
        if keys.get("type") != "string":
            raise SchemaError(
                f"{place.where}: expected dict[str, ...], got a map by {key}; use str keys"
            )
        schema: Schema = {"type": "object"}
        if LIMIT in keys:
            schema[KEY_LIMIT] = keys.pop(LIMIT)
        rules = unions.key_rules(keys, place.where)
        if not any(isinstance(marker, markers.PreserveUnknown) for marker in metadata):
            schema["additionalProperties"] = self.annotated(value, (), place.below("{}"))
        elif value is not Any:
            raise SchemaError(
                f"{place.where}: expected dict[str, Any] with PreserveUnknown, got values of "
                f"{value}; leave PreserveUnknown out, or write Any"
            )
        elif rules:
            raise SchemaError(
                f"{place.where}: expected str keys with PreserveUnknown, got bounded keys, "
                "which no rule can read; leave PreserveUnknown out, or write dict[str, ...]"
            )
        return {**schema, "x-kubernetes-validations": rules} if rules else schema

    def _int_or_string(self, annotation: Any, place: _Place) -> Schema:
        """Return the schema of ``int | str``, keeping each branch's constraints."""
        branches = typing.get_args(annotation)
        if typing.get_origin(annotation) is Literal:
            kinds = sorted({type(value) for value in branches}, key=lambda kind: kind.__name__)
            branches = tuple(
                Literal[tuple(value for value in branches if type(value) is kind)] for kind in kinds
            )
        words = tuple(arm for arm in branches if _is_words(_unwrapped(arm, place).annotation))
        if len(words) > 1 and len(words) < len(branches):
            rest = (arm for arm in branches if arm not in words)
            branches = (*rest, Union[words])  # noqa: UP007 - built
        schemas = [self.annotated(branch, (), place) for branch in branches]
        return int_or_string.merged(schemas, place.where)


_SCALARS = {str: "string", bool: "boolean", float: "number", int: "integer"}
_SETS = (set, frozenset, collections.abc.Set, collections.abc.MutableSet)
_LISTS = (
    *(list, tuple, collections.deque),
    *(collections.abc.Sequence, collections.abc.MutableSequence, *_SETS),
)
_MAPS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)


def _located(error: SchemaError, kind: type) -> SchemaError:
    """Return the error with the innermost class that it concerns."""
    error.model = error.model or kind
    return error


def _unwrapped(annotation: Any, place: _Place) -> annotations.Unwrapped:
    try:
        return annotations.unwrapped(annotation)
    except annotations.UnresolvedError as error:
        raise SchemaError(f"{place.where}: {error}") from error


def _shape(kind: Any) -> object_types.Shape | None:
    try:
        return object_types.shape_of(kind)
    except annotations.UnresolvedError as error:
        raise _located(SchemaError(str(error)), kind) from error


def _own_fields(shape: object_types.Shape) -> Iterator[tuple[str, FieldInfo]]:
    """Return a schema's own fields, without those that every object has."""
    if not issubclass(shape.kind, base.Resource):
        yield from shape.fields.items()
        return
    for name, field in shape.fields.items():
        if name in base.Resource.model_fields:
            declarations.check_envelope(shape, name, field)
        else:
            yield name, field


def _is_verbatim(model: type[base.Model]) -> bool:
    return issubclass(model, base.Resource) and model.kind_metadata.verbatim


def _is_words(annotation: Any) -> bool:
    is_enum = isinstance(annotation, type) and issubclass(annotation, enum.Enum)
    return is_enum or typing.get_origin(annotation) is Literal


def _enumeration(values: tuple[Any, ...], where: str) -> Schema:
    values = tuple(value.value if isinstance(value, enum.Enum) else value for value in values)
    types_found = {type(value) for value in values}
    if len(types_found) != 1 or (only := types_found.pop()) not in _SCALARS:
        raise SchemaError(
            f"{where}: expected enum values all str or all int, got {list(values)}; use one type, "
            "or IntOrString() for numbers and strings"
        )
    if not all(isinstance(value, str) or math.isfinite(value) for value in values):
        raise SchemaError(
            f"{where}: expected enum values that JSON can represent, got {list(values)}; write "
            "finite "
            "numbers"
        )
    return {"type": _SCALARS[only], "enum": list(dict.fromkeys(values))}


def _check_default(schema: Schema, field: FieldInfo, where: str) -> None:
    """Refuse a default that violates the schema or one of its rules."""
    if satisfiability.is_plainly_fit(schema, schema["default"]):
        return
    translated = copy.deepcopy(schema)
    expressions.translate(translated, expressions.names_of(field.annotation), where)
    satisfiability.check_default(translated, where)


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
