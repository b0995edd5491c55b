"""Command-line settings of runtimes become typed fields."""

from typing import Any

import pytest

from controllers.agentctl.exits import CommandError
from controllers.agentctl.run import runtime_options
from controllers.agentctl.run.request import RuntimeType
from crds import hub


def runtime(kind: RuntimeType, **settings: str) -> dict[str, Any]:
    named = [(key.replace("__", "."), value) for key, value in settings.items()]
    return dict(runtime_options.runtime(kind, named))


def pods(**fields: Any) -> dict[str, Any]:
    return {"podTemplate": fields}


@pytest.mark.parametrize(
    ("key", "text", "expected"),
    [
        ("jobTTL", "1h30m", {"jobTTL": "1h30m"}),
        ("backoffLimit", "3", {"backoffLimit": 3}),
        ("ttlSecondsAfterFinished", "600", {"jobTTL": "10m"}),
        ("ttlSecondsAfterFinished", "0", {"jobTTL": "0s"}),
        ("logRetentionSeconds", "604800", {"logRetention": "168h"}),
        ("serviceAccountName", "runner", pods(serviceAccountName="runner")),
        ("serviceAccount", "runner", pods(serviceAccountName="runner")),
        ("podTemplate.schedulerName", "mine", pods(schedulerName="mine")),
        (
            "nodeSelector.kubernetes.io/os",
            "linux",
            pods(nodeSelector={"kubernetes.io/os": "linux"}),
        ),
        ("nodeSelector", "{disk: ssd}", pods(nodeSelector={"disk": "ssd"})),
        ("imagePullSecrets", "one, two", pods(imagePullSecrets=[{"name": "one"}, {"name": "two"}])),
        ("imagePullSecrets", '[{"name": "one"}]', pods(imagePullSecrets=[{"name": "one"}])),
        ("tolerations", "[{operator: Exists}]", pods(tolerations=[{"operator": "Exists"}])),
        ("podSecurityContext.runAsNonRoot", "True", pods(securityContext={"runAsNonRoot": True})),
        ("podSecurityContext.runAsUser", "1000", pods(securityContext={"runAsUser": 1000})),
        ("resources.limits.cpu", "2", pods(resources={"limits": {"cpu": "2"}})),
        ("extraConfig.colour", "red", {"extraConfig": {"colour": "red"}}),
        ("extraConfig", "{a: {b.c: 1}}", {"extraConfig": {"a": {"b.c": 1}}}),
        ("colour", "3", {"extraConfig": {"colour": "3"}}),
        ("colour.of.house", "red", {"extraConfig": {"colour.of.house": "red"}}),
        # Of other runtimes.
        ("endpoint", "https://x", {"extraConfig": {"endpoint": "https://x"}}),
        ("type", "Custom", {"extraConfig": {"type": "Custom"}}),
    ],
)
def test_setting_is_put_where_it_belongs(key: str, text: str, expected: dict[str, Any]) -> None:
    found = runtime_options.runtime("job", [(key, text)])

    assert {"type": "Job", **expected} == found
    hub.agentrun.Runtime.model_validate(found)


def test_settings_of_one_part_come_together() -> None:
    found = runtime(
        "job", serviceAccountName="a", nodeSelector__x="1", nodeSelector__y="2", x="a", y="b"
    )

    pods = {"serviceAccountName": "a", "nodeSelector": {"x": "1", "y": "2"}}
    assert {"type": "Job", "podTemplate": pods, "extraConfig": {"x": "a", "y": "b"}} == found


def test_own_settings_of_a_runtime_go_into_its_part() -> None:
    temporal = runtime(
        "temporal", workflowType="Fix", taskQueue="q", namespace="n", timeouts__execution="1h"
    )
    custom = runtime("custom", endpoint="https://x", payload='{"a": [1]}')
    workflow = runtime("workflow", parallelism="2", steps="[{name: a}, {name: b}]")

    timeouts = {"execution": "1h"}
    assert {
        "workflowType": "Fix",
        "taskQueue": "q",
        "namespace": "n",
        "timeouts": timeouts,
    } == temporal["temporal"]
    assert {"endpoint": "https://x", "payload": {"a": [1]}} == custom["custom"]
    assert {"parallelism": 2, "steps": [{"name": "a"}, {"name": "b"}]} == workflow["workflow"]
    for one in (temporal, custom, workflow):
        hub.agentrun.Runtime.model_validate(one)


@pytest.mark.parametrize(
    ("key", "text", "words"),
    [
        ("backoffLimit", "many", "a whole number for --runtime-config backoffLimit, got 'many'"),
        ("ttlSecondsAfterFinished", "-1", "a number of seconds, 0 or more"),
        ("ttlSecondsAfterFinished", "10m", "a whole number"),
        ("podSecurityContext.runAsNonRoot", "maybe", "true or false"),
        ("tolerations", "all", "a list such as"),
        ("nodeSelector", "disk", "a mapping such as"),
        ("affinity", "{unclosed", "YAML or JSON"),
        ("podTemplate.sheduler", "x", "schedulerName"),
        ("workflow.parallelism.x", "1", "with one of no field of workflow.parallelism"),
    ],
)
def test_setting_that_cannot_be_is_refused(key: str, text: str, words: str) -> None:
    with pytest.raises(CommandError) as caught:
        runtime_options.runtime("job", [(key, text)])

    assert words in str(caught.value)
    assert str(caught.value).startswith("expected ")


@pytest.mark.parametrize(
    "keys",
    [
        ("jobTTL", "jobTTL"),
        ("ttlSecondsAfterFinished", "jobTTL"),
        ("nodeSelector", "nodeSelector.a"),
        ("serviceAccount", "podTemplate.serviceAccountName"),
    ],
)
def test_setting_that_is_given_twice_is_refused(keys: tuple[str, str]) -> None:
    values = {"nodeSelector": "{a: b}"}

    with pytest.raises(CommandError, match="once, got it twice"):
        runtime_options.runtime("job", [(key, values.get(key, "1")) for key in keys])
