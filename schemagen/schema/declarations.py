"""Restrictions on model declarations: nothing may change or check values in Python only.

A validator, a serializer or a computed field would make Python see another object than the API
server; each is an error that names the equivalent that both evaluate.
"""

import collections.abc
import copy
import dataclasses
import datetime as dt
import decimal
import enum
import ipaddress
import pathlib
import re
import sys
import typing
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pydantic
import pydantic_core
import typing_extensions
from pydantic.fields import FieldInfo

from schemagen.model import base, markers, object_types
from schemagen.problems import JSON
from schemagen.schema.keywords import Schema, SchemaError

# The effect of each kind of decorator, and what to write instead.
_DECORATORS = {
    "computed_fields": "a field that is not serialized; declare it, and set it in Rules.default",
    "field_serializers": "another value than the one sent; leave it out",
    "model_serializers": "another object than the one sent; leave it out",
    "field_validators": "a check that the API server does not run; write it as Cel(...)",
    "model_validators": "a check that the API server does not run; write it as rules=[Cel(...)]",
    "validators": "a check that the API server does not run; write it as Cel(...)",
    "root_validators": "a check that the API server does not run; write it as rules=[Cel(...)]",
}

# Model options that would change a value, or refuse one that the API server accepts.
_OPTIONS = {
    "coerce_numbers_to_str": "numbers as text; leave it out",
    "field_title_generator": "titles that only Pydantic's JSON Schema has; write Field(title=...)",
    "json_encoders": "another value than the one sent; leave it out",
    "model_title_generator": "titles that only Pydantic's JSON Schema has; write title=...",
    "str_max_length": "a bound on every string; write Field(max_length=...) at each",
    "str_min_length": "a bound on every string; write Field(min_length=...) at each",
    "str_strip_whitespace": "another string than the one sent; write a pattern",
    "str_to_lower": "another string than the one sent; write a pattern",
    "str_to_upper": "another string than the one sent; write a pattern",
}

# Field options with a meaning in Python only.
_FIELD_OPTIONS = {
    "exclude": "a serialized field, got exclude=True; leave it out",
    "exclude_if": "a serialized field, got exclude_if; leave it out",
    "field_title_generator": "a title, got field_title_generator; write title=...",
    "frozen": "immutability that the API server enforces, got frozen=True or Final; write "
    "Annotated[..., Immutable()] (in Python every model is frozen)",
    "init_var": "a serialized field, got init_var=True; leave it out",
    "default_factory_takes_validated_data": "a default of its own, got one that depends on other "
    "fields; set it in Rules.default",
}

_INSTEAD: dict[type, str] = {
    dt.datetime: "wire.Timestamp",
    dt.date: 'Annotated[str, Format("date")]',
    dt.time: "Annotated[str, Field(pattern=...)]",
    dt.timedelta: "wire.Duration",
    decimal.Decimal: "wire.Quantity, or Annotated[str, Field(pattern=...)]",
    uuid.UUID: 'Annotated[str, Format("uuid")]',
    bytes: 'Annotated[str, Format("byte")]',
    bytearray: 'Annotated[str, Format("byte")]',
    ipaddress.IPv4Address: 'Annotated[str, Format("ipv4")]',
    ipaddress.IPv6Address: 'Annotated[str, Format("ipv6")]',
    ipaddress.IPv4Network: 'Annotated[str, Format("cidr")]',
    ipaddress.IPv6Network: 'Annotated[str, Format("cidr")]',
    pathlib.Path: "str",
    pydantic.ByteSize: "wire.Quantity",
    pydantic.SecretStr: "a reference to a Secret, by name and key: objects hold no secrets",
    complex: "two fields",
    str: "str, with Format(...) or Field(pattern=...)",
    int: "int, with bounds",
    float: "float, with bounds",
    re.Pattern: "Annotated[str, Field(pattern=...)] for a string that matches one, str for the "
    "expression itself",
    collections.abc.Callable: "a Literal that selects one",  # type: ignore[dict-item] # a class
    set: "set[str]",
    list: "list[str], or list[...] of a model",
    dict: "dict[str, ...], or JSONObject for anything",
    tuple: "list[...], or a model with one field for each place",
    collections.abc.Mapping: "dict[str, ...], or JSONObject for anything",
    collections.abc.Set: "set[str]",
    collections.abc.Iterable: "list[...], a model, or JSONObject for anything",
    object: "JSONObject for a free-form object, Any for any value",
}


