"""Models become structural schemas; what cannot be expressed is an error with an alternative."""

import datetime as dt
import decimal
import enum
import ipaddress
import pathlib
import re
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, TypeVar

import pydantic
import pytest
from pydantic import Field
from typing_extensions import TypeAliasType, TypedDict

from schemagen import (
    Atomic,
    Cel,
    Format,
    ListMap,
    ListSet,
    MaxBytes,
    MaxDescription,
    MaxEntries,
    Model,
    PreserveUnknown,
    Resource,
    Spec,
    Status,
    Type,
    exactly_one_of,
    judge,
)
from schemagen.model import wire
from schemagen.model.base import JSONObject
from schemagen.model.markers import EmbeddedResource, ExternalDocs, Immutable, Nullable
from schemagen.schema import structural

T = TypeVar("T")


class Color(enum.Enum):
    RED = "Red"
    GREEN = "Green"


class Item(Model):
    """One item.

    With a second
    paragraph.
    """

    name: Annotated[str, Field(min_length=1, max_length=63)] = Field(description="Its name.")
    size_limit: wire.Quantity | None = None


class Cat(Model):
    kind: Literal["cat"]
    lives: int
    name: str | None = None


class Dog(Model, rules=[Cel("self.name != 'rex'", "not rex")]):
    kind: Literal["dog"]
    tricks: list[str] | None = None
    name: str | None = None


class Lion(Model):
    kind: Literal["lion"]
    lives: str


class Defaulted(Model):
    kind: Literal["x"]
    size: int = 3


class Point(NamedTuple):
    x: int


class Options(TypedDict):
    x: int


class Foreign(pydantic.BaseModel):
    x: int


Name = NewType("Name", Annotated[str, Field(max_length=63)])
Alias = TypeAliasType("Alias", Annotated[int, Field(ge=1)])


