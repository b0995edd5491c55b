"""Deliveries to two replicas become ImplementationSpecs, whichever version is stored."""

import asyncio
import random

import pytest

from controllers import kube
from controllers.agentctl.chart import rights
from controllers.kube import testing
from controllers.sources.api_constants import SPECS
from tests.e2e.conftest import Platform
from tests.support import accounts, source_bench
from tests.support.source_bench import Replica, issue

pytestmark = pytest.mark.e2e


async def specs(platform: Platform) -> list[kube.JSON]:
    listing = await platform.client.list(SPECS, namespace=platform.namespace)
    return [*listing.items]


async def settle(platform: Platform, expected: str) -> list[kube.JSON]:
    """Wait until every ImplementationSpec shows a state."""
    async with asyncio.timeout(300):
        while True:
            found = await specs(platform)
            if found and {each["spec"]["summary"] for each in found} == {expected}:
                return found
            await asyncio.sleep(0.1)


async def test_two_replicas_agree_on_the_newest_state_of_each_issue(platform: Platform) -> None:
    namespace = platform.namespace
    await source_bench.create_secret(platform.client, namespace)
    await source_bench.create_source(platform.client, namespace)
    rng = random.Random(23)  # noqa: S311 - an order
    deliveries = [
        issue(number, f"state {second}", seconds=second)
        for number in range(1, 6)
        for second in range(4)
    ]
    rng.shuffle(deliveries)

    async with (
        accounts.opened(
            platform.client,
            platform.cluster,
            rights.CONTROLLER,
            home=f"{namespace}-home",
            objects=namespace,
            conditions=[rights.SOURCES],
            secrets=["signing"],
        ) as controller,
        source_bench.replica(controller, namespace) as one,
        source_bench.replica(controller, namespace) as other,
    ):

        async def deliver(body: bytes) -> int:
            return await rng.choice((one, other)).deliver(body)

        statuses = await asyncio.gather(*map(deliver, deliveries))
        found = await settle(platform, "state 3")
        deleted = await _delete(one)

    assert {202} == {*statuses, deleted}
    assert 5 == len(found)
    (orphan,) = [spec for spec in await specs(platform) if spec.get("status", {}).get("conditions")]
    assert "a/b#1" == orphan["spec"]["source"]["externalId"]
    assert ("Orphaned", "Deleted") == (
        orphan["status"]["conditions"][0]["type"],
        orphan["status"]["conditions"][0]["reason"],
    )


async def _delete(replica: Replica) -> int:
    status = await replica.deliver(issue(1, "state 3", seconds=9, action="deleted"))
    await testing.settle(
        lambda: replica.count("agents_source_observations_total", result="Deleted") == 1,
        within_seconds=300,
    )
    return status
