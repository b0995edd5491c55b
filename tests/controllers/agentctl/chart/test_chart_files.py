"""The chart's generated files are current, and its values are what their model says."""

import json
import pathlib

import jsonschema
import pytest

from controllers.agentctl.chart import __main__ as command
from controllers.agentctl.chart import documents, files
from controllers.agentctl.chart.values import ChartValues
from schemagen import yaml

ROOT = pathlib.Path(__file__).parents[4]
CHART = ROOT / files.CHART


def test_generated_files_are_current() -> None:
    assert [] == command.outdated(ROOT, files.generated(ROOT)), "run `make chart`"


def test_changed_and_orphaned_files_are_outdated(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / files.CHART / "files"
    folder.mkdir(parents=True)
    for name, text in (("changed.yaml", "b: 1\n"), ("orphan.yaml", ""), ("same.yaml", "")):
        (folder / name).write_text(text)
    generated = {
        files.CHART / "files" / name: "" for name in ("changed.yaml", "missing.yaml", "same.yaml")
    }

    names = [path.name for path in command.outdated(tmp_path, generated)]

    assert ["changed.yaml", "missing.yaml", "orphan.yaml"] == names


def test_document_without_a_place_for_the_table_is_an_error(tmp_path: pathlib.Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "install.md").write_text("# Installing\n")
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())

    with pytest.raises(files.OutdatedError, match="expected <!-- values"):
        files.generated(tmp_path)


def test_defaults_of_the_values_are_valid_and_those_of_the_model() -> None:
    (values,) = yaml.load_all((CHART / "values.yaml").read_bytes())

    jsonschema.Draft202012Validator(json.loads(documents.schema())).validate(values)

    assert ChartValues() == ChartValues.model_validate(values)


def test_every_value_has_a_description_that_is_a_sentence() -> None:
    rows = [row.split(" | ") for row in documents.values_table().splitlines()[2:]]

    wrong = [row[0] for row in rows if not row[2].removesuffix(" |").endswith(".")]

    assert [] == wrong
    assert len(rows) > 60