def check_shape(shape: object_types.Shape) -> None:
    """Refuse Python-only behavior, and wire names shared by two fields."""
    for problem in _problems(shape):
        raise SchemaError(problem)


def _problems(shape: object_types.Shape) -> Iterator[str]:
    yield from _rules(shape)
    yield from _decorated(shape.kind, shape.name)
    yield from _hidden(shape)
    yield from _options(shape)
    yield from _typed_extra(shape)
    yield from _of_dataclass(shape)
    yield from _of_typed_dict(shape)
    yield from _collisions(shape)


def _rules(shape: object_types.Shape) -> Iterator[str]:
    for rule in shape.rules:
        if not isinstance(rule, markers.Cel):
            yield f"{shape.name}: expected Cel(...) in rules, got {rule!r}; write Cel(...)"


def _decorated(kind: Any, name: str) -> Iterator[str]:
    """Yield methods that would make Python see another object than the API server."""
    decorators = getattr(kind, "__pydantic_decorators__", None)
    for decorator, instead in _DECORATORS.items():
        for method in getattr(decorators, decorator, ()):
            yield (
                f"{name}.{method}: expected behavior that the API server can reproduce, got "
                f"{instead}"
            )
    for method in ("model_post_init", "__post_init__"):
        own = getattr(kind, method, None)
        is_own = own is not None and own is not pydantic.BaseModel.model_post_init
        if is_own and not getattr(kind, "__private_attributes__", None):
            yield (
                f"{name}.{method}: expected behavior that the API server can reproduce, "
                "got a method that runs "
                "in Python only; write a check as rules=[Cel(...)], and values in Rules.default"
            )


def _hidden(shape: object_types.Shape) -> Iterator[str]:
    """Yield attributes that look like fields but are not serialized."""
    if not issubclass(shape.kind, pydantic.BaseModel):
        return
    own = shape.kind.__class_vars__ - base.Model.__class_vars__
    if not own:
        return
    written = {
        name: text
        for base_class in reversed(shape.kind.__mro__)
        for name, text in _written(base_class).items()
    }
    for name in sorted(own):
        if _FINAL.search(written.get(name, "")):
            yield (
                f"{shape.name}.{name}: expected a serialized field, got Final with a value, "
                "which Pydantic makes a constant of the class; write Literal[...] with a default, "
                "or ClassVar"
            )


_FINAL = re.compile(r"\bFinal\b")


def _written(kind: type) -> Mapping[str, str]:
    """Return the annotations of a class as text, without resolving names."""
    written = typing_extensions.get_annotations(kind, format=typing_extensions.Format.FORWARDREF)
    return {name: str(annotation) for name, annotation in written.items()}


def _options(shape: object_types.Shape) -> Iterator[str]:
    config = shape.config
    for option, instead in _OPTIONS.items():
        if config.get(option):
            yield (
                f"{shape.name}: expected behavior that the API server can reproduce, got "
                f"{option}: {instead}"
            )
    if config.get("json_schema_extra") is not None:
        yield (
            f"{shape.name}: expected schema keywords as markers, got json_schema_extra; use "
            "schemagen's markers"
        )
    if config.get("extra") == "forbid":
        yield (
            f"{shape.name}: expected extra to be ignore (the API server drops unknown fields, and "
            "refuses them where fieldValidation=Strict asks) or allow (it keeps them), got forbid; "
            "leave it out"
        )
    if config.get("validate_by_alias") is False:
        yield (
            f"{shape.name}: expected a model that reads wire names, got validate_by_alias=False; "
            "leave it out"
        )
    is_model = issubclass(shape.kind, pydantic.BaseModel)
    if is_model and "__get_pydantic_core_schema__" in vars(shape.kind):
        yield (
            f"{shape.name}: expected a model that Pydantic builds, got one with its own "
            "__get_pydantic_core_schema__; leave it out"
        )


