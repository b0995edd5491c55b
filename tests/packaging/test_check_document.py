"""What docs/check.md shows of several minor versions is so, where their judges are built."""

import pathlib
import re
import shlex

import pytest
import typer.testing

from schemagen.cli import commands
from schemagen.compat import installation

ROOT = pathlib.Path(__file__).parents[2]
TEXT = (ROOT / "docs/check.md").read_text()
SHOWN = re.search(r"^```console\n\$ (.*)\n((?s:.*?))^```", TEXT, re.MULTILINE)


@pytest.mark.deep  # it builds seven judges; test_minors asks the newest and one older
def test_several_minor_versions_are_as_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    assert SHOWN is not None
    monkeypatch.chdir(ROOT)
    program, *arguments = shlex.split(SHOWN[1])
    assert "schemagen" == program
    done = typer.testing.CliRunner().invoke(commands.app, arguments)

    assert (1, SHOWN[2]) == (done.exit_code, done.stdout)


def test_every_rule_is_described() -> None:
    described = re.findall(r"^\| `([a-z-]+)` \|", TEXT, re.MULTILINE)

    assert [*installation.RULES] == described
