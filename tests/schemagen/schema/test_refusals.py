"""What no schema can express, or nothing could satisfy, is an error with an alternative."""

import dataclasses
import decimal
import enum
import re
from collections import OrderedDict
from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Final, Generic, Literal, NamedTuple, TypeVar, Union

import pydantic
import pytest
import typing_extensions
from pydantic import Field
from typing_extensions import TypeAliasType

from schemagen import (
    Cel,
    EmbeddedResource,
    Format,
    IntOrString,
    JSONObject,
    ListMap,
    ListSet,
    MaxBytes,
    MaxEntries,
    Model,
    Nullable,
    ObjectMeta,
    PreserveUnknown,
    Resource,
    wire,
)
from schemagen.schema import structural

T = TypeVar("T")


def named(value: object) -> str:
    """Return a test's id, the same in each process that collects it."""
    return re.sub(r" at 0x[0-9a-f]+", "", str(value))


Tree = TypeAliasType("Tree", "dict[str, Tree]")
Loop = TypeAliasType("Loop", "Loop | None")  # type: ignore[misc]
Deep = TypeAliasType("Deep", "list[Deep[list[T]]]", type_params=(T,))  # type: ignore[misc]
Short = TypeAliasType("Short", Annotated[list[T], Field(max_length=2)], type_params=(T,))
Lost = TypeAliasType("Lost", "list[Nowhere]")  # type: ignore[name-defined] # noqa: F821


class Page(Model, Generic[T]):
    items: list[T]


class Pod(Resource):
    spec: dict[str, str] | None = None


class NamedPod(Resource):
    kind: Literal["Pod"] = "Pod"


class Empty(Model):
    pass


class Bare(Model):
    metadata: Empty


class Plain(pydantic.BaseModel):
    size: int
    word: str = "a"


