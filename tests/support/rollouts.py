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
from webhooks.cluster import ca_bundle_check, install

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
    cluster: devcluster.Cluster, directory: pathlib.Path, *options: str, count: int = REPLICAS
) -> AsyncIterator[tuple[kube.Client, replicas.Balancer]]:
    """Replicas behind a balancer, whose address the cluster calls."""
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
            starting = (_replica(cluster, directory, one, *options) for one in range(count))
            started = await asyncio.gather(*starting, return_exceptions=True)
            balancer.replicas += [one for one in started if isinstance(one, replicas.Replica)]
            for one in started:
                if isinstance(one, BaseException):
                    raise one
            await balancer.all_ready()
            base_url = f"https://127.0.0.1:{port}"
            await install.install(client, crds.api, base_url=base_url, ca_pem=bundle.ca_pem)
            # A replica that looked while the CRDs were installed is not trusted by some, and not
            # ready until it looks again.
            await balancer.all_steady(ca_bundle_check.OBSERVED_EVERY_SECONDS + 1)
            yield client, balancer
        finally:
            await asyncio.gather(*(one.stop() for one in balancer.replicas))


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
    pause_seconds: float = 0.0,
    count: int = REPLICAS,
    tell: Callable[[], None] = lambda: None,
) -> Rollout:
    """Restart every replica so many times, one after the other, a new one before the old goes."""
    async with deployed(cluster, directory, count=count) as (client, balancer):
        traffic = Traffic(client, "default", clients=clients, pause_seconds=pause_seconds)
        found = Rollout(traffic)
        stopped = asyncio.Event()
        flowing = asyncio.create_task(found.traffic.flow(stopped))
        number = count
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
