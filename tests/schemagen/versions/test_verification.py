"""Conversions that do not fit the models of their versions are refused, with a correction."""

# ruff: noqa: E501 - messages are compared whole

import dataclasses
import itertools
import pathlib
import random
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Literal

import pydantic
import pytest
from pydantic import Field

import crds
from schemagen import (
    Api,
    JSONObject,
    Kind,
    ListMap,
    Model,
    Nullable,
    Resource,
    Secret,
    Spec,
    Version,
    wire,
)
from schemagen.model import field_types
from schemagen.problems import JSON
from schemagen.versions import records, schema_coverage, schema_places, steps
from schemagen.versions.records import keep, move, record, same_name
from schemagen.versions.steps import ABSENT
from schemagen.versions.verification import function_trials, step_types, verification
from tests.schemagen.versions import test_compiled_conversions
from tests.support import depth, foundry, harbor, model_draws, workshop
from tests.support.forked_commands import Commands

Fields = Mapping[str, Any]


class Pair(Model):
    """A key and its value."""

    name: str
    value: str | None = None


class Twin(Model):
    """Told apart by two keys."""

    name: str
    side: str = "left"
    value: str | None = None


class Small(Model):
    """An object."""

    x: int | None = None


class Large(Model):
    """An object with a field more."""

    x: int | None = None
    y: str | None = None


class Textual(Model):
    """An object whose field is a text."""

    x: str | None = None


def spec(fields: Fields) -> type[Spec]:
    defined: dict[str, Any] = {name: (kind | None, None) for name, kind in fields.items()}
    return pydantic.create_model("ThingSpec", __base__=Spec, __doc__="A thing.", **defined)


def root(fields: Fields) -> type[Resource]:
    return pydantic.create_model(
        "Thing", __base__=Resource, __doc__="A thing.", spec=(spec(fields), Field(description="x"))
    )


def found(old: Fields, new: Fields, *parts: Any, unordered: tuple[str, ...] = ()) -> list[str]:
    """Return the faults of a conversion between two specs, without the lines of this file."""
    step = record(keep("kind", "metadata"), same_name("spec", record(*parts)))
    conversion = records.Conversion(step, unordered)
    return faults_of(conversion, root(old), root(new))


def faults_of(conversion: Any, old: type[Resource], new: type[Resource]) -> list[str]:
    kind = Kind(
        "Thing",
        "things",
        (Version("v1", old, conversion=conversion), Version("v2", new, storage=True)),
    )
    older, newer = kind.versions
    faults = verification.faults(older, newer)
    return [str(dataclasses.replace(fault, line="")) for fault in faults]


class Counted(Spec):
    """Counts seconds."""

    seconds: int | None = None


class Written(Spec):
    """Writes a duration, its default in a way of its author's."""

    duration: wire.Duration = "60s"


class CountedThing(Resource):
    """A thing of v1."""

    spec: Counted = Field(description="x")


class WrittenThing(Resource):
    """A thing of v2."""

    spec: Written = Field(description="x")


ADVICE = (
    "Thing v1 <-> v2: v2 spec.duration: its default 60s comes back as 1m from v1; write "
    'to_duration(spelled="60s")'
)


@pytest.mark.parametrize(("spelled", "expected"), [("", [ADVICE]), ("60s", [])])
def test_default_that_would_change_spelling_is_reported(spelled: str, expected: list[str]) -> None:
    part = move("seconds", "duration", steps.to_duration(spelled=spelled))
    step = record(keep("kind", "metadata"), same_name("spec", record(part)))
    versions = (
        Version("v1", CountedThing, conversion=records.Conversion(step, ())),
        Version("v2", WrittenThing, storage=True),
    )

    told = verification.advice(Api("example.org", (Kind("Thing", "things", versions),)))

    assert expected == [line.rpartition(" (")[0] for line in told]


def test_spelling_that_is_no_duration_is_refused() -> None:
    with pytest.raises(
        field_types.DeclarationError, match=r"expected a duration such as 60s, got 'soon'"
    ):
        steps.to_duration(spelled="soon")


WORDS = Literal["red", "green"]
NEW_WORDS = Literal["Red", "Green", "Blue"]

