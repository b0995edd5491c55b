"""Each construct of a model: its schema, and the same verdict from model and judge.

A table, hence a long file: each new construct adds a row.
"""

import collections
import dataclasses
import enum
from collections.abc import Iterator, MutableMapping, MutableSequence
from collections.abc import Set as AbstractSet
from typing import (  # noqa: UP035 - spellings
    Annotated,
    Any,
    Generic,
    List,
    Literal,
    NamedTuple,
    Optional,
    TypeVar,
    Union,
)

import annotated_types
import pydantic
import pytest
import typing_extensions
from pydantic import Field
from typing_extensions import TypeAliasType

from schemagen import (
    Api,
    Cel,
    EmbeddedResource,
    Format,
    IntOrString,
    Kind,
    MaxBytes,
    Model,
    Nullable,
    Resource,
    Spec,
    Type,
    Version,
    judge,
    wire,
)
from schemagen.crd import definitions
from schemagen.model import base
from schemagen.problems import JSON

T = TypeVar("T")
U = TypeVar("U")


class Row(NamedTuple):
    """A construct: its schema, accepted values, and refused values."""

    annotation: Any
    schema: JSON
    taken: tuple[JSON, ...] = ()
    refused: tuple[JSON, ...] = ()


class Color(enum.Enum):
    RED = "Red"
    GREEN = "Green"


class Digit(enum.IntEnum):
    ONE = 1
    FIVE = 5


class Half(enum.Enum):
    ONE = 0.5
    TWO = 1.0


class Red(Model):
    """A red one."""

    color: Literal[Color.RED]
    size: int = Field(description="How large.")


class Green(Model, rules=[Cel("self.depth > 0", "deep")]):
    color: Literal[Color.GREEN] = Color.GREEN
    depth: int


class One(Model):
    digit: Literal[1] = Field(alias="n")
    size: int


class Five(Model):
    digit: Literal[5] = Field(alias="n")
    depth: int


class On(Model, rules=[Cel("self.size >= oldSelf.size", "must not shrink")]):
    on: Literal[True]
    size: int


class Off(Model):
    on: Literal[False]


class Shared(Model):
    size: int = 3


class QuotedA(Shared):
    kind: Literal["it's", 'a "b"\\\n']


class QuotedB(Shared, rules=[Cel("self.size > 1", "large")]):
    kind: Literal["b'"]


class FreeA(Model):
    model_config = pydantic.ConfigDict(extra="allow")

    kind: Literal["a"]


class FreeB(Model):
    model_config = pydantic.ConfigDict(extra="allow")

    kind: Literal["b"]
    size: int


class KeysA(typing_extensions.TypedDict):
    kind: Literal["a"]
    size: int


class PlainB(pydantic.BaseModel):
    kind: Literal["b"]
    depth: int


@dataclasses.dataclass
class DataC:
    kind: Literal["c"]
    width: int


class Plain(pydantic.BaseModel):
    """A plain model."""

    size: int = Field(ge=1, le=5)
    word: str = Field("abc", pattern=r"^\w+$")


