"""A second API, of a foundry: unrelated to the Agents Platform, it uses every marker there is."""

import enum
from typing import Annotated, Any, Literal

from pydantic import Field

from schemagen import (
    Api,
    Atomic,
    Cel,
    Column,
    Condition,
    EmbeddedResource,
    ExternalDocs,
    Format,
    Granular,
    Immutable,
    JSONObject,
    Kind,
    ListMap,
    ListSet,
    MaxBytes,
    MaxDescription,
    MaxEntries,
    Model,
    Nullable,
    Policy,
    PreserveUnknown,
    Resource,
    Scale,
    Spec,
    Status,
    Type,
    Version,
    at_least_one_of,
    at_most_one_of,
    exactly_one_of,
    wire,
)
from schemagen.problems import JSON

Name = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$")]


class Metal(enum.Enum):
    IRON = "Iron"
    COPPER = "Copper"
    TIN = "Tin"


class Texts(Model):
    """One text of every format."""

    object_id: Annotated[str, Format("bsonobjectid")] | None = None
    data: Annotated[str, Format("byte"), Field(max_length=64)] | None = None
    network: Annotated[str, Format("cidr")] | None = None
    card: Annotated[str, Format("creditcard")] | None = None
    day: Annotated[str, Format("date")] | None = None
    moment: wire.Timestamp | None = None
    moment_too: Annotated[str, Format("datetime")] | None = None
    span: wire.Duration | None = None
    go_span: Annotated[str, Format("duration")] | None = None
    mail: Annotated[str, Format("email")] | None = None
    color: Annotated[str, Format("hexcolor")] | None = None
    host: Annotated[str, Format("hostname")] | None = None
    v4: Annotated[str, Format("ipv4")] | None = None
    v6: Annotated[str, Format("ipv6")] | None = None
    book: Annotated[str, Format("isbn")] | None = None
    book10: Annotated[str, Format("isbn10")] | None = None
    book13: Annotated[str, Format("isbn13")] | None = None
    long_name: Annotated[str, Format("k8s-long-name")] | None = None
    short_name: Annotated[str, Format("k8s-short-name")] | None = None
    hardware: Annotated[str, Format("mac")] | None = None
    secret: Annotated[str, Format("password")] | None = None
    rgb: Annotated[str, Format("rgbcolor")] | None = None
    social: Annotated[str, Format("ssn")] | None = None
    link: wire.Uri | None = None
    id: Annotated[str, Format("uuid")] | None = None
    id3: Annotated[str, Format("uuid3")] | None = None
    id4: Annotated[str, Format("uuid4")] | None = None
    id5: Annotated[str, Format("uuid5")] | None = None
    unknown: Annotated[str, Format("no-such-format")] | None = None


class Numbers(Model):
    """Numbers within all kinds of bounds."""

    small: wire.Int32 | None = None
    large: wire.Int64 | None = None
    any: int | None = None
    percent: Annotated[int, Field(ge=0, le=100)] | None = None
    open: Annotated[float, Field(gt=0, lt=1)] | None = None
    single: Annotated[float, Format("float")] | None = None
    double: Annotated[float, Format("double"), Field(ge=-1e6, le=1e6)] | None = None
    even: Annotated[int, Field(multiple_of=2)] | None = None
    quarter: Annotated[float, Field(multiple_of=0.25)] | None = None
    level: Literal[1, 2, 3] | None = None
    amount: wire.Quantity | None = None
    port: wire.IntOrString | None = None
    chosen: Annotated[Annotated[int, Field(ge=1, le=10)], Field(multiple_of=3)] | None = None


class Ingredient(Model):
    """A share of an alloy."""

    metal: Metal
    share: Annotated[int, Field(ge=1, le=100)] = Field(description="In percent.")
    grade: Annotated[str, Field(max_length=16)] = "standard"


class Valve(Model, rules=[Cel("self.flow <= 100 || self.is_main", "only the main valve may flow")]):
    """Told apart by two keys."""

    name: Name
    side: Literal["Left", "Right"] = "Left"
    flow: wire.Int32 = 0
    is_main: bool = False


class Gas(Model):
    """Heat from gas."""

    kind: Literal["Gas"]
    pressure: Annotated[int, Field(ge=1, le=16)]
    supplier: Annotated[str, Field(max_length=63)] | None = None


class Arc(Model, rules=[Cel("self.volts * self.amperes <= 100000", "expected at most 100 kW")]):
    """Heat from an electric arc."""

    kind: Literal["Arc", "Plasma"]
    volts: Annotated[int, Field(ge=1, le=1000)]
    amperes: Annotated[int, Field(ge=1, le=1000)] = Field(examples=[20])


class Sand(Model):
    """A mold of sand."""

    grain: wire.Int32


class Steel(Model):
    """A mold of steel."""

    part_number: Annotated[str, Field(max_length=32)]


class Mold(Model, rules=[exactly_one_of("sand", "steel"), at_most_one_of("glued", "screwed")]):
    """Of one material."""

    sand: Sand | None = None
    steel: Steel | None = None
    glued: bool | None = None
    screwed: bool | None = None


