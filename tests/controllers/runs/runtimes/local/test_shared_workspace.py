"""Steps share a workspace only if the run requests one."""

import asyncio
import pathlib
from typing import Any

import pytest

from controllers import kube
from controllers.runs.runtimes.base import Code, Progress, RuntimeFault, Stage, Work
from controllers.runs.runtimes.jobs import job_objects
from controllers.runs.runtimes.local import launch, local, workspaces
from controllers.runs.runtimes.workflow.workflow import WorkflowRuntime
from controllers.runs.work import work
from crds.admission import agentrun, settings
from schemagen import Facts
from tests.support.run_world import related, run

CLAIM: dict[str, Any] = {"persistentVolumeClaim": {"claimName": "shop"}}
OPERATOR = settings.Settings(pods=settings.Pods(image="runner"))
SCRIPT = {
    "type": "Exec",
    "exec": {"binary": "/bin/sh", "args": ["-c", 'eval "$1"', "sh", "{{ inputs.do }}"]},
}
ARTIFACT = [{"name": "result", "path": "out.txt"}]


def spec(workspace: Any, *scripts: str, parallelism: int = 1, **more: Any) -> dict[str, Any]:
    steps = [
        {"name": f"s{at}", "parameters": [{"name": "do", "value": one}]}
        for at, one in enumerate(scripts)
    ]
    given = {"steps": steps, "parallelism": parallelism}
    given |= {"workspace": workspace} if workspace else {}
    return {"runtime": {"type": "Workflow", "workflow": given}, **more}


def prepared(body: dict[str, Any], **provider: Any) -> Work:
    given = {"runner": {"command": "agent-runner"}, "adapter": SCRIPT, **provider}
    found = work.prepare(run(body), related(provider={"spec": given}), 1, OPERATOR)
    assert isinstance(found, work.Ready), found
    return found.work


def mounts(piece: Work) -> list[tuple[str, str | None, str]]:
    """Return path, directory and kind of all volumes in a workspace except files."""
    pod = job_objects.job("uid-1/1/0.1.1", piece)["spec"]["template"]["spec"]
    kinds = {one["name"]: next(iter(one.keys() - {"name"})) for one in pod["volumes"]}
    return [
        (one["mountPath"], one.get("subPath"), kinds[one["name"]])
        for one in pod["containers"][0]["volumeMounts"]
        if kinds[one["name"]] != "configMap"
    ]


def test_pod_of_a_step_has_an_empty_workspace_of_its_own() -> None:
    (step,) = prepared(spec(None, "true")).steps

    assert [
        ("/workspace", None, "emptyDir"),
        ("/workspace/.agent", ".agent", "emptyDir"),
    ] == mounts(step)


@pytest.mark.parametrize(("chosen", "folder"), [({}, "uid-1-1"), ({"subPath": "team/a"}, "team/a")])
def test_pod_of_a_step_has_a_folder_of_the_claim_and_its_own_files_apart(
    chosen: dict[str, str], folder: str
) -> None:
    (step,) = prepared(spec({**CLAIM, **chosen}, "true")).steps

    assert [
        ("/workspace", folder, "persistentVolumeClaim"),
        ("/workspace/.agent", ".agent", "emptyDir"),
        ("/workspace/.agentrun", ".agentrun", "emptyDir"),
    ] == mounts(step)


def test_claim_that_is_not_allowed_is_refused_where_the_run_names_it() -> None:
    operator = {"policy": {"persistentVolumeClaims": {"allowed": ["cache"]}}}

    found = agentrun.validate(run(spec(CLAIM, "true")), None, Facts(settings=operator))

    (problem,) = found
    assert "spec.runtime.workflow.workspace.persistentVolumeClaim.claimName" == str(problem.path)
    assert "which no pattern allows" in problem.message


def test_persistent_state_of_a_loop_may_be_in_the_workspace() -> None:
    body = spec(CLAIM, "true")
    body["runtime"]["workflow"]["steps"][0]["loop"] = {
        "maxIterations": 2,
        "state": {"persistent": True},
    }

    assert [] == [*agentrun.validate(run(body), None, Facts())]


