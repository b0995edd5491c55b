"""The adapter `exec`, and behaviour common to all adapters, with real processes."""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from tests.support.agent_runs import AGENTS, Runner, eventually, exec_spec

pytestmark = pytest.mark.slow

NO_CONTROL = "expected a JSON object of at most 1024 bytes, got another value"


def is_gone(runner: Runner) -> bool:
    """Return whether the process started by the agent has ended."""
    process = int((runner.root / "child.pid").read_text())
    stat = pathlib.Path(f"/proc/{process}/stat")
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return stat.read_text().rsplit(")", 1)[1].split()[0] == "Z"
    return True


def test_agent_that_succeeds(runner: Runner) -> None:
    done = runner.execute(
        "sh",
        "-c",
        "echo out; echo problem >&2; pwd; echo $1 $GREETING $PATH > result.txt",
        "sh",
        "{{inputs.repo}}",
        env={"GREETING": "hello {{goal.objective}}"},
        files=[{"path": "in/{{provider}}a.txt", "content": "{{inputs}}"}],
        outputArtifacts=[{"name": "result", "path": "result.txt"}, {"name": "no", "path": "no"}],
    )

    status = done.status
    assert ("succeeded", 0, "shell", "exec") == (
        *(status["status"], status["exitCode"]),
        *(status["provider"], status["adapter"]),
    )
    assert "sh" == status["binary"]
    assert "error" not in status
    assert status["startedAt"].endswith("Z")
    assert status["startedAt"] <= status["finishedAt"]
    assert f"out\nproblem\n{runner.root}\n" == done.log == done.output
    assert "" == done.errors
    said = (runner.root / "result.txt").read_text()
    assert f"hello {os.environ['PATH']}\n" == said
    assert "{}" == (runner.root / "in/a.txt").read_text()
    assert ["result"] == [item["name"] for item in status["artifacts"]["outputArtifacts"]]
    assert ["no"] == status["artifacts"]["missingArtifacts"]
    assert "agents.proompteng.ai/workspace/v1\n" == (runner.root / ".agent/layout").read_text()


def test_inputs_reach_arguments_variables_and_files_as_they_are(runner: Runner) -> None:
    spec = exec_spec(
        "sh",
        *("-c", 'printf %s "$1$A" > said', "sh", "{{inputs.text}}"),
        env=[{"name": "A", "value": "{{inputs.n}}"}],
        files=[{"path": "/workspace/f", "content": "{{inputs.text}}"}],
    )
    text = "$(touch pwned) {{inputs.n}} `touch pwned` \"'"
    runner.write(spec | {"inputs": {"text": text, "n": 7}})

    done = runner()

    assert 0 == done.code
    assert f"{text}7" == (runner.root / "said").read_text()
    assert text == (runner.root / "f").read_text()
    assert not (runner.root / "pwned").exists()


def test_exit_code_is_passed_on(runner: Runner) -> None:
    done = runner.execute("sh", "-c", "exit 42")

    assert ("failed", 42) == (done.status["status"], done.status["exitCode"])
    assert "the agent exited with exit code 42" == done.status["error"]
    assert "agent-runner: the agent exited with exit code 42\n" == done.errors


def test_signal_that_ends_the_agent_is_told(runner: Runner) -> None:
    done = runner.execute("sh", "-c", "kill -9 $$")

    assert ("failed", 137, "SIGKILL") == (
        *(done.status["status"], done.status["exitCode"]),
        done.status["signal"],
    )


@pytest.mark.parametrize(
    ("binary", "code", "message"),
    [
        ("no-such-agent", 127, "expected a program at 'no-such-agent', got none, or its"),
        ("./no-such-agent", 127, "expected a program at './no-such-agent', got none, or its"),
        ("/etc/passwd", 126, "could not execute '/etc/passwd': Permission denied"),
    ],
)
def test_program_that_cannot_be_started(
    runner: Runner, binary: str, code: int, message: str
) -> None:
    done = runner.execute(binary)

    assert ("failed", code) == (done.status["status"], done.status["exitCode"])
    assert done.status["error"].startswith(message)
    assert [f"agent-runner: {done.status['error']}"] == done.errors.splitlines()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_agent_that_ends_when_asked_is_cancelled(runner: Runner, number: signal.Signals) -> None:
    runner.write(exec_spec("polite.sh"))

    done = runner.stop_when((runner.root / "ready").exists, number)

    assert ("cancelled", 143) == (done.status["status"], done.status["exitCode"])
    assert "bye\n" == (runner.root / "bye").read_text()
    assert is_gone(runner)


