"""Decisions, labels and policies are complete, and applied as they are written."""

import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
DECISIONS = sorted((ROOT / "docs/decisions").glob("*.md"))
LABELS = json.loads((ROOT / ".github/labels.json").read_text())


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = [int(path.name.partition("-")[0]) for path in DECISIONS]

    assert [*range(1, len(DECISIONS) + 1)] == numbers
    assert len(DECISIONS) > 10


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.name)
def test_decision_has_its_parts_and_names_code_that_exists(path: pathlib.Path) -> None:
    text = path.read_text()

    number, title = re.findall(r"\A# (\d+)\. (.+)\n", text)[0]
    words = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    assert f"{int(number):04d}-{words}.md" == path.name
    assert re.search(r"^Status: (proposed|accepted|superseded by \[\d+\])", text, re.MULTILINE)
    assert ["Context", "Decision", "Consequences"] == re.findall(r"^## (.+)", text, re.MULTILINE)
    named = re.findall(r"`((?:schemagen|webhooks|certs|crds|controllers)(?:\.\w+)+)`", text)
    places = [ROOT / name.replace(".", "/") for name in named]
    assert [] == [
        place for place in places if not place.is_dir() and not place.with_suffix(".py").is_file()
    ]


def test_labels_are_applied_as_the_file_says(tmp_path: pathlib.Path) -> None:
    program = tmp_path / "gh"
    program.write_text('#!/bin/sh\nprintf "%s|" "$@" >> "$RECORD"; echo >> "$RECORD"\n')
    program.chmod(0o755)
    record = tmp_path / "record"

    subprocess.run(
        [sys.executable, ROOT / ".ci" / "labels"],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "RECORD": str(record)},
        check=True,
    )

    assert [
        f"label|create|{label['name']}|--force|--color|{label['color']}"
        f"|--description|{label['description']}|"
        for label in LABELS
    ] == record.read_text().splitlines()


def test_labels_are_what_the_platform_takes() -> None:
    names = [label["name"] for label in LABELS]

    assert len(names) == len(set(names))
    assert [] == [
        label
        for label in LABELS
        if not re.fullmatch(r"[0-9a-f]{6}", label["color"]) or len(label["description"]) > 100
    ]


def test_labels_that_documents_name_exist() -> None:
    documents = [ROOT / "CONTRIBUTING.md", ROOT / "docs" / "roadmap.md"]
    named = {
        name
        for path in documents
        for name in re.findall(r"the label `([^`]+)`", path.read_text().replace("\n", " "))
    }

    assert named
    assert named <= {label["name"] for label in LABELS}
