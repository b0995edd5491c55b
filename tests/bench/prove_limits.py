"""Two leaders at once, and more runs than slots: no limit is exceeded at any revision.

``python -m tests.bench.prove_limits --number 1000``. Shell: processes, the cluster. Exit code 1: a
limit, or another invariant, did not hold; or not all runs ended well.
"""

import argparse
import asyncio
import contextlib
import random
import sys
from collections.abc import AsyncIterator

import rich.console
import rich.progress

from controllers import kube, ledger
from tests.bench.prove_faults import opened
from tests.support import run_invariants
from tests.support.run_invariants import Count, Witness
from tests.support.run_platform import Place, new_manager, new_place, running
from tests.support.run_sweeps import Bench

LIMITS = ledger.Limits(namespace=8, agent=5, cluster=20)
NAMESPACES = 4
AGENTS = 3
SECONDS = 3600.0
# Nobody succeeds to these Leases: a busy machine must not cost one.
PATIENT = kube.Timing(lease_seconds=120, renew_seconds=100, retry_seconds=0.4)


@contextlib.asynccontextmanager
async def _leaders(places: list[Place], leaders: int) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Controllers that all lead, each by a Lease of its own, with one ledger."""
    tasks = []
    async with contextlib.AsyncExitStack() as stack:
        for number in range(leaders):
            manager = new_manager(
                places[0],
                f"leader-{number}",
                limits=LIMITS,
                is_everywhere=True,
                # Of a cluster admin: the chart grants one Lease alone.
                client=places[0].client,
                lease=f"lease-{number}",
                timing=PATIENT,
            )
            tasks.append(await stack.enter_async_context(running(manager)))
        yield tasks


async def watched(bench: Bench, number: int, leaders: int, seed: int) -> tuple[Count, list[str]]:
    """Carry runs out by several leaders, and what was wrong at some revision."""
    drawn = random.Random(seed)  # noqa: S311 - a choice of agents
    places = [await _place(bench) for _ in range(NAMESPACES)]
    home, names = places[0].home, [place.namespace for place in places]
    witness = Witness(bench.client, home, names)
    async with witness.watching(), _leaders(places, leaders) as tasks:
        for at in range(number):
            agent = {"name": f"agent-{drawn.randrange(AGENTS)}"}
            await drawn.choice(places).run(f"run-{at}", agentRef=agent)
        phases = await _ended(places, number, tasks)
        await asyncio.sleep(1)
    count = Count()
    wrong = [*run_invariants.violations(witness.events, LIMITS, count)]
    bad = {phase: total for phase, total in phases.items() if phase != "Succeeded"}
    return count, [*wrong, *(f"{total} runs are {phase}" for phase, total in bad.items())]


async def prove(number: int, leaders: int, seed: int) -> int:
    """Carry out, and say what came of it."""
    async with opened() as bench:
        count, wrong = await watched(bench, number, leaders, seed)
    for one in wrong[:20]:
        print(one)  # noqa: T201 - the output
    print(  # noqa: T201 - likewise
        f"{number} runs by {leaders} leaders at once, limits {LIMITS.namespace}/{LIMITS.agent}/"
        f"{LIMITS.cluster}: {count.revisions} revisions, {count.admissions} admissions, at most "
        f"{count.most_in_flight} in flight: {len(wrong)} wrong"
    )
    return 1 if wrong else 0


async def _place(bench: Bench) -> Place:
    place = await new_place(bench.cluster, bench.client, seconds="0.2")
    for number in range(AGENTS):
        await place.agent(f"agent-{number}")
    return place


async def _ended(
    places: list[Place], number: int, leaders: list[asyncio.Task[None]]
) -> dict[str, int]:
    """Wait until all runs have ended, or a leader has; how many are in which phase."""
    phases: dict[str, int] = {}
    console = rich.console.Console(stderr=True)
    with rich.progress.Progress(console=console, transient=True) as progress:
        task = progress.add_task("runs ended", total=number)
        async with asyncio.timeout(SECONDS):
            while sum(phases.get(phase, 0) for phase in run_invariants.ENDED) < number:
                await asyncio.sleep(1)
                if any(leader.done() for leader in leaders):
                    return phases
                phases = {}
                for place in places:
                    for phase in await place.phases():
                        phases[phase] = phases.get(phase, 0) + 1
                ended = sum(phases.get(phase, 0) for phase in run_invariants.ENDED)
                progress.update(task, completed=ended)
    return phases


def main() -> int:
    """Read the options and prove."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--number", type=int, default=1000)
    parser.add_argument("--leaders", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    return asyncio.run(prove(given.number, given.leaders, given.seed))


if __name__ == "__main__":
    sys.exit(main())
