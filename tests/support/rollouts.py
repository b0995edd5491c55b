"""Rolling restarts of three replicas under load, on a real API server."""

import asyncio
import contextlib
import dataclasses
import datetime as dt
import pathlib
from collections.abc import AsyncIterator, Callable

import crds
from certs.directory import files as certificates
from controllers import devcluster, kube
from controllers.process import addresses
from tests.support import replicas
from tests.support.traffic import Traffic
from webhooks.cluster import install

REPLICAS = 3


@dataclasses.dataclass
class Rollout:
    """What came of it.

    Attributes:
        restarts: Of single replicas.
        codes: Their exit codes, other than 0.
    """

    traffic: Traffic
    restarts: int = 0
    codes: list[int] = dataclasses.field(default_factory=list)


@contextlib.asynccontextmanager
async def deployed(
    cluster: devcluster.Cluster, directory: pathlib.Path, *options: str
) -> AsyncIterator[tuple[kube.Client, replicas.Balancer]]:
    """Three replicas behind a balancer, whose address the cluster calls."""
    balancer = replicas.Balancer()
    folder = directory / "certificates"
    bundle = certificates.load_or_create(
        folder, addresses.names("127.0.0.1"), dt.datetime.now(dt.UTC)
    )
    assert bundle.ca_pem is not None
    async with (
        kube.Client.from_kubeconfig(cluster.admin_kubeconfig, on_warning=lambda _: None) as client,
        balancer.listening() as port,
    ):
        try:
            for number in range(REPLICAS):
                balancer.replicas.append(await _replica(cluster, directory, number, *options))
            await balancer.all_ready()
            base_url = f"https://127.0.0.1:{port}"
            await install.install(client, crds.api, base_url=base_url, ca_pem=bundle.ca_pem)
            yield client, balancer
        finally:
            for one in balancer.replicas:
                await one.stop()


async def _replica(
    cluster: devcluster.Cluster, directory: pathlib.Path, number: int, *options: str
) -> replicas.Replica:
    return await replicas.started(
        directory,
        f"replica-{number}",
        *("--kubeconfig", str(cluster.admin_kubeconfig), "--workers", "1", *options),
        *("--cert-dir", str(directory / "certificates")),
    )


async def roll(
    cluster: devcluster.Cluster,
    directory: pathlib.Path,
    *,
    rounds: int,
    clients: int = 8,
    tell: Callable[[], None] = lambda: None,
) -> Rollout:
    """Restart every replica so many times, one after the other, a new one before the old goes."""
    async with deployed(cluster, directory) as (client, balancer):
        found = Rollout(Traffic(client, "default", clients=clients))
        stopped = asyncio.Event()
        flowing = asyncio.create_task(found.traffic.flow(stopped))
        number = REPLICAS
        for _ in range(rounds):
            for old in [*balancer.replicas]:
                balancer.replicas.append(await _replica(cluster, directory, number))
                number += 1
                await balancer.all_ready()
                balancer.take_out(old)
                code = await old.stop()
                found.restarts += 1
                found.codes += [code] if code else []
                tell()
        stopped.set()
        await flowing
    return found