class Camel(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(alias_generator=pydantic.alias_generators.to_camel)

    max_size: int


class Open(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")

    size: int


@dataclasses.dataclass
class Data:
    size: int
    word: Annotated[str, Field(max_length=3)] = "a"
    words: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Documented:
    """A dataclass with a docstring."""

    size: int


@pydantic.dataclasses.dataclass(
    config=pydantic.ConfigDict(alias_generator=pydantic.alias_generators.to_camel)
)
class CamelData:
    max_size: int
    other: int = Field(default=3, ge=1, alias="zed")


class Keys(typing_extensions.TypedDict, total=False):
    size: Annotated[int, Field(ge=1)]
    word: typing_extensions.Required[str]


class Names(pydantic.RootModel[list[str]]):
    """Some names."""


class Size(pydantic.RootModel[Annotated[int, Field(ge=1)]]):
    pass


class Page(Model, Generic[T]):
    items: list[T]


Port = TypeAliasType("Port", Annotated[int, Field(ge=1, le=9)])
Short = TypeAliasType("Short", Annotated[list[T], Field(max_length=2)], type_params=(T,))
Flipped = TypeAliasType("Flipped", dict[U, list[T]], type_params=(T, U))
Maybe = TypeAliasType("Maybe", Optional[T], type_params=(T,))  # noqa: UP045 - a spelling
Quoted = TypeAliasType("Quoted", "list[Page[Size]]")

INTEGER = {"type": "integer"}
STRING = {"type": "string"}
INT_OR_STRING = {
    "anyOf": [{"type": "integer"}, {"type": "string"}],
    "x-kubernetes-int-or-string": True,
}
AMONG_1_AND_5 = {"anyOf": [{"enum": [1, 5]}, {"minimum": 1, "maximum": 0}]}

ROWS = (
    # Bounds in every notation.
    Row(pydantic.conint(ge=1, le=5), {**INTEGER, "minimum": 1, "maximum": 5}, (1, 5), (0, 6, "1")),
    Row(
        pydantic.constr(pattern="^a", max_length=3),
        {**STRING, "maxLength": 3, "pattern": "^a"},
        ("a", "abc"),
        ("b", "abcd"),
    ),
    Row(
        pydantic.confloat(gt=1, allow_inf_nan=False),
        {"type": "number", "minimum": 1, "exclusiveMinimum": True},
        (1.5, 2),
        (1, 0.5),
    ),
    Row(
        list[pydantic.conint(ge=5)],  # type: ignore[misc] # a call
        {"type": "array", "items": {**INTEGER, "minimum": 5}},
        ([], [5]),
        ([4],),
    ),
    Row(
        pydantic.conlist(int, min_length=1, max_length=2),
        {"type": "array", "items": INTEGER, "minItems": 1, "maxItems": 2},
        ([1],),
        ([], [1, 2, 3]),
    ),
    Row(
        pydantic.conset(str, max_length=1),
        {"type": "array", "items": STRING, "x-kubernetes-list-type": "set", "maxItems": 1},
        ([], ["a"]),
        (["a", "b"],),
    ),
    Row(
        Annotated[int, annotated_types.Interval(ge=1, lt=6)],
        {**INTEGER, "minimum": 1, "maximum": 6, "exclusiveMaximum": True},
        (1, 5),
        (0, 6),
    ),
    Row(
        Annotated[str, annotated_types.Len(1, 2)],
        {**STRING, "minLength": 1, "maxLength": 2},
        ("a", "é"),
        ("", "abc"),
    ),
    Row(Annotated[int, Field(ge=1.5)], {**INTEGER, "minimum": 2}, (2,), (1,)),
    Row(
        Annotated[int, Field(gt=1, lt=4.5)],
        {**INTEGER, "minimum": 1, "exclusiveMinimum": True, "maximum": 4},
        (2, 4),
        (1, 5),
    ),
    Row(Annotated[int, Field(multiple_of=2.0)], {**INTEGER, "multipleOf": 2}, (4,), (3,)),
    Row(Annotated[int, Field(strict=True)], INTEGER, (1, 1.0), ("1", True, 1.5)),
    Row(
        Annotated[Any, Type("string"), Field(max_length=3)],
        {**STRING, "maxLength": 3},
        ("abc",),
        ("abcd", 1),
    ),
    # Type aliases, generic ones too.
    Row(Port, {**INTEGER, "minimum": 1, "maximum": 9}, (1,), (0, 10)),
    Row(Port | None, {**INTEGER, "minimum": 1, "maximum": 9}, (1,), (0,)),
    Row(list[Port], {"type": "array", "items": {**INTEGER, "minimum": 1, "maximum": 9}}, ([1],)),
    Row(
        Short[Short[int]],
        {
            "type": "array",
            "items": {"type": "array", "items": INTEGER, "maxItems": 2},
            "maxItems": 2,
        },
        ([[1, 2]],),
        ([[1, 2, 3]], [[], [], []]),
    ),
    Row(
        Flipped[int, str],
        {"type": "object", "additionalProperties": {"type": "array", "items": INTEGER}},
        ({"a": [1]},),
        ({"a": ["b"]},),
    ),
    Row(Maybe[int], INTEGER, (1,), ("a",)),
    Row(
        Quoted,
        {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"items": {"type": "array", "items": {**INTEGER, "minimum": 1}}},
                "required": ["items"],
            },
        },
        ([{"items": [1]}],),
        ([{"items": [0]}], [{}]),
    ),
    # int-or-string: each branch keeps its own constraints.
    Row(
        Annotated[int | Literal["Unlimited"], IntOrString()],
        {**INT_OR_STRING, "pattern": "^(?:Unlimited)$"},
        (3, "Unlimited"),
        ("Limited", "Unlimited\n", 1.5, True),
    ),
    Row(
        Annotated[
            Annotated[int, Field(ge=1, le=5)] | Annotated[str, Field(pattern="^[0-9]+%$")],
            IntOrString(),
        ],
        {**INT_OR_STRING, "minimum": 1, "maximum": 5, "pattern": "^[0-9]+%$"},
        (1, 5, "99%"),
        (0, 99, "99", ""),
    ),
    Row(
        Annotated[Literal[1, 5] | str, IntOrString()],
        {**INT_OR_STRING, "allOf": [AMONG_1_AND_5]},
        (1, 5, "a", ""),
        (2, 1.5),
    ),
    Row(
        Annotated[Literal[1, 5, "5%"], IntOrString()],
        {**INT_OR_STRING, "enum": [1, 5, "5%"]},
        (1, "5%"),
        (2, "1", "5"),
    ),
    Row(
        # In an enum, Go would accept 97 for "a".
        Annotated[Digit | Literal["a", "b.c"], IntOrString()],
        {**INT_OR_STRING, "pattern": r"^(?:a|b\.c)$", "allOf": [AMONG_1_AND_5]},
        (1, 5, "a", "b.c"),
        (97, "bxc", "ab.c"),
    ),
    Row(
        Annotated[Union[int, Literal["A"], Literal["B"]] | None, IntOrString()],  # noqa: UP007, PYI030
        {**INT_OR_STRING, "pattern": "^(?:A|B)$"},
        (3, "A", "B"),
        ("C",),
    ),
    Row(
        Annotated[wire.Uri | wire.Int32, IntOrString()],
        {**INT_OR_STRING, "minimum": -(2**31), "maximum": 2**31 - 1, "format": "uri"},
        (3, 2**31 - 1, "http://a"),
        (2**31, "a"),
    ),
    Row(
        Annotated[wire.IntOrString, Format("int32")],
        {**INT_OR_STRING, "minimum": -(2**31), "maximum": 2**31 - 1},
        (3, "a"),
        (2**31,),
    ),
    Row(
        Annotated[int | str, IntOrString(), Field(ge=1, max_length=2)],
        {**INT_OR_STRING, "minimum": 1, "maxLength": 2},
        (1, "", "ab"),
        (0, "abc"),
    ),
    Row(
        Annotated[wire.Quantity, Field(pattern="^5")],
        {**INT_OR_STRING, "pattern": wire.QUANTITY, "allOf": [{"pattern": "^5"}]},
        (6, "5Gi"),
        ("6Gi", "5x"),
    ),
    Row(
        Annotated[int | str | None, IntOrString(), Nullable()],
        {**INT_OR_STRING, "nullable": True},
        (None, 1),
        ([],),
    ),
    # Containers.
    Row(List[int], {"type": "array", "items": INTEGER}, ([1],), (["a"], {})),  # noqa: UP006
    Row(collections.deque[int], {"type": "array", "items": INTEGER}, ([1, 1],), (["a"],)),
    Row(MutableSequence[int], {"type": "array", "items": INTEGER}, ([1],), (["a"],)),
    Row(
        MutableMapping[str, int],
        {"type": "object", "additionalProperties": INTEGER},
        ({"a": 1},),
        ({"a": "b"},),
    ),
    Row(
        AbstractSet[Color],
        {
            "type": "array",
            "items": {**STRING, "enum": ["Red", "Green"]},
            "x-kubernetes-list-type": "set",
        },
        (["Red"],),
        (["Blue"], ["Red", "Red"]),
    ),
    Row(
        frozenset[wire.IntOrString],
        {"type": "array", "items": INT_OR_STRING, "x-kubernetes-list-type": "set"},
        ([1, "1"],),
        ([1, 1],),
    ),
    Row(
        dict[Annotated[str, MaxBytes(5)], str],
        {
            "type": "object",
            "additionalProperties": STRING,
            "x-kubernetes-validations": [
                {
                    "rule": "self.all(key, size(key) <= 5)",
                    "message": "keys must have at most 5 characters",
                }
            ],
        },
        ({"ééééé": "a"},),
        ({"aaaaaa": "a"},),
    ),
    Row(
        dict[str, pydantic.JsonValue],
        {
            "type": "object",
            "additionalProperties": {"x-kubernetes-preserve-unknown-fields": True},
        },
        ({"a": [1, {"b": 1.5}]},),
        ([],),
    ),
    # Enums and literals.
    Row(Literal["a", None], {**STRING, "enum": ["a"]}, ("a",), ("b",)),  # noqa: PYI061
    Row(
        Union[Literal["a"], Color],  # noqa: UP007 - a spelling
        {**STRING, "enum": ["a", "Red", "Green"]},
        ("a", "Red"),
        ("b",),
    ),
    Row(Literal[Color.RED], {**STRING, "enum": ["Red"]}, ("Red",), ("Green",)),
    Row(Literal[Digit.ONE], {**INTEGER, "enum": [1]}, (1, 1.0), (5,)),
    Row(Half, {"type": "number", "enum": [0.5, 1.0]}, (0.5, 1), (2,)),
    Row(Literal[True], {"type": "boolean", "enum": [True]}, (True,), (False, 1)),
    # Classes of other libraries.
    Row(
        Plain,
        {
            "description": "A plain model.",
            "type": "object",
            "properties": {
                "size": {**INTEGER, "minimum": 1, "maximum": 5},
                "word": {**STRING, "default": "abc", "pattern": r"^\w+$"},
            },
            "required": ["size"],
        },
        ({"size": 1}, {"size": 1.0, "word": "b", "unknown": 1}),
        ({}, {"size": 6}, {"size": "1"}, {"size": 1, "word": "é"}, []),
    ),
    Row(
        Camel,
        {"type": "object", "properties": {"maxSize": INTEGER}, "required": ["maxSize"]},
        ({"maxSize": 1},),
        ({"max_size": 1},),
    ),
    Row(
        Open,
        {
            "type": "object",
            "properties": {"size": INTEGER},
            "required": ["size"],
            "x-kubernetes-preserve-unknown-fields": True,
        },
        ({"size": 1, "more": [1]},),
        ({"more": 1},),
    ),
    Row(
        Data,
        {
            "type": "object",
            "properties": {
                "size": INTEGER,
                "word": {**STRING, "default": "a", "maxLength": 3},
                "words": {"type": "array", "default": [], "items": STRING},
            },
            "required": ["size"],
        },
        ({"size": 1}, {"size": 1, "words": ["a"]}),
        ({}, {"size": 1, "word": "abcd"}),
    ),
    Row(
        list[Documented],
        {
            "type": "array",
            "items": {
                "description": "A dataclass with a docstring.",
                "type": "object",
                "properties": {"size": INTEGER},
                "required": ["size"],
            },
        },
        ([{"size": 1}],),
        ([{}],),
    ),
    Row(
        CamelData,
        {
            "type": "object",
            "properties": {
                "maxSize": INTEGER,
                "zed": {**INTEGER, "default": 3, "minimum": 1},
            },
            "required": ["maxSize"],
        },
        ({"maxSize": 1, "zed": 2},),
        ({"maxSize": 1, "zed": 0}, {"max_size": 1}),
    ),
    Row(
        Keys,
        {
            "type": "object",
            "properties": {"size": {**INTEGER, "minimum": 1}, "word": STRING},
            "required": ["word"],
        },
        ({"word": "a"}, {"word": "a", "size": 1}),
        ({"size": 1}, {"word": "a", "size": 0}),
    ),
    Row(
        Annotated[Names, Field(max_length=1)],
        {"description": "Some names.", "type": "array", "items": STRING, "maxItems": 1},
        (["a"],),
        (["a", "b"], {"root": ["a"]}),
    ),
    Row(dict[str, Size], {"type": "object", "additionalProperties": {**INTEGER, "minimum": 1}}),
    Row(
        Page[Port],
        {
            "type": "object",
            "properties": {
                "items": {"type": "array", "items": {**INTEGER, "minimum": 1, "maximum": 9}}
            },
            "required": ["items"],
        },
        ({"items": [1]},),
        ({"items": [0]},),
    ),
)


