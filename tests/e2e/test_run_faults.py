"""Short versions of `make prove-faults` and `make prove-limits`: the same comes of it all."""

import pathlib
from collections.abc import AsyncIterator

import pytest

from controllers import devcluster
from controllers.runs import projections
from tests.bench import prove_limits
from tests.support import accounts, depth, run_invariants, run_sweeps
from tests.support.fault_proxy import Proxy
from tests.support.run_invariants import Count, Event
from tests.support.run_scenario import LIMITS
from tests.support.run_sweeps import Bench

pytestmark = pytest.mark.e2e

RUNS = 40 if depth.DEEP else 20


@pytest.fixture
async def bench(served_cluster: devcluster.Cluster, tmp_path: pathlib.Path) -> AsyncIterator[Bench]:
    async with (
        accounts.Admin.from_kubeconfig(served_cluster.admin_kubeconfig) as client,
        Proxy(served_cluster.admin_kubeconfig) as proxy,
    ):
        yield Bench(served_cluster, client, proxy, tmp_path)


# The ledger, the claim, a Job, a status: points of a golden run of about 35 writes.
@pytest.mark.parametrize(
    ("number", "when"),
    [
        (1, "after_commit"),
        pytest.param(6, "before", marks=pytest.mark.deep),
        (9, "after_commit"),
        pytest.param(14, "after_ack", marks=pytest.mark.deep),
    ],
)
async def test_controller_that_crashes_at_a_write_is_followed_by_one_that_ends_it(
    bench: Bench, number: int, when: run_sweeps.When
) -> None:
    was_crashed, found = await run_sweeps.crashed(bench, number, when)

    assert was_crashed
    assert [] == found.wrong()


async def test_controller_among_faults_comes_to_the_same_end(bench: Bench) -> None:
    port, found = await run_sweeps.among_faults(bench, 1, 8.0 if depth.DEEP else 4.0, 0.03)

    assert port.dealt
    assert [] == found.wrong(), port.report()


async def test_two_leaders_at_once_exceed_no_limit(bench: Bench) -> None:
    count, wrong = await prove_limits.watched(bench, RUNS, 2, 0)

    # Who looks at an old copy asks again for a run that has ended, and gives the slot back.
    assert count.admissions >= RUNS
    assert [] == wrong


def test_violations_are_found() -> None:
    """What is looked for is not merely absent."""
    run = {"metadata": {"uid": "u", "name": "fix"}, "status": {"phase": "Succeeded"}}
    job = {
        "metadata": {
            "uid": "j",
            "name": "run-1",
            "labels": {"agents.proompteng.ai/run-uid": "u"},
        },
        "spec": {},
        "status": {},
    }
    again = {**run, "status": {"phase": "Running"}}
    events = [
        Event.of(1, projections.RUNS, run),
        Event.of(2, projections.RUNS, again),
        Event.of(3, projections.JOBS, job),
    ]

    assert [
        "revision 2: run fix was Succeeded, and then Running",
        "revision 3: run u has a Job and no slot",
    ] == [*run_invariants.violations(events, LIMITS, Count())]
