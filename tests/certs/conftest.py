"""A client of the real API server."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from controllers import kube


@pytest.fixture(scope="session")
async def client(api_server: Any) -> AsyncIterator[kube.Client]:
    async with kube.Client.from_kubeconfig(api_server.admin_kubeconfig) as opened:
        yield opened
