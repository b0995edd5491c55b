"""Round trips between versions, at length: every kind, both directions, valid and broken objects.

``python -m tests.bench.prove_roundtrip --number 200000 --seed 0``: so many Hypothesis objects for
each kind and direction, half of the schema and half that break it. Shell: processes and a progress
bar. Exit code 1: one was lost.
"""

import argparse
import concurrent.futures
import dataclasses
import os
import sys
from typing import Any

import rich.console
import rich.progress
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings

from tests.support import round_trips

# Hypothesis runs fresh in each: it slows down when one run draws many thousands.
CHUNK = 1000

SORTS = {
    "valid": round_trips.of_the_schema,
    "broken": round_trips.breaking_the_schema,
}


@dataclasses.dataclass(frozen=True)
class Task:
    """A share of the objects of one kind, direction and sort.

    Attributes:
        case: Index in ``round_trips.CASES``.
        sort: ``valid`` or ``broken``.
        count: How many objects.
        number: Of the run; the same one draws the same.
    """

    case: int
    sort: str
    count: int
    number: int

    @property
    def name(self) -> str:
        """``AgentRun v1alpha1 via v1beta1, valid``."""
        kind, version, other = round_trips.CASES[self.case]
        return f"{kind.name} {version} via {other}, {self.sort}"


def run(task: Task) -> str:
    """Draw and compare; what was lost, with the smallest object, or nothing."""
    kind, version, other = round_trips.CASES[task.case]

    @seed(task.number)
    @settings(
        max_examples=task.count,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
    )
    @given(SORTS[task.sort](kind, version))
    def check(value: dict[str, Any]) -> None:
        try:
            round_trips.assert_nothing_is_lost(kind, value, version, other)
        except AssertionError as error:
            raise AssertionError(f"{task.name}: {value!r}: {error}") from error

    try:
        check()
    except AssertionError as error:
        return str(error)
    return ""


def tasks(count: int, number: int) -> list[Task]:
    """All shares; those of one kind and sort differ in their number."""
    return [
        Task(case, sort, min(CHUNK, count // len(SORTS) - start), number + start)
        for case in range(len(round_trips.CASES))
        for sort in SORTS
        for start in range(0, count // len(SORTS), CHUNK)
    ]


def main() -> int:
    """Run all shares on all cores."""
    parser = argparse.ArgumentParser(description="round trips between versions, at length")
    parser.add_argument(
        "--number", type=int, default=200_000, help="objects of each kind and direction"
    )
    parser.add_argument("--seed", type=int, default=0, help="names the run")
    arguments = parser.parse_args()
    shares = tasks(arguments.number, arguments.seed)
    lost: list[str] = []
    console = rich.console.Console(stderr=True)
    with (
        concurrent.futures.ProcessPoolExecutor(os.cpu_count()) as pool,
        rich.progress.Progress(console=console) as progress,
    ):
        bar = progress.add_task("round trips", total=sum(share.count for share in shares))
        for share, found in zip(shares, pool.map(run, shares), strict=True):
            progress.advance(bar, share.count)
            if found:
                lost.append(found)
    output = rich.console.Console(soft_wrap=True, highlight=False)
    for found in lost:
        output.print(found, markup=False)
    total = sum(share.count for share in shares)
    output.print(
        f"{total} round trips: {arguments.number} of each of {len(round_trips.CASES)} kinds and "
        f"directions, half of them broken, seed {arguments.seed}: {len(lost)} shares with a loss"
    )
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