def test_agent_that_does_not_end_is_killed_with_all_it_started(runner: Runner) -> None:
    runner.environment["AGENT_RUNNER_GRACE_SECONDS"] = "0.3"
    runner.write(exec_spec("stubborn.sh"))
    before = time.monotonic()

    done = runner.stop_when((runner.root / "ready").exists, signal.SIGTERM)

    assert 0.3 < time.monotonic() - before < 30
    assert ("cancelled", 143, "SIGKILL") == (
        *(done.status["status"], done.status["exitCode"]),
        done.status["signal"],
    )
    assert is_gone(runner)


def test_more_signals_do_not_lengthen_the_grace(runner: Runner) -> None:
    runner.environment["AGENT_RUNNER_GRACE_SECONDS"] = "1"
    runner.write(exec_spec("stubborn.sh"))
    process = runner.start()
    eventually((runner.root / "ready").exists)
    before = time.monotonic()

    while process.poll() is None:
        assert time.monotonic() - before < 120
        process.send_signal(signal.SIGTERM)
        time.sleep(0.1)

    assert 143 == runner.wait(process).code
    assert time.monotonic() - before < 120


def test_runner_waits_for_no_process_that_the_agent_left(runner: Runner) -> None:
    before = time.monotonic()

    done = runner.execute("leaving.sh")

    assert time.monotonic() - before < 30
    assert ("succeeded", "done\n") == (done.status["status"], done.log)
    assert is_gone(runner)


def test_process_that_left_the_group_holds_up_nothing(runner: Runner) -> None:
    script = "setsid sleep 45 & echo done"
    before = time.monotonic()

    done = runner.execute("sh", "-c", script)

    assert time.monotonic() - before < 30
    assert ("succeeded", "done\n") == (done.status["status"], done.log)


def test_orphans_are_buried(runner: Runner) -> None:
    # As the first process of a container: PR_SET_CHILD_SUBREAPER is 36.
    code = (
        "import ctypes, runpy; ctypes.CDLL(None).prctl(36, 1); "
        "runpy.run_module('controllers.runner', run_name='__main__')"
    )
    runner.write(exec_spec(sys.executable, str(AGENTS / "orphans.py")))

    done = subprocess.run(
        [sys.executable, "-c", code, str(runner.root / "agent-runner.json")],
        env={"PATH": os.environ["PATH"], "AGENT_WORKSPACE": str(runner.root)},
        capture_output=True,
        check=True,
    )

    # The agent itself is its only child.
    assert b"0 of 1\n" == done.stdout


def test_output_of_any_size_and_kind_is_passed_on(runner: Runner) -> None:
    code = "import os; os.write(1, bytes(range(256)) * 4096)"
    runner.write(exec_spec(sys.executable, "-c", code))
    process = subprocess.Popen(
        [sys.executable, "-m", "controllers.runner", str(runner.root / "agent-runner.json")],
        env={"AGENT_WORKSPACE": str(runner.root)},
        stdout=subprocess.PIPE,
    )

    output, _ = process.communicate(timeout=120)

    assert bytes(range(256)) * 4096 == output
    assert output == (runner.root / ".agent/runner.log").read_bytes()


def test_log_has_a_limit(runner: Runner) -> None:
    runner.environment["AGENT_RUNNER_LOG_MAX_BYTES"] = "1000"

    done = runner.execute("loud.sh")

    assert 1000 == len(done.log)
    assert 10_000 == len(done.output)
    assert "succeeded" == done.status["status"]


def test_variables_are_neither_logged_nor_told(runner: Runner) -> None:
    runner.environment |= {"TOKEN": "s3cret-of-the-pod"}

    done = runner.execute(
        "sh", "-c", 'test -n "$TOKEN" && test -n "$KEY"', env={"KEY": "s3cret-of-the-provider"}
    )

    told = done.output + done.errors + done.log + json.dumps(done.status)
    assert ("succeeded", False) == (done.status["status"], "s3cret" in told)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"files": [{"path": "../x", "content": "c"}]}, "expected a path inside the workspace"),
        ({"files": [{"path": "/proc/x", "content": "c"}]}, "got '/proc/x'"),
        ({"env": {"A=B": "c"}}, "expected a variable name"),
        ({"env": {"A": "s3cret\0"}}, "expected text without NUL, got NUL, at adapter.exec.env.A"),
        ({"args": ["a\0"]}, "expected text without NUL, got NUL, at adapter.exec.args[0]"),
        ({"binary": "a\0"}, "expected text without NUL, got NUL, at adapter.exec.binary"),
    ],
)
def test_wrong_settings_start_nothing(
    runner: Runner, settings: dict[str, object], message: str
) -> None:
    spec = exec_spec("touch", "started")
    spec["adapter"]["exec"] |= settings
    runner.write(spec)

    done = runner()

    assert ("failed", 65) == (done.status["status"], done.status["exitCode"])
    assert message in done.status["error"]
    assert "s3cret" not in done.status["error"]
    assert 1 == len(done.errors.splitlines())
    assert not (runner.root / "started").exists()


