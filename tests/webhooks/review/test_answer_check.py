"""A server that verifies responses never sends one that the API server would refuse."""

import base64
import copy
import json
import pathlib
from typing import Any

import orjson
import pytest

from webhooks.review import answer_check

DATA = pathlib.Path(__file__).parents[2] / "data"


def case(name: str) -> tuple[Any, Any]:
    """A review and its response."""
    path = DATA / name
    answer = json.loads(path.with_suffix(".answer.json").read_text())
    response = answer["response"]
    if "patch" in response:
        response["patch"] = base64.b64encode(orjson.dumps(response["patch"])).decode()
    return json.loads(path.read_text()), answer


def patched(operations: Any) -> dict[str, Any]:
    return {"patch": base64.b64encode(orjson.dumps(operations)).decode()}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"uid": "other"}, "expected uid"),
        ({"allowed": "yes"}, "a boolean"),
        ({"allowed": False}, "status code of 400 to 599"),
        ({"allowed": False, "status": {"code": 200}}, "status code of 400 to 599"),
        ({"warnings": ["two\nlines"]}, "control characters"),
        ({"warnings": ["x" * 4097]}, "at most 4096 characters"),
        ({"auditAnnotations": {"not a name": "x"}}, "auditAnnotations"),
        ({"auditAnnotations": {"a": 1}}, "auditAnnotations"),
        ({"patchType": "MergePatch"}, "patchType JSONPatch"),
        ({"patch": "no base64!"}, "base64"),
        (patched([]), "instead of an empty one"),
        (patched([{"op": "replace", "path": "/spec/none", "value": 1}]), "applicable patch"),
        (patched([{"op": "add", "path": "/spec/none/below", "value": 1}]), "applicable patch"),
        (patched([{"op": "copy", "path": "/spec/a", "from": "/spec"}]), "applicable patch"),
    ],
)
def test_admission_that_the_api_server_rejects(change: dict[str, Any], words: str) -> None:
    review, answer = case("admission/pass/v1alpha1-workflow-without-steps-gets-one.json")
    assert [] == answer_check.complaints("mutate", review, answer)
    answer["response"] |= change

    found = answer_check.complaints("mutate", review, answer)

    assert any(words in one for one in found), found


def test_patch_of_a_validating_webhook_is_rejected() -> None:
    review, answer = case("admission/pass/v1alpha1-workflow-without-steps-gets-one.json")

    assert ["expected no patch from a validating webhook"] == answer_check.complaints(
        "validate", review, answer
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda one: one.update(apiVersion="other/v1"), "expected apiVersion"),
        (lambda one: one.update(kind="Other"), "expected kind"),
        (lambda one: one.pop("metadata"), "an object at metadata"),
        (lambda one: one["metadata"].update(name="other"), "metadata.name unchanged"),
        (lambda one: one["metadata"].update(labels={"a": 1}), "metadata.labels"),
        (
            lambda one: one["metadata"].update(annotations={"a": "x" * 262_144}),
            "at most 262144 bytes",
        ),
    ],
)
def test_conversion_that_the_api_server_rejects(change: Any, words: str) -> None:
    review, answer = case("conversion/pass/up-everything-has-a-place.json")
    change(answer["response"]["convertedObjects"][0])

    found = answer_check.complaints("convert", review, answer)

    assert any(words in one for one in found), found


def test_conversion_without_all_its_objects_is_rejected() -> None:
    review, answer = case("conversion/pass/up-everything-has-a-place.json")
    answer["response"]["convertedObjects"] = []

    assert ["expected 1 objects, got 0"] == answer_check.complaints("convert", review, answer)


def test_rejected_answer_becomes_one_that_says_why() -> None:
    review, answer = case("admission/pass/v1alpha1-workflow-without-steps-gets-one.json")
    body = orjson.dumps(review)
    wrong = copy.deepcopy(answer)
    wrong["response"]["patchType"] = "MergePatch"

    assert answer_check.failure("mutate", body, orjson.dumps(answer)) is None
    failure = answer_check.failure("mutate", body, orjson.dumps(wrong))

    assert failure is not None
    assert (500, review["request"]["uid"]) == (failure.code, failure.envelope.uid)
    assert "expected patchType JSONPatch, got 'MergePatch'" in failure.message
