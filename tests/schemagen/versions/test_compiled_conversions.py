"""Compiled conversions give the same results as lossless ones, or none."""

from typing import Any, Literal

import msgspec
import orjson
import pytest
from hypothesis import HealthCheck, given, settings

from schemagen import Api, JSONObject, Kind, Model, Resource, Spec, Version, canonical, wire
from schemagen.schema import structural
from schemagen.versions import graph, records, steps
from schemagen.versions.converter import Converter
from tests.support import depth, objects


class OldVolume(Model):
    name: str
    type: Literal["pvc", "emptyDir"] | None = None
    claim_name: str | None = None
    medium: str | None = None


class Claim(Model):
    claim_name: str | None = None


class EmptyDir(Model):
    medium: str | None = None


class NewVolume(Model):
    name: str
    claim: Claim | None = None
    empty_dir: EmptyDir | None = None


class Pair(Model):
    name: str
    value: str


class Named(Model):
    name: str


class Retry(Model):
    limit: int | None = None
    wait: str | None = None
    jitter: str | None = None


class Backup(Model):
    keep_forever: bool | None = None
    ttl: str | None = None


class Pod(Model):
    account: str | None = None


class Plan(Model):
    parallelism: int | None = None
    goals: list[str] | None = None


class Engine(Model):
    type: Literal["Fast", "Safe"] | None = None
    pod: Pod | None = None
    tries: int | None = None
    plan: Plan | None = None
    extra: JSONObject | None = None


class Source(Model):
    inline: str | None = None
    ref: str | None = None


class OldEngine(Model):
    type: Literal["fast", "safe"] | None = None
    config: JSONObject | None = None


class OldPlan(Model):
    goals: list[str] | None = None


class Sized(Model):
    small: dict[str, str] | None = None


class SizedAny(Model):
    small: dict[str, wire.IntOrString] | None = None


class Check(Model):
    type: Literal["cel"]
    expression: str | None = None


class NewCheck(Model):
    cel: str | None = None


class Key(Model):
    key: str | None = None


class OldSpec(Spec):
    kept: Sized | None = None
    sized: Sized | None = None
    renamed: str | None = None
    seconds: int | None = None
    retries: int | None = None
    wait_seconds: int | None = None
    ttl_seconds: int | None = None
    mode: Literal["read-only", "read-write"] | None = None
    phase: str | None = None
    labels: dict[str, str] | None = None
    options: dict[str, str] | None = None
    secrets: list[str] | None = None
    tags: list[str] | None = None
    volumes: list[OldVolume] | None = None
    times: dict[str, int] | None = None
    inline: str | None = None
    ref: str | None = None
    engine: OldEngine | None = None
    plan: OldPlan | None = None
    check: Check | None = None
    key: Key | None = None
    weird: str | None = None
    only_old: str | None = None


class NewSpec(Spec):
    kept: Sized | None = None
    sized: SizedAny | None = None
    other_name: str | None = None
    duration: str | None = None
    retry: Retry | None = None
    backup: Backup | None = None
    mode: Literal["ReadOnly", "ReadWrite"] | None = None
    phase: Literal["Running", "Other"] | None = None
    phase_detail: str | None = None
    labels: list[Pair] | None = None
    options: list[Pair] | None = None
    secrets: list[Named] | None = None
    tags: list[str] | None = None
    volumes: list[NewVolume] | None = None
    times: dict[str, str] | None = None
    source: Source | None = None
    engine: Engine | None = None
    check: NewCheck | None = None
    key: Key | None = None
    reversed: str | None = None
    only_new: str | None = None


class OldThing(Resource):
    spec: OldSpec | None = None


class NewThing(Resource):
    spec: NewSpec | None = None


class NewestThing(Resource):
    spec: NewSpec | None = None


