"""On a terminal ``agentctl delete`` asks before it connects; elsewhere it does not ask."""

import os
import pathlib
import pty
import subprocess
import sys

import pytest

QUESTION = "delete agentrun.agents.proompteng.ai/one in namespace team? [y/N]: "
ARGUMENTS = ("delete", "runs", "one", "-n", "team", "--kubeconfig", "none")
SECONDS = 120.0
NO_CLUSTER = "expected a kubeconfig at none"


def delete(folder: pathlib.Path, answer: str, *more: str) -> tuple[int, str, str]:
    """Exit code, output and messages of a command whose standard input is a terminal."""
    user, terminal = pty.openpty()
    try:
        os.write(user, answer.encode())
        done = subprocess.run(
            [sys.executable, "-m", "controllers.agentctl", *ARGUMENTS, *more],
            cwd=folder,
            stdin=terminal,
            stdout=subprocess.PIPE,
            stderr=terminal,
            check=False,
            timeout=SECONDS,
            env={**os.environ, "PYTHONPATH": str(pathlib.Path(__file__).parents[3])},
        )
        return done.returncode, done.stdout.decode(), os.read(user, 100_000).decode()
    finally:
        os.close(user)
        os.close(terminal)


@pytest.mark.parametrize("answer", ["n\n", "\n"])
def test_deletion_that_is_not_confirmed_does_nothing(tmp_path: pathlib.Path, answer: str) -> None:
    code, out, said = delete(tmp_path, answer)

    assert (1, "") == (code, out)
    assert QUESTION in said
    assert "nothing was deleted" in said
    assert NO_CLUSTER not in said


def test_confirmed_deletion_goes_to_the_cluster(tmp_path: pathlib.Path) -> None:
    code, out, said = delete(tmp_path, "y\n")

    assert (3, "") == (code, out)
    assert QUESTION in said
    assert NO_CLUSTER in said


@pytest.mark.parametrize("option", ["--yes", "--dry-run=server", "--dry-run=client"])
def test_confirmation_is_not_asked_where_it_is_given_or_pointless(
    tmp_path: pathlib.Path, option: str
) -> None:
    code, _, said = delete(tmp_path, "", option)

    assert 3 == code
    assert "[y/N]" not in said
    assert NO_CLUSTER in said
