"""Models and wire types accept what the API server accepts, and refuse with its messages."""

import enum
import math
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import pydantic
import pytest
from pydantic import Field, TypeAdapter

from schemagen import (
    Api,
    Cel,
    Format,
    Immutable,
    JSONObject,
    Kind,
    ListMap,
    Model,
    Nullable,
    Resource,
    Spec,
    Status,
    Version,
    checking,
    exactly_one_of,
    judge,
    wire,
)
from schemagen.crd import definitions

# Values on which Pydantic, strict or lax, and the API server differ.
DISAGREEMENTS: list[tuple[Any, Any, bool]] = [
    (Annotated[str, Field(pattern=r"^\d+$")], "\u0663", False),
    (Annotated[str, Field(pattern=r"^\D+$")], "\u0663", True),
    (Annotated[str, Field(pattern=r"^x$")], "x\n", False),
    (int, True, False),
    (int, "5", False),
    (int, 1.0, True),
    (int, 1e3, True),
    (int, 10**20, False),
    (int, 1e20, False),
    (wire.Int32, 3_000_000_000, False),
    (float, True, False),
    (float, 3, True),
    (bool, 1, False),
    (bool, "true", False),
    (str, 5, False),
    (wire.Timestamp, "2020-01-01T00:00:00", False),
    (wire.Timestamp, "2020-01-01", False),
    (wire.Timestamp, 5, False),
    (wire.Timestamp, "2020-01-01T00:00:00Z", True),
    (wire.GoDuration, "1h", True),
    (wire.GoDuration, "PT1H", True),
    (wire.Uuid, "{123e4567-e89b-12d3-a456-426614174000}", False),
    (wire.Uuid, "urn:uuid:123e4567-e89b-12d3-a456-426614174000", False),
    (wire.Uuid, "123e4567e89b12d3a456426614174000", True),
    (wire.IPv4, "1.2.3.04", True),
    (wire.Uri, "/path", True),
    (Annotated[str, Format("ipvanyaddress")], "zzz", True),
    (wire.IntOrString, True, False),
    (wire.IntOrString, "80%", True),
    (wire.Quantity, "5Gi", True),
    (wire.Quantity, "5Gx", False),
    (Literal["a"], "b", False),
    (Annotated[str, Field(max_length=2)], "\U0001f600\U0001f600", True),
    (Annotated[set[str], Field(max_length=3)], ["a", "a"], False),
]  # fmt: skip


@pytest.fixture(scope="module")
def oracle() -> Iterator[judge.Judge]:
    with judge.Judge(deadline_seconds=60) as opened:
        yield opened


def loaded(oracle: judge.Judge, root: type[Resource]) -> judge.Loaded:
    kind = Kind("Root", "roots", (Version("v1", root, storage=True),))
    return oracle.load(definitions.crd(Api("checking.example.com", (kind,)), kind))


def whole(**fields: Any) -> dict[str, Any]:
    metadata = {"name": "one", "namespace": "default"}
    return {
        "apiVersion": "checking.example.com/v1",
        "kind": "Root",
        "metadata": metadata,
        **fields,
    }


def words(causes: Any) -> list[tuple[str, str, str]]:
    return sorted((cause.field, cause.reason, cause.message) for cause in causes)


def of_error(error: pydantic.ValidationError) -> list[tuple[str, str]]:
    return sorted((detail["type"], detail["msg"]) for detail in error.errors())


@pytest.mark.parametrize(
    ("annotation", "value", "is_taken"),
    DISAGREEMENTS,
    ids=[f"{index}-{value!r}" for index, (_, value, _) in enumerate(DISAGREEMENTS)],
)
def test_field_accepts_what_the_api_server_accepts(
    oracle: judge.Judge, annotation: Any, value: Any, *, is_taken: bool
) -> None:
    spec = pydantic.create_model("S", __base__=Spec, field=(annotation, ...))
    root = pydantic.create_model("R", __base__=Resource, spec=(spec, ...))
    sent = whole(spec={"field": value})

    with loaded(oracle, root) as server:
        verdict = server.create(sent, strict=False)

    assert is_taken == verdict.allowed
    if is_taken:
        assert root.model_validate(sent).model_dump(by_alias=True)["spec"].keys() == {"field"}
    else:
        with pytest.raises(pydantic.ValidationError) as refused:
            root.model_validate(sent)
        assert [(reason, message) for _, reason, message in words(verdict.causes)] == of_error(
            refused.value
        )


