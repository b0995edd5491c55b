"""Authorities that replicas share by a Secret: made once, rotated and healed under load."""

import asyncio
import pathlib
from collections.abc import Iterator

import pytest

from certs import stored
from controllers import devcluster, kube
from tests.support import rotations
from tests.support.traffic import Traffic

pytestmark = pytest.mark.e2e

HEALED_SECONDS = 60.0


@pytest.fixture(scope="module")
def cluster() -> Iterator[devcluster.Cluster]:
    """One of its own: what is installed here calls servers that are gone afterwards."""
    with devcluster.Cluster() as found:
        yield found


async def test_five_that_start_at_once_share_one_authority(
    cluster: devcluster.Cluster, tmp_path: pathlib.Path
) -> None:
    async with rotations.deployed(cluster, tmp_path, count=5) as (deployment, client):
        traffic, stopped = Traffic(client, "default", clients=2), asyncio.Event()
        flowing = asyncio.create_task(traffic.flow(stopped))
        found = await rotations.state(client)
        leases = await client.list(kube.LEASES, namespace=rotations.NAMESPACE)
        await asyncio.sleep(3)
        stopped.set()
        await flowing
        codes = [one.process.returncode for one in deployment.balancer.replicas]

    assert (1, (1,), 5) == (found.state.active, found.state.published, len(leases.items))
    assert [None] * 5 == codes
    assert [] == [str(one) for one in traffic.failed]


async def test_rotation_costs_no_call(cluster: devcluster.Cluster, tmp_path: pathlib.Path) -> None:
    found = await rotations.under_load(cluster, tmp_path, rotations=1, with_kills=False)

    assert [] == [str(one) for one in [*found.failed, *found.traffic.failed]]
    assert min(found.clients, found.reviews, found.traffic.calls) > 0


@pytest.mark.parametrize("harm", ["deleted", "corrupted"])
async def test_secret_is_healed_under_load(
    cluster: devcluster.Cluster, tmp_path: pathlib.Path, harm: str
) -> None:
    async with rotations.deployed(cluster, tmp_path) as (_, client):
        traffic, stopped = Traffic(client, "default", clients=2, retries=1), asyncio.Event()
        flowing = asyncio.create_task(traffic.flow(stopped))
        before = await rotations.state(client)
        if harm == "deleted":
            await client.delete(kube.SECRETS, rotations.SECRET, namespace=rotations.NAMESPACE)
        else:
            await client.patch(
                kube.SECRETS,
                rotations.SECRET,
                {"data": {stored.STATE: "Z2FyYmFnZQ=="}},
                namespace=rotations.NAMESPACE,
            )
        after = await _healed(client)
        await asyncio.sleep(2)
        stopped.set()
        await flowing

    assert before == after
    assert [] == [str(one) for one in traffic.failed]


async def _healed(client: kube.Client) -> stored.Stored:
    async with asyncio.timeout(HEALED_SECONDS):
        while True:
            try:
                return await rotations.state(client)
            except (kube.NotFoundError, stored.CorruptError):
                await asyncio.sleep(0.1)