def test_file_that_cannot_be_written(runner: Runner) -> None:
    done = runner.execute("touch", "started", files=[{"path": ".", "content": "c"}])

    assert ("failed", 73) == (done.status["status"], done.status["exitCode"])
    assert not (runner.root / "started").exists()


@pytest.mark.parametrize(
    ("text", "code"), [("{", 65), ("[]", 65), ("{}", 65), ("\0", 65), ("null", 65), ("", 65)]
)
def test_spec_that_is_none_leaves_a_status_and_one_line(
    runner: Runner, text: str, code: int
) -> None:
    (runner.root / "agent-runner.json").write_text(text)
    runner.environment["AGENT_PROVIDER"] = "shell"

    done = runner()

    assert ("failed", code, "shell") == (
        *(done.status["status"], done.status["exitCode"]),
        done.status["provider"],
    )
    assert [f"agent-runner: {done.status['error']}"] == done.errors.splitlines()
    assert "agent-runner.json: expected" in done.errors


def test_spec_that_is_missing(runner: Runner) -> None:
    done = runner("/nowhere/agent-runner.json")

    assert ("failed", 66) == (done.status["status"], done.status["exitCode"])
    assert "agent-runner: could not read /nowhere/agent-runner.json" in done.errors


def test_spec_may_be_a_variable(runner: Runner) -> None:
    runner.environment |= {
        "AGENT_RUNNER_SPEC_PATH": "",
        "AGENT_RUNNER_SPEC": json.dumps(exec_spec("true")),
    }

    assert "succeeded" == runner().status["status"]


def test_no_spec_at_all(runner: Runner) -> None:
    runner.environment["AGENT_RUNNER_SPEC_PATH"] = ""

    assert 64 == runner().status["exitCode"]


@pytest.mark.parametrize("name", ["AGENT_RUNNER_GRACE_SECONDS", "AGENT_RUNNER_LOG_MAX_BYTES"])
@pytest.mark.parametrize("value", ["soon", "-1", "nan", "inf"])
def test_variable_that_is_no_number(runner: Runner, name: str, value: str) -> None:
    runner.environment[name] = value

    done = runner.execute("touch", "started")

    assert 64 == done.status["exitCode"]
    assert f"expected a number, 0 or more, in {name}, got '{value}'" in done.errors
    assert not (runner.root / "started").exists()


def test_run_that_is_wrong_starts_nothing(runner: Runner) -> None:
    runner.write(exec_spec("touch", "started"), run={"prompt": 1})

    done = runner()

    assert 65 == done.status["exitCode"]
    assert "run.json: expected str | null, got int, at prompt" in done.errors
    assert not (runner.root / "started").exists()


def test_run_that_is_named_must_be_there(runner: Runner) -> None:
    runner.environment["AGENT_RUN_SPEC"] = "/workspace/run.json"

    assert 66 == runner.execute("true").status["exitCode"]


def test_system_prompt_is_checked_whatever_the_adapter(runner: Runner) -> None:
    runner.environment["CODEX_SYSTEM_PROMPT_REQUIRED"] = "true"

    done = runner.execute("touch", "started")

    assert ("failed", 78) == (done.status["status"], done.status["exitCode"])
    assert not (runner.root / "started").exists()


def test_status_and_log_go_where_the_spec_says(runner: Runner) -> None:
    artifacts = {"statusPath": "/workspace/out/s.json", "logPath": "out/l.log"}
    runner.write(
        exec_spec("echo", "{{artifacts.statusPath}} {{artifacts.logPath}}")
        | {"artifacts": artifacts}
    )

    assert 0 == runner().code

    status = json.loads((runner.root / "out/s.json").read_text())
    line = f"{runner.root}/out/s.json {runner.root}/out/l.log"
    assert f"{line}\n" == (runner.root / "out/l.log").read_text()
    assert [line] == status["args"]
    assert {"statusPath": f"{runner.root}/out/s.json", "logPath": f"{runner.root}/out/l.log"} == (
        status["artifacts"]
    )


