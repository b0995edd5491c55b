"""Memory: nothing is lost between its versions, and what both can say needs no annotation."""

import json
from typing import Any

import pytest

from schemagen import canonical, judge
from tests.support import kinds

MEMORY = kinds.Subject(
    "Memory",
    {
        kinds.OLD: {
            "type": "postgres",
            "connection": {"secretRef": {"name": "db", "key": "uri"}},
        },
        kinds.NEW: {
            "type": "Postgres",
            "connection": {"secretKeyRef": {"name": "db", "key": "uri"}},
        },
    },
)
loaded = kinds.judged(MEMORY)


@kinds.VERSIONS
def test_status_comes_back(version: str) -> None:
    kinds.assert_status_comes_back(MEMORY, version)


@kinds.VERSIONS
@pytest.mark.parametrize("spec", kinds.NO_SPECS)
def test_partial_memory_gains_no_spec(version: str, spec: Any) -> None:
    kinds.assert_part_gains_nothing(MEMORY, version, spec)


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
    kinds.assert_both_say(MEMORY.one("v1alpha1", **old), MEMORY.one("v1beta1", **new))


UP_WITH_RESIDUE: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"capabilities": ["graph", "kv"]}, {"capabilities": ["KV"]}),
    ({"capabilities": ["Vector", "KV"]}, {"capabilities": []}),
    ({"capabilities": ["kv", "vector", "kv"]}, {"capabilities": ["KV", "Vector"]}),
]


@pytest.mark.parametrize(
    ("old", "new"), UP_WITH_RESIDUE, ids=[json.dumps(old) for old, _ in UP_WITH_RESIDUE]
)
def test_what_v1beta1_cannot_say_comes_back(old: dict[str, Any], new: dict[str, Any]) -> None:
    kinds.assert_stands_aside(MEMORY.one("v1alpha1", **old), MEMORY.one("v1beta1", **new))


def test_null_is_not_kept() -> None:
    kinds.assert_counts_for_nothing(
        MEMORY.one("v1alpha1", capabilities=None, default=None), MEMORY.one("v1beta1")
    )


DOWN_WITH_RESIDUE: list[dict[str, Any]] = [
    {"retention": {"maxAge": "720h", "maxItems": 5}},
    {"retention": {}},
    {"health": {"interval": "60s", "timeout": "5s"}},
]


@pytest.mark.parametrize("new", DOWN_WITH_RESIDUE, ids=json.dumps)
def test_what_v1alpha1_cannot_say_comes_back(new: dict[str, Any]) -> None:
    kinds.assert_stands_aside(MEMORY.one("v1beta1", **new), MEMORY.one("v1alpha1"))


def test_residue_of_capabilities_that_were_edited_is_dropped() -> None:
    newer = MEMORY.up(capabilities=["graph", "kv"])
    newer["spec"]["capabilities"] = ["Blob"]

    older = kinds.convert(newer)

    assert ["blob"] == older["spec"]["capabilities"]


NO_RESIDUE_MAY_SAY: list[tuple[str, list[str], dict[str, Any]]] = [
    ("v1beta1", ["spec", "connection", "secretRef"], {"name": "admin"}),
    ("v1beta1", ["spec"], {"default": True}),
    ("v1beta1", ["spec"], {"capabilities": ["blob"]}),
    ("v1alpha1", ["spec", "connection", "secretKeyRef"], {"name": "admin"}),
    ("v1alpha1", ["spec"], {"isDefault": True}),
]


@pytest.mark.parametrize(("version", "at", "said"), NO_RESIDUE_MAY_SAY)
def test_tampered_residue_does_not_change_what_a_memory_is(
    version: str, at: list[str], said: dict[str, Any]
) -> None:
    plain = kinds.convert(MEMORY.one(version))
    was = {"name": canonical.digest("db")} if "name" in said else {}
    entries = [{"at": at, "was": was, "is": said}]

    assert plain == kinds.convert(MEMORY.tampered(version, entries))


# --- the API server's own verdict -----------------------------------------------------------


def test_definition_is_accepted_without_a_warning() -> None:
    kinds.assert_definition_is_accepted(MEMORY)


@kinds.VERSIONS
def test_sample_is_taken_in_both_versions_and_comes_back(
    loaded: judge.Loaded, version: str
) -> None:
    kinds.assert_samples_are_taken(MEMORY, loaded, version)


@pytest.mark.parametrize(("version", "name"), [("v1alpha1", "default"), ("v1beta1", "isDefault")])
def test_memory_is_no_default_unless_it_says_so(
    loaded: judge.Loaded, version: str, name: str
) -> None:
    assert loaded.create(MEMORY.one(version), stored=True).object["spec"][name] is False


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    (
        {"capabilities": ["KV", "KV"]},
        "spec.capabilities[1]",
        'Duplicate value: "KV"',
    ),
    (
        {"retention": {"maxAge": "0m"}},
        "spec.retention.maxAge",
        "Invalid value: maxAge must be longer than 0s; leave it out for the default",
    ),
    (
        {"health": {"interval": "5s", "timeout": "1m"}},
        "spec.health.timeout",
        "Invalid value: timeout must not be longer than interval",
    ),
]


@pytest.mark.parametrize(
    ("spec", "field", "message"), REFUSED, ids=[json.dumps(spec) for spec, *_ in REFUSED]
)
def test_mistake_is_refused_with_its_field(
    loaded: judge.Loaded, spec: dict[str, Any], field: str, message: str
) -> None:
    assert [(field, message)] == kinds.refusals(loaded.create(MEMORY.one("v1beta1", **spec)))


def test_v1alpha1_takes_what_it_always_took(loaded: judge.Loaded) -> None:
    long = "x" * 40_000
    spec: dict[str, Any] = {
        "connection": {"secretRef": {"name": "", "key": long}},
        "capabilities": ["x" * 1000, "kv", "kv", ""] * 100,
    }

    verdict = loaded.create(MEMORY.one("v1alpha1", **spec))

    assert (True, "") == (verdict.allowed, verdict.message)
