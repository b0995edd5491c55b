"""Controllers crashed at every write of a golden run, then disturbed by drawn faults.

``python -m tests.bench.prove_faults --seed 0 --rounds 10``. After each the same must have come of
the runs, and at every revision the invariants hold. Shell: processes. Exit code 1: they did not.
"""

import argparse
import asyncio
import contextlib
import pathlib
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import TypeVar

import rich.console
import rich.progress

from controllers import devcluster
from controllers.agentctl.dev import local_platform
from tests.support import accounts, run_sweeps
from tests.support.fault_proxy import Proxy
from tests.support.run_sweeps import Bench

AT_ONCE = 6
FAULT_SECONDS = 20.0
# Of each sort of fault, for each request that it can meet; a watch can meet eleven sorts.
RATE = 0.03
T = TypeVar("T")


@contextlib.asynccontextmanager
async def opened() -> AsyncIterator[Bench]:
    """A cluster that runs Jobs, the API served in it, and a proxy."""
    with (
        tempfile.TemporaryDirectory() as name,
        devcluster.Cluster(runs_jobs=True) as cluster,
        local_platform.webhook_server(cluster, pathlib.Path(name) / "webhooks"),
    ):
        scratch = pathlib.Path(name) / "kubeconfigs"
        scratch.mkdir()
        async with (
            accounts.Admin.from_kubeconfig(cluster.admin_kubeconfig) as client,
            Proxy(cluster.admin_kubeconfig) as proxy,
        ):
            yield Bench(cluster, client, proxy, scratch)


async def each(
    items: Iterable[T], do: Callable[[T], Awaitable[list[str]]], what: str, at_once: int
) -> list[str]:
    """Do something with each, several at once; all that was wrong."""
    waiting, wrong = [*items][::-1], list[str]()
    console = rich.console.Console(stderr=True)
    with rich.progress.Progress(console=console, transient=True) as progress:
        task = progress.add_task(what, total=len(waiting))

        async def worker() -> None:
            while waiting:
                found = await do(waiting.pop())
                wrong.extend(found)
                for one in found:
                    print(one, flush=True)  # noqa: T201 - the output
                progress.advance(task)

        await asyncio.gather(*(worker() for _ in range(at_once)))
    return wrong


async def prove(seed: int, rounds: int, at_once: int) -> int:
    """Sweep, disturb, and say what came of it."""
    async with opened() as bench:
        writes, found = await run_sweeps.golden(bench)
        wrong = [f"undisturbed: {one}" for one in found.wrong()]
        print(*wrong, sep="\n", end="")  # noqa: T201 - the output
        reached = 0

        async def crash(point: tuple[int, run_sweeps.When]) -> list[str]:
            nonlocal reached
            number, when = point
            was_crashed, found = await run_sweeps.crashed(bench, number, when)
            reached += was_crashed
            return [f"crash {when} write {number}: {one}" for one in found.wrong()]

        async def disturb(drawn: int) -> list[str]:
            port, found = await run_sweeps.among_faults(bench, drawn, FAULT_SECONDS, RATE)
            faults.append(len(port.dealt))
            told = [f"faults of seed {drawn}: {one}" for one in found.wrong()]
            return [*told, port.report()] if told else []

        points = [(at, when) for at in range(1, writes + 1) for when in run_sweeps.WHENS]
        faults: list[int] = []
        wrong += await each(points, crash, "crashing", at_once)
        wrong += await each(range(seed, seed + rounds), disturb, "disturbing", at_once)
    print(  # noqa: T201 - the output
        f"{writes} writes in a golden run; {reached} of {len(points)} crash points reached; "
        f"{rounds} rounds with {sum(faults)} faults, seed {seed}: {len(wrong)} wrong"
    )
    return 1 if wrong else 0


def main() -> int:
    """Read the options and prove."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--at-once", type=int, default=AT_ONCE)
    given = parser.parse_args()
    return asyncio.run(prove(given.seed, given.rounds, given.at_once))


if __name__ == "__main__":
    sys.exit(main())
