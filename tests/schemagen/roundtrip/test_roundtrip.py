"""The proof of round trips passes a conversion that loses nothing, and finds planted losses."""

import json
from typing import Annotated, Any

import pytest
from pydantic import Field

import crds
from schemagen import (
    Api,
    Kind,
    ListMap,
    Model,
    Resource,
    Spec,
    Status,
    Version,
    canonical,
    wire,
)
from schemagen.roundtrip import Case, Change, Edit, Tally, Trial, differences, report
from schemagen.roundtrip.changes import Action
from schemagen.roundtrip.views import Views
from schemagen.versions import records, steps
from schemagen.versions.converter import Converter
from schemagen.versions.steps import ABSENT
from tests.support import foundry, harbor, reference_engine
from tests.support.forked_commands import ROOT, Commands

pytestmark = pytest.mark.slow

Short = Annotated[str, Field(max_length=8)]


class OldFrame(Model):
    width: wire.Int32


class OldLamp(Spec):
    keep_days: wire.Int32 = 30
    limit: wire.Int32 | None = None
    frame: OldFrame | None = None
    tags: Annotated[dict[str, Short], Field(max_length=4)] | None = None


class OldLampStatus(Status):
    phase: Short


class LampV1(Resource):
    spec: OldLamp
    status: OldLampStatus | None = None


class Size(Model):
    limit: wire.Int32 | None = None
    burst: wire.Int32 | None = None


class Frame(Model):
    width: wire.Int32 | None = None
    depth: wire.Int32 | None = None


class Tag(Model):
    name: Short
    value: Short
    note: Short | None = None


class Lamp(Spec):
    retention_seconds: wire.Int32 = 2592000
    size: Size | None = None
    frame: Frame | None = None
    tags: Annotated[list[Tag], ListMap("name"), Field(max_length=4)] | None = None


class LampStatus(Status):
    phase: Short
    progress: wire.Int32 | None = None


class LampV2(Resource):
    spec: Lamp
    status: LampStatus | None = None


UP = records.Conversion(
    records.record(
        records.keep("kind", "metadata"),
        records.same_name(
            "spec",
            records.record(
                records.move("keepDays", "retentionSeconds", harbor.DAYS),
                records.move("limit", "size.limit"),
                records.move("frame.width", "frame.width"),
                records.same_name("tags", steps.map_to_list("name", "value")),
            ),
        ),
        records.same_name("status", records.record(records.keep("phase"))),
    ),
    ("spec.tags",),
)
KIND = Kind(
    "Lamp",
    "lamps",
    (Version("v1", LampV1, conversion=UP), Version("v2", LampV2, storage=True)),
)
API = Api("lamps.example.org", (KIND,))


def trial(fault: reference_engine.Fault | None, seed: int = 0) -> Trial:
    engine = reference_engine.Engine(API, KIND, fault)
    return Trial(API, KIND, seed=seed, convert=engine.convert)


def tally_of(one: Trial, count: int) -> Any:
    *_, last = one.run(count)
    return last


def test_a_conversion_that_loses_nothing_passes() -> None:
    tally = tally_of(trial(None), 600)

    assert [] == tally.shown
    assert (0, 0) == (tally.losses, tally.overflows)


WHOLE: dict[str, Any] = {
    "apiVersion": "lamps.example.org/v2",
    "kind": "Lamp",
    "metadata": {"name": "a"},
    "spec": {
        "retentionSeconds": 5400,
        "size": {"limit": 1, "burst": 2},
        "frame": {"width": 1, "depth": 2},
        "tags": [{"name": "a", "value": "x", "note": "n"}],
    },
    "status": {"phase": "Lit", "progress": 3},
}
FAULTS: list[tuple[reference_engine.Fault, Edit, str]] = [
    ("default", Edit(("metadata", "labels", "team"), "a"), "spec.retentionSeconds"),
    ("edit", Edit(("spec", "limit"), 2), "status.progress"),
    ("sibling", Edit(("spec", "limit"), ABSENT), "spec.size.burst"),
    ("parent", Edit(("spec", "frame"), ABSENT), "spec.frame.depth"),
    ("status", Edit(("spec", "limit"), 2), "status.progress"),
    ("list", Edit(("spec", "tags", "b"), "y"), 'spec.tags[{"name":"a"}].note'),
]