class Forbidding(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")

    size: int


class Checked(pydantic.BaseModel):
    size: int

    @pydantic.field_validator("size")
    @classmethod
    def check(cls, value: int) -> int:
        return value


class CheckedRoot(pydantic.RootModel[int]):
    @pydantic.model_validator(mode="after")
    def check(self) -> "CheckedRoot":
        return self


class DefaultRoot(pydantic.RootModel[list[str]]):
    root: list[str] = Field(default_factory=list)


@dataclasses.dataclass
class Late:
    size: int
    late: int = dataclasses.field(init=False, default=3)


@dataclasses.dataclass
class Passing:
    size: int
    passed: dataclasses.InitVar[int]


@dataclasses.dataclass
class Busy:
    size: int

    def __post_init__(self) -> None:
        self.size += 1


class Pair(NamedTuple):
    x: int


class AliasedKeys(typing_extensions.TypedDict):
    size: Annotated[int, Field(alias="large")]


class Part(Model):
    name: str | None = None
    labels: dict[str, str]


class Closed(typing_extensions.TypedDict, closed=True):
    size: int


class Typed(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, int]

    size: int


class A(Model):
    kind: Literal["a"]
    x: int


class Sized(Model):
    size: int = 1


class Snake(Model):
    some_name: int = 1


class AlsoA(Model):
    kind: Literal["a"]
    y: int


class One(Model):
    kind: Literal[1]
    y: int


class Untold(Model):
    y: int


class Worded(enum.Enum):
    ONLY = "b"


class ByEnum(Model):
    kind: Worded


class Renamed(Model):
    kind: Literal["r"] = Field(alias="type")


class Bounded(Model):
    kind: Annotated[Literal["b"], Cel("self != ''")]


class Open(Model):
    model_config = pydantic.ConfigDict(extra="allow")

    kind: Literal["o"]


class Inner(Model):
    kind: Literal["i"]
    sub: Literal["p"]


class InnerToo(Model):
    kind: Literal["i"]
    sub: Literal["q"]


def by_kind(*models: Any) -> Any:
    return Annotated[Union[models], Field(discriminator="kind")]  # noqa: UP007 - built


def schema_of_field(annotation: Any, default: Any = ...) -> Any:
    members = {"__annotations__": {"field": annotation}, "field": Field(default)}
    return structural.schema_of(type("Example", (Model,), members))


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        # int-or-string
        (Annotated[int | bool, IntOrString()], "write one int and one str"),
        (Annotated[int, IntOrString()], "write one int and one str"),
        (
            Annotated[int | Annotated[str, Cel("self != ''")], IntOrString()],
            "x-kubernetes-validations on the string; write it next to IntOrString",
        ),
        (
            Annotated[Annotated[int, Format("date")] | str, IntOrString()],
            "int32 or int64 as the format",
        ),
        # nested objects
        (Pod, r"write Annotated\[Pod, EmbeddedResource\(\)\]"),
        (list[Pod], r"write Annotated\[Pod, EmbeddedResource\(\)\]"),
        (Annotated[str, EmbeddedResource()], "EmbeddedResource.* on object, got string"),
        # references and aliases
        (Tree, "the type alias Tree, which contains itself.*JSONObject"),
        (Loop, "the type alias Loop, which contains itself.*JSONObject"),
        (Deep[int], "which contains itself.*JSONObject"),
        (Short, r"type arguments for ~T of the type alias Short.*write Short\[...\]"),
        (Lost, "the type alias Lost to use names defined in .*, got Nowhere"),
        (Page, "write it where the generic model or alias is used"),
        (T, "got the type parameter ~T"),
        # containers
        (dict, "use dict"),
        (typing_extensions.Dict, "use dict"),
        (list, r"use list\[str\]"),
        (typing_extensions.List, r"use list\[str\]"),
        (tuple, "a model with one field for each place"),
        (typing_extensions.Sequence, r"use list\[...\]"),
        (typing_extensions.Mapping, r"use dict\[str, ...\]"),
        (Iterable[int], r"use list\[...\]"),
        (OrderedDict[str, int], r"use dict\[str, ...\]"),
        (tuple[()], "a model with one field for each place"),
        (set[Any], "write list.* with ListMap"),
        (set[Page[int]], "write list.* with ListMap"),
        (dict[Annotated[str, Format("uri")], str], "self.all"),
        (Annotated[dict[Literal["a"], Any], PreserveUnknown()], "write dict"),
        # scalars
        (bytearray, r'Format\("byte"\)'),
        (complex, "two fields"),
        (pydantic.ByteSize, "wire.Quantity"),
        (pydantic.IPvAnyAddress, "wire.IPv4"),
        (int | float, "float for int | float"),
        (Literal["a", 1], "IntOrString"),
        (Literal[None], "use one type"),  # noqa: PYI061
        (enum.Enum("Infinite", {"A": float("inf")}), "finite"),
        (Pair, "a model with one field for each place"),
        # markers
        (Annotated[int, Field(strict=False)], "strict=False; leave it out"),
        (Annotated[float, Field(allow_inf_nan=True)], "leave it out"),
        (Annotated[Any, Field(max_length=3)], "write the type instead of Any"),
        (Annotated[Any, Field(ge=3)], "write the type instead of Any"),
        (Annotated[list[Part], ListMap("name")], "name, which may be absent; make it required"),
        (Annotated[list[Part], ListMap("labels")], "keys that are scalars, got labels"),
        (Annotated[str, Nullable()], r"write Annotated\[T | None, Nullable"),
        (Annotated[Literal["a"] | None, Nullable()], r"leave Nullable\(\) out"),
        (Annotated[int, Field(ge=float("inf"))], "a finite number as minimum, got inf"),
        (Annotated[float, Field(le=float("nan"))], "a finite number as maximum, got nan"),
        (Annotated[int, Field(ge=decimal.Decimal(1))], r"got Decimal\('1'\)"),
        (Annotated[int, Field(ge=True)], "got True"),
        (Annotated[int, Field(multiple_of=0.5)], "a positive integer as multipleOf"),
        (Annotated[float, Field(multiple_of=-1)], "a positive number as multipleOf"),
        (Annotated[str, Field(min_length=-1)], "at least 0 as minLength"),
        (Annotated[str, MaxBytes(-1)], "at least 0 as maxLength"),
        (Annotated[float, Field(examples=[float("inf")])], "an example that JSON can represent"),
        # Classes of other libraries
        (Forbidding, "Forbidding: expected extra to be ignore"),
        (Checked, r"Checked.check: .*write it as Cel\("),
        (CheckedRoot, r"CheckedRoot.check: .*write it as rules=\[Cel"),
        (DefaultRoot, "DefaultRoot: .*write it at each field"),
        (Late, "Late.late: .*init=False"),
        (Passing, "Passing.passed: .*InitVar"),
        (Busy, r"Busy.__post_init__: .*rules=\[Cel"),
        (AliasedKeys, "AliasedKeys.size: .*inherit from Model"),
        (Closed, "Closed: .*a dict"),
        (Typed, "Typed: .*a dict"),
        (Bare, "Bare.metadata: .*EmbeddedResource"),
        # unions
        (by_kind(A, One), "values of one type at kind"),
        (by_kind(A, AlsoA), "got a in two; give each model its own"),
        (by_kind(A, Untold), "got none in Untold; declare it there"),
        (by_kind(A, ByEnum), r"write Literal\[...\] of its values"),
        (by_kind(A, Renamed), "give it the same alias"),
        (by_kind(A, Bounded), "got x-kubernetes-validations; leave it out"),
        (by_kind(A, Open), "JSONObject"),
        (by_kind(A, NamedPod), r"EmbeddedResource\(\)\], and exactly_one_of"),
        (by_kind(A, int), "write a model with a Literal"),
        (by_kind(A, Annotated[One, Cel("true")]), r"write rules on the model"),
        (
            by_kind(A, Annotated[Inner | InnerToo, Field(discriminator="sub")]),
            "put the inner union into a field",
        ),
        (Annotated[A, Field(discriminator="kind")], "leave the discriminator out"),
        (
            Annotated[A | One, pydantic.Discriminator(lambda _: "a")],
            r"Field\(discriminator='kind'\)",
        ),
    ],
    ids=named,
)
def test_what_no_schema_can_hold_is_an_error_with_a_way_out(annotation: Any, words: str) -> None:
    with pytest.raises(structural.SchemaError, match=words):
        schema_of_field(annotation)


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (Annotated[int, Field(ge=5, le=1)], "minimum 5 and maximum 1"),
        (Annotated[int, Field(gt=5, lt=6)], r"5 \(exclusive\) and maximum 6 \(exclusive\)"),
        (Annotated[float, Field(gt=5, le=5)], r"minimum 5 \(exclusive\) and maximum 5"),
        (Annotated[int, Field(ge=5, le=7, multiple_of=4)], "no multiple of 4 between"),
        (Annotated[float, Field(ge=0.6, le=0.9, multiple_of=0.5)], "no multiple of 0.5 between"),
        (Annotated[int, Field(ge=2**63)], "minimum 9223372036854775808 of an integer"),
        (Annotated[wire.Int32, Field(le=2**40)], "maximum 1099511627776 of an integer"),
        (Annotated[str, Field(min_length=5, max_length=3)], "minLength 5 and maxLength 3"),
        (Annotated[str, Field(min_length=5), MaxBytes(3)], "minLength 5 and maxLength 3"),
        (Annotated[str, Field(pattern="^a{5}$", max_length=3)], "maxLength 3 and the pattern"),
        (Annotated[str, Field(pattern="^a{2}$", min_length=3)], "minLength 3 and the pattern"),
        (
            Annotated[Annotated[str, Field(pattern="^a{2}$")], Field(pattern="^a{3}$")],
            "different lengths",
        ),
        (Annotated[wire.Date, Field(max_length=3)], "maxLength 3 and the format date"),
        (Annotated[Literal["a", "bb"], Field(max_length=1)], "the enum's value 'bb'"),
        (Annotated[Literal["a"], Field(pattern="^b")], "the enum's value 'a'"),
        (Annotated[Literal[1, 2], Field(ge=2)], "the enum's value 1"),
        (Annotated[Literal["a"], Format("uuid")], "the enum's value 'a'"),
        (Annotated[list[str], Field(min_length=3, max_length=2)], "minItems 3 and maxItems 2"),
        (Annotated[list[str], Field(min_length=3), MaxEntries(2)], "minItems 3 and maxItems 2"),
        (Annotated[set[bool], Field(min_length=3)], "items that have 2 values"),
        (Annotated[set[Literal["a"]], Field(min_length=2)], "items that have 1 values"),
        (
            Annotated[dict[str, str], Field(min_length=3, max_length=2)],
            "minProperties 3 and maxProperties 2",
        ),
        (Annotated[Plain, Field(max_length=0)], "maxProperties 0 and 1 required fields"),
        (Annotated[Plain, Field(min_length=3)], "minProperties 3 and 2 fields"),
        (Annotated[by_kind(A, Inner), Field(max_length=1)], "maxProperties 1 and 2 required"),
        (Annotated[int | str, IntOrString(), Field(ge=5, le=1)], "minimum 5 and maximum 1"),
        (Annotated[Literal[1, "aa"], IntOrString(), Field(ge=3)], "the enum's value 1"),
        (list[Annotated[int, Field(ge=5, le=1)]], r"Example.field\[\]: .*minimum 5"),
        (dict[str, Annotated[int, Field(ge=5, le=1)]], r"Example.field{}: .*minimum 5"),
        (
            dict[Annotated[str, Field(min_length=5, max_length=3)], str],
            r"Example.field{key}: .*minLength 5",
        ),
    ],
    ids=named,
)
def test_what_nothing_satisfies_is_an_error(annotation: Any, words: str) -> None:
    with pytest.raises(structural.SchemaError, match=words) as error:
        schema_of_field(annotation)

    assert "expected bounds that some value satisfies" in str(error.value)