@pytest.mark.parametrize(
    ("annotation", "value", "is_taken"),
    [case for case in DISAGREEMENTS if hasattr(case[0], "__metadata__")][5:],
    ids=repr,
)
def test_wire_type_alone_accepts_what_the_api_server_accepts(
    annotation: Any, value: Any, *, is_taken: bool
) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(annotation)
    if is_taken:
        adapter.validate_python(value)
    elif any(hasattr(marker, "keywords") for marker in annotation.__metadata__):
        with pytest.raises(pydantic.ValidationError):
            adapter.validate_python(value)


class Color(enum.Enum):
    RED = "Red"


class Part(Model, rules=[Cel("self.size < 9", "too large", field_path=".size")]):
    name: str
    size: int = 1


class Machine(Spec, rules=[exactly_one_of("left", "right")]):
    parts: Annotated[list[Part], ListMap("name")] = Field(default_factory=list)
    left: Annotated[str, Immutable()] | None = None
    right: Part | None = None
    color: Color = Color.RED
    note: Annotated[str, Nullable()] | None = None
    free: JSONObject | None = None
    level: Annotated[int, Field(le=5)] = 0


class Working(Status):
    phase: Literal["On", "Off"] | None = None


class Root(Resource):
    spec: Machine
    status: Working | None = None


CREATED: list[dict[str, Any]] = [
    whole(spec={"left": "x"}),
    whole(spec={"left": "x", "note": None, "level": None, "color": None}),
    whole(spec={"left": None, "right": {"name": "a", "unknown": 1}}),
    whole(spec={"left": "x", "right": {"name": "a"}}),
    whole(spec={"right": {"name": "a", "size": 9}}),
    whole(spec={"right": {"size": 9}}),
    whole(spec={"left": "x", "parts": [{"name": "a"}, {"name": "a"}, {"name": "a", "size": 10}]}),
    whole(spec={"left": "x", "parts": [None]}),
    whole(spec={"left": 1, "right": [], "level": "6", "color": "Blue", "free": "x"}),
    whole(spec={"left": "x", "level": 6, "free": {"any": {"thing": [1, None]}}}),
    whole(spec=None),
    whole(spec=[]),
    whole(),
]


@pytest.mark.parametrize("sent", CREATED, ids=range(len(CREATED)))
def test_model_gives_the_api_servers_causes(oracle: judge.Judge, sent: Any) -> None:
    with loaded(oracle, Root) as server:
        verdict = server.create(sent, strict=False, stored=True)

    checked = checking.of(Root).create(sent)

    assert words(verdict.causes) == words(checked.causes)
    if verdict.allowed:
        assert verdict.object["spec"] == checked.value["spec"]
        assert Root.model_validate(sent).spec == Root.model_validate(verdict.object).spec


UPDATES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"left": "x"}, {"left": "x"}),
    ({"left": "x"}, {"left": "y"}),
    ({"left": "x"}, {"right": {"name": "a"}}),
    ({"left": "x", "level": 6}, {"left": "x", "level": 6}),
    ({"left": "x", "level": 6}, {"left": "x", "level": 7}),
    ({"left": "x", "level": 6}, {"left": "x", "level": 6, "note": "new"}),
    (
        {"left": "x", "parts": [{"name": "a", "size": 10}, {"name": "b"}]},
        {"left": "x", "parts": [{"name": "b"}, {"name": "a", "size": 10}]},
    ),
    (
        {"left": "x", "parts": [{"name": "a", "size": 10}]},
        {"left": "x", "parts": [{"name": "a", "size": 11}]},
    ),
    ({"left": "x", "parts": [{"name": "a"}] * 2}, {"left": "x", "parts": [{"name": "a"}] * 3}),
    ({"left": "x", "right": {"name": "a"}}, {"left": "x", "right": {"name": "a"}}),
    ({"left": "x", "right": {"name": "a"}}, {"left": "x", "right": {"name": "b"}}),
]


