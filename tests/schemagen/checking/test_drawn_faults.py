"""Regressions found by `make prove-models`: each is refused properly or judged alike."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field
from typing_extensions import TypeAliasType

from schemagen import (
    Api,
    EmbeddedResource,
    Format,
    IntOrString,
    Kind,
    ListSet,
    LocalRef,
    Model,
    Nullable,
    PreserveUnknown,
    Resource,
    Spec,
    Version,
    checking,
    judge,
    wire,
)
from schemagen.crd import definitions
from schemagen.schema import structural
from schemagen.schema.keywords import SchemaError

MaybeMac = TypeAliasType("MaybeMac", "wire.Mac | None")


def embedded(**fields: Any) -> Any:
    """Return an embedded object whose model has these fields."""
    annotations = {name: type(value) for name, value in fields.items()}
    annotations |= {name: value for name, value in fields.items() if isinstance(value, type)}
    defaults = {name: value for name, value in fields.items() if not isinstance(value, type)}
    own = {"__annotations__": annotations, "__module__": __name__, **defaults}
    return Annotated[type("Part", (Model,), own), EmbeddedResource()]


def model_of(annotation: Any, default: Any = ...) -> type[Model]:
    return type(
        "Job", (Spec,), {"__annotations__": {"a": annotation}, "a": default, "__module__": __name__}
    )


@pytest.mark.parametrize(
    ("annotation", "default", "words"),
    [
        (wire.IntOrString, Field(strict=True), "expected strict on a scalar"),
        (Any, Field(strict=True), "expected strict on a scalar"),
        (
            Annotated[int | str, IntOrString(), PreserveUnknown()],
            ...,
            "expected PreserveUnknown on an object, got an integer or string",
        ),
        (Annotated[list[LocalRef], ListSet()], ..., "expected ListSet on a list of scalars"),
        (Annotated[list[set[int]], ListSet()], ..., "got lists that are each a set"),
        (
            Annotated[list[Annotated[str | None, Nullable()]], ListSet()],
            ...,
            "expected non-null items in a list",
        ),
        (set[Annotated[str | None, Nullable()]], ..., "expected non-null items in a list"),
        (Annotated[int, Field(le=2**63 - 1)], ..., "expected a maximum that float64"),
        (Annotated[int, Field(ge=-(2**63))], ..., "expected a minimum that float64"),
        (Annotated[int, Field(lt=2**53 + 1)], ..., "expected a maximum that float64"),
        (
            Annotated[int, Field(multiple_of=2**63)],
            ...,
            "expected a multipleOf that float64",
        ),
        (embedded(), ..., "an embedded object with fields, got one without any"),
        (embedded(kind=int), ..., "whose kind is of type string, got integer"),
        (embedded(apiVersion=bool), ..., "whose apiVersion is of type string, got boolean"),
        (embedded(metadata=str), ..., "whose metadata is of type object, got string"),
        (embedded(kind=""), ..., "whose kind is valid, got the default '': .*not be empty"),
        (embedded(apiVersion="a/b/c"), ..., "apiVersion is valid, .*unexpected GroupVersion"),
        (MaybeMac, Field(strict=True), "expected strict on a type for which Pydantic supports it"),
        (
            Annotated[wire.IPv6, Field(pattern="^a")] | None,
            Field(strict=True),
            "expected strict on a type for which Pydantic supports it",
        ),
    ],
)
def test_it_is_refused_with_a_way_out(annotation: Any, default: Any, words: str) -> None:
    with pytest.raises(SchemaError, match=words) as refused:
        structural.schema_of(model_of(annotation, default))

    assert str(refused.value).startswith("Job.a: ")
    assert "; " in str(refused.value)


class Address(Model):
    a: Annotated[wire.IPv6, Field(pattern="1$")]


class Addressed(Spec):
    n: Annotated[wire.IntOrString, Format("mac")]
    level: Annotated[Literal[1, 2], Format("date-time")] | None = None
    amount: Annotated[wire.Quantity, Format("ipv6")] | None = None


class Root(Resource):
    spec: Addressed


@pytest.mark.parametrize(
    "spec",
    [
        *({"n": value} for value in (1, 0, "x", "00:1B:44:11:3A:B7", 1.5, None)),
        *({"n": 1, "level": value} for value in (1, 3, "a", None)),
        *({"n": 1, "amount": value} for value in (1, "::1", "1Gi", 0.5)),
    ],
)
def test_a_format_beside_another_type_is_judged_alike(spec: Any) -> None:
    api = Api("example.com", (Kind("Job", "jobs", (Version("v1", Root, storage=True),)),))
    metadata = {"name": "a"}
    job = {
        "apiVersion": "example.com/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": spec,
    }

    with (
        judge.Judge(deadline_seconds=60) as asked,
        asked.load(definitions.crd(api, api.kinds[0])) as jobs,
    ):
        judged = jobs.create(job, strict=False)

    checked = checking.of(Root).create(job)
    assert judged.causes == checked.causes
    assert judged.allowed == is_built(job)


class Counted(Spec):
    halves: Sequence[Annotated[int, Field(le=0.5)]]
    parts: Sequence[Address]
    strict: Annotated[int, Field(le=0.5, strict=True)] = 0


def test_bounds_that_pydantic_does_not_know_are_the_checks_alone() -> None:
    """Pydantic refuses a non-integral bound on an integer."""
    built = Counted.model_validate({"halves": [0, -1], "parts": [{"a": "::1"}]})

    assert Counted(halves=[0, -1], parts=[Address(a="::1")]) == built


def is_built(job: Any) -> bool:
    try:
        Root.model_validate(job)
    except ValueError:
        return False
    return True
