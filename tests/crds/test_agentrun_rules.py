"""What no schema can say of a run: size, changes after acceptance, labels, images, secrets."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

import crds
from crds.admission import agentrun, policy
from schemagen import Facts
from schemagen.problems import JSON
from schemagen.schema import structural
from schemagen.versions.converter import Converter
from webhooks.review import admission, reviews, verdicts

SETTINGS = {
    "policy": {
        "labels": {"required": ["team"], "denied": ["internal/*"], "allowed": ["team", "app/*"]},
        "images": {"denied": ["*:latest"], "allowed": ["registry.example.com/*"]},
        "secrets": {"denied": ["root"]},
    }
}
AGENT = {
    "spec": {
        "policy": {
            "secrets": {"mode": "AllowListed", "allowed": ["github", "registry"]},
            "serviceAccounts": {"mode": "AllowListed", "allowed": ["runner"]},
        }
    }
}
DENY_ALL = {"spec": {"policy": {"secrets": {"mode": "AllowListed", "allowed": []}}}}
UNREADABLE = {"spec": {"policy": "odd"}}


def run(spec: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    given = {"agentRef": {"name": "codex"}, "runtime": {"type": "Job"}} | (spec or {})
    metadata = {"name": "one", "labels": {"team": "a"}}
    return {
        "apiVersion": "agents.proompteng.ai/v1beta1",
        "kind": "AgentRun",
        "metadata": metadata,
        "spec": given,
    } | more


def problems(value: JSON, old: JSON = None, **facts: Any) -> list[tuple[str, str, str]]:
    given = Facts(**facts)
    found = agentrun.validate(value, old, given)
    return [(str(one.path), one.reason.value, one.message) for one in found]


def test_labels_are_required_denied_and_allowed() -> None:
    labels = {"app/name": "x", "internal/x": "y", "other": "z"}

    assert [
        ("metadata.labels[team]", "FieldValueRequired", "expected this label on every run"),
        (
            "metadata.labels[internal/x]",
            "FieldValueForbidden",
            "expected a label that is allowed, got one which 'internal/*' denies",
        ),
        (
            "metadata.labels[other]",
            "FieldValueForbidden",
            "expected a label that is allowed, got one which no pattern allows",
        ),
    ] == problems(run(metadata={"name": "one", "labels": labels}), settings=SETTINGS)


def test_images_of_the_run_and_of_each_step() -> None:
    steps = [
        {"name": "build", "workload": {"image": "registry.example.com/a:1"}},
        {"name": "ship", "workload": {"image": "docker.io/b:1"}},
    ]
    value = run(
        {
            "workload": {"image": "registry.example.com/a:latest"},
            "runtime": {"type": "Workflow", "workflow": {"steps": steps}},
        }
    )

    denied = "expected an image that is allowed, got 'registry.example.com/a:latest', which"
    foreign = "expected an image that is allowed, got 'docker.io/b:1', which no pattern allows"
    step = "spec.runtime.workflow.steps[ship].workload.image"
    assert [
        (step, "FieldValueForbidden", foreign),
        ("spec.workload.image", "FieldValueForbidden", f"{denied} '*:latest' denies"),
    ] == problems(value, settings=SETTINGS)


def test_question_marks_and_brackets_are_plain_text() -> None:
    rules = {"policy": {"images": {"denied": ["a?[b]*"]}}}

    assert 1 == len(problems(run({"workload": {"image": "a?[b]:1"}}), settings=rules))
    assert [] == problems(run({"workload": {"image": "axb:1"}}), settings=rules)


SECRET_PLACES = [
    {"secretRefs": [{"name": "X"}]},
    {"parameters": [{"name": "a", "valueFrom": {"secretKeyRef": {"name": "X", "key": "k"}}}]},
    {"workload": {"volumes": [{"name": "v", "mountPath": "/v", "secret": {"secretName": "X"}}]}},
    {"runtime": {"type": "Job", "podTemplate": {"imagePullSecrets": [{"name": "X"}]}}},
    {"runtime": {"type": "Job", "extraConfig": {"imagePullSecrets": ["X"]}}},
    {"runtime": {"type": "Job", "extraConfig": {"secretRef": {"name": "X"}}}},
    {
        "runtime": {
            "type": "Workflow",
            "workflow": {
                "steps": [
                    {
                        "name": "one",
                        "parameters": [
                            {"name": "a", "valueFrom": {"secretKeyRef": {"name": "X", "key": "k"}}}
                        ],
                    }
                ]
            },
        }
    },
]


@pytest.mark.parametrize("spec", SECRET_PLACES, ids=range(len(SECRET_PLACES)))
@pytest.mark.parametrize(
    ("name", "agent", "count"),
    [
        ("root", {}, 1),
        ("github", AGENT, 0),
        ("other", AGENT, 1),
        ("github", DENY_ALL, 1),
        ("github", UNREADABLE, 1),
    ],
)
def test_a_secret_is_found_wherever_it_may_be_named(
    spec: dict[str, Any], name: str, agent: Any, count: int
) -> None:
    value = run(_named(spec, name))

    found = problems(value, settings=SETTINGS, related={("Agent", "codex"): agent})

    assert count == len([one for one in found if "secret" in one[2]])


def _named(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return {key: _named(one, name) for key, one in value.items()}
    if isinstance(value, list):
        return [_named(one, name) for one in value]
    return name if value == "X" else value


def _secret_fields(schema: structural.Schema, path: tuple[str, ...] = ()) -> Iterator[Any]:
    """Places of a schema whose description or name speaks of a secret's name."""
    for name, child in schema.get("properties", {}).items():
        yield from _secret_fields(child, (*path, name))
    if "items" in schema:
        yield from _secret_fields(schema["items"], (*path, "[]"))
    if schema.get("type") == "string" and any("secret" in step.lower() for step in path):
        yield path


