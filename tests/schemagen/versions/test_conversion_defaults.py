"""The API server prunes and defaults between two conversions, and users edit: what survives."""

import base64
import copy
import zlib
from typing import Annotated, Any, Literal

import msgspec
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemagen import Api, Kind, ListMap, ListSet, Model, Resource, Spec, Status, Version, canonical
from schemagen.schema import structural
from schemagen.versions import defaulting, graph, records, steps
from schemagen.versions.converter import Converter
from tests.support import depth, objects


class OldPort(Model):
    number: int
    protocol: str = "TCP"


class OldWait(Model):
    limit: int | None = None


class OldSpec(Spec):
    keep_days: int = 30
    mode: Literal["fast", "safe"] = "fast"
    colour: str | None = None
    wait: OldWait | None = None
    labels: dict[str, str] | None = None
    ports: list[OldPort] | None = None
    groups: list[str] | None = None
    only_old: str = "x"


class Backoff(Model):
    base: str = "5s"
    factor: int | None = None


class Wait(Model):
    limit: int | None = None
    backoff: Backoff | None = None
    order: Literal["A", "B"] = "A"


class Label(Model):
    name: str
    value: str
    note: str | None = None


class Port(Model):
    number: int
    protocol: str = "TCP"
    note: str | None = None


class NewSpec(Spec):
    retention_seconds: int = 2592000
    mode: Literal["Fast", "Safe", "Odd"] = "Fast"
    colour: str = "red"
    wait: Wait | None = None
    labels: Annotated[list[Label], ListMap("name")] | None = None
    ports: Annotated[list[Port], ListMap("number", "protocol")] | None = None
    groups: Annotated[list[str], ListSet()] | None = None


class OldStatus(Status):
    phase: str | None = None


class NewStatus(Status):
    phase: str | None = None
    progress: int | None = None


class OldThing(Resource):
    spec: OldSpec
    status: OldStatus | None = None


class NewThing(Resource):
    spec: NewSpec
    status: NewStatus | None = None


