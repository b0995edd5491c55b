"""Short versions of the controller's benchmarks: everything runs, nothing is timed."""

import asyncio
import pathlib
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator

import msgspec
import pytest

import crds
from controllers import devcluster, kube
from controllers.kube.watch import projections
from controllers.runs import projections as views
from tests.bench import bench_admission, bench_controllers
from tests.bench.controllers import agentruns, drain, load


def _run(module: str, *arguments: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-m", f"tests.bench.{module}", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in {0, 1}, done.stderr
    return done.stdout.splitlines()


@pytest.mark.slow
def test_every_reader_reads_a_watch_to_its_end() -> None:
    # kopf is left out: it would have to be downloaded.
    lines = _run(
        "bench_watch",
        *("--rounds", "1", "--events", "300", "--followed", "200"),
        *("--readers", "ours", "kubernetes.aio"),
    )

    rows = [line.split()[0] for line in lines if line.split()]
    assert {"ours", "kubernetes.aio"} <= {*rows}
    assert any("following 200 runs" in line for line in lines)
    assert lines[-1].startswith("short: ")


def test_streamed_events_are_whole_runs_that_are_added_once() -> None:
    decoder = projections.Decoder(views.Run)

    seen = [decoder.event(line, "the test") for line in agentruns.lines(0, 6, 4)]

    assert Counter(ADDED=4, MODIFIED=2) == Counter(one.type for one in seen if one)
    found = [one.object for one in seen if one and one.object]
    assert 4 == len({run.metadata.uid for run in found})
    assert 6 == len({run.metadata.resource_version for run in found})
    assert {"Running"} == {run.status.phase for run in found}
    assert {4} == {len(run.status.conditions) for run in found}


def test_bookmark_ends_what_there_was() -> None:
    seen = projections.Decoder(views.Run).event(agentruns.bookmark(7), "the test")

    assert seen is not None
    assert (True, "7") == (seen.ends_initial, seen.resource_version)


def test_streamed_run_is_about_3_kib() -> None:
    size = len(msgspec.json.encode(agentruns.run("name", "uid", "job", "1")))

    assert 3_000 <= size <= 4_000


METRICS = """\
# TYPE apiserver_request_total counter
apiserver_request_total{verb="POST",resource="agentruns",subresource=""} 7
apiserver_request_total{verb="APPLY",resource="agentruns",subresource="status"} 5
apiserver_request_total{verb="PUT",resource="jobs",subresource="status"} 9
apiserver_request_total{verb="POST",resource="jobs",subresource=""} 3
apiserver_request_total{verb="POST",resource="pods",subresource=""} 3
apiserver_request_total{verb="LIST",resource="pods",subresource=""} 2
apiserver_request_total{verb="POST",resource="leases",subresource=""} 4
"""


def test_only_requests_of_a_controller_of_runs_are_counted() -> None:
    before, after = load.counted(METRICS), load.counted(METRICS.replace("} 5", "} 8"))

    assert {"agentruns/status": 3} == load.difference(after, before, load.WRITES)
    assert {} == load.difference(after, before, load.READS)
    everything = load.difference(after, {}, load.WRITES | load.READS)
    assert {"agentruns/status": 8, "jobs": 3, "pods": 2} == everything


def side(p99_ms: float, list_ms: float) -> bench_admission.Side:
    """A cluster in which one creation of a hundred takes this long, the others a millisecond."""
    taken = {}
    for version in bench_admission.VERSIONS:
        taken[f"create in {version}"] = [1.0] * 98 + [p99_ms] * 2
        taken[f"list in {version}"] = [list_ms]
    return bench_admission.Side(kube.Client.from_kubeconfig("/none"), taken)


def test_what_webhooks_add_is_the_difference_of_both_clusters() -> None:
    table, short = bench_admission.table(side(2.0, 100.0), side(8.0, 120.0), 1000)

    creations = [f"create in {version}" for version in bench_admission.VERSIONS]
    assert [f"{what}: 6.00 ms" for what in creations] == short
    assert ["6.00", "6.00", "0.020 each", "0.020 each"] == [*table.columns[-1].cells]
    assert [] == bench_admission.table(side(2.0, 1.0), side(6.0, 1.0), 1000)[1]


def test_only_calls_of_our_webhooks_are_counted() -> None:
    name = bench_admission.HISTOGRAMS["admission"]
    ours = f"validate.{crds.api.group}"
    buckets = [
        *((ours, "0.005", 99), (ours, "+Inf", 100)),
        *(("theirs", "0.005", 0), ("theirs", "+Inf", 900)),
    ]
    lines = (f'{name}_bucket{{name="{of}",le="{le}"}} {count}' for of, le, count in buckets)
    text = "\n".join([f"# TYPE {name} histogram", *lines, ""])

    assert (5.0, 100) == bench_admission.within(text, name, 0.99)
    assert (float("inf"), 100) == bench_admission.within(text, name, 1.0)


@pytest.fixture(scope="module")
def cluster() -> Iterator[devcluster.Cluster]:
    """One of its own: what others install would be measured, too."""
    with devcluster.Cluster(runs_jobs=True) as found:
        yield found


@pytest.mark.e2e
@pytest.mark.parametrize(
    # The peer in Go is built once, in minutes.
    "names",
    [["ours"], pytest.param(["ours", "go"], marks=pytest.mark.deep)],
    ids=" and ".join,
)
def test_controllers_carry_out_the_same_runs(cluster: devcluster.Cluster, names: list[str]) -> None:
    found = asyncio.run(bench_controllers.compared(cluster, names, rounds=1, count=5, warm_up=3))

    assert {*names} == {*found}
    for (one,) in found.values():
        assert 6 <= one.writes_a_run <= 14
        assert one.runs_a_second > 0


@pytest.mark.e2e
@pytest.mark.deep
def test_waiting_runs_drain_within_the_limits(
    cluster: devcluster.Cluster, tmp_path: pathlib.Path
) -> None:
    found = asyncio.run(drain.measure(cluster, 30, 10, tmp_path / "log"))

    assert () == found.violations
    assert 0 < found.most_in_flight <= 30
    assert 10 == len(found.submit_seconds)
