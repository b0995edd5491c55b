"""What residue may not do, and what needs none."""

import base64
import json
import time
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import crds
from schemagen import canonical
from schemagen.versions import graph
from tests.support import depth, manifests, objects

(RUN,) = (kind for kind in crds.api if kind.name == "AgentRun")
OLD_RESIDUE = "conversion.agents.proompteng.ai/v1alpha1-residue"
NEW_RESIDUE = "conversion.agents.proompteng.ai/v1beta1-residue"


def convert(value: dict[str, Any], source: str, target: str) -> dict[str, Any]:
    return graph.convert(crds.api, RUN, value, source=source, target=target).object


PATHS = st.lists(
    st.sampled_from(["spec", "metadata", "agentRef", "runtime", "config", "status", "annotations"])
    | st.just({"name": "a"}),
    max_size=3,
)
ENTRIES = st.lists(
    st.one_of(
        st.fixed_dictionaries(
            {
                "at": PATHS,
                "was": st.just({}),
                "is": st.dictionaries(
                    st.sampled_from(
                        [
                            "secrets",
                            "agentRef",
                            "finalizers",
                            "name",
                            "labels",
                            "annotations",
                            "parameters",
                            "serviceAccountName",
                            "implementationSpecRef",
                            "phase",
                            "vcsPolicy",
                            "spec",
                        ]
                    ),
                    objects.ANYTHING,
                    max_size=2,
                ),
            }
        ),
        objects.ANYTHING,
    ),
    max_size=4,
)


@settings(max_examples=depth.draws(150), deadline=None)
@given(ENTRIES, st.sampled_from(["v1alpha1", "v1beta1"]))
def test_tampered_residue_never_changes_what_a_run_means(entries: Any, target: str) -> None:
    source = {"v1alpha1": "v1beta1", "v1beta1": "v1alpha1"}[target]
    name = {"v1alpha1": OLD_RESIDUE, "v1beta1": NEW_RESIDUE}[target]
    value = manifests.run(source)
    value["metadata"]["annotations"] = {name: json.dumps(entries)}
    plain = convert(manifests.run(source), source, target)

    tampered = convert(value, source, target)

    assert plain["metadata"]["name"] == tampered["metadata"]["name"]
    assert set(tampered["metadata"]) <= {"name", "labels", "annotations"}
    assert "status" not in tampered
    # Whatever was put back says the same as before in the version that the annotation stood in.
    assert manifests.run(source)["spec"] == convert(tampered, target, source)["spec"]


@pytest.mark.parametrize(
    "text", ["", "null", "{}", "[1]", "[[]]", "not json", '[{"at":5}]', "[" * 5000, "\ud800"]
)
def test_annotation_that_is_no_residue_is_harmless(text: str) -> None:
    value = manifests.run("v1beta1")
    value["metadata"]["annotations"] = {OLD_RESIDUE: text}

    assert convert(manifests.run("v1beta1"), "v1beta1", "v1alpha1") == convert(
        value, "v1beta1", "v1alpha1"
    )


def test_residue_cannot_move_a_run_to_another_secret() -> None:
    value = manifests.run("v1beta1", secretRefs=[{"name": "mine"}])
    value["metadata"]["annotations"] = {
        OLD_RESIDUE: json.dumps(
            [
                {
                    "at": ["spec"],
                    "was": {"secrets": canonical.digest(["mine"])},
                    "is": {"secrets": ["mine", "admin-token"]},
                }
            ]
        )
    }

    assert ["mine"] == convert(value, "v1beta1", "v1alpha1")["spec"]["secrets"]


@pytest.mark.parametrize("text_bytes", [60_000, 250_000])
def test_a_thousand_foreign_entries_are_no_burden(text_bytes: int) -> None:
    value = manifests.run("v1beta1", implementation={"inline": {"text": "x" * 1_000_000}})
    plain = convert(value, "v1beta1", "v1alpha1")
    entry = {"at": ["spec"], "was": {"implementation": "0" * 16}, "is": {"implementation": {}}}
    more = {"at": ["spec"], "was": {}, "is": {"secrets": ["a"]}}
    count = text_bytes // len(json.dumps([entry, more]))
    annotations = {OLD_RESIDUE: json.dumps([entry, more] * count)}
    tampered = {**value, "metadata": {"name": "one", "annotations": annotations}}

    assert plain == convert(tampered, "v1beta1", "v1alpha1")


def test_residue_too_large_is_dropped_and_said() -> None:
    # Text that can be compressed to half of its size at best.
    text = "".join(canonical.digest(number) for number in range(30_000))
    steps = [{"name": "a", "implementation": {"inline": {"text": text}}}]
    value = manifests.run("v1alpha1", workflow={"steps": steps}, vcsPolicy={})

    found = graph.convert(crds.api, RUN, value, source="v1alpha1", target="v1beta1")
    back = convert(found.object, "v1beta1", "v1alpha1")

    assert found.dropped_bytes > 400_000
    assert ("spec.workflow",) == found.left_out
    assert {} == back["spec"]["vcsPolicy"]
    assert "workflow" not in back["spec"]


