import json
from typing import Any

import pytest

from controllers.runner import errors, spec

EXEC = {"type": "exec", "exec": {"binary": "true"}}


def decoded(**fields: Any) -> spec.Spec:
    return spec.decode(json.dumps({"provider": "p", "adapter": EXEC, **fields}).encode(), "f.json")


def test_first_argument_goes_before_variables() -> None:
    environment = {"AGENT_RUNNER_SPEC_PATH": "/b", "AGENT_RUNNER_SPEC": "{}"}

    assert spec.Place(path="/a") == spec.locate(["/a"], environment)
    assert spec.Place(path="/b") == spec.locate([], environment)
    assert spec.Place(text="{}") == spec.locate([], environment | {"AGENT_RUNNER_SPEC_PATH": ""})


@pytest.mark.parametrize("arguments", [[], ["/a", "/b"], ["--help"]])
def test_command_line_that_names_no_spec_is_refused(arguments: list[str]) -> None:
    with pytest.raises(errors.UsageError, match=r"^expected .*, got "):
        spec.locate(arguments, {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "f.json: expected JSON, got another format: Input data was truncated"),
        ("[]", "f.json: expected object, got array"),
        ('{"inputs": {"a": ' + "[" * 100_000, "f.json: expected JSON, got another format: "),
        ("{}", "f.json: expected the field provider, got none"),
        (
            '{"provider": "p", "adapter": {}}',
            "f.json: expected the field type, got none, at adapter",
        ),
        (
            '{"provider": 1, "adapter": {"type": "exec"}}',
            "f.json: expected str, got int, at provider",
        ),
        (
            '{"provider": "", "adapter": {"type": "exec"}}',
            "f.json: expected str of length >= 1, got another value, at provider",
        ),
        (
            '{"provider": "p", "adapter": {"type": "exec", "exec": {"args": ["a", 2]}}}',
            "f.json: expected str, got int, at adapter.exec.args[1]",
        ),
        (
            '{"provider": "p", "adapter": {"type": "exec"}}',
            "f.json: expected a program, got none, at adapter.exec.binary",
        ),
        (
            '{"provider": "p", "adapter": {"type": "exec", "exec": {"binary": ""}}}',
            "f.json: expected a program, got none, at adapter.exec.binary",
        ),
        (
            '{"provider": "p", "adapter": {"type": "shell"}}',
            "f.json: expected codex-app-server or exec, got 'shell', at adapter.type",
        ),
        (
            '{"schemaVersion": "v2", "provider": "p", "adapter": {"type": "exec"}}',
            "f.json: expected agents.proompteng.ai/runner/v1, got 'v2', at schemaVersion",
        ),
        (
            '{"provider": "p", "adapter": {"type": "exec"}, "payloads": {"eventFilePath": 1}}',
            "f.json: expected str, got int, at payloads.eventFilePath",
        ),
        (
            '{"provider": "p", "adapter": {"type": "exec"}, "goal": {"tokenBudget": 0}}',
            "f.json: expected int >= 1, got another value, at goal.tokenBudget",
        ),
    ],
)
def test_wrong_spec_is_refused_with_file_place_and_what_was_expected(
    text: str, message: str
) -> None:
    with pytest.raises(errors.SpecError) as caught:
        spec.decode(text.encode(), "f.json")

    assert str(caught.value).startswith(message)


def test_bytes_that_are_no_utf8_are_refused() -> None:
    with pytest.raises(errors.SpecError, match="expected JSON"):
        spec.decode(b'{"provider": "\xff"}', "f.json")


@pytest.mark.parametrize("version", [None, "agents.proompteng.ai/runner/v1"])
def test_version_may_be_absent(version: str | None) -> None:
    assert "p" == decoded(schemaVersion=version).provider


def test_unknown_fields_are_ignored() -> None:
    known = decoded()

    assert known == decoded(adapter={**EXEC, "new": {}}, new=1, artifacts=None)


def test_words_of_v1alpha1_are_understood() -> None:
    program = {
        "binary": "true",
        "argsTemplate": ["a"],
        "envTemplate": {"A": "b"},
        "inputFiles": [{"path": "p", "content": "c"}],
    }

    command = spec.command(decoded(adapter={"type": "exec", "exec": program}))

    assert (
        spec.Command("true", ("a",), (("A", "b"),), (spec.File(path="p", content="c"),)) == command
    )


def test_variables_may_be_a_list() -> None:
    program = {"binary": "true", "env": [{"name": "A", "value": "b"}, {"name": "B"}]}

    command = spec.command(decoded(adapter={"type": "exec", "exec": program}))

    assert (("A", "b"), ("B", "")) == command.variables


def test_what_the_adapter_does_not_say_the_provider_does() -> None:
    provider = {"binary": "other", "args": ["a"], "env": {"A": "b"}}

    command = spec.command(decoded(providerSpec=provider))

    assert spec.Command("true", ("a",), (("A", "b"),), ()) == command


def test_artifact_of_the_adapter_goes_before_one_of_the_provider() -> None:
    program = {"binary": "true", "outputArtifacts": [{"name": "a", "path": "2"}, {"name": "c"}]}
    provider = {"outputArtifacts": [{"name": "a", "path": "1"}, {"name": "b"}]}

    declared = spec.artifacts(
        decoded(adapter={"type": "exec", "exec": program}, providerSpec=provider)
    )

    assert [("a", "2"), ("b", None), ("c", None)] == [(item.name, item.path) for item in declared]


def test_later_goal_counts_field_by_field() -> None:
    goals = (spec.Goal(objective="a", token_budget=1), None, spec.Goal(objective="b"))

    assert spec.Goal(objective="b", token_budget=1) == spec.goal(*goals)


def test_templates_may_name_what_the_contract_says() -> None:
    stated = decoded(
        config={"c": {"d": 3}},
        inputs={"a": 1},
        payloads={"eventFilePath": "elsewhere", "other": 2},
        observability={"traceparent": "00-ab"},
        artifacts={"logRetentionSeconds": 60},
    )

    names = spec.names(
        stated, spec.Goal(objective="o"), status_path="/s", log_path="/l", event_path="/e"
    )

    assert {
        "config": {"c": {"d": 3}},
        "inputs": {"a": 1},
        "payloads": {"eventFilePath": "/e", "other": 2},
        "observability": {"traceparent": "00-ab"},
        "artifacts": {"statusPath": "/s", "logPath": "/l", "logRetentionSeconds": 60},
        "goal": {"objective": "o"},
    } == names


def test_run_of_which_the_runner_needs_nothing_is_taken() -> None:
    text = b'{"provider": "p", "goal": null, "issueNumber": 4, "memory": null, "prompt": "do"}'

    assert spec.Run(prompt="do") == spec.decode_run(text, "run.json")


def test_inputs_may_be_in_variables() -> None:
    stated = decoded(inputs={"a": 1}, inputsFrom={"a": "AGENT_INPUT_0", "b": "AGENT_INPUT_1"})
    environment = {"AGENT_INPUT_0": "x", "AGENT_INPUT_1": "caf\udce9"}

    found = spec.with_variables(stated, environment, "agent-runner.json")

    assert {"a": "x", "b": "caf\ufffd"} == found.inputs


def test_variable_that_is_not_there_is_named() -> None:
    stated = decoded(inputsFrom={"b": "AGENT_INPUT_1"})

    with pytest.raises(errors.SpecError) as caught:
        spec.with_variables(stated, {}, "agent-runner.json")

    assert (
        "agent-runner.json: expected the variable 'AGENT_INPUT_1', got none, at inputsFrom.b"
        == str(caught.value)
    )
