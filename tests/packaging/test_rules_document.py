"""The examples of docs/rules.md run, and the rules of its API are asked as it says."""

import json
import pathlib
import re
import sys
import types
from collections.abc import Iterator
from typing import Any

import pytest

from schemagen import Facts
from schemagen.versions.converter import Converter
from webhooks.review import admission, reviews, verdicts

DOCUMENT = pathlib.Path(__file__).parents[2] / "docs/rules.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)


def run(code: str, name: str) -> types.ModuleType:
    module = types.ModuleType(name)
    exec(compile(code, str(DOCUMENT), "exec"), vars(module))  # noqa: S102 - our own document
    return module


@pytest.fixture(autouse=True)
def quotas() -> Iterator[types.ModuleType]:
    """The complete example under the name that the others import it by."""
    module = sys.modules["quotas"] = run(BLOCKS[0], "quotas")
    yield module
    del sys.modules["quotas"]


@pytest.mark.parametrize("code", BLOCKS[1:])
def test_example_runs(code: str) -> None:
    run(code, "example")


def quota(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "example.com/v1",
        "kind": "Quota",
        "metadata": {"name": "one", "namespace": "production"},
        "spec": {"team": "a", **spec},
    }


def answered(api: Any, operation: str, value: Any, old: Any, facts: Facts | None = None) -> Any:
    request = {
        "uid": "1",
        "kind": {"group": "example.com", "version": "v1", "kind": "Quota"},
        "resource": {"group": "example.com", "version": "v1", "resource": "quotas"},
        "name": "one",
        "namespace": "production",
        "operation": operation,
        "object": value,
        "oldObject": old,
        "userInfo": {"groups": ["admins"]},
    }
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    asked = reviews.admission_request(json.dumps(review).encode())
    converter = Converter(api)
    verdict = admission.decide(admission.review, converter, asked, facts or Facts())
    return json.loads(verdicts.encode(verdict))["response"]


def test_rules_are_asked_as_the_document_says(quotas: types.ModuleType) -> None:
    related = Facts(related={("Quota", "all"): quota(seats=1)})

    taken = answered(quotas.api, "CREATE", quota(seats=200), None)
    shrunk = answered(quotas.api, "UPDATE", quota(seats=1), quota(seats=2))
    deleted = answered(quotas.api, "DELETE", None, quota(seats=2))
    child = answered(quotas.api, "CREATE", quota(seats=2, parent="all"), None, related)

    assert taken["allowed"]
    assert ["spec.seats"] == fields(shrunk)
    assert ["spec.team"] == fields(deleted)
    assert ["spec.seats"] == fields(child)


def fields(response: Any) -> list[str]:
    return [cause["field"] for cause in response["status"]["details"]["causes"]]
