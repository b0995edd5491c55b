"""A third API, of a harbor: three versions that default, name, nest and count things differently.

It exists to be converted: every field is there because something about it gets lost easily.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from schemagen import (
    Api,
    EmbeddedResource,
    JSONObject,
    Kind,
    ListMap,
    ListSet,
    Model,
    Nullable,
    PreserveUnknown,
    Resource,
    Scale,
    Spec,
    Status,
    Version,
    exactly_one_of,
    wire,
)
from schemagen.problems import JSON
from schemagen.versions import records, steps

Short = Annotated[str, Field(max_length=20)]
Count = Annotated[wire.Int32, Field(ge=0, le=1000)]

# ------------------------------------------------------------------------------------------- v1


class OldPort(Model):
    """Known by its name only by custom: the list has no keys."""

    name: Short
    protocol: Literal["tcp", "udp"] = "tcp"
    number: Count = 80
    comment: Short | None = None


class OldRegion(Model):
    """An entry of a map, by the region's name."""

    weight: Count = 1
    color: Literal["red", "blue"] | None = None


class OldStore(Model):
    """A flat union."""

    type: Literal["disk", "net"]
    path: Short | None = None
    host: Short | None = None
    port: Count = 204


class OldBerthSpec(Spec):
    """Units are days and seconds, lists have no keys."""

    keep_days: Annotated[wire.Int32, Field(ge=0, le=10000)] = 30
    mode: Literal["slow", "fast"] = "slow"
    replicas: Count = 1
    wait_seconds: Count | None = None
    tags: Annotated[dict[str, Short], Field(max_length=8)] | None = None
    ports: Annotated[list[OldPort], Field(max_length=6)] | None = None
    regions: Annotated[dict[str, OldRegion], Field(max_length=4)] | None = None
    store: OldStore | None = None
    secrets: Annotated[list[Short], Field(max_length=4)] | None = None
    groups: Annotated[list[Short], Field(max_length=6)] | None = None
    limit: Short | None = None
    note: Annotated[Short, Nullable()] | None = None
    legacy: Short = "old"
    labels: Annotated[dict[str, Short], Field(max_length=4)] | None = None
    settings: JSONObject | None = None
    template: Annotated[dict[str, Any], EmbeddedResource(), PreserveUnknown()] | None = None


class OldBerthStatus(Status):
    """Knows of no progress."""

    phase: Short | None = None
    replicas: Count | None = None
    message: Short = "none"


class BerthV1(Resource):
    """A berth."""

    spec: OldBerthSpec
    status: OldBerthStatus | None = None


# ------------------------------------------------------------------------------------------- v2


class Tag(Model):
    """Of a map's entry a list's item."""

    name: Annotated[str, Field(max_length=63)]
    value: Short | None = None
    note: Short | None = None


class Port(Model):
    """Told apart by two keys."""

    name: Short
    protocol: Literal["TCP", "UDP"] = "TCP"
    number: Count = 880
    idle_seconds: Count = 60


class Region(Model):
    """An entry of a map, with a default of its own."""

    weight: Count = 5
    zone: Short = "a"


class Disk(Model):
    """A local store."""

    path: Short | None = None


class Net(Model):
    """A store elsewhere."""

    host: Short | None = None
    port: Count = 111
    retries: Count | None = None


class Store(Model, rules=[exactly_one_of("disk", "net")]):
    """One object for each case."""

    disk: Disk | None = None
    net: Net | None = None


class SecretRef(Model):
    """Once a bare name."""

    name: Short
    key: Short = "token"


class Size(Model):
    """Once a number."""

    replicas: Count = 2
    burst: Count = 3


class BerthSpec(Spec):
    """Units are seconds, lists have keys."""

    retention_seconds: wire.Int32 = 2592000
    mode: Literal["Slow", "Fast", "Auto"] = "Auto"
    size: Size | None = None
    wait: wire.Duration | None = None
    tags: Annotated[list[Tag], ListMap("name"), Field(max_length=8)] | None = None
    ports: Annotated[list[Port], ListMap("name", "protocol"), Field(max_length=6)] | None = None
    regions: Annotated[dict[str, Region], Field(max_length=4)] | None = None
    store: Store | None = None
    secret_refs: Annotated[list[SecretRef], ListMap("name"), Field(max_length=4)] | None = None
    groups: Annotated[list[Short], ListSet(), Field(max_length=6)] | None = None
    limit: wire.IntOrString | None = None
    note: Short = "-"
    labels: Annotated[dict[str, Short], Field(max_length=4)] | None = None
    settings: JSONObject | None = None
    template: Annotated[dict[str, Any], EmbeddedResource(), PreserveUnknown()] | None = None


class BerthStatus(Status):
    """Knows of progress."""

    phase: Short | None = None
    replicas: Count | None = None
    progress: Count | None = None
    attempts: Count = 1


class BerthV2(Resource):
    """A berth."""

    spec: BerthSpec
    status: BerthStatus | None = None


# ------------------------------------------------------------------------------------------- v3


class Timeout(Model):
    """Once seconds; the whole of it has a default, and so has what is in it."""

    idle: wire.Duration = "60s"
    grace: Count = 5


class NewPort(Model):
    """With a nested object that is there by default."""

    name: Short
    protocol: Literal["TCP", "UDP", "SCTP"] = "TCP"
    number: Count = 880
    timeout: Timeout = Field(default_factory=Timeout)


class Quota(Model):
    """Only the newest version has it."""

    cpu: Count = 2
    memory: Short | None = None


