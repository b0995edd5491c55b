"""Rules may use Python names; reserved CEL names are escaped; string literals are unchanged."""

import enum
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field
from typing_extensions import TypeAliasType

from schemagen import (
    Api,
    Cel,
    Kind,
    Model,
    Policy,
    Resource,
    Spec,
    Version,
    checking,
    exactly_one_of,
    judge,
)
from schemagen.crd import admission_policy, definitions
from schemagen.schema import expressions, structural
from schemagen.schema.expressions import names_of, wire_expression, wire_path
from schemagen.schema.keywords import SchemaError


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
        "Both: expected an unambiguous name in a rule, got max_size, which is limit and "
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

    names = {name: set(wires) for name, wires in names_of(Both).items() if "_" in name}

    assert {
        "first_name": {"firstName"},
        "second_name": {"secondName"},
        "by_color": {"byColor"},
    } == names


class OddPart(Model):
    my_x: Annotated[str, Field(alias="X", max_length=9)]


class Odd(
    Spec,
    rules=[
        Cel("self.my_x > 0", "expected more than 0", field_path=".my_x"),
        Cel("has(self.dotted) ? self.dotted.size() < 9 : true"),
        Cel("!has(self.slashed) || self.slashed"),
        Cel("!has(self.doubled) || self.doubled > 1", field_path="['a__b']"),
        Cel("!has(self.for_) || self.for_ != self.my__dash__x", field_path=".for"),
        exactly_one_of("dotted", "slashed"),
        Cel("self.parts.all(p, p.my_x != 'no')", message_expression="self.parts[0].my_x"),
        Cel("!('my_x' in self.labels) || self.labels.my_x == 'kept'"),
    ],
):
    my_x: int = Field(3, alias="my-x")
    dotted: str | None = Field(None, alias="a.b")
    slashed: bool | None = Field(None, alias="a/b")
    doubled: int | None = Field(None, alias="a__b")
    for_: int | None = Field(None, alias="for")
    labels: dict[str, str] = Field(default_factory=dict, max_length=8)
    parts: list[OddPart] = Field(default_factory=list, max_length=8)


class OddRoot(Resource):
    spec: Odd


def test_names_are_escaped_as_the_api_server_asks() -> None:
    spec = structural.schema_of(OddRoot)["properties"]["spec"]

    assert [
        {"rule": "self.my__dash__x > 0", "message": "expected more than 0", "fieldPath": ".my-x"},
        {"rule": "has(self.a__dot__b) ? self.a__dot__b.size() < 9 : true"},
        {"rule": "!has(self.a__slash__b) || self.a__slash__b"},
        {
            "rule": "!has(self.a__underscores__b) || self.a__underscores__b > 1",
            "fieldPath": ".a__b",
        },
        {"rule": "!has(self.__for__) || self.__for__ != self.my__dash__x", "fieldPath": ".for"},
        {
            "rule": "(has(self.a__dot__b) ? 1 : 0) + (has(self.a__slash__b) ? 1 : 0) == 1",
            "message": "exactly one of dotted, slashed must be set",
        },
        {"rule": "self.parts.all(p, p.X != 'no')", "messageExpression": "self.parts[0].X"},
        {"rule": "!('my_x' in self.labels) || self.labels.my_x == 'kept'"},
    ] == spec["x-kubernetes-validations"]


