"""``make prove-lint``: N drawn webhook configurations to lint and to a real API server.

.venv/bin/python -m tests.bench.prove_lint --number 2000 --seed 0 --part 1/1
A run that was interrupted goes on where it was: build/prove-lint holds what it has found.
"""

import argparse
import asyncio
import dataclasses
import json
import pathlib
import sys
import time

from controllers import devcluster
from schemagen import judge
from tests.support import judge_proof, lint_proof

FOLDER = pathlib.Path(__file__).parents[2] / "build" / "prove-lint"
SAVED_EVERY = 100
SHOWN = 20


@dataclasses.dataclass(frozen=True)
class Run:
    """What is to be proved: this part of so many configurations of a seed."""

    number: int
    seed: int
    part: int
    parts: int

    @property
    def indexes(self) -> range:
        """The configurations of this part."""
        return range(self.part - 1, self.number, self.parts)

    @property
    def path(self) -> pathlib.Path:
        """Where is kept what was found."""
        return FOLDER / f"{self.number}-{self.seed}-{self.part}-{self.parts}.json"


@dataclasses.dataclass
class Found:
    """What became of the configurations so far.

    Attributes:
        done: How many there were.
        refused: How many the API server refused.
        splits: Where lint says something else.
    """

    done: int = 0
    refused: int = 0
    splits: list[str] = dataclasses.field(default_factory=list)


def main() -> int:
    """Draw, ask, tell; 1 if the answers ever part."""
    run = _arguments()
    began = time.monotonic()
    found = _resumed(run)
    with (
        devcluster.Cluster(tell=lambda line: print(line, file=sys.stderr)) as cluster,  # noqa: T201 - a command's own progress
        judge.Judge(deadline_seconds=60) as asked,
    ):
        asyncio.run(_ask(cluster, asked, run, found))
    for line in sorted(found.splits, key=len)[:SHOWN]:
        sys.stdout.write(f"{line}\n\n")
    sys.stdout.write(
        f"{found.done} configurations of seed {run.seed}, part {run.part}/{run.parts}; "
        f"the API server refused {found.refused} of them\n"
        f"{time.monotonic() - began:.0f} s: {len(found.splits)} differences\n"
    )
    return 1 if found.splits or found.done < len(run.indexes) else 0


async def _ask(cluster: devcluster.Cluster, asked: judge.Judge, run: Run, found: Found) -> None:
    async with judge_proof.Server.of(cluster) as server:
        for index in run.indexes[found.done :]:
            answers = await lint_proof.compare(server, asked, run.seed, index)
            found.done += 1
            found.refused += answers.served.is_refusal
            if answers.split:
                found.splits.append(
                    f"{index}: {json.dumps(answers.value)}\n{answers.served}\n{answers.split}"
                )
            if found.done % SAVED_EVERY == 0 or found.done == len(run.indexes):
                run.path.parent.mkdir(parents=True, exist_ok=True)
                run.path.write_text(json.dumps(dataclasses.asdict(found)))


def _arguments() -> Run:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--part", default="1/1", help="such as 2/4: the second of four")
    given = parser.parse_args()
    part, _, parts = given.part.partition("/")
    return Run(given.number, given.seed, int(part), int(parts or 1))


def _resumed(run: Run) -> Found:
    """What an interrupted run has found; one that has ended begins anew."""
    if not run.path.is_file():
        return Found()
    found = Found(**json.loads(run.path.read_text()))
    return Found() if found.done == len(run.indexes) else found


if __name__ == "__main__":
    sys.exit(main())
