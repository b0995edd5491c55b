"""What a test can do to the API server in process: faults, compaction, admission, versions."""

import asyncio
import contextlib

import pytest

import crds
from controllers import kube
from controllers.kube import testing
from tests.support import api_contract

CONFIG = kube.CONFIG_MAPS


def config(name: str = "a", **data: str) -> kube.JSON:
    return {"metadata": {"name": name, "namespace": "default"}, "data": data}


@testing.virtual_time
async def test_requests_are_refused_as_often_as_wanted() -> None:
    server = testing.ApiServer()
    fault = server.refuse("create", "configmaps", code=403, message="not today", times=2)
    async with server.client() as client:
        for _ in range(2):
            with pytest.raises(kube.ForbiddenError, match="not today"):
                await client.create(CONFIG, config())

        await client.create(CONFIG, config())

    assert 2 == fault.taken


@testing.virtual_time
async def test_retry_after_is_waited_for() -> None:
    server = testing.ApiServer()
    server.refuse("get", code=429, retry_after_seconds=7, times=2)
    async with server.client() as client:
        await client.create(CONFIG, config())
        began = server.clock.seconds()

        await client.get(CONFIG, "a", namespace="default")

        assert 14 <= server.clock.seconds() - began < 15


@testing.virtual_time
async def test_lost_answer_of_a_write_that_happened() -> None:
    server = testing.ApiServer()
    server.inject(testing.Fault(verb="create", loses_answer=True))
    server.inject(testing.Fault(verb="create", name="", loses_request=True))
    async with server.client() as client:
        with pytest.raises(kube.UnreachableError, match="whether the request took effect"):
            await client.create(CONFIG, config("a"))
        with pytest.raises(kube.UnreachableError):
            await client.create(CONFIG, config("b"))

    assert ["a"] == [one["metadata"]["name"] for one in server.objects(CONFIG, "default")]


@testing.virtual_time
async def test_slow_answer_exceeds_the_deadline() -> None:
    server = testing.ApiServer()
    server.inject(testing.Fault(verb="get", seconds=60))
    async with server.client() as client:
        with pytest.raises(kube.DeadlineExceededError):
            await client.get(CONFIG, "a", namespace="default", deadline_seconds=5)

        assert 5 <= server.clock.seconds() < 6


@testing.virtual_time
async def test_rate_limit_follows_the_clock() -> None:
    server = testing.ApiServer(latency_seconds=0)
    async with server.client(rate=kube.Rate(qps=1, burst=1)) as client:
        for name in "abc":
            await client.create(CONFIG, config(name))

        assert 2.0 == pytest.approx(server.clock.seconds())


@testing.virtual_time
async def test_watch_that_is_dropped_ends_with_an_error() -> None:
    server = testing.ApiServer()
    async with server.client() as client:
        watch = client.watch(CONFIG, namespace="default")
        await client.create(CONFIG, config())
        assert "ADDED" == (await anext(watch)).type

        asyncio.get_running_loop().call_later(1, server.drop_watches, "configmaps")

        with pytest.raises(kube.UnreachableError):
            await anext(watch)


@testing.virtual_time
async def test_watch_whose_answer_is_lost_is_not_open() -> None:
    server = testing.ApiServer()
    server.inject(testing.Fault(verb="watch", loses_answer=True))
    async with server.client() as client:
        with pytest.raises(kube.UnreachableError):
            await anext(client.watch(CONFIG, namespace="default"))

    assert 0 == server.drop_watches()


@testing.virtual_time
async def test_watch_has_bookmarks_and_ends_in_time() -> None:
    server = testing.ApiServer()
    async with server.client() as client:
        found = [event.type async for event in client.watch(CONFIG, timeout_seconds=200)]

        assert ["BOOKMARK"] * 3 == found
        assert 200 <= server.clock.seconds() < 201


@testing.virtual_time
async def test_compacted_history_is_gone() -> None:
    server = testing.ApiServer()
    async with server.client() as client:
        created = await client.create(CONFIG, config())
        server.compact()
        version = created["metadata"]["resourceVersion"]

        with pytest.raises(kube.GoneError, match="too old resource version"):
            await anext(client.watch(CONFIG, resource_version=version))