@pytest.mark.parametrize(
    "annotation",
    [
        Annotated[int, Field(gt=5, lt=7)],
        Annotated[float, Field(gt=5, lt=6)],
        Annotated[float, Field(ge=0.1, le=0.3, multiple_of=0.1)],
        Annotated[int, Field(ge=5, le=8, multiple_of=4)],
        Annotated[str, Field(pattern="^a{2}", min_length=3)],
        Annotated[str, Field(pattern="^(a|b$)", min_length=3)],
        Annotated[str, Field(pattern="[[:alpha:]]{3}$", max_length=3)],
        Annotated[str, Field(pattern=r"\pL", max_length=1)],
        Annotated[str, Field(pattern="^a|b$", min_length=3)],
        Annotated[Annotated[str, Field(pattern="^a")], Field(pattern="bbb$")],
        Annotated[list[str], MaxEntries(0)],
        Annotated[Literal["a", "b"], Field(max_length=1)],
        Annotated[set[bool], Field(min_length=2)],
        Annotated[Plain, Field(max_length=1)],
    ],
    ids=named,
)
def test_satisfiable_bounds_are_accepted(annotation: Any) -> None:
    assert schema_of_field(annotation)["properties"]["field"]


@pytest.mark.parametrize(
    ("annotation", "default", "words"),
    [
        (int, "a", "got 'a'.*must be of type integer"),
        (Annotated[int, Field(ge=3)], 1, "got 1: .*greater than or equal to 3"),
        (Literal["a"], "b", "got 'b'.*supported values"),
        (Annotated[str, Field(pattern="^a")], "b", "got 'b'.*should match"),
        (list[Annotated[str, Field(max_length=1)]], ["a", "bb"], r"\[1\].*more than 1 byte"),
        (dict[str, int], {"a": "b"}, r"must be of type integer"),
        (A, {"kind": "a"}, "x: Required value"),
        (Annotated[JSONObject, EmbeddedResource()], {}, "apiVersion: Required value"),
        (list[Annotated[JSONObject, EmbeddedResource()]], [{}], r"\[0\].apiVersion: Required"),
        (
            Annotated[JSONObject, EmbeddedResource()],
            {"apiVersion": "a/b/c", "kind": "X"},
            "apiVersion: Invalid value: .*unexpected GroupVersion",
        ),
        (
            Annotated[Pod, EmbeddedResource()],
            {"apiVersion": "v1", "kind": "X", "metadata": None},
            "metadata: .*must be of type object",
        ),
        (A, {"kind": "a", "x": 1, "y": 2}, "y: Forbidden: unknown field"),
        (list[A], [{"kind": "a", "x": 1, "y": 2}], r"\[0\].y: Forbidden: unknown field"),
        (dict[str, int], {"a": None}, "must be of type integer"),
        (Sized, {"size": None}, "size: .*must be of type integer"),
        # A default is checked before the defaults below it are set.
        (Annotated[Sized, Field(min_length=1)], {}, "should have at least 1 properties"),
        (Annotated[Sized, Cel("has(self.size)", "no size")], {}, "no size"),
        (Annotated[int, Cel("self > 3", "too small")], 1, "default: .*too small"),
        (Annotated[Snake, Cel("self.some_name > 3", "small")], {"someName": 1}, ": small"),
        (dict[Annotated[str, Field(max_length=1)], int], {"aa": 1}, "at most 1 characters"),
        (dict[Literal["a"], int], {"b": 1}, "keys must be among"),
        (Annotated[list[str], ListSet()], ["a", "a"], r"\[1\]: Duplicate value"),
        (Annotated[str, Format("date")], [{"a": 1}], "a: Forbidden: unknown field"),
        (Annotated[float, Field(multiple_of=0.5)], 0.3, "should be a multiple of 0.5"),
        (float, float("inf"), "JSON can represent, got inf"),
        (list[float], [float("nan")], "JSON can represent, got nan"),
        (str, object(), "JSON can represent, got <object"),
        (str, b"\xff", "JSON can represent"),
    ],
    ids=named,
)
def test_a_default_that_its_schema_refuses_is_an_error(
    annotation: Any, default: Any, words: str
) -> None:
    with pytest.raises(structural.SchemaError, match=words) as error:
        schema_of_field(annotation, default)

    assert str(error.value).startswith("Example.field: expected")