def test_residue_leaves_room_for_the_other_annotations() -> None:
    note = "n" * (256 * 1024 - 200)
    value = manifests.run("v1alpha1", vcsPolicy={}, secrets=["a"] * 100)
    value["metadata"]["annotations"] = {"example.com/note": note}

    found = convert(value, "v1alpha1", "v1beta1")

    total = sum(len(k) + len(v) for k, v in found["metadata"]["annotations"].items())
    assert total <= 256 * 1024
    assert note == found["metadata"]["annotations"]["example.com/note"]


STEP = {"name": "s"}
NEEDS_NO_RESIDUE: list[dict[str, Any]] = [
    {
        "implementation": {
            "inline": {"text": "t", "labels": ["a"], "source": {"provider": "linear"}}
        }
    },
    {"goal": {"objective": "o", "tokenBudget": 5}},
    {"workload": {"image": "i", "resources": {"limits": {"cpu": "1"}}}},
    {
        "workload": {
            "volumes": [{"name": "v", "type": "secret", "secretName": "s", "mountPath": "/v"}]
        }
    },
    {"parameters": {"a": "1"}, "secrets": ["a", "b"], "memoryRef": {"name": "m"}},
    {"vcsRef": {"name": "v"}, "vcsPolicy": {"mode": "none", "required": False}},
    {"ttlSecondsAfterFinished": 0},
    {"ttlSecondsAfterFinished": 90},
    {"idempotencyKey": ""},
    {"runtime": {"type": "job", "config": {"serviceAccountName": "s", "any": {"thing": None}}}},
    {"runtime": {"type": "custom", "config": {"endpoint": "e", "payload": {"a": None}}}},
    {"runtime": {"type": "temporal", "config": {"workflowType": "w", "taskQueue": "q"}}},
    {"runtime": {"type": "workflow"}, "workflow": {"steps": []}},
    *(
        {"runtime": {"type": "workflow"}, "workflow": {"steps": [STEP | more]}}
        for more in (
            {"implementationSpecRef": {"name": "i"}, "parameters": {"a": "1"}},
            {"retries": 0, "retryBackoffSeconds": 30, "timeoutSeconds": 0},
            {"loop": {"maxIterations": 1, "state": {"required": True, "volumeNames": ["v"]}}},
            {
                "loop": {
                    "maxIterations": 1,
                    "condition": {
                        "type": "cel",
                        "expression": "x",
                        "source": {"type": "file", "path": "p", "onInvalid": "fail"},
                    },
                }
            },
        )
    ),
]


@pytest.mark.parametrize("spec", NEEDS_NO_RESIDUE, ids=json.dumps)
def test_run_that_v1beta1_can_say_gets_no_annotation(spec: dict[str, Any]) -> None:
    value = manifests.run("v1alpha1", **spec)
    if "implementation" in spec:
        del value["spec"]["implementationSpecRef"]

    newer = convert(value, "v1alpha1", "v1beta1")

    assert "annotations" not in newer["metadata"]
    assert value == convert(newer, "v1beta1", "v1alpha1")


def test_annotations_become_fields_and_come_back() -> None:
    value = manifests.run("v1alpha1")
    value["metadata"]["annotations"] = {
        "agents.proompteng.ai/template": "true",
        "agents.proompteng.ai/retain": "forever",
    }

    newer = convert(value, "v1alpha1", "v1beta1")

    assert "Template" == newer["spec"]["purpose"]
    assert {"keepForever": True} == newer["spec"]["retention"]
    assert [OLD_RESIDUE] == list(newer["metadata"]["annotations"])
    assert value == convert(newer, "v1beta1", "v1alpha1")


def large_run(entries: str) -> dict[str, Any]:
    parameters = {f"p{index}": "v" * 50 for index in range(10)}
    steps = [{"name": f"s{index}", "parameters": parameters} for index in range(100)]
    value = manifests.run("v1alpha1", runtime={"type": "workflow"}, workflow={"steps": steps})
    return {**value, "metadata": {"name": "x", "annotations": {NEW_RESIDUE: entries}}}


def forged(step: Any) -> str:
    """600 entries, of which none can be put back."""
    entries = [{"at": step(index), "was": {}, "is": {"retry": index}} for index in range(600)]
    return json.dumps(entries)


BOMB = zlib.compress(b"[" + b"{}," * 1_390_000 + b"{}]")


@pytest.mark.parametrize(
    "entries",
    [
        forged(lambda index: ["spec", "runtime", "workflow", "steps", {"name": f"s{index % 100}"}]),
        forged(lambda _: ["spec"]),
        f"zlib+base64:{base64.b64encode(BOMB).decode()}",
    ],
)
def test_forged_residue_of_a_large_object_takes_no_long_time(entries: str) -> None:
    """It took 5 to 27 seconds of the event loop on which all calls are answered."""
    plain = convert(large_run("[]"), "v1alpha1", "v1beta1")
    began = time.process_time()

    found = convert(large_run(entries), "v1alpha1", "v1beta1")

    assert time.process_time() - began < 3
    assert plain["spec"] == found["spec"]
