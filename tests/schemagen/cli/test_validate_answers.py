"""``schemagen validate`` responds like kubectl: tests/e2e asks it about the same manifests."""

import json
import pathlib
import time
from collections.abc import Iterator

import pytest

from schemagen import judge
from schemagen.cli import validation
from schemagen.yaml import manifests
from tests.support import gads

FOLDER = pathlib.Path(__file__).parents[2] / "data/manifests"
ANSWERS = json.loads(FOLDER.with_suffix(".json").read_text())
HEAD = b"apiVersion: example.com/v1\nkind: Gad\nmetadata: {name: a}\nspec:\n"


@pytest.fixture(scope="module")
def oracle() -> Iterator[judge.Judge]:
    with judge.Judge(deadline_seconds=60) as opened:
        yield opened


def answered(oracle: judge.Judge, content: bytes, source: str = "x.yaml") -> dict[str, object]:
    report = validation.Report(gads.api, oracle, strict=True)
    lines: list[str] = []
    answer: dict[str, object] = {}
    try:
        lines.extend(report.lines(content, source))
    except manifests.ManifestError as error:
        answer["error"] = str(error)
    return {"summary": report.summary, **({"lines": lines} if lines else {}), **answer}


def test_every_manifest_has_an_answer() -> None:
    assert {path.name for path in FOLDER.iterdir()} == ANSWERS.keys()


@pytest.mark.parametrize("name", ANSWERS)
def test_manifest_is_answered_as_by_kubectl(oracle: judge.Judge, name: str) -> None:
    assert ANSWERS[name] == answered(oracle, (FOLDER / name).read_bytes(), name)


def test_bomb_of_aliases_is_refused_at_once(oracle: judge.Judge) -> None:
    levels = [b"    a0: &a0 [lol,lol,lol,lol,lol,lol,lol,lol,lol,lol]"]
    for level in range(1, 8):
        aliases = b",".join([b"*a%d" % (level - 1)] * 10)
        levels.append(b"    a%d: &a%d [%s]" % (level, level, aliases))
    content = HEAD + b"  free:\n" + b"\n".join(levels)
    started = time.process_time()

    answer = answered(oracle, content)

    assert "x.yaml:6: expected YAML: document contains excessive aliasing" == answer["error"]
    assert time.process_time() - started < 10


@pytest.mark.parametrize(("letters", "is_taken"), [(3_145_500, True), (3_145_700, False)])
def test_object_of_more_than_three_megabytes_is_refused(
    oracle: judge.Judge, letters: int, *, is_taken: bool
) -> None:
    answer = answered(oracle, HEAD + b"  text: " + b"x" * letters)

    refusal = ["x.yaml:1: Gad a: Request entity too large: limit is 3145728"]
    assert answer.get("lines", []) == ([] if is_taken else refusal)


def test_escapes_of_gos_json_count(oracle: judge.Judge) -> None:
    answer = answered(oracle, HEAD + b"  text: a" + b"<" * 600_000)

    assert ["x.yaml:1: Gad a: Request entity too large: limit is 3145728"] == answer["lines"]


@pytest.mark.parametrize("depth", [300, 8_000])
def test_fields_may_lie_deep(oracle: judge.Judge, depth: int) -> None:
    answer = answered(oracle, HEAD + b"  free: {a: " + b"[" * depth + b"]" * depth + b"}")

    assert {"summary": "1 would be accepted, 0 refused"} == answer


def test_too_deep_a_text_is_refused(oracle: judge.Judge) -> None:
    answer = answered(oracle, HEAD + b"  free: " + b"[" * 10_001)

    assert "x.yaml:5: expected YAML: exceeded max depth of 10000" == answer["error"]
