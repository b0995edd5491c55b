"""An API with a field of each plain type, and one whose names are words that YAML knows."""

from typing import Any, Literal

from schemagen import Api, JSONObject, Kind, Resource, Spec, Version, wire


class GadSpec(Spec):
    """What the fields of a Gad are for does not matter."""

    text: str | None = None
    num: int | None = None
    ratio: float | None = None
    when: wire.Timestamp | None = None
    env: dict[str, str] | None = None
    ports: dict[str, int] | None = None
    free: JSONObject | None = None
    anyv: Any = None


class Gad(Resource):
    """One field of each type."""

    spec: GadSpec


class PointSpec(Spec):
    """Names, defaults and words of enums that are no text without quotes."""

    x: int = 0
    y: int = 0
    n: int | None = None
    answer: Literal["y", "n", "="] | None = None
    size: wire.Quantity = "1e3"
    tag: Literal["1e3", "08", "12:30"] | None = None


class Point(Resource):
    """A point."""

    spec: PointSpec


api = Api(
    "example.com",
    (
        Kind("Gad", "gads", (Version("v1", Gad, storage=True),)),
        Kind("Point", "points", (Version("v1", Point, storage=True),)),
    ),
)
