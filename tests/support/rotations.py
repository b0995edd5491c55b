"""Authorities rotated under load, with three replicas, strict clients, and things that are killed.

A strict client believes exactly the bundle that was published when it started, connects anew for
every review, and lives no longer than the hold time: what is promised holds for just that long.
"""

import asyncio
import base64
import contextlib
import dataclasses
import os
import pathlib
import random
import signal
import ssl
import time
from collections.abc import AsyncIterator, Callable, Sequence

import crds
from certs import rotation_secret
from controllers import devcluster, kube
from tests.support import accounts, hostile, replicas
from tests.support.traffic import Failed, Traffic
from webhooks.cluster import install
from webhooks.deployment import rights

NAMESPACE, SECRET = "agents", "webhooks"
HOLD_SECONDS = 3.0
LEASE_SECONDS = 5.0
REPLICAS = 3
CLIENT_EVERY_SECONDS = 1.0
API_SERVER_SHARE = 0.4  # of what is killed
MAX_ROTATION_SECONDS = 120.0
# Go's and OpenSSL's words for a certificate that is not believed.
TLS_WORDS = ("x509", "certificate", "tls:", "CERTIFICATE_VERIFY_FAILED")


@dataclasses.dataclass
class Rotated:
    """What came of it.

    Attributes:
        reviews: Asked by strict clients.
        failed: Of theirs; a call that was cut is tried once more before it is noted here.
        cut: Calls that succeeded when they were tried again.
        killed: What was killed, and when (``time.monotonic``).
    """

    traffic: Traffic
    rotations: int = 0
    clients: int = 0
    reviews: int = 0
    cut: int = 0
    failed: list[Failed] = dataclasses.field(default_factory=list)
    killed: list[tuple[str, float]] = dataclasses.field(default_factory=list)

    def for_tls(self) -> list[Failed]:
        """The failures that a certificate is to blame for."""
        return [
            one
            for one in [*self.failed, *self.traffic.failed]
            if any(word in one.error for word in TLS_WORDS)
        ]


class Deployment:
    """Replicas that share an authority by a Secret, behind a balancer."""

    def __init__(self, cluster: devcluster.Cluster, directory: pathlib.Path) -> None:
        self.cluster, self._directory = cluster, directory
        self.kubeconfig = directory / "kubeconfig"
        self.balancer = replicas.Balancer()
        self._number = 0

    async def add(self, *options: str) -> replicas.Replica:
        """One replica more."""
        self._number += 1
        found = await replicas.started(
            self._directory,
            f"replica-{self._number}",
            *("--kubeconfig", str(self.kubeconfig), "--workers", "1"),
            *("--cert-secret", f"{NAMESPACE}/{SECRET}"),
            *("--cert-hold", str(HOLD_SECONDS), "--cert-lease", str(LEASE_SECONDS)),
            *options,
        )
        self.balancer.replicas.append(found)
        return found


@contextlib.asynccontextmanager
async def deployed(
    cluster: devcluster.Cluster, directory: pathlib.Path, count: int = REPLICAS
) -> AsyncIterator[tuple[Deployment, kube.Client]]:
    """A deployment whose replicas all start at once, on a cluster that knows no authority.

    They have the rights of the chart.
    """
    found = Deployment(cluster, directory)
    async with (
        kube.Client.from_kubeconfig(cluster.admin_kubeconfig, on_warning=lambda _: None) as client,
        found.balancer.listening() as port,
    ):
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        with contextlib.suppress(kube.AlreadyExistsError):
            await client.create(kube.NAMESPACES, body)
        token = await accounts.token(
            client,
            rights.WEBHOOK,
            home=NAMESPACE,
            objects=None,
            conditions=[rights.SELF_MANAGED],
            secret=SECRET,
        )
        found.kubeconfig.write_text(accounts.kubeconfig(cluster, token))
        await install.install(client, crds.api, base_url=f"https://127.0.0.1:{port}", ca_pem=None)
        try:
            await asyncio.gather(*(found.add() for _ in range(count)))
            await found.balancer.all_ready()
            yield found, client
        finally:
            await asyncio.gather(*(one.stop() for one in found.balancer.replicas))


async def state(client: kube.Client) -> rotation_secret.Stored:
    """The authorities as they are stored."""
    return rotation_secret.read(await client.get(kube.SECRETS, SECRET, namespace=NAMESPACE))


async def rotate(client: kube.Client, wish: str) -> None:
    """Ask for a rotation, and wait until it is done.

    Raises:
        TimeoutError: it was not done within two minutes.
    """
    async with asyncio.timeout(MAX_ROTATION_SECONDS):
        await _insistently(
            lambda: client.patch(
                kube.SECRETS,
                SECRET,
                {"metadata": {"annotations": {rotation_secret.WANTED: wish}}},
                namespace=NAMESPACE,
            )
        )
        while True:
            with contextlib.suppress(kube.KubeError, OSError):
                found = await state(client)
                if found.done == wish and not found.state.is_rotating:
                    return
            await asyncio.sleep(0.1)


