"""Admission and residue: not lost by omission, not forged, not dropped silently."""

import base64
import json
from typing import Any

import hypothesis
import hypothesis.strategies as st
import pytest

import crds
from schemagen import canonical
from schemagen.versions import graph
from schemagen.versions.converter import Converter
from tests.support import manifests
from webhooks.review import admission, patch, reviews, verdicts

CONVERTER = Converter(crds.api)
GROUP = "conversion.agents.proompteng.ai"
RESIDUE, STATUS = f"{GROUP}/v1beta1-residue", f"{GROUP}/v1beta1-status-residue"
OVERFLOW = f"{GROUP}/v1beta1-overflow"
(AGENT,) = (kind for kind in crds.api if kind.name == "Agent")


def agent(version: str, *, annotations: Any = None, **spec: Any) -> dict[str, Any]:
    metadata = {"name": "a", "namespace": "default"}
    return {
        "apiVersion": f"agents.proompteng.ai/{version}",
        "kind": "Agent",
        "metadata": {**metadata, "annotations": annotations} if annotations else metadata,
        "spec": {"providerRef": {"name": "p"}, **spec},
    }


def older(value: dict[str, Any]) -> dict[str, Any]:
    """A v1beta1 object converted to v1alpha1."""
    return graph.convert(crds.api, AGENT, value, source="v1beta1", target="v1alpha1").object


def request(
    value: Any, old: Any = None, *, options: str = "UpdateOptions"
) -> reviews.AdmissionRequest:
    group, version = value["apiVersion"].split("/")
    review = {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "u",
            "kind": {"group": group, "version": version, "kind": value["kind"]},
            "operation": "CREATE" if old is None else "UPDATE",
            "options": {"kind": options},
            "object": value,
            "oldObject": old,
        },
    }
    return reviews.admission_request(json.dumps(review).encode())


def mutated(value: Any, old: Any = None, **more: Any) -> Any:
    """The object after the mutating webhook."""
    answer = verdicts.review_of(
        admission.decide(admission.mutate, CONVERTER, request(value, old, **more))
    )
    text = answer["response"].get("patch")
    return patch.applied(value, json.loads(base64.b64decode(text)) if text else [])


def refusal(value: Any, old: Any = None) -> str:
    """The message with which the validating webhook denies a write."""
    answer = verdicts.review_of(
        admission.decide(admission.validate, CONVERTER, request(value, old))
    )
    return "" if answer["response"]["allowed"] else answer["response"]["status"]["message"]


BACKOFF = {"retry": {"limit": 2, "backoff": {"base": "10s", "max": "5m", "jitterPercent": 20}}}


def test_object_replaced_without_annotations_keeps_its_residue() -> None:
    old = older(agent("v1beta1", runDefaults=BACKOFF))
    replaced = agent("v1alpha1", defaults={"retryLimit": 3})

    found = mutated(replaced, old)

    assert old["metadata"]["annotations"] == found["metadata"]["annotations"]
    there = graph.convert(crds.api, AGENT, found, source="v1alpha1", target="v1beta1").object
    assert {"retry": {**BACKOFF["retry"], "limit": 3}} == there["spec"]["runDefaults"]


def test_patch_that_takes_residue_away_has_removed_what_it_was_about() -> None:
    old = older(agent("v1beta1", runDefaults=BACKOFF))
    applied = agent("v1alpha1", defaults={"retryLimit": 2})

    assert applied == mutated(applied, old, options="PatchOptions")


@pytest.mark.parametrize("options", ["UpdateOptions", "PatchOptions"])
def test_residue_of_the_status_is_the_old_one_in_any_write(options: str) -> None:
    old = agent("v1alpha1", annotations={STATUS: "[]"})
    forged = agent("v1alpha1", annotations={STATUS: "[1]", "example.com/note": "x"})
    removed = agent("v1alpha1", annotations={"example.com/note": "x"})

    for value in (forged, removed):
        annotations = mutated(value, old, options=options)["metadata"]["annotations"]
        assert {STATUS: "[]", "example.com/note": "x"} == annotations


def test_new_object_has_no_residue_of_a_status() -> None:
    forged = agent("v1alpha1", annotations={STATUS: "[1]"})

    assert agent("v1alpha1") == mutated(forged)


# --- overflow -----------------------------------------------------------------------------------

# Text that can be compressed to half of its size at best.
LONG = "".join(canonical.digest(number) for number in range(30_000))
FULL = agent(
    "v1alpha1", annotations={OVERFLOW: '["spec.env[name=TOKEN]", "spec.runDefaults.retry.backoff"]'}
)


def test_write_that_loses_what_had_no_room_is_refused_with_its_fields() -> None:
    labelled = {**FULL, "metadata": {**FULL["metadata"], "labels": {"a": "b"}}}
    replaced = agent("v1alpha1", env=[])

    for value in (labelled, replaced):
        assert "would lose spec.env[name=TOKEN], spec.runDefaults.retry.backoff" in refusal(
            value, FULL
        )
        assert refusal(value, FULL).endswith("write Agent in v1beta1")


