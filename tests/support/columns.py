"""A kind, an object of it, and column paths with what a real API server shows of each.

Measured on kube-apiserver 1.37.2: tests/e2e/test_columns.py asks it again.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from schemagen import Condition, JSONObject, ListMap, Model, Resource, Spec, Status, wire


class Item(Model):
    name: str
    v: int = 0


class ThingSpec(Spec):
    color: Literal["Red", "Green"] = "Red"
    n: int = 0
    f: float = 0
    b: bool = False
    when: wire.Timestamp | None = None
    its: Annotated[list[Item], ListMap("name"), Field(max_length=4)] = Field(default_factory=list)
    m: dict[str, str] = Field(default_factory=dict)
    free: JSONObject | None = None
    ios: wire.IntOrString | None = None
    obj: Item | None = None


class ThingStatus(Status):
    conditions: Annotated[list[Condition], ListMap("type")] = Field(default_factory=list)
    replicas: int = 0
    sel: str = ""


class Thing(Resource):
    """What columns are shown of."""

    spec: ThingSpec
    status: ThingStatus | None = None


_SINCE = "2026-01-02T03:04:05Z"

SPEC: dict[str, Any] = {
    "color": "Green",
    "n": 7,
    "f": 1.5,
    "b": True,
    "when": _SINCE,
    "its": [{"name": "a", "v": 1}, {"name": "b", "v": 4}, {"name": "a]", "v": 9}],
    "m": {"foo": "bar", "a.b": "dotted", "a.b/c": "slashed", "with space": "spaced"},
    "free": {"x": {"y": "deep"}},
    "ios": "50%",
    "obj": {"name": "inner", "v": 2},
}
LABELS = {"example.com/cluster": "east", "plain": "label"}
STATUS: dict[str, Any] = {
    "conditions": [
        {
            "type": "Old",
            "status": "False",
            "reason": "A",
            "message": "",
            "lastTransitionTime": _SINCE,
        },
        {
            "type": "Ready",
            "status": "True",
            "reason": "B",
            "message": "",
            "lastTransitionTime": _SINCE,
        },
    ],
    "replicas": 3,
    "sel": "a=b",
}

# Path -> the text in a column of type string.
SHOWN: dict[str, str] = {
    ".spec.color": "Green",
    ".spec.color ": "Green",
    ".spec['color']": "Green",
    ".spec@.color": "Green",
    ".spec.n": "7",
    ".spec.f": "1.5",
    ".spec.b": "true",
    ".spec.when": _SINCE,
    ".spec.ios": "50%",
    ".spec.obj": '{"name":"inner","v":2}',
    ".spec.its[0].name": "a",
    ".spec.its[].name": "a",
    ".spec.its[-1].name": "a]",
    ".spec.its[-2:].name": "b",
    ".spec.its[1:3].name": "b",
    ".spec.its[0:3:2].name": "a",
    ".spec.its[*].name": "a",
    ".spec.its[*]['name']": "a",
    ".spec.its.*.name": "a",
    ".spec.its[2,0].name": "a]",
    '.spec.its[?(@.name=="b")].v': "4",
    ".spec.its[?(@.name=='b')].v": "4",
    '.spec.its[?(@.name=="a]")].v': "9",
    ".spec.its[?(@.v>3)].name": "b",
    ".spec.its[?(@.v!=1)].name": "b",
    ".spec.its[?(@.name)].v": "1",
    ".spec.m.foo": "bar",
    ".spec.m.a\\.b": "dotted",
    ".spec.m['a\\.b/c']": "slashed",
    ".spec.m.with\\ space": "spaced",
    ".spec.m['foo','plain']": "bar",
    ".spec.free.x.y": "deep",
    ".spec..y": "deep",
    ".metadata.name": "shown",
    ".metadata.labels.plain": "label",
    ".metadata.labels.example\\.com/cluster": "east",
    ".metadata.labels['example\\.com/cluster']": "east",
    ".metadata.generation": "1",
    '.status.conditions[?(@.type=="Ready")].status': "True",
    ".status.conditions[-1:].status": "True",
    ".status.conditions[-1].type": "Ready",
    "..color": "Green",
    ".kind": "Thing",
}
# Paths that the API server takes and shows nothing of.
NOT_SHOWN = (
    ".",
    ".spec.colour",
    ".spec.its.name",
    ".spec.its[9].name",
    ".spec.its[2:1].name",
    '.spec.its[?(@.nam=="b")].v',
    '.spec.its[?(@.v=="4")].name',
    ".spec.its[?(@.name==b)].v",
    ".spec.its[?(@.v=4)].name",
    ".spec.m['a.b/c']",
    ".spec.m.a.b",
    ".spec.color[0]",
    ".spec.obj[?(@.v>1)].v",
    ".spec.its[0]name",
    ".metadata.labels['example.com/cluster']",
    ".metadata.nope",
    '.status.conditions[?(@.typo=="Ready")].status',
)
# Paths that client-go cannot read: the column and all after it are missing.
UNREADABLE = ('.spec["color"]', ".spec.its[?(@.v=~4)].name", ".spec.its[?(@.v>3)", ".spec.its[a]")
# Paths of which it shows one thing or another, as Go's maps have no order.
SHOWN_AT_RANDOM = (".spec.*", "..name", ".spec.m.*")

# Path and type -> the cell.
TYPED: dict[tuple[str, str], object] = {
    (".spec.n", "integer"): 7,
    (".spec.f", "integer"): 1,
    (".spec.n", "number"): 7,
    (".spec.f", "number"): 1.5,
    (".spec.b", "boolean"): True,
    (".spec.color", "integer"): None,
    (".spec.n", "boolean"): None,
    (".spec.n", "date"): None,
    (".spec.obj", "integer"): None,
    (".spec.color", "date"): "<invalid>",
}
# Those that are refused: they show nothing of any object.
MISFITS = ((".spec.color", "integer"), (".spec.n", "boolean"), (".spec.n", "date"),
           (".spec.obj", "integer"))  # fmt: skip
