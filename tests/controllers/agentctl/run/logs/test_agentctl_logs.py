"""Selected logs are printed, each line once, across disconnects and odd workspaces."""

import os
import pathlib
from typing import Any

import pytest
import typer.testing

from controllers.agentctl.exits import CommandError, Exit
from controllers.agentctl.run import commands
from controllers.agentctl.run.logs import logs, pod_logs, workspace_logs
from controllers.agentctl.run.logs.pod_logs import Cursor, LogSelection, Pod
from controllers.agentctl.run.logs.workspace_logs import Workspaces
from controllers.runs import naming, projections

UID = "0d2f"


def run(**status: Any) -> projections.Run:
    metadata = {"name": "fix", "namespace": "team", "uid": UID}
    return projections.of(projections.Run, {"metadata": metadata, "status": status})


def pod(name: str = "p", phase: str = "Running", created: str = "", **labels: str) -> Pod:
    metadata = {
        "name": name,
        "namespace": "team",
        "creationTimestamp": created,
        "labels": labels,
    }
    return projections.of(Pod, {"metadata": metadata, "status": {"phase": phase}})


def test_request_is_for_the_runners_container() -> None:
    plain = pod_logs.request(pod())
    followed = pod_logs.request(pod(), follows=True, is_timed=True, since="2026-01-02T03:04:05Z")

    assert "/api/v1/namespaces/team/pods/p/log?container=agent-runner" == plain.target
    assert (
        "/api/v1/namespaces/team/pods/p/log?container=agent-runner&follow=true&timestamps=true"
        "&sinceTime=2026-01-02T03%3A04%3A05Z"
    ) == followed.target


def test_pods_are_in_the_order_in_which_they_were_made() -> None:
    found = pod_logs.in_order([pod("b", created="2"), pod("c", created="1"), pod("a", created="2")])

    assert ["c", "a", "b"] == [one.metadata.name for one in found]


def test_attempt_is_known_by_the_jobs_name_or_key() -> None:
    second = {"metadata": {"annotations": {naming.KEY_ANNOTATION: f"{UID}/2/0.1.1"}}}

    assert {naming.of_key(f"{UID}/1"): 1, naming.of_key(f"{UID}/2"): 2} == pod_logs.attempt_by_job(
        run(attempt=2)
    )
    assert 2 == pod_logs.attempt_of(second)
    assert pod_logs.attempt_of({"metadata": {}}) is None


def test_lines_that_come_again_after_a_break_are_shown_once() -> None:
    first = [
        b"2026-01-02T03:04:05.000000001Z a",
        b"2026-01-02T03:04:05.000000002Z b",
        b"2026-01-02T03:04:05.000000002Z b",
    ]
    more = [b"2026-01-02T03:04:05.000000002Z b", b"2026-01-02T03:04:06.000000000Z "]
    cursor = Cursor()

    shown = [cursor.take(line) for line in first]
    since = cursor.resume()
    again = [cursor.take(line) for line in (*first, *more)]

    assert [b"a", b"b", b"b"] == shown
    assert "2026-01-02T03:04:05Z" == since
    assert [None, None, None, b"b", b""] == again


def test_log_that_was_not_begun_is_read_from_its_beginning() -> None:
    assert "" == Cursor().resume()


def test_line_without_a_timestamp_is_shown_as_it_is() -> None:
    assert b"unable to retrieve container logs" == Cursor().take(
        b"unable to retrieve container logs"
    )


@pytest.mark.parametrize(
    ("text", "step", "expected"),
    [
        (b"a\nb\n", "", b"a\nb\n"),
        (b"a\nb", "", b"a\nb\n"),
        (b"a\n\nb", "build", b"[build] a\n[build] \n[build] b\n"),
        (b"", "build", b""),
        (b"a\rb\n", "s", b"[s] a\rb\n"),
    ],
)
def test_lines_say_their_step(text: bytes, step: str, expected: bytes) -> None:
    assert expected == pod_logs.prefixed(text, step)


def test_what_is_known_of_a_run_without_logs() -> None:
    status = {
        "phase": "Failed",
        "reason": "RunnerFailed",
        "message": "It broke.",
        "runner": {"status": "Failed", "exitCode": 3, "provider": "codex"},
        "artifacts": [{"name": "report", "url": "https://x/report"}, {"name": "raw", "path": "/r"}],
    }

    assert [
        "phase: Failed (RunnerFailed): It broke.",
        "runner report: status Failed, exitCode 3",
        "artifact report: https://x/report",
        "artifact raw: /r",
    ] == [*pod_logs.known({"status": status})]
    assert ["phase: Pending"] == [*pod_logs.known({})]


