"""Memory: nothing is lost between its versions, and what both can say needs no annotation."""

import copy
import json
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import crds
from crds import hub, platform
from crds.v1alpha1 import memory as memory_v1alpha1
from crds.v1alpha1 import memory_conversion
from crds.v1beta1 import memory
from schemagen import Api, Column, Kind, Version, canonical, crd, judge, structural
from schemagen.versions import graph
from tests.support import objects, pruning

MEMORY = Kind(
    name="Memory",
    plural="memories",
    short_names=("mem",),
    categories=("agents",),
    annotations=platform.SYNC_WAVE,
    versions=(
        Version(
            name="v1alpha1",
            model=memory_v1alpha1.Memory,
            conversion=memory_conversion.CONVERSION,
            columns=(
                Column("Ready", '.status.conditions[?(@.type=="Ready")].status'),
                Column("Type", ".spec.type"),
                Column("Default", ".spec.default", type="boolean"),
            ),
        ),
        Version(
            name=hub.VERSION,
            model=memory.Memory,
            storage=True,
            columns=(
                Column("Ready", '.status.conditions[?(@.type=="Ready")].status'),
                Column("Type", ".spec.type"),
                Column("Default", ".spec.isDefault", type="boolean"),
                Column("Checked", ".status.lastCheckTime", type="date", priority=1),
                Column("Age", ".metadata.creationTimestamp", type="date"),
            ),
            selectable=(".spec.type", ".spec.isDefault"),
        ),
    ),
)
API = Api(group=platform.GROUP, kinds=(MEMORY,))
DEFINITION = crd.crd(API, MEMORY, webhook={"url": "https://localhost/convert"})
SAMPLES = pathlib.Path(crds.__file__).parent / "samples"

OLD_RESIDUE = "conversion.agents.proompteng.ai/v1alpha1-residue"
NEW_RESIDUE = "conversion.agents.proompteng.ai/v1beta1-residue"
WAYS = [("v1alpha1", "v1beta1"), ("v1beta1", "v1alpha1")]
MINIMAL: dict[str, dict[str, Any]] = {
    "v1alpha1": {"type": "postgres", "connection": {"secretRef": {"name": "db", "key": "uri"}}},
    "v1beta1": {"type": "Postgres", "connection": {"secretKeyRef": {"name": "db", "key": "uri"}}},
}
MANY = settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def a_memory(version: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": f"{platform.GROUP}/{version}",
        "kind": "Memory",
        "metadata": {"name": "one"},
        "spec": copy.deepcopy(MINIMAL[version]) | spec,
    }


def convert(value: dict[str, Any], source: str, target: str) -> dict[str, Any]:
    return graph.convert(API, MEMORY, value, source=source, target=target).object


def up(**spec: Any) -> dict[str, Any]:
    """What becomes of a v1alpha1 memory in v1beta1; residue stays in its annotation."""
    return convert(a_memory("v1alpha1", **spec), "v1alpha1", "v1beta1")


def down(**spec: Any) -> dict[str, Any]:
    """What becomes of a v1beta1 memory in v1alpha1; residue stays in its annotation."""
    return convert(a_memory("v1beta1", **spec), "v1beta1", "v1alpha1")


def drawn(version: str, *, is_mangled: bool) -> st.SearchStrategy[dict[str, Any]]:
    """Memories of a version's schema, or such as break it in a few places."""
    found = MEMORY.version(version)
    assert found is not None
    properties = structural.schema_of(found.model, descriptions=False)["properties"]
    bodies = st.fixed_dictionaries(
        {"spec": objects.valid(properties["spec"])},
        optional={"status": objects.valid(properties["status"])},
    )
    notes = st.sampled_from([{}, {"annotations": {"example.com/note": "x"}}])
    return st.builds(
        lambda body, notes: {
            **a_memory(version),
            "metadata": {"name": "one", **notes},
            **(body if isinstance(body, dict) else {}),
        },
        objects.mangled(bodies) if is_mangled else bodies,
        notes,
    )


def assert_comes_back(value: dict[str, Any], version: str, other: str) -> None:
    before = copy.deepcopy(value)

    forth = graph.convert(API, MEMORY, value, source=version, target=other)
    stored = pruning.pruned(API, forth.object)
    back = convert(stored, other, version)

    assert before == value, "the input was changed"
    assert 0 == forth.dropped_bytes
    assert canonical.dumps(value) == canonical.dumps(back)


