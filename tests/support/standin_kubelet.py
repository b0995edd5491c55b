"""Runs the containers of a namespace's Deployments and Jobs as processes of this machine. Shell.

What is started is what the cluster holds: command, arguments, environment, mounted Secrets and
ConfigMaps, a token of the service account. What it does not have: images, isolation, a scheduler.
A container's paths and ports are replaced by ones of this machine; the token is in a kubeconfig,
since there is only one ``/var/run/secrets``. Services need cluster IPs of 127.0.0.0/8
(`SERVICE_RANGE`): the API server then calls webhooks at an address where this process listens.
"""

import asyncio
import base64
import contextlib
import dataclasses
import datetime as dt
import os
import pathlib
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final

from controllers import devcluster, kube
from controllers.devcluster import jobs
from controllers.runs import projections
from schemagen import canonical
from tests.support import accounts, replicas

ROOT: Final = pathlib.Path(__file__).parents[2]
SERVICE_RANGE: Final = "127.43.0.0/24"
DEPLOYMENTS: Final = kube.Resource("apps", "v1", "deployments", "Deployment")
SERVICES: Final = kube.Resource("", "v1", "services", "Service")
MODULES: Final = {"webhooks": "webhooks", "agentctl": "controllers.agentctl"}
BY_HAND: Final = {f"{jobs.ANNOTATIONS}status": "by-hand"}
POLL_SECONDS: Final = 0.3
STOP_SECONDS: Final = 60.0
# As much of a log as a kubelet puts in a status.
MESSAGE_BYTES: Final = 2048
LOG: Final = "log"


@dataclasses.dataclass
class _Group:
    """The pods of a Deployment, and the balancer of its Service."""

    labels: Mapping[str, str]
    template: str = ""
    pods: list[replicas.Replica] = dataclasses.field(default_factory=list)
    balancer: replicas.Balancer = dataclasses.field(default_factory=replicas.Balancer)


