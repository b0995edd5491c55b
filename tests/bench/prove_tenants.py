"""One tenant makes the worst objects that it may; another's calls and runs keep their SLOs.

``python -m tests.bench.prove_tenants --rounds 12 --seed 0 --part 1/1``. Each round is a quiet phase
and one beside the hostile tenant. A run that was interrupted goes on where it was:
build/prove-tenants holds what it has found. Shell: processes. Exit code 1: an SLO was not kept.
"""

import argparse
import asyncio
import dataclasses
import pathlib
import random
import sys
import tempfile
import time

import rich.console
import rich.progress

from controllers import devcluster
from tests.support import parts, tenants

QUIET_SECONDS = 60.0
HARM_SECONDS = 120.0


def main() -> int:
    """Prove, and say what came of it."""
    part, started = _part(), time.monotonic()
    kept, done = part.resumed()
    found = tenants.Outcome() if kept is None else tenants.Outcome.of(kept)
    if done < len(part.indexes):
        asyncio.run(_prove(part, found, done))
    wrong = [*found.short(), *(f"never done: {name}" for name in found.missing())]
    for line in (*found.wrong[:20], *found.lines()):
        sys.stdout.write(f"{line}\n")
    sys.stdout.write(
        f"{part}, {time.monotonic() - started:.0f} s: {'; '.join(wrong) or 'all SLOs kept'}\n"
    )
    return 1 if wrong else 0


def _part() -> parts.Part:
    parser = argparse.ArgumentParser(description=__doc__)
    parts.add_options(parser, number=12, option="--rounds")
    return parts.part_of("prove-tenants", parser.parse_args())


async def _prove(part: parts.Part, found: tenants.Outcome, done: int) -> None:
    """The rounds that are left."""
    console = rich.console.Console(stderr=True)
    with (
        tempfile.TemporaryDirectory() as scratch,
        devcluster.Cluster(runs_jobs=True) as cluster,
        rich.progress.Progress(console=console, transient=True) as progress,
    ):
        bar = progress.add_task("rounds", total=len(part.indexes), completed=done)
        async with tenants.platform(cluster, pathlib.Path(scratch)) as stage:
            for at, number in enumerate(part.indexes[done:], start=done + 1):
                rng = random.Random(f"{part.seed}/{number}")  # noqa: S311 - a choice of harm
                await tenants.round_of(
                    stage, found, rng, quiet_seconds=QUIET_SECONDS, harm_seconds=HARM_SECONDS
                )
                part.save(dataclasses.asdict(found), at)
                progress.update(bar, completed=at)


if __name__ == "__main__":
    sys.exit(main())
