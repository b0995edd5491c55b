"""The run that retries an ended one."""

import copy
from typing import Any

import pytest

from controllers.agentctl.exits import CommandError
from controllers.agentctl.run import retried_run
from controllers.runs.references.idempotency_claims import HASH_ANNOTATION
from crds import hub, names


def ended(
    spec: dict[str, Any] | None = None, phase: str = "Failed", **metadata: Any
) -> dict[str, Any]:
    return {
        "metadata": {"name": "fix-login", "namespace": "team", "uid": "u-1", **metadata},
        "spec": {
            "agentRef": {"name": "coder"},
            "implementation": {"inline": {"text": "Mend it."}},
            "runtime": {"type": "Job"},
            **(spec or {}),
        },
        "status": {"phase": phase},
    }


def made(run: dict[str, Any], **options: str) -> dict[str, Any]:
    before = copy.deepcopy(run)
    found = retried_run.repetition(run, **options)
    assert before == run
    hub.agentrun.AgentRunSpec.model_validate(found["spec"])
    return found


def test_new_run_has_the_inputs_and_not_what_ended_the_old_one() -> None:
    inputs = {"parameters": [{"name": "base", "value": "main"}], "priority": 3}
    run = ended({**inputs, "cancel": True, "suspend": True, "idempotencyKey": "issue-7"})

    found = made(run)

    assert {**ended(inputs)["spec"]} == found["spec"]


def test_new_run_has_labels_and_annotations_of_the_user_alone() -> None:
    run = ended(
        labels={"cost-centre": "7"},
        annotations={
            "team.example.com/queue": "fast",
            "kubectl.kubernetes.io/last-applied-configuration": "{}",
            "conversion.agents.proompteng.ai/v1beta1-residue": "[]",
            HASH_ANNOTATION: "0" * 64,
        },
    )

    metadata = made(run)["metadata"]

    annotations = metadata["annotations"]
    assert {"cost-centre": "7"} == metadata["labels"]
    assert {
        "team.example.com/queue": "fast",
        retried_run.RETRY_OF: "fix-login u-1",
        HASH_ANNOTATION: annotations[HASH_ANNOTATION],
    } == annotations
    assert "0" * 64 != annotations[HASH_ANNOTATION]


def test_name_follows_from_the_run_and_does_not_grow() -> None:
    first = made(ended())["metadata"]
    second = made(ended(**{**first, "uid": "u-2"}))["metadata"]
    third = made(ended(**{**second, "uid": "u-3"}))["metadata"]

    hashes = [names.short(uid.encode()) for uid in ("u-1", "u-2", "u-3")]
    assert [f"fix-login-{one}" for one in hashes] == [one["name"] for one in (first, second, third)]
    assert made(ended())["metadata"] == first


def test_long_name_is_cut_before_its_hash() -> None:
    found = retried_run.name_of({"name": "a" * 39 + "." + "b" * 200, "uid": "u-1"})

    assert f"{'a' * 39}-{names.short(b'u-1')}" == found


def test_run_is_known_by_the_uid_of_the_one_that_it_was_made_of() -> None:
    found = made(ended(), name="again", key="issue-8")

    assert ("again", "issue-8") == (found["metadata"]["name"], found["spec"]["idempotencyKey"])
    assert retried_run.is_of(found, ended())
    assert not retried_run.is_of(found, ended(uid="u-2"))
    assert not retried_run.is_of(ended(), ended())


def test_workflow_id_that_exists_already_is_left_out_and_named() -> None:
    temporal = {"workflowType": "w", "taskQueue": "q", "workflowId": "w-7"}
    run = ended({"runtime": {"type": "Temporal", "temporal": temporal}, "idempotencyKey": "k"})

    found = made(run)["spec"]["runtime"]

    assert {"workflowType": "w", "taskQueue": "q"} == found["temporal"]
    key, workflow = retried_run.left_out(run, "")
    assert "without idempotency key 'k', which belongs to the ended run" in key
    assert "without workflow id 'w-7' of the ended run" == workflow


@pytest.mark.parametrize("phase", ["Succeeded", "Failed", "Cancelled"])
def test_run_that_has_ended_may_be_made_anew(phase: str) -> None:
    retried_run.check(ended(phase=phase))


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (
            ended(phase="Running"),
            "to have ended, but it is Running: wait for it, or cancel it with",
        ),
        (ended(phase=""), "to have ended, but it is Pending"),
        (ended({"purpose": "Template"}, phase=""), "got the Template fix-login"),
    ],
)
def test_run_that_has_not_ended_may_not(run: dict[str, Any], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        retried_run.check(run)
