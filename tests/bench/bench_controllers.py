"""The controller of AgentRuns against the same loop on controller-runtime and on kopf.

``python -m tests.bench.bench_controllers`` starts a cluster on which Jobs run, lets each controller
in turn carry out the same runs, and prints ratios; then ours drains many runs through few slots.
Exit code 1: ours does less than it should. Shell: processes.
"""

import argparse
import asyncio
import dataclasses
import pathlib
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from typing import Final

import rich.box
import rich.console
import rich.table

from controllers import devcluster, kube
from tests.bench.controllers import drain, load, peers

# Ours to each: runs a second, and runs for a second of the controller's CPU.
WANTED: Final = {"go": 1.0, "kopf": 5.0}
WARM_UP: Final = 10
# Long enough that each controller sees every pod run, and so writes the same: at 0.3 s the Go peer
# told of a quarter of the starts, ours of three quarters.
POD_SECONDS: Final = 1.5


@dataclasses.dataclass(frozen=True)
class Measured:
    """One round of one controller."""

    runs_a_second: float
    runs_a_cpu_second: float
    writes_a_run: float
    reads_a_run: float
    resident_mib: float


async def measure(
    cluster: devcluster.Cluster,
    name: str,
    number: int,
    count: int,
    log: pathlib.Path,
    *,
    warm_up: int = WARM_UP,
) -> Measured:
    """Have a controller carry out so many runs in a namespace of their own."""
    namespace = f"{name}-{number}"
    async with kube.Client.from_kubeconfig(
        cluster.admin_kubeconfig, user_agent="load", on_warning=lambda _: None
    ) as client:
        await peers.prepare_namespace(client, namespace, POD_SECONDS)
        with peers.running(name, cluster.admin_kubeconfig, namespace, log) as program:
            await load.drive(client, namespace, load.names("warm", warm_up))
            before = await load.settled(cluster)
            others = await load.cluster_events(client, namespace)
            cpu = program.cpu_seconds()
            driven = await load.drive(client, namespace, load.names("run", count))
            after = await load.settled(cluster)
            cpu, resident = program.cpu_seconds() - cpu, program.resident_bytes()
            others = await load.cluster_events(client, namespace) - others
    writes = load.difference(after, before, load.WRITES)
    reads = load.difference(after, before, load.READS)
    peers.tell(
        f"{namespace}: {driven.seconds:.1f} s ({driven.creating_seconds:.1f} s to create), "
        f"CPU {cpu:.2f} s, writes {writes} less {others} Events of Jobs, reads {reads}"
    )
    return Measured(
        count / driven.seconds,
        count / cpu,
        (sum(writes.values()) - others) / count,
        sum(reads.values()) / count,
        resident / 2**20,
    )


async def against_peers(
    names: Sequence[str], rounds: int, count: int
) -> Mapping[str, list[Measured]]:
    """All rounds, by controller, in a cluster of their own."""
    with devcluster.Cluster(runs_jobs=True, tell=peers.tell) as cluster:
        return await compared(cluster, names, rounds, count)


async def compared(
    cluster: devcluster.Cluster,
    names: Sequence[str],
    rounds: int,
    count: int,
    warm_up: int = WARM_UP,
) -> Mapping[str, list[Measured]]:
    """All rounds, by controller; they alternate."""
    found: dict[str, list[Measured]] = {name: [] for name in names}
    async with kube.Client.from_kubeconfig(
        cluster.admin_kubeconfig, on_warning=lambda _: None
    ) as client:
        await peers.prepare(client)
    with tempfile.TemporaryDirectory() as scratch:
        log = pathlib.Path(scratch) / "log"
        for number in range(rounds):
            for name in names:
                one = await measure(cluster, name, number, count, log, warm_up=warm_up)
                found[name].append(one)
    return found


def peers_table(found: Mapping[str, list[Measured]]) -> tuple[rich.table.Table, list[str]]:
    """Medians of all rounds, and what is short."""
    table = rich.table.Table(
        *("controller", "runs/s", "ours : it", "runs/CPU s", "ours : it"),
        *("writes/run", "reads/run", "MiB"),
        box=rich.box.SIMPLE,
    )
    short = []
    for name, ones in found.items():
        ratios = []
        for field in ("runs_a_second", "runs_a_cpu_second"):
            # Of rounds side by side: what else the machine did was about the same.
            pairs = zip(found.get("ours", ones), ones, strict=True)
            ratio = statistics.median(getattr(a, field) / getattr(b, field) for a, b in pairs)
            ratios.append(f"{ratio:.2f}" if "ours" in found and name != "ours" else "")
            if ratios[-1] and ratio < WANTED[name]:
                short.append(f"{field} ours to {name}: {ratio:.2f} of {WANTED[name]:g}")
        one = Measured(*map(statistics.median, zip(*map(dataclasses.astuple, ones), strict=True)))
        table.add_row(
            *(name, f"{one.runs_a_second:.1f}", ratios[0]),
            *(f"{one.runs_a_cpu_second:.0f}", ratios[1]),
            *(f"{one.writes_a_run:.1f}", f"{one.reads_a_run:.1f}", f"{one.resident_mib:.0f}"),
        )
    return table, short


async def drained(number: int, submissions: int = drain.SUBMISSIONS) -> drain.Drained:
    """Many waiting runs and few slots, in a cluster of its own."""
    with (
        tempfile.TemporaryDirectory() as scratch,
        devcluster.Cluster(runs_jobs=True, tell=peers.tell) as cluster,
    ):
        return await drain.measure(cluster, number, submissions, pathlib.Path(scratch) / "log")


def drain_report(found: drain.Drained) -> list[str]:
    """What is short; prints what was measured."""
    shown = (
        ("admissions/s", found.admissions_a_second, ">=", 20.0),
        ("writes/run", found.writes_a_run, "<=", 11.0),
        ("p95 submit s", found.submit_p95_seconds, "<=", 0.5),
        ("p95 reconcile delay s, below", found.delay_seconds, "<=", 1.0),
        ("in flight at most", found.most_in_flight, "<=", float(drain.LIMITS.cluster)),
        ("violations", len(found.violations), "<=", 0.0),
    )
    short = []
    for name, value, sign, wanted in shown:
        print(f"{name}: {value:.2f} (wanted {sign} {wanted:g})")  # noqa: T201 - output
        if (value < wanted) if sign == ">=" else (value > wanted):
            short.append(f"{name}: {value:.2f} of {wanted:g}")
    return [*short, *found.violations[:10]]


def main() -> int:
    """Measure, show tables, and say what is short."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--part", choices=["peers", "drain", "all"], default="all")
    arguments.add_argument("--rounds", type=int, default=3, help="at least 1")
    # With fewer, the end weighs more, when all wait for the Job controller's next round.
    arguments.add_argument("--runs", type=int, default=400, help="a round of the peers")
    arguments.add_argument("--waiting", type=int, default=5000, help="runs that are drained")
    arguments.add_argument("--only", nargs="+", choices=[*peers.CONTROLLERS], default=None)
    given = arguments.parse_args()
    if given.rounds < 1:
        arguments.error(f"argument --rounds: expected at least 1, got {given.rounds}")
    short: list[str] = []
    if given.part in {"peers", "all"}:
        names = given.only or [*peers.CONTROLLERS]
        found = asyncio.run(against_peers(names, given.rounds, given.runs))
        table, short = peers_table(found)
        rich.console.Console(width=120).print(table)
    if given.part in {"drain", "all"}:
        short += drain_report(asyncio.run(drained(given.waiting)))
    print(f"short: {'; '.join(short) or 'nothing'}")  # noqa: T201 - output
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
