"""Any value anywhere in a review gets a response that is not an internal error."""

import json
from typing import Any

import orjson
import pytest

import crds
from tests.support import manifests
from webhooks import answers, routing

ROUTES = routing.routes(crds.api)
GROUP = crds.api.group

ODD: list[Any] = [
    *(None, 0, -1, 1.5, 1e308, 2**63 - 1, 2**64 - 1, True, "", "x", "\u0000", "é" * 10),
    *([], {}, [None], [[[]]], {"a": None}, {"": ""}, {"name": None}),
    *({"annotations": None}, {"annotations": []}, {"labels": 5}),
    {"annotations": {"agents.proompteng.ai/retain": 1}},
]

PLACES = [
    "apiVersion",
    "kind",
    "metadata",
    "spec",
    "status",
    "metadata.annotations",
    "spec.runtime",
    "spec.runtime.type",
    "spec.runtime.config",
    "spec.workflow",
    "spec.workflow.steps",
    "spec.parameters",
    "spec.secrets",
    "spec.implementation",
    "spec.implementation.inline",
    "spec.workload",
    "spec.workload.volumes",
    "spec.vcsPolicy",
    "spec.ttlSecondsAfterFinished",
    "spec.retention",
    "spec.secretRefs",
    "spec.vcs",
    "status.conditions",
    "status.workflow",
    "status.runtimeRef",
]


def with_odd(version: str, place: str, odd: Any) -> dict[str, Any]:
    """A run with an odd value at a path."""
    value = manifests.run(version)
    value["status"] = {"phase": "x"}
    *parents, last = place.split(".")
    target: Any = value
    for name in parents:
        target = target.setdefault(name, {})
    target[last] = odd
    return value


def answer(path: str, review: Any) -> str:
    """The text of the response."""
    found = routing.answer(ROUTES[path], orjson.dumps(review))
    assert isinstance(found, answers.Answer)
    return found.body.decode()


def conversion_of(value: Any, version: str) -> Any:
    other = {"v1alpha1": "v1beta1", "v1beta1": "v1alpha1"}[version]
    request = {"uid": "u", "desiredAPIVersion": f"{GROUP}/{other}", "objects": [value]}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "ConversionReview",
        "request": request,
    }


def admission_of(value: Any, version: str) -> Any:
    kind = {"group": GROUP, "version": version, "kind": "AgentRun"}
    request = {"uid": "u", "operation": "UPDATE", "kind": kind, "object": value, "oldObject": value}
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


@pytest.mark.parametrize("version", ["v1alpha1", "v1beta1"])
@pytest.mark.parametrize("place", PLACES)
def test_odd_value_in_an_object_gets_an_answer(version: str, place: str) -> None:
    for odd in ODD:
        value = with_odd(version, place, odd)

        texts = [
            answer("/convert", conversion_of(value, version)),
            answer("/mutate", admission_of(value, version)),
            answer("/validate", admission_of(value, version)),
        ]

        for text in texts:
            assert "u" == json.loads(text)["response"]["uid"]
            assert "internal error" not in text, odd


MEMBERS = [
    "kind",
    "operation",
    "object",
    "oldObject",
    "dryRun",
    "name",
    "subResource",
    "desiredAPIVersion",
    "objects",
]


@pytest.mark.parametrize("member", MEMBERS)
def test_odd_member_of_a_request_gets_an_answer(member: str) -> None:
    value = manifests.run("v1alpha1")
    for odd in ODD:
        for path, review in (
            ("/convert", conversion_of(value, "v1alpha1")),
            ("/mutate", admission_of(value, "v1alpha1")),
            ("/validate", admission_of(value, "v1alpha1")),
        ):
            review["request"][member] = odd

            text = answer(path, review)

            assert "u" == json.loads(text)["response"]["uid"]
            assert "internal error" not in text, odd
