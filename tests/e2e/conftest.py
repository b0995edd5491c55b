"""The platform on a real API server: CRDs installed, the webhook server running as a process."""

import asyncio
import contextlib
import dataclasses
import functools
import itertools
import pathlib
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

import crds
from controllers import devcluster, kube
from controllers.agentctl.dev import local_platform
from controllers.devcluster import pytest_plugin
from tests.support import accounts
from webhooks.deployment import rights

COUNTER = itertools.count()

# Files and tests whose behaviour does not depend on the storage version; with the older one they
# are deep.
ONE_STORAGE = {
    *("test_retention.py", "test_trust.py", "test_agent_policy.py", "test_readiness.py"),
    "test_sources.py",
    "test_stopped_server_is_a_clear_error_and_a_started_one_heals",
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is told apart by the storage version alone."""
    for item in items:
        names = {item.path.name, item.name.partition("[")[0]}
        if names & ONE_STORAGE and "stored-as-v1alpha1" in item.name:
            item.add_marker(pytest.mark.deep)


class WebhookServer:
    """``webhooks serve crds:api`` with the chart's rights; can be stopped and started again."""

    def __init__(self, cluster: devcluster.Cluster, directory: pathlib.Path, storage: str) -> None:
        self.cluster, self.directory, self.storage = cluster, directory, storage
        self.port = 0
        self.process: subprocess.Popen[str] | None = None

    def install(self) -> None:
        """Install what calls the server, as a hook of the chart does, and make its account."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self.port = _free_port()
        url = f"https://127.0.0.1:{self.port}"
        subprocess.run(
            [
                *(sys.executable, "-m", "webhooks", "install", "crds:api", "--url", url),
                *("--storage", self.storage, "--kubeconfig", str(self.cluster.admin_kubeconfig)),
            ],
            check=True,
            capture_output=True,
        )
        self.kubeconfig.write_text(accounts.kubeconfig(self.cluster, asyncio.run(self._token())))

    @property
    def kubeconfig(self) -> pathlib.Path:
        """Of the server's account."""
        return self.directory / "kubeconfig"

    @property
    def home(self) -> str:
        """The namespace of the account."""
        return f"{self.storage}-webhooks"

    async def _token(self) -> str:
        async with kube.Client.from_kubeconfig(self.cluster.admin_kubeconfig) as client:
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.home}}
            await client.create(kube.NAMESPACES, body)
            return await accounts.token(
                client, rights.WEBHOOK, home=self.home, objects=None, conditions=[rights.OWN_SECRET]
            )

    def start(self) -> None:
        """Start and wait for the line that says it serves, always on the same port."""
        with (self.directory / "webhooks.log").open("a") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "webhooks", "serve", "crds:api", "--publish-ca"),
                    *("--port", str(self.port), "--storage", self.storage, "--workers", "1"),
                    *("--cert-dir", str(self.directory / "certificates")),
                    *("--kubeconfig", str(self.kubeconfig)),
                ],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("serving "), (self.directory / "webhooks.log").read_text()[-4000:]

    def stop(self) -> int:
        """Send SIGTERM; the exit code."""
        assert self.process is not None
        assert self.process.stdout is not None
        self.process.terminate()
        code = self.process.wait(120)
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


class Servers:
    """The platform stored in each version, on clusters that stay: to install it takes long.

    Args:
        cluster: Starts a cluster of a name.
        folder: Makes a folder of a name.
        stack: Ends what was started.
    """

    def __init__(
        self,
        cluster: Callable[[str], contextlib.AbstractContextManager[devcluster.Cluster]],
        folder: Callable[[str], pathlib.Path],
        stack: contextlib.ExitStack,
    ) -> None:
        self._cluster, self._folder, self._stack = cluster, folder, stack
        self._found: dict[str, WebhookServer] = {}

    def stored_as(self, storage: str) -> WebhookServer:
        """The server of the cluster in which objects are stored in a version."""
        if storage not in self._found:
            name = f"stored-as-{storage}"
            cluster = self._stack.enter_context(self._cluster(name))
            found = WebhookServer(cluster, self._folder(name), storage)
            found.install()
            found.start()
            self._stack.callback(found.stop)
            self._found[storage] = found
        return self._found[storage]


@pytest.fixture(scope="session")
def servers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Servers]:
    with contextlib.ExitStack() as stack:
        cluster = functools.partial(pytest_plugin.running, request)
        yield Servers(cluster, tmp_path_factory.mktemp, stack)


@pytest.fixture(scope="module", params=["v1beta1", "v1alpha1"], ids="stored-as-{}".format)
def server(request: pytest.FixtureRequest, servers: Servers) -> WebhookServer:
    return servers.stored_as(request.param)


@pytest.fixture
async def platform(server: WebhookServer) -> AsyncIterator[Platform]:
    namespace = f"test-{next(COUNTER)}"
    async with kube.Client.from_kubeconfig(server.cluster.admin_kubeconfig) as client:
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        await client.create(kube.NAMESPACES, body)
        # Stays: without a controller manager nothing would ever empty a deleted namespace.
        yield Platform(server.cluster, server, client, namespace)


@pytest.fixture(scope="session")
def served_cluster(
    job_cluster: devcluster.Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[devcluster.Cluster]:
    """A cluster in which Jobs run and the platform's API is served."""
    with local_platform.webhook_server(job_cluster, tmp_path_factory.mktemp("webhooks")):
        yield job_cluster


@pytest.fixture
async def client(served_cluster: devcluster.Cluster) -> AsyncIterator[accounts.Admin]:
    """A client of it."""
    async with accounts.Admin.from_kubeconfig(served_cluster.admin_kubeconfig) as opened:
        yield opened


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