@pytest.mark.parametrize(("fault", "edit", "place"), FAULTS, ids=[fault for fault, *_ in FAULTS])
def test_a_planted_loss_is_seen(fault: reference_engine.Fault, edit: Edit, place: str) -> None:
    action: Action = "labels" if "labels" in edit.path else "spec"
    change = Change(action=action, version="v1", edits=(edit,))
    case = Case(origin="v2", storage="v2", value=WHOLE, changes=(change,))

    loss = trial(fault).replay(case)

    assert trial(None).replay(case) is None
    assert loss is not None
    assert place in {differences.text(one.path) for one in loss.differences}


@pytest.mark.parametrize("fault", [fault for fault, *_ in FAULTS])
def test_a_planted_loss_is_drawn(fault: reference_engine.Fault) -> None:
    assert any(tally.losses for tally in trial(fault).run(3000))


def old_check(engine: reference_engine.Engine, value: dict[str, Any]) -> bool:
    """What was once proved: an object comes back, if the API server only prunes in between."""
    views = Views(API, KIND)
    there = views.pruned("v1", engine.convert(value, "v2", "v1"))
    back = engine.convert(there, "v1", "v2")
    return canonical.dumps(views.said("v2", back)) == canonical.dumps(views.said("v2", value))


def test_a_loss_by_defaults_passes_the_check_that_only_prunes() -> None:
    value = {
        "apiVersion": "lamps.example.org/v2",
        "kind": "Lamp",
        "metadata": {"name": "a"},
        "spec": {"retentionSeconds": 5400},
    }
    label = Edit(("metadata", "labels", "team"), "a")
    change = Change(action="labels", version="v1", edits=(label,))
    case = Case(origin="v2", storage="v2", value=value, changes=(change,))

    loss = trial("default").replay(case)

    assert old_check(reference_engine.Engine(API, KIND, "default"), value)
    assert trial(None).replay(case) is None
    assert loss is not None
    assert ("lost", "v2") == (loss.what, loss.version)
    assert [("spec.retentionSeconds", 5400, 2592000)] == [
        (differences.text(one.path), one.before, one.after) for one in loss.differences
    ]


def test_a_text_that_stands_there_less_often_is_a_loss() -> None:
    berth = next(kind for kind in harbor.api if kind.name == "Berth")
    converter = Converter(harbor.api)

    def without_repeats(value: dict[str, Any], source: str, target: str) -> dict[str, Any]:
        found = converter.way(berth, source, target).plain(value)
        text = canonical.dumps(found).replace(b'\\"again\\"', b'\\"never\\"')
        forgetful: dict[str, Any] = json.loads(text)
        return forgetful

    value = {
        "apiVersion": "harbor.example.net/v1",
        "kind": "Berth",
        "metadata": {"name": "a"},
        "spec": {"groups": ["a", "b", "b"]},
    }
    change = Change(action="spec", version="v2", edits=(Edit(("spec", "groups"), ["b", "c"]),))
    case = Case(origin="v1", storage="v2", value=value, changes=(change,))

    loss = Trial(harbor.api, berth, convert=without_repeats).replay(case)

    assert Trial(harbor.api, berth).replay(case) is None
    assert loss is not None
    assert [("spec.groups", ["b", "b", "c"], ["b", "c"])] == [
        (differences.text(one.path), one.before, one.after) for one in loss.differences
    ]


