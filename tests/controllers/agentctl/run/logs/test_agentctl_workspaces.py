"""Default workspaces of ``agentctl controller --runtime local``."""

import pathlib
from typing import Any

import pytest
from typer import testing

from controllers.agentctl import cli
from controllers.agentctl.controller import replica


@pytest.mark.parametrize(
    ("options", "expected"),
    [((), "/x/state/kubewright/workspaces"), (("--workspaces", "here"), "here")],
)
def test_workspaces_are_in_the_state_directory_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], expected: str
) -> None:
    given: list[Any] = []

    def run(_: object, settings: Any) -> int:
        given.append(replica.workspaces_of(settings))
        return 0

    monkeypatch.setattr(replica, "run", run)
    environment = {"XDG_STATE_HOME": "/x/state"}
    arguments = ["controller", "--runtime", "local", *options]

    done = testing.CliRunner().invoke(cli.app, arguments, env=environment)

    assert (0, [pathlib.Path(expected)]) == (done.exit_code, given)