CONFIG = records.sealed_record(
    (
        records.move("account", "pod.account", steps.text()),
        records.move("serviceAccount", "pod.account", steps.one_way(steps.text())),
        records.move("tries", "tries", steps.numeric(steps.integer(least=0))),
    ),
    extra="extra",
)
SPREAD = records.Spread(("engine", "config"), ("engine",), CONFIG)
REVERSED = steps.Fn(
    lambda value: value[::-1] if type(value) is str else steps.ABSENT,
    lambda value: value[::-1] if type(value) is str else steps.ABSENT,
)
SPEC = records.record(
    records.keep("kept"),
    records.same_name(
        "sized", records.record(records.same_name("small", steps.values(steps.text_or_integer())))
    ),
    records.move("renamed", "otherName"),
    records.move("seconds", "duration", steps.to_duration()),
    records.move("retries", "retry.limit", steps.integer(least=0)),
    records.move("waitSeconds", "retry.wait", steps.to_duration(spelled="60s")),
    records.Sentinel(
        records.move("ttlSeconds", "backup.ttl", steps.to_duration(least=1)),
        old=0,
        place=("backup", "keepForever"),
        new=True,
    ),
    records.same_name(
        "mode", steps.enumeration({"read-only": "ReadOnly", "read-write": "ReadWrite"})
    ),
    records.OpenWords(
        "phase", frozenset({"Running", "Other"}), other="Other", detail="phaseDetail"
    ),
    records.same_name("labels", steps.map_to_list("name", "value")),
    records.same_name("options", steps.map_to_list("name", "value")),
    records.same_name("secrets", steps.wrap("name")),
    records.same_name("tags", steps.each_once(steps.text())),
    records.same_name(
        "volumes",
        steps.each_by(
            "name",
            records.record(
                records.keep("name"),
                records.flat_union(
                    "type",
                    pvc=("claim", records.record(records.keep("claimName"))),
                    emptyDir=("emptyDir", records.record(records.keep("medium"))),
                ),
            ),
        ),
    ),
    records.same_name("times", steps.values(steps.to_duration())),
    records.FirstOf((records.move("inline", "source.inline"), records.move("ref", "source.ref"))),
    records.Tagged(
        records.move(
            "engine.type", "engine.type", steps.enumeration({"fast": "Fast", "safe": "Safe"})
        ),
        {
            "fast": (SPREAD,),
            "safe": (
                SPREAD,
                records.move(
                    "plan",
                    "engine.plan",
                    records.record(records.Implied("parallelism", 1), records.keep("goals")),
                ),
            ),
        },
    ),
    records.same_name(
        "check", records.record(records.Constant("type", "cel"), records.move("expression", "cel"))
    ),
    records.same_name("key", records.record(records.written_out("key", "token"))),
    records.move("weird", "reversed", REVERSED),
)
API = Api(
    group="lanes.example.org",
    kinds=(
        Kind(
            name="Thing",
            plural="things",
            versions=(
                Version(
                    "v1",
                    OldThing,
                    conversion=records.Conversion(
                        records.record(
                            records.keep("kind", "metadata"), records.same_name("spec", SPEC)
                        ),
                        unordered_paths=("spec.labels",),
                    ),
                ),
                Version(
                    "v2",
                    NewThing,
                    conversion=records.Conversion(
                        records.record(records.keep("kind", "metadata", "spec"))
                    ),
                ),
                Version("v3", NewestThing, storage=True),
            ),
        ),
    ),
)
KIND = API.kinds[0]
CONVERTER = Converter(API)
WAYS = [("v1", "v2"), ("v2", "v1"), ("v2", "v3"), ("v1", "v3"), ("v3", "v1")]
# Each with its form in the newer version, and the engine that the older one does not require.
ENGINE = {"engine": {"type": "fast"}}, {"engine": {"type": "Fast"}}
EXACT: dict[str, tuple[Any, Any]] = {
    "nothing more": ({}, {}),
    "kept": ({"kept": {"small": {"a": "1"}}}, {"kept": {"small": {"a": "1"}}}),
    "wider type": ({"sized": {"small": {"a": "1"}}}, {"sized": {"small": {"a": "1"}}}),
    "renamed": ({"renamed": "x"}, {"otherName": "x"}),
    "duration": ({"seconds": 5400}, {"duration": "1h30m"}),
    "moved into an object": (
        {"retries": 2, "waitSeconds": 5},
        {"retry": {"limit": 2, "wait": "5s"}},
    ),
    "duration that is spelled as a default": ({"waitSeconds": 60}, {"retry": {"wait": "60s"}}),
    "sentinel": ({"ttlSeconds": 0}, {"backup": {"keepForever": True}}),
    "beside the sentinel": ({"ttlSeconds": 60}, {"backup": {"ttl": "1m"}}),
    "word": ({"mode": "read-only"}, {"mode": "ReadOnly"}),
    "known word": ({"phase": "Running"}, {"phase": "Running"}),
    "map": (
        {"labels": {"b": "1", "a": "2"}},
        {"labels": [{"name": "a", "value": "2"}, {"name": "b", "value": "1"}]},
    ),
    "wrapped": ({"secrets": ["b", "a"]}, {"secrets": [{"name": "b"}, {"name": "a"}]}),
    "set": ({"tags": ["b", "a"]}, {"tags": ["b", "a"]}),
    "flat union": (
        {
            "volumes": [
                {"name": "a", "type": "pvc", "claimName": "c"},
                {"name": "b", "type": "emptyDir"},
            ]
        },
        {"volumes": [{"name": "a", "claim": {"claimName": "c"}}, {"name": "b", "emptyDir": {}}]},
    ),
    "values": ({"times": {"a": 60}}, {"times": {"a": "1m"}}),
    "first of several": ({"ref": "x"}, {"source": {"ref": "x"}}),
    "settings": (
        {"engine": {"type": "fast", "config": {"account": "a", "tries": 3, "z": [None]}}},
        {"engine": {"type": "Fast", "pod": {"account": "a"}, "tries": 3, "extra": {"z": [None]}}},
    ),
    "under one word": (
        {"engine": {"type": "safe"}, "plan": {"goals": ["x"]}},
        {"engine": {"type": "Safe", "plan": {"parallelism": 1, "goals": ["x"]}}},
    ),
    "constant": ({"check": {"type": "cel", "expression": "x"}}, {"check": {"cel": "x"}}),
    "written out": ({"key": {"key": "k"}}, {"key": {"key": "k"}}),
    "two functions": ({"weird": "abc"}, {"reversed": "cba"}),
}
OLD_LOSSES: dict[str, Any] = {
    "unknown field": {"unknown": 1},
    "null": {"renamed": None},
    "another type": {"renamed": 1},
    "field of the older version": {"onlyOld": "x"},
    "out of bounds": {"retries": -1},
    "unknown word": {"phase": "Odd"},
    "repeated text": {"tags": ["a", "a"]},
    "repeated key": {"volumes": [{"name": "a", "type": "emptyDir"}] * 2},
    "item without a key": {"volumes": [{"type": "emptyDir"}]},
    "field of another arm": {"volumes": [{"name": "a", "type": "pvc", "medium": "x"}]},
    "union without a tag": {"volumes": [{"name": "a"}]},
    "both of a union": {"inline": "x", "ref": "y"},
    "empty settings": {"engine": {"type": "fast", "config": {}}},
    "number as text": {"engine": {"type": "fast", "config": {"tries": "3"}}},
    "second name": {"engine": {"type": "fast", "config": {"serviceAccount": "a"}}},
    "under the other word": {"plan": {"goals": []}},
    "empty object": {"engine": {}},
    "default to write out": {"key": {}},
    "constant that is missing": {"check": {"expression": "x"}},
}
NEW_LOSSES: dict[str, Any] = {
    "field of the newer version": {"onlyNew": "x"},
    "field beside moved ones": {"retry": {"limit": 1, "jitter": "1s"}},
    "object without fields": {"retry": {}},
    "other spelling of a duration": {"duration": "90m"},
    "integer where there were texts": {"sized": {"small": {"a": 1}}},
    "both of a sentinel": {"backup": {"keepForever": True, "ttl": "1m"}},
    "sentinel's opposite": {"backup": {"keepForever": False}},
    "detail": {"phase": "Other", "phaseDetail": "Odd"},
    "order that is data": {"options": [{"name": "b", "value": ""}, {"name": "a", "value": ""}]},
    "repeated pair": {"labels": [{"name": "a", "value": "1"}] * 2},
    "pair without a value": {"labels": [{"name": "a"}]},
    "both arms": {"volumes": [{"name": "a", "claim": {}, "emptyDir": {}}]},
    "implied otherwise": {"engine": {"type": "Safe", "plan": {"parallelism": 2}}},
    "extra that is a field's": {"engine": {"type": "Fast", "extra": {"account": "a"}}},
}


