"""Authorities that replicas share by a Secret: made once, rotated and healed under load."""

import asyncio
import contextlib
import datetime as dt
import pathlib
import signal
import ssl
import urllib.parse
from collections.abc import Iterator

import aiohttp
import pytest

from certs import rotation_secret
from controllers import devcluster, kube
from controllers.devcluster import pytest_plugin
from tests.support import depth, hostile, replicas, rotations
from tests.support.traffic import Traffic

pytestmark = pytest.mark.e2e

HEALED_SECONDS = 60.0
# Clients that never rest would take the processors from all other tests.
PAUSE_SECONDS = 0.0 if depth.DEEP else 0.1
# A replica takes seconds of a processor to start.
REPLICAS = 3 if depth.DEEP else 2
STARTING_AT_ONCE = 5 if depth.DEEP else 3


@pytest.fixture(scope="module")
def cluster(request: pytest.FixtureRequest) -> Iterator[devcluster.Cluster]:
    """One of its own: what is installed here calls servers that are gone afterwards."""
    with pytest_plugin.running(request, "rotation") as found:
        yield found


def quiet_traffic(client: kube.Client, retries: int = 0) -> Traffic:
    return Traffic(client, "default", clients=2, pause_seconds=PAUSE_SECONDS, retries=retries)


async def test_replicas_that_start_at_once_share_one_authority(
    cluster: devcluster.Cluster, tmp_path: pathlib.Path
) -> None:
    count = STARTING_AT_ONCE
    async with rotations.deployed(cluster, tmp_path, count=count) as (deployment, client):
        traffic, stopped = quiet_traffic(client), asyncio.Event()
        flowing = asyncio.create_task(traffic.flow(stopped))
        found = await rotations.state(client)
        leases = await client.list(kube.LEASES, namespace=rotations.NAMESPACE)
        await asyncio.sleep(3)
        stopped.set()
        await flowing
        codes = [one.process.returncode for one in deployment.balancer.replicas]

    assert (1, (1,), count) == (found.state.active, found.state.published, len(leases.items))
    assert [None] * count == codes
    assert [] == [str(one) for one in traffic.failed]


async def test_rotation_costs_no_call(cluster: devcluster.Cluster, tmp_path: pathlib.Path) -> None:
    found = await rotations.under_load(
        cluster,
        tmp_path,
        rotations=1,
        with_kills=False,
        count=REPLICAS,
        pause_seconds=PAUSE_SECONDS,
    )

    assert [] == [str(one) for one in [*found.failed, *found.traffic.failed]]
    assert min(found.clients, found.reviews, found.traffic.calls) > 0


async def test_suspended_replica_blocks_no_rotation_and_comes_back_with_what_signs(
    cluster: devcluster.Cluster, tmp_path: pathlib.Path
) -> None:
    async with rotations.deployed(cluster, tmp_path, count=2) as (deployment, client):
        suspended = deployment.balancer.replicas[0]
        suspended.send(signal.SIGSTOP)
        try:
            await rotations.rotate(client, "while one sleeps")
            # Asked while it sleeps: the first thing that it does is to answer.
            answer, writer = await _question(suspended)
        finally:
            suspended.send(signal.SIGCONT)
        first = await answer.readline()
        writer.close()
        timeout = aiohttp.ClientTimeout(total=5)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            asyncio.timeout(HEALED_SECONDS),
        ):
            while not await suspended.is_ready(session):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        believed = await rotations.published(client)
        assert believed is not None
        tls = ssl.create_default_context(cadata=believed[1])
        attacker = hostile.Attacker("127.0.0.1", suspended.port, tls)
        asked = [await rotations.asked(attacker) for _ in range(10)]

    assert b"HTTP/1.1 503 Service Unavailable\r\n" == first
    assert [""] * 10 == asked


async def _question(
    replica: replicas.Replica,
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Ask for readiness; the answer is read later."""
    url = urllib.parse.urlsplit(replica.health)
    answer, writer = await asyncio.open_connection(url.hostname, url.port)
    writer.write(b"GET /readyz HTTP/1.1\r\nHost: replica\r\nConnection: close\r\n\r\n")
    await writer.drain()
    return answer, writer


async def test_authority_that_ran_out_while_nobody_ran_is_replaced_at_once(
    cluster: devcluster.Cluster, tmp_path: pathlib.Path
) -> None:
    """Calls fail anyway, so that there is nothing to hold a new one back for."""
    brief = ("--authority-days", str(8 / 86_400), "--leaf-days", str(8 / 86_400))
    async with rotations.deployed(cluster, tmp_path, count=0) as (deployment, client):
        with contextlib.suppress(kube.NotFoundError):
            await client.delete(kube.SECRETS, rotations.SECRET, namespace=rotations.NAMESPACE)
        first = await deployment.add(*brief)
        deployment.balancer.take_out(first)
        await first.stop()
        ended = await rotations.state(client)
        left = ended.active.certificate.not_valid_after_utc - dt.datetime.now(dt.UTC)
        await asyncio.sleep(max(0.0, left.total_seconds()) + 0.1)
        await deployment.add("--cert-hold", "1000")
        async with asyncio.timeout(HEALED_SECONDS):
            await deployment.balancer.all_ready()
            while (await rotations.state(client)).state.is_rotating:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        traffic, stopped = quiet_traffic(client), asyncio.Event()
        flowing = asyncio.create_task(traffic.flow(stopped))
        await asyncio.sleep(1)
        stopped.set()
        await flowing
        found = await rotations.state(client)

    now = dt.datetime.now(dt.UTC)
    assert ended.active.certificate.not_valid_after_utc < now
    assert found.active.certificate.not_valid_after_utc > now + dt.timedelta(days=300)
    assert [] == [str(one) for one in traffic.failed]


async def test_secret_is_healed_under_load(
    cluster: devcluster.Cluster, tmp_path: pathlib.Path
) -> None:
    """First it is deleted, then corrupted."""
    garbage = {"data": {rotation_secret.STATE: "Z2FyYmFnZQ=="}}
    where = (kube.SECRETS, rotations.SECRET)
    async with rotations.deployed(cluster, tmp_path, count=REPLICAS) as (_, client):
        traffic, stopped = quiet_traffic(client, retries=1), asyncio.Event()
        flowing = asyncio.create_task(traffic.flow(stopped))
        before = await rotations.state(client)
        await client.delete(*where, namespace=rotations.NAMESPACE)
        after_deletion = await _healed(client)
        await client.patch(*where, garbage, namespace=rotations.NAMESPACE)
        after_corruption = await _healed(client)
        await asyncio.sleep(2)
        stopped.set()
        await flowing

    assert before == after_deletion
    assert before == after_corruption
    assert [] == [str(one) for one in traffic.failed]


async def _healed(client: kube.Client) -> rotation_secret.Stored:
    async with asyncio.timeout(HEALED_SECONDS):
        while True:
            try:
                return await rotations.state(client)
            except (kube.NotFoundError, rotation_secret.CorruptError):
                await asyncio.sleep(0.1)