class Pod(Resource):
    spec: dict[str, str] | None = None


META = {"labels": {"a": "b"}}
POD = {"apiVersion": "v1", "kind": "Pod"}

EMBEDDED = (
    Row(
        Annotated[Pod, EmbeddedResource()],
        {
            "type": "object",
            "properties": {
                "apiVersion": STRING,
                "kind": STRING,
                "metadata": {"type": "object"},
                "spec": {"type": "object", "additionalProperties": STRING},
            },
            "x-kubernetes-embedded-resource": True,
        },
        (POD, {**POD, "metadata": META}),
        ({"kind": "Pod"}, {"metadata": META}),
    ),
)


def arm(name: str, values: list[JSON], *required: str, without: tuple[str, ...] = ()) -> JSON:
    """A model's part of a union's oneOf."""
    foreign = {"not": {"anyOf": [{"required": [field]} for field in without]}} if without else {}
    return {
        "properties": {name: {"enum": values}},
        "required": sorted((name, *required)),
        **foreign,
    }


UNIONS = (
    Row(
        Annotated[Red | Green, Field(discriminator="color")],
        {
            "type": "object",
            "properties": {
                "color": {**STRING, "enum": ["Red", "Green"], "description": "Red: A red one."},
                "size": {**INTEGER, "description": "How large."},
                "depth": INTEGER,
            },
            "required": ["color"],
            "oneOf": [
                arm("color", ["Red"], "size", without=("depth",)),
                arm("color", ["Green"], "depth", without=("size",)),
            ],
            "x-kubernetes-validations": [
                {"rule": "!(self.color in ['Green']) || (self.depth > 0)", "message": "deep"}
            ],
        },
        ({"color": "Red", "size": 1}, {"color": "Green", "depth": 1}),
        ({"color": "Red", "depth": 1}, {"color": "Green", "depth": 0}, {"depth": 1}),
    ),
    Row(
        Annotated[One | Five, pydantic.Discriminator("digit")],
        {
            "type": "object",
            "properties": {
                "n": {**INTEGER, "enum": [1, 5]},
                "size": INTEGER,
                "depth": INTEGER,
            },
            "required": ["n"],
            "oneOf": [
                arm("n", [1], "size", without=("depth",)),
                arm("n", [5], "depth", without=("size",)),
            ],
        },
        ({"n": 1, "size": 1}, {"n": 5.0, "depth": 1}),
        ({"n": "1", "size": 1}, {"n": 5, "size": 1}, {"n": 2}),
    ),
    Row(
        Annotated[On | Off, Field(discriminator="on")],
        {
            "type": "object",
            "properties": {"on": {"type": "boolean", "enum": [True, False]}, "size": INTEGER},
            "required": ["on"],
            "oneOf": [
                arm("on", [True], "size"),
                arm("on", [False], without=("size",)),
            ],
            "x-kubernetes-validations": [
                {
                    "rule": "!(self.on in [true] && oldSelf.on in [true]) || "
                    "(self.size >= oldSelf.size)",
                    "message": "must not shrink",
                }
            ],
        },
        ({"on": True, "size": 1}, {"on": False}),
        ({"on": False, "size": 1}, {"on": "true", "size": 1}, {"on": 1, "size": 1}),
    ),
    Row(
        Annotated[QuotedA | QuotedB, Field(discriminator="kind")],
        {
            "type": "object",
            "properties": {
                "kind": {**STRING, "enum": ["it's", 'a "b"\\\n', "b'"]},
                "size": {**INTEGER, "default": 3},
            },
            "required": ["kind"],
            "oneOf": [arm("kind", ["it's", 'a "b"\\\n']), arm("kind", ["b'"])],
            "x-kubernetes-validations": [
                {"rule": "!(self.kind in ['b\\'']) || (self.size > 1)", "message": "large"}
            ],
        },
        ({"kind": "it's"}, {"kind": 'a "b"\\\n', "size": 1}, {"kind": "b'", "size": 2}),
        ({"kind": "b'", "size": 1}, {"kind": "b"}),
    ),
    Row(
        Annotated[FreeA | FreeB | None, Field(discriminator="kind")],
        {
            "type": "object",
            "properties": {"kind": {**STRING, "enum": ["a", "b"]}, "size": INTEGER},
            "required": ["kind"],
            "x-kubernetes-preserve-unknown-fields": True,
            "oneOf": [arm("kind", ["a"], without=("size",)), arm("kind", ["b"], "size")],
        },
        ({"kind": "a", "more": [1]}, {"kind": "b", "size": 1, "more": {}}),
        ({"kind": "a", "size": 1}, {"kind": "b"}),
    ),
    Row(
        Annotated[
            Annotated[KeysA | PlainB, Field(discriminator="kind")] | DataC,
            Field(discriminator="kind"),
        ],
        {
            "type": "object",
            "properties": {
                "kind": {**STRING, "enum": ["a", "b", "c"]},
                "size": INTEGER,
                "depth": INTEGER,
                "width": INTEGER,
            },
            "required": ["kind"],
            "oneOf": [
                arm("kind", ["a"], "size", without=("depth", "width")),
                arm("kind", ["b"], "depth", without=("size", "width")),
                arm("kind", ["c"], "width", without=("size", "depth")),
            ],
        },
        ({"kind": "a", "size": 1}, {"kind": "b", "depth": 1}, {"kind": "c", "width": 1}),
        ({"kind": "a", "width": 1}, {"kind": "c"}),
    ),
)


