"""Each client gets a response before its timeout."""

import asyncio
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

import crds
from schemagen.problems import JSON
from webhooks import answers, routing

DATA = pathlib.Path(__file__).parents[2] / "data"
REVIEW = (DATA / "admission/pass/v1alpha1-workflow-without-steps-gets-one.json").read_bytes()
CONVERSION = (DATA / "conversion/pass/up-everything-has-a-place.json").read_bytes()


async def never(namespace: str, names: Sequence[tuple[str, str]]) -> Mapping[Any, JSON]:
    """An API server that does not respond."""
    del namespace, names
    await asyncio.Event().wait()
    raise AssertionError


async def answered(path: str, body: bytes, seconds: float) -> Any:
    route = routing.routes(crds.api, read=never)[path]
    found = routing.answer(route, body, seconds)
    answer = found if isinstance(found, answers.Answer) else await found
    return json.loads(answer.body)


async def test_review_that_has_to_wait_is_refused_in_time() -> None:
    async with asyncio.timeout(120):
        answer = await answered("/validate", REVIEW, 0.2)

    assert {
        "allowed": False,
        "status": {
            "status": "Failure",
            "message": "expected a response within 0.2 s: try again",
            "code": 504,
            "reason": "Timeout",
        },
    } == {key: answer["response"][key] for key in ("allowed", "status")}


async def test_large_conversion_ends_when_nobody_waits_for_it() -> None:
    review = json.loads(CONVERSION)
    review["request"]["objects"] *= 10_000

    answer = await answered("/convert", json.dumps(review).encode(), 0.01)

    result = answer["response"]["result"]
    assert ["Failure", 504] == [result["status"], result["code"]]


@pytest.mark.parametrize(
    ("query", "seconds"),
    [
        (b"timeout=10s", 10.0),
        (b"a=b&timeout=1s", 1.0),
        (b"timeout=1m0s", 30.0),
        (b"timeout=1.5s", 1.5),
        (b"timeout=0s", 30.0),
        (b"timeout=tens", 30.0),
        (b"timeout=10", 30.0),
        (b"", 30.0),
        (None, 30.0),
    ],
)
def test_client_says_how_long_it_waits(query: bytes | None, seconds: float) -> None:
    assert seconds == routing.seconds_of(query)
