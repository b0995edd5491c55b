"""The steps of a storage migration, from the CRD and the state in it."""

import dataclasses
from typing import Any

import pytest

from schemagen.migrate.storage import crd, plan, state
from schemagen.migrate.storage.plan import Goal, StepName
from schemagen.migrate.storage.state import State

GOAL = Goal("v1", ("v1alpha1",))
CHECKED = State("v1alpha1", "v1", 1, is_checked=True)


def definition(
    *served: str, storage: str = "v1alpha1", stored: tuple[str, ...] = ("v1alpha1",)
) -> dict[str, Any]:
    versions = [
        {"name": name, "served": name in served, "storage": name == storage}
        for name in ("v1alpha1", "v1")
    ]
    return {
        "metadata": {"name": "widgets.example.com", "generation": 1},
        "spec": {"group": "example.com", "versions": versions},
        "status": {"storedVersions": [*stored]},
    }


def left(live: dict[str, Any], goal: Goal = GOAL) -> list[str]:
    return [step.name for step in plan.plan(live, goal).steps if not step.is_done]


def test_everything_is_left_of_a_crd_that_does_not_serve_the_version() -> None:
    assert [*StepName] == left(definition("v1alpha1"))


def test_without_versions_to_drop_the_migration_ends_with_the_stored_versions() -> None:
    steps = ["check", "switch", "rewrite", "prune"]

    assert steps == left(definition("v1alpha1", "v1"), Goal("v1"))


def test_the_last_step_may_be_chosen() -> None:
    goal = dataclasses.replace(GOAL, until=StepName.SWITCH)

    assert ["check", "switch"] == left(definition("v1alpha1", "v1"), goal)


@pytest.mark.parametrize(
    ("known", "steps"),
    [
        (CHECKED, ["switch", "rewrite", "prune"]),
        (dataclasses.replace(CHECKED, is_rewritten=True), ["switch", "prune"]),
        (dataclasses.replace(CHECKED, generation=2), ["check", "switch", "rewrite", "prune"]),
        (dataclasses.replace(CHECKED, target="v2"), ["check", "switch", "rewrite", "prune"]),
    ],
)
def test_a_state_counts_only_for_its_target_and_generation(known: State, steps: list[str]) -> None:
    live = crd.with_state(definition("v1alpha1", "v1"), known)

    assert steps == left(live, Goal("v1"))


def test_nothing_is_rewritten_if_no_other_version_is_stored() -> None:
    live = definition("v1alpha1", "v1", storage="v1", stored=("v1",))

    assert ["clean", "unserve", "remove"] == left(live)


def test_objects_are_read_in_the_version_in_which_they_are_stored_if_it_is_served() -> None:
    stored = ("v1alpha1", "v1")

    assert "v1alpha1" == plan.plan(definition("v1alpha1", "v1"), GOAL).through
    switched = definition("v1alpha1", "v1", storage="v1", stored=stored)
    assert "v1alpha1" == plan.plan(switched, GOAL).through
    unserved = definition("v1", storage="v1", stored=stored)
    assert "v1" == plan.plan(unserved, GOAL).through


def test_a_version_that_no_crd_has_is_refused_with_a_remedy() -> None:
    (refusal,) = plan.plan(definition("v1alpha1"), Goal("v2")).refusals

    assert (
        "expected version v2 in the CRD, got v1alpha1, v1: give a CRD that has it by --crds, or "
        "install one"
    ) == str(refusal)


def test_dropping_the_target_or_an_unknown_version_is_refused() -> None:
    live = definition("v1alpha1", "v1")

    (of_target,) = plan.plan(live, Goal("v1", ("v1",))).refusals
    (of_unknown,) = plan.plan(definition("v1alpha1"), Goal("v1", ("v1alhpa1",))).refusals

    assert "which is to be stored" in of_target.reason
    assert "expected --drop to be a version of the CRD, got v1alhpa1" == of_unknown.reason


def test_a_state_is_read_as_it_was_written() -> None:
    known = State("v1alpha1", "v1", 7, switched_at="12", position="x", visited=3, is_failing=True)

    assert known == state.of(crd.with_state(definition(), known))


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"origin": 1, "target": "v1"}'])
def test_a_state_that_cannot_be_read_is_none(text: str) -> None:
    live = definition()
    live["metadata"]["annotations"] = {state.ANNOTATION: text}

    assert state.of(live) is None
