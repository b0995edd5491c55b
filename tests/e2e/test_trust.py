"""A server is ready only while the API server would trust it."""

import asyncio
import datetime as dt
import json
import pathlib
import re

import aiohttp
import pytest

import crds
from certs import authority, injector
from controllers import kube
from tests.e2e.conftest import Platform
from webhooks.cluster import ca_bundle_check
from webhooks.server import review_listener as webhook_server

pytestmark = pytest.mark.e2e

WAIT_SECONDS = 120.0


def health_url(platform: Platform) -> str:
    lines = (platform.server.directory / "webhooks.log").read_text().splitlines()
    events = [json.loads(line) for line in lines if line.startswith("{")]
    return str([one["url"] for one in events if one.get("event") == "health and metrics"][-1])


async def ready(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/readyz") as response:
        return response.status, await response.text()


async def eventually_ready(url: str, status: int) -> str:
    async with asyncio.timeout(WAIT_SECONDS):
        while (found := await ready(url))[0] != status:  # noqa: ASYNC110 - another process's event
            await asyncio.sleep(0.2)
    return found[1]


async def test_foreign_bundle_revokes_readiness_until_ours_is_back(platform: Platform) -> None:
    url = health_url(platform)
    ours = (platform.server.directory / "certificates" / "ca.crt").read_bytes()
    other = authority.new_authority("other", now=dt.datetime.now(dt.UTC)).certificate_pem
    assert (200, "ok\n") == await ready(url)

    await injector.inject(platform.client, other, validating=[crds.api.group])
    try:
        reason = await eventually_ready(url, 503)
    finally:
        await injector.inject(platform.client, ours, validating=[crds.api.group])

    assert (
        f"validatingwebhookconfigurations/{crds.api.group} does not trust the certificate "
        "served for 127.0.0.1: " in reason
    )
    assert "ok\n" == await eventually_ready(url, 200)


async def test_old_and_new_bundle_together_are_trusted(platform: Platform) -> None:
    ours = (platform.server.directory / "certificates" / "ca.crt").read_bytes()
    other = authority.new_authority("other", now=dt.datetime.now(dt.UTC)).certificate_pem

    await injector.inject(platform.client, other + ours, validating=[crds.api.group])
    try:
        watched = ca_bundle_check.Trust(
            platform.client, crds.api, ("127.0.0.1", platform.server.port)
        )
        await watched.observe_once()
    finally:
        await injector.inject(platform.client, ours, validating=[crds.api.group])

    assert "" == watched.reason


async def test_api_server_that_is_gone_revokes_nothing(
    platform: Platform, tmp_path: pathlib.Path, unused_port: int
) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    text = platform.cluster.admin_kubeconfig.read_text()
    kubeconfig.write_text(re.sub(r"(https://[^:]+):\d+", rf"\1:{unused_port}", text))
    watched = ca_bundle_check.Trust(platform.client, crds.api, ("127.0.0.1", platform.server.port))
    await watched.observe_once()
    before = watched.callers

    async with kube.Client.from_kubeconfig(kubeconfig) as gone:
        watched.client = gone
        await watched.observe_once()

    assert before
    assert ["", before] == [watched.reason, watched.callers]


@pytest.fixture
def unused_port() -> int:
    with webhook_server.listening("127.0.0.1", 0) as found:
        return int(found.getsockname()[1])
