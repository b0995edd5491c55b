"""Asks the judge and a real kube-apiserver the same things, many times; exit 1 if they ever part.

.venv/bin/python tests/bench/prove_judge.py --objects 10000 --crds 1000 --seed 1
"""

import argparse
import asyncio
import dataclasses
import json
import pathlib
import sys
import time

import rich.console
import rich.progress

sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))

from controllers import devcluster
from schemagen import judge
from tests.support import judge_proof

OBJECTS_PER_CRD = 100
SHOWN = 30


def main() -> int:
    """Start a cluster, ask, tell; the exit code."""
    given = _arguments()
    console = rich.console.Console(stderr=True)
    started = time.monotonic()
    with (
        devcluster.Cluster(tell=console.print) as cluster,
        judge.Judge(deadline_seconds=60) as asked,
        rich.progress.Progress(
            *rich.progress.Progress.get_default_columns(),
            rich.progress.MofNCompleteColumn(),
            console=console,
        ) as bar,
    ):
        total = asyncio.run(_ask(cluster, asked, given, bar))
    splits = sorted(total.splits, key=lambda split: split.size)
    for split in splits[:SHOWN]:
        sys.stdout.write(f"judge: {_line(split.judged)}\nserver: {_line(split.served)}\n\n")
    for split in splits[:1]:
        sys.stdout.write(f"the smallest: {json.dumps(dataclasses.asdict(split), indent=2)}\n")
    sys.stdout.write(
        f"{total.definitions} CRDs, {total.updates} updates of CRDs and {total.objects} requests "
        f"about objects of {total.installed} CRDs\n"
        f"the API server refused {total.definitions_refused}, {total.updates_refused} and "
        f"{total.objects_refused} of them\n"
        f"seed {given.seed}, {time.monotonic() - started:.0f} s: {len(total.splits)} splits\n"
    )
    return 1 if total.splits else 0


def _line(said: judge_proof.Said) -> str:
    return f"{said.code} {said.message} {said.causes} {said.warnings} {said.object}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=10_000)
    parser.add_argument("--crds", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


async def _ask(
    cluster: devcluster.Cluster,
    asked: judge.Judge,
    given: argparse.Namespace,
    bar: rich.progress.Progress,
) -> judge_proof.Tally:
    total = judge_proof.Tally()
    crds = bar.add_task("CRDs", total=given.crds)
    objects = bar.add_task("objects", total=given.objects)
    async with judge_proof.Server.of(cluster) as server:
        proof = judge_proof.Proof(server, asked, given.seed)
        while total.definitions < given.crds:
            total += await proof.definitions(total.definitions)
            bar.update(crds, completed=total.definitions)
        while total.objects < given.objects:
            count = min(OBJECTS_PER_CRD, given.objects - total.objects)
            total += await proof.objects(total.installed, count=count)
            bar.update(objects, completed=total.objects)
    return total


if __name__ == "__main__":
    sys.exit(main())
