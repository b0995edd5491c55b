"""Values of Secrets and ConfigMaps, and an agent's settings, reach templates and the agent."""

import asyncio
import json
import pathlib
from typing import Any

import pytest

from controllers.runs.runtimes.base import Code, RuntimeFault, Stage
from controllers.runs.runtimes.jobs import job_objects
from controllers.runs.runtimes.local import local, workspaces
from controllers.runs.work import work
from crds.admission import settings
from tests.support.run_world import agent, related, run

TEAM = {"configMapKeyRef": {"name": "team", "key": "branch"}}
TRACKER = {"secretKeyRef": {"name": "tracker", "key": "url"}}
PROVIDER: dict[str, Any] = {
    "runner": {"command": "agent-runner", "args": ["{{ inputs.branch }}", "{{ inputs.plain }}"]},
    "env": [{"name": "TRACKER", "value": "at {{ inputs.TEAM }}, {{ config.model }}"}],
    "workload": {"image": "runner"},
    "adapter": {"type": "Exec", "exec": {"binary": "/bin/true"}},
}
AGENT = agent(
    config={"model": "large"},
    env=[
        {"name": "PLAIN", "value": "given"},
        {"name": "TEAM", "valueFrom": TRACKER},
        {"name": "stage", "valueFrom": TRACKER},
    ],
)
PARAMETERS: list[dict[str, Any]] = [
    {"name": "branch", "valueFrom": TEAM},
    {"name": "plain", "value": "$(AGENT_INPUT_0) $x"},
    {"name": "stage", "value": "build"},
]


def prepared(spec: dict[str, Any] | None = None, **provider: Any) -> work.Inputs:
    body = run({"parameters": PARAMETERS, **(spec or {})})
    given = {"spec": {**PROVIDER, **provider}}
    operator = settings.Settings(pods=settings.Pods(image="runner"))
    return work.prepare(body, related(agent=AGENT, provider=given), 1, operator)


def ready(spec: dict[str, Any] | None = None, **provider: Any) -> work.Ready:
    found = prepared(spec, **provider)
    assert isinstance(found, work.Ready), found
    return found


def test_pod_gets_variables_for_values_that_nobody_else_reads() -> None:
    piece = ready().work
    job = job_objects.job("uid-1/1", piece)
    (container,) = job["spec"]["template"]["spec"]["containers"]
    config_map = job_objects.config_map("uid-1/1", piece)["data"]
    runner, read = json.loads(config_map["agent-runner.json"]), json.loads(config_map["run.json"])

    assert [
        {"name": "AGENT_INPUT_0", "valueFrom": TRACKER},
        {"name": "AGENT_INPUT_1", "valueFrom": TEAM},
    ] == container["env"][:2]
    # A kubelet fills in what the controller does not know, and nothing that a user wrote.
    assert ["$(AGENT_INPUT_1)", "$$(AGENT_INPUT_0) $$x"] == container["args"]
    assert {"name": "TRACKER", "value": "at $(AGENT_INPUT_0), large"} == container["env"][-1]
    assert ({"TEAM": "AGENT_INPUT_0", "branch": "AGENT_INPUT_1"}, {"model": "large"}) == (
        runner["inputsFrom"],
        runner["config"],
    )
    assert {"PLAIN": "given", "plain": "$(AGENT_INPUT_0) $x", "stage": "build"} == runner["inputs"]
    assert {"plain": "$(AGENT_INPUT_0) $x", "stage": "build"} == read["parameters"]
    assert {"branch": "AGENT_INPUT_1"} == read["parametersFrom"]


def test_reference_counts_as_a_parameter_and_goes_by_its_aliases() -> None:
    aliases = [{"from": "branch", "to": "trunk"}, {"from": "trunk", "to": "base"}]
    contract = {"requiredParameters": ["base"], "aliases": aliases}
    task = {"inline": {"text": "Mend it.", "contract": contract}}

    found = ready({"implementation": task})

    names = {name for name, one in found.work.runner_json["inputsFrom"].items() if one[-1] == "1"}
    assert {"branch", "trunk", "base"} == names


def test_step_has_the_references_of_its_own_parameters() -> None:
    own = {"name": "branch", "value": "main"}
    steps = [{"name": "a"}, {"name": "b", "parameters": [own]}]

    found = ready({"runtime": {"type": "Workflow", "workflow": {"steps": steps}}})

    first, second = found.work.steps
    assert ["TEAM", "branch"] == [one.name for one in first.references]
    assert ["TEAM"] == [one.name for one in second.references]
    assert "main" == second.runner_json["inputs"]["branch"]


def test_file_that_the_controller_writes_cannot_hold_what_it_does_not_know() -> None:
    files = [{"path": "/workspace/x", "content": "on {{ inputs.branch }}"}]

    with pytest.raises(RuntimeFault, match=r"got 'branch': use it in spec\.env") as caught:
        job_objects.config_map("uid-1/1", ready(files=files).work)

    assert Code.TERMINAL is caught.value.code


def test_run_that_has_no_pod_cannot_refer_to_values() -> None:
    found = prepared({"runtime": {"type": "Custom", "custom": {"endpoint": "https://x"}}})

    assert isinstance(found, work.Refused)
    message = (
        "spec.parameters[branch].valueFrom: expected value instead of valueFrom in a run of type "
        "'Custom', because only pods read Secrets and ConfigMaps"
    )
    assert ("InvalidSpec", message) == (found.reason, found.message)


async def resolve(_: str, kind: str, name: str, key: str) -> bytes | None:
    known = {"Secret/tracker/url": b"https://t", "ConfigMap/team/branch": b"release-7 \xff"}
    return known.get(f"{kind}/{name}/{key}")


async def test_agent_finds_values_that_are_elsewhere(tmp_path: pathlib.Path) -> None:
    given = {
        "binary": "/usr/bin/printf",
        "args": [
            "<%s>\n",
            "branch={{ inputs.branch }}",
            "team={{ inputs.TEAM }}",
            "plain={{ inputs.PLAIN }}",
            "config={{ config.model }}",
        ],
    }
    piece = ready(runner={"command": "agent-runner"}, adapter={"type": "Exec", "exec": given}).work
    runtime = local.Local(tmp_path, resolve=resolve, requeue_after_seconds=0.02)

    ref = await runtime.submit("uid-1/1", piece)
    progress = await runtime.status(ref)
    while not progress.stage.is_ended:
        await asyncio.sleep(0.02)
        progress = await runtime.status(ref)
    await runtime.close()

    place = workspaces.place(tmp_path, "team", ref.name)
    log = (place.workspace / ".agent/runner.log").read_text()
    assert Stage.SUCCEEDED is progress.stage, progress.message
    assert "<branch=release-7 \ufffd>\n<team=https://t>\n<plain=given>\n<config=large>\n" == log


async def test_value_that_is_not_there_is_named(tmp_path: pathlib.Path) -> None:
    lost = {"configMapKeyRef": {"name": "nobody", "key": "nothing"}}
    piece = ready({"parameters": [{"name": "branch", "valueFrom": lost}]}).work
    runtime = local.Local(tmp_path, resolve=resolve)

    with pytest.raises(RuntimeFault, match="key 'nothing' in ConfigMap team/nobody") as caught:
        await runtime.submit("uid-1/1", piece)

    assert Code.RETRYABLE is caught.value.code  # it may still come
