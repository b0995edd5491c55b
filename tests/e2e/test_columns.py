"""What a real API server shows in columns: the facts that ``schemagen.crd.paths`` is built on."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from controllers import devcluster, kube
from controllers.kube.auth import discovery
from controllers.kube.http import transport
from schemagen import Api, Column, Kind, Version
from schemagen.problems import JSON
from schemagen.schema import structural
from tests.support import columns

pytestmark = pytest.mark.e2e

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
DEADLINE_SECONDS = 120.0


@pytest.fixture
async def connection(api_server: devcluster.Cluster) -> AsyncIterator[transport.Transport]:
    access = await discovery.kubeconfig(api_server.admin_kubeconfig, None)()
    opened = transport.Transport(access, on_warning=lambda _: None, user_agent="columns")
    yield opened
    await opened.close()


async def table(
    api_server: devcluster.Cluster,
    connection: transport.Transport,
    group: str,
    shown: list[tuple[str, str]],
) -> JSON:
    """The table of an object of a kind with these columns, whose paths need not be right."""
    definition = crd_with(group, shown)
    api_version = f"{group}/v1"
    async with kube.Client.from_kubeconfig(api_server.admin_kubeconfig) as client:
        await client.apply(kube.CUSTOM_RESOURCE_DEFINITIONS, definition, field_manager="test")
        resource = kube.Resource(group, "v1", "things", "Thing")
        body: dict[str, Any] = {
            "apiVersion": api_version,
            "kind": "Thing",
            "metadata": {"name": "shown", "namespace": "default", "labels": columns.LABELS},
            "spec": columns.SPEC,
            "status": columns.STATUS,
        }
        await eventually(client, resource, body)
    request = kube.Request("GET", resource.path("default", "shown"), accepts=TABLE)
    return await connection.call(request, DEADLINE_SECONDS)


async def eventually(client: kube.Client, resource: kube.Resource, body: JSON) -> None:
    """Create an object as soon as its kind is served."""
    for attempt in range(100):
        try:
            await client.create(resource, body)
        except kube.ApiError as error:
            if error.code != 404 or attempt == 99:
                raise
            await asyncio.sleep(0.1)
        else:
            return


def crd_with(group: str, shown: list[tuple[str, str]]) -> JSON:
    api = Api(group, (Kind("Thing", "things", (Version("v1", columns.Thing, storage=True),)),))
    kind = api.kinds[0]
    own = [Column(f"C{index}", path, type=type_) for index, (path, type_) in enumerate(shown)]  # type: ignore[arg-type] # as given
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": api.crd_name(kind)},
        "spec": {
            "group": group,
            "names": {"plural": "things", "singular": "thing", "kind": "Thing"},
            "scope": "Namespaced",
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": structural.schema_of(columns.Thing)},
                    "additionalPrinterColumns": [column.printer_column() for column in own],
                }
            ],
        },
    }


async def test_paths_show_what_is_expected(
    api_server: devcluster.Cluster, connection: transport.Transport
) -> None:
    paths = [*columns.SHOWN, *columns.NOT_SHOWN]

    found = await table(
        api_server, connection, "paths.example.com", [(path, "string") for path in paths]
    )

    cells = dict(zip(paths, found["rows"][0]["cells"][1:], strict=True))
    assert columns.SHOWN | dict.fromkeys(columns.NOT_SHOWN) == cells


async def test_a_type_shows_values_of_its_own(
    api_server: devcluster.Cluster, connection: transport.Transport
) -> None:
    found = await table(api_server, connection, "types.example.com", [*columns.TYPED])

    assert [*columns.TYPED.values()] == found["rows"][0]["cells"][1:]


@pytest.mark.parametrize("index", range(len(columns.UNREADABLE)))
async def test_columns_end_at_a_path_that_cannot_be_read(
    api_server: devcluster.Cluster, connection: transport.Transport, index: int
) -> None:
    shown = [(path, "string") for path in (".spec.n", columns.UNREADABLE[index], ".spec.b")]

    found = await table(api_server, connection, f"unreadable{index}.example.com", shown)

    assert ["shown", "7"] == found["rows"][0]["cells"]