def _built(path: tuple[str, ...]) -> Any:
    if not path:
        return "planted"
    step, *rest = path
    return [_built(tuple(rest))] if step == "[]" else {step: _built(tuple(rest))}


def test_no_field_of_the_schema_that_names_a_secret_is_forgotten() -> None:
    (kind,) = (one for one in crds.api if one.name == "AgentRun")
    schema = structural.schema_of(kind.hub.model)["properties"]["spec"]
    paths = {path for path in _secret_fields(schema) if path[-1] != "key"}

    assert paths
    for path in paths:
        assert ["planted"] == [name for _, name in policy.secrets(_built(path))], path


def test_service_accounts_of_the_pod() -> None:
    spec = {"runtime": {"type": "Job", "podTemplate": {"serviceAccountName": "admin"}}}

    assert [
        (
            "spec.runtime.podTemplate.serviceAccountName",
            "FieldValueForbidden",
            "expected a service account that the agent allows, got 'admin'",
        )
    ] == problems(run(spec), related={("Agent", "codex"): AGENT})


@pytest.mark.parametrize(
    ("status", "is_accepted"),
    [
        (None, False),
        ({"phase": "Pending"}, False),
        ({"phase": "Template"}, False),
        ({"phase": "Starting"}, True),
        ({"phase": "Running"}, True),
        ({"phase": "Unknown", "phaseDetail": "x"}, True),
        ({"phase": "Pending", "conditions": [{"type": "Accepted", "status": "True"}]}, True),
        ({"phase": "Pending", "conditions": [{"type": "Accepted", "status": "False"}]}, False),
        ({"conditions": "odd"}, False),
        ("odd", False),
    ],
)
def test_inputs_of_an_accepted_run_stay(status: Any, is_accepted: bool) -> None:  # noqa: FBT001
    old = run({"priority": 1, "goal": {"objective": "a"}}, status=status)
    new = run({"priority": 2, "cancel": True, "goal": {"objective": "b"}})

    found = problems(new, old)

    expected = [("spec.goal", "FieldValueForbidden")] if is_accepted else []
    assert expected == [(path, reason) for path, reason, _ in found]


