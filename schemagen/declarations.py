"""What a model may declare: whatever would change or check values in Python only is refused.

A validator, a serializer or a computed field would make Python see another object than the API
server; each is an error that says how to write it so that both see the same.
"""

import dataclasses
import datetime as dt
import decimal
import enum
import ipaddress
import pathlib
import typing
import uuid
from typing import Any

import pydantic
import typing_extensions
from pydantic.fields import FieldInfo

from schemagen.keywords import SchemaError
from schemagen.model import base

# What each kind of decorator would do, and what to write instead.
_DECORATORS = {
    "computed_fields": "a field that is not sent; declare it, and set it in Rules.default",
    "field_serializers": "another value than the one that was sent; leave it out",
    "model_serializers": "another object than the one that was sent; leave it out",
    "field_validators": "a check that the API server does not know; write it as Cel(...)",
    "model_validators": "a check that the API server does not know; write it as rules=[Cel(...)]",
    "validators": "a check that the API server does not know; write it as Cel(...)",
    "root_validators": "a check that the API server does not know; write it as rules=[Cel(...)]",
}

# Options of a model that would change a value, or refuse one that the API server takes.
_OPTIONS = {
    "coerce_numbers_to_str": "numbers as text; leave it out",
    "str_max_length": "a bound on every text; write Field(max_length=...) at each",
    "str_min_length": "a bound on every text; write Field(min_length=...) at each",
    "str_strip_whitespace": "another text than the one that was sent; write a pattern",
    "str_to_lower": "another text than the one that was sent; write a pattern",
    "str_to_upper": "another text than the one that was sent; write a pattern",
}

_INSTEAD: dict[type, str] = {
    dt.datetime: "wire.Timestamp",
    dt.date: 'Annotated[str, Format("date")]',
    dt.time: "Annotated[str, Field(pattern=...)]",
    dt.timedelta: "wire.Duration",
    decimal.Decimal: "wire.Quantity, or Annotated[str, Field(pattern=...)]",
    uuid.UUID: 'Annotated[str, Format("uuid")]',
    bytes: 'Annotated[str, Format("byte")]',
    ipaddress.IPv4Address: 'Annotated[str, Format("ipv4")]',
    ipaddress.IPv6Address: 'Annotated[str, Format("ipv6")]',
    ipaddress.IPv4Network: 'Annotated[str, Format("cidr")]',
    ipaddress.IPv6Network: 'Annotated[str, Format("cidr")]',
    pathlib.Path: "str",
    pydantic.SecretStr: "a reference to a Secret, by name and key: an object is no place for one",
    complex: "two fields",
    set: "set[str]",
    list: "list[str], or list[...] of a model",
    dict: "dict[str, ...], or JSONObject for anything",
    tuple: "list[...], or a model with one field for each place",
    object: "JSONObject for a free-form object, Any for any value",
}


def check_model(model: type[base.Model]) -> None:
    """Refuse what only Python would do."""
    found = model.__pydantic_decorators__
    for kind, instead in _DECORATORS.items():
        names = list(getattr(found, kind))
        if names:
            raise SchemaError(
                f"{model.__name__}.{names[0]}: expected what the API server can do too, got "
                f"{instead}"
            )
    for option, instead in _OPTIONS.items():
        if model.model_config.get(option):
            raise SchemaError(
                f"{model.__name__}: expected what the API server can do too, got {option}: "
                f"{instead}"
            )
    if model.model_config.get("json_schema_extra") is not None:
        raise SchemaError(
            f"{model.__name__}: expected keywords as markers, got json_schema_extra; use "
            "schemagen's markers"
        )
    if model.model_config.get("extra") == "forbid":
        raise SchemaError(
            f"{model.__name__}: expected extra to be ignore (the API server drops unknown fields, "
            "and refuses them where fieldValidation=Strict asks) or allow (it keeps them), got "
            "forbid; leave it out"
        )


def check_field(field: FieldInfo, where: str) -> None:
    """Refuse names and options that would make two forms of one field."""
    for other in (field.validation_alias, field.serialization_alias):
        if other not in (None, field.alias):
            raise SchemaError(
                f"{where}: expected one wire name, got {field.alias!r} and {other!r}; use alias="
            )
    if field.exclude:
        raise SchemaError(f"{where}: expected a field that is sent, got exclude=True; leave it out")
    if field.frozen:
        raise SchemaError(
            f"{where}: expected immutability that the API server enforces, got frozen=True; use "
            "Immutable() (in Python every model is frozen)"
        )
    if field.default_factory_takes_validated_data:
        raise SchemaError(
            f"{where}: expected a default of its own, got one that depends on other fields; set it "
            "in Rules.default"
        )
    if field.json_schema_extra is not None:
        raise SchemaError(
            f"{where}: expected keywords as markers, got json_schema_extra; use schemagen's markers"
        )


def check_enum(words: type[enum.Enum], where: str) -> None:
    """Refuse flags: their members combine to values that are no members."""
    if issubclass(words, enum.Flag):
        members = ", ".join(str(member.name) for member in words)
        raise SchemaError(
            f"{where}: expected an Enum, of which a field has one member, got the flags "
            f"{words.__name__}, whose members {members} combine; use set[...] of a StrEnum, one "
            "bool field for each, or int"
        )


def description(field: FieldInfo) -> str | None:
    """The field's description; a deprecated one says so first, for no keyword does."""
    if not field.deprecated:
        return field.description
    message = field.deprecated if isinstance(field.deprecated, str) else ""
    said = getattr(field.deprecated, "message", message)
    return " ".join(part for part in ("Deprecated:", said, field.description) if part)


def unexpected(annotation: Any, where: str) -> SchemaError:
    """The error for a type that a structural schema cannot hold, with what to use instead."""
    known = typing.get_origin(annotation) or annotation
    name = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    is_shape = isinstance(known, type) and (
        dataclasses.is_dataclass(known) or issubclass(known, pydantic.BaseModel)
    )
    if is_shape or typing_extensions.is_typeddict(annotation):
        return SchemaError(
            f"{where}: expected a subclass of schemagen.Model, got {name}; inherit from Model"
        )
    if known.__module__ == "pydantic.networks":  # 15 ms to import, just to refuse
        instead = "wire.Uri or wire.Email, which keep the text as it was written"
        return SchemaError(f"{where}: expected a type that JSON has, got {name}; use {instead}")
    for kind, instead in _INSTEAD.items():
        if isinstance(known, type) and kind is not object and issubclass(known, kind):
            return SchemaError(f"{where}: expected a type that JSON has, got {name}; use {instead}")
    if annotation is object:
        return SchemaError(f"{where}: expected a type, got object; use {_INSTEAD[object]}")
    return SchemaError(
        f"{where}: expected a type that a structural schema can hold, got {name}; "
        "use a model, a scalar, list[...], set[...], dict[str, ...], Literal or JSONObject"
    )
