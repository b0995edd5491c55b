"""Real stores stopped, paused, re-keyed and switched to TLS: conditions within two intervals.

``python -m tests.bench.prove_memory --rounds 3``. Shell: processes. Exit code 1: a condition was
right too late, or never.
"""

import argparse
import asyncio
import pathlib
import sys
import tempfile
from typing import Final

from tests.support import memory_proof
from tests.support.memory_proof import INTERVAL_SECONDS, Measured

MAX_SECONDS: Final = 2.0 * INTERVAL_SECONDS


async def measured(folder: pathlib.Path, rounds: int) -> list[Measured]:
    """Disturb each store in each way, the stores at the same time."""
    with memory_proof.running_stores(folder) as stores:
        async with memory_proof.world() as world:

            async def disturb(kind: str) -> list[Measured]:
                store = stores[kind]
                await world.make(kind, store)
                return [
                    await world.measure(kind, disturbance)
                    for _ in range(rounds)
                    for disturbance in memory_proof.STORES[kind](store)
                ]

            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(disturb(kind)) for kind in stores]
    return [one for task in tasks for one in task.result()]


def main() -> int:
    """Run the proof."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder).chmod(0o755)
        found = asyncio.run(measured(pathlib.Path(folder), rounds))
    for name in dict.fromkeys(one.name for one in found):
        mine = [one for one in found if one.name == name]
        down = max(one.down_seconds for one in mine)
        up = max(one.up_seconds for one in mine)
        print(  # noqa: T201 - the output
            f"{name}: {mine[0].reason} after {down:.1f} s, Ready again after {up:.1f} s at most"
        )
    late = [one for one in found if max(one.down_seconds, one.up_seconds) > MAX_SECONDS]
    print(  # noqa: T201 - likewise
        f"{len(found)} disturbances, {len(late)} shown later than {MAX_SECONDS:g} s (2 intervals)"
    )
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