@testing.virtual_time
async def test_list_falls_back_when_its_pages_are_gone() -> None:
    server = testing.ApiServer(latency_seconds=1)
    async with server.client() as client:
        for name in "abc":
            await client.create(CONFIG, config(name))
        compacting = asyncio.create_task(_compact_after(server, pages=1))

        listing = await client.list(CONFIG, page_size=1)

        await compacting
        assert ["a", "b", "c"] == [one["metadata"]["name"] for one in listing.items]
        assert "" == server.calls[-1].query.get("limit", "")


async def _compact_after(server: testing.ApiServer, pages: int) -> None:
    await testing.settle(lambda: len([c for c in server.calls if c.verb == "list"]) >= pages)
    server.storage.touch()
    server.compact()


@testing.virtual_time
async def test_admission_changes_and_denies() -> None:
    def admit(operation: str, value: kube.JSON, old: kube.JSON | None) -> kube.JSON:
        if old is not None or value["kind"] != "Thing":
            return value
        if value.get("spec", {}).get("size") == 1:
            raise testing.injected(403, f"{operation} denied")
        return {**value, "spec": {**value.get("spec", {}), "labels": {"added": "1"}}}

    server = testing.ApiServer(admit=admit)
    async with server.client() as client, api_contract.defined(client):
        body = {"apiVersion": api_contract.THINGS.api_version, "kind": "Thing"}
        metadata = {"name": "a", "namespace": "default"}

        denied = {**body, "metadata": metadata, "spec": {"size": 1}}
        with pytest.raises(kube.ForbiddenError, match="CREATE denied"):
            await client.create(api_contract.THINGS, denied)
        created = await client.create(
            api_contract.THINGS, {**body, "metadata": metadata, "spec": {"size": 2}}
        )

        assert {"size": 2, "color": "red", "labels": {"added": "1"}} == created["spec"]


@testing.virtual_time
async def test_versions_of_an_api_are_converted() -> None:
    server = testing.ApiServer(crds.api)
    old, new = (
        kube.Resource(crds.api.group, version, "agentruns", "AgentRun")
        for version in ("v1alpha1", "v1beta1")
    )
    async with server.client() as client:
        body = {"apiVersion": new.api_version, "kind": new.kind}
        spec = {
            "agentRef": {"name": "coder"},
            "implementation": {"inline": {"text": "Mend it."}},
            "runtime": {"type": "Job"},
        }
        metadata = {"name": "a", "namespace": "default", "labels": {"app": "x"}}
        created = await client.create(new, {**body, "metadata": metadata, "spec": spec})

        converted = await client.get(old, "a", namespace="default")
        event = await anext(client.watch(old, namespace="default"))

        assert old.api_version == converted["apiVersion"]
        assert converted == event.object
        for name in ("uid", "resourceVersion", "labels"):
            assert created["metadata"][name] == converted["metadata"][name]
        written = await client.replace(old, converted)
        assert created["spec"] == (await client.get(new, "a", namespace="default"))["spec"]
        assert old.api_version == written["apiVersion"]


@testing.virtual_time
async def test_definition_that_is_deleted_takes_its_objects_along() -> None:
    server = testing.ApiServer()
    async with server.client() as client:
        async with api_contract.defined(client):
            body = {"apiVersion": api_contract.PARTS.api_version, "kind": "Part"}
            metadata = {"name": "a", "namespace": "default"}
            await client.create(api_contract.PARTS, {**body, "metadata": metadata})

        with pytest.raises(kube.NotFoundError, match="404 page not found"):
            await client.list(api_contract.PARTS)


@testing.virtual_time
async def test_client_that_closes_ends_its_watches() -> None:
    server = testing.ApiServer()
    client = server.client()
    await client.__aenter__()
    watch = client.watch(CONFIG)
    waiting = asyncio.create_task(_drain(watch))
    await asyncio.sleep(1)

    await client.close()

    with pytest.raises(kube.UnreachableError):
        await waiting


async def _drain(watch: object) -> None:
    async with contextlib.aclosing(watch):  # type: ignore[type-var] # an async generator
        async for _ in watch:  # type: ignore[attr-defined] # likewise
            pass