def _typed_extra(shape: object_types.Shape) -> Iterator[str]:
    """Yield a problem for typed or closed extra fields: a schema keeps all or drops all."""
    if getattr(shape.kind, "__closed__", None) or _has_typed_extra(shape):
        yield (
            f"{shape.name}: expected dropped unknown fields, or extra='allow' for any, got typed "
            "or closed extra fields; put them into a dict[str, ...] field of their own"
        )


def _has_typed_extra(shape: object_types.Shape) -> bool:
    if shape.config.get("extra") != "allow" or not issubclass(shape.kind, pydantic.BaseModel):
        return False
    above = {base.Model, *pydantic.BaseModel.__mro__}
    own = (kind for kind in shape.kind.__mro__ if kind not in above)
    return any("__pydantic_extra__" in _written(kind) for kind in own)


def _of_dataclass(shape: object_types.Shape) -> Iterator[str]:
    if not dataclasses.is_dataclass(shape.kind):
        return
    for field in shape.kind.__dataclass_fields__.values():
        is_init_var = isinstance(field.type, dataclasses.InitVar) or "InitVar" in str(field.type)
        if not field.init or is_init_var:
            yield (
                f"{shape.name}.{field.name}: expected a serialized field, got "
                f"{'InitVar' if is_init_var else 'init=False'}; leave it out, or make it a ClassVar"
            )


def _of_typed_dict(shape: object_types.Shape) -> Iterator[str]:
    if not typing_extensions.is_typeddict(shape.kind):
        return
    if sys.version_info < (3, 12) and type(shape.kind).__module__ == "typing":
        yield (
            f"{shape.name}: expected typing_extensions.TypedDict, which Pydantic needs before "
            "Python 3.12, got typing's; import it from typing_extensions"
        )
    if shape.config.get("alias_generator"):
        yield (
            f"{shape.name}: expected wire names as keys, got alias_generator; inherit from Model "
            "instead of TypedDict"
        )
    for name, field in shape.fields.items():
        if field.alias not in (None, name):
            yield (
                f"{shape.name}.{name}: expected the wire name as the key, got the alias "
                f"{field.alias!r}; inherit from Model instead of TypedDict"
            )


def _collisions(shape: object_types.Shape) -> Iterator[str]:
    """Yield a problem for each wire name shared by two fields."""
    by_wire_name: dict[str, str] = {}
    for name in shape.fields:
        other = by_wire_name.setdefault(shape.wire_name(name), name)
        if other != name:
            yield (
                f"{shape.name}.{name}: expected a unique wire name, got "
                f"{shape.wire_name(name)!r}, which {other} already has; rename one, or give it an "
                "alias"
            )


def check_envelope(shape: object_types.Shape, name: str, field: FieldInfo) -> None:
    """Refuse redefinitions of apiVersion, kind and metadata, which the API server defines.

    A Literal of the kind's own name is allowed, as it always holds, and so are ``Keywords``.
    """
    inherited = base.Resource.model_fields[name]
    annotation = field.annotation
    is_same = annotation == inherited.annotation or (
        name != "metadata" and typing.get_origin(annotation) is typing.Literal
    )
    if is_same and all(isinstance(marker, markers.Keywords) for marker in field.metadata):
        return
    raise SchemaError(
        f"{shape.name}.{name}: expected the standard declaration, got {annotation}"
        f"{f' with {list(field.metadata)}' if field.metadata else ''}, which the API server does "
        "not check; leave it out, or write rules=[Cel(...)] over self.metadata.name"
    )


def root_of(model: type[pydantic.RootModel[Any]]) -> FieldInfo:
    """Return the field of a RootModel after refusing Python-only behavior."""
    field = object_types.resolved(model).model_fields["root"]
    for problem in (*_decorated(model, model.__name__), *_options_of_root(model)):
        raise SchemaError(problem)
    if not field.is_required():
        raise SchemaError(
            f"{model.__name__}: expected a RootModel without a default, got one, which is never "
            "serialized; write it at each field of this type"
        )
    return field


def _options_of_root(model: type[pydantic.RootModel[Any]]) -> Iterator[str]:
    yield from _options(object_types.Shape(model, {}, model.model_config, None))


