"""Suppressions of an object: a check and a reason on each line."""

import pytest

from controllers.agentctl.diagnose import suppressions
from controllers.agentctl.diagnose.check import IGNORE, Subject


def subject(annotation: str) -> Subject:
    metadata = {"name": "a", "annotations": {IGNORE: annotation}}
    return Subject.of({"kind": "Memory", "metadata": metadata})


def test_reason_is_that_of_the_check() -> None:
    of = subject("one: because: of this\n\n  two : and that  \nthree:")

    reasons = [suppressions.reason_for(name, of) for name in ("one", "two", "three", "four")]

    assert ["because: of this", "and that", "", ""] == reasons


@pytest.mark.parametrize("annotation", ["", "one: because", "\n one: a \n\n two: b\n"])
def test_valid_lines_are_no_problem(annotation: str) -> None:
    assert [] == [*suppressions.problems([subject(annotation)], ["one", "two"])]


@pytest.mark.parametrize("line", ["one", "one:", "three: because", ": because"])
def test_line_without_a_check_or_a_reason_is_a_problem(line: str) -> None:
    ((of, problem),) = suppressions.problems([subject(f"two: b\n{line}")], ["one", "two"])

    assert "a" == of.name
    assert problem.startswith("expected CHECK: REASON in annotation")


def test_annotation_that_is_no_text_is_ignored() -> None:
    value = {"kind": "Memory", "metadata": {"name": "a", "annotations": {IGNORE: ["x"]}}}

    assert [] != [*suppressions.problems([Subject.of(value)], ["one"])]
    assert [] == [*suppressions.problems([Subject.of({"metadata": None})], ["one"])]