def schema_of_field(annotation: Any, default: Any = ...) -> Any:
    """Return the schema of one field of this type."""
    model = type(
        "Example", (Model,), {"__annotations__": {"field": annotation}, "field": Field(default)}
    )
    return structural.schema_of(model)["properties"]["field"]


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (str, {"type": "string"}),
        (bool, {"type": "boolean"}),
        (int, {"type": "integer"}),
        (float, {"type": "number"}),
        (str | None, {"type": "string"}),
        (wire.Int32, {"type": "integer", "format": "int32"}),
        (wire.Timestamp, {"type": "string", "format": "date-time"}),
        (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}),
        (Literal["a"], {"type": "string", "enum": ["a"]}),
        (Literal[1, 2], {"type": "integer", "enum": [1, 2]}),
        (Color, {"type": "string", "enum": ["Red", "Green"]}),
        (Any, {"x-kubernetes-preserve-unknown-fields": True}),
        (JSONObject, {"type": "object", "x-kubernetes-preserve-unknown-fields": True}),
        (list[str], {"type": "array", "items": {"type": "string"}}),
        (
            dict[str, Annotated[int, Field(ge=0)]],
            {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}},
        ),
        (
            wire.IntOrString,
            {
                "anyOf": [{"type": "integer"}, {"type": "string"}],
                "x-kubernetes-int-or-string": True,
            },
        ),
        (
            wire.Quantity,
            {
                "anyOf": [{"type": "integer"}, {"type": "string"}],
                "x-kubernetes-int-or-string": True,
                "pattern": wire.QUANTITY,
            },
        ),
        (
            Annotated[int, Field(gt=0, lt=9, multiple_of=2)],
            {
                "type": "integer",
                "minimum": 0,
                "exclusiveMinimum": True,
                "maximum": 9,
                "exclusiveMaximum": True,
                "multipleOf": 2,
            },
        ),
        (
            Annotated[str, Field(min_length=1, max_length=9, pattern="^a"), Format("uri")],
            {
                "type": "string",
                "format": "uri",
                "minLength": 1,
                "maxLength": 9,
                "pattern": "^a",
            },
        ),
        (
            Annotated[list[Annotated[str, MaxBytes(8)]], ListSet(), MaxEntries(3)],
            {
                "type": "array",
                "items": {"type": "string", "maxLength": 8},
                "x-kubernetes-list-type": "set",
                "maxItems": 3,
            },
        ),
        (
            Annotated[dict[str, str], Atomic(), Field(min_length=1), MaxEntries(3)],
            {
                "type": "object",
                "additionalProperties": {"type": "string"},
                "x-kubernetes-map-type": "atomic",
                "minProperties": 1,
                "maxProperties": 3,
            },
        ),
        (
            Annotated[list[Item], ListMap("name")] | None,
            {
                "type": "array",
                "items": {
                    "description": "One item.\n\nWith a second paragraph.",
                    "type": "object",
                    "properties": {
                        "name": {
                            "description": "Its name.",
                            "type": "string",
                            "minLength": 1,
                            "maxLength": 63,
                        },
                        "sizeLimit": {
                            "anyOf": [{"type": "integer"}, {"type": "string"}],
                            "x-kubernetes-int-or-string": True,
                            "pattern": wire.QUANTITY,
                        },
                    },
                    "required": ["name"],
                },
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
            },
        ),
        (set[str], {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"}),
        (tuple[str, ...], {"type": "array", "items": {"type": "string"}}),
        (Sequence[str], {"type": "array", "items": {"type": "string"}}),
        (Mapping[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}),
        (Name, {"type": "string", "maxLength": 63}),
        (Alias, {"type": "integer", "minimum": 1}),
        (Literal[True], {"type": "boolean", "enum": [True]}),
        (Annotated[str | None, Nullable()], {"type": "string", "nullable": True}),
        (
            Annotated[Annotated[int, Field(ge=1, le=9)], Field(ge=3, le=20)],
            {"type": "integer", "minimum": 3, "maximum": 9},
        ),
        (
            Annotated[Annotated[int, Field(gt=3)], Field(ge=3)],
            {"type": "integer", "minimum": 3, "exclusiveMinimum": True},
        ),
        (
            Annotated[Annotated[str, Field(pattern="^a")], Field(pattern="b$")],
            {"type": "string", "pattern": "^a", "allOf": [{"pattern": "b$"}]},
        ),
        (
            Annotated[str, Immutable()],
            {
                "type": "string",
                "x-kubernetes-validations": [
                    {"rule": "self == oldSelf", "message": "must not be changed"}
                ],
            },
        ),
        (
            dict[Annotated[str, Field(min_length=1, max_length=63, pattern="^[a-z']+$")], str],
            {
                "type": "object",
                "additionalProperties": {"type": "string"},
                "x-kubernetes-validations": [
                    {
                        "rule": "self.all(key, size(key) >= 1)",
                        "message": "keys must have at least 1 characters",
                    },
                    {
                        "rule": "self.all(key, size(key) <= 63)",
                        "message": "keys must have at most 63 characters",
                    },
                    {
                        "rule": "self.all(key, key.matches('^[a-z\\']+$'))",
                        "message": "keys must match '^[a-z\\']+$'",
                    },
                ],
            },
        ),
        (
            dict[Literal["a", "b"], bool],
            {
                "type": "object",
                "additionalProperties": {"type": "boolean"},
                "x-kubernetes-validations": [
                    {
                        "rule": "self.all(key, key in ['a', 'b'])",
                        "message": "keys must be among ['a', 'b']",
                    }
                ],
            },
        ),
        (
            Annotated[JSONObject, EmbeddedResource()],
            {
                "type": "object",
                "x-kubernetes-preserve-unknown-fields": True,
                "x-kubernetes-embedded-resource": True,
            },
        ),
        (
            Annotated[str, ExternalDocs("https://example.com", "more")],
            {
                "type": "string",
                "externalDocs": {"url": "https://example.com", "description": "more"},
            },
        ),
        (
            Annotated[Cat | Dog, Field(discriminator="kind")],
            {
                "type": "object",
                "properties": {
                    "kind": {"type": "string", "enum": ["cat", "dog"]},
                    "lives": {"type": "integer"},
                    "name": {"type": "string"},
                    "tricks": {"type": "array", "items": {"type": "string"}},
                },
                "required": ["kind"],
                "oneOf": [
                    {
                        "properties": {"kind": {"enum": ["cat"]}},
                        "required": ["kind", "lives"],
                        "not": {"anyOf": [{"required": ["tricks"]}]},
                    },
                    {
                        "properties": {"kind": {"enum": ["dog"]}},
                        "required": ["kind"],
                        "not": {"anyOf": [{"required": ["lives"]}]},
                    },
                ],
                "x-kubernetes-validations": [
                    {
                        "rule": "!(self.kind in ['dog']) || (self.name != 'rex')",
                        "message": "not rex",
                    }
                ],
            },
        ),
        (
            Annotated[str, Cel("self != 'x'", "not x", reason="FieldValueForbidden")],
            {
                "type": "string",
                "x-kubernetes-validations": [
                    {"rule": "self != 'x'", "message": "not x", "reason": "FieldValueForbidden"}
                ],
            },
        ),
    ],
    ids=str,
)
def test_type_becomes_its_schema(oracle: judge.Judge, annotation: Any, expected: Any) -> None:
    schema = schema_of_field(annotation)

    assert expected == schema
    assert "" == oracle.check(definition_of(schema)).message


