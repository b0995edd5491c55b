"""docs/requirements.md and docs/threat-model.md lead to what exists; defaults are the code's."""

import ast
import dataclasses
import functools
import importlib
import operator
import pathlib
import re
from typing import Any

import pytest

ROOT = pathlib.Path(__file__).parents[2]
DOCUMENTS = [ROOT / "docs" / name for name in ("requirements.md", "threat-model.md")]
REQUIREMENTS = DOCUMENTS[0].read_text()
TESTS = re.compile(r"`(tests/[\w/.-]+\.py)(?:::(\w+))?`")
PATHS = re.compile(r"`((?:\.\w+|schemagen|webhooks|certs|crds|controllers|tests|charts)/[\w/.-]+)`")


def rows(text: str) -> list[list[str]]:
    """The cells of the rows of tables, without heads and rulers."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if not row[0].startswith("--") and row[0] not in HEADS]


HEADS = {"Requirement", "Default", "Threat", "Boundary", "Risk"}


def names(path: pathlib.Path) -> set[str]:
    """The functions of a test file."""
    tree = ast.parse(path.read_text())
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(tree) if isinstance(node, functions)}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_link_leads_to_code_document_and_test(path: pathlib.Path) -> None:
    text = path.read_text()
    tests = TESTS.findall(text)

    lost = [name for name in PATHS.findall(text) if not (ROOT / name).exists()]
    unknown = [f"{file}::{name}" for file, name in tests if name and name not in names(ROOT / file)]

    assert [] == lost
    assert [] == unknown
    assert len(tests) > 20


@pytest.mark.parametrize(
    "row", [row for row in rows(REQUIREMENTS) if len(row) == 5], ids=lambda row: row[0][:40]
)
def test_requirement_is_linked_or_says_what_is_missing(row: list[str]) -> None:
    _, state, code, document, proof = row

    assert state in {"met", "partly", "missing"}
    assert (state != "missing") == bool(code and document and TESTS.search(proof))
    assert (state != "met") == ("Missing: " in proof)


def test_every_requirement_has_a_row() -> None:
    """By section; the last one are decisions about defaults."""
    sections = REQUIREMENTS.split("\n## ")[1:]

    counts = [len([row for row in rows(text) if len(row) == 5]) for text in sections]

    assert [7, 5, 5, 4, 4, 4, 3, 3, 3, 7] == counts


def value(place: str) -> Any:
    """What stands in the code; a field of a class has its default."""
    module, _, path = place.partition(":")
    first, *further = path.split(".")
    found = getattr(importlib.import_module(module), first)
    if hasattr(found, "model_fields"):
        found = found.model_fields[further.pop(0)].default
    elif dataclasses.is_dataclass(found):
        defaults = {field.name: field.default for field in dataclasses.fields(found)}
        found = defaults[further.pop(0)]
    return functools.reduce(lambda found, name: operator.attrgetter(name)(found), further, found)


@pytest.mark.parametrize(
    ("expected", "place"),
    [tuple(cell.strip("`") for cell in row[1:]) for row in rows(REQUIREMENTS) if len(row) == 3],
)
def test_default_is_the_one_of_the_code(expected: str, place: str) -> None:
    assert ast.literal_eval(expected) == value(place)


def test_every_threat_has_a_mitigation_with_a_test_or_is_a_named_risk() -> None:
    text = DOCUMENTS[1].read_text()
    mitigations, _, risks = text.partition("## Residual risks")
    threats = [row for row in rows(mitigations) if len(row) == 4]

    unproved = [
        row[0] for row in threats if not TESTS.search(row[3]) and not re.fullmatch(r"R\d+", row[3])
    ]

    assert [] == unproved
    named = set(re.findall(r"\bR\d+\b", mitigations))
    assert named == set(re.findall(r"^\| (R\d+) \|", risks, re.MULTILINE))
    assert {"Spoofing", "Tampering", "Repudiation", "Information disclosure"} <= {
        row[1] for row in threats
    }
