"""``webhooks install``: what a server elsewhere needs, without rights to create it."""

import asyncio
import base64
import contextlib
import datetime as dt
import pathlib
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator

import pytest

import crds
from certs import authority, injector
from certs.directory import files
from controllers import devcluster, kube
from webhooks.cluster import configuration, install

pytestmark = pytest.mark.e2e

OLD = kube.Resource(crds.api.group, "v1alpha1", "memories", "Memory")
MEMORY = {
    "apiVersion": OLD.api_version,
    "kind": OLD.kind,
    "metadata": {"name": "notes", "namespace": "default"},
    "spec": {"type": "postgres", "connection": {"secretRef": {"name": "db", "key": "url"}}},
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[devcluster.Cluster]:
    with devcluster.Cluster() as running:
        yield running


@pytest.fixture
async def client(cluster: devcluster.Cluster) -> AsyncIterator[kube.Client]:
    async with kube.Client.from_kubeconfig(cluster.admin_kubeconfig) as opened:
        yield opened


def webhooks(cluster: devcluster.Cluster, *words: str) -> str:
    """Run a command for the cluster; its output."""
    kubeconfig = ("--kubeconfig", str(cluster.admin_kubeconfig))
    done = subprocess.run(
        [sys.executable, "-m", "webhooks", words[0], "crds:api", *words[1:], *kubeconfig],
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    return done.stdout


async def bundles(client: kube.Client) -> list[str]:
    """The caBundles of all callers, decoded."""
    found = []
    for target in install.targets(crds.api):
        value = await client.get(target.resource, target.name)
        configs = injector.client_configs(target, value)
        found += [base64.b64decode(config.get("caBundle") or "").decode() for config in configs]
    return found


async def test_crds_alone_are_applied_and_upgraded(
    cluster: devcluster.Cluster, client: kube.Client
) -> None:
    said = [
        webhooks(cluster, "install", "--crds-only", "--service", "agents/webhooks:8443", *more)
        for more in (("--storage", "v1alpha1"), ("--cert-manager", "agents/webhooks"))
    ]

    definition = await client.get(
        kube.CUSTOM_RESOURCE_DEFINITIONS, crds.api.crd_name(crds.api.kinds[0])
    )
    service = definition["spec"]["conversion"]["webhook"]["clientConfig"]["service"]
    storage = [version["name"] for version in definition["spec"]["versions"] if version["storage"]]
    with pytest.raises(kube.NotFoundError):
        await client.get(kube.MUTATING_WEBHOOK_CONFIGURATIONS, crds.api.group)
    assert [len(crds.api.kinds)] * 2 == [len(output.splitlines()) for output in said]
    assert {"namespace": "agents", "name": "webhooks", "path": "/convert", "port": 8443} == service
    assert ["v1beta1"] == storage
    assert "agents/webhooks" == definition["metadata"]["annotations"][configuration.INJECTED]


@contextlib.asynccontextmanager
async def serving(
    cluster: devcluster.Cluster, folder: pathlib.Path, port: int
) -> AsyncIterator[None]:
    """A server with a given certificate, which only publishes its CA."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "webhooks", "serve", "crds:api", "--publish-ca"),
        *("--port", str(port), "--workers", "1", "--cert-dir", str(folder)),
        *("--kubeconfig", str(cluster.admin_kubeconfig)),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(120):
            assert (await process.stdout.readline()).startswith(b"serving ")
        yield
    finally:
        process.terminate()
        await process.wait()


async def test_server_publishes_its_ca_and_installing_again_keeps_it(
    cluster: devcluster.Cluster, client: kube.Client, tmp_path: pathlib.Path
) -> None:
    for kind in crds.api:  # cert-manager of the test above
        name, annotations = crds.api.crd_name(kind), {configuration.INJECTED: None}
        changes = {"metadata": {"annotations": annotations}}
        await client.patch(kube.CUSTOM_RESOURCE_DEFINITIONS, name, changes)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    now = dt.datetime.now(dt.UTC)
    ca = authority.new_authority("ours", now=now)
    pair = authority.issue_server(ca, ["127.0.0.1"], now=now)
    files.install(str(tmp_path), pair, ca.certificate_pem)
    url = ("--url", f"https://127.0.0.1:{port}")

    webhooks(cluster, "install", *url)
    before = {*await bundles(client)}
    async with serving(cluster, tmp_path, port):
        webhooks(cluster, "install", *url)
        await client.create(OLD, MEMORY)
        listed = await client.list(OLD, namespace="default")

    assert {""} == before
    assert {ca.certificate_pem.decode()} == {*await bundles(client)}
    assert ["notes"] == [item["metadata"]["name"] for item in listed.items]
