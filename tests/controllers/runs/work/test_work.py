"""The work of a run, and what blocks it."""

from typing import Any

import pytest

from controllers.runs.api_constants import Reason
from controllers.runs.retries import Backoff
from controllers.runs.work import work
from crds.admission import settings
from tests.support.run_world import agent, related, run


def prepared(spec: dict[str, Any] | None = None, **changes: Any) -> work.Inputs:
    return work.prepare(run(spec), related(**changes), 1)


def ready(spec: dict[str, Any] | None = None, **changes: Any) -> work.Ready:
    found = prepared(spec, **changes)
    assert isinstance(found, work.Ready), found
    return found


def parameters(**values: str) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in values.items()]


ISSUE = {
    "text": "The button does nothing.",
    "summary": "Mend the button",
    "source": {"provider": "GitHub", "externalId": "example/shop#12", "url": "https://x/12"},
}


@pytest.mark.parametrize(
    ("spec", "missing", "reason"),
    [
        ({}, {"agent": None}, Reason.MISSING_AGENT),
        ({}, {"provider": None}, Reason.MISSING_PROVIDER),
        ({"implementation": {"specRef": {"name": "x"}}}, {}, Reason.MISSING_IMPLEMENTATION),
        ({"memoryRef": {"name": "x"}}, {}, Reason.MISSING_MEMORY),
        ({}, {"agent": agent(memoryRef={"name": "x"})}, Reason.MISSING_MEMORY),
    ],
)
def test_what_is_missing_may_still_come(
    spec: dict[str, Any], missing: dict[str, Any], reason: Reason
) -> None:
    found = prepared(spec, **missing)

    assert isinstance(found, work.Waiting)
    assert reason is found.reason


@pytest.mark.parametrize(
    ("spec", "policy", "reason"),
    [
        (
            {"secretRefs": [{"name": "root"}]},
            {"secrets": {"mode": "AllowListed", "allowed": ["github"]}},
            Reason.SECRET_NOT_ALLOWED,
        ),
        (
            {"runtime": {"type": "Job", "podTemplate": {"serviceAccountName": "admin"}}},
            {"serviceAccounts": {"mode": "AllowListed", "allowed": []}},
            Reason.SERVICE_ACCOUNT_NOT_ALLOWED,
        ),
        (
            {"implementation": {"inline": ISSUE}},
            {"sourceProviders": {"mode": "AllowListed", "allowed": ["Linear"]}},
            Reason.SOURCE_NOT_ALLOWED,
        ),
    ],
)
def test_what_the_agent_does_not_allow_never_starts(
    spec: dict[str, Any], policy: dict[str, Any], reason: Reason
) -> None:
    found = prepared(spec, agent=agent(policy=policy))

    assert isinstance(found, work.Refused)
    assert reason is found.reason


def test_what_the_operator_does_not_allow_never_starts() -> None:
    given = settings.read({"policy": {"images": {"denied": ["*:latest"]}}})

    found = work.prepare(run({"workload": {"image": "runner:latest"}}), related(), 1, given)

    assert isinstance(found, work.Refused)
    assert Reason.IMAGE_NOT_ALLOWED is found.reason
    assert "spec.workload.image" in found.message


def test_run_json_says_what_the_source_and_the_aliases_say() -> None:
    found = ready(
        {
            "implementation": {"inline": ISSUE},
            "parameters": parameters(baseBranch="main", issueTitle="Given"),
        }
    )

    read = found.work.run_json
    assert {
        "repository": "example/shop",
        "issueNumber": "12",
        "issueTitle": "Given",
        "issueUrl": "https://x/12",
        "base": "main",
        "prompt": "The button does nothing.",
    } == {
        name: read[name]
        for name in ("repository", "issueNumber", "issueTitle", "issueUrl", "base", "prompt")
    }
    assert {"name": "fix", "uid": "uid-1", "namespace": "team"} == read["agentRun"]


def test_parameters_that_the_implementation_needs_count_after_its_aliases() -> None:
    contract = {
        "requiredParameters": ["repository"],
        "aliases": [{"from": "r", "to": "repository"}],
    }
    task = {"text": "Mend it.", "contract": contract}
    spec = {"implementation": {"inline": task}}

    lacking = prepared(spec)
    given = ready({**spec, "parameters": parameters(r="example/shop")})

    assert isinstance(lacking, work.Refused)
    assert (Reason.MISSING_REQUIRED_METADATA, ("repository",)) == (lacking.reason, lacking.missing)
    assert ("repository",) == given.required


def test_retries_and_pauses_are_the_agents() -> None:
    backoff = {"base": "10s", "max": "2m", "jitterPercent": 10}
    defaults = {"timeout": "1h30m", "retry": {"limit": 2, "backoff": backoff}}

    found = ready(agent=agent(runDefaults=defaults))

    assert (2, Backoff(10, 120, 0.1), 5400) == (
        found.retries,
        found.backoff,
        found.work.timeout_seconds,
    )


def test_agent_without_limits_has_none() -> None:
    found = ready(agent=agent(runDefaults={"timeout": "0s"}))

    assert (0, Backoff(), None) == (found.retries, found.backoff, found.work.timeout_seconds)


@pytest.mark.parametrize(
    ("runtime", "given", "expected"),
    [
        ("Job", None, 3600),
        ("Workflow", "90s", 90),
        ("Job", "0s", None),
        ("Temporal", "90s", None),
    ],
)
def test_time_to_start_is_the_agents_or_the_operators_and_for_pods_only(
    runtime: str, given: str | None, expected: int | None
) -> None:
    defaults = {} if given is None else {"startTimeout": given}

    found = ready({"runtime": {"type": runtime}}, agent=agent(runDefaults=defaults))

    assert expected == found.work.start_timeout_seconds


def test_hash_covers_what_may_not_change_and_nothing_else() -> None:
    first = work.spec_hash(run())

    assert first == work.spec_hash(run({"priority": 7, "cancel": True, "suspend": True}))
    assert first != work.spec_hash(run({"parameters": parameters(base="main")}))


def test_step_has_its_own_settings_and_the_runs_where_it_has_none() -> None:
    steps = [
        {"name": "implement"},
        {
            "name": "review",
            "implementation": {"specRef": {"name": "review"}},
            "parameters": parameters(stage="review"),
        },
    ]
    found = ready(
        {
            "runtime": {"type": "Workflow", "workflow": {"steps": steps}},
            "parameters": parameters(base="main", stage="implement"),
        },
        implementations={"review": {"spec": {"text": "Look at it."}}},
    )

    first, second = found.work.steps
    assert ("implement", "Mend it.", "implement") == (
        first.step,
        first.run_json["prompt"],
        first.run_json["stage"],
    )
    assert ("review", "Look at it.", "review", "main") == (
        second.step,
        second.run_json["prompt"],
        second.run_json["stage"],
        second.run_json["base"],
    )


def test_step_whose_implementation_is_missing_is_waited_for() -> None:
    steps = [{"name": "review", "implementation": {"specRef": {"name": "review"}}}]

    found = prepared({"runtime": {"type": "Workflow", "workflow": {"steps": steps}}})

    assert isinstance(found, work.Waiting)
    assert "'review'" in found.message