@pytest.mark.parametrize("spec", [{"waitSeconds": 2**31}, {"replicas": 7}])
def test_a_value_that_another_storage_version_costs_is_a_loss(spec: dict[str, Any]) -> None:
    berth = next(kind for kind in harbor.api if kind.name == "Berth")
    converter = Converter(harbor.api)

    def lossy(value: dict[str, Any], source: str, target: str) -> dict[str, Any]:
        found = converter.way(berth, source, target).plain(value)
        (name,) = spec
        kept = {key: item for key, item in found["spec"].items() if key != name}
        return {**found, "spec": kept, "metadata": {"name": "a"}}

    value = {
        "apiVersion": "harbor.example.net/v1",
        "kind": "Berth",
        "metadata": {"name": "a"},
        "spec": spec,
    }
    change = Change(action="store", version="v2")
    case = Case(origin="v1", storage="v1", value=value, is_broken=True, changes=(change,))

    loss = Trial(harbor.api, berth, convert=lossy).replay(case)

    assert Trial(harbor.api, berth).replay(case) is None
    assert loss is not None
    assert ("lost", "v1") == (loss.what, loss.version)


SHORT = [
    pytest.param(api, kind, id=f"{api.group} {kind.name}")
    for api in (crds.api, foundry.api, harbor.api)
    for kind in api
    if len(kind.versions) > 1
]


@pytest.mark.parametrize(("api", "kind"), SHORT)
def test_nothing_is_lost(api: Api, kind: Kind) -> None:
    """`make prove-roundtrip` draws more."""
    *_, tally = Trial(api, kind, seed=0).run(60)

    assert [] == tally.shown
    assert (0, 0) == (tally.losses, tally.overflows)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("crds:api", "--part", "3/2"),
            "expected --part NUMBER/OF such as 2/4, got '3/2'",
        ),
        (
            ("crds:api", "--kind", "Nobody"),
            "expected a kind Nobody with two versions, got none",
        ),
        (
            ("crds:nothing",),
            "expected a schemagen.Api at crds:nothing, got nothing; did you mean crds:api?",
        ),
    ],
    ids=["part", "kind", "api"],
)
def test_what_cannot_be_run_is_said(
    commands: Commands, arguments: tuple[str, ...], said: str
) -> None:
    done = commands.run("schemagen", "roundtrip", *arguments, cwd=ROOT)

    assert (2, "", f"schemagen: {said}\n") == (done.code, done.out, done.err)


def test_a_run_is_the_same_in_parts() -> None:
    whole = report.chunks([API], 3500, 7, report.Part())
    parts = [report.chunks([API], 3500, 7, report.Part(number, 3)) for number in (1, 2, 3)]

    assert 3500 == sum(one.count for one in whole)
    assert sorted(one.seed for one in whole) == sorted(one.seed for part in parts for one in part)
    assert ["7/0", "7/3"] == [one.seed for one in parts[0]]


def test_a_loss_is_told_with_what_each_version_says() -> None:
    value = {
        "apiVersion": "lamps.example.org/v2",
        "kind": "Lamp",
        "metadata": {"name": "a"},
        "spec": {"retentionSeconds": 5400},
    }
    edit = Edit(("metadata", "labels", "team"), "a")
    change = Change(action="labels", version="v1", edits=(edit,))
    case = Case(origin="v2", storage="v2", value=value, changes=(change,))
    loss = trial("default").replay(case)
    assert loss is not None

    lines = report.lines({"Lamp": Tally(losses=1, shown=[(case, loss)])}, "seed 0")

    told = """\
Lamp: lost in v2
  stored in v2, created in v2: {"apiVersion": "lamps.example.org/v2", "kind": "Lamp", \
"metadata": {"name": "a"}, "spec": {"retentionSeconds": 5400}}
  then written in v1, set metadata.labels.team to 'a'
  v2 expected: {"spec": {"retentionSeconds": 5400}, "metadata": {"name": "a"}}
  v1 got: {"spec": {"keepDays": 30}, "metadata": {"name": "a", "labels": {"team": "a"}}}
  v2 got: {"spec": {"retentionSeconds": 2592000}, "metadata": {"name": "a", \
"labels": {"team": "a"}}}
  spec.retentionSeconds: 5400 became 2592000
Lamp: 0 objects (0 of them violating the schema), changes none; 0 round trips, \
1 with losses, 0 with residue overflow; refused: 0 objects, 0 changes
0 round trips, seed 0: 1 with losses"""
    assert told.splitlines() == [*lines]