@pytest.mark.parametrize(("version", "other"), WAYS)
def test_memory_of_the_schema_comes_back_as_it_was(version: str, other: str) -> None:
    @MANY
    @given(drawn(version, is_mangled=False))
    def check(value: dict[str, Any]) -> None:
        assert_comes_back(pruning.with_ruled_status(value), version, other)

    check()


@pytest.mark.parametrize(("version", "other"), WAYS)
def test_memory_that_breaks_the_schema_keeps_its_spec_and_metadata(
    version: str, other: str
) -> None:
    @MANY
    @given(drawn(version, is_mangled=True))
    def check(value: dict[str, Any]) -> None:
        value.pop("status", None)

        assert_comes_back(value, version, other)

    check()


@pytest.mark.parametrize(("version", "other"), WAYS)
def test_status_needs_no_annotation(version: str, other: str) -> None:
    @MANY
    @given(drawn(version, is_mangled=False))
    def check(value: dict[str, Any]) -> None:
        value = {**a_memory(version), "status": value.get("status", {})}
        value = pruning.with_ruled_status(value)

        there = convert(value, version, other)

        assert "annotations" not in there["metadata"]
        assert value == convert(there, other, version)

    check()


PLAIN: list[tuple[dict[str, Any], dict[str, Any]]] = [
    *(
        ({"type": old}, {"type": new})
        for old, new in (
            ("redis", "Redis"),
            ("weaviate", "Weaviate"),
            ("pinecone", "Pinecone"),
            ("custom", "Custom"),
        )
    ),
    ({"default": True}, {"isDefault": True}),
    ({"default": False}, {"isDefault": False}),
    ({"capabilities": []}, {"capabilities": []}),
    ({"capabilities": ["kv", "vector", "blob"]}, {"capabilities": ["KV", "Vector", "Blob"]}),
    (
        {"connection": {"secretRef": {"name": "db"}}},
        {"connection": {"secretKeyRef": {"name": "db"}}},
    ),
    (
        {"connection": {"secretRef": {"name": "db", "key": ""}}},
        {"connection": {"secretKeyRef": {"name": "db", "key": ""}}},
    ),
]


@pytest.mark.parametrize(("old", "new"), PLAIN, ids=[json.dumps(old) for old, _ in PLAIN])
def test_what_both_versions_can_say_gets_no_annotation(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    assert a_memory("v1beta1", **new) == up(**old)
    assert a_memory("v1alpha1", **old) == down(**new)


UP_WITH_RESIDUE: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"capabilities": ["graph", "kv"]}, {"capabilities": ["KV"]}),
    ({"capabilities": ["Vector", "KV"]}, {"capabilities": []}),
    ({"capabilities": ["kv", "vector", "kv"]}, {"capabilities": ["KV", "Vector"]}),
    ({"capabilities": None, "default": None}, {}),
]


@pytest.mark.parametrize(
    ("old", "new"), UP_WITH_RESIDUE, ids=[json.dumps(old) for old, _ in UP_WITH_RESIDUE]
)
def test_what_v1beta1_cannot_say_comes_back(old: dict[str, Any], new: dict[str, Any]) -> None:
    newer = up(**old)

    assert a_memory("v1beta1", **new)["spec"] == newer["spec"]
    assert [OLD_RESIDUE] == list(newer["metadata"]["annotations"])
    assert a_memory("v1alpha1", **old) == convert(newer, "v1beta1", "v1alpha1")


DOWN_WITH_RESIDUE: list[dict[str, Any]] = [
    {"retention": {"maxAge": "720h", "maxItems": 5}},
    {"retention": {}},
    {"health": {"interval": "60s", "timeout": "5s"}},
]


@pytest.mark.parametrize("new", DOWN_WITH_RESIDUE, ids=json.dumps)
def test_what_v1alpha1_cannot_say_comes_back(new: dict[str, Any]) -> None:
    older = down(**new)

    assert MINIMAL["v1alpha1"] == older["spec"]
    assert [NEW_RESIDUE] == list(older["metadata"]["annotations"])
    assert a_memory("v1beta1", **new) == convert(older, "v1alpha1", "v1beta1")


def test_object_without_spec_invents_nothing() -> None:
    for version, other in WAYS:
        value = {key: item for key, item in a_memory(version).items() if key != "spec"}

        there = convert(value, version, other)

        assert {**value, "apiVersion": f"{platform.GROUP}/{other}"} == there


