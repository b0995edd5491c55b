"""Runs the real agent-runner in a workspace of its own, with agents that are scripts."""

import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

AGENTS = pathlib.Path(__file__).parents[1] / "controllers/runner/agents"
DEADLINE_SECONDS = 120.0


@dataclasses.dataclass(frozen=True)
class Done:
    """What a run left."""

    code: int
    output: str
    errors: str
    root: pathlib.Path

    @property
    def status(self) -> dict[str, Any]:
        text = (self.root / ".agent/status.json").read_bytes()
        assert len(text) < 4096
        status: dict[str, Any] = json.loads(text)
        assert self.code == status["exitCode"]
        return status

    @property
    def log(self) -> str:
        return (self.root / ".agent/runner.log").read_text()


@dataclasses.dataclass
class Runner:
    """The agent-runner, in a workspace of its own."""

    root: pathlib.Path
    environment: dict[str, str] = dataclasses.field(default_factory=dict)
    started: list[subprocess.Popen[str]] = dataclasses.field(default_factory=list)

    def write(self, spec: dict[str, Any], run: dict[str, Any] | None = None) -> None:
        (self.root / "agent-runner.json").write_text(json.dumps(spec))
        if run is not None:
            (self.root / "run.json").write_text(json.dumps(run))

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "controllers.runner", *arguments],
            env={
                "PATH": os.environ["PATH"],
                "AGENT_WORKSPACE": str(self.root),
                "AGENT_RUNNER_SPEC_PATH": "/workspace/agent-runner.json",
                **self.environment,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def wait(self, process: subprocess.Popen[str]) -> Done:
        output, complaint = process.communicate(timeout=DEADLINE_SECONDS)
        return Done(process.returncode, output, complaint, self.root)

    def __call__(self, *arguments: str) -> Done:
        return self.wait(self.start(*arguments))

    def execute(self, binary: str, *args: str, **settings: Any) -> Done:
        """Run a program by the adapter `exec`."""
        self.write(exec_spec(binary, *args, **settings))
        return self()

    def stop_when(self, is_ready: Callable[[], bool], number: signal.Signals) -> Done:
        """Send a signal to the runner as soon as its agent is ready for it."""
        process = self.start()
        eventually(is_ready)
        process.send_signal(number)
        return self.wait(process)


def exec_spec(binary: str, *args: str, **settings: Any) -> dict[str, Any]:
    path = AGENTS / binary
    program = {"binary": str(path) if path.exists() else binary, "args": list(args), **settings}
    return {"provider": "shell", "adapter": {"type": "exec", "exec": program}}


def eventually(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)