async def _insistently(call: Callable[[], object]) -> None:
    while True:
        try:
            await call()  # type: ignore[misc] # a coroutine
        except (kube.UnreachableError, OSError):
            await asyncio.sleep(0.1)
        else:
            return


async def under_load(
    cluster: devcluster.Cluster,
    directory: pathlib.Path,
    *,
    rotations: int,
    with_kills: bool,
    seed: int = 0,
    count: int = REPLICAS,
    pause_seconds: float = 0.0,
    tell: Callable[[], None] = lambda: None,
) -> Rotated:
    """Rotate so often under load; with kills, replicas and the API server end at random times."""
    async with deployed(cluster, directory, count) as (deployment, client):
        traffic = Traffic(
            client, "default", clients=4, pause_seconds=pause_seconds, retries=int(with_kills)
        )
        found = Rotated(traffic)
        stopped = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(found.traffic.flow(stopped))
            group.create_task(_strict_clients(found, client, stopped, retries=int(with_kills)))
            killing = None
            if with_kills:
                killing = group.create_task(_kill(found, deployment, seed, stopped))
            for number in range(rotations):
                await rotate(client, f"{seed}-{number}-{with_kills}")
                found.rotations += 1
                tell()
            stopped.set()
            if killing is not None:
                await killing
        return found


# --- strict clients -----------------------------------------------------------------------------


async def _strict_clients(
    found: Rotated, client: kube.Client, stopped: asyncio.Event, *, retries: int
) -> None:
    """A new one every second."""
    async with asyncio.TaskGroup() as group:
        while not stopped.is_set():
            # Its life begins before it reads: the bundle may be replaced the moment after.
            started = time.monotonic()
            believed = await published(client)
            if believed is not None:
                found.clients += 1
                group.create_task(_strict_client(found, *believed, started, retries))
            await asyncio.sleep(CLIENT_EVERY_SECONDS)


async def published(client: kube.Client) -> tuple[int, str] | None:
    """The port that is called, and the bundle that is believed."""
    try:
        value = await client.get(kube.VALIDATING_WEBHOOK_CONFIGURATIONS, crds.api.group)
    except (kube.KubeError, OSError):
        return None
    config = value["webhooks"][0]["clientConfig"]
    port = int(config["url"].split(":")[2].split("/")[0])
    return port, base64.b64decode(config["caBundle"]).decode()


async def _strict_client(
    found: Rotated, port: int, bundle: str, started: float, retries: int
) -> None:
    attacker = hostile.Attacker("127.0.0.1", port, ssl.create_default_context(cadata=bundle))
    while time.monotonic() < started + HOLD_SECONDS:
        at = time.monotonic()
        error = await asked(attacker)
        if error and retries and not any(word in error for word in TLS_WORDS):
            await asyncio.sleep(1)
            error = await asked(attacker)
            found.cut += not error
        found.reviews += 1
        if error:
            found.failed.append(Failed("strict client", at, time.monotonic(), error))
        await asyncio.sleep(0.05)


async def asked(attacker: hostile.Attacker) -> str:
    try:
        status = await attacker.good("/validate", hostile.RUN)
    except (OSError, ssl.SSLError, TimeoutError) as error:
        return repr(error)
    return "" if status == 200 else f"got {status}"


# --- kills --------------------------------------------------------------------------------------


async def _kill(found: Rotated, deployment: Deployment, seed: int, stopped: asyncio.Event) -> None:
    """Now a replica, now the API server; each is started again, as a kubelet would."""
    rng = random.Random(seed)  # noqa: S311 - a choice
    while not stopped.is_set():
        await asyncio.sleep(rng.uniform(2, 8))
        if rng.random() < API_SERVER_SHARE:
            found.killed.append(("API server", time.monotonic()))
            found.traffic.is_up.clear()
            kill_api_server(deployment.cluster)
            await asyncio.to_thread(deployment.cluster.restart_api_server)
            found.traffic.is_up.set()
        else:
            found.killed.append(("replica", time.monotonic()))
            await _replace(deployment, rng.choice(deployment.balancer.replicas))


async def _replace(deployment: Deployment, victim: replicas.Replica) -> None:
    deployment.balancer.take_out(victim)
    victim.send(signal.SIGKILL)
    await victim.process.wait()
    for _ in range(10):
        try:
            await deployment.add()
        except RuntimeError:  # the API server was killed meanwhile
            await asyncio.sleep(1)
        else:
            return


def kill_api_server(cluster: devcluster.Cluster) -> None:
    """End kube-apiserver without warning."""
    pattern = f"--secure-port={cluster.server.rpartition(':')[2]}"
    for pid in _processes("kube-apiserver", pattern):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _processes(name: str, argument: str) -> Sequence[int]:
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = path.read_bytes().decode(errors="replace").split("\0")
            if pathlib.Path(words[0]).name == name and argument in words:
                found.append(int(path.parent.name))
    return found