class NewBerthSpec(Spec):
    """Units are durations."""

    retention: wire.Duration = "720h"
    speed: Literal["Slow", "Fast", "Auto"] = "Slow"
    size: Size | None = None
    wait: wire.Duration = "10s"
    tags: Annotated[list[Tag], ListMap("name"), Field(max_length=8)] | None = None
    ports: Annotated[list[NewPort], ListMap("name", "protocol"), Field(max_length=6)] | None = None
    regions: Annotated[dict[str, Region], Field(max_length=4)] | None = None
    store: Store | None = None
    secret_refs: Annotated[list[SecretRef], ListMap("name"), Field(max_length=4)] | None = None
    groups: Annotated[list[Short], ListSet(), Field(max_length=6)] | None = None
    limit: wire.IntOrString | None = None
    note: Annotated[Short, Nullable()] | None = None
    annotations: Annotated[dict[str, Short], Field(max_length=4)] | None = None
    settings: JSONObject | None = None
    template: Annotated[dict[str, Any], EmbeddedResource(), PreserveUnknown()] | None = None
    owner: Short = "nobody"
    quota: Quota | None = None
    quotas: Annotated[dict[str, Quota], Field(max_length=4)] | None = None


class NewBerthStatus(Status):
    """Says more of the progress."""

    phase: Short | None = None
    replicas: Count | None = None
    progress: Count | None = None
    detail: Short = "none"


class BerthV3(Resource):
    """A berth."""

    spec: NewBerthSpec
    status: NewBerthStatus | None = None


# ---------------------------------------------------------------------------------- conversions

DAY_SECONDS = 86400


def _seconds(days: JSON) -> JSON:
    return days * DAY_SECONDS if type(days) is int and 0 <= days <= 10000 else steps.ABSENT


def _days(seconds: JSON) -> JSON:
    if type(seconds) is not int or seconds % DAY_SECONDS:
        return steps.ABSENT
    days = seconds // DAY_SECONDS
    return days if 0 <= days <= 10000 else steps.ABSENT


DAYS = steps.Fn(_seconds, _days)

FIRST = records.Conversion(
    records.record(
        records.keep("kind", "metadata"),
        records.same_name(
            "spec",
            records.record(
                records.move("keepDays", "retentionSeconds", DAYS),
                records.same_name("mode", steps.enumeration({"slow": "Slow", "fast": "Fast"})),
                records.move("replicas", "size.replicas", steps.integer()),
                records.move("waitSeconds", "wait", steps.to_duration()),
                records.same_name("tags", steps.map_to_list("name", "value")),
                records.same_name(
                    "ports",
                    steps.each(
                        records.record(
                            records.keep("name", "number"),
                            records.same_name(
                                "protocol", steps.enumeration({"tcp": "TCP", "udp": "UDP"})
                            ),
                        )
                    ),
                ),
                records.same_name("regions", steps.values(records.record(records.keep("weight")))),
                records.same_name(
                    "store",
                    records.record(
                        records.flat_union(
                            "type",
                            disk=("disk", records.record(records.keep("path"))),
                            net=("net", records.record(records.keep("host", "port"))),
                        )
                    ),
                ),
                records.move("secrets", "secretRefs", steps.wrap("name")),
                records.same_name("groups", steps.each_once(steps.text())),
                records.same_name("limit", steps.text_or_integer()),
                records.same_name("note", steps.text()),
                records.keep("labels", "settings", "template"),
            ),
        ),
        records.same_name("status", records.record(records.keep("phase", "replicas"))),
    ),
    ("spec.tags",),
)

SECOND = records.Conversion(
    records.record(
        records.keep("kind", "metadata"),
        records.same_name(
            "spec",
            records.record(
                records.move("retentionSeconds", "retention", steps.to_duration()),
                records.move("mode", "speed"),
                records.move("labels", "annotations"),
                records.keep("size", "wait", "tags", "regions", "store", "secretRefs", "groups"),
                records.keep("limit", "settings", "template"),
                records.same_name("note", steps.text()),
                records.same_name(
                    "ports",
                    steps.each(
                        records.record(
                            records.keep("name", "number"),
                            records.same_name(
                                "protocol", steps.enumeration({"TCP": "TCP", "UDP": "UDP"})
                            ),
                            records.move(
                                "idleSeconds", "timeout.idle", steps.to_duration(spelled="60s")
                            ),
                        )
                    ),
                ),
            ),
        ),
        records.same_name("status", records.record(records.keep("phase", "replicas", "progress"))),
    )
)

# ------------------------------------------------------------------------ a kind of small objects


class OldBuoySpec(Spec):
    """What a default hides."""

    keep_days: wire.Int32 = 30
    light: Short | None = None


class BuoySpec(Spec):
    """What it hides it behind."""

    retention_seconds: wire.Int32 = 2592000
    light: Short | None = None
    anchor: Annotated[dict[str, Short], Field(max_length=4)] | None = None


class BuoyV1(Resource):
    """A buoy."""

    spec: OldBuoySpec


class BuoyV2(Resource):
    """A buoy."""

    spec: BuoySpec


BUOY = records.Conversion(
    records.record(
        records.keep("kind", "metadata"),
        records.same_name(
            "spec",
            records.record(
                records.move("keepDays", "retentionSeconds", DAYS),
                records.keep("light"),
            ),
        ),
    )
)

api = Api(
    "harbor.example.net",
    (
        Kind(
            "Berth",
            "berths",
            (
                Version("v1", BerthV1, conversion=FIRST),
                Version(
                    "v2",
                    BerthV2,
                    storage=True,
                    conversion=SECOND,
                    scale=Scale(".spec.size.replicas", ".status.replicas"),
                ),
                Version("v3", BerthV3),
            ),
        ),
        Kind(
            "Buoy",
            "buoys",
            (Version("v1", BuoyV1, conversion=BUOY), Version("v2", BuoyV2, storage=True)),
            scope="Cluster",
        ),
    ),
)