DAYS = steps.Fn(lambda n: n * 86400, lambda s: s // 86400 if s % 86400 == 0 else steps.ABSENT)
LOWER = steps.typed(str, str.islower)
SPEC = records.record(
    records.move("keepDays", "retentionSeconds", DAYS),
    records.same_name("mode", steps.enumeration({"fast": "Fast", "safe": "Safe"})),
    records.keep("colour"),
    records.same_name("wait", records.record(records.keep("limit"))),
    records.same_name("labels", steps.map_to_list("name", "value")),
    records.same_name("ports", steps.each(records.record(records.keep("number", "protocol")))),
    records.same_name("groups", steps.each(LOWER)),
)
API = Api(
    "defaults.example.org",
    (
        Kind(
            "Thing",
            "things",
            (
                Version(
                    "v1alpha1",
                    OldThing,
                    conversion=records.Conversion(
                        records.record(
                            records.keep("kind", "metadata"),
                            records.same_name("spec", SPEC),
                            records.same_name("status", records.record(records.keep("phase"))),
                        ),
                        ("spec.labels",),
                    ),
                ),
                Version("v1", NewThing, storage=True),
            ),
        ),
    ),
)
(KIND,) = API.kinds
MODELS = {"v1alpha1": OldThing, "v1": NewThing}
OTHER = {"v1alpha1": "v1", "v1": "v1alpha1"}
CONVERTER = Converter(API)


def thing(version: str, spec: Any, **more: Any) -> dict[str, Any]:
    metadata = {"name": "a"}
    return {
        "apiVersion": f"defaults.example.org/{version}",
        "kind": "Thing",
        "metadata": metadata,
        "spec": spec,
        **more,
    }


def convert(value: dict[str, Any]) -> dict[str, Any]:
    """Return an object in the other version, the same from the compiled and the lossless path."""
    source = value["apiVersion"].rpartition("/")[2]
    result = graph.convert(API, KIND, value, source=source, target=OTHER[source]).object
    way = CONVERTER.way(KIND, source, OTHER[source])
    compiled = way.at_once(msgspec.Raw(orjson.dumps(value)))
    assert compiled is None or orjson.loads(compiled) == result
    return result


def defaulted(value: dict[str, Any]) -> dict[str, Any]:
    """Return an object as the API server writes or reads it."""
    return dict(defaulting.of(MODELS[value["apiVersion"].rpartition("/")[2]]).settle(value))


def written_through(value: dict[str, Any], *path: str, to: Any = steps.ABSENT) -> Any:
    """Return the spec after a field was set (or removed) in the other version."""
    there = copy.deepcopy(convert(defaulted(value)))
    *parents, last = ("metadata", "labels") if not path else ("spec", *path)
    target = there
    for name in parents:
        target = target[name]
    if to is steps.ABSENT and path:
        del target[last]
    else:
        target[last] = to if path else {"a": "b"}
    return convert(defaulted(there))["spec"]


UNSAYABLE: dict[str, dict[str, Any]] = {
    "unit with a default": {"retentionSeconds": 5400},
    "word with a default": {"mode": "Odd"},
    "default of the older version alone": {},
    "field of the newer version in an object": {"wait": {"limit": 1, "backoff": {"factor": 2}}},
    "nothing but that in an object": {"wait": {"backoff": {"base": "10s"}}},
    "default of the newer version in an object": {"wait": {"limit": 1, "order": "B"}},
    "field of an entry": {"labels": [{"name": "b", "value": "1", "note": "n"}]},
    "order of entries": {"ports": [{"number": 2}, {"number": 1, "note": "n"}]},
    "item of a set": {"groups": ["Staff", "a", "Root"]},
}


@pytest.mark.parametrize("spec", UNSAYABLE.values(), ids=UNSAYABLE)
def test_label_written_through_the_older_version_changes_nothing(spec: Any) -> None:
    value = defaulted(thing("v1", spec))

    assert value["spec"] == defaulted(thing("v1", written_through(value)))["spec"]


def test_older_version_keeps_what_only_it_defaults() -> None:
    value = defaulted(thing("v1alpha1", {"onlyOld": "y", "keepDays": 1}))

    assert value["spec"] == defaulted(thing("v1alpha1", written_through(value)))["spec"]


def test_default_that_comes_back_as_a_value_is_a_loss() -> None:
    """v1alpha1 has no default for a colour; v1 says red."""
    value = defaulted(thing("v1alpha1", {}))

    assert "colour" not in convert(defaulted(convert(value)))["spec"]


DEFAULTED = {"retentionSeconds": 2592000, "mode": "Fast", "colour": "red"}


@pytest.mark.parametrize(
    "spec",
    [
        {"keepDays": 30, "mode": "fast", "colour": "red", "onlyOld": "x"},
        {"keepDays": 5, "mode": "safe", "colour": "blue", "onlyOld": "x"},
    ],
)
def test_nothing_lost_needs_no_annotation_and_is_converted_at_once(spec: Any) -> None:
    value = thing("v1alpha1", spec)
    raw = msgspec.Raw(orjson.dumps(value))

    assert "annotations" not in convert(value)["metadata"]
    assert CONVERTER.way(KIND, "v1alpha1", "v1").at_once(raw) is not None
    assert value == defaulted(convert(defaulted(convert(value))))


def test_conversion_sets_no_default_by_itself() -> None:
    assert {"mode": "Safe"} == convert(thing("v1alpha1", {"mode": "safe"}))["spec"]


def test_what_is_new_in_an_object_survives_the_removal_of_a_sibling() -> None:
    value = thing("v1", {**DEFAULTED, "wait": {"limit": 2, "backoff": {"base": "10s"}}})

    kept = written_through(value, "wait", "limit")

    assert {"backoff": {"base": "10s"}, "order": "A"} == defaulted(thing("v1", kept))["spec"][
        "wait"
    ]


def test_what_is_new_in_an_object_survives_the_removal_of_the_object() -> None:
    wait = {"limit": 2, "backoff": {"base": "10s"}, "order": "B"}
    value = thing("v1", {**DEFAULTED, "wait": wait})

    kept = written_through(value, "wait")

    assert {"backoff": {"base": "10s"}, "order": "B"} == kept["wait"]


def test_what_is_new_in_an_object_stays_beside_what_is_added_to_it() -> None:
    value = thing("v1", {**DEFAULTED, "wait": {"backoff": {"base": "10s"}, "order": "A"}})

    kept = written_through(value, "wait", to={"limit": 3})

    assert {"limit": 3, "backoff": {"base": "10s"}, "order": "A"} == kept["wait"]


def test_hollow_object_is_absent_in_the_older_version() -> None:
    assert "wait" not in convert(thing("v1", {"wait": {"backoff": {"base": "1s"}}}))["spec"]
    assert {} == convert(thing("v1", {"wait": {}}))["spec"]["wait"]


LABELS = [{"name": "a", "value": "1", "note": "n"}, {"name": "b", "value": "2", "note": "m"}]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"a": "9", "b": "2"}, [{**LABELS[0], "value": "9"}, LABELS[1]]),
        ({"b": "2"}, [LABELS[1]]),
        ({"a": "1", "b": "2", "c": "3"}, [*LABELS, {"name": "c", "value": "3"}]),
        ({}, []),
    ],
    ids=["edited", "removed", "added", "emptied"],
)
def test_entries_keep_what_is_new_in_them_whatever_happens_to_others(
    labels: Any, expected: Any
) -> None:
    kept = written_through(thing("v1", {**DEFAULTED, "labels": LABELS}), "labels", to=labels)

    assert expected == kept["labels"]


