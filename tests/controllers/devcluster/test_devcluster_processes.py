"""Whatever is started ends with its owner, however that ends."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from controllers.devcluster import processes


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        assert time.monotonic() < deadline, f"process {pid} is still there"
        time.sleep(0.02)


def pid_in(path: pathlib.Path) -> int:
    while not path.exists() or not path.read_text().endswith("\n"):
        time.sleep(0.02)
    return int(path.read_text())


@pytest.mark.parametrize("code", [0, 3])
def test_exit_code_is_the_command_s(code: int) -> None:
    process = processes.start(["sh", "-c", f"exit {code}"], output=subprocess.DEVNULL)

    assert code == process.wait(20)
    processes.stop(process)


def test_stop_ends_the_command_and_what_it_started(tmp_path: pathlib.Path) -> None:
    script = f"sleep 100 & echo $! > {tmp_path}/child; wait"
    process = processes.start(["sh", "-c", script], output=subprocess.DEVNULL)
    child = pid_in(tmp_path / "child")

    processes.stop(process)

    wait_until_gone(child)


def test_stop_of_an_ended_command_is_no_error() -> None:
    process = processes.start(["true"], output=subprocess.DEVNULL)
    process.wait(20)

    processes.stop(process)
    processes.stop(process)


OWNER = """
import subprocess, sys, time
from controllers.devcluster import processes
command = ["sh", "-c", f"echo $$ > {sys.argv[1]}/child; exec sleep 100"]
processes.start(command, output=subprocess.DEVNULL)
time.sleep(100)
"""


def test_killed_owner_takes_the_command_along(tmp_path: pathlib.Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path)])
    child = pid_in(tmp_path / "child")

    owner.send_signal(signal.SIGKILL)
    owner.wait()

    wait_until_gone(child)
