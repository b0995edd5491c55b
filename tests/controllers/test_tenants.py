"""What `make prove-tenants` says of its figures."""

import dataclasses

import pytest

from tests.support import tenants

QUIET = [0.1] * 100


def outcome(creates: list[float], starts: list[float]) -> tenants.Outcome:
    found = tenants.Outcome()
    found.add("quiet", tenants.Served(QUIET, QUIET))
    found.add("harmed", tenants.Served(creates, starts))
    return found


@pytest.mark.parametrize(
    ("creates", "starts", "short"),
    [
        ([1.0] * 100, [5.0] * 100, []),
        ([1.2] * 100, [5.0] * 100, ["p99 of creates 1.20 s"]),
        ([0.1] * 98 + [9.0] * 2, QUIET, ["p99 of creates 9.00 s"]),
        (QUIET, [0.1] * 98 + [11.0] * 2, ["p99 of starts 11.00 s"]),
        ([], [], ["p99 of creates inf s", "p99 of starts inf s"]),
    ],
)
def test_slo_that_is_not_kept_is_named(
    creates: list[float], starts: list[float], short: list[str]
) -> None:
    found = outcome(creates, starts)

    assert short == [line.partition(",")[0] for line in found.short()]


def test_wrong_runs_and_much_memory_are_short_of_it() -> None:
    found = outcome(QUIET, QUIET)
    found.add("harmed", tenants.Served([], [], ["x never started"]))
    found.resident_bytes["worker"] = 400 * 1024**2

    assert ["1 wrong", "worker took 400 MiB, expected at most 300"] == found.short()


def test_outcome_goes_on_from_what_was_saved() -> None:
    found = outcome(QUIET, [1.0])
    found.done["lists"] = {"taken": 3}

    assert found == tenants.Outcome.of(dataclasses.asdict(found))
    assert {*tenants.HARMS} - {"lists"} == {*found.missing()}
