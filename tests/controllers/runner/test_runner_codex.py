"""The adapter `codex-app-server`, with a stub of the server."""

import json
import signal
import sys
import time
from typing import Any

import pytest

from controllers.runner import errors, spec
from controllers.runner.adapters import codex_adapter
from tests.support.agent_runs import AGENTS, Done, Runner, eventually

pytestmark = pytest.mark.slow

NO_GOAL = spec.Goal()
RUN = {"implementation": {"text": "Fix the build."}}


@pytest.fixture
def codex(runner: Runner) -> Runner:
    """A runner whose Codex is the stub."""
    binary = runner.root / "codex"
    binary.write_text(f'#!/bin/sh\nexec {sys.executable} {AGENTS / "codex_stub.py"} "$@"\n')
    binary.chmod(0o755)
    return runner


def write(codex: Runner, run: dict[str, Any] | None = None, **settings: Any) -> None:
    settings = {"binaryPath": str(codex.root / "codex"), **settings}
    codex.write(
        {
            "provider": "codex",
            "inputs": {"who": "world {{goal.objective}}"},
            "goal": {"objective": "a green build"},
            "adapter": {"type": "codex-app-server", "codex": settings},
        },
        RUN if run is None else run,
    )


def play(codex: Runner, scene: str, **settings: Any) -> Done:
    codex.environment["CODEX_STUB"] = scene
    write(codex, **settings)
    return codex()


def said(codex: Runner) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (codex.root / "said.jsonl").read_text().splitlines()]


def asked(codex: Runner, method: str) -> dict[str, Any]:
    found: dict[str, Any] = next(
        message["params"] for message in said(codex) if message.get("method") == method
    )
    return found


def test_turn_that_completes(codex: Runner) -> None:
    done = play(codex, "plain", effort="high", cliConfigOverrides=["web_search=live"])

    assert {
        "provider": "codex",
        "status": "succeeded",
        "exitCode": 0,
        "adapter": "codex-app-server",
        "binary": str(codex.root / "codex"),
        "args": ["-c", "web_search=live", "app-server"],
        "threadId": "thr_1",
        "turnId": "turn_1",
        "model": "gpt-stub",
        "effort": "high",
        "cwd": str(codex.root),
    }.items() <= done.status.items()
    assert ["initialize", "initialized", "thread/start", "turn/start"] == [
        message["method"] for message in said(codex)
    ]
    text = "Fix the build.\n\nGoal: a green build"
    assert {"threadId": "thr_1", "input": [{"type": "text", "text": text}], "effort": "high"} == (
        asked(codex, "turn/start")
    )
    assert "All done." in done.output
    assert '"turn/completed"' in done.log
    assert "codex says hello on standard error" in done.log
    assert "codex says hello on standard error" in done.output


def test_server_ends_with_its_input(codex: Runner) -> None:
    play(codex, "plain")

    assert (codex.root / "ended-by-itself").exists()


def test_turn_may_take_longer_than_the_start(codex: Runner) -> None:
    done = play(codex, "sluggish", bootstrapTimeoutMs=3000)

    assert "succeeded" == done.status["status"]


def test_settings_reach_the_thread(codex: Runner) -> None:
    codex.environment["CODEX_SYSTEM_PROMPT_PATH"] = "/workspace/system.txt"
    (codex.root / "system.txt").write_text("Be good. {{inputs.who}}")

    done = play(
        codex,
        "plain",
        cwd="/workspace/{{inputs.who}}/src",
        model="gpt-x",
        sandbox="WorkspaceWrite",
        approval="on-request",
        prompt="Hello {{inputs.who}}",
        developerInstructions="For {{goal.objective}}.",
        threadConfig={"a": 1},
        persistExtendedHistory=True,
        experimentalRawEvents=False,
    )

    assert "succeeded" == done.status["status"]
    assert {
        "cwd": f"{codex.root}/world {{{{goal.objective}}}}/src",
        "model": "gpt-x",
        "sandbox": "workspace-write",
        "approvalPolicy": "on-request",
        "config": {"a": 1},
        "baseInstructions": "Be good. {{inputs.who}}",
        "developerInstructions": "For a green build.",
        "persistExtendedHistory": True,
    } == asked(codex, "thread/start")
    assert "Hello world {{goal.objective}}" == asked(codex, "turn/start")["input"][0]["text"]
    assert asked(codex, "initialize")["capabilities"]["experimentalApi"] is True


def test_thread_is_resumed(codex: Runner) -> None:
    play(codex, "plain", threadId="thr_old")

    assert "thr_old" == asked(codex, "thread/resume")["threadId"]


@pytest.mark.parametrize(
    ("settings", "status"),
    [
        ({}, "declined"),
        ({"sandbox": "workspace-write", "approval": "never"}, "declined"),
        ({"sandbox": "danger-full-access", "approval": "untrusted"}, "declined"),
        ({"sandbox": "danger-full-access", "approval": "never"}, "completed"),
        ({"sandbox": "DangerFullAccess"}, "completed"),
    ],
)
def test_command_is_accepted_only_where_everything_is_allowed(
    codex: Runner, settings: dict[str, Any], status: str
) -> None:
    done = play(codex, "asks", **settings)

    assert "succeeded" == done.status["status"]
    assert f"[command {status}, exit code None] rm -rf build" in done.output