def test_residue_of_capabilities_that_were_edited_is_dropped() -> None:
    newer = up(capabilities=["graph", "kv"])
    newer["spec"]["capabilities"] = ["Blob"]

    older = convert(newer, "v1beta1", "v1alpha1")

    assert ["blob"] == older["spec"]["capabilities"]


NO_RESIDUE_MAY_SAY: list[tuple[str, str, list[str], dict[str, Any]]] = [
    ("v1beta1", OLD_RESIDUE, ["spec", "connection", "secretRef"], {"name": "admin"}),
    ("v1beta1", OLD_RESIDUE, ["spec"], {"default": True}),
    ("v1beta1", OLD_RESIDUE, ["spec"], {"capabilities": ["blob"]}),
    ("v1alpha1", NEW_RESIDUE, ["spec", "connection", "secretKeyRef"], {"name": "admin"}),
    ("v1alpha1", NEW_RESIDUE, ["spec"], {"isDefault": True}),
]


@pytest.mark.parametrize(("source", "annotation", "at", "said"), NO_RESIDUE_MAY_SAY)
def test_tampered_residue_does_not_change_what_a_memory_is(
    source: str, annotation: str, at: list[str], said: dict[str, Any]
) -> None:
    target = dict(WAYS)[source]
    value = a_memory(source)
    plain = convert(a_memory(source), source, target)
    was = {"name": canonical.digest("db")} if "name" in said else {}
    entries = [{"at": at, "was": was, "is": said}]
    value["metadata"]["annotations"] = {annotation: json.dumps(entries)}

    assert plain == convert(value, source, target)


# --- the API server's own verdict -----------------------------------------------------------


@pytest.fixture(scope="module")
def memories() -> Iterator[judge.Loaded]:
    with judge.Judge(deadline_seconds=60) as asked, asked.load(DEFINITION) as loaded:
        yield loaded


def test_definition_is_accepted_within_its_costs() -> None:
    with judge.Judge(deadline_seconds=60) as asked:
        verdict = asked.check(DEFINITION, costs=True)

    assert (True, (), "") == (verdict.allowed, verdict.warnings, verdict.message)
    assert [] == [cost for cost in verdict.costs if cost.cost * 6 > cost.limit]


@pytest.mark.parametrize(("version", "other"), WAYS)
def test_sample_is_taken_in_both_versions_and_comes_back(
    memories: judge.Loaded, version: str, other: str
) -> None:
    sample = yaml.safe_load((SAMPLES / version / "memory.yaml").read_text())

    written = memories.create(sample, stored=True)
    there = memories.create(convert(written.object, version, other), stored=True)

    assert ("", "") == (written.message, there.message)
    assert written.object["spec"] == convert(there.object, other, version)["spec"]


@pytest.mark.parametrize(("version", "name"), [("v1alpha1", "default"), ("v1beta1", "isDefault")])
def test_memory_is_no_default_unless_it_says_so(
    memories: judge.Loaded, version: str, name: str
) -> None:
    assert memories.create(a_memory(version), stored=True).object["spec"][name] is False


REFUSED: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [
    (
        {"capabilities": ["KV", "KV"]},
        [("spec.capabilities[1]", 'Duplicate value: "KV"')],
    ),
    (
        {"retention": {"maxAge": "0m"}},
        [
            (
                "spec.retention.maxAge",
                "Invalid value: maxAge must be longer than 0s; leave it out for the default",
            )
        ],
    ),
    (
        {"health": {"interval": "5s", "timeout": "1m"}},
        [("spec.health.timeout", "Invalid value: timeout must not be longer than interval")],
    ),
]


@pytest.mark.parametrize(
    ("spec", "expected"), REFUSED, ids=[json.dumps(spec) for spec, _ in REFUSED]
)
def test_mistake_is_refused_with_its_field(
    memories: judge.Loaded, spec: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    causes = memories.create(a_memory("v1beta1", **spec)).causes

    assert expected == [(cause.field, cause.message) for cause in causes]


def test_v1alpha1_takes_what_it_always_took(memories: judge.Loaded) -> None:
    long = "x" * 40_000
    spec: dict[str, Any] = {
        "connection": {"secretRef": {"name": "", "key": long}},
        "capabilities": ["x" * 1000, "kv", "kv", ""] * 100,
    }

    verdict = memories.create(a_memory("v1alpha1", **spec))

    assert (True, "") == (verdict.allowed, verdict.message)
