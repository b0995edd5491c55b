"""The budget of a review: problems, time, and delay of others."""

import asyncio
import inspect
import json
import pathlib
from typing import Any

import pytest

import crds
from schemagen import Facts, deadlines
from webhooks import answers, reviewer, routing
from webhooks.review import verdicts

pytestmark = pytest.mark.slow

DATA = pathlib.Path(__file__).parents[2] / "data"
REVIEW = (DATA / "admission/pass/v1alpha1-workflow-without-steps-gets-one.json").read_bytes()
SETTINGS = {"policy": {"secrets": {"denied": ["root-password"]}}}


def run(version: str, **spec: Any) -> dict[str, Any]:
    kind = "Job" if version == "v1beta1" else "job"
    return {
        "apiVersion": f"agents.proompteng.ai/{version}",
        "kind": "AgentRun",
        "metadata": {"name": "x", "namespace": "n"},
        "spec": {
            "agentRef": {"name": "a"},
            "implementation": {"inline": {"text": "t"}},
            "runtime": {"type": kind},
            **spec,
        },
    }


def admission(value: dict[str, Any]) -> bytes:
    version = value["apiVersion"].partition("/")[2]
    request = {
        "uid": "u",
        "kind": {"group": "agents.proompteng.ai", "version": version, "kind": "AgentRun"},
        "name": "x",
        "namespace": "n",
        "operation": "CREATE",
        "object": value,
    }
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    return json.dumps(review).encode()


def conversion(value: dict[str, Any], version: str) -> bytes:
    desired = f"agents.proompteng.ai/{version}"
    request = {"uid": "u", "desiredAPIVersion": desired, "objects": [value]}
    kind = "ConversionReview"
    review = {"apiVersion": "apiextensions.k8s.io/v1", "kind": kind, "request": request}
    return json.dumps(review).encode()


VOLUMES = [{"name": f"v{one}", "mountPath": "/m", "type": "emptyDir"} for one in range(15_000)]
PARAMETERS = run("v1alpha1", parameters={f"p{one}": "" for one in range(10_000)})
LISTS = run("v1beta1", runtime={"type": "Job", "extraConfig": {"x": [[]] * 100_000}})
HEAVY = {
    "parameters": ("/validate", admission(PARAMETERS)),
    "volumes": ("/validate", admission(run("v1alpha1", workload={"volumes": VOLUMES}))),
    "defaults": ("/mutate", admission(run("v1alpha1", workload={"volumes": VOLUMES}))),
    "empty lists": ("/convert", conversion(LISTS, "v1alpha1")),
}


@pytest.mark.parametrize(("path", "body"), HEAVY.values(), ids=HEAVY)
async def test_others_are_answered_beside_a_heavy_review(path: str, body: bytes) -> None:
    paths = routing.routes(crds.api)
    found = routing.answer(paths[path], body)
    assert inspect.isawaitable(found)
    heavy = asyncio.ensure_future(found)
    await asyncio.sleep(0)
    beside = 0
    while not heavy.done():
        honest = routing.answer(paths["/validate"], REVIEW)
        assert isinstance(honest, answers.Answer)
        beside += 1
        await asyncio.sleep(0.001)

    assert beside > 0
    assert "u" == json.loads((await heavy).body)["response"]["uid"]


async def test_review_that_takes_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    path, body = HEAVY["volumes"]
    monkeypatch.setattr(reviewer, "BUDGET_SECONDS", 0.02)

    found = routing.answer(routing.routes(crds.api)[path], body)
    assert inspect.isawaitable(found)
    answer = json.loads((await found).body)

    message = "expected an object that can be reviewed within 0.02 s; make it smaller"
    status = {"status": "Failure", "message": message, "code": 504, "reason": "Timeout"}
    assert {"uid": "u", "allowed": False, "status": status} == answer["response"]


async def test_object_with_too_many_entries_is_looked_at_no_closer() -> None:
    parameters = {f"p{one}": "x" * 2_049 for one in range(101)}
    found = routing.answer(
        routing.routes(crds.api)["/validate"], admission(run("v1alpha1", parameters=parameters))
    )

    causes = json.loads((await _awaited(found)).body)["response"]["status"]["details"]["causes"]

    message = "expected at most 100 entries, got 101"
    many = {"reason": "FieldValueTooMany", "message": message, "field": "spec.parameters"}
    assert [many] == [one for one in causes if one["reason"] == "FieldValueTooMany"]


async def test_review_that_was_never_read_is_refused_in_time() -> None:
    paths = routing.routes(crds.api)
    first = routing.answer(paths["/validate"], HEAVY["volumes"][1])
    second = routing.answer(paths["/validate"], b"[" * reviewer.HEAVY_BYTES * 2, 0.01)
    assert inspect.isawaitable(first)
    assert inspect.isawaitable(second)

    answers = await asyncio.gather(first, second)

    assert [200, 503] == [one.status for one in answers]


@pytest.mark.parametrize("version", ["v1alpha1", "v1beta1"])
@pytest.mark.parametrize("count", [51, 1_600])
def test_refusal_names_fifty_problems_and_counts_the_rest(version: str, count: int) -> None:
    payload = {"x": [{"secretRef": {"name": "root-password"}}] * count}
    settings = {"endpoint": "https://e", "payload": payload}
    runtime = {"v1alpha1": {"type": "custom", "config": settings}}
    runtime["v1beta1"] = {"type": "Custom", "custom": settings}
    body = admission(run(version, runtime=runtime[version]))
    paths = routing.routes(crds.api, lambda: Facts(settings=SETTINGS))

    found = routing.answer(paths["/validate"], body)
    answer = asyncio.run(_awaited(found))

    causes = json.loads(answer.body)["response"]["status"]["details"]["causes"]
    assert verdicts.MAX_PROBLEMS + 1 == len(causes)
    assert f"and {count - 50} more" == causes[-1]["message"]


async def _awaited(found: Any) -> answers.Answer:
    return found if isinstance(found, answers.Answer) else await found


def test_time_is_over_when_it_is_and_the_earlier_end_counts() -> None:
    deadlines.check()
    with deadlines.within(60):
        deadlines.check()
        over = pytest.raises(deadlines.DeadlineExceededError)
        with deadlines.within(-1), deadlines.within(60), over:
            deadlines.check()
        deadlines.check()