@pytest.mark.parametrize(
    ("spec", "fields"),
    [
        ({"a.b": "x"}, []),
        ({"my-x": 0, "a.b": "x"}, ["spec.my-x"]),
        ({"a.b": "x", "a/b": True}, ["spec"]),
        ({"a.b": "x", "a__b": 1}, ["spec.a__b"]),
        ({"a.b": "x", "for": 3}, ["spec.for"]),
        ({"a.b": "x", "parts": [{"X": "no"}]}, ["spec"]),
        ({"a.b": "x", "labels": {"my_x": "lost"}}, ["spec"]),
    ],
)
def test_model_and_judge_agree_about_escaped_names(spec: Any, fields: list[str]) -> None:
    api = Api("example.com", (Kind("Odd", "odds", (Version("v1", OddRoot, storage=True),)),))
    value = {"apiVersion": "example.com/v1", "kind": "Odd", "metadata": {"name": "a"}, "spec": spec}

    with (
        judge.Judge(deadline_seconds=60) as asked,
        asked.load(definitions.crd(api, api.kinds[0])) as odd,
    ):
        judged = odd.create(value, strict=False)

    assert fields == [cause.field for cause in judged.causes]
    assert judged.causes == checking.of(OddRoot).create(value).causes


def test_a_name_that_cel_cannot_write_is_refused() -> None:
    class Foreign(Spec, rules=[Cel("self.size > 0")]):
        size: Annotated[int, Field(alias="größe")]

    with pytest.raises(SchemaError) as refused:
        structural.schema_of(Foreign)

    assert (
        "Foreign: expected a field that CEL can name (letters of ASCII, digits, _ - . and /, no "
        "digit first), got size, which is 'größe' on the wire; give it another alias, or attach "
        "the rule to the field, where self is its value"
    ) == str(refused.value)


def test_a_receiver_that_is_known_settles_which_name_is_meant() -> None:
    class Left(Model):
        size: Annotated[int, Field(alias="a-size")]

    class Right(Model):
        size: Annotated[int, Field(alias="b-size")]

    class Both(Spec, rules=[Cel("self.left.size == self.right.size")]):
        left: Left
        right: Right

    (rule,) = structural.schema_of(Both)["x-kubernetes-validations"]

    assert {"rule": "self.left.a__dash__size == self.right.b__dash__size"} == rule


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (
            ".my_y",
            (
                "Odd: expected a field path to one of my-x, a.b, a/b, a__b, for, labels, parts, "
                "got my_y in .my_y; did you mean my_x?"
            ),
        ),
        (
            ".parts[0].my_x",
            (
                "Odd: expected a field path such as .spec.name or .spec['a.b'], got "
                ".parts[0].my_x; it names fields and map keys, never the items of a list"
            ),
        ),
    ],
)
def test_a_field_path_that_leads_nowhere_is_refused(path: str, words: str) -> None:
    node = structural.schema_of(Odd)

    with pytest.raises(SchemaError) as refused:
        expressions.wire_path(path, names_of(Odd), "Odd", node)

    assert words == str(refused.value)


def test_a_field_path_quotes_a_name_with_a_dot() -> None:
    node = structural.schema_of(Odd)

    assert "['a.b']" == expressions.wire_path(".dotted", names_of(Odd), "Odd", node)


def test_a_policy_may_use_python_names() -> None:
    class Spare(Spec):
        max_size: int = 1
        user_info: int = 1

    class Root(Resource):
        spec: Spare

    rule = Policy("object.spec.max_size > 1 || request.user_info.user_info == 'a'")
    kind = Kind("Spare", "spares", (Version("v1", Root, storage=True),), policies=(rule,))

    found, _ = admission_policy.policies(Api("example.com", (kind,)))

    (validation,) = found["spec"]["validations"]
    assert {
        "expression": "object.spec.maxSize > 1 || request.user_info.user_info == 'a'"
    } == validation


def test_a_policy_writes_odd_names_in_brackets() -> None:
    rule = Policy("object.spec.my_x > 1")
    kind = Kind("Odd", "odds", (Version("v1", OddRoot, storage=True),), policies=(rule,))

    with pytest.raises(SchemaError) as refused:
        [*admission_policy.policies(Api("example.com", (kind,)))]

    assert (
        "Odd v1: policy: expected a name that CEL can write after a dot, got my_x, which is 'my-x' "
        "on the wire; in a policy write ['my-x'], and 'my-x' in ... instead of has()"
    ) == str(refused.value)