def kind_of(annotation: Any) -> Kind:
    """A kind whose spec has one field of this type."""
    spec = type("ThingSpec", (Spec,), {"__annotations__": {"field": annotation}})
    root = type("Thing", (Resource,), {"__annotations__": {"spec": spec}})
    return Kind("Thing", "things", (Version("v1", root, storage=True),))


def definition_of(kind: Kind) -> JSON:
    return definitions.crd(Api("example.com", (kind,)), kind)


def schema_of(definition: JSON) -> JSON:
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema["properties"]["spec"]["properties"]["field"]


def thing(value: JSON) -> JSON:
    return {
        "apiVersion": "example.com/v1",
        "kind": "Thing",
        "metadata": {"name": "a", "namespace": "b"},
        "spec": {"field": value},
    }


@pytest.fixture(scope="module")
def oracle() -> Iterator[judge.Judge]:
    with judge.Judge(deadline_seconds=60) as opened:
        yield opened


# Values tried on every construct.
COMMON: tuple[JSON, ...] = (
    *(None, True, 0, 1, 5, 97, 1.0, 1.5, 2**40, "", "a", "5%", "x" * 70),
    *([], ["a"], ["a", "a"], [1], [None], {}, {"a": "b"}, {"a": 1}, {"size": 1}),
)