def test_a_large_spec_names_its_largest_field() -> None:
    value = run({"goal": {"objective": "x" * 2000}, "workload": {"image": "y" * 1_100_000}})

    ((path, reason, message),) = problems(value)

    assert ("spec", "FieldValueTooLong") == (path, reason)
    assert "the largest field is workload with 1100012" in message


@pytest.mark.parametrize("spec", [None, [], "x", {"workload": 1, "secretRefs": {"a": None}}])
def test_odd_objects_have_no_problems_and_raise_nothing(spec: Any) -> None:
    value = {"kind": "AgentRun", "metadata": {"labels": {"team": "x"}}, "spec": spec}

    assert [] == problems(value, value, settings=SETTINGS, related={("Agent", ""): AGENT})


def test_a_problem_stands_where_the_user_wrote_the_field() -> None:
    value = {
        "apiVersion": "agents.proompteng.ai/v1alpha1",
        "kind": "AgentRun",
        "metadata": {"name": "one", "labels": {"team": "a"}},
        "spec": {
            "agentRef": {"name": "codex"},
            "implementationSpecRef": {"name": "x"},
            "runtime": {"type": "job", "config": {"serviceAccount": "admin"}},
            "secrets": ["github", "root"],
        },
    }
    review = {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "1",
            "kind": {"group": "agents.proompteng.ai", "version": "v1alpha1", "kind": "AgentRun"},
            "operation": "CREATE",
            "object": value,
        },
    }
    request = reviews.admission_request(json.dumps(review).encode())
    facts = Facts(settings=SETTINGS, related={("Agent", "codex"): AGENT})

    answer = verdicts.review_of(
        admission.decide(admission.validate, Converter(crds.api), request, facts)
    )

    assert {"spec.secrets[1]", "spec.runtime.config.serviceAccountName"} == {
        cause["field"] for cause in answer["response"]["status"]["details"]["causes"]
    }


CLAIM = {
    "metadata": {
        "ownerReferences": [
            {
                "apiVersion": "agents.proompteng.ai/v1beta1",
                "kind": "AgentRun",
                "name": "first",
                "uid": "uid-first",
            }
        ]
    }
}


@pytest.mark.parametrize(
    ("holder", "is_refused"),
    [
        ({"metadata": {"uid": "uid-first"}}, True),
        ({"metadata": {"uid": "of one made anew"}}, False),
        (None, False),
    ],
    ids=["is there", "another of its name", "gone"],
)
def test_key_is_free_once_the_run_that_claimed_it_is_gone(
    *, holder: JSON, is_refused: bool
) -> None:
    value = run({"idempotencyKey": "deploy-1"})
    value["metadata"]["namespace"] = "team"
    known = dict.fromkeys(agentrun.related(value)) | {("Agent", "codex"): AGENT}
    (claim,) = (name for name in known if name[0] == "Lease")
    known[claim] = CLAIM

    further = [*agentrun.related_further(value, known)]
    found = problems(value, related={**known, ("AgentRun", "first"): holder})

    assert [("AgentRun", "first")] == further
    assert is_refused == any(reason == "FieldValueDuplicate" for _, reason, _ in found)


def test_labels_of_jobs_are_allowed_by_a_policy_of_their_own() -> None:
    runtime = {
        "type": "Job",
        "labels": {"kueue.x-k8s.io/queue-name": "q", "agents.proompteng.ai/step": "x"},
        "annotations": {"cost-center": "7", "sidecar.istio.io/inject": "true"},
    }
    denied = {"policy": {"podLabels": {"denied": ["kueue.x-k8s.io/*"]}}}

    by_default = problems(run({"runtime": runtime}))
    refused = problems(run({"runtime": runtime}), settings=denied)

    assert [
        "spec.runtime.labels[agents.proompteng.ai/step]",
        "spec.runtime.annotations[sidecar.istio.io/inject]",
    ] == [path for path, _, _ in by_default]
    assert "spec.runtime.labels[kueue.x-k8s.io/queue-name]" in [path for path, _, _ in refused]
