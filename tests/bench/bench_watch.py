"""Watch events of 3 KB AgentRuns: our reflector into its store, `kubernetes.aio`, and kopf.

``python -m tests.bench.bench_watch`` has a server write events that were made before, as fast as
they are read, to each reader in turn, and has a process of its own follow 50,000 runs. kopf is
installed into ``build/``, not into our environment. Exit code 1: ours is slower, or takes more
memory, than it should. Shell: processes.
"""

import argparse
import contextlib
import dataclasses
import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import rich.box
import rich.console
import rich.table

from tests.bench.controllers import agentruns, peers

WANTED_EVENTS: Final = 30_000
MAX_BYTES_A_RUN: Final = 6 * 1024
MAX_BYTES: Final = 400 * 10**6
# Runs that the events are of, in turn: each is added once, and changed from then on.
RUNS: Final = 5_000
READERS: Final = ("ours", "kubernetes.aio", "kopf")
_READ_BY: Final[Mapping[str, Callable[[], list[str]]]] = {
    "ours": lambda: [sys.executable, "-m", "tests.bench.controllers.readers", "ours"],
    "kubernetes.aio": lambda: [sys.executable, "-m", "tests.bench.controllers.readers", "aio"],
    "kopf": lambda: [str(peers.kopf_python()), str(peers.HERE / "kopf_reader.py")],
    "memory": lambda: [sys.executable, "-m", "tests.bench.controllers.readers", "memory"],
}


@dataclasses.dataclass(frozen=True)
class Measured:
    """One round of one reader."""

    events_a_second: float
    events_a_cpu_second: float


@contextlib.contextmanager
def streaming(*, listed: int, events: int, runs: int) -> Iterator[str]:
    """A server of runs that are there at first, and of events that follow; its address."""
    numbers = {"--listed": listed, "--events": events, "--runs": runs}
    arguments = [text for name, number in numbers.items() for text in (name, str(number))]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.controllers.streamer", *arguments],
        cwd=peers.ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().split()[-1]
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def read(name: str, url: str, count: int) -> dict[str, Any]:
    """What a reader said, in a process of its own."""
    command = [*_READ_BY[name](), url, str(count)]
    done = subprocess.run(command, cwd=peers.ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"expected {name} to read {count} events:\n{done.stderr[-2000:]}")
    return dict(json.loads(done.stdout))


def measured(names: Sequence[str], rounds: int, count: int) -> Mapping[str, list[Measured]]:
    """All rounds, by reader; they alternate."""
    found: dict[str, list[Measured]] = {name: [] for name in names}
    with streaming(listed=0, events=count, runs=RUNS) as url:
        for _ in range(rounds):
            for name in names:
                one = read(name, url, count)
                events = one["events"]
                found[name].append(Measured(events / one["seconds"], events / one["cpu_seconds"]))
    return found


def table(found: Mapping[str, list[Measured]]) -> rich.table.Table:
    """Medians of all rounds."""
    made = rich.table.Table(
        *("reader", "events/s", "fastest", "events/CPU s", "ours : it"), box=rich.box.SIMPLE
    )
    for name, ones in found.items():
        # Of rounds side by side: what else the machine did was about the same.
        pairs = zip(found.get("ours", ones), ones, strict=True)
        ratio = statistics.median(a.events_a_cpu_second / b.events_a_cpu_second for a, b in pairs)
        seconds = [one.events_a_second for one in ones]
        cpu = statistics.median(one.events_a_cpu_second for one in ones)
        cells = (statistics.median(seconds), max(seconds), cpu)
        made.add_row(name, *(f"{cell:,.0f}" for cell in cells), f"{ratio:.1f}")
    return made


def _slow(ones: Sequence[Measured]) -> list[str]:
    """What ours falls short of: in its best round, for what others add to one is none of ours.

    A second is one of the reader's own CPU: on a core of its own, it is one of the clock.
    """
    best = max((one.events_a_cpu_second for one in ones), default=float("inf"))
    return [f"{best:,.0f} of {WANTED_EVENTS:,} events a second"] if best < WANTED_EVENTS else []


def followed(runs: int) -> tuple[str, list[str]]:
    """What following so many runs takes of memory, in words, and what is short."""
    with streaming(listed=runs, events=0, runs=runs) as url:
        found = read("memory", url, runs)
    grown = (found["after_bytes"] - found["before_bytes"]) / found["runs"]
    whole, most = found["after_bytes"], found["peak_bytes"]
    said = (
        f"following {runs:,} runs: {grown / 1024:.2f} KiB a run, {whole / 1e6:.0f} MB in all, "
        f"{most / 1e6:.0f} MB at most"
    )
    short = [f"memory a run: {grown / 1024:.2f} KiB"] if grown > MAX_BYTES_A_RUN else []
    short += [f"memory: {most / 1e6:.0f} MB"] if most > MAX_BYTES else []
    return said, short


def main() -> int:
    """Measure, show a table, and say what is short."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--events", type=int, default=30_000, help="a round")
    parser.add_argument("--followed", type=int, default=50_000, help="runs to hold in memory")
    parser.add_argument("--readers", nargs="+", choices=READERS, default=READERS)
    given = parser.parse_args()
    found = measured(given.readers, given.rounds, given.events)
    rich.console.Console(width=100).print(table(found))
    size = len(next(agentruns.lines(0, 1, 1)))
    said, short = followed(given.followed)
    print(f"events of {size:,} bytes; {said}")  # noqa: T201 - output
    short += _slow(found.get("ours", ()))
    print(f"short: {'; '.join(short) or 'nothing'}")  # noqa: T201 - likewise
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