class Kubelet:
    """A stand-in for a kubelet and the Deployment controller, in one namespace.

    Args:
        cluster: Runs Jobs; its pods in the namespace are left to be run by hand (`BY_HAND`).
        client: Of its admin.
        namespace: Whose Deployments and Jobs are run.
        directory: Of volumes and logs.
    """

    def __init__(
        self,
        cluster: devcluster.Cluster,
        client: kube.Client,
        namespace: str,
        directory: pathlib.Path,
    ) -> None:
        self._cluster, self._client, self._namespace = cluster, client, namespace
        self._directory = directory
        self._groups: dict[str, _Group] = {}
        self._jobs: dict[str, asyncio.Task[None]] = {}
        self._stack = contextlib.AsyncExitStack()
        self._started = 0

    @contextlib.asynccontextmanager
    async def running(self, *, only_jobs: bool = False) -> AsyncIterator[None]:
        """Run what is in the namespace, inside the context."""
        # Apart: a hook does not wait for a rollout.
        groups = [] if only_jobs else [(self._run_deployments, self._serve)]
        following = [
            asyncio.create_task(self._follow(*steps)) for steps in [(self._run_jobs,), *groups]
        ]
        try:
            async with self._stack:
                yield
                assert [] == [task.exception() for task in following if task.done()]
        finally:
            for task in following:
                task.cancel()
            for task in self._jobs.values():
                task.cancel()
            for group in self._groups.values():
                await self._scale(group, {}, "", 0)

    async def all_ready(self, name: str, count: int) -> None:
        """Wait until a Deployment has so many ready pods of its current template."""
        async with asyncio.timeout(replicas.MAX_START_SECONDS):
            while len(self._pods(name)) != count or not await self._is_current(name):  # noqa: ASYNC110
                await asyncio.sleep(POLL_SECONDS)
            await self._groups[name].balancer.all_ready()

    def _pods(self, name: str) -> list[replicas.Replica]:
        return self._groups[name].pods if name in self._groups else []

    async def _is_current(self, name: str) -> bool:
        found = await self._client.get(DEPLOYMENTS, name, namespace=self._namespace)
        return self._groups[name].template == canonical.digest(found["spec"]["template"])

    async def _follow(self, *steps: Callable[[], Awaitable[None]]) -> None:
        while True:
            with contextlib.suppress(kube.UnreachableError):
                for step in steps:
                    await step()
            await asyncio.sleep(POLL_SECONDS)

    # ------------------------------------------------------------------------------- Deployments

    async def _run_deployments(self) -> None:
        listed = await self._client.list(DEPLOYMENTS, namespace=self._namespace)
        found = {item["metadata"]["name"]: item for item in listed.items}
        for name, item in found.items():
            template = item["spec"]["template"]
            group = self._groups.setdefault(name, _Group(template["metadata"]["labels"]))
            digest = canonical.digest(template)
            await self._scale(group, template, digest, item["spec"]["replicas"])
        for name in self._groups.keys() - found.keys():
            await self._scale(self._groups[name], {}, "", 0)

    async def _scale(self, group: _Group, template: Any, digest: str, count: int) -> None:
        """Replace pods of another template one by one: the new one first, as `maxSurge` says."""
        old = [] if group.template == digest else [*group.pods]
        missing = count - len(group.pods) + len(old)
        for _ in range(max(missing, len(old) if count else 0)):
            if missing > 0:
                pod = await self._start(template)
                group.pods.append(pod)
                group.balancer.replicas.append(pod)
                missing -= 1
                if old:
                    await group.balancer.all_ready()
            if old:
                await self._end(group, old.pop())
        for pod in old or group.pods[count:]:
            await self._end(group, pod)
        # Not before: until then pods of the other template are among them.
        group.template = digest

    async def _end(self, group: _Group, pod: replicas.Replica) -> None:
        group.pods.remove(pod)
        group.balancer.take_out(pod)
        with contextlib.suppress(ProcessLookupError):
            await pod.stop()

    async def _start(self, template: Any) -> replicas.Replica:
        (container,) = template["spec"]["containers"]
        ports = {item["name"]: item["containerPort"] for item in container["ports"]}
        places = {str(port): str(_free_port()) for port in ports.values()}
        directory = self._new_directory(container)
        process = await self._process(template["spec"], container, places, directory)
        health = f"http://127.0.0.1:{places[str(ports['health'])]}"
        return replicas.Replica(process, int(places.get(str(ports.get("https")), "0")), health)

    async def _serve(self) -> None:
        """Listen at the cluster IP of each Service with reviews."""
        for item in (await self._client.list(SERVICES, namespace=self._namespace)).items:
            spec = item["spec"]
            for group in self._groups.values():
                if (
                    group.balancer.is_listening
                    or not spec["selector"].items() <= group.labels.items()
                ):
                    continue
                port = next((one["port"] for one in spec["ports"] if one["name"] == "https"), 0)
                host = spec["clusterIP"] if port else "127.0.0.1"
                await self._stack.enter_async_context(group.balancer.listening(host, port))

    # -------------------------------------------------------------------------------------- Jobs

    async def _run_jobs(self) -> None:
        listed = await self._client.list(projections.PODS, namespace=self._namespace)
        for pod in listed.items:
            uid = pod["metadata"]["uid"]
            if pod["status"]["phase"] == "Pending" and uid not in self._jobs:
                self._jobs[uid] = asyncio.create_task(self._run_pod(pod))

    async def _run_pod(self, pod: Any) -> None:
        (container,) = pod["spec"]["containers"]
        began = _now()
        directory = self._new_directory(container)
        process = await self._process(pod["spec"], container, {}, directory)
        code = await process.wait()
        ended = {"exitCode": code, "startedAt": began, "finishedAt": _now()}
        if code and container.get("terminationMessagePolicy") == "FallbackToLogsOnError":
            ended["message"] = (
                (directory / LOG).read_bytes()[-MESSAGE_BYTES:].decode(errors="replace")
            )
        status = {
            "phase": "Failed" if code else "Succeeded",
            "startTime": began,
            "containerStatuses": [
                {
                    "name": container["name"],
                    "image": container["image"],
                    "imageID": "",
                    "ready": False,
                    "restartCount": 0,
                    "state": {"terminated": {**ended, "reason": "Completed"}},
                }
            ],
        }
        with contextlib.suppress(kube.NotFoundError):
            await self._client.patch(
                projections.PODS,
                pod["metadata"]["name"],
                {"status": status},
                namespace=self._namespace,
                subresource="status",
            )

    # --------------------------------------------------------------------------------- processes

    async def _process(
        self, spec: Any, container: Any, ports: Mapping[str, str], directory: pathlib.Path
    ) -> asyncio.subprocess.Process:
        """Start a container's command; its paths and ports are replaced by ones of this machine."""
        mounts = await self._mounts(spec, container, directory)
        words: list[str] = container["command"] + container.get("args", [])
        program, *arguments = words
        with (directory / LOG).open("wb") as log:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", MODULES[program]),
                *(_replaced(argument, mounts, ports) for argument in arguments),
                cwd=directory,
                env=await self._environment(spec, container, directory, mounts),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _new_directory(self, container: Any) -> pathlib.Path:
        """A directory for a container's volumes and log."""
        self._started += 1
        found = self._directory / f"{container['name']}-{self._started}"
        found.mkdir(parents=True)
        return found

    async def _environment(
        self, spec: Any, container: Any, directory: pathlib.Path, mounts: Mapping[str, str]
    ) -> dict[str, str]:
        account = spec["serviceAccountName"]
        made = await asyncio.to_thread(
            self._cluster.kubectl, "create", "token", account, f"--namespace={self._namespace}"
        )
        kubeconfig = directory / "kubeconfig"
        kubeconfig.write_text(accounts.kubeconfig(self._cluster, made.stdout.strip()))
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "KUBECONFIG": str(kubeconfig),
            "TMPDIR": mounts["/tmp"],  # noqa: S108 - the container's
            **{item["name"]: item["value"] for item in container.get("env", ())},
        }

    async def _mounts(self, spec: Any, container: Any, directory: pathlib.Path) -> dict[str, str]:
        """Write the volumes; their folders by the container's path."""
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        found = {}
        for mount in container["volumeMounts"]:
            folder = directory / mount["name"]
            folder.mkdir(parents=True)
            for name, content in (await self._files(volumes[mount["name"]])).items():
                (folder / name).write_bytes(content)
                (folder / name).chmod(0o600)
            found[mount["mountPath"]] = str(folder)
        return found

    async def _files(self, volume: Any) -> dict[str, bytes]:
        if "secret" in volume:
            name = volume["secret"]["secretName"]
            found = await self._client.get(kube.SECRETS, name, namespace=self._namespace)
            return {key: base64.b64decode(text) for key, text in found["data"].items()}
        if "configMap" in volume:
            name = volume["configMap"]["name"]
            found = await self._client.get(kube.CONFIG_MAPS, name, namespace=self._namespace)
            return {key: text.encode() for key, text in found["data"].items()}
        return {}


def _replaced(argument: str, mounts: Mapping[str, str], ports: Mapping[str, str]) -> str:
    option, equals, value = argument.partition("=")
    if value in ports:
        value = ports[value]
    elif value in {"0.0.0.0", "::"}:  # noqa: S104 - replaced by loopback
        value = "127.0.0.1"
    for path, folder in mounts.items():
        if value == path or value.startswith(f"{path}/"):
            value = folder + value.removeprefix(path)
    return f"{option}{equals}{value}"


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _now() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