def thing(version: str, spec: Any) -> dict[str, Any]:
    """An object of a version."""
    metadata = {"name": "one", "annotations": {"example.com/note": "x"}}
    return {
        "apiVersion": f"lanes.example.org/{version}",
        "kind": "Thing",
        "metadata": metadata,
        "spec": spec,
    }


def at_once(value: dict[str, Any], source: str, target: str) -> Any:
    """Return the compiled result, after a round trip through bytes."""
    converted = CONVERTER.way(KIND, source, target).at_once(msgspec.Raw(orjson.dumps(value)))
    return None if converted is None else orjson.loads(converted)


def with_care(value: dict[str, Any], source: str, target: str) -> Any:
    return graph.convert(API, KIND, value, source=source, target=target).object


@pytest.mark.parametrize(("old", "new"), EXACT.values(), ids=EXACT)
def test_what_loses_nothing_is_converted_at_once(old: Any, new: Any) -> None:
    older, newer = thing("v1", {**ENGINE[0], **old}), thing("v2", {**ENGINE[1], **new})

    assert newer == at_once(older, "v1", "v2")
    assert older == at_once(newer, "v2", "v1")
    assert newer == with_care(older, "v1", "v2")


@pytest.mark.parametrize("spec", OLD_LOSSES.values(), ids=OLD_LOSSES)
def test_possible_loss_upwards_is_left_to_the_lossless_path(spec: Any) -> None:
    assert at_once(thing("v1", {**ENGINE[0], **spec}), "v1", "v2") is None