def test_entries_are_known_by_all_their_keys() -> None:
    ports = [
        {"number": 1, "protocol": "TCP", "note": "t"},
        {"number": 1, "protocol": "UDP", "note": "u"},
    ]
    turned = [{"number": 1, "protocol": "UDP"}, {"number": 2}, {"number": 1, "protocol": "TCP"}]

    kept = written_through(thing("v1", {**DEFAULTED, "ports": ports}), "ports", to=turned)

    assert [ports[1], {"number": 2, "protocol": "TCP"}, ports[0]] == kept["ports"]


def test_item_of_a_set_survives_edits_of_the_others() -> None:
    value = thing("v1", {**DEFAULTED, "groups": ["a", "Staff", "b"]})

    kept = written_through(value, "groups", to=["b", "c"])

    assert {"Staff", "b", "c"} == {*kept["groups"]}


def test_edited_value_wins_over_residue() -> None:
    assert (
        86400
        == written_through(thing("v1", {"retentionSeconds": 5}), "keepDays", to=1)[
            "retentionSeconds"
        ]
    )


@pytest.mark.parametrize("change", [{}, {"phase": "Ready"}], ids=["same", "edited"])
def test_status_keeps_data_of_the_newer_version_only(change: Any) -> None:
    value = thing("v1", DEFAULTED, status={"phase": "New", "progress": 3})
    there = convert(value)
    edited = {**there, "status": {**there["status"], **change}}

    assert ["conversion.defaults.example.org/v1-status-residue"] == [
        *there["metadata"]["annotations"]
    ]
    assert {"phase": "New", "progress": 3, **change} == convert(defaulted(edited))["status"]


def test_spec_that_breaks_a_bound_is_kept_where_only_the_status_is_written() -> None:
    value = thing("v1", {**DEFAULTED, "mode": "Odder"}, status={"phase": "New", "progress": 3})
    there = convert(value)

    assert value["spec"] == convert(defaulted({**there, "status": {}}))["spec"]


def test_integer_may_be_written_as_a_float() -> None:
    value = thing("v1", {**DEFAULTED, "wait": {"backoff": {"base": "5s", "factor": 2.0}}})

    assert 2 == convert(defaulted(convert(value)))["spec"]["wait"]["backoff"]["factor"]


