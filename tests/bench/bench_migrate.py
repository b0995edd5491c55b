"""The rewrite phase of `schemagen migrate` beside Kubernetes' own StorageVersionMigration.

Both rewrite the same objects on the same control plane, in turn; a watch notes the first and the
last write, so that neither preparation nor verification counts.
"""

import argparse
import asyncio
import contextlib
import dataclasses
import pathlib
import statistics
import sys
import tempfile
import time

import orjson

from controllers import devcluster, kube
from controllers.kube import requests
from tests.support import migration_world
from tests.support.conversion_webhook import NEW, OLD
from tests.support.migration_world import NAME, World

CONTROLLER = "storage-version-migrator-controller"
TARGET = 1.5
# It discovers new kinds every 30 s, and asks for a minute whether it knows one.
TIMEOUT_SECONDS = 1800.0


@dataclasses.dataclass
class Writes:
    """The writes that a watch has seen, and when."""

    count: int = 0
    first: float = 0.0
    last: float = 0.0

    def note(self) -> None:
        """Note one."""
        self.last = time.monotonic()
        self.first = self.first or self.last
        self.count += 1

    @property
    def rate(self) -> float:
        """Objects per second."""
        return self.count / (self.last - self.first)


async def watched(world: World, writes: Writes) -> None:
    """Count the writes of objects, until it is cancelled."""
    resource = migration_world.resource(NEW)
    async with kube.Client.from_kubeconfig(world.cluster.admin_kubeconfig) as client:
        # The API server ends all watches when the storage version changes.
        while True:
            with contextlib.suppress(kube.KubeError):
                page = requests.list_page(resource, requests.Selection(), limit=1)
                listed = orjson.loads(await client.body(page))
                request = requests.watch(
                    resource,
                    requests.Selection(),
                    resource_version=listed["metadata"]["resourceVersion"],
                    timeout_seconds=int(TIMEOUT_SECONDS),
                )
                async for line in client.lines(request):
                    if line.startswith(b'{"type":"MODIFIED"'):
                        writes.note()
            await asyncio.sleep(0.05)


async def measured(world: World, *arguments: str) -> Writes:
    """Run a migration to the newer version and count its writes."""
    writes = Writes()
    task = asyncio.create_task(watched(world, writes))
    await asyncio.sleep(1)
    command = ("run", NAME, "--to", NEW, "--until", "rewrite", *arguments)
    code, _, said = await asyncio.to_thread(
        world.migrate, *command, timeout_seconds=TIMEOUT_SECONDS
    )
    assert code == 0, said
    await asyncio.sleep(1)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return writes


def main() -> None:
    """Print the rates of both, and whether the target is met."""
    parser = argparse.ArgumentParser(description="rewriting against StorageVersionMigration")
    parser.add_argument("--number", type=int, default=1000, help="how many objects")
    parser.add_argument("--rounds", type=int, default=3, help="how often each rewrites them")
    parser.add_argument("--parallel", type=int, default=16, help="as of the command")
    options = parser.parse_args()
    rates: dict[str, list[float]] = {"schemagen": [], "native": []}
    with (
        tempfile.TemporaryDirectory() as folder,
        devcluster.Cluster(
            runs_jobs=True, more_controllers=[CONTROLLER], tell=lambda _: None
        ) as cluster,
        migration_world.opened(cluster, pathlib.Path(folder)) as world,
    ):
        started = time.monotonic()
        values = [migration_world.widget(index) for index in range(options.number)]
        asyncio.run(world.create(values))
        _print(f"{options.number} objects of 3 KB created in {time.monotonic() - started:.0f} s")
        for _ in range(options.rounds):
            for name, arguments in (
                ("schemagen", ("--parallel", str(options.parallel))),
                ("native", ("--native",)),
            ):
                writes = asyncio.run(measured(world, *arguments))
                assert writes.count >= options.number, f"{writes.count} writes of {name}"
                rates[name].append(writes.rate)
                _print(f"{name}: {writes.count} writes, {writes.rate:.0f} objects/s")
                done = world.migrate("run", NAME, "--to", OLD, timeout_seconds=TIMEOUT_SECONDS)
                assert done[0] == 0, done[2]
    pairs = zip(rates["schemagen"], rates["native"], strict=True)
    ratio = statistics.median(ours / theirs for ours, theirs in pairs)
    met = "met" if ratio >= TARGET else "not met"
    _print(f"schemagen rewrites {ratio:.2f} times as fast; target {TARGET}: {met}")
    sys.exit(ratio < TARGET)


def _print(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - the output


if __name__ == "__main__":
    main()
