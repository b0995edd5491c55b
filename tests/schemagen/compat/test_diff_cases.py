"""Every file of tests/data/diff: a single change, and what it means to each audience."""

import copy
import json
from collections.abc import Iterator

import pytest

from schemagen import judge
from schemagen.compat.changes.changes import Outcome
from schemagen.compat.verdicts import differences
from tests.support import diff_cases, diff_proof

pytestmark = pytest.mark.slow

CASES = diff_cases.read_all()


@pytest.fixture(scope="module")
def oracle() -> Iterator[judge.Judge]:
    with judge.Judge() as opened:
        yield opened


def test_there_are_enough_cases_and_hardly_any_is_unproved() -> None:
    unproved = [
        case.name
        for case in CASES
        if any("unproved" in outcomes.values() for outcomes in case.expected.values())
    ]

    assert len(CASES) >= 200
    assert len(unproved) <= len(CASES) * 0.05, unproved


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_change_means_what_its_file_says(case: diff_cases.Case, oracle: judge.Judge) -> None:
    old, new = diff_cases.definitions(case.old), diff_cases.definitions(case.new)

    found = [*differences.of(old, new, oracle)]

    assert case.expected == diff_cases.outcomes(found)
    for difference in found:
        for audience, verdict in difference.decided.verdicts.items():
            assert verdict.reason
            if verdict.outcome is Outcome.BREAKING:
                assert verdict.witness is not None
                is_pair = difference.change.rule.startswith("pair-")
                fault = diff_proof.refuted(
                    case.old, case.new, audience, verdict.witness, oracle, is_pair=is_pair
                )
                assert fault == ""
            if verdict.outcome is Outcome.UNPROVED:
                assert verdict.draws or "webhook" in verdict.reason


@pytest.mark.parametrize("case", CASES[::10], ids=lambda case: case.name)
def test_a_crd_does_not_differ_from_itself_reordered(
    case: diff_cases.Case, oracle: judge.Judge
) -> None:
    reordered = _reordered(copy.deepcopy(case.new))

    old, new = diff_cases.definitions(case.new), diff_cases.definitions(reordered)

    assert [] == [*differences.of(old, new, oracle)]


def _reordered(value: object) -> object:
    """The same JSON, with the members of each object in the reverse order."""
    if isinstance(value, list):
        return [_reordered(item) for item in value]
    if isinstance(value, dict):
        return {key: _reordered(value[key]) for key in reversed(list(value))}
    return json.loads(json.dumps(value))