class Recipe(
    Spec,
    rules=[
        at_least_one_of("ingredients", "alloy"),
        Cel(
            "!has(self.ingredients) || self.ingredients.map(i, i.share).sum() == 100",
            "the shares must make 100 percent",
            field_path=".ingredients",
        ),
        Cel(
            "!has(self.min_heat) || !has(self.max_heat) || self.min_heat <= self.max_heat",
            message_expression="'wanted %d, got %d'.format([self.minHeat, self.maxHeat])",
            reason="FieldValueForbidden",
            field_path=".max_heat",
        ),
    ],
):
    """What is cast, and how."""

    ingredients: Annotated[list[Ingredient], ListMap("metal"), Field(max_length=3)] | None = None
    alloy: Annotated[Name, Immutable()] | None = None
    min_heat: wire.Int32 | None = None
    max_heat: wire.Int32 | None = None
    valves: Annotated[list[Valve], ListMap("name", "side"), Field(max_length=8)] | None = None
    heat: Annotated[Gas | Arc, Field(discriminator="kind")] | None = None
    mold: Mold | None = None
    texts: Texts | None = None
    numbers: Numbers | None = None
    tags: Annotated[set[Name], Field(max_length=8)] | None = None
    colors: Annotated[list[str], ListSet(), MaxEntries(4)] | None = None
    steps: Annotated[list[Annotated[str, MaxBytes(32)]], Atomic(), Field(min_length=1)] | None = (
        None
    )
    pairs: Annotated[list[list[wire.Int32]], Field(max_length=4)] | None = None
    labels: Annotated[dict[str, Annotated[str, Field(max_length=16)]], Field(max_length=4)] = Field(
        default_factory=lambda: {"made-by": "hand"}
    )
    limits: Annotated[dict[Name, wire.Quantity], MaxEntries(4), Atomic()] | None = None
    plan: Annotated[Sand, Atomic()] | None = None
    place: Annotated[Sand, Granular(), ExternalDocs("https://example.com", "Places")] | None = (
        Field(default=None, title="Place", description="Where. What for. And why, at length.")
    )
    note: Annotated[str, Nullable(), Field(max_length=40)] | None = Field(
        default=None, deprecated="use steps"
    )
    parent: Annotated[dict[str, Any], EmbeddedResource(), PreserveUnknown()] | None = None
    settings: JSONObject | None = None
    anything: Any = None
    switch: Annotated[Any, Type("boolean")] = None
    remark: Annotated[str, MaxDescription(12), Field(max_length=99)] | None = Field(
        default=None, description="A remark. It may be long."
    )
    replicas: Annotated[int, Field(ge=0, le=1000)] = 1
    namespace: Annotated[str, Cel("self != 'kube-system'", reason="FieldValueDuplicate")] | None = (
        None
    )
    grown: (
        Annotated[
            int,
            Field(ge=0, le=1000),
            Cel(
                "!oldSelf.hasValue() || oldSelf.value() <= self",
                "must not shrink",
                optional_old_self=True,
            ),
        ]
        | None
    ) = None
    address: Annotated[str, Cel("isURL(self) || isIP(self)", "expected a URL or an address"),
                       Field(max_length=64)] | None = None  # fmt: skip
    memory: (
        Annotated[
            str,
            Field(max_length=24),
            Cel(
                "isQuantity(self) && quantity(self).isLessThan(quantity('4Gi'))",
                "expected under 4Gi",
            ),
        ]
        | None
    ) = None


class Casting(Status):
    """What was cast."""

    phase: Literal["Cold", "Hot", "Poured"] | None = None
    replicas: Annotated[int, Field(ge=0, le=1000)] | None = None
    selector: Annotated[str, Field(max_length=253)] | None = None
    poured_at: wire.Timestamp | None = None
    conditions: Annotated[list[Condition], ListMap("type"), Field(max_length=8)] | None = None


class FurnaceV1(Resource):
    """A furnace and what it casts."""

    spec: Recipe
    status: Casting | None = None


class FurnaceV2(FurnaceV1, rules=[Cel("self.metadata.name.size() <= 40", "the name is too long")]):
    """A furnace, of the second generation."""


class Alloy(Resource):
    """A mixture, for the whole cluster; its fields stand at the root."""

    parts: dict[str, Annotated[int, Field(ge=1, le=100)]]
    melts_at: wire.Int32 | None = None


class Unchanged:
    """A conversion between versions that differ in their rules only."""

    unordered = ()

    def up(self, value: dict[str, JSON], /) -> dict[str, JSON]:
        """The same."""
        return value

    down = up


api = Api(
    "foundry.example.org",
    (
        Kind(
            "Furnace",
            "furnaces",
            (
                Version(
                    "v1",
                    FurnaceV1,
                    deprecated="foundry.example.org/v1 Furnace is deprecated; use v2",
                    conversion=Unchanged(),
                ),
                Version(
                    "v2",
                    FurnaceV2,
                    storage=True,
                    columns=(
                        Column("Phase", ".status.phase"),
                        Column("Replicas", ".spec.replicas", "integer", format="int32", priority=1),
                        Column("Poured", ".status.pouredAt", "date", description="When."),
                    ),
                    selectable=(".spec.alloy", ".status.phase"),
                    scale=Scale(".spec.replicas", ".status.replicas", ".status.selector"),
                ),
            ),
            short_names=("fu",),
            categories=("foundry", "all"),
            singular="furnace",
            list_name="FurnaceList",
            labels={"team": "casting"},
            annotations={"example.org/owner": "casting"},
            policies=(
                Policy(
                    "request.operation != 'DELETE' || object == null",
                    "nothing is deleted by a write",
                ),
            ),
        ),
        Kind(
            "Alloy",
            "alloys",
            (Version("v1", Alloy, storage=True),),
            scope="Cluster",
        ),
    ),
)