@pytest.mark.parametrize("spec", NEW_LOSSES.values(), ids=NEW_LOSSES)
def test_possible_loss_downwards_is_left_to_the_lossless_path(spec: Any) -> None:
    assert at_once(thing("v2", {**ENGINE[1], **spec}), "v2", "v1") is None


def test_order_that_is_no_data_is_nothing_to_lose() -> None:
    pairs = [{"name": "b", "value": "1"}, {"name": "a", "value": "2"}]

    converted = at_once(thing("v2", {**ENGINE[1], "labels": pairs}), "v2", "v1")

    assert {"b": "1", "a": "2"} == converted["spec"]["labels"]


def test_object_with_residue_is_left_to_the_lossless_path() -> None:
    value = thing("v2", ENGINE[1])
    value["metadata"]["annotations"]["conversion.lanes.example.org/v1-residue"] = "[]"

    assert at_once(value, "v2", "v1") is None


@pytest.mark.parametrize("change", [{"kind": "Other"}, {"apiVersion": "lanes.example.org/v2"}])
def test_other_kind_or_version_is_not_converted(change: dict[str, str]) -> None:
    assert at_once({**thing("v1", ENGINE[0]), **change}, "v1", "v2") is None


@pytest.mark.parametrize(("source", "target"), WAYS)
@pytest.mark.parametrize("changed", [lambda specs: specs, objects.mangled], ids=["valid", "broken"])
def test_compiled_and_careful_conversions_agree(source: str, target: str, changed: Any) -> None:
    version = KIND.version(source)
    assert version is not None
    schema = structural.schema_of(version.model, descriptions=False)

    @settings(max_examples=depth.draws(80), deadline=None, suppress_health_check=list(HealthCheck))
    @given(changed(objects.valid(schema["properties"]["spec"])))
    def check(spec: Any) -> None:
        value = thing(source, spec)
        compiled = at_once(value, source, target)
        if compiled is not None:
            careful = with_care(value, source, target)
            assert canonical.dumps(careful) == canonical.dumps(compiled)

    check()
