"""The short versions of long proofs and benchmarks of the webhook server."""

import pathlib
import subprocess
import sys
from collections.abc import Iterator

import pytest

from controllers import devcluster
from tests.support import depth, rollouts, soak

pytestmark = pytest.mark.e2e

SOAK_SECONDS = 15.0 if depth.DEEP else 6.0
# Clients that never rest would take the processors from all other tests.
PAUSE_SECONDS = 0.0 if depth.DEEP else 0.3
REPLICAS = 3 if depth.DEEP else 2


@pytest.fixture(scope="module")
def cluster() -> Iterator[devcluster.Cluster]:
    """One of its own: what is installed here calls servers that are gone afterwards."""
    with devcluster.Cluster() as found:
        yield found


async def test_rolling_restart_fails_no_call(
    cluster: devcluster.Cluster, tmp_path: pathlib.Path
) -> None:
    found = await rollouts.roll(
        cluster, tmp_path, rounds=1, clients=1, pause_seconds=PAUSE_SECONDS, count=REPLICAS
    )

    assert [] == [str(one) for one in found.traffic.failed]
    assert [REPLICAS, []] == [found.restarts, found.codes]
    assert found.traffic.calls > 0


async def test_every_error_of_a_disturbed_server_has_its_fault(
    cluster: devcluster.Cluster, tmp_path: pathlib.Path
) -> None:
    # One client of each: a machine that is full of other tests must not look like a fault.
    found = await soak.soak(
        *(cluster, tmp_path),
        seconds=SOAK_SECONDS,
        seed=0,
        clients=1,
        pause_seconds=PAUSE_SECONDS,
    )

    _, unexplained = found.errors()
    assert [] == [found.when(one) for one in unexplained]
    assert min(found.traffic.calls, found.reviews, found.faults.total()) > 0


@pytest.mark.deep
def test_both_servers_answer_every_load_of_the_benchmark() -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.bench.bench_webhooks"),
            *("--rounds", "1", "--requests", "10"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    rows = [line.split() for line in done.stdout.splitlines()]
    loads = {"validate", "mutate", "convert", "echo"}
    assert done.returncode in {0, 1}, done.stderr
    assert 15 == sum(row[:1] != [] and row[0] in loads for row in rows), done.stdout


@pytest.mark.deep  # it needs two clusters of its own; tests/bench is run by hand anyway
def test_what_webhooks_add_is_measured() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.bench_admission", "--number", "15"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode in {0, 1}, done.stderr
    assert "short: " in done.stdout