# Unsupported types are reported elsewhere, strict or not; bounds are dropped when a model is built.
_NOT_OF_STRICT = (
    *(pydantic.PydanticUserError, pydantic_core.SchemaError),
    *(NameError, TypeError, ValueError),
)


def check_strict(annotation: Any, metadata: Sequence[Any], where: str) -> None:
    """Refuse strict where Pydantic raises a RuntimeError: on types that it validates in steps.

    Raises:
        SchemaError: naming the annotation.
    """
    try:
        pydantic.TypeAdapter(typing.Annotated[annotation, *metadata] if metadata else annotation)
    except _NOT_OF_STRICT:
        return
    except RuntimeError as error:
        raise SchemaError(
            f"{where}: expected strict on a type for which Pydantic supports it, got {annotation}; "
            "leave strict out, the API server converts nothing anyway"
        ) from error


def check_field(field: FieldInfo, where: str) -> None:
    """Refuse aliases and options that would give a field two wire forms."""
    for other in (field.validation_alias, field.serialization_alias):
        if other not in (None, field.alias):  # AliasPath is not hashable
            raise SchemaError(
                f"{where}: expected one wire name, got {field.alias!r} and {other!r}; use alias="
            )
    for option, instead in _FIELD_OPTIONS.items():
        if getattr(field, option, None):
            raise SchemaError(f"{where}: expected {instead}")
    if field.json_schema_extra is not None:
        raise SchemaError(
            f"{where}: expected schema keywords as markers, got json_schema_extra; use "
            "schemagen's markers"
        )


def check_enum(words: type[enum.Enum], where: str) -> None:
    """Refuse flag enums: combined members are no members of the enum."""
    if issubclass(words, enum.Flag):
        members = ", ".join(str(member.name) for member in words)
        raise SchemaError(
            f"{where}: expected an Enum, of which a field holds one member, got the flags "
            f"{words.__name__}, whose members {members} combine; use set[...] of a StrEnum, one "
            "bool field for each, or int"
        )


def description(field: FieldInfo) -> str | None:
    """Return the field's description, prefixed with its deprecation: no schema keyword marks it."""
    if not field.deprecated:
        return field.description
    message = field.deprecated if isinstance(field.deprecated, str) else ""
    deprecation = getattr(field.deprecated, "message", message)
    return " ".join(part for part in ("Deprecated:", deprecation, field.description) if part)


def raw_keywords(metadata: Iterable[Any]) -> Schema:
    """Return the keywords that a field states as they are."""
    raw: Schema = {}
    for marker in markers.flattened(metadata):
        if isinstance(marker, markers.Keywords):
            raw |= marker.schema
    return raw


def restated(schema: Schema, raw: Mapping[str, JSON]) -> Schema:
    """Return a node with the keywords that are stated as they are."""
    restated = schema | copy.deepcopy(dict(raw))
    return {
        keyword: value
        for keyword, value in restated.items()
        if value is not None or keyword == "default"
    }


def unexpected(annotation: Any, where: str) -> SchemaError:
    """Return the error for a type that a structural schema cannot express, with an alternative."""
    known = typing.get_origin(annotation) or annotation
    name = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    if isinstance(annotation, typing.TypeVar):
        return SchemaError(
            f"{where}: expected a type argument, got the type parameter {name}; write it where the "
            "generic model or alias is used: Page[Item]"
        )
    if getattr(known, "__module__", "") == "pydantic.networks":  # its import takes 15 ms
        texts = (
            "wire.IPv4, wire.IPv6 or wire.Cidr"
            if name.startswith("IP")
            else "wire.Uri or wire.Email"
        )
        instead = f"{texts}, which keep the string as written"
        return SchemaError(
            f"{where}: expected a type that JSON can represent, got {name}; use {instead}"
        )
    for kind, instead in _INSTEAD.items():
        if isinstance(known, type) and kind is not object and issubclass(known, kind):
            return SchemaError(
                f"{where}: expected a type that JSON can represent, got {name}; use {instead}"
            )
    if annotation is object:
        return SchemaError(f"{where}: expected a type, got object; use {_INSTEAD[object]}")
    return SchemaError(
        f"{where}: expected a type that a structural schema can express, got {name}; "
        "use a model, a scalar, list[...], set[...], dict[str, ...], Literal or JSONObject"
    )
