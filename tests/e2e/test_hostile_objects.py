"""Objects of one tenant that are made to harm: no other tenant's runs notice."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from controllers import devcluster, kube
from controllers.runs import views
from tests.support import run_platform
from tests.support.run_platform import Place, new_manager, new_place, running

pytestmark = pytest.mark.e2e


@pytest.fixture
async def place(served_cluster: devcluster.Cluster, client: kube.Client) -> Place:
    return await new_place(served_cluster, client, seconds="0.3")


async def eventually(check: Any, expected: Any) -> None:
    found = None
    try:
        async with asyncio.timeout(run_platform.SECONDS):
            while (found := await check()) != expected:  # noqa: ASYNC110 - it is the cluster's
                await asyncio.sleep(0.1)
    except TimeoutError:
        assert expected == found


@contextlib.asynccontextmanager
async def lenient_schema(client: kube.Client) -> AsyncIterator[None]:
    """A CRD that lets anything be a run's priority, as a later version of it might."""
    name = f"{views.RUNS.plural}.{views.RUNS.group}"
    crd = await client.get(kube.CUSTOM_RESOURCE_DEFINITIONS, name)
    names = [one["name"] for one in crd["spec"]["versions"]]
    path = f"/spec/versions/{names.index(views.RUNS.version)}/schema/openAPIV3Schema"
    path += "/properties/spec/properties/priority"
    version = crd["spec"]["versions"][names.index(views.RUNS.version)]
    known = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["priority"]
    anything = {"x-kubernetes-preserve-unknown-fields": True}

    async def replace(schema: dict[str, Any]) -> None:
        change = [{"op": "replace", "path": path, "value": schema}]
        await client.patch(kube.CUSTOM_RESOURCE_DEFINITIONS, name, change, kind="json")

    await replace(anything)
    try:
        yield
    finally:
        await replace(known)


async def test_run_that_cannot_be_read_stops_no_other(place: Place, client: kube.Client) -> None:
    """It is named by an Event and counted, and is carried out once it can be read."""
    await place.agent()
    controller = new_manager(place)

    async def reasons() -> list[str]:
        return await place.events("poison")

    def metric(name: str) -> Any:
        return controller.metrics.registry.get_sample_value(name, {"resource": "agentruns"})

    async with lenient_schema(client):
        async with running(controller):
            await place.run("before")
            await place.until("before", "Succeeded")
            await poisoned(place)
            await place.run("after")
            await place.until("after", "Succeeded")
            await eventually(reasons, ["Unreadable"])
            assert "" == controller.problem
            assert (1, 1) == (metric("agents_unreadable_objects"), metric("agents_followed"))
            assert metric("agents_unreadable_events_total") >= 1
        restarted = new_manager(place, "two")
        async with running(restarted):
            await place.run("restarted")
            await place.until("restarted", "Succeeded")
            assert "" == restarted.problem
            await place.change("poison", priority=3)
            await place.until("poison", "Succeeded")


async def poisoned(place: Place) -> None:
    """Create a run that the controller cannot read, as soon as the API server takes it."""
    async with asyncio.timeout(run_platform.SECONDS):
        while True:
            try:
                await place.run("poison", priority="high")
            except kube.InvalidError:
                await asyncio.sleep(0.2)  # the new schema is not in use yet
            else:
                return
