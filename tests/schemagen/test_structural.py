"""Models become structural schemas, whole; what cannot be said is an error with a way out."""

import enum
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from schemagen import (
    Atomic,
    Cel,
    Format,
    ListMap,
    ListSet,
    MaxBytes,
    MaxEntries,
    Model,
    Resource,
    Spec,
    Status,
    exactly_one_of,
    structural,
)
from schemagen.model import wire
from schemagen.model.base import JSONObject


class Color(enum.Enum):
    RED = "Red"
    GREEN = "Green"


class Item(Model):
    """One item.

    Not in the schema.
    """

    name: Annotated[str, Field(min_length=1, max_length=63)] = Field(description="Its name.")
    size_limit: wire.Quantity | None = None


def schema_of_field(annotation: Any, default: Any = ...) -> Any:
    """The schema of one field of this type."""
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
                    "description": "One item.",
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
def test_type_becomes_its_schema(annotation: Any, expected: Any) -> None:
    assert expected == schema_of_field(annotation)


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
        (tuple[int, str], "list"),
        (set[str], "list"),
        (bytes, "use a model"),
        (object, "use a model"),
        (Annotated[str, "a marker"], "a marker that schemagen knows"),
        (list, "Example.field"),
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