async def carried_out(root: pathlib.Path, piece: Work) -> tuple[Progress, list[str]]:
    """Execute a workflow locally with the agent-runner; return its end, and its steps' logs."""
    inner = local.Local(root, requeue_after_seconds=0.02)
    runtime = WorkflowRuntime(inner, now=kube.utc_now)
    ref = await runtime.submit("uid-1/1", piece)
    async with asyncio.timeout(120):
        while True:
            progress = await runtime.status(ref)
            ref = progress.ref or ref
            if progress.stage.is_ended:
                break
            await asyncio.sleep(0.02)
    await inner.close()
    assert progress.workflow is not None
    names = [one["jobRef"]["name"] for one in progress.workflow["steps"]]
    folders = [workspaces.place(root, "team", name).workspace for name in names]
    return progress, [(one / ".agent/runner.log").read_text() for one in folders]


async def test_steps_on_this_machine_share_a_folder(tmp_path: pathlib.Path) -> None:
    piece = prepared(
        spec(CLAIM, "echo made > out.txt; pwd", "cat out.txt in.txt; echo again >> out.txt"),
        outputArtifacts=ARTIFACT,
        files=[{"path": "/workspace/in.txt", "content": "for {{ inputs.do }}\n"}],
    )

    progress, logs = await carried_out(tmp_path, piece)

    folder = tmp_path / "team/claims/shop/uid-1-1"
    assert Stage.SUCCEEDED is progress.stage, progress.message
    assert [
        f"{folder}\n",
        "made\nfor cat out.txt in.txt; echo again >> out.txt\n",
    ] == logs
    assert "made\nagain\n" == (folder / "out.txt").read_text()
    assert ["s0/result", "s1/result"] == [one["name"] for one in progress.artifacts]
    # What is a step's own is no other step's.
    assert {"in.txt", "out.txt", ".agentrun"} == {one.name for one in folder.iterdir()}


async def test_steps_side_by_side_have_files_of_their_own(tmp_path: pathlib.Path) -> None:
    scripts = [
        f"touch {mine}; until test -e {other}; do sleep 0.02; done; "
        'grep -o \'"step":".."\' $AGENT_RUN_SPEC'
        for mine, other in (("a", "b"), ("b", "a"))
    ]

    progress, logs = await carried_out(tmp_path, prepared(spec(CLAIM, *scripts, parallelism=2)))

    assert Stage.SUCCEEDED is progress.stage, progress.message
    assert ['"step":"s0"\n', '"step":"s1"\n'] == logs


async def test_step_on_this_machine_finds_nothing_of_another(tmp_path: pathlib.Path) -> None:
    progress, logs = await carried_out(tmp_path, prepared(spec(None, "touch x", "ls")))

    assert (Stage.SUCCEEDED, "agent-runner.json\nrun.json\n") == (progress.stage, logs[1])


async def test_volume_in_a_folder_that_others_share_is_refused(tmp_path: pathlib.Path) -> None:
    volume = {"name": "v", "mountPath": "/workspace/v", "emptyDir": {}}
    piece = prepared(spec(CLAIM, "true", workload={"volumes": [volume]}))

    with pytest.raises(RuntimeFault, match="volumes outside /workspace") as caught:
        await carried_out(tmp_path, piece)

    assert Code.TERMINAL is caught.value.code


async def test_what_a_step_left_running_in_a_shared_folder_is_ended(
    tmp_path: pathlib.Path,
) -> None:
    left = "setsid sleep 600 > /dev/null 2>&1 & echo $! > pid"

    progress, _ = await carried_out(tmp_path, prepared(spec(CLAIM, left, "true")))

    pid = int((tmp_path / "team/claims/shop/uid-1-1/pid").read_text())
    assert (Stage.SUCCEEDED, None) == (progress.stage, launch.stamp(pid))
