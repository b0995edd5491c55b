"""Whatever a cluster does to a run is seen, said and survived: situations tried on a real cluster.

``python -m tests.bench.prove_situations --seed 0 --part 1/1``. Each situation goes to its end as
documented, is cancelled and deleted at every point, and happens while the controller is away; each
time no slot, Job, pod or process may be left. What was interrupted goes on where it was:
build/prove-situations holds what was found. Shell: processes. Exit code 1: something was wrong.
"""

import argparse
import asyncio
import collections
import dataclasses
import fnmatch
import pathlib
import random
import sys
import tempfile
import time
from collections.abc import Callable

import rich.console
import rich.progress

from controllers import devcluster
from controllers.agentctl.dev import local_platform
from tests.support import parts
from tests.support.situations import trials
from tests.support.situations.table import SITUATIONS

AT_ONCE = 8
EVERYTHING = "*"
MAX_SECONDS = 400.0
Found = dict[str, list[str]]


def main() -> int:
    """Try, and say what came of it."""
    given, started = _given(), time.monotonic()
    tried = [one for one in trials.trials(SITUATIONS) if _is_wanted(one, given.only)]
    random.Random(given.seed).shuffle(tried)  # noqa: S311 - an order
    part = parts.part_of("prove-situations", given)
    part = dataclasses.replace(part, number=min(part.number, len(tried)))
    # What is wanted alone is wanted anew.
    kept, _ = part.resumed() if given.only == EVERYTHING else (None, 0)
    found: Found = kept or {}
    left = [tried[at] for at in part.indexes if str(tried[at]) not in found]
    save = part.save if given.only == EVERYTHING else _forget
    asyncio.run(_prove(left, found, save, given))
    return _told(part, found, time.monotonic() - started)


def _forget(found: Found, done: int) -> None:
    del found, done


def _given() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parts.add_options(parser, number=sum(1 for _ in trials.trials(SITUATIONS)))
    parser.add_argument("--only", default=EVERYTHING, help="such as pod-* or 'pod-evicted (*'")
    parser.add_argument("--at-once", type=int, default=AT_ONCE)
    return parser.parse_args()


def _is_wanted(trial: trials.Trial, only: str) -> bool:
    return any(fnmatch.fnmatch(name, only) for name in (trial.situation.name, str(trial)))


async def _prove(
    left: list[trials.Trial],
    found: Found,
    save: Callable[[Found, int], None],
    given: argparse.Namespace,
) -> None:
    """The trials that are left."""
    console = rich.console.Console(stderr=True)
    with (
        tempfile.TemporaryDirectory() as name,
        devcluster.Cluster(runs_jobs=True) as cluster,
        local_platform.webhook_server(cluster, pathlib.Path(name) / "webhooks"),
        rich.progress.Progress(console=console, transient=True) as progress,
    ):
        bar = progress.add_task("trials", total=len(left))
        async with trials.opened(cluster, pathlib.Path(name) / "workspaces") as bench:

            async def worker() -> None:
                while left:
                    trial = left.pop()
                    found[str(trial)] = await _attempted(bench, trial, given.seed)
                    save(found, len(found))
                    progress.advance(bar)
                    for one in found[str(trial)]:
                        progress.console.print(f"{trial}: {one}", markup=False, highlight=False)

            async with asyncio.TaskGroup() as group:
                for _ in range(given.at_once):
                    group.create_task(worker())


async def _attempted(bench: trials.Bench, trial: trials.Trial, seed: int) -> list[str]:
    try:
        async with asyncio.timeout(MAX_SECONDS):
            return await bench.attempt(trial, seed)
    except TimeoutError:
        return [f"expected an end within {MAX_SECONDS:.0f} s, got none"]
    except Exception as error:  # noqa: BLE001 - one trial's trouble is not another's
        return [f"the trial raised {error!r}"]


def _told(part: parts.Part, found: Found, seconds: float) -> int:
    """Say what was found; the exit code."""
    wrong = {name: each for name, each in found.items() if each}
    for name, each in sorted(wrong.items()):
        sys.stdout.write(f"{name}: {'; '.join(each)}\n")
    kinds = collections.Counter(name.rsplit("(", 1)[1].split()[1].rstrip(")") for name in found)
    situations = {name.partition(" (")[0] for name in found}
    bad = {name.partition(" (")[0] for name in wrong}
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    sys.stdout.write(
        f"{part}, {seconds:.0f} s: {len(situations)} situations, {len(found)} trials ({told}): "
        f"{len(wrong)} wrong, in {len(bad)} situations\n"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
