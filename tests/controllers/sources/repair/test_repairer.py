"""Reads of a repository on a stand-in of GitHub, to what is in the cluster."""

import asyncio
import dataclasses
import datetime as dt
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

import crds
from controllers import kube
from controllers.kube import testing
from controllers.sources import source_view
from controllers.sources.api_constants import SOURCES, SPECS
from controllers.sources.applier import Applier
from controllers.sources.repair.github_reader import GitHubReader
from controllers.sources.repair.repairer import Repairer
from controllers.sources.source_view import Source
from tests.support import source_bench, standin_github
from tests.support.standin_github import GitHub

NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
KEY = kube.Key("team", "issues")


@dataclasses.dataclass
class Bench:
    """A repairer, and the stand-in that it reads."""

    github: GitHub
    server: testing.ApiServer
    client: kube.Client
    store: kube.Store[Source]
    repairer: Repairer

    async def read(self) -> float | None:
        """Read the source as it is."""
        value = await self.client.get(SOURCES, KEY.name, namespace=KEY.namespace)
        self.store.put(kube.view_of(Source, value))
        return await self.repairer.read(KEY)

    async def status(self) -> tuple[str, str, str]:
        """Time of the last read, and status and reason of the condition Synced."""
        source = await self.client.get(SOURCES, KEY.name, namespace=KEY.namespace)
        (condition,) = source["status"]["conditions"]
        return source["status"]["lastSyncTime"], condition["status"], condition["reason"]

    def titles(self) -> dict[str, str]:
        """Titles of the ImplementationSpecs, by the identifiers of their issues."""
        return {
            spec["spec"]["source"]["externalId"]: spec["spec"]["summary"]
            for spec in self.server.objects(SPECS)
        }


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    server, github = testing.ApiServer(crds.api), GitHub(NOON)
    await source_bench.prepare(server)
    store: kube.Store[Source] = kube.Store()

    def now() -> dt.datetime:
        return github.now

    async with (
        server.client() as client,
        TestServer(github.app()) as api,
        aiohttp.ClientSession() as session,
    ):
        token = {"metadata": {"name": "token"}, "stringData": {"token": standin_github.TOKEN}}
        await client.create(kube.SECRETS, token, namespace="team")
        reader = GitHubReader(session, str(api.make_url("")), now=lambda: now().timestamp())
        applier = Applier(client, store.get)
        applying = asyncio.create_task(applier.run())
        repairing = Repairer(client, store, applier, reader, now)
        yield Bench(github, server, client, store, repairing)
        applying.cancel()
        await asyncio.gather(applying, return_exceptions=True)


async def test_all_pages_are_applied_and_the_time_is_kept(bench: Bench) -> None:
    for number in range(1, 251):
        bench.github.change(number, f"Issue {number}", seconds=number)

    seconds = await bench.read()

    source = await bench.client.get(SOURCES, KEY.name, namespace=KEY.namespace)
    assert {f"a/b#{n}": f"Issue {n}" for n in range(1, 251)} == bench.titles()
    assert 3 == len(bench.github.queries)
    assert "2026-01-01T12:00:00Z" == source["status"]["lastSyncTime"]
    assert source_view.REPAIR_SECONDS == seconds


async def test_the_next_read_asks_for_what_changed_since(bench: Bench) -> None:
    bench.github.change(1, "First", seconds=0)
    await bench.read()
    bench.github.now += dt.timedelta(hours=3)
    bench.github.change(2, "Lost delivery", seconds=13 * 3600)

    await bench.read()

    assert {"a/b#1": "First", "a/b#2": "Lost delivery"} == bench.titles()
    assert [None, "2026-01-01T11:58:00Z"] == [each.get("since") for each in bench.github.queries]


async def test_ten_thousand_unchanged_issues_cost_one_request(bench: Bench) -> None:
    await bench.read()
    for number in range(1, 10_001):
        bench.github.change(number, "Unchanged", seconds=0)
    bench.github.queries.clear()

    await bench.read()

    assert 1 == len(bench.github.queries)


async def test_a_page_of_one_second_is_followed_by_the_next(bench: Bench) -> None:
    for number in range(1, 202):
        bench.github.change(number, "Imported", seconds=0)

    await bench.read()

    assert 201 == len(bench.titles())


