"""Defaults and limits as pure functions of a request."""

import base64
import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import crds
from schemagen import canonical
from schemagen.schema import structural
from schemagen.versions.converter import Converter
from tests.support import depth, manifests, objects
from webhooks.review import admission, patch, reviews, verdicts

CONVERTER = Converter(crds.api)


def request(
    value: Any, old: Any = None, *, operation: str = "CREATE", **more: Any
) -> reviews.AdmissionRequest:
    """A parsed request, as the API server sends it."""
    source = value or old
    group, _, version = source["apiVersion"].partition("/")
    review = {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "1",
            "kind": {"group": group, "version": version, "kind": source["kind"]},
            "operation": operation,
            "object": value,
            "oldObject": old,
            **more,
        },
    }
    return reviews.admission_request(json.dumps(review).encode())


def mutated(request: reviews.AdmissionRequest) -> Any:
    return verdicts.review_of(admission.decide(admission.mutate, CONVERTER, request))


def validated(request: reviews.AdmissionRequest) -> Any:
    return verdicts.review_of(admission.decide(admission.validate, CONVERTER, request))


def patch_of(answer: Any) -> Any:
    return json.loads(base64.b64decode(answer["response"].get("patch", "W10=")))


def bodies(version: str) -> st.SearchStrategy[Any]:
    found = crds.api.find(f"{crds.api.group}/{version}", "AgentRun")
    assert found is not None
    schema = structural.schema_of(found[1].model, descriptions=False)["properties"]["spec"]
    return st.one_of(objects.valid(schema), objects.mangled(objects.valid(schema)))


@pytest.mark.parametrize("version", ["v1alpha1", "v1beta1"])
def test_defaults_only_add_and_a_second_round_adds_nothing(version: str) -> None:
    @settings(max_examples=depth.draws(100), deadline=None)
    @given(bodies(version))
    def check(spec: Any) -> None:
        value = {**manifests.run(version), "spec": spec}
        before = copy.deepcopy(value)

        operations = patch_of(mutated(request(value)))
        result = patch.applied(value, operations)

        assert before == value
        assert {"add"} >= {operation["op"] for operation in operations} - {"replace"}
        assert [] == patch_of(mutated(request(result)))

    check()


def test_defaults_leave_what_is_written_alone() -> None:
    value = manifests.run(
        "v1alpha1",
        vcsRef={"name": "v"},
        vcsPolicy={"mode": "none"},
        runtime={"type": "workflow"},
        workflow={"steps": [{"name": "mine"}]},
    )

    assert [] == patch_of(mutated(request(value)))


def test_defaults_come_without_the_rest_of_the_object() -> None:
    value = manifests.run(
        "v1alpha1", secrets=["a", "a"], vcsRef={"name": "v"}, runtime={"type": "workflow"}
    )
    value["metadata"]["annotations"] = {"agents.proompteng.ai/retain": "yes"}

    assert [
        {"op": "add", "path": "/spec/vcsPolicy", "value": {"mode": "read-write"}},
        {"op": "add", "path": "/spec/workflow", "value": {"steps": [{"name": "implement"}]}},
    ] == sorted(patch_of(mutated(request(value))), key=lambda one: str(one["path"]))


LIMITS = [
    ("v1alpha1", {"parameters": {"a": "é" * 1024}}, []),
    ("v1alpha1", {"parameters": {"a": "é" * 1024 + "x"}}, ["spec.parameters[a]"]),
    ("v1beta1", {"parameters": [{"name": "a", "value": "x" * 2048}]}, []),
    (
        "v1beta1",
        {"parameters": [{"name": "a", "value": "x" * 2049}]},
        ["spec.parameters[a].value"],
    ),
    ("v1alpha1", {"parameters": {str(n): "x" for n in range(100)}}, []),
    ("v1alpha1", {"parameters": {str(n): "x" for n in range(101)}}, ["spec.parameters"]),
    (
        "v1alpha1",
        {"implementation": {"inline": {"text": "x" * (128 * 1024 + 1)}}},
        ["spec.implementation.inline.text"],
    ),
    (
        "v1beta1",
        {
            "runtime": {
                "type": "Workflow",
                "workflow": {
                    "steps": [{"name": "s", "implementation": {"inline": {"text": "😀" * 32769}}}]
                },
            }
        },
        ["spec.runtime.workflow.steps[s].implementation.inline.text"],
    ),
]


@pytest.mark.parametrize(("version", "spec", "fields"), LIMITS)
def test_limits_are_in_bytes_and_name_the_field(
    version: str, spec: dict[str, Any], fields: list[str]
) -> None:
    response = validated(request(manifests.run(version, **spec)))["response"]

    causes = response.get("status", {}).get("details", {}).get("causes", [])
    assert (fields, not fields) == ([cause["field"] for cause in causes], response["allowed"])


@pytest.mark.parametrize("version", ["v1alpha1", "v1beta1"])
@pytest.mark.parametrize(("size", "allowed"), [(128 * 1024, True), (128 * 1024 + 1, False)])
def test_text_may_have_128_kib(version: str, size: int, *, allowed: bool) -> None:
    value = manifests.implementation_spec(version, text="é" * (size // 2) + "x" * (size % 2))

    assert allowed == validated(request(value))["response"]["allowed"]


def test_unchanged_excess_does_not_block_an_update() -> None:
    old = manifests.run("v1alpha1", parameters={"a": "x" * 3000, "b": "y" * 3000})
    new = manifests.run("v1alpha1", parameters={"a": "x" * 3000, "b": "z" * 3000})

    response = validated(request(new, old, operation="UPDATE"))["response"]

    causes = response["status"]["details"]["causes"]
    assert ["spec.parameters[b]"] == [cause["field"] for cause in causes]


def test_refusal_is_a_status_that_kubectl_lists() -> None:
    value = manifests.run("v1alpha1", parameters={"b": "x" * 2050, "a": "x" * 2049})

    status = validated(request(value, name="one"))["response"]["status"]

    assert {
        "status": "Failure",
        "reason": "Invalid",
        "code": 422,
        "message": 'AgentRun "one" is invalid: '
        "spec.parameters[a]: expected at most 2048 bytes of UTF-8, got 2049; "
        "spec.parameters[b]: expected at most 2048 bytes of UTF-8, got 2050",
        "details": {
            "name": "one",
            "group": "agents.proompteng.ai",
            "kind": "AgentRun",
            "causes": [
                {
                    "reason": "FieldValueTooLong",
                    "message": f"expected at most 2048 bytes of UTF-8, got {size}",
                    "field": f"spec.parameters[{name}]",
                }
                for name, size in (("a", 2049), ("b", 2050))
            ],
        },
    } == status


@settings(max_examples=depth.draws(100), deadline=None)
@given(objects.ANYTHING, objects.ANYTHING, st.sampled_from(["CREATE", "UPDATE"]))
def test_any_spec_gets_an_answer(spec: Any, old_spec: Any, operation: str) -> None:
    value = {**manifests.run("v1alpha1"), "spec": spec}
    old = {**manifests.run("v1alpha1"), "spec": old_spec} if operation == "UPDATE" else None

    for review in (admission.mutate, admission.validate, admission.review):
        answer = verdicts.review_of(
            admission.decide(review, CONVERTER, request(value, old, operation=operation))
        )

        assert "1" == answer["response"]["uid"]
        assert canonical.dumps(answer)