def test_residue_of_the_spec_excludes_the_status() -> None:
    forged = (
        '[{"at":["status"],"was":{},"is":{"progress":9}},{"at":[],"was":{},"is":{"status":{}}}]'
    )
    value = thing("v1alpha1", {"onlyOld": "x"}, status={"phase": "New"})
    value["metadata"]["annotations"] = {"conversion.defaults.example.org/v1-residue": forged}

    assert {"phase": "New"} == convert(value)["status"]


@pytest.mark.parametrize(
    "entry",
    [
        {"at": ["spec"], "was": {}, "is": {"mode": 5}},
        {"at": ["spec", "wait"], "was": {}, "is": {"order": ["B"]}},
        {"at": ["spec"], "was": {}, "is": {"hostPath": "/"}},
        {"at": ["metadata"], "was": {}, "is": {"finalizers": ["x"]}},
        {"at": ["metadata", "annotations"], "was": {}, "is": {"a": 1}},
    ],
)
def test_residue_that_does_not_fit_the_schema_is_dropped(entry: Any) -> None:
    value = defaulted(thing("v1alpha1", {"mode": "safe"}))
    plain = convert(value)
    value["metadata"]["annotations"] = {
        "conversion.defaults.example.org/v1-residue": orjson.dumps([entry]).decode()
    }

    assert plain == convert(value)


def drawn(version: str) -> st.SearchStrategy[Any]:
    """Return valid objects of a version."""
    properties = structural.schema_of(MODELS[version], descriptions=False)["properties"]
    bodies = st.fixed_dictionaries(
        {"spec": objects.valid(properties["spec"])},
        optional={"status": objects.valid(properties["status"])},
    )
    return bodies.map(lambda body: thing(version, **body))


@pytest.mark.parametrize("version", MODELS)
def test_drawn_objects_come_back_compiled_or_with_care(version: str) -> None:
    @settings(max_examples=depth.draws(100), deadline=None, suppress_health_check=list(HealthCheck))
    @given(drawn(version))
    def check(value: dict[str, Any]) -> None:
        back = defaulted(convert(defaulted(convert(defaulted(value)))))

        in_order = [graph.sorted_at(one, ("spec", "labels")) for one in (defaulted(value), back)]
        assert canonical.dumps(in_order[0]) == canonical.dumps(in_order[1])

    check()


# --- room ---------------------------------------------------------------------------------------


def test_large_residue_is_compressed_and_restored() -> None:
    labels = [{"name": f"{n:0200}", "value": "v", "note": "n" * 200} for n in range(300)]
    value = defaulted(thing("v1", {"labels": labels}))

    there = convert(value)
    text = there["metadata"]["annotations"]["conversion.defaults.example.org/v1-residue"]

    assert len(text) < 20_000
    assert value == defaulted(convert(there))


def random_text(length: int) -> str:
    return "".join(
        orjson.dumps(canonical.digest(index)).decode().strip('"') for index in range(length // 16)
    )


def test_overflow_names_the_fields_and_is_removed_on_the_way_back() -> None:
    wait = {"backoff": {"base": random_text(500_000), "factor": 2}, "order": "A"}
    value = thing("v1", {**DEFAULTED, "wait": wait, "groups": ["Staff"]})

    found = graph.convert(API, KIND, value, source="v1", target="v1alpha1")
    annotations = found.object["metadata"]["annotations"]

    assert ("spec.wait",) == found.left_out
    assert '["spec.wait"]' == annotations["conversion.defaults.example.org/v1-overflow"]
    assert {**DEFAULTED, "groups": ["Staff"]} == convert(found.object)["spec"]
    assert "annotations" not in convert(found.object)["metadata"]


def test_text_that_inflates_without_end_is_read_to_a_bound() -> None:
    bomb = b"[" + b" " * 50_000_000 + b"]"
    text = "zlib+base64:" + base64.b64encode(zlib.compress(bomb)).decode()
    value = thing("v1alpha1", {})
    plain = convert(value)
    value["metadata"]["annotations"] = {"conversion.defaults.example.org/v1-residue": text}

    assert plain == convert(value)