def test_status_outside_the_workspace_is_refused(runner: Runner) -> None:
    outside = runner.root.parent / "status.json"
    runner.write(exec_spec("true") | {"artifacts": {"statusPath": str(outside)}})

    assert 65 == runner().status["exitCode"]
    assert not outside.exists()


def test_status_of_an_earlier_run_is_not_left(runner: Runner) -> None:
    runner.execute("true")
    runner.write(exec_spec("stubborn.sh"))
    process = runner.start()
    eventually((runner.root / "ready").exists)

    text = (runner.root / ".agent/status.json").read_text()

    process.kill()
    os.kill(int((runner.root / "child.pid").read_text()), signal.SIGKILL)
    assert not text


def test_status_fits_into_the_termination_message(runner: Runner) -> None:
    done = runner.execute(
        "true",
        *("x" * 3000 for _ in range(20)),
        outputArtifacts=[{"name": f"{n}", "url": "https://e.com/" + "u" * 900} for n in range(50)],
    )

    # `status` looks at the size.
    assert "succeeded" == done.status["status"]
    assert done.status["argsOmitted"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"continue": true}', {"loopControl": {"continue": True}}),
        (
            "{",
            {"loopControlError": NO_CONTROL},
        ),
        (
            "[]",
            {"loopControlError": NO_CONTROL},
        ),
        (
            json.dumps({"a": "x" * 1020}),
            {"loopControlError": NO_CONTROL},
        ),
    ],
)
def test_loop_control_is_told(runner: Runner, text: str, told: dict[str, object]) -> None:
    done = runner.execute(
        "cp", "control", ".agentrun/loop-control.json", files=[{"path": "control", "content": text}]
    )

    assert "succeeded" == done.status["status"]
    assert told == {name: done.status[name] for name in done.status if name.startswith("loop")}


@pytest.mark.parametrize(
    ("made", "told"),
    [
        ("mkdir -p go.json/x", {"loopControlError": NO_CONTROL}),
        ("mkfifo go.json", {"loopControlError": NO_CONTROL}),
        ("ln -s nowhere go.json", {"loopControlError": NO_CONTROL}),
        ('printf \'{"a": "caf\\351"}\' > go.json', {"loopControlError": NO_CONTROL}),
        ("head -c 9000000 /dev/zero > go.json", {"loopControlError": NO_CONTROL}),
        ("echo '{\"go\": 1}' > go.json", {"loopControl": {"go": 1}}),
        ("true", {}),
    ],
)
def test_loop_control_has_a_place_of_its_own(
    runner: Runner, made: str, told: dict[str, object]
) -> None:
    (runner.root / "go.json").write_text('{"stale": true}')  # of another step

    path = {"loopControlPath": "/workspace/go.json"}
    runner.write({**exec_spec("sh", "-c", made), "artifacts": path})
    done = runner()

    assert "succeeded" == done.status["status"]
    assert told == {name: done.status[name] for name in done.status if name.startswith("loop")}


def test_loop_control_is_no_file_of_the_runners_own(runner: Runner) -> None:
    runner.write({**exec_spec("true"), "artifacts": {"loopControlPath": "./run.json"}})
    done = runner()

    assert ("failed", 65) == (done.status["status"], done.status["exitCode"])
    assert done.status["error"].endswith("at artifacts.loopControlPath")


def test_signal_before_the_start_starts_nothing(runner: Runner) -> None:
    # The runner waits to open the pipe, and so does not get to the agent.
    os.mkfifo(runner.root / "agent-runner.json")
    process = runner.start()
    eventually((runner.root / ".agent/layout").exists)
    process.send_signal(signal.SIGTERM)
    (runner.root / "agent-runner.json").write_text(json.dumps(exec_spec("touch", "started")))

    done = runner.wait(process)

    assert ("cancelled", 143) == (done.status["status"], done.status["exitCode"])
    assert not (runner.root / "started").exists()


def test_runner_starts_in_time_and_alone() -> None:
    code = "import sys, controllers.runner.__main__; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()

    ours = {name for name in loaded if name.startswith(("controllers.", "crds", "schemagen"))}
    assert {name for name in ours if not name.startswith("controllers.runner")} == set()
    assert {"asyncio", "aiohttp", "pydantic", "orjson", "ssl", "kubernetes"}.isdisjoint(loaded)


def test_console_script_is_the_module(runner: Runner) -> None:
    runner.write(exec_spec("true"))
    script = pathlib.Path(sys.executable).with_name("agent-runner")

    done = subprocess.run(
        [script, runner.root / "agent-runner.json"],
        env={"PATH": os.environ["PATH"], "AGENT_WORKSPACE": str(runner.root)},
        check=False,
    )

    assert 0 == done.returncode