@pytest.mark.parametrize(
    "row", [*ROWS, *EMBEDDED, *UNIONS], ids=lambda row: str(row.annotation)[:60]
)
def test_construct_has_its_schema_and_the_same_verdict(oracle: judge.Judge, row: Row) -> None:
    kind = kind_of(row.annotation)
    definition = definition_of(kind)

    with oracle.load(definition) as loaded:
        verdicts = {
            repr(value): loaded.create(thing(value), strict=False).allowed
            for value in (*row.taken, *row.refused, *COMMON)
        }

    assert row.schema == schema_of(definition)
    assert {repr(value): True for value in row.taken} == {
        repr(value): verdicts[repr(value)] for value in row.taken
    }
    assert {repr(value): False for value in row.refused} == {
        repr(value): verdicts[repr(value)] for value in row.refused
    }
    assert verdicts == {
        repr(value): is_taken(kind, value) for value in (*row.taken, *row.refused, *COMMON)
    }


def is_taken(kind: Kind, value: JSON) -> bool:
    """The model's own verdict."""
    try:
        kind.versions[0].model.model_validate(thing(value))
    except pydantic.ValidationError:
        return False
    return True


def test_what_was_built_is_the_same_json() -> None:
    class Built(Spec):
        colors: dict[Color, int]
        data: Data
        names: Names
        keys: Keys
        plain: Plain
        one: Annotated[One | Five, Field(discriminator="digit")]
        deque: collections.deque[int]

    value = {
        "colors": {"Red": 1},
        "data": {"size": 1, "word": "b", "words": ["c"]},
        "names": ["d"],
        "keys": {"word": "e"},
        "plain": {"size": 2, "word": "f"},
        "one": {"n": 1, "size": 3},
        "deque": [4],
    }

    built = Built.model_validate(value)

    assert value == base.jsonable(built)
    assert built == Built(
        colors={Color.RED: 1},
        data=Data(1, "b", ["c"]),
        names=Names(["d"]),
        keys={"word": "e"},
        plain=Plain(size=2, word="f"),
        one=One(digit=1, size=3),
        deque=collections.deque([4]),
    )
