"""A third API: two versions whose fields have other names, rules of each sort, scale, deletion."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from schemagen import (
    Api,
    Cel,
    Facts,
    FieldPath,
    Immutable,
    Kind,
    ListMap,
    Model,
    Policy,
    Problem,
    Reason,
    Resource,
    Rules,
    Scale,
    Spec,
    Status,
    Version,
)
from schemagen.model.wire import Duration, Int32
from schemagen.problems import JSON
from schemagen.versions import records, steps

Name = Annotated[str, Field(max_length=63)]


class BenchStatus(Status):
    """What is there."""

    replicas: Int32 | None = None
    note: Annotated[str, Field(max_length=200)] | None = None


class OldSpec(Spec):
    """How it was asked for."""

    color: Literal["red", "green"] | None = None
    replicas: Int32 | None = None
    wait_seconds: Int32 | None = None
    labels: Annotated[dict[Name, Name], Field(max_length=2000)] | None = None
    owner: Name | None = None
    tools: list[Name] | None = None


class OldBench(Resource):
    """A bench."""

    spec: OldSpec
    status: BenchStatus | None = None


class Tag(Model, rules=[Cel("self.name != 'forbidden'", "expected another name")]):
    """A tag."""

    name: Name
    value: Annotated[str, Field(max_length=8)] | None = None


class Size(Model):
    """How many."""

    replicas: Annotated[Int32, Field(ge=1, le=10)] | None = None
    burst: Annotated[Int32, Field(ge=0)] | None = None


class NewStatus(Status):
    """What is there."""

    replicas: Int32 | None = None
    note: Annotated[str, Field(max_length=20)] | None = None


class Tool(Model):
    """A tool."""

    name: Annotated[Name, Field(pattern="^[a-z]+$")]


class NewSpec(
    Spec,
    rules=[
        Cel(
            "!has(self.wait) || duration(self.wait) <= duration('1h')",
            "expected an hour at most",
            field_path=".wait",
        ),
    ],
):
    """How it is asked for."""

    colour: (
        Annotated[Literal["Red", "Green", "Blue"], Cel("self != 'Green'", "not green")] | None
    ) = None
    size: Size | None = None
    wait: Duration | None = None
    tags: Annotated[list[Tag], ListMap("name"), Field(max_length=2000)] | None = None
    holder: Annotated[Name, Immutable()] | None = None
    tools: Annotated[list[Tool], Field(max_length=50)] | None = None
    priority: Int32 | None = None


class NewBench(Resource):
    """A bench."""

    spec: NewSpec
    status: NewStatus | None = None


CONVERSION = records.Conversion(
    records.record(
        *records.keep("kind", "metadata", "status"),
        records.same_name(
            "spec",
            records.record(
                records.move(
                    "color", "colour", steps.enumeration({"red": "Red", "green": "Green"})
                ),
                records.move("replicas", "size.replicas"),
                records.move("waitSeconds", "wait", steps.to_duration()),
                records.move("labels", "tags", steps.map_to_list("name", "value")),
                records.move("owner", "holder"),
                records.move("tools", "tools", steps.wrap("name")),
            ),
        ),
    ),
    ("spec.tags",),
)

REPLICAS = FieldPath().member("spec").member("size").member("replicas")


def validate(bench: JSON, old: JSON | None, facts: Facts) -> Iterator[Problem]:
    """A bench of a team is not made larger than five, and kept while it is held."""
    del old
    spec = bench.get("spec") or {}
    replicas = (spec.get("size") or {}).get("replicas") or 0
    if replicas > 5 and "admins" not in facts.user.groups:
        yield Problem(REPLICAS, f"expected at most 5, got {replicas}")
    if facts.operation == "DELETE" and spec.get("holder"):
        path = FieldPath().member("spec").member("holder")
        yield Problem(path, "expected nobody to hold it", Reason.FORBIDDEN)


RULES = Rules(validate=validate, operations=("CREATE", "UPDATE", "DELETE"))


def api(
    hub_rules: Literal["refuse", "warn", "off"] = "refuse",
    rules: Rules = RULES,
) -> Api:
    """The API with a policy for its older version."""
    old = Version(
        "v1",
        OldBench,
        conversion=CONVERSION,
        hub_rules=hub_rules,
        scale=Scale(".spec.replicas", ".status.replicas"),
    )
    new = Version(
        "v2", NewBench, storage=True, scale=Scale(".spec.size.replicas", ".status.replicas")
    )
    policy = Policy("object.metadata.name != 'reserved'", "this name is reserved")
    kind = Kind("Bench", "benches", (old, new), rules=rules, policies=(policy,))
    return Api("workshop.example.com", (kind,))


SERVED = api()