@pytest.mark.parametrize(
    ("scene", "code", "error"),
    [
        ("fails", 1, "the model has no capacity left"),
        ("refuses", 1, "codex app-server rejected the thread's start: no such thread"),
        (
            "dies",
            7,
            "codex app-server exited before the end of the turn: the agent exited with exit code 7",
        ),
    ],
)
def test_turn_that_fails(codex: Runner, scene: str, code: int, error: str) -> None:
    done = play(codex, scene)

    assert ("failed", code, error) == (
        *(done.status["status"], done.status["exitCode"]),
        done.status["error"],
    )
    assert f"agent-runner: {error}\n" == done.errors


@pytest.mark.parametrize("scene", ["retries", "noisy"])
def test_turn_that_goes_on_after_trouble_completes(codex: Runner, scene: str) -> None:
    done = play(codex, scene)

    assert "succeeded" == done.status["status"]
    assert "error" not in done.status


def test_budget_of_tokens_is_kept(codex: Runner) -> None:
    done = play(codex, "spends", goal={"tokenBudget": 150})

    assert ("failed", "expected at most 150 tokens (goal.tokenBudget), got 200") == (
        done.status["status"],
        done.status["error"],
    )


def test_cancelled_turn_is_interrupted(codex: Runner) -> None:
    codex.environment["CODEX_STUB"] = "waits"
    write(codex)
    log = codex.root / ".agent/runner.log"

    done = codex.stop_when(
        lambda: log.exists() and "turn/started" in log.read_text(), signal.SIGTERM
    )

    assert ("cancelled", 143, "turn_1") == (
        *(done.status["status"], done.status["exitCode"]),
        done.status["turnId"],
    )
    assert {"threadId": "thr_1", "turnId": "turn_1"} == asked(codex, "turn/interrupt")


def test_server_that_does_not_listen_is_killed(codex: Runner) -> None:
    codex.environment |= {"CODEX_STUB": "deaf", "AGENT_RUNNER_GRACE_SECONDS": "0.6"}
    write(codex)
    log = codex.root / ".agent/runner.log"
    process = codex.start()
    eventually(lambda: log.exists() and "I do not listen." in log.read_text())
    before = time.monotonic()
    process.send_signal(signal.SIGTERM)

    done = codex.wait(process)

    assert 0.6 <= time.monotonic() - before < 30
    assert ("cancelled", 143) == (done.status["status"], done.status["exitCode"])


def test_server_that_lingers_is_ended(codex: Runner) -> None:
    codex.environment["AGENT_RUNNER_GRACE_SECONDS"] = "0.4"

    done = play(codex, "lingers")

    assert ("succeeded", 0) == (done.status["status"], done.status["exitCode"])


def test_server_that_does_not_start_in_time_is_ended(codex: Runner) -> None:
    done = play(codex, "slow", bootstrapTimeoutMs=200)

    assert (
        "expected codex app-server to start a thread within 0.2 s, got none"
        == (done.status["error"])
    )
    assert ("failed", 1) == (done.status["status"], done.status["exitCode"])


def test_message_without_an_end_is_refused(codex: Runner) -> None:
    done = play(codex, "long")

    assert (
        "expected messages of at most 33554432 bytes from codex app-server, got more"
        == (done.status["error"])
    )


def test_codex_that_is_missing(codex: Runner) -> None:
    done = play(codex, "plain", binaryPath="/nowhere/codex")

    assert ("failed", 127) == (done.status["status"], done.status["exitCode"])


def test_folder_outside_the_workspace_is_not_made(codex: Runner) -> None:
    outside = codex.root.parent / "outside"

    done = play(codex, "plain", cwd=str(outside))

    assert ("failed", 65) == (done.status["status"], done.status["exitCode"])
    assert not outside.exists()
    assert not (codex.root / "said.jsonl").exists()


def settings(run: spec.Run, aim: spec.Goal = NO_GOAL, **fields: Any) -> Any:
    return codex_adapter.settings(
        spec.Codex(**fields), run, aim, names={}, system_prompt=None, cwd="/w"
    )


@pytest.mark.parametrize(
    ("run", "objective", "expected"),
    [
        (spec.Run(prompt="a", implementation=spec.Implementation(text="b")), None, "a"),
        (spec.Run(prompt=" ", implementation=spec.Implementation(text="b")), None, "b"),
        (spec.Run(implementation=spec.Implementation(summary="c"), issue_body="d"), None, "c"),
        (spec.Run(issue_body="{{inputs.x}}"), None, "{{inputs.x}}"),
        (spec.Run(prompt="a"), "win", "a\n\nGoal: win"),
        (spec.Run(), "win", "win"),
    ],
)
def test_prompt_is_what_is_to_be_built(run: spec.Run, objective: str | None, expected: str) -> None:
    assert expected == settings(run, spec.Goal(objective=objective)).prompt


def test_prompt_of_the_provider_says_all() -> None:
    stated = settings(spec.Run(prompt="a"), spec.Goal(objective="win"), prompt="mine")

    assert "mine" == stated.prompt


def test_no_prompt_is_an_error() -> None:
    with pytest.raises(errors.SpecError, match="expected a prompt"):
        settings(spec.Run(prompt=" "), prompt="{{inputs.missing}}")


@pytest.mark.parametrize("field", ["sandbox", "approval"])
def test_word_that_the_server_does_not_know_is_refused(field: str) -> None:
    with pytest.raises(errors.SpecError, match=f"got 'none', at adapter.codex.{field}"):
        settings(spec.Run(prompt="a"), NO_GOAL, **{field: "none"})
