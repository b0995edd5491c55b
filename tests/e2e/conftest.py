"""The platform on a real API server: CRDs installed, the webhook server running as a process."""

import dataclasses
import itertools
import pathlib
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import crds
from controllers import devcluster, kube
from controllers.agentctl import local

COUNTER = itertools.count()


class WebhookServer:
    """``webhooks serve crds:api --install`` as users run it; can be stopped and started again."""

    def __init__(self, cluster: devcluster.Cluster, directory: pathlib.Path, storage: str) -> None:
        self.cluster, self.directory, self.storage = cluster, directory, storage
        self.port = 0
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start and wait for the line that says it serves; a second start takes the same port."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / "webhooks.log").open("a") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "webhooks", "serve", "crds:api", "--install"),
                    *("--port", str(self.port), "--storage", self.storage),
                    *("--cert-dir", str(self.directory / "certificates")),
                    *("--kubeconfig", str(self.cluster.admin_kubeconfig)),
                ],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("serving "), (self.directory / "webhooks.log").read_text()[-4000:]
        self.port = int(line.rsplit(":", 1)[1])

    def stop(self) -> int:
        """Send SIGTERM; the exit code."""
        assert self.process is not None
        assert self.process.stdout is not None
        self.process.terminate()
        code = self.process.wait(20)
        self.process.stdout.close()
        return code


@dataclasses.dataclass
class Platform:
    """A cluster with the API, a client, and a namespace of the test's own."""

    cluster: devcluster.Cluster
    server: WebhookServer
    client: kube.Client
    namespace: str

    def runs(self, version: str) -> kube.Resource:
        """AgentRuns in a version."""
        return kube.Resource(crds.api.group, version, "agentruns", "AgentRun")

    def specs(self, version: str) -> kube.Resource:
        """ImplementationSpecs in a version."""
        group = crds.api.group
        return kube.Resource(group, version, "implementationspecs", "ImplementationSpec")

    def kubectl(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """kubectl in the test's namespace."""
        return self.cluster.kubectl("--namespace", self.namespace, *arguments, **options)


@pytest.fixture(scope="session", params=["v1beta1", "v1alpha1"], ids="stored-as-{}".format)
def server(
    request: pytest.FixtureRequest,
    api_server: devcluster.Cluster,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[WebhookServer]:
    storage: str = request.param
    found = WebhookServer(api_server, tmp_path_factory.mktemp(f"stored-as-{storage}"), storage)
    found.start()
    yield found
    names = [crds.api.crd_name(kind) for kind in crds.api]
    api_server.kubectl("delete", "crd", *names, "--wait")
    configurations = "validatingwebhookconfigurations,mutatingwebhookconfigurations"
    api_server.kubectl("delete", configurations, crds.api.group)
    found.stop()


@pytest.fixture
async def platform(server: WebhookServer) -> AsyncIterator[Platform]:
    namespace = f"test-{next(COUNTER)}"
    async with kube.Client.from_kubeconfig(server.cluster.admin_kubeconfig) as client:
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        await client.create(kube.NAMESPACES, body)
        # Stays: without a controller manager nothing would ever empty a deleted namespace.
        yield Platform(server.cluster, server, client, namespace)


@pytest.fixture(scope="module")
def served_cluster(
    job_cluster: devcluster.Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[devcluster.Cluster]:
    """A cluster in which Jobs run and the platform's API is served."""
    with local.webhook_server(job_cluster, tmp_path_factory.mktemp("webhooks")):
        yield job_cluster


@pytest.fixture
async def client(served_cluster: devcluster.Cluster) -> AsyncIterator[kube.Client]:
    """A client of it."""
    async with kube.Client.from_kubeconfig(served_cluster.admin_kubeconfig) as opened:
        yield opened