def test_write_in_the_version_that_says_all_is_let_through() -> None:
    value = agent("v1beta1")

    assert "" == refusal(value, value)


def test_finalizers_can_always_be_removed() -> None:
    old = {**FULL, "metadata": {**FULL["metadata"], "finalizers": ["a", "b"]}}
    freed = {**FULL, "metadata": {**FULL["metadata"], "finalizers": ["b"]}}
    going = {**FULL, "metadata": {**FULL["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}}

    assert "" == refusal(freed, old)
    assert "" == refusal(going, going)


def test_object_whose_stored_version_cannot_hold_it_is_refused() -> None:
    run = manifests.run("v1alpha1", systemPrompt=LONG)

    message = refusal(run)

    assert "expected data that the storage version v1beta1 can hold in annotations" in message
    assert "spec.systemPrompt" in message


def variables(count: int, characters: int) -> list[dict[str, Any]]:
    """Variables that only v1beta1 can hold, with names of Secrets that do not compress."""
    names = [LONG[at * characters :][:characters] for at in range(count)]
    return [
        {"name": f"V{at}", "valueFrom": {"secretKeyRef": {"name": name, "key": "k"}}}
        for at, name in enumerate(names)
    ]


def test_hundred_variables_from_secrets_with_long_names_fit() -> None:
    value = agent("v1beta1", env=variables(100, 200))

    shown = older(value)

    there = graph.convert(crds.api, AGENT, shown, source="v1alpha1", target="v1beta1").object
    assert value == there
    assert len(shown["metadata"]["annotations"][RESIDUE]) < 64 * 1024


def test_overflow_of_a_conversion_is_what_the_next_write_is_refused_for() -> None:
    shown = older(agent("v1beta1", env=variables(1500, 250)))
    fields = json.loads(shown["metadata"]["annotations"][OVERFLOW])

    message = refusal({**shown, "spec": {**shown["spec"], "config": {"a": 1}}}, shown)

    assert "and " in fields[-1]
    assert all(field.startswith("spec.env[name=V") for field in fields[:-1])
    assert f"would lose {', '.join(fields)}" in message


def forged(entries: Any) -> dict[str, Any]:
    """An Agent in v1alpha1 with residue that any client may write."""
    text = entries if isinstance(entries, str) else json.dumps(entries)
    return agent("v1alpha1", annotations={RESIDUE: text})


def warnings_of(value: Any, old: Any = None) -> list[str]:
    answer = verdicts.review_of(
        admission.decide(admission.validate, CONVERTER, request(value, old))
    )
    assert answer["response"]["allowed"], answer
    found: list[str] = answer["response"].get("warnings", [])
    return found


UNKNOWN = [{"at": ["spec"], "was": {}, "is": {"hostPath": "/"}}]


@pytest.mark.parametrize(
    ("entries", "fields"),
    [
        (UNKNOWN, "spec.hostPath"),
        ([{"at": ["spec"], "was": {"providerRef": "stale"}, "is": {}}], "spec.providerRef"),
        ("junk", "unreadable data"),
        (
            [{"at": ["spec"], "was": {}, "is": {f"x{one}": 1}} for one in range(600)],
            ", ".join(f"spec.x{one}" for one in range(10)) + ", and 590 more",
        ),
    ],
    ids=["unknown field", "stale", "junk", "many"],
)
def test_writer_of_residue_that_nothing_comes_of_is_warned(entries: Any, fields: str) -> None:
    path = f"metadata.annotations[{RESIDUE}]"

    assert [f"{path}: v1beta1 does not use {fields} from it"] == warnings_of(forged(entries))


def test_residue_that_was_there_before_or_is_put_back_is_no_news() -> None:
    kept = older(agent("v1beta1", runDefaults={"retry": {"limit": 2, "backoff": {"base": "10s"}}}))
    stale = forged(UNKNOWN)

    assert RESIDUE in kept["metadata"]["annotations"]
    assert [[], []] == [warnings_of(kept), warnings_of(stale, stale)]


@hypothesis.given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["at", "was", "is", "by", "item", "after", "order", "insert"]),
            st.recursive(
                st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["spec", "x", ""]),
                lambda inner: (
                    st.lists(inner, max_size=3)
                    | st.dictionaries(st.sampled_from(["spec", "status", "name"]), inner)
                ),
                max_leaves=6,
            ),
            max_size=5,
        ),
        max_size=4,
    )
)
def test_any_residue_at_all_gets_an_answer(entries: Any) -> None:
    answer = verdicts.review_of(
        admission.decide(admission.validate, CONVERTER, request(forged(entries)))
    )

    assert answer["response"]["allowed"]
