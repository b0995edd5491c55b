"""Imports CRDs: each is generated again, and its models judge drawn objects alike. Exit 1 if not.

.venv/bin/python -m tests.bench.prove_import --crds tests/data/crds --objects 500 --part 1/1
A run that was interrupted goes on where it was: build/prove-import holds what it has found.
"""

import argparse
import asyncio
import dataclasses
import hashlib
import pathlib
import sys
import time

import rich.console
import rich.progress

from schemagen import judge
from tests.support import import_proof, parts


def main() -> int:
    """Import, ask, tell; the exit code."""
    given = _arguments()
    files = import_proof.files_of(given.crds)
    given.number = len(files)
    # What was found about other CRDs or so many objects is of no use to this run.
    asked = f"{given.objects} {[*map(str, files)]}"
    folder = f"prove-import/{hashlib.sha256(asked.encode()).hexdigest()[:12]}"
    part = parts.part_of(folder, given)
    started = time.monotonic()
    with judge.Judge(deadline_seconds=60) as oracle:
        tally = asyncio.run(_proved(part, files, oracle, given.objects))
    for fault in tally.faults:
        sys.stdout.write(f"{fault}\n")
    sys.stdout.write(
        f"{tally.crds} CRDs imported, as a module and as a package, and generated again\n"
        f"{tally.objects} objects of {tally.versions} versions asked, {tally.allowed} allowed; "
        f"{tally.undecided} left to the judge\n"
        f"the slowest CRD of more than 500 KB took {tally.seconds:.2f} s of processor time\n"
        f"{part}, {time.monotonic() - started:.0f} s: {len(tally.faults)} faults\n"
    )
    return 1 if tally.faults or not tally.crds else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--crds", type=pathlib.Path, default=import_proof.DATA)
    parser.add_argument("--objects", type=int, default=500, help="drawn for each version")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--part", default="1/1", help="such as 2/4: the second of four")
    return parser.parse_args()


async def _proved(
    part: parts.Part, files: list[pathlib.Path], oracle: judge.Judge, objects: int
) -> import_proof.Tally:
    """All files of the part, from where an interrupted run ended."""
    kept, begun = part.resumed()
    tally = import_proof.Tally(**(kept or {}))
    progress = rich.progress.Progress(
        *rich.progress.Progress.get_default_columns(),
        rich.progress.MofNCompleteColumn(),
        console=rich.console.Console(stderr=True),
    )
    with progress as bar:
        task = bar.add_task("CRDs", total=len(part.indexes), completed=begun)
        for done, index in enumerate(part.indexes[begun:], start=begun + 1):
            await import_proof.prove(tally, files[index], oracle, objects=objects, seed=part.seed)
            part.save(dataclasses.asdict(tally), done)
            bar.update(task, completed=done)
    return tally


if __name__ == "__main__":
    sys.exit(main())