# Conversions that fit: fields of both versions, and the parts.
FITTING: dict[str, tuple[Fields, Fields, list[Any]]] = {
    "kept": ({"a": int}, {"a": int}, [keep("a")]),
    "renamed": ({"a": int}, {"b": int}, [move("a", "b")]),
    "moved into an object": (
        {"replicas": int},
        {"size": Large},
        [move("replicas", "size.x")],
    ),
    "only in one version": ({"a": int, "gone": str}, {"a": int, "more": str}, [keep("a")]),
    "one version's fields in a kept object": ({"a": Small}, {"a": Large}, [keep("a")]),
    "words, one of which only the newer version has": (
        {"a": WORDS},
        {"a": NEW_WORDS},
        [same_name("a", steps.enumeration({"red": "Red", "green": "Green"}))],
    ),
    "duration": ({"a": int}, {"b": wire.Duration}, [move("a", "b", steps.to_duration())]),
    "unit": ({"a": int}, {"b": int}, [move("a", "b", steps.scaled(86400))]),
    "map and list": (
        {"a": dict[str, str]},
        {"b": Annotated[list[Pair], ListMap("name")]},
        [move("a", "b", steps.map_to_list("name", "value"))],
    ),
    "wrapped": ({"a": list[str]}, {"b": list[Pair]}, [move("a", "b", steps.wrap("name"))]),
    "each": (
        {"a": list[Pair]},
        {"a": list[Pair]},
        [same_name("a", steps.each_by("name", record(keep("name", "value"))))],
    ),
    "values": (
        {"a": dict[str, int]},
        {"a": dict[str, str]},
        [same_name("a", steps.values(steps.to_duration()))],
    ),
    "free-form": (
        {"a": JSONObject},
        {"a": Large, "extra": JSONObject},
        [
            same_name("a", steps.when(lambda value: not value, steps.KEEP)),
        ],
    ),
    "two functions": (
        {"a": str},
        {"b": str},
        [move("a", "b", steps.Fn(lambda value: value.upper(), lambda value: value.lower()))],
    ),
    "an alias": (
        {"a": str, "b": str},
        {"c": str},
        [move("a", "c"), move("b", "c", steps.one_way(steps.text()))],
    ),
    "forgotten": ({"password": str}, {"password": str}, [
        records.forget("password", new=("password",))
    ]),
    "unrelated": ({"a": str}, {"a": int}, [records.unrelated("a", new=("a",))]),
    "null": (
        {"a": Annotated[str, Nullable()]},
        {"a": Annotated[str, Nullable()]},
        [same_name("a", steps.Fn(lambda value: value, lambda value: value))],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FITTING)
def test_conversion_that_fits_has_no_fault(name: str) -> None:
    old, new, parts = FITTING[name]

    assert [] == found(old, new, *parts)


FOREIGN = "the type of v2 to keep it unchanged, got"

# Conversions that do not fit: fields of both versions, the parts, and the messages.
FAULTY: dict[str, tuple[Fields, Fields, list[Any], list[str]]] = {
    "misspelt path of the newer version": (
        {"instances": int},
        {"replicas": int},
        [move("instances", "replica")],
        ["v2 spec.replica: expected a field of v2, got no such field; did you mean replicas?"],
    ),
    "misspelt path of the older version": (
        {"instances": int},
        {"replicas": int},
        [move("instance", "replicas")],
        ["v1 spec.instance: expected a field of v1, got no such field; did you mean instances?"],
    ),
    "Python's name": (
        {"wait_seconds": int},
        {"wait_seconds": int},
        [keep("wait_seconds")],
        [
            (
                "v1 spec.wait_seconds: expected a field of v1, got no such field; did you mean "
                "waitSeconds?"
            ),
            (
                "v2 spec.wait_seconds: expected a field of v2, got no such field; did you mean "
                "waitSeconds?"
            ),
        ],
    ),
    "path of another place": (
        {"replicas": int},
        {"size": Large},
        [move("replicas", "x")],
        ["v2 spec.x: expected a field of v2, got no such field; did you mean spec.size.x?"],
    ),
    "path below a scalar": (
        {"a": int},
        {"b": int},
        [move("a", "b.c")],
        ["v2 spec.b.c: expected a field of v2, got spec.b is an integer, which has no fields"],
    ),
    "keep with a path": (
        {"a": Small},
        {"a": Small},
        [keep("a.x")],
        [
            'v1 spec.a.x: expected a field of v1, got no such field; a path goes into move("a.x", "a.x")',
            'v2 spec.a.x: expected a field of v2, got no such field; a path goes into move("a.x", "a.x")',
        ],
    ),
    "path through a list": (
        {"a": list[Small]},
        {"b": int},
        [move("a.x", "b")],
        [
            "v1 spec.a.x: expected a field of v1, got spec.a is a list; use each(...) with the step of its items"
        ],
    ),
    "misspelt path in a list": (
        {"a": list[Pair]},
        {"a": list[Pair]},
        [same_name("a", steps.each(record(keep("name"), move("value", "valu"))))],
        ["v2 spec.a[].valu: expected a field of v2, got no such field; did you mean value?"],
    ),
    "misspelt path in a map": (
        {"a": dict[str, Small]},
        {"a": dict[str, Small]},
        [same_name("a", steps.values(record(move("z", "x"))))],
        ["v1 spec.a{}.z: expected a field of v1, got no such field; the fields of spec.a{} are x"],
    ),
    "misspelt path behind guards": (
        {"a": Small},
        {"a": Small},
        [same_name("a", steps.exact(steps.when(bool, record(move("x", "xx")))))],
        ["v2 spec.a.xx: expected a field of v2, got no such field; did you mean x?"],
    ),
    "misspelt key of a list": (
        {"a": list[Pair]},
        {"a": list[Pair]},
        [same_name("a", steps.each_by("nam", steps.KEEP))],
        ["v1 spec.a[].nam: expected a field of v1, got no such field; did you mean name?"],
    ),
    "misspelt name of map_to_list": (
        {"a": dict[str, str]},
        {"a": list[Pair]},
        [same_name("a", steps.map_to_list("name", "valeu"))],
        ["v2 spec.a[].valeu: expected a field of v2, got no such field; did you mean value?"],
    ),
    "no step": (
        {"a": int},
        {"a": int},
        [],
        [
            (
                "v1 spec.a: expected a step that carries it, got none, and v2 has the field too; add "
                'keep("a"), or unrelated("a", new=("a",)) if they mean different things'
            )
        ],
    ),
    "no step between two types": (
        {"a": int},
        {"a": str},
        [],
        [
            (
                "v1 spec.a: expected a step that carries it, got none, and v2 has the field too; add "
                'move("a", "a", STEP) with the step between the two types, or unrelated("a", '
                'new=("a",)) if they mean different things'
            )
        ],
    ),
    "no step for a field below": (
        {"a": Large},
        {"a": Large},
        [same_name("a", record(keep("x")))],
        [
            (
                "v1 spec.a.y: expected a step that carries it, got none, and v2 has the field too; add "
                'keep("y"), or unrelated("y", new=("y",)) if they mean different things'
            )
        ],
    ),
    "no step beside a field that is moved alone": (
        {"a": Large},
        {"a": Large},
        [move("a.x", "a.x")],
        [
            (
                "v1 spec.a.y: expected a step that carries it, got none, and v2 has the field too; add "
                'move("a.y", "a.y"), or unrelated("a.y", new=("a.y",)) if they mean different things'
            )
        ],
    ),
    "no step for the field whose place is taken": (
        {"name": str, "title": str},
        {"name": str},
        [move("title", "name")],
        [
            (
                "v1 spec.name: expected a step that carries it, got none, and a step carries the field "
                'of this path in v2 elsewhere; add a step, or unrelated("name") if no field '
                "there corresponds to it"
            )
        ],
    ),
    "two steps into one field": (
        {"a": str, "b": str},
        {"c": str},
        [move("a", "c"), move("b", "c")],
        ["v2 spec.c: expected a single step that writes it, got two; leave one out"],
    ),
    "two steps from one field": (
        {"a": str},
        {"b": str, "c": str},
        [move("a", "b"), move("a", "c")],
        ["v1 spec.a: expected a single step that writes it, got two; leave one out"],
    ),
    "a step inside of another's target": (
        {"a": Large, "b": int},
        {"size": Large},
        [move("a", "size"), move("b", "size.x")],
        [
            (
                "v2 spec.size.x: expected a single step that writes it, got another that writes all "
                "of spec.size; leave one out, or move its fields one by one"
            )
        ],
    ),
    "kept between two types": (
        {"a": int},
        {"a": str},
        [keep("a")],
        [
            (
                f"v1 spec.a: expected {FOREIGN} an integer here and a string at v2 spec.a; use a step "
                "that converts between them"
            )
        ],
    ),
    "kept between two types below": (
        {"a": list[Small]},
        {"a": list[Textual]},
        [keep("a")],
        [
            (
                f"v1 spec.a[].x: expected {FOREIGN} an integer here and a string at v2 spec.a[].x; "
                "use a step that converts between them"
            )
        ],
    ),
    "kept between two enums": (
        {"a": Literal["x", "y"]},
        {"a": Literal["x", "z"]},
        [keep("a")],
        [
            (
                "v1 spec.a: expected the values of v2 spec.a to keep it unchanged, got y too; use "
                "enumeration({...}) with the common values, and residue keeps the others"
            )
        ],
    ),
    "kept between two formats": (
        {"a": wire.Timestamp},
        {"a": wire.GoDuration},
        [keep("a")],
        [
            (
                "v1 spec.a: expected the format of v2 to keep it unchanged, got date-time here "
                "and duration at v2 spec.a; use a step that converts between them"
            )
        ],
    ),
    "kept between free and typed": (
        {"a": JSONObject},
        {"a": Small},
        [keep("a")],
        [
            (
                f"v1 spec.a: expected {FOREIGN} a free-form object here and an object at v2 spec.a; "
                "use a step that converts between them"
            )
        ],
    ),
    "misspelt word": (
        {"a": WORDS},
        {"a": NEW_WORDS},
        [same_name("a", steps.enumeration({"red": "Red", "gren": "Green"}))],
        [
            (
                "v1 spec.a: expected one of its values red, green in enumeration, got gren; did you "
                "mean green?"
            )
        ],
    ),
    "word without its counterpart": (
        {"a": WORDS},
        {"a": NEW_WORDS},
        [same_name("a", steps.enumeration({"red": "Red"}))],
        [
            (
                "v1 spec.a: expected green among the values of enumeration, as v2 has Green; add "
                '"green": "Green"'
            )
        ],
    ),
    "misspelt respelled word": (
        {"a": WORDS},
        {"a": NEW_WORDS},
        [same_name("a", steps.respelled({"red": "Rad"}))],
        [
            (
                "v2 spec.a: expected one of its values Red, Green, Blue in enumeration, got Rad; did "
                "you mean Red?"
            )
        ],
    ),
    "words of a number": (
        {"a": int},
        {"a": str},
        [same_name("a", steps.enumeration({"red": "Red"}))],
        ["v1 spec.a: expected a string for its step, got an integer"],
    ),
    "duration of a text": (
        {"a": str},
        {"a": str},
        [same_name("a", steps.to_duration())],
        ["v1 spec.a: expected an integer for its step, got a string"],
    ),
    "duration in a number": (
        {"a": int},
        {"a": int},
        [same_name("a", steps.to_duration())],
        ["v2 spec.a: expected a string for its step, got an integer"],
    ),
    "duration in a time": (
        {"a": int},
        {"a": wire.Timestamp},
        [same_name("a", steps.to_duration())],
        ["v2 spec.a: expected a duration for to_duration, got format date-time"],
    ),
    "unit of a text": (
        {"a": int},
        {"a": str},
        [same_name("a", steps.scaled(60))],
        ["v2 spec.a: expected an integer for its step, got a string"],
    ),
    "each of no list": (
        {"a": dict[str, str]},
        {"a": list[str]},
        [same_name("a", steps.each(steps.KEEP))],
        ["v1 spec.a: expected a list for its step, got a map"],
    ),
    "values of no map": (
        {"a": dict[str, str]},
        {"a": Small},
        [same_name("a", steps.values(steps.KEEP))],
        ["v2 spec.a: expected a map for its step, got an object"],
    ),
    "list of a map of numbers": (
        {"a": dict[str, int]},
        {"a": list[Pair]},
        [same_name("a", steps.map_to_list("name", "value"))],
        ["v1 spec.a{}: expected a string for map_to_list, got an integer"],
    ),
    "list by another key": (
        {"a": dict[str, str], "b": list[str], "c": list[Pair]},
        {
            "a": Annotated[list[Twin], ListMap("name", "side")],
            "b": Annotated[list[Twin], ListMap("side")],
            "c": Annotated[list[Twin], ListMap("name", "side")],
        },
        [
            same_name("a", steps.map_to_list("name", "value")),
            same_name("b", steps.wrap("name")),
            same_name("c", steps.each_by("name", record(keep("name", "value")))),
        ],
        [
            "v2 spec.a: expected a step for its keys name, side, got one for name",
            "v2 spec.b: expected a step for its keys side, got one for name",
            "v2 spec.c: expected a step for its keys name, side, got one for name",
        ],
    ),
    "arm of no word": (
        {"type": WORDS, "x": int, "y": int},
        {"type": NEW_WORDS, "x": int, "y": int},
        [
            records.Tagged(
                move("type", "type", steps.enumeration({"red": "Red", "green": "Green"})),
                {"red": keep("x"), "grean": keep("y")},
            )
        ],
        [
            "v1 spec.type: expected arms for its values red, green, got grean; did you mean green?",
        ],
    ),
    "misspelt path in an arm": (
        {"type": str, "x": int, "y": int},
        {"type": str, "x": int, "y": int},
        [
            records.Tagged(
                move("type", "type", steps.enumeration({"red": "Red", "green": "Green"})),
                {"red": keep("x"), "green": (move("y", "yy"),)},
            )
        ],
        ["v2 spec.yy: expected a field of v2, got no such field; did you mean y?"],
    ),
    "misspelt word of a union": (
        {"type": WORDS, "x": int},
        {"red": Small, "green": Pair},
        [
            records.flat_union(
                "type",
                red=("red", record(keep("x"))),
                blue=("green", record()),
            )
        ],
        ["v1 spec.type: expected one of its values red, green, got blue"],
    ),
    "misspelt path of a union": (
        {"type": WORDS, "x": int},
        {"red": Small, "green": Pair},
        [
            records.flat_union(
                "type", red=("red", record(move("xx", "x"))), green=("gren", record())
            )
        ],
        [
            "v1 spec.xx: expected a field of v1, got no such field; did you mean x?",
            "v2 spec.gren: expected a field of v2, got no such field; did you mean green?",
        ],
    ),
    "wrapped numbers": (
        {"a": list[int]},
        {"a": list[Pair]},
        [same_name("a", steps.wrap("name"))],
        ["v1 spec.a[]: expected a string for wrap, got an integer"],
    ),
    "wrapped in texts": (
        {"a": list[str]},
        {"a": list[str]},
        [same_name("a", steps.wrap("name"))],
        ["v2 spec.a[].name: expected a field of v2, got spec.a[] is a string, which has no fields"],
    ),
    "text of a number": (
        {"a": int},
        {"a": int},
        [same_name("a", steps.text())],
        [
            "v1 spec.a: expected a string for its step, got an integer",
            "v2 spec.a: expected a string for its step, got an integer",
        ],
    ),
    "record of a list": (
        {"a": list[Small]},
        {"a": Small},
        [same_name("a", record(keep("x")))],
        ["v1 spec.a: expected an object for its step, got a list"],
    ),
    "constant of another type": (
        {"a": int},
        {"b": int},
        [records.Constant("a", "cel")],
        ["v1 spec.a: expected a field that accepts 'cel', got an integer"],
    ),
    "constant that is no word": (
        {"a": int},
        {"b": WORDS},
        [records.Implied("b", "gren")],
        ["v2 spec.b: expected one of its values red, green, got gren; did you mean green?"],
    ),
    "functions that raise": (
        {"a": str},
        {"b": str},
        [move("a", "b", steps.Fn(lambda value: value[0], lambda value: value))],
        [
            (
                "v1 spec.a: expected a value or ABSENT, got IndexError: 'string index out of range', "
                'converting "" to v2'
            )
        ],
    ),
    "functions that answer another type": (
        {"a": int},
        {"b": int},
        [move("a", "b", steps.Fn(str, int))],
        [("v1 spec.a: expected an integer for v2 spec.b, got a string, converting 0 to v2")],
    ),
    "functions that change what they are given": (
        {"a": Small},
        {"b": int},
        [move("a", "b", steps.Fn(lambda value: value.pop("x", ABSENT), lambda _: ABSENT))],
        [
            (
                'v1 spec.a: expected functions that do not mutate their arguments, got a changed argument, converting {"x": 0} to v2'
            )
        ],
    ),
    "functions that answer null": (
        {"a": str},
        {"b": str},
        [move("a", "b", steps.Fn(lambda value: None, lambda value: value))],  # noqa: ARG005 - a mistake
        ['v1 spec.a: expected a string for v2 spec.b, got a null, converting "" to v2'],
    ),
    "functions that answer an unknown field": (
        {"a": str},
        {"b": Small},
        [move("a", "b", steps.Fn(lambda value: {"z": value}, lambda _: ABSENT))],
        [
            (
                "v1 spec.a: expected fields of v2, got v2 spec.b.z: no such field; the fields of "
                'spec.b are x, converting "" to v2'
            )
        ],
    ),
    "functions that carry nothing": (
        {"a": str},
        {"b": str},
        [move("a", "b", steps.Fn(lambda _: ABSENT, lambda _: ABSENT))],
        [
            (
                "v1 spec.a: expected a step that carries values to v2 spec.b, got functions that "
                "returned ABSENT for each of 12 generated values, in both directions"
            )
        ],
    ),
    "a part of functions that writes an unknown field": (
        {"a": str},
        {"replicas": str},
        [records.PartFn(lambda old, new: new.update({"replica": old.get("a", "")}))],
        [
            (
                "v1 spec: expected fields of v2, got v2 spec.replica: no such field; did you mean "
                "replicas?, converting {} to v2"
            )
        ],
    ),
    "a part of functions that leaves a field alone": (
        {"a": str, "b": str},
        {"a": str, "b": str},
        [
            records.PartFn(
                lambda old, new: new.update({name: old[name] for name in ("a",) if name in old})
            )
        ],
        [
            (
                "v1 spec.b: expected a step that carries it, got none, and v2 has the field too; add "
                'keep("b"), or unrelated("b", new=("b",)) if they mean different things'
            )
        ],
    ),
}


@pytest.mark.parametrize("name", FAULTY)
def test_conversion_that_does_not_fit_is_explained(name: str) -> None:
    old, new, parts, expected = FAULTY[name]

    assert expected == found(old, new, *parts)


class Login(Model):
    """A secret in an object."""

    name: str | None = None
    password: Annotated[str, Secret()] | None = None


class PlainLogin(Model):
    """The same where nobody said that it is secret."""

    name: str | None = None
    password: str | None = None


class Nameless(Model):
    """A secret in an object that nothing tells apart from others."""

    user: str | None = None
    password: Annotated[str, Secret()] | None = None


SECRET = Annotated[str, Secret()]
NOT_THERE = "to keep the secret unchanged, got no such step: it would be lost or remain in an annotation; add the field there and keep it, or drop it explicitly with"

SECRETS: dict[str, tuple[Fields, Fields, list[Any], list[str]]] = {
    "kept": ({"a": SECRET}, {"a": SECRET}, [keep("a")], []),
    "renamed": ({"a": SECRET}, {"b": SECRET}, [move("a", "b", steps.text())], []),
    "kept in a list": (
        {"a": list[Login]},
        {"b": list[Login]},
        [move("a", "b", steps.each_by("name", record(keep("name", "password"))))],
        [],
    ),
    "kept in a list of items that nobody can tell apart": (
        {"a": list[Nameless]},
        {"a": list[Nameless]},
        [keep("a")],
        [
            f"{version} spec.a: expected items with an identity, as they hold a secret, got none of name, type, path, from and no key; mark the list ListMap(...)"
            for version in ("v1", "v2")
        ],
    ),
    "kept in a kept object": ({"a": Login}, {"a": Login}, [keep("a")], []),
    "forgotten": ({"a": Login}, {"b": int}, [records.forget("a")], []),
    "forgotten of the newer version": (
        {"b": int},
        {"a": SECRET},
        [records.forget(new=("a",))],
        [],
    ),
    "forgotten in a list": (
        {"a": list[Login]},
        {"a": list[Small]},
        [same_name("a", steps.each(record(records.forget("password"))))],
        [],
    ),
    "only in the older version": (
        {"a": SECRET},
        {"b": int},
        [],
        [f'v1 spec.a: expected v2 {NOT_THERE} forget("a") in the record of spec'],
    ),
    "only in the newer version, in an object": (
        {"b": int},
        {"a": list[Login]},
        [],
        [
            f'v2 spec.a[].password: expected v1 {NOT_THERE} forget(new=("password",)) in the record of spec.a[]'
        ],
    ),
    "lost in a kept object": (
        {"a": Login},
        {"a": Small},
        [keep("a")],
        [f'v1 spec.a.password: expected v2 {NOT_THERE} forget("password") in the record of spec.a'],
    ),
    "carried by functions": (
        {"a": SECRET},
        {"a": SECRET},
        [same_name("a", steps.when(bool))],
        [
            f'v1 spec.a: expected v2 {NOT_THERE} forget("a") in the record of spec',
            f'v2 spec.a: expected v1 {NOT_THERE} forget(new=("a",)) in the record of spec',
        ],
    ),
    "plain in the other version": (
        {"a": Login},
        {"a": PlainLogin},
        [keep("a")],
        [
            (
                "v2 spec.a.password: expected a secret as in v1 spec.a.password, got a plain string; "
                "mark it Secret()"
            )
        ],
    ),
}


@pytest.mark.parametrize("name", SECRETS)
def test_secret_is_in_each_version_or_forgotten(name: str) -> None:
    old, new, parts, expected = SECRETS[name]

    assert expected == found(old, new, *parts)


# Without types, as used by authors without a type checker.
UNTYPED: Any = records
UNTYPED_STEPS: Any = steps


@pytest.mark.parametrize(
    ("declare", "expected"),
    [
        (
            lambda: UNTYPED.move("a", "b.c", steps.to_duration),
            "move('a', 'b.c', ...): expected a step, got to_duration; call it: to_duration(...)",
        ),
        (lambda: UNTYPED_STEPS.each("a"), "each(...): expected a step, got 'a'"),
        (lambda: UNTYPED.record("a"), "record(...): expected parts such as keep('name'), got 'a'"),
        (
            lambda: UNTYPED.Conversion(record(), "spec.a"),
            "Conversion(unordered_paths=...): expected a tuple, got a string; write ('spec.a',)",
        ),
    ],
)
def test_what_is_no_step_is_refused_where_it_is_written(
    declare: Callable[[], object], expected: str
) -> None:
    with pytest.raises(field_types.DeclarationError) as caught:
        declare()

    assert expected == str(caught.value)


def test_unordered_path_must_lead_to_a_list() -> None:
    old: Fields = {"a": dict[str, str]}
    new: Fields = {"a": list[Pair], "b": int}
    part = same_name("a", steps.map_to_list("name", "value"))

    assert [] == found(old, new, part, unordered=("spec.a",))
    assert [
        "v2 spec.aa: expected a field of v2, got no such field; did you mean a?",
        "v2 spec.b: expected a list for unordered_paths, got an integer",
        "v2 spec.b: expected a list for unordered_paths spec.b.[], got an integer",
    ] == found(old, new, part, unordered=("spec.aa", "spec.b", "spec.b.[]"))


class Whole:
    """A conversion of two functions."""

    unordered = ()

    def __init__(self, change: Callable[[dict[str, JSON]], dict[str, JSON]]) -> None:
        self._change = change

    def up(self, value: dict[str, JSON], /) -> dict[str, JSON]:
        return self._change(value)

    def down(self, value: dict[str, JSON], /) -> dict[str, JSON]:
        return value


def test_conversion_of_two_functions_is_tried() -> None:
    def only(value: dict[str, JSON]) -> dict[str, JSON]:
        return {"metadata": value["metadata"], "spec": {}}

    def misspelt(value: dict[str, JSON]) -> dict[str, JSON]:
        return {**value, "spec": {"replica": 1}}

    old, new = root({"a": int, "gone": str}), root({"a": int, "replicas": int})

    assert [] == faults_of(Whole(lambda value: value), old, new)
    assert [
        'v1 object: expected unchanged metadata, got a change, converting {"spec": {}, "metadata": {}} to v2'
    ] == faults_of(Whole(lambda value: {"spec": value["spec"]}), old, new)
    assert [
        (
            "v1 object: expected fields of v2, got v2 spec.replica: no such field; did you mean "
            "replicas?, converting {} to v2"
        )
    ] == faults_of(Whole(misspelt), old, new)
    assert [] == faults_of(Whole(only), root({"a": int}), root({"b": int}))
    assert [
        (
            "v1 spec.a: expected functions that carry it to v2, which has the field too, got the same "
            "results for generated objects without it"
        )
    ] == faults_of(Whole(only), root({"a": int}), root({"a": int}))


def test_functions_of_whole_objects_receive_api_server_objects() -> None:
    def named(old: dict[str, JSON], new: dict[str, JSON]) -> None:
        if type(spec := new.get("spec")) is dict:
            spec["title"] = f"{old['kind']} {old['metadata']['name']}"

    step = record(
        keep("kind", "metadata"),
        same_name("spec", record(keep("a"))),
        records.PartFn(up=named),
    )

    assert [] == faults_of(
        records.Conversion(step), root({"a": int}), root({"a": int, "title": str})
    )


def test_metadata_and_status_need_a_step() -> None:
    def bare(fields: Fields) -> type[Resource]:
        return pydantic.create_model(
            "Thing",
            __base__=Resource,
            __doc__="A thing.",
            spec=(spec(fields), Field(description="x")),
            status=(Small | None, Field(default=None, description="x")),
        )

    conversion = records.Conversion(record(same_name("spec", record(keep("a")))))

    assert [
        f"v1 {name}: expected a step that carries it, got none, and v2 has the field too; add "
        f'keep("{name}"), or unrelated("{name}", new=("{name}",)) if they mean different things'
        for name in ("metadata", "status")
    ] == faults_of(conversion, bare({"a": int}), bare({"a": int}))


@pytest.mark.parametrize("seed", range(0, 60, 3))
def test_drawn_model_fits_itself(seed: int) -> None:
    module = types.ModuleType("drawn")
    sys.modules["drawn"] = module
    try:
        exec(model_draws.Draw(random.Random(seed)).module().text(), vars(module))  # noqa: S102, S311 - drawn here
        schema = schema_coverage.schema_of(module.api.kinds[0].versions[0].model)
    except Exception:  # noqa: BLE001 - what cannot be written is no part of a conversion
        return
    finally:
        del sys.modules["drawn"]
    old, new = schema_places.root("v1", schema), schema_places.root("v2", schema)
    kept = records.Conversion(record(keep(*(name for name in old.fields if name != "apiVersion"))))
    same = steps.Fn(lambda value: value, lambda value: value)

    assert [] == verification.walked(kept, old, new).faults
    assert [] == function_trials.of_step(step_types.Trial(same, old, new, line=""))
    assert [] == function_trials.of_conversion(Whole(lambda value: value), old, new)


def test_what_the_platform_and_the_tests_declare_fits() -> None:
    verification.check(crds.api)
    verification.check(foundry.api)
    verification.check(harbor.api)
    verification.check(workshop.api())
    verification.check(test_compiled_conversions.API)


# --- each path of the platform, misspelt --------------------------------------------------------

WORD = "misspeltX"


def misspelt(node: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """Yield a tree of steps with one misspelt name, for each name; and its place."""
    match node:
        case records.OpenRecord():
            yield from in_open_record(node, at)
        case _ if dataclasses.is_dataclass(node) and not isinstance(node, type):
            yield from in_fields(node, at)
        case tuple():
            for index in range(len(node)):
                yield from in_item(node, at, index)
        case Mapping():
            for name, item in node.items():
                for where, changed in misspelt(item, f"{at}[{name}]"):
                    yield where, {**node, name: changed}


def in_item(node: tuple[Any, ...], at: str, index: int) -> Iterator[tuple[str, Any]]:
    for where, changed in misspelt(node[index], f"{at}[{index}]"):
        yield where, (*node[:index], changed, *node[index + 1 :])


def in_open_record(node: records.OpenRecord, at: str) -> Iterator[tuple[str, Any]]:
    """Return whether the older side is free-form, where any key is valid."""
    yield f"{at}.extra", dataclasses.replace(node, extra=WORD)
    for index, known in enumerate(node.moves):
        for new in misspelt_path(known.new):
            changed = dataclasses.replace(known, new=new)
            moves = (*node.moves[:index], changed, *node.moves[index + 1 :])
            yield f"{at}.moves[{index}].new", dataclasses.replace(node, moves=moves)


def in_fields(node: Any, at: str) -> Iterator[tuple[str, Any]]:
    for name in (field.name for field in dataclasses.fields(node)):
        value = getattr(node, name)
        if callable(value) or name in {"line", "value", "words", "other", "annotations"}:
            continue
        if (name, type(node)) in NAMES:
            yield f"{at}.{name}", dataclasses.replace(node, **{name: WORD})
        elif name in {"old", "new", "place"} and isinstance(value, tuple):
            for path in misspelt_path(value):
                yield f"{at}.{name}", dataclasses.replace(node, **{name: path})
        else:
            for where, changed in misspelt(value, f"{at}.{name}"):
                yield where, dataclasses.replace(node, **{name: changed})


# Fields of steps that hold field names.
NAMES = {
    *(("key", kind) for kind in (steps.Pairs, steps.Wrap)),
    ("value", steps.Pairs),
    ("name", records.Constant),
    ("name", records.Implied),
    ("name", records.WrittenOut),
    ("name", records.OpenWords),
    ("detail", records.OpenWords),
    ("tag", records.FlatUnion),
}


def misspelt_path(path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for index in range(len(path)):
        yield (*path[:index], WORD, *path[index + 1 :])


PAIRS = {
    f"{kind.name} {older.name}": (older, newer)
    for kind in (*crds.api, *test_compiled_conversions.API)
    for older, newer in itertools.pairwise(kind.versions)
}


@pytest.mark.parametrize("name", PAIRS)
def test_each_misspelt_path_is_refused(name: str) -> None:
    older, newer = PAIRS[name]
    assert isinstance(older.conversion, records.Conversion)

    old, new = (
        schema_places.root(one.name, schema_coverage.schema_of(one.model)) for one in (older, newer)
    )
    unordered = older.conversion.unordered_paths

    mutants = [*misspelt(older.conversion.step)]
    taken = [
        where
        for where, step in depth.some(mutants)
        if not verification.walked(records.Conversion(step, unordered), old, new).faults
    ]

    assert len(mutants) > 5
    assert [] == taken


# --- commands -----------------------------------------------------------------------------------

MISSPELT = pathlib.Path(__file__).parents[2] / "data/conversion/misspelt_path.py"


@pytest.mark.parametrize(
    "command",
    [
        ["schemagen", "generate"],
        ["webhooks", "manifests", "--url", "https://localhost"],
        ["webhooks", "serve"],
    ],
    ids=" ".join,
)
def test_command_refuses_a_misspelt_path(commands: Commands, command: list[Any]) -> None:
    program, verb, *options = command

    done = commands.run(program, verb, "misspelt_path:api", *options, cwd=MISSPELT.parent)

    assert (2, "") == (done.code, done.out)
    assert (
        f"{program}: Widget v1alpha1 <-> v1: v1 spec.replica: expected a field of v1, got no such "
        f"field; did you mean replicas? ({MISSPELT}:33)\n"
    ) == done.err
