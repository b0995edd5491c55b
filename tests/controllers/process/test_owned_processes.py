"""A started process ends with its owner, however the owner ends."""

import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from controllers.process import owned_processes

pytestmark = pytest.mark.slow


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 120
    while True:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        assert time.monotonic() < deadline, f"process {pid} is still there"
        time.sleep(0.02)


def pid_in(path: pathlib.Path) -> int:
    deadline = time.monotonic() + 120
    while not path.exists() or not path.read_text().endswith("\n"):
        assert time.monotonic() < deadline, f"nobody wrote {path}"
        time.sleep(0.02)
    return int(path.read_text())


@pytest.mark.parametrize("code", [0, 3])
def test_exit_code_is_the_command_s(code: int) -> None:
    process = owned_processes.start(["sh", "-c", f"exit {code}"], output=subprocess.DEVNULL)

    assert code == process.wait(120)
    owned_processes.stop(process)


def test_stop_ends_the_command_and_what_it_started(tmp_path: pathlib.Path) -> None:
    script = f"sleep 100 & echo $! > {tmp_path}/child; wait"
    process = owned_processes.start(["sh", "-c", script], output=subprocess.DEVNULL)
    child = pid_in(tmp_path / "child")

    owned_processes.stop(process)

    wait_until_gone(child)


def test_stop_of_an_ended_command_is_no_error() -> None:
    process = owned_processes.start(["true"], output=subprocess.DEVNULL)
    process.wait(120)

    owned_processes.stop(process)
    owned_processes.stop(process)


def test_exit_code_of_a_killed_command_is_what_a_shell_says() -> None:
    process = owned_processes.start(["sh", "-c", "kill -9 $$"], output=subprocess.DEVNULL)

    assert 128 + signal.SIGKILL == process.wait(120)
    owned_processes.stop(process)


def test_command_that_ignores_the_signal_is_killed_after_the_grace(tmp_path: pathlib.Path) -> None:
    script = f"trap '' TERM; echo $$ > '{tmp_path}/child'; while :; do sleep 0.1; done"
    process = owned_processes.start(
        ["sh", "-c", script], output=subprocess.DEVNULL, grace_seconds=0.3
    )
    child = pid_in(tmp_path / "child")
    began = time.monotonic()

    owned_processes.stop(process)

    assert 0.3 <= time.monotonic() - began < owned_processes.GRACE_SECONDS
    assert 128 + signal.SIGKILL == process.returncode
    wait_until_gone(child)


def test_what_a_command_leaves_behind_is_killed(tmp_path: pathlib.Path) -> None:
    script = f"trap '' TERM; sleep 100 & echo $! > '{tmp_path}/child'"
    process = owned_processes.start(["sh", "-c", script], output=subprocess.DEVNULL)
    child = pid_in(tmp_path / "child")

    assert 0 == process.wait(120)
    wait_until_gone(child)
    owned_processes.stop(process)


def test_command_that_is_none_is_told_in_its_output() -> None:
    process = owned_processes.start(["/nowhere/etcd"], output=subprocess.PIPE)

    assert process.stdout is not None
    assert "No such file or directory: '/nowhere/etcd'" in process.stdout.read()
    assert 0 != process.wait(120)
    owned_processes.stop(process)


OWNER = """
import pathlib, subprocess, sys, time
from controllers.process import owned_processes as processes
command = ["sh", "-c", f"echo $$ > '{sys.argv[1]}/child'; exec sleep 100"]
scratch = pathlib.Path(sys.argv[1], "scratch")
scratch.mkdir()
process = processes.start(command, output=subprocess.DEVNULL, scratch=scratch)
if sys.argv[2:]:
    processes.stop(process)
else:
    time.sleep(100)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_killed_owner_takes_the_command_and_its_scratch_along(
    tmp_path: pathlib.Path, number: signal.Signals
) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)], stderr=subprocess.DEVNULL
    )
    child = pid_in(tmp_path / "child")

    owner.send_signal(number)
    owner.wait()

    wait_until_gone(child)
    deadline = time.monotonic() + 120
    while (tmp_path / "scratch").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_owner_that_says_goodbye_keeps_the_scratch(tmp_path: pathlib.Path) -> None:
    subprocess.run([sys.executable, "-c", OWNER, str(tmp_path), "stop"], check=True)

    assert (tmp_path / "scratch").is_dir()


def test_keeper_outlasts_every_grace() -> None:
    # Else stop() would kill it before it has killed a command that ignores SIGTERM.
    assert owned_processes.STOP_SECONDS >= owned_processes.GRACE_SECONDS + 5


FORKED = """
import os, pathlib, subprocess, sys, time
from controllers.process import owned_processes as processes
command = ["sh", "-c", f"echo $$ > '{sys.argv[1]}/child'; exec sleep 100"]
process = processes.start(command, output=subprocess.DEVNULL)
fork = os.fork()
if not fork:
    time.sleep(100)
pathlib.Path(sys.argv[1], "fork").write_text(f"{fork}\\n")
if sys.argv[2] == "stop":
    # A signal before the command has said who it is would leave nothing to look for.
    child = pathlib.Path(sys.argv[1], "child")
    while not (child.exists() and child.read_text().endswith("\\n")):
        time.sleep(0.02)
    processes.stop(process)
    pathlib.Path(sys.argv[1], "code").write_text(f"{process.returncode}\\n")
time.sleep(100)
"""


@pytest.fixture
def owner_with_a_fork(tmp_path: pathlib.Path) -> Iterator[Callable[[str], "subprocess.Popen[str]"]]:
    """Starts an owner whose fork, like a worker of multiprocessing, holds the keeper's pipe."""
    owners = []

    def start(what: str) -> "subprocess.Popen[str]":
        owners.append(
            subprocess.Popen([sys.executable, "-c", FORKED, str(tmp_path), what], text=True)
        )
        return owners[-1]

    yield start
    for owner in owners:
        owner.kill()
        owner.wait()
    os.kill(pid_in(tmp_path / "fork"), signal.SIGKILL)


def test_stop_ends_the_command_though_a_fork_holds_the_pipe(
    tmp_path: pathlib.Path, owner_with_a_fork: Callable[[str], "subprocess.Popen[str]"]
) -> None:
    owner_with_a_fork("stop")

    child = pid_in(tmp_path / "child")

    # By SIGTERM from its keeper; a killed keeper would have left it.
    assert 128 + signal.SIGTERM == pid_in(tmp_path / "code")
    wait_until_gone(child)


def test_killed_owner_takes_the_command_along_though_a_fork_holds_the_pipe(
    tmp_path: pathlib.Path, owner_with_a_fork: Callable[[str], "subprocess.Popen[str]"]
) -> None:
    owner = owner_with_a_fork("wait")
    child = pid_in(tmp_path / "child")
    pid_in(tmp_path / "fork")

    owner.kill()
    owner.wait()

    wait_until_gone(child)
