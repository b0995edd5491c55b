"""One tenant makes the worst objects that it may; another's calls and runs keep their SLOs.

``python -m tests.bench.prove_tenants --rounds 12 --seed 0 --part 1/1``. Each round is a quiet phase
and one beside the hostile tenant. A run that was interrupted goes on where it was:
build/prove-tenants holds what it has found. Shell: processes. Exit code 1: an SLO was not kept.
"""

import argparse
import asyncio
import dataclasses
import json
import pathlib
import random
import sys
import tempfile
import time

import rich.console
import rich.progress

from controllers import devcluster
from tests.support import tenants

FOLDER = pathlib.Path(__file__).parents[2] / "build" / "prove-tenants"
QUIET_SECONDS = 60.0
HARM_SECONDS = 120.0


@dataclasses.dataclass(frozen=True)
class Run:
    """What is to be proved.

    Attributes:
        rounds: In all parts.
        seed: Of what is drawn.
        part: This part, from 1.
        parts: Of so many.
    """

    rounds: int
    seed: int
    part: int
    parts: int

    @property
    def numbers(self) -> range:
        """The rounds of this part."""
        return range(self.part - 1, self.rounds, self.parts)

    @property
    def path(self) -> pathlib.Path:
        """Where is kept what was found."""
        return FOLDER / f"{self.rounds}-{self.seed}-{self.part}-{self.parts}.json"


def main() -> int:
    """Prove, and say what came of it."""
    run, started = _arguments(), time.monotonic()
    found, done = _resumed(run)
    if done < len(run.numbers):
        asyncio.run(_prove(run, found, done))
    wrong = [*found.short(), *(f"never done: {name}" for name in found.missing())]
    for line in (*found.wrong[:20], *found.lines()):
        sys.stdout.write(f"{line}\n")
    sys.stdout.write(
        f"seed {run.seed}, part {run.part}/{run.parts}, {time.monotonic() - started:.0f} s: "
        f"{'; '.join(wrong) or 'all SLOs kept'}\n"
    )
    return 1 if wrong else 0


def _arguments() -> Run:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--part", default="1/1", help="such as 2/4: the second of four")
    given = parser.parse_args()
    part, _, parts = given.part.partition("/")
    return Run(given.rounds, given.seed, int(part), int(parts or 1))


async def _prove(run: Run, found: tenants.Outcome, done: int) -> None:
    """The rounds that are left."""
    console = rich.console.Console(stderr=True)
    with (
        tempfile.TemporaryDirectory() as scratch,
        devcluster.Cluster(runs_jobs=True) as cluster,
        rich.progress.Progress(console=console, transient=True) as progress,
    ):
        bar = progress.add_task("rounds", total=len(run.numbers), completed=done)
        async with tenants.platform(cluster, pathlib.Path(scratch)) as stage:
            for at, number in enumerate(run.numbers[done:], start=done + 1):
                dice = random.Random(f"{run.seed}/{number}")  # noqa: S311 - a choice of harm
                await tenants.round_of(
                    stage, found, dice, quiet_seconds=QUIET_SECONDS, harm_seconds=HARM_SECONDS
                )
                _save(run, found, at)
                progress.update(bar, completed=at)


def _resumed(run: Run) -> tuple[tenants.Outcome, int]:
    """What an interrupted run has found, and how many rounds it has done."""
    if not run.path.is_file():
        return tenants.Outcome(), 0
    kept = json.loads(run.path.read_text())
    if kept["done"] == len(run.numbers):  # finished: this is a new run
        return tenants.Outcome(), 0
    return tenants.Outcome.of(kept["found"]), kept["done"]


def _save(run: Run, found: tenants.Outcome, done: int) -> None:
    run.path.parent.mkdir(parents=True, exist_ok=True)
    run.path.write_text(json.dumps({"found": dataclasses.asdict(found), "done": done}))


if __name__ == "__main__":
    sys.exit(main())
