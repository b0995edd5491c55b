"""Rules may use Python names; what CEL reserves is escaped; quoted text is left alone."""

import enum
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field
from typing_extensions import TypeAliasType

from schemagen import Cel, Model, Resource, Spec, structural
from schemagen.expressions import names_of, wire_expression, wire_path
from schemagen.keywords import SchemaError


class Part(Model):
    part_number: str
    max_size: int = 0


Parts = TypeAliasType("Parts", list[Part])


class Machine(Model):
    all_parts: Parts
    by_name: dict[str, Part]
    kind_: Annotated[Literal["a"], Field(alias="kind")] = "a"


NAMES = names_of(Machine)


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("self.max_size > 1", "self.maxSize > 1"),
        ("self.maxSize > 1", "self.maxSize > 1"),
        ("has(self.kind_)", "has(self.kind)"),
        ("self.all_parts.all(p, p.part_number != '')", "self.allParts.all(p, p.partNumber != '')"),
        ("self.?max_size.orValue(1)", "self.?maxSize.orValue(1)"),
        ("self.namespace == self.__namespace__", "self.__namespace__ == self.__namespace__"),
        ("self['max_size'] == 'self.max_size'", "self['max_size'] == 'self.max_size'"),
        (r"'it\'s .max_size' + self.max_size", r"'it\'s .max_size' + self.maxSize"),
        ('r".max_size" == """.max_size"""', 'r".max_size" == """.max_size"""'),
        ("self.max_size() && self . max_size == 1", "self.max_size() && self . maxSize == 1"),
        ("1.0 < self.max_size // .max_size", "1.0 < self.maxSize // .max_size"),
        ("self.not_a_field", "self.not_a_field"),
    ],
)  # fmt: skip
def test_members_get_their_wire_names(written: str, sent: str) -> None:
    assert sent == wire_expression(written, NAMES, "Machine")


def test_a_field_path_is_not_escaped() -> None:
    assert ".allParts.namespace" == wire_path(".all_parts.namespace", NAMES, "Machine")


def test_a_name_with_two_meanings_is_refused() -> None:
    class Other(Model):
        max_size: Annotated[int, Field(alias="limit")]

    class Both(Model):
        part: Part
        other: Other

    with pytest.raises(SchemaError) as refused:
        wire_expression("self.part.max_size == 1", names_of(Both), "Both")

    assert (
        "Both: expected a name with one meaning in a rule, got max_size, which is limit and "
        "maxSize on the wire; write the wire name"
    ) == str(refused.value)


def test_rules_of_a_model_and_of_its_fields_are_translated() -> None:
    class Job(
        Spec,
        rules=[Cel("self.max_size > 0", message_expression="'%d'.format([self.max_size])",
                   field_path=".max_size")],
    ):  # fmt: skip
        max_size: int
        parts: Annotated[list[Part], Cel("self.all(p, p.max_size > 1)")]

    class Root(Resource):
        spec: Job

    spec: dict[str, Any] = structural.schema_of(Root)["properties"]["spec"]

    assert [
        {
            "rule": "self.maxSize > 0",
            "messageExpression": "'%d'.format([self.maxSize])",
            "fieldPath": ".maxSize",
        }
    ] == spec["x-kubernetes-validations"]
    assert [{"rule": "self.all(p, p.maxSize > 1)"}] == spec["properties"]["parts"][
        "x-kubernetes-validations"
    ]


def test_models_in_unions_maps_and_enums_are_found() -> None:
    class Color(enum.Enum):
        RED = "Red"

    class One(Model):
        kind: Literal["one"]
        first_name: str

    class Two(Model):
        kind: Literal["two"]
        second_name: str

    class Both(Model):
        chosen: Annotated[One | Two, Field(discriminator="kind")] | None = None
        by_color: dict[str, Color] = Field(default_factory=dict)

    found = {name: set(wires) for name, wires in names_of(Both).items() if "_" in name}

    assert {
        "first_name": {"firstName"},
        "second_name": {"secondName"},
        "by_color": {"byColor"},
    } == found
