"""A service of sources, with a spool and without."""

import pathlib
from collections.abc import AsyncIterator

import pytest

import crds
from controllers.kube import testing
from tests.support import source_bench
from tests.support.source_bench import Bench


@pytest.fixture
async def server() -> testing.ApiServer:
    made = testing.ApiServer(crds.api)
    await source_bench.prepare(made)
    return made


@pytest.fixture(params=["spool", "cluster"])
async def bench(
    request: pytest.FixtureRequest, server: testing.ApiServer, tmp_path: pathlib.Path
) -> AsyncIterator[Bench]:
    spool = tmp_path if request.param == "spool" else None
    async with source_bench.serving(server, spool) as made:
        yield made
