"""Controllers crashed at every write of a golden run, and controllers among faults."""

import asyncio
import dataclasses
import pathlib
from typing import Final, Literal

from controllers import devcluster, kube
from tests.support import accounts, run_scenario
from tests.support.fault_proxy import Port, Proxy
from tests.support.faults import CrashAt, Plan, Rates
from tests.support.run_invariants import Witness
from tests.support.run_platform import Place, new_manager, new_place, running
from tests.support.run_scenario import Found

When = Literal["before", "after_commit", "after_ack"]
WHENS: Final[tuple[When, ...]] = ("before", "after_commit", "after_ack")
# Runs whose pods take a moment, so that there is something to crash in between.
PODS: Final = {"seconds": "0.2"}


@dataclasses.dataclass(frozen=True)
class Bench:
    """Where runs are disturbed.

    Attributes:
        cluster: Runs Jobs, and serves the API.
        client: Past the proxy: users, the witness, and controllers that nobody disturbs.
        proxy: Where the disturbed ones connect.
        scratch: A folder for kubeconfigs.
    """

    cluster: devcluster.Cluster
    client: accounts.Admin
    proxy: Proxy
    scratch: pathlib.Path

    async def place(self) -> Place:
        """A place of its own."""
        return await new_place(self.cluster, self.client, **PODS)

    async def port(self, name: str, plan: Plan) -> Port:
        """A way through the proxy."""
        return await self.proxy.open(name, plan)

    def through(self, port: Port) -> kube.Client:
        """A client by that way."""
        folder = self.scratch / port.name
        folder.mkdir()
        return kube.Client.from_kubeconfig(port.kubeconfig(folder))


async def golden(bench: Bench) -> tuple[int, Found]:
    """How many writes it takes when nothing happens, and what comes of it."""
    place = await bench.place()
    port = await bench.port(place.home, Plan())
    witness = Witness(bench.client, place.home, [place.namespace])
    async with bench.through(port) as client, witness.watching():
        manager = new_manager(place, client=client, limits=run_scenario.LIMITS)
        async with running(manager):
            found = await _followed(place, witness)
    return max((write.ordinal for write in port.writes), default=0), found


async def crashed(bench: Bench, number: int, when: When) -> tuple[bool, Found]:
    """Whether a controller came to its n-th write, where it crashes, and what comes of it."""
    place = await bench.place()
    port = await bench.port(place.home, Plan(crash=CrashAt(number, when)))
    witness = Witness(bench.client, place.home, [place.namespace])
    async with bench.through(port) as client, witness.watching():
        first = new_manager(place, "first", client=client, limits=run_scenario.LIMITS)
        task = asyncio.create_task(first.run())
        port.on_crash = task.cancel
        await run_scenario.make(place)
        await asyncio.sleep(0.5)
        await _late(place)
        settled = asyncio.create_task(run_scenario.settle(place, witness))
        crash = asyncio.create_task(port.crashed.wait())
        await asyncio.wait({settled, crash}, return_when=asyncio.FIRST_COMPLETED)
        was_crashed = port.crashed.is_set()
        crash.cancel()
        await _over(task)
        second = asyncio.create_task(_restarted(place, place.controller))
        found = await settled
        await _over(second)
        return was_crashed, found


async def among_faults(bench: Bench, seed: int, seconds: float, rate: float) -> tuple[Port, Found]:
    """A controller among faults for some seconds, and then in peace; what comes of it."""
    place = await bench.place()
    port = await bench.port(place.home, Plan(seed=seed, rates=Rates.even(rate)))
    witness = Witness(bench.client, place.home, [place.namespace])
    async with bench.through(port) as client, witness.watching():
        keeper = asyncio.create_task(_restarted(place, client))
        await run_scenario.make(place)
        await asyncio.sleep(seconds)
        await _late(place)
        port.quiet()
        found = await run_scenario.settle(place, witness)
        await _over(keeper)
    return port, found


async def _followed(place: Place, witness: Witness) -> Found:
    await run_scenario.make(place)
    await asyncio.sleep(0.5)
    await _late(place)
    return await run_scenario.settle(place, witness)


async def _late(place: Place) -> None:
    """The agent that one run waits for."""
    await place.agent("three")


async def _restarted(place: Place, client: kube.Client | None) -> None:
    """A controller that is started again when it lost its Lease, as a Deployment does."""
    number = 0
    while True:
        number += 1
        manager = new_manager(place, f"replica-{number}", client=client, limits=run_scenario.LIMITS)
        try:
            await manager.run()
        except kube.LostError:
            continue


async def _over(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
