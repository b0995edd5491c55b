"""The examples of docs/yaml-conversions.md load, convert as shown, and their commands run."""

import pathlib
import re
import shlex
from typing import Any

import pytest

from schemagen import yaml
from schemagen.versions import graph, verification
from schemagen.versions.declared import file_format, foreign, loading
from tests.support.forked_commands import Commands

DOCUMENT = (pathlib.Path(__file__).parents[2] / "docs/yaml-conversions.md").read_text()


def blocks(marker: str) -> list[tuple[str, str]]:
    """What follows a marker, and the block below it."""
    pattern = rf"^<!-- {marker}(?:: (\S+))? -->\n```\w+\n(.*?)^```"
    return re.findall(pattern, DOCUMENT, re.MULTILINE | re.DOTALL)


@pytest.fixture
def project(tmp_path: pathlib.Path) -> pathlib.Path:
    """A folder with the document's files."""
    for name, text in blocks("file"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_objects_are_converted_as_shown(project: pathlib.Path) -> None:
    api = loading.load([str(project / "crds")], [str(project / "conversions")])
    verification.check(api)
    objects: dict[str, Any] = {
        version: yaml.load(text.encode()) for version, text in blocks("object")
    }

    for source, target in (("v1alpha1", "v1"), ("v1", "v1alpha1")):
        found = graph.convert(api, api.kinds[0], objects[source], source=source, target=target)
        assert objects[target] == found.object


@pytest.mark.parametrize("command", [text for _, text in blocks("run")])
def test_commands_run(command: str, project: pathlib.Path, commands: Commands) -> None:
    program, *arguments = shlex.split(command)
    assert "schemagen" == program
    done = commands.run("schemagen", *arguments, cwd=project)

    assert 0 == done.code, done.err


def test_a_suggestion_asks_what_is_shown(project: pathlib.Path, commands: Commands) -> None:
    done = commands.run("schemagen", "suggest", "crds/widgets.yaml", cwd=project)

    ((_, question),) = blocks("questions")
    assert question.strip() in done.out.splitlines()


def rows(title: str) -> list[str]:
    """The first cells of a section's table."""
    section = DOCUMENT.partition(f"## {title}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)


@pytest.mark.parametrize(
    ("title", "model"),
    [("Steps of fields", file_format.Part), ("Steps of values", file_format.ValueStep)],
)
def test_every_step_is_listed(title: str, model: type[file_format.OneOf]) -> None:
    listed = {name for row in rows(title) for name in re.findall(r"`(\w+)[:`]", row)}

    assert file_format.names_of(model).keys() - {"keep"} <= listed
    assert listed <= file_format.names_of(model).keys()


def test_every_strategy_is_listed() -> None:
    listed = {
        name
        for row in rows("From declarative-conversion-operator")
        for name in re.findall(r"`([A-Z]\w+)`", row)
    }

    assert foreign.strategies() == listed