def model_with(**members: Any) -> Any:
    annotations = {"field": str, **members.pop("annotations", {})}
    own = {"__annotations__": annotations, "__module__": __name__, **members}
    return type("Example", (Model,), own)


@pytest.mark.filterwarnings("ignore:Annotation 'constant' is marked as final")
@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"annotations": {"constant": Final[int]}, "constant": 3}, "constant: .*Final with a"),
        ({"annotations": {"constant": "Final[int]"}, "constant": 3}, "constant: .*Final with a"),
        ({"annotations": {"field": Final[int]}}, r"Immutable\(\)"),
        ({"cel_rules": (len,)}, r"Example: expected Cel\(\.\.\.\) in rules, got <built-in"),
        ({"model_post_init": lambda _self, _context: None}, r"model_post_init: .*rules=\[Cel"),
        (
            {"annotations": {"some_word": str, "someWord": str}},
            "'someWord', which some_word already has",
        ),
        (
            {"annotations": {"other": str}, "other": Field(alias="field")},
            "'field', which field already has",
        ),
        ({"field": Field(validation_alias=pydantic.AliasPath("a", "b"))}, "use alias="),
        ({"field": Field(exclude_if=bool)}, "exclude_if; leave it out"),
        ({"field": Field(field_title_generator=lambda name, _: name)}, "write title="),
        ({"model_config": pydantic.ConfigDict(validate_by_alias=False)}, "leave it out"),
        (
            {"model_config": pydantic.ConfigDict(model_title_generator=lambda _: "T")},
            "write title=",
        ),
        (
            {"__get_pydantic_core_schema__": classmethod(lambda *_: None)},
            "leave it out",
        ),
    ],
    ids=named,
)
def test_what_would_be_lost_is_an_error(members: dict[str, Any], words: str) -> None:
    with pytest.raises(structural.SchemaError, match=words) as error:
        structural.schema_of(model_with(**members))

    assert str(error.value).startswith("Example")


def test_a_constant_of_the_class_is_no_field() -> None:
    model = model_with(annotations={"constant": ClassVar[int]}, constant=3)

    assert {"field": {"type": "string"}} == structural.schema_of(model)["properties"]


@pytest.mark.parametrize(
    ("annotations", "words"),
    [
        ({"metadata": JSONObject}, "metadata: .*leave it out"),
        ({"kind": Annotated[str, Field(max_length=3)]}, "kind: .*leave it out"),
        ({"api_version": int}, "api_version: .*leave it out"),
        ({"other": Annotated[str, Field(alias="kind")]}, "other: .*'kind', which kind already has"),
    ],
    ids=named,
)
def test_what_every_object_has_is_the_api_servers(annotations: Any, words: str) -> None:
    root = type("Thing", (Resource,), {"__annotations__": annotations})

    with pytest.raises(structural.SchemaError, match=words):
        structural.schema_of(root)


def test_a_kind_may_name_itself() -> None:
    root = type(
        "Thing",
        (Resource,),
        {
            "__annotations__": {"kind": Literal["Thing"], "metadata": ObjectMeta},
            "kind": "Thing",
        },
    )

    assert {"apiVersion", "kind", "metadata"} == structural.schema_of(root)["properties"].keys()
