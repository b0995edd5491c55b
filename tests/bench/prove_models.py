"""Draws modules of models; each is refused properly, or taken and judged alike. Exit 1 if not.

.venv/bin/python -m tests.bench.prove_models --number 20000 --seed 0 --part 1/1 --server 200
A run that was interrupted goes on where it was: build/prove-models holds what it has found.
"""

import argparse
import asyncio
import contextlib
import dataclasses
import json
import pathlib
import sys
import time
from collections.abc import AsyncIterator

import rich.console
import rich.progress

from controllers.agentctl import judged
from schemagen import agreement, judge
from tests.support import model_proof

FOLDER = pathlib.Path(__file__).parents[2] / "build" / "prove-models"
OBJECTS = 8
SAVED_EVERY = 100
SHOWN = 5


@dataclasses.dataclass(frozen=True)
class Run:
    """What is to be proved.

    Attributes:
        number: Modules in all parts.
        seed: Names them.
        part: This part, from 1.
        parts: Of so many.
        server: How many modules a real API server is asked about too.
    """

    number: int
    seed: int
    part: int
    parts: int
    server: int

    @property
    def numbers(self) -> range:
        """The modules of this part."""
        return range(self.part - 1, self.number, self.parts)

    @property
    def path(self) -> pathlib.Path:
        """Where is kept what was found."""
        return FOLDER / f"{self.number}-{self.seed}-{self.part}-{self.parts}.json"


def main() -> int:
    """Draw, ask, tell; the exit code."""
    run = _arguments()
    started = time.monotonic()
    with judge.Judge(deadline_seconds=60) as asked:
        tally, served = asyncio.run(_proved(run, asked))
        asyncio.run(_show(run, asked, tally))
    for line in model_proof.summary(tally):
        sys.stdout.write(f"{line}\n")
    sys.stdout.write(
        f"{served} of them asked of a real API server too\n"
        f"seed {run.seed}, part {run.part}/{run.parts}, {time.monotonic() - started:.0f} s: "
        f"{len(tally.faults)} faults\n"
    )
    is_short = tally.drawn < len(run.numbers) or served < min(run.server, tally.agreed)
    return 1 if tally.faults or is_short else 0


def _arguments() -> Run:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--part", default="1/1", help="such as 2/4: the second of four")
    parser.add_argument("--server", type=int, default=0, help="how many to ask an API server about")
    given = parser.parse_args()
    part, _, parts = given.part.partition("/")
    return Run(given.number, given.seed, int(part), int(parts or 1), given.server)


async def _proved(run: Run, asked: judge.Judge) -> tuple[model_proof.Tally, int]:
    """All modules of the part, and how many of them an API server was asked about."""
    tally, served, begun = _resumed(run)
    proof = model_proof.Proof(asked, objects=OBJECTS)
    progress = rich.progress.Progress(
        *rich.progress.Progress.get_default_columns(),
        rich.progress.MofNCompleteColumn(),
        console=rich.console.Console(stderr=True),
    )
    with progress as bar:
        task = bar.add_task("modules", total=len(run.numbers), completed=begun)
        async with _server(run) as server:
            for index, number in enumerate(run.numbers[begun:], start=begun + 1):
                api = await proof.run(tally, run.seed, number)
                if server is not None and api is not None and served < run.server:
                    served += 1
                    subject = model_proof.subject_of(api, number)
                    fault = await proof.tried(subject, server, run.seed)
                    if fault is not None:
                        tally.faults[number] = fault
                bar.update(task, completed=index)
                if index % SAVED_EVERY == 0 or index == len(run.numbers):
                    _save(run, tally, served, index)
    return tally, served


@contextlib.asynccontextmanager
async def _server(run: Run) -> AsyncIterator[agreement.Server | None]:
    if not run.server:
        yield None
        return
    async with judged.embedded() as server:
        yield server


def _resumed(run: Run) -> tuple[model_proof.Tally, int, int]:
    """What an interrupted run has found, and how many modules it has done."""
    if not run.path.is_file():
        return model_proof.Tally(), 0, 0
    kept = json.loads(run.path.read_text())
    if kept["done"] == len(run.numbers):  # finished: this is a new run
        return model_proof.Tally(), 0, 0
    faults = {int(number): model_proof.Fault(*fault) for number, fault in kept["faults"].items()}
    tally = model_proof.Tally(**kept["tally"], faults=faults)
    return tally, kept["served"], kept["done"]


def _save(run: Run, tally: model_proof.Tally, served: int, done: int) -> None:
    run.path.parent.mkdir(parents=True, exist_ok=True)
    counts = {
        field.name: getattr(tally, field.name)
        for field in dataclasses.fields(tally)
        if field.name != "faults"
    }
    faults = {number: [fault.kind, fault.message] for number, fault in tally.faults.items()}
    kept = {"tally": counts, "faults": faults, "served": served, "done": done}
    run.path.write_text(json.dumps(kept))


async def _show(run: Run, asked: judge.Judge, tally: model_proof.Tally) -> None:
    """The smallest modules that show the first faults of each kind."""
    proof = model_proof.Proof(asked, objects=OBJECTS)
    shown: dict[str, int] = {}
    for number, fault in sorted(tally.faults.items()):
        shown[fault.kind] = shown.get(fault.kind, 0) + 1
        if shown[fault.kind] > SHOWN:
            continue
        module = model_proof.module_of(run.seed, number)
        source = await proof.smallest(module, fault, run.seed)
        sys.stdout.write(f"module {number}, {fault.kind}: {fault.message}\n{source}\n")


if __name__ == "__main__":
    sys.exit(main())
