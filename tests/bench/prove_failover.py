"""Replicas stopped, killed and suspended: how long nobody reconciles, and that limits hold.

``python -m tests.bench.prove_failover --rounds 5``. Three ``agentctl controller`` with the timing
of production; whoever leads is disturbed, and a run is made at that moment: until its Job is there,
nobody reconciled. Shell: processes. Exit code 1: that took too long, or an invariant did not hold.
"""

import argparse
import asyncio
import contextlib
import dataclasses
import pathlib
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from typing import Final

from controllers import kube, ledger, manager
from tests.bench.prove_faults import opened
from tests.support import run_invariants
from tests.support.run_invariants import Count, Witness
from tests.support.run_platform import Place, new_place

REPLICAS: Final = 3
LIMITS: Final = ledger.Limits(namespace=10, agent=5, cluster=10)
# SIGTERM releases the Lease; of a SIGKILL nobody knows until it has run out (15 s) and is tried.
MAX_SECONDS: Final = {signal.SIGTERM: 2.0, signal.SIGKILL: 20.0, signal.SIGSTOP: 20.0}
SECONDS: Final = 60.0


@dataclasses.dataclass
class Replica:
    """A running ``agentctl controller``."""

    identity: str
    process: asyncio.subprocess.Process


class Replicas:
    """Some of them; one that was ended is replaced."""

    def __init__(self, place: Place, logs: pathlib.Path) -> None:
        self._place, self._logs = place, logs
        self._number = 0
        self.running: dict[str, Replica] = {}

    async def start(self) -> None:
        """Start one more, and wait until it follows everything."""
        self._number += 1
        identity = f"replica-{self._number}"
        with (self._logs / f"{identity}.log").open("w") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "controllers.agentctl", "controller"),
                *("--kubeconfig", str(self._place.cluster.admin_kubeconfig)),
                *("--home", self._place.home, "--namespace", self._place.namespace),
                *("--identity", identity, "--image", "runner"),
                *("--limit-namespace", str(LIMITS.namespace), "--limit-agent", str(LIMITS.agent)),
                *("--limit-cluster", str(LIMITS.cluster)),
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        assert process.stdout is not None
        line = await process.stdout.readline()
        assert line.startswith(b"following "), (self._logs / f"{identity}.log").read_text()[-2000:]
        self.running[identity] = Replica(identity, process)

    async def leader(self) -> Replica:
        """The one that has the Lease."""
        async with asyncio.timeout(SECONDS):
            while True:
                with contextlib.suppress(kube.NotFoundError):
                    lease = await self._place.client.get(
                        kube.LEASES, manager.LEASE, namespace=self._place.home
                    )
                    holder = (lease.get("spec") or {}).get("holderIdentity")
                    if holder in self.running:
                        return self.running[holder]
                await asyncio.sleep(0.1)

    async def stop(self) -> None:
        """End all."""
        for one in self.running.values():
            with contextlib.suppress(ProcessLookupError):
                one.process.send_signal(signal.SIGCONT)
                one.process.terminate()
        for one in self.running.values():
            await one.process.wait()


@contextlib.asynccontextmanager
async def _replicas(place: Place) -> AsyncIterator[Replicas]:
    with tempfile.TemporaryDirectory() as name:
        found = Replicas(place, pathlib.Path(name))
        try:
            for _ in range(REPLICAS):
                await found.start()
            yield found
        finally:
            await found.stop()


async def _disturbed(
    place: Place, replicas: Replicas, number: signal.Signals, name: str
) -> tuple[float, int]:
    """Signal whoever leads; seconds until a run made at that moment has its Job, and exit code."""
    leader = await replicas.leader()
    began = time.perf_counter()
    leader.process.send_signal(number)
    await place.run(name, agentRef={"name": f"agent-{name}"})
    async with asyncio.timeout(SECONDS):
        while not await place.jobs(name):  # noqa: ASYNC110 - it is the cluster's
            await asyncio.sleep(0.05)
    seconds = time.perf_counter() - began
    if number is signal.SIGSTOP:
        leader.process.send_signal(signal.SIGCONT)  # it finds that it leads no more, and ends
    async with asyncio.timeout(SECONDS):
        code = await leader.process.wait()
    del replicas.running[leader.identity]
    await replicas.start()
    return seconds, code


async def prove(rounds: int) -> int:
    """Disturb, watch, and say what came of it."""
    wrong: list[str] = []
    async with opened() as bench:
        place = await new_place(bench.cluster, bench.client, seconds="1")
        took: dict[signal.Signals, list[float]] = {number: [] for number in MAX_SECONDS}
        witness = Witness(bench.client, place.home, [place.namespace])
        async with witness.watching(), _replicas(place) as replicas:
            load = asyncio.create_task(_load(place))
            for at in range(rounds):
                for number in MAX_SECONDS:
                    name = f"{number.name.lower()}-{at}"
                    await place.agent(f"agent-{name}")
                    seconds, code = await _disturbed(place, replicas, number, name)
                    took[number].append(seconds)
                    if number is signal.SIGTERM and code != 0:
                        wrong.append(f"exit code {code} after SIGTERM")
            load.cancel()
            await asyncio.gather(load, return_exceptions=True)
            await _until_all_ended(place)
    count = Count()
    wrong += run_invariants.violations(witness.events, LIMITS, count)
    for number, measured in took.items():
        longest = max(measured)
        median = statistics.median(measured)
        print(  # noqa: T201 - the output
            f"{number.name}: nobody reconciled for {median:.2f} s (median of {len(measured)}), "
            f"{longest:.2f} s at most; wanted {MAX_SECONDS[number]:g} s"
        )
        if longest > MAX_SECONDS[number]:
            wrong.append(f"{number.name}: {longest:.2f} s")
    for one in wrong[:20]:
        print(one)  # noqa: T201 - likewise
    print(  # noqa: T201 - likewise
        f"{rounds * len(took)} failovers, {count.revisions} revisions, {count.admissions} "
        f"admissions: {len(wrong)} wrong"
    )
    return 1 if wrong else 0


async def _load(place: Place) -> None:
    """Runs that come all the while."""
    await place.agent("busy")
    number = 0
    while True:
        await place.run(f"busy-{number}", agentRef={"name": "busy"})
        number += 1
        await asyncio.sleep(0.5)


async def _until_all_ended(place: Place) -> None:
    async with asyncio.timeout(300):
        while {*await place.phases()} - run_invariants.ENDED:  # noqa: ASYNC110 - as above
            await asyncio.sleep(1)


def main() -> int:
    """Read the options and prove."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    return asyncio.run(prove(given.rounds))


if __name__ == "__main__":
    sys.exit(main())