@pytest.mark.parametrize(("old", "new"), UPDATES, ids=range(len(UPDATES)))
def test_what_was_wrong_and_is_unchanged_may_stay(
    oracle: judge.Judge, old: dict[str, Any], new: dict[str, Any]
) -> None:
    with loaded(oracle, Root) as server:
        verdict = server.update(whole(spec=new), whole(spec=old), strict=False)

    checked = checking.of(Root).update(whole(spec=new), whole(spec=old))

    assert words(verdict.causes) == words(checked.causes)


def test_an_error_names_the_place_and_quotes_the_input() -> None:
    with pytest.raises(pydantic.ValidationError) as refused:
        Root.model_validate(whole(spec={"left": "x", "parts": [{"name": "a"}, {"name": 5}]}))

    assert [
        {
            "type": "FieldValueTypeInvalid",
            "loc": ("spec", "parts", 1, "name"),
            "msg": 'Invalid value: "integer": spec.parts[1].name in body must be of type string: '
            '"integer"',
            "input": 5,
        }
    ] == [
        {key: error[key] for key in ("type", "loc", "msg", "input")}
        for error in refused.value.errors()
        if error["loc"]
    ]


@pytest.mark.parametrize(
    "number", [10**400, -(10**5000), math.inf, math.nan], ids=["large", "small", "inf", "nan"]
)
def test_a_number_that_no_request_can_hold_is_refused_at_its_place(number: float) -> None:
    class Free(Spec):
        ratio: float | None = None
        extra: Any = None

    for sent, place in (({"ratio": number}, ("ratio",)), ({"extra": [0, number]}, ("extra", 1))):
        with pytest.raises(pydantic.ValidationError) as refused:
            Free.model_validate(sent)
        assert [
            {
                "type": "FieldValueInvalid",
                "loc": place,
                "msg": "Invalid value: expected a number that a float64 can hold",
            }
        ] == [
            {key: error[key] for key in ("type", "loc", "msg")} for error in refused.value.errors()
        ]


def test_python_values_are_built_by_python_names() -> None:
    class Shop(Spec):
        main_color: Color
        more_colors: set[Color] = Field(default_factory=set)
        best_part: Part | None = None

    built = Shop(main_color=Color.RED, more_colors={Color.RED}, best_part=Part(name="a"))

    assert built == Shop.model_validate(
        {"mainColor": "Red", "moreColors": ["Red"], "bestPart": {"name": "a"}}
    )
    with pytest.raises(pydantic.ValidationError, match="Required value"):
        Shop.model_validate({"main_color": "Red"})


def test_rules_hold_for_values_built_in_python() -> None:
    with pytest.raises(pydantic.ValidationError, match="too large"):
        Part(name="a", size=9)
    with pytest.raises(pydantic.ValidationError, match="exactly one of left, right must be set"):
        Machine(left="x", right=Part(name="a"))


def test_json_text_is_read_the_same() -> None:
    with pytest.raises(pydantic.ValidationError, match="must be of type integer"):
        Part.model_validate_json('{"name": "a", "size": true}')
    # As in the API server, a rule that reads an integer fails on 1.0.
    with pytest.raises(pydantic.ValidationError, match="expected int, got float64"):
        Part.model_validate_json('{"name": "a", "size": 1.0}')
    assert Part(name="a", size=1) == Part.model_validate_json('{"name": "a", "size": 1}')


def test_a_stored_object_that_breaks_its_schema_raises_nothing() -> None:
    """Stored objects may predate the schema; rules report errors, or ratcheting accepts them."""

    class Part(Model):
        name: str | None = None

    class Whole(Model, rules=[Cel("!has(self.part) || has(self.part.name)", "name it")]):
        part: Part | None = None
        note: str | None = None

    stored = {"part": True, "note": "a"}

    changed = checking.of(Whole).update({**stored, "note": "b"}, stored)

    words = "invalid data, expected map[string]interface{} to match the provided schema with "
    message = f'Invalid value: "object": {words}type=object evaluating rule: name it'
    assert [message] == [cause.message for cause in changed.causes]
