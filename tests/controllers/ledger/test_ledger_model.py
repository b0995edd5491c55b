"""The limit holds in every interleaving, and the model detects violations."""

import dataclasses

import pytest

from tests.support import depth, ledger_model

pytestmark = pytest.mark.slow

# How many may be under way at a time: with a third one there are ten times as many states.
WRITES = 3 if depth.DEEP else 2
LOSING = ledger_model.Design(loses=True, cancels=False, most_writes=2, most_version=6)


def test_limit_holds_with_two_that_believe_to_lead_late_writes_and_old_views() -> None:
    found = ledger_model.explore(ledger_model.Design(most_writes=WRITES))

    assert () == found.violation
    assert found.both_can_end
    assert found.states > 10_000


def test_model_finds_a_slot_that_is_freed_without_a_tombstone() -> None:
    found = ledger_model.explore(ledger_model.Design(buries=False))

    assert "CREATE" in " ".join(found.violation)
    assert "FREE" in " ".join(found.violation)


def test_model_finds_a_ledger_that_is_not_swapped() -> None:
    assert ledger_model.explore(ledger_model.Design(swaps=False)).violation


def test_limit_holds_though_the_ledger_is_deleted_and_both_begin_it_anew() -> None:
    found = ledger_model.explore(LOSING)

    assert () == found.violation
    assert found.both_can_end


def test_model_finds_a_ledger_that_is_begun_over_one_by_which_slots_were_given() -> None:
    found = ledger_model.explore(dataclasses.replace(LOSING, begins_once=False))

    assert "the ledger is deleted" in found.violation
