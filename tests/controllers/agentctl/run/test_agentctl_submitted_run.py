"""Runs built from options, and their comparison."""

import copy
from typing import Any

import pytest

from controllers.agentctl.exits import CommandError
from controllers.agentctl.run import submitted_run
from controllers.agentctl.run.request import Request
from controllers.runs import naming
from controllers.runs.references.idempotency_claims import HASH_ANNOTATION
from crds import hub


def asked(**options: Any) -> Request:
    chosen = {"agent": "coder", "text": "Mend it.", **options}
    return Request(**chosen)


def run(**options: Any) -> dict[str, Any]:
    found = submitted_run.run(asked(**options), "team")
    hub.agentrun.AgentRunSpec.model_validate(found["spec"])
    return found


def test_run_has_just_what_was_asked_for() -> None:
    found = run()

    assert {
        "agentRef": {"name": "coder"},
        "implementation": {"inline": {"text": "Mend it."}},
        "runtime": {"type": "Job"},
    } == found["spec"]
    assert ("agents.proompteng.ai/v1beta1", "AgentRun") == (found["apiVersion"], found["kind"])
    assert ("team", "coder-") == (
        found["metadata"]["namespace"],
        found["metadata"]["generateName"],
    )


def test_every_option_has_its_field() -> None:
    found = run(
        text="",
        implementation="fix-login",
        runtime="workflow",
        runtime_config=["backoffLimit=1"],
        parameters=["base=main", "title=a=b", "empty="],
        idempotency_key="k",
        image="runner:1",
        cpu="500m",
        memory="1Gi",
        memory_ref="notes",
        vcs="github",
        vcs_mode="read-only",
        is_vcs_required=True,
        secrets=["token", "other", "token"],
        priority=0,
        name="fix",
    )

    assert "fix" == found["metadata"]["name"]
    assert {
        "agentRef": {"name": "coder"},
        "implementation": {"specRef": {"name": "fix-login"}},
        "runtime": {"type": "Workflow", "backoffLimit": 1},
        "workload": {
            "image": "runner:1",
            "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}},
        },
        "parameters": [
            {"name": "base", "value": "main"},
            {"name": "title", "value": "a=b"},
            {"name": "empty", "value": ""},
        ],
        "secretRefs": [{"name": "token"}, {"name": "other"}],
        "memoryRef": {"name": "notes"},
        "vcs": {"providerRef": {"name": "github"}, "mode": "ReadOnly", "required": True},
        "idempotencyKey": "k",
        "priority": 0,
    } == found["spec"]


def test_name_follows_from_agent_and_key() -> None:
    one, same = run(idempotency_key="k"), run(idempotency_key="k", text="Another text.")
    other = run(idempotency_key="other")

    assert naming.of_submission("coder", "k") == one["metadata"]["name"]
    assert one["metadata"]["name"] == same["metadata"]["name"] != other["metadata"]["name"]
    assert "generateName" not in one["metadata"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"implementation": "x"}, "one of --impl NAME, --text TEXT and --file FILE"),
        ({"text": ""}, "one of --impl NAME, --text TEXT and --file FILE"),
        ({"parameters": ["base"]}, "--param KEY=VALUE, got 'base'"),
        ({"parameters": ["=x"]}, "--param KEY=VALUE, got '=x'"),
        ({"parameters": ["a=1", "a=1"]}, "--param a once, got it 2 times"),
        ({"runtime_config": ["jobTTL"]}, "--runtime-config KEY=VALUE"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(CommandError) as caught:
        submitted_run.run(asked(**options), "team")

    assert words in str(caught.value)


# ----------------------------------------------------------------------- whether two are the same


def stored(wanted: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a run with defaults, as from an API server."""
    spec = {**copy.deepcopy(wanted["spec"]), **changes}
    spec["runtime"] = {"workflow": {"parallelism": 1}, **spec["runtime"]}
    return {**wanted, "spec": spec}


def test_same_options_are_told_by_the_hash_that_was_written() -> None:
    one = run(idempotency_key="k")

    assert submitted_run.has_same_inputs(one, run(idempotency_key="k", priority=7))
    assert not submitted_run.has_same_inputs(one, run(idempotency_key="k", cpu="1"))
    assert not submitted_run.has_same_inputs(one, {**one, "metadata": {}})
    assert 64 == len(one["metadata"]["annotations"][HASH_ANNOTATION])


def test_trial_takes_neither_the_name_nor_the_key() -> None:
    one = run(idempotency_key="k")

    tried = submitted_run.dry_run_body(one)

    assert {"namespace": "team", "generateName": "dry-run-"} == tried["metadata"]
    assert "idempotencyKey" not in tried["spec"]
    assert {**tried["spec"], "idempotencyKey": "k"} == one["spec"]


def test_run_with_defaults_filled_in_is_the_same() -> None:
    one = run(idempotency_key="k", parameters=["a=1", "b=2"])
    found = stored(one, parameters=[{"name": "b", "value": "2"}, {"name": "a", "value": "1"}])

    field = submitted_run.difference(one, stored(submitted_run.dry_run_body(one)), found)

    assert "" == field


def test_what_may_change_does_not_make_another_run() -> None:
    one = run(idempotency_key="k", priority=1)
    found = stored(one, priority=5, cancel=True, suspend=True, retention={"keepForever": True})

    assert "" == submitted_run.difference(one, stored(submitted_run.dry_run_body(one)), found)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"implementation": {"inline": {"text": "Else."}}}, "spec.implementation.inline.text"),
        ({"parameters": [{"name": "a", "value": "2"}]}, "spec.parameters[name=a].value"),
        ({"parameters": [{"name": "a", "value": "1"}, {"name": "z"}]}, "spec.parameters[name=z]"),
        ({"memoryRef": {"name": "notes"}}, "spec.memoryRef"),
        ({"idempotencyKey": "other"}, "spec.idempotencyKey"),
        ({"runtime": {"type": "Workflow"}}, "spec.runtime.type"),
    ],
)
def test_first_field_that_differs_is_named(changes: dict[str, Any], field: str) -> None:
    one = run(idempotency_key="k", parameters=["a=1"])

    found = submitted_run.difference(
        one, stored(submitted_run.dry_run_body(one)), stored(one, **changes)
    )

    assert field == found
