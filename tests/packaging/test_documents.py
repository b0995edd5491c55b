"""What the documents say works: commands run, links lead somewhere, Python parses."""

import ast
import pathlib
import re
import shlex
from typing import Any

import pytest

from tests.support.forked_commands import ROOT, Commands

DOCUMENTS = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").glob("*.md"),
    *(ROOT / "docs/decisions").glob("*.md"),
]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"(`+).+?\1")

# Commands that other tests run, or that are for another project's files.
ELSEWHERE = (
    *("make ", "KUBEWRIGHT_", "webhooks serve", "webhooks dev", "schemagen migrate"),
    *("schemagen generate widgets:api", "webhooks review widgets:api"),
    *("schemagen roundtrip --crds", "schemagen suggest crds/", "schemagen lint crds:api"),
)


def blocks(language: str) -> list[tuple[pathlib.Path, str]]:
    return [
        (path, text)
        for path in DOCUMENTS
        for found, text in BLOCK.findall(path.read_text())
        if found == language
    ]


COMMANDS = [
    (path.name, line.split(" #")[0].strip())
    for path, text in blocks("sh")
    for line in text.splitlines()
    if line.strip() and not line.startswith(ELSEWHERE)
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "line"), COMMANDS)
def test_command_of_a_document_runs(commands: Commands, name: str, line: str) -> None:
    program: Any
    program, *arguments = shlex.split(line)
    assert program in {"schemagen", "webhooks"}, f"{name}: no test runs {line!r}"

    done = commands.run(program, *arguments, cwd=ROOT)

    assert "expected" not in done.err
    assert done.code in ({0, 1} if "/fail/" in line else {0})


@pytest.mark.parametrize(("path", "text"), blocks("python"), ids=lambda item: str(item)[-40:])
def test_python_of_a_document_parses(path: pathlib.Path, text: str) -> None:
    ast.parse(text, str(path))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(path: pathlib.Path) -> None:
    text = CODE.sub("", BLOCK.sub("", path.read_text()))
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)

    missing = [target for target in targets if not (path.parent / target).exists()]

    assert [] == missing


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_modules_and_files_that_a_document_names_exist(path: pathlib.Path) -> None:
    named = re.findall(
        r"`((?:schemagen|webhooks|controllers|crds|certs|tests|docs)/[\w./-]+)`", path.read_text()
    )

    missing = [name for name in named if not (ROOT / name).exists()]

    assert [] == missing


def test_every_target_that_is_named_has_a_recipe() -> None:
    """A phony target without a recipe succeeds and does nothing."""
    text = (ROOT / "Makefile").read_text()
    phony = set(re.findall(r"^\.PHONY:(.*)$", text, re.MULTILINE)[0].split())
    documented = {
        name for path in DOCUMENTS for name in re.findall(r"`make ([a-z-]+)", path.read_text())
    }

    recipes = set(re.findall(r"^([a-z-]+):(?! \w+ \??=).*\n\t", text, re.MULTILINE))

    assert set() == (phony | documented) - recipes - {"prove-", "bench-"}
