"""Deliveries to two replicas become ImplementationSpecs, whichever version is stored."""

import asyncio
import contextlib
import datetime as dt
import json
import pathlib
import random
from collections.abc import AsyncIterator

import pytest
from aiohttp.test_utils import TestServer

from controllers import kube
from controllers.agentctl.chart import rights
from controllers.kube import testing
from controllers.sources.api_constants import SOURCES, SPECS
from tests.e2e.conftest import Platform
from tests.support import accounts, source_bench, standin_github
from tests.support.forked_commands import Commands
from tests.support.source_bench import Replica, issue
from tests.support.standin_github import GitHub

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


async def test_a_sync_that_is_asked_for_shows_how_it_ended(
    platform: Platform, tmp_path: pathlib.Path
) -> None:
    namespace, github = platform.namespace, GitHub(dt.datetime(2026, 1, 2, tzinfo=dt.UTC))
    github.change(1, "First", seconds=1)
    await source_bench.create_secret(platform.client, namespace)
    await source_bench.create_source(platform.client, namespace)
    token = {"metadata": {"name": "token"}, "stringData": {"token": standin_github.TOKEN}}
    await platform.client.create(kube.SECRETS, token, namespace=namespace)
    given = ("-n", namespace, "--kubeconfig", str(platform.cluster.admin_kubeconfig))

    async with (
        TestServer(github.app()) as api,
        accounts.opened(
            platform.client,
            platform.cluster,
            rights.CONTROLLER,
            home=f"{namespace}-home",
            objects=namespace,
            conditions=[rights.SOURCES],
            secrets=["signing", "token"],
        ) as controller,
        source_bench.replica(controller, namespace, str(api.make_url(""))) as replica,
        repairing(replica),
    ):
        with Commands() as commands:

            async def agentctl(*words: str) -> tuple[int, str, str]:
                done = await asyncio.to_thread(
                    commands.run, "agentctl", "source", *words, *given, cwd=tmp_path
                )
                return done.code, done.out, done.err

            await settle(platform, "First")
            github.change(1, "Second", seconds=24 * 3600)
            synced = await agentctl("sync", "issues")
            after = [spec["spec"]["summary"] for spec in await specs(platform)]
            shown = await agentctl("status", "-o", "json")
            github.refusals.append((404, {}))
            refused = await agentctl("sync", "issues")
            table = await agentctl("status")
            missing = await agentctl("sync", "nothing")

    assert (0, ["Second"]) == (synced[0], after), synced
    assert "synced, with what changed until 2026-01-02T00:00:00Z" in synced[1]
    (row,) = json.loads(shown[1])
    assert 0 == shown[0]
    assert ("GitHub a/b", "Webhook", "2026-01-02T00:00:00Z") == (
        row["tracker"],
        row["mode"],
        row["lastSyncTime"],
    )
    assert {"open": 1, "closed": 0, "orphaned": 0} == row["issues"]
    assert ("True", "Read") == (row["synced"]["status"], row["synced"]["reason"])
    assert 1 == refused[0]
    assert "the read failed: ReadFailed: expected the repository" in refused[2]
    assert 1 == table[0]
    assert ["issues", "GitHub", "a/b", "Webhook", "-", "False"] == table[1].split("\n")[1].split()[
        :6
    ]
    assert "issues: Synced is False: ReadFailed: " in table[1]
    assert 3 == missing[0]


@contextlib.asynccontextmanager
async def repairing(replica: Replica) -> AsyncIterator[None]:
    """The replica leads."""
    task = asyncio.create_task(replica.service.repair())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_source_that_nobody_reads_is_no_subject_of_a_sync(
    platform: Platform, tmp_path: pathlib.Path
) -> None:
    await source_bench.create_source(platform.client, platform.namespace)
    off = {"spec": {"ingestion": {"mode": "Disabled", "webhook": None}}}
    await platform.client.patch(SOURCES, "issues", off, namespace=platform.namespace)
    given = ("-n", platform.namespace, "--kubeconfig", str(platform.cluster.admin_kubeconfig))

    with Commands() as commands:
        done = commands.run("agentctl", "source", "sync", "issues", *given, cwd=tmp_path)

    assert (2, "") == (done.code, done.out)
    assert "issues: expected a source with spec.github.repository and ingestion.mode" in done.err


async def _delete(replica: Replica) -> int:
    status = await replica.deliver(issue(1, "state 3", seconds=9, action="deleted"))
    await testing.settle(
        lambda: replica.count("agents_source_observations_total", result="Deleted") == 1,
        within_seconds=300,
    )
    return status
