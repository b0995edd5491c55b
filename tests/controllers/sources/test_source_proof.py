"""Small versions of ``make prove-sources``; no time is asserted."""

import pathlib

from tests.support import source_proof


async def test_histories_converge_in_spite_of_loss_order_and_forgery(
    tmp_path: pathlib.Path,
) -> None:
    result = await source_proof.converge(10, 0, tmp_path)

    assert {202} == {*result.statuses}
    assert {401} == {*result.forged}
    assert result.expected == result.found
    assert 10 == result.objects


def test_a_killed_process_loses_no_delivery_that_it_accepted(tmp_path: pathlib.Path) -> None:
    accepted, lost = source_proof.kill(100, tmp_path)

    assert accepted >= 50
    assert 0 == lost