# ----------------------------------------------------------------------------------- workspaces


def write(root: pathlib.Path, key: str, text: str) -> pathlib.Path:
    path = root / "team" / naming.of_key(key) / "workspace" / workspace_logs.LOG
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(text)
    return path


def shower(root: pathlib.Path, **which: Any) -> tuple[Workspaces, list[bytes]]:
    shown: list[bytes] = []
    return Workspaces(root, LogSelection("team", "fix", **which), shown.append), shown


async def test_log_of_the_latest_attempt_is_shown(tmp_path: pathlib.Path) -> None:
    write(tmp_path, f"{UID}/1", "first\n")
    write(tmp_path, f"{UID}/2", "second\nwithout an end")
    latest, shown = shower(tmp_path)
    asked, shown_of_first = shower(tmp_path, attempt=1)

    assert await latest.show(run(attempt=2))
    assert await asked.show(run(attempt=2))
    assert b"second\nwithout an end\n" == b"".join(shown)
    assert b"first\n" == b"".join(shown_of_first)


async def test_log_is_followed_by_whole_lines(tmp_path: pathlib.Path) -> None:
    logs, shown = shower(tmp_path)
    running = run(attempt=1)

    await logs.follow(running)
    write(tmp_path, f"{UID}/1", "one\ntw")
    await logs.follow(running)
    before = b"".join(shown)
    write(tmp_path, f"{UID}/1", "o\nthree")
    await logs.follow(running)
    has_shown = await logs.finish(running)

    assert b"one\n" == before
    assert b"one\ntwo\nthree\n" == b"".join(shown)
    assert has_shown


async def test_logs_of_steps_say_whose_they_are(tmp_path: pathlib.Path) -> None:
    names = ("plan", "build")
    for name in names:
        write(tmp_path, name, f"{name}ning\n")
    jobs = [{"name": name, "jobRef": {"name": naming.of_key(name)}} for name in names]
    workflow = run(attempt=1, workflow={"steps": [*jobs, {"name": "later"}]})
    every, shown = shower(tmp_path)
    one, shown_of_one = shower(tmp_path, step="build")

    assert await every.show(workflow)
    assert await one.show(workflow)
    assert b"[plan] planning\n[build] buildning\n" == b"".join(shown)
    assert b"buildning\n" == b"".join(shown_of_one)


async def test_run_without_a_workspace_has_no_logs(tmp_path: pathlib.Path) -> None:
    logs, shown = shower(tmp_path)

    assert not await logs.show(run(attempt=1))
    assert [] == shown


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
async def test_what_an_agent_made_of_its_log_is_not_read(tmp_path: pathlib.Path, kind: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("not yours\n")
    path = write(tmp_path, f"{UID}/1", "")
    path.unlink()
    if kind == "link":
        path.symlink_to(secret)
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    logs, shown = shower(tmp_path)

    assert not await logs.show(run(attempt=1))
    assert [] == shown


def test_folder_that_is_not_there_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(CommandError, match="expected the directory of `agentctl controller"):
        shower(tmp_path / "none")


async def test_earlier_attempt_of_a_workflow_is_refused(tmp_path: pathlib.Path) -> None:
    logs, _ = shower(tmp_path, attempt=1)

    with pytest.raises(CommandError, match="expected --attempt 2 of a workflow, got 1"):
        await logs.show(run(attempt=2, workflow={"steps": [{"name": "plan"}]}))


@pytest.mark.parametrize(
    ("option", "variable", "expected"),
    [
        (None, "none", None),
        (None, "", "."),
        ("none", "", "none"),
        (None, None, None),
    ],
)
def test_variable_that_names_no_folder_hides_no_logs_of_pods(
    option: str | None,
    variable: str | None,
    expected: str | None,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folders: list[pathlib.Path | None] = []

    def asked(_: object, __: object, folder: pathlib.Path | None, **___: object) -> Exit:
        folders.append(folder)
        return Exit.OK

    monkeypatch.setattr(logs, "run", asked)
    options = [] if option is None else ["--workspaces", str(tmp_path / option)]
    environment = {} if variable is None else {"AGENTCTL_WORKSPACES": str(tmp_path / variable)}

    typer.testing.CliRunner().invoke(
        commands.app, ["logs", "fix", "-n", "team", *options], env=environment
    )

    assert [None if expected is None else tmp_path / expected] == folders
