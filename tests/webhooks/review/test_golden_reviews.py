"""Every review in tests/data gets exactly the answer beside it: NAME.json, NAME.answer.json.

A new case is a new review; run once with UPDATE_GOLDEN=1, read the answer, commit both. In the
answers a patch is written out instead of base64.
"""

import base64
import json
import os
import pathlib
from typing import Any

import pytest

import crds
from schemagen.versions.converter import Converter
from webhooks.review import admission, answer_check, conversion, reviews, verdicts

CONVERTER = Converter(crds.api)
DATA = pathlib.Path(__file__).parents[2] / "data"
CASES = [
    path
    for folder in ("admission/pass", "admission/fail", "conversion/pass", "conversion/fail")
    for path in sorted((DATA / folder).glob("*.json"))
    if not path.name.endswith(".answer.json")
]


def answer_of(path: pathlib.Path) -> Any:
    """The response after encoding and decoding."""
    body = path.read_bytes()
    try:
        if "conversion/" in str(path.relative_to(DATA)):
            verdict: verdicts.Verdict = conversion.convert(
                CONVERTER, reviews.conversion_request(body)
            )
        else:
            request = reviews.admission_request(body)
            verdict = admission.decide(admission.review, CONVERTER, request)
    except reviews.UnusableReviewError as error:
        verdict = verdicts.Failed(error.envelope, error.message)
    return json.loads(verdicts.encode(verdict))


def readable(answer: Any) -> Any:
    """The response with its patch decoded."""
    response = answer["response"]
    if "patch" in response:
        response = {**response, "patch": json.loads(base64.b64decode(response["patch"]))}
    return {**answer, "response": response}


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.parent.name}-{path.stem}")
def test_review_gets_its_answer(path: pathlib.Path) -> None:
    golden = path.with_suffix(".answer.json")

    answer = readable(answer_of(path))

    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(json.dumps(answer, indent=2, ensure_ascii=False) + "\n")
    assert json.loads(golden.read_text()) == answer


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.parent.name}-{path.stem}")
def test_answer_has_the_verdict_of_its_folder(path: pathlib.Path) -> None:
    response = answer_of(path)["response"]

    passed = response.get("allowed") or response.get("result", {}).get("status") == "Success"

    assert (path.parent.name == "pass") == passed


# No API server sends these to that door, so none reads the answer.
STRAY = {"conversion-review-at-the-wrong-door", "unknown-review-version"}


@pytest.mark.parametrize(
    "path",
    [path for path in CASES if path.stem not in STRAY],
    ids=lambda path: f"{path.parent.parent.name}-{path.stem}",
)
def test_api_server_would_accept_the_answer(path: pathlib.Path) -> None:
    caller: answer_check.Caller = "convert" if path.parent.parent.name == "conversion" else "mutate"

    assert [] == answer_check.complaints(caller, json.loads(path.read_text()), answer_of(path))
