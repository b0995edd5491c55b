"""Draws pairs of CRDs: what is answered otherwise was told, what breaks is shown. Exit 1 if not.

.venv/bin/python -m tests.bench.prove_diff --number 2000 --seed 0 --part 1/1 --server
A run that was interrupted goes on where it was: build/prove-diff holds what it has found.
"""

import argparse
import asyncio
import dataclasses
import sys
import time
from typing import Any

import rich.console
import rich.progress

from controllers import devcluster
from schemagen import judge
from schemagen.compat.verdicts import differences
from tests.support import diff_cases, diff_proof, diff_server, judge_proof, parts

OBJECTS = 25
SAVED_EVERY = 20
SHOWN = 10


def main() -> int:
    """Draw, ask, tell; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parts.add_options(parser, number=2000)
    parser.add_argument("--server", action="store_true", help="ask a real API server about cases")
    given = parser.parse_args()
    part = parts.part_of("prove-diff", given)
    started = time.monotonic()
    with judge.Judge(deadline_seconds=60) as oracle:
        tally = _proved(part, oracle)
        asked, wrong = asyncio.run(_served(part, oracle)) if given.server else (0, [])
    for line in (*summary(tally), *wrong):
        sys.stdout.write(f"{line}\n")
    for number, fault in [*tally.faults.items()][:SHOWN]:
        sys.stdout.write(f"pair {number}, {fault.kind}: {fault.message}\n")
    sys.stdout.write(
        f"{asked} witnesses of cases asked of a real API server too, {len(wrong)} refuted\n"
        f"{part}, {time.monotonic() - started:.0f} s: {len(tally.faults) + len(wrong)} faults\n"
    )
    is_short = tally.pairs < len(part.indexes)
    return 1 if tally.faults or wrong or is_short else 0


async def _served(part: parts.Part, oracle: judge.Judge) -> tuple[int, list[str]]:
    """Send the witnesses of this part's cases to a real API server; how many, and what is wrong."""
    asked, wrong = 0, []
    with devcluster.Cluster(tell=lambda line: print(line, file=sys.stderr)) as cluster:  # noqa: T201 - progress
        async with judge_proof.Server.of(cluster) as server:
            for case in diff_cases.read_all()[part.part - 1 :: part.parts]:
                sides = diff_cases.definitions(case.old), diff_cases.definitions(case.new)
                for difference in differences.of(*sides, oracle):
                    if difference.change.rule.startswith("pair-"):
                        continue  # the judge has shown those in two versions at once
                    for audience, verdict in difference.decided.verdicts.items():
                        witness = verdict.witness
                        if witness is None or not diff_server.can_be_asked(case, audience, witness):
                            continue
                        asked += 1
                        fault = await diff_server.refuted(case, audience, witness, server)
                        if fault:
                            wrong.append(f"{case.name}, {difference.id} for {audience}: {fault}")
    return asked, wrong


def _proved(part: parts.Part, oracle: judge.Judge) -> diff_proof.Tally:
    kept, begun = part.resumed()
    tally = diff_proof.Tally() if kept is None else _read(kept)
    proof = diff_proof.Proof(oracle, objects=OBJECTS)
    progress = rich.progress.Progress(
        *rich.progress.Progress.get_default_columns(),
        rich.progress.MofNCompleteColumn(),
        console=rich.console.Console(stderr=True),
    )
    with progress as bar:
        task = bar.add_task("pairs", total=len(part.indexes), completed=begun)
        for done, number in enumerate(part.indexes[begun:], start=begun + 1):
            proof.run(tally, part.seed, number)
            bar.update(task, completed=done)
            if part.is_worth_saving(done, SAVED_EVERY):
                part.save(dataclasses.asdict(tally), done)
    return tally


def _read(kept: Any) -> diff_proof.Tally:
    """What an interrupted run has found."""
    faults = {int(number): diff_proof.Fault(**each) for number, each in kept["faults"].items()}
    return diff_proof.Tally(**{**kept, "faults": faults})


def summary(tally: diff_proof.Tally) -> list[str]:
    """The figures of a run, one line each."""
    missed = sum(fault.kind == "missed" for fault in tally.faults.values())
    false = sum(fault.kind == "false" for fault in tally.faults.values())
    tracebacks = sum(fault.kind == "traceback" for fault in tally.faults.values())
    return [
        f"{tally.pairs} pairs drawn, {tally.refused} of them refused, {tally.equal} the same",
        f"{tally.changes} changes: {tally.breaking} breaking, {tally.unproved} unproved verdicts",
        f"{tally.objects} objects asked about, {tally.differing} answered otherwise",
        f"{missed} missed, {false} false, {tracebacks} tracebacks",
    ]


if __name__ == "__main__":
    sys.exit(main())
