"""What docs/check.md shows of several minor versions is so, where their judges are built."""

import pathlib
import re
import shlex

import pytest
import typer.testing

from schemagen.cli import commands
from schemagen.compat import installation, releases
from schemagen.judge import module

ROOT = pathlib.Path(__file__).parents[2]
TEXT = (ROOT / "docs/check.md").read_text()
SHOWN = re.search(r"^```console\n\$ (.*)\n((?s:.*?))^```", TEXT, re.MULTILINE)


def test_several_minor_versions_are_as_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    assert SHOWN is not None
    monkeypatch.chdir(ROOT)
    program, *arguments = shlex.split(SHOWN[1])
    assert "schemagen" == program
    missing = [
        str(release)
        for release in releases.parsed(arguments[-1])
        if release.minor is not None and module.find(minor=release.minor) is None
    ]
    if missing:
        pytest.skip(f"`make prove-minors` builds the judges of {', '.join(missing)}")

    done = typer.testing.CliRunner().invoke(commands.app, arguments)

    assert (1, SHOWN[2]) == (done.exit_code, done.stdout)


def test_every_rule_is_described() -> None:
    described = re.findall(r"^\| `([a-z-]+)` \|", TEXT, re.MULTILINE)

    assert [*installation.RULES] == described