@pytest.fixture(scope="module")
def oracle() -> Iterator[judge.Judge]:
    with judge.Judge(deadline_seconds=60) as opened:
        yield opened


def definition_of(field: Any) -> Any:
    """Return a CRD whose spec has this field, bounded so that every rule is affordable."""
    spec = {"type": "object", "properties": {"field": bounded(field)}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "examples.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "examples", "kind": "Example"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}},
                }
            ],
        },
    }


def bounded(field: Any) -> Any:
    """Return the node with the bounds that the API server needs to estimate a rule's cost."""
    if field.get("type") == "object" and "x-kubernetes-validations" in field:
        return {"maxProperties": 16, **field}
    return field


class Defaults(Model):
    plain: int = 3
    made: list[str] = Field(default_factory=lambda: ["a"])
    nested: Item = Item(name="n")
    word: Color = Color.GREEN
    absent: str | None = None


def test_defaults_are_written_those_of_factories_too() -> None:
    properties = structural.schema_of(Defaults)["properties"]

    assert {"plain": 3, "made": ["a"], "nested": {"name": "n"}, "word": "Green"} == {
        name: field["default"] for name, field in properties.items() if "default" in field
    }


class Union(Model, rules=[exactly_one_of("left", "right")]):
    left: str | None = None
    right: str | None = None


class Wider(Union, rules=[Cel("has(self.left)", "left is set")]):
    pass


def test_rules_of_a_model_come_after_those_it_inherits() -> None:
    rules = structural.schema_of(Wider)["x-kubernetes-validations"]

    assert [
        {
            "rule": "(has(self.left) ? 1 : 0) + (has(self.right) ? 1 : 0) == 1",
            "message": "exactly one of left, right must be set",
        },
        {"rule": "has(self.left)", "message": "left is set"},
    ] == rules


class ThingSpec(Spec):
    size: int


class ThingStatus(Status):
    seen: bool | None = None


class Thing(Resource):
    """A thing."""

    spec: ThingSpec
    status: ThingStatus | None = None


def test_root_leaves_the_envelope_to_the_api_server() -> None:
    schema = structural.schema_of(Thing)

    assert {"apiVersion": {"type": "string"}, "kind": {"type": "string"}} == {
        name: schema["properties"][name] for name in ("apiVersion", "kind")
    }
    assert {"type": "object"} == schema["properties"]["metadata"]
    assert ["spec"] == schema["required"]
    assert "A thing." == schema["description"]


def test_descriptions_can_be_left_out() -> None:
    assert "description" not in str(structural.schema_of(Item, descriptions=False))


class Recursive(Model):
    children: "list[Recursive] | None" = None


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (int | str, "a union of 2"),
        (Item | Thing, "exactly_one_of"),
        (Literal["a", 1], "all str or all int"),
        (dict[int, str], "use str keys"),
        (tuple[int, str], "a model with one field for each place"),
        (bytes, r'Format\("byte"\)'),
        (object, "use JSONObject"),
        (dt.datetime, "use wire.Timestamp"),
        (dt.timedelta, "use wire.Duration"),
        (decimal.Decimal, "use wire.Quantity"),
        (uuid.UUID, r'Format\("uuid"\)'),
        (ipaddress.IPv4Address, r'Format\("ipv4"\)'),
        (pathlib.Path, "use str"),
        (pydantic.AnyUrl, "use wire.Uri"),
        (pydantic.SecretStr, "a reference to a Secret"),
        (Point, "a model with one field for each place"),
        (dict[Annotated[str, Field(max_length=3), Format("uri")], str], "self.all"),
        (Annotated[str, Format("a"), Format("b")], "expected one format"),
        (
            Annotated[list[Item], ListMap("nome")],
            "keys that are wire names of its items' fields.*they have name",
        ),
        (Annotated[str, pydantic.StringConstraints(to_lower=True)], "to_lower=True"),
        (Annotated[Cat | Lion, Field(discriminator="kind")], "the same in every model"),
        (Annotated[Cat | Defaulted, Field(discriminator="kind")], "expected no default for size"),
        (Annotated[str, "a marker"], "a marker that schemagen knows"),
        (list, "Example.field"),
        (pydantic.EmailStr, "use wire.Uri or wire.Email"),
        (pydantic.Json[int], "a marker that schemagen knows|a type that a structural schema"),
        (pydantic.ByteSize, "use wire.Quantity"),
        (pydantic.ImportString, "Example.field"),
        (re.Pattern[str], r"use Annotated\[str, Field\(pattern="),
        (Callable[[], int], "Example.field"),
        (pydantic.Base64Str, "a marker that schemagen knows"),
        (Annotated[int, pydantic.BeforeValidator(int)], "a marker that schemagen knows"),
        (Annotated[int, pydantic.PlainSerializer(str)], "a marker that schemagen knows"),
        (Annotated[int, pydantic.WithJsonSchema({})], "a marker that schemagen knows"),
        (Annotated[float, Field(allow_inf_nan=True)], "allow_inf_nan"),
        (Annotated[list[int], Field(fail_fast=True)], "Example.field"),
        (Annotated[dict[str, str], PreserveUnknown()], "write Any"),
        (Annotated[dict[str, Any], EmbeddedResource()], "JSONObject"),
        (Annotated[str, Type("string")], "leave Type out"),
        (Annotated[Any, Type("array")], "leave Type out"),  # type: ignore[arg-type]
    ],
    ids=str,
)
def test_what_a_schema_cannot_hold_is_an_error_with_a_way_out(annotation: Any, words: str) -> None:
    with pytest.raises(structural.SchemaError, match=words) as error:
        schema_of_field(annotation)

    assert str(error.value).startswith("Example.field")


