"""Steps that cannot be carried out are refused at admission: conditions, state, names."""

import json
from typing import Any

import pytest

import crds
from crds.admission import agentrun
from schemagen import Facts, checking
from schemagen.problems import JSON
from schemagen.versions.converter import Converter
from webhooks.review import admission, reviews, verdicts

(RUN,) = (kind for kind in crds.api if kind.name == "AgentRun")


def run(spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "agents.proompteng.ai/v1beta1",
        "kind": "AgentRun",
        "metadata": {"name": "one", "namespace": "team"},
        "spec": {"agentRef": {"name": "codex"}, **spec},
    }


def problems(value: JSON) -> list[tuple[str, str, str]]:
    found = agentrun.validate(value, None, Facts())
    return [(str(one.path), one.reason.value, one.message) for one in found]


def reviewed(value: JSON) -> JSON:
    """The validating webhook's answer to a creation."""
    group, version = value["apiVersion"].split("/")
    review = {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "1",
            "kind": {"group": group, "version": version, "kind": value["kind"]},
            "operation": "CREATE",
            "object": value,
        },
    }
    request = reviews.admission_request(json.dumps(review).encode())
    return verdicts.review_of(
        admission.decide(admission.validate, Converter(crds.api), request, Facts())
    )


def workflow(*steps: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return run({"runtime": {"type": "Workflow", "workflow": {"steps": [*steps]}}, **spec})


def step(loop: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": "s", "loop": {"maxIterations": 3, **loop}, **more}


@pytest.mark.parametrize(
    ("cel", "words"),
    [
        ("control.n >", "1:12: Syntax error: "),
        ("result.n < 3", "1:7: undeclared reference to 'result.n' (in container '')"),
        ("1 + iteration", "got type int"),
        ("'yes'", "got type string"),
        ("control.a ? true : 1", "found no matching overload"),
        ("!" * 4096 + "true", ""),
        ("(" * 100 + "true" + ")" * 100, "recursion limit"),
        ("x" * 5000, "expected at most 4096 characters, got 5000"),
    ],
)
def test_condition_that_cannot_be_compiled_is_refused(cel: str, words: str) -> None:
    found = problems(workflow(step({"while": {"cel": cel}})))

    if words:
        ((path, reason, message),) = found
        assert "spec.runtime.workflow.steps[s].loop.while.cel" == path
        assert "FieldValueInvalid" == reason
        assert words in message
        assert len(message) < 500


@pytest.mark.parametrize(
    "cel", ["control.left > iteration", "control.more", "has(control.x) && control.x.size() > 2"]
)
def test_condition_that_may_have_an_answer_is_taken(cel: str) -> None:
    assert [] == problems(workflow(step({"while": {"cel": cel}})))


STAYS: dict[str, Any] = {"mountPath": "/c", "persistentVolumeClaim": {"claimName": "c"}}
VOLUMES = [
    {"name": "scratch", "mountPath": "/s", "emptyDir": {}},
    {"name": "claim", **STAYS},
    {"name": "read", "readOnly": True, **STAYS},
]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ({"volumes": ["scratch", "claim"]}, []),
        ({"persistent": True, "volumes": ["claim"]}, []),
        (
            {"volumes": ["nope"]},
            ["[0]: expected a volume of the workload ('scratch', 'claim', 'read'), got 'nope'"],
        ),
        (
            {"persistent": True, "volumes": ["claim", "scratch", "read"]},
            [
                f"[{at}]: expected a writable claim, because the state is persistent, "
                f"got '{name}', which does not outlive an iteration"
                for at, name in ((1, "scratch"), (2, "read"))
            ],
        ),
        (
            {"persistent": True},
            [": expected volumes that carry the persistent state, got none"],
        ),
    ],
)
@pytest.mark.parametrize("is_own", [True, False], ids=["the step's", "the run's"])
def test_state_of_a_loop_is_carried_by_volumes_that_stay(
    state: dict[str, Any], expected: list[str], *, is_own: bool
) -> None:
    workload = {"workload": {"volumes": VOLUMES}}
    value = (
        workflow(step({"state": state}, **workload))
        if is_own
        else workflow(step({"state": state}), **workload)
    )

    path = "spec.runtime.workflow.steps[s].loop.state.volumes"
    found = [f"{place}: {message}" for place, _, message in problems(value)]
    assert [f"{path}{one}" for one in expected] == found


def test_what_v1alpha1_always_took_is_warned_of() -> None:
    loop = {
        "maxIterations": 3,
        "condition": {"expression": "control.n >", "source": {"path": "/etc/x"}},
        "state": {"required": True, "volumeNames": ["nope"]},
    }
    value = {
        "apiVersion": "agents.proompteng.ai/v1alpha1",
        "kind": "AgentRun",
        "metadata": {"name": "one", "namespace": "team"},
        "spec": {
            "agentRef": {"name": "codex"},
            "implementation": {"inline": {"text": "x"}},
            "runtime": {"type": "workflow"},
            "workflow": {"steps": [{"name": "a b", "loop": loop}]},
        },
    }

    answer = reviewed(value)["response"]

    assert answer["allowed"]
    found = [one.partition(":")[0] for one in answer["warnings"]]
    steps = "spec.workflow.steps[0]"
    assert [
        f"{steps}.loop.condition.expression",
        f"{steps}.loop.condition.source.path",
        f"{steps}.loop.state.volumeNames[0]",
        f"{steps}.name",
    ] == sorted(found)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"name": "Build_2.a"}, []),
        ({"name": "a/b"}, ["spec.runtime.workflow.steps[0].name"]),
        ({"name": "-a"}, ["spec.runtime.workflow.steps[0].name"]),
        (
            {"workload": {"volumes": [{"name": "My_Vol", "mountPath": "/v", "emptyDir": {}}]}},
            ["spec.runtime.workflow.steps[0].workload.volumes[0].name"],
        ),
        (
            {"loop": {"maxIterations": 2, "while": {}}},
            ["spec.runtime.workflow.steps[0].loop.while"],
        ),
        *(
            (
                {"loop": {"maxIterations": 2, "while": {"cel": "true", "control": {"path": path}}}},
                ["spec.runtime.workflow.steps[0].loop.while.control.path"] if is_refused else [],
            )
            for path, is_refused in (
                ("/workspace/go-on.json", False),
                ("state/go..on.json", False),
                ("/etc/passwd", True),
                ("/workspace/../etc/passwd", True),
                ("../x", True),
                ("/workspace", True),
                ("run.json", True),
                ("/workspace/.agent/status.json", True),
            )
        ),
    ],
)
def test_names_and_paths_of_steps_have_patterns(
    changes: dict[str, Any], expected: list[str]
) -> None:
    value = workflow({"name": "s", **changes}, implementation={"inline": {"text": "x"}})

    found = checking.of_version(RUN.hub).create(value)

    assert expected == [cause.field for cause in found.causes]
