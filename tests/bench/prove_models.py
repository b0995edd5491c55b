"""Draws modules of models; each is refused properly, or taken and judged alike. Exit 1 if not.

.venv/bin/python -m tests.bench.prove_models --number 20000 --seed 0 --part 1/1 --server 200
A run that was interrupted goes on where it was: build/prove-models holds what it has found.
"""

import argparse
import asyncio
import contextlib
import dataclasses
import sys
import time
from collections.abc import AsyncIterator

import rich.console
import rich.progress

from controllers.agentctl.api_servers import judged
from schemagen import differential, judge
from tests.support import model_proof, parts

OBJECTS = 8
SAVED_EVERY = 100
SHOWN = 5


def main() -> int:
    """Draw, ask, tell; the exit code."""
    given = _arguments()
    part, wanted = parts.part_of("prove-models", given), given.server
    started = time.monotonic()
    with judge.Judge(deadline_seconds=60) as asked:
        tally, served = asyncio.run(_proved(part, asked, wanted))
        asyncio.run(_show(part, asked, tally))
    for line in model_proof.summary(tally):
        sys.stdout.write(f"{line}\n")
    sys.stdout.write(
        f"{served} of them asked of a real API server too\n"
        f"{part}, {time.monotonic() - started:.0f} s: "
        f"{len(tally.faults)} faults\n"
    )
    is_short = tally.drawn < len(part.indexes) or served < min(wanted, tally.agreed)
    return 1 if tally.faults or is_short else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parts.add_options(parser, number=20_000)
    parser.add_argument("--server", type=int, default=0, help="how many to ask an API server about")
    return parser.parse_args()


async def _proved(
    part: parts.Part, asked: judge.Judge, wanted: int
) -> tuple[model_proof.Tally, int]:
    """All modules of the part, and how many of them an API server was asked about."""
    tally, served, begun = _resumed(part)
    proof = model_proof.Proof(asked, objects=OBJECTS)
    progress = rich.progress.Progress(
        *rich.progress.Progress.get_default_columns(),
        rich.progress.MofNCompleteColumn(),
        console=rich.console.Console(stderr=True),
    )
    with progress as bar:
        task = bar.add_task("modules", total=len(part.indexes), completed=begun)
        async with _server(wanted) as server:
            for index, number in enumerate(part.indexes[begun:], start=begun + 1):
                api = await proof.run(tally, part.seed, number)
                if server is not None and api is not None and served < wanted:
                    served += 1
                    subject = model_proof.subject_of(api, number)
                    fault = await proof.tried(subject, server, part.seed)
                    if fault is not None:
                        tally.faults[number] = fault
                bar.update(task, completed=index)
                if part.is_worth_saving(index, SAVED_EVERY):
                    _save(part, tally, served, index)
    return tally, served


@contextlib.asynccontextmanager
async def _server(wanted: int) -> AsyncIterator[differential.Server | None]:
    if not wanted:
        yield None
        return
    async with judged.embedded() as server:
        yield server


def _resumed(part: parts.Part) -> tuple[model_proof.Tally, int, int]:
    """What an interrupted run has found, and how many modules it has done."""
    kept, done = part.resumed()
    if kept is None:
        return model_proof.Tally(), 0, 0
    faults = {int(number): model_proof.Fault(*fault) for number, fault in kept["faults"].items()}
    return model_proof.Tally(**kept["tally"], faults=faults), kept["served"], done


def _save(part: parts.Part, tally: model_proof.Tally, served: int, done: int) -> None:
    counts = {
        field.name: getattr(tally, field.name)
        for field in dataclasses.fields(tally)
        if field.name != "faults"
    }
    faults = {number: [fault.kind, fault.message] for number, fault in tally.faults.items()}
    part.save({"tally": counts, "faults": faults, "served": served}, done)


async def _show(part: parts.Part, asked: judge.Judge, tally: model_proof.Tally) -> None:
    """The smallest modules that show the first faults of each kind."""
    proof = model_proof.Proof(asked, objects=OBJECTS)
    shown: dict[str, int] = {}
    for number, fault in sorted(tally.faults.items()):
        shown[fault.kind] = shown.get(fault.kind, 0) + 1
        if shown[fault.kind] > SHOWN:
            continue
        module = model_proof.module_of(part.seed, number)
        source = await proof.smallest(module, fault, part.seed)
        sys.stdout.write(f"module {number}, {fault.kind}: {fault.message}\n{source}\n")


if __name__ == "__main__":
    sys.exit(main())
