"""The limit holds in every interleaving, and the model would see it if it did not."""

from tests.support import ledger_model


def test_limit_holds_with_two_that_believe_to_lead_late_writes_and_old_views() -> None:
    found = ledger_model.explore(ledger_model.Design())

    assert () == found.violation
    assert found.both_can_end
    assert found.states > 10_000


def test_model_finds_a_slot_that_is_freed_without_a_tombstone() -> None:
    found = ledger_model.explore(ledger_model.Design(buries=False))

    assert "CREATE" in " ".join(found.violation)
    assert "FREE" in " ".join(found.violation)


def test_model_finds_a_ledger_that_is_not_swapped() -> None:
    assert ledger_model.explore(ledger_model.Design(swaps=False)).violation