def test_recursion_is_an_error() -> None:
    with pytest.raises(structural.SchemaError, match="a model that contains itself"):
        structural.schema_of(Recursive)


def model_with(**members: Any) -> Any:
    return type("Example", (Model,), {"__annotations__": {"field": str}, **members})


@pytest.mark.parametrize(
    ("members", "words"),
    [
        (
            {"computed": pydantic.computed_field(return_type=int)(len)},
            "a field that is not serialized",
        ),
        ({"check": pydantic.field_validator("field")(lambda value: value)}, r"write it as Cel\("),
        ({"show": pydantic.field_serializer("field")(lambda value: value)}, "another value"),
        (
            {"check": pydantic.model_validator(mode="after")(id)},
            r"write it as rules=\[Cel",
        ),
        ({"model_config": pydantic.ConfigDict(extra="forbid")}, "fieldValidation=Strict"),
        ({"field": Field(exclude=True)}, "a serialized field"),
        ({"field": Field(validation_alias="other")}, "expected one wire name"),
        ({"field": Field(serialization_alias="other")}, "expected one wire name"),
        ({"field": Field(json_schema_extra={"x": 1})}, "keywords as markers"),
        ({"field": Field(frozen=True)}, r"write Annotated\[..., Immutable\(\)\]"),
        ({"field": Field(default_factory=lambda data: data["x"])}, "set it in Rules.default"),
        ({"model_config": pydantic.ConfigDict(json_schema_extra={})}, "keywords as markers"),
        ({"model_config": pydantic.ConfigDict(str_to_lower=True)}, "write a pattern"),
        ({"model_config": pydantic.ConfigDict(str_max_length=3)}, "at each"),
    ],
    ids=range(14),
)
def test_what_only_python_would_do_is_an_error(members: dict[str, Any], words: str) -> None:
    with pytest.raises(structural.SchemaError, match=words) as error:
        structural.schema_of(model_with(**members))

    assert str(error.value).startswith("Example")


def test_field_options_become_keywords() -> None:
    field = Field(
        default="a", title="T", description="D.", examples=["x", "y"], deprecated="use other."
    )

    schema = structural.schema_of(model_with(field=field))["properties"]["field"]

    assert {
        "type": "string",
        "default": "a",
        "title": "T",
        "example": "x",
        "description": "Deprecated: use other. D.",
    } == schema


def test_what_a_type_inside_tells_is_kept() -> None:
    inner = Annotated[str, Field(title="T", description="D. More.", examples=["x"])]
    expected = {"type": "string", "title": "T", "example": "x", "description": "D. More."}

    assert expected == schema_of_field(inner | None)
    assert expected == schema_of_field(list[inner])["items"]


def test_a_limited_description_ends_with_a_sentence() -> None:
    text = Field(default=None, description="First one. Second one. Third.")
    annotation = Annotated[str, MaxDescription(24)] | None
    model = type("Example", (Model,), {"__annotations__": {"field": annotation}, "field": text})

    assert (
        "First one. Second one."
        == structural.schema_of(model)["properties"]["field"]["description"]
    )


def test_a_model_has_a_title() -> None:
    schema = structural.schema_of(model_with(model_config=pydantic.ConfigDict(title="T")))

    assert "T" == schema["title"]


def test_unknown_fields_are_kept_where_the_model_keeps_them() -> None:
    schema = structural.schema_of(model_with(model_config=pydantic.ConfigDict(extra="allow")))

    assert schema["x-kubernetes-preserve-unknown-fields"] is True


class Page(Model, Generic[T]):
    items: list[T]


def test_generic_model_has_the_schema_of_its_argument() -> None:
    assert {"type": "array", "items": {"type": "integer"}} == structural.schema_of(Page[int])[
        "properties"
    ]["items"]
