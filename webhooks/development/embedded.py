"""Serves an Api inside this process beside a control plane: for tests with breakpoints. Shell.

The event loop runs in a thread, so a test may block.
"""

import asyncio
import concurrent.futures
import contextlib
import dataclasses
import datetime as dt
import pathlib
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from typing import Any, Final

from certs import tls_contexts
from certs.directory import files as certificates
from controllers import devcluster, kube
from controllers.process import setup
from schemagen import Api, Facts
from schemagen.versions.verification import verification
from webhooks import routing
from webhooks.cluster import install
from webhooks.review import admission
from webhooks.server import object_lookup, review_listener

HOST: Final = "127.0.0.1"
START_SECONDS: Final = 120
STOP_SECONDS: Final = 30


@dataclasses.dataclass(frozen=True)
class Served:
    """An Api that is installed in an API server and served.

    Attributes:
        api: The Api.
        cluster: The control plane.
        address: URL of the webhooks.
    """

    api: Api
    cluster: devcluster.Cluster
    address: str

    def kubectl(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run kubectl as the admin: ``Cluster.kubectl``."""
        return self.cluster.kubectl(*arguments, **options)

    def client(self) -> kube.Client:
        """Create a client of the API server, for ``async with``."""
        return kube.Client.from_kubeconfig(self.cluster.admin_kubeconfig)


@contextlib.contextmanager
def serving(
    api: Api, cluster: devcluster.Cluster, facts: Facts = admission.NO_FACTS
) -> Iterator[Served]:
    """Install an Api in a control plane and serve its webhooks inside the context.

    Raises:
        kube.KubeError: The API server refused it.
        schemagen.problems.UserError: The Api is invalid.
    """
    verification.check(api)
    setup.allow_deep_json()
    ready: concurrent.futures.Future[str] = concurrent.futures.Future()
    stopped = threading.Event()
    with tempfile.TemporaryDirectory(prefix="kubewright-") as folder:
        work = _work(api, cluster, facts, folder=pathlib.Path(folder), ready=ready, stopped=stopped)
        thread = threading.Thread(target=_run, args=(work, ready), name=f"webhooks of {api.group}")
        thread.start()
        try:
            yield Served(api, cluster, ready.result(START_SECONDS))
        finally:
            stopped.set()
            thread.join(STOP_SECONDS)


def _run(work: Any, ready: concurrent.futures.Future[str]) -> None:
    try:
        asyncio.run(work)
    except BaseException as error:
        if ready.done():
            raise
        ready.set_exception(error)


async def _work(
    api: Api,
    cluster: devcluster.Cluster,
    facts: Facts,
    *,
    folder: pathlib.Path,
    ready: concurrent.futures.Future[str],
    stopped: threading.Event,
) -> None:
    bundle = certificates.load_or_create(folder, [HOST], dt.datetime.now(dt.UTC))
    listener = review_listener.listening(HOST, 0)
    address = f"https://{HOST}:{listener.getsockname()[1]}"
    async with object_lookup.client_of(cluster.admin_kubeconfig) as client:
        read = object_lookup.Related(client, api).read
        async with review_listener.serving(
            routing.routes(api, lambda: facts, read, is_verifying=True),
            listener=listener,
            tls=tls_contexts.server_context(bundle.server),
            observe=lambda _: None,
        ):
            await install.install(client, api, base_url=address, ca_pem=bundle.ca_pem)
            ready.set_result(address)
            await asyncio.to_thread(stopped.wait)