async def test_an_issue_that_moves_while_pages_are_read_hides_no_other(bench: Bench) -> None:
    for number in range(1, 151):
        bench.github.change(number, f"Issue {number}", seconds=number)
    bench.github.on_query = lambda: bench.github.change(1, "Moved", seconds=1000)

    await bench.read()

    assert 150 == len(bench.titles())
    assert "Moved" == bench.titles()["a/b#1"]


async def test_pull_requests_are_left_out(bench: Bench) -> None:
    bench.github.change(1, "Pull", seconds=0, pull_request={"url": "x"})

    await bench.read()

    assert {} == bench.titles()


@pytest.mark.parametrize(
    ("status", "headers", "reason", "seconds"),
    [
        (403, {"Retry-After": "7"}, "RateLimited", 7.0),
        (429, {}, "RateLimited", 60.0),
        (500, {}, "ReadFailed", 900.0),
        (301, {"Location": "https://evil.example/"}, "ReadFailed", 900.0),
        (404, {}, "ReadFailed", 900.0),
    ],
)
async def test_a_refused_read_keeps_its_time_and_is_repeated(
    bench: Bench, status: int, headers: dict[str, str], reason: str, seconds: float
) -> None:
    await bench.read()
    bench.github.now += dt.timedelta(hours=1)
    bench.github.change(1, "First", seconds=13 * 3600)
    bench.github.refusals.append((status, headers))

    due = await bench.read()
    refused, titles = await bench.status(), bench.titles()
    bench.github.now += dt.timedelta(seconds=due or 0)
    await bench.read()
    read = await bench.status()

    assert ({}, {"a/b#1": "First"}) == (titles, bench.titles())
    assert seconds == due
    assert ("2026-01-01T12:00:00Z", "False", reason) == refused
    assert (kube.time_text(bench.github.now), "True", "Read") == read


async def test_nothing_is_asked_with_a_token_whose_limit_is_used_up(bench: Bench) -> None:
    bench.github.refusals.append((403, {"Retry-After": "7"}))

    due = [await bench.read() for _ in range(3)]

    assert [7.0] * 3 == due
    assert 1 == len(bench.github.queries)
    source = await bench.client.get(SOURCES, KEY.name, namespace=KEY.namespace)
    (condition,) = source["status"]["conditions"]
    assert "GitHub's rate limit is used up until 2026-01-01T12:00:07Z" == condition["message"]


async def test_a_read_that_a_limit_ends_is_continued_where_it_was(bench: Bench) -> None:
    for number in range(1, 251):
        bench.github.change(number, f"Issue {number}", seconds=number)
    limit = str(int(NOON.timestamp()) + 1800)
    used_up = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": limit}
    bench.github.headers = used_up

    due = await bench.read()
    half = len(bench.titles())
    bench.github.headers = {}
    bench.github.now += dt.timedelta(seconds=due or 0)
    await bench.read()

    assert (1800.0, 100, 250) == (due, half, len(bench.titles()))
    since = [each.get("since") for each in bench.github.queries]
    assert [None, "2026-01-01T00:01:40Z", "2026-01-01T00:03:19Z"] == since
    # The time of the first page: what changed since may be on an earlier one.
    assert ("2026-01-01T12:00:00Z", "True", "Read") == await bench.status()


async def test_a_status_is_written_only_if_it_says_something_new(bench: Bench) -> None:
    await bench.read()
    before = await bench.client.get(SOURCES, KEY.name, namespace=KEY.namespace)

    await bench.read()

    after = await bench.client.get(SOURCES, KEY.name, namespace=KEY.namespace)
    assert before["metadata"]["resourceVersion"] == after["metadata"]["resourceVersion"]


async def test_errors_say_nothing_of_the_token(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = {"data": {"token": "d3Jvbmc="}}
    await bench.client.patch(kube.SECRETS, "token", wrong, namespace="team")

    await bench.read()

    (record,) = caplog.records
    assert "GitHub does not accept the credentials (401)" in record.getMessage()
    assert "wrong" not in caplog.text
