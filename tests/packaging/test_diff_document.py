"""The commands and the allow-list of docs/diff.md do what it says."""

import pathlib
import re
import subprocess

import pytest
from typer.testing import CliRunner

from schemagen import yaml
from schemagen.cli import commands
from tests.support import diff_cases

TEXT = (pathlib.Path(__file__).parents[2] / "docs/diff.md").read_text()
COMMANDS = re.findall(r"^\$ schemagen (.*)$", TEXT, re.MULTILINE)
(ALLOWED,) = re.findall(r"```yaml\n(allow:.*?)```", TEXT, re.DOTALL)

BEFORE = diff_cases.with_schema("spec.size", {"type": "string", "maxLength": 30})
AFTER = diff_cases.with_schema("spec.size", {"type": "string", "maxLength": 20})


@pytest.fixture(autouse=True)
def repository(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A repository whose last commit has the CRD before, and whose working tree the one now."""
    monkeypatch.chdir(tmp_path)
    for folder, crd in (("crds-before", BEFORE), ("crds", AFTER)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "widgets.yaml").write_text(yaml.dumps(crd))
    return tmp_path


def test_directories_are_compared() -> None:
    done = CliRunner().invoke(commands.app, COMMANDS[0].split())

    assert done.exit_code == 1
    assert "max-length-lowered" in done.output


def test_a_commit_is_compared_with_the_working_tree(repository: pathlib.Path) -> None:
    (repository / "crds-before/widgets.yaml").unlink()
    (repository / "crds/widgets.yaml").write_text(yaml.dumps(BEFORE))
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    for command in (("init", "-q"), ("add", "."), (*identity, "commit", "-q", "-m", "one")):
        subprocess.run(["git", *command], cwd=repository, check=True)  # noqa: S607 - the user's
    (repository / "crds/widgets.yaml").write_text(yaml.dumps(AFTER))

    done = CliRunner().invoke(commands.app, COMMANDS[1].split())

    assert done.exit_code == 1
    assert "widgets.example.com/v1/spec.size/max-length-lowered" in done.output
    assert "crds/widgets.yaml:" in done.output


def test_the_allowed_change_passes(repository: pathlib.Path) -> None:
    (repository / "allowed.yaml").write_text(ALLOWED)

    done = CliRunner().invoke(commands.app, [*COMMANDS[0].split(), "--allow", "allowed.yaml"])

    assert done.exit_code == 0
    assert "no object has more than 20 characters" in done.output


def test_every_output_of_the_page_is_an_option() -> None:
    sentence = TEXT.partition("`--output` is ")[2].partition(".")[0]

    for name in re.findall(r"`(\w+)`", sentence):
        done = CliRunner().invoke(commands.app, [*COMMANDS[0].split(), "-o", name])
        assert done.exit_code == 1, name
