"""Where a situation happens: a namespace of a real cluster, a controller for it. Shell."""

import asyncio
import contextlib
import dataclasses
import itertools
import os
import pathlib
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import Any, Final, Protocol

from controllers import devcluster, kube, ledger
from controllers.agentctl.controller import runtimes
from controllers.runs import naming, projections
from controllers.runs.runtimes.workflow.workflow import WorkflowRuntime
from tests.support import accounts, run_platform
from tests.support.run_platform import Place
from tests.support.situations.given import (
    MUTATED,
    QUOTAS,
    RUN,
    Given,
    Policy,
    RuntimeName,
    manifest,
)

SECONDS: Final = 60.0
"""Within which whatever is waited for has to come."""
POLL_SECONDS: Final = 0.2
BESIDE: Final = "beside"
# Long enough for a machine that is busy with many of them.
TIMING: Final = kube.Timing(lease_seconds=15, renew_seconds=10, retry_seconds=0.5)
ENDED: Final = frozenset({"Succeeded", "Failed", "Cancelled"})
AGENTCTL: Final = pathlib.Path(sys.executable).with_name("agentctl")
_PROC: Final = pathlib.Path("/proc")


class UnmetError(Exception):
    """Something did not come in time; says what was expected, and what came."""


class Step(Protocol):
    """One thing that happens, or that is waited for."""

    @property
    def is_seen(self) -> bool:
        """Whether it only looks, for which a controller has to be there."""

    async def ready(self, world: "World") -> None:
        """Wait until there is what it happens to."""

    async def take(self, world: "World") -> None:
        """Have it happen.

        Raises:
            UnmetError: What it waits for did not come.
        """


@dataclasses.dataclass
class World:
    """One situation under way.

    Attributes:
        given: What there was at first.
        runtime: What carries its runs out.
        place: Its namespace, and the home of its controller.
        folder: For workspaces of processes.
        seconds: Within which whatever is waited for has to come.
        enforced: Policies that there were at some time.
    """

    given: Given
    runtime: RuntimeName
    place: Place
    folder: pathlib.Path
    seconds: float = SECONDS
    enforced: list[Policy] = dataclasses.field(default_factory=list)
    _number: Iterator[int] = dataclasses.field(default_factory=itertools.count)
    _attending: asyncio.Task[None] | None = None

    @property
    def client(self) -> kube.Client:
        """Of the cluster, past everything."""
        return self.place.client

    @property
    def namespace(self) -> str:
        """Where it happens."""
        return self.place.namespace

    # ----------------------------------------------------------------- the controller

    async def start(self) -> None:
        """Have a controller look after the namespace; nothing if one does."""
        if self._attending is None:
            self._attending = asyncio.create_task(self._attended())

    async def stop(self) -> None:
        """Take the controller away; the Lease is given back.

        Raises:
            UnmetError: It had ended by itself.
        """
        task, self._attending = self._attending, None
        if task is None:
            return
        task.cancel()
        (ended,) = await asyncio.gather(task, return_exceptions=True)
        if not isinstance(ended, asyncio.CancelledError):
            raise UnmetError(f"expected the controller to go on, but it ended: {ended!r}")

    async def _attended(self) -> None:
        """A controller that is started again when it has lost its Lease, as by a Deployment."""
        while True:
            made: list[Any] = []

            def composed(
                client: kube.Client,
                caches: Any,
                wake: Callable[[kube.Key], None],
                made: list[Any] = made,
            ) -> Any:
                made.extend(self._runtimes(client, caches, wake))
                return made

            controller = run_platform.new_manager(
                self.place,
                f"controller-{next(self._number)}",
                runtimes=composed,
                settings=self.given.settings,
                timing=TIMING,
            )
            with contextlib.suppress(kube.LostError):
                async with runtimes.maintain_runtimes(made):
                    await controller.run()

    def _runtimes(self, client: kube.Client, caches: Any, wake: Any) -> list[Any]:
        if self.runtime == "job":
            return run_platform.jobs_and_workflows(client, caches, wake)
        found = runtimes.local_runtime(client, caches, wake, self.folder)
        return [found, WorkflowRuntime(found, now=kube.utc_now)]

    # ------------------------------------------------------------------- what there is

    async def furnish(self) -> None:
        """Make all that is given, but the run."""
        given = self.given
        if given.namespace:
            changes = {"metadata": {"labels": dict(given.namespace)}}
            await self.client.patch(kube.NAMESPACES, self.namespace, changes)
        for policy in given.policies:
            await self.enforce(policy)
        for resource, body in given.objects:
            await self.make(resource, body)
        await self.make(
            projections.PROVIDERS,
            manifest(projections.PROVIDERS, "provider", spec=given.provider_spec()),
        )
        if given.agent is not None:
            await self.make_agent()

    async def make_agent(self) -> None:
        """The agent of the run."""
        spec = {"providerRef": {"name": "provider"}, **(self.given.agent or {})}
        await self.make(projections.AGENTS, manifest(projections.AGENTS, "coder", spec=spec))

    async def make(self, resource: kube.Resource, body: kube.JSON) -> kube.JSON:
        """Create an object in the namespace; a quota also gets its status."""
        namespace = {"namespace": self.namespace} if resource.namespaced else {}
        whole = {**body, "metadata": {**body["metadata"], **namespace}}
        made = await self.client.create(resource, whole)
        if resource == QUOTAS:
            hard = body["spec"]["hard"]
            status = {"hard": hard, "used": dict.fromkeys(hard, "0")}
            await self.client.patch(
                resource,
                body["metadata"]["name"],
                {"status": status},
                namespace=self.namespace,
                subresource="status",
            )
        return made

    async def submit(self) -> kube.JSON:
        """Create the run."""
        body = self.given.run_body()
        resource = dataclasses.replace(projections.RUNS, version=self.given.version)
        if self.given.is_applied:
            return await self.client.apply(
                resource, body, field_manager="user", namespace=self.namespace
            )
        return await self.client.create(
            resource, body, namespace=self.namespace, field_validation="Strict"
        )

    async def enforce(self, policy: Policy) -> None:
        """Have the cluster enforce a policy, and wait until it does."""
        self.enforced.append(policy)
        for resource, body in policy.objects(self.namespace):
            await self.client.create(resource, body)
        await self.until(lambda: self._is_enforced(policy), f"policy {policy.name} to be enforced")

    async def lift(self, policy: Policy) -> None:
        """Remove a policy, and wait until it is enforced no more."""
        await self.remove(policy)

        async def is_over() -> bool:
            return not await self._is_enforced(policy)

        await self.until(is_over, f"policy {policy.name} to be enforced no more")

    async def remove(self, policy: Policy) -> None:
        """Remove a policy; nothing where it is gone."""
        for resource, body in reversed(policy.objects(self.namespace)):
            with contextlib.suppress(kube.NotFoundError):
                await self.client.delete(resource, body["metadata"]["name"])

    async def _is_enforced(self, policy: Policy) -> bool:
        """By a dry run of what a policy is about, which it refuses or changes."""
        resource, probe = _probe(policy)
        try:
            made = await self.client.create(resource, probe, namespace=self.namespace, dry_run=True)
        except kube.ApiError as error:
            return policy.name in str(error)
        return MUTATED in made["metadata"]["labels"]

    # ------------------------------------------------------------------- what is there

    async def read(self, name: str = RUN) -> kube.JSON:
        """A run as it is (v1beta1)."""
        return await self.client.get(projections.RUNS, name, namespace=self.namespace)

    async def status(self, name: str = RUN) -> kube.JSON:
        """A run's status; empty where there is none yet."""
        return (await self.read(name)).get("status") or {}

    async def job(self) -> kube.JSON:
        """The newest Job of the run; waited for."""
        return await self._newest(projections.JOBS, f"{naming.NAME_LABEL}={RUN}")

    async def pod(self, step: str = "", *, is_live: bool = True) -> kube.JSON:
        """The newest pod of the run, or of a step, that has not ended unless that does not matter.

        It is waited for.
        """
        selector = f"{naming.NAME_LABEL}={RUN}" + (f",{naming.STEP_LABEL}={step}" if step else "")
        return await self._newest(projections.PODS, selector, is_live=is_live)

    async def _newest(
        self, resource: kube.Resource, selector: str, *, is_live: bool = True
    ) -> kube.JSON:
        found: list[kube.JSON] = []

        async def is_there() -> bool:
            listed = await self.client.list(resource, namespace=self.namespace, labels=selector)
            found[:] = [one for one in listed.items if not is_live or _is_live(resource, one)]
            return bool(found)

        await self.until(is_there, f"a {resource.kind} of the run")
        return max(found, key=lambda one: str(one["metadata"]["creationTimestamp"]))

    async def events(self, name: str = RUN) -> list[tuple[str, str]]:
        """Reason and note of each Event of a run."""
        found = await self.client.list(kube.EVENTS, namespace=self.namespace)
        return [
            (str(one.get("reason")), str(one.get("note")))
            for one in found.items
            if one["regarding"].get("name") == name
        ]

    async def remains(self) -> list[str]:
        """What is left of runs: slots, Jobs and pods that may work, processes."""
        try:
            found = [f"the slot of {slot.run}" for slot in (await self.slots()).values()]
        except ledger.CorruptError:
            found = ["a ledger that is not rebuilt"]
        for resource in (projections.JOBS, projections.PODS):
            listed = await self.client.list(resource, namespace=self.namespace)
            found += [
                f"{resource.kind} {one['metadata']['name']}"
                for one in listed.items
                if _may_work(resource, one)
            ]
        found += [f"process {pid}" for pid in await asyncio.to_thread(self.processes)]
        return found

    async def slots(self) -> Mapping[str, Any]:
        """Who is in flight; nobody where there is no ledger yet."""
        try:
            return await self.place.slots()
        except kube.NotFoundError:
            return {}

    def processes(self) -> list[int]:
        """All that was started for a workspace of this situation."""
        if self.runtime != "local":
            return []
        ours, found = f"AGENT_WORKSPACE={self.folder}/".encode(), []
        for folder in _PROC.glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if ours in (folder / "environ").read_bytes():
                    found.append(int(folder.name))
        return found

    def kill_all(self) -> None:
        """End what a situation that failed has left."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    async def agentctl(self, *words: str) -> tuple[int, str]:
        """Exit code, and what ``agentctl`` says of the run."""
        is_local = self.runtime == "local"
        workspaces = {"AGENTCTL_WORKSPACES": str(self.folder)} if is_local else {}
        process = await asyncio.create_subprocess_exec(
            *(str(AGENTCTL), *words, "-n", self.namespace),
            *("--kubeconfig", str(self.place.cluster.admin_kubeconfig)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, **workspaces},
        )
        try:
            out, _ = await process.communicate()
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        return process.returncode or 0, out.decode(errors="replace")

    # ----------------------------------------------------------------------- waiting

    async def until(
        self, check: Callable[[], Awaitable[bool]], what: str, *, held_seconds: float = 0.0
    ) -> None:
        """Wait until a check holds, longer where something may be held for so long.

        Raises:
            UnmetError: It did not in time.
        """
        seconds = self.seconds + held_seconds
        try:
            async with asyncio.timeout(seconds):
                while not await check():  # noqa: ASYNC110 - it is the cluster's
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError as error:
            raise UnmetError(f"expected {what} within {seconds:.0f} s") from error


def _is_live(resource: kube.Resource, found: kube.JSON) -> bool:
    """Whether a pod has not ended, and is not about to; and a Job is no tombstone."""
    metadata = found["metadata"]
    if resource == projections.PODS and metadata.get("deletionTimestamp"):
        return False
    if naming.TOMBSTONE_LABEL in (metadata.get("labels") or {}):
        return False
    return (found.get("status") or {}).get("phase") not in {"Succeeded", "Failed"}


def _may_work(resource: kube.Resource, found: kube.JSON) -> bool:
    if resource == projections.PODS:
        return (found.get("status") or {}).get("phase") not in {"Succeeded", "Failed"}
    if not _is_live(resource, found):
        return False
    job = projections.of(projections.Job, found)
    has_pods = job.status.active or job.status.terminating
    return job.ending is None and bool(not job.spec.suspend or has_pods)


def _probe(policy: Policy) -> tuple[kube.Resource, dict[str, Any]]:
    """What shows whether a policy is enforced: nothing of it is to any policy's liking."""
    pod = {"restartPolicy": "Never", "containers": [{"name": "probe", "image": "none"}]}
    metadata = {"labels": {naming.RUN_LABEL: "probe", **policy.probe}}
    if policy.kind == "pods":
        return projections.PODS, manifest(projections.PODS, "probe", metadata=metadata, spec=pod)
    spec = {"suspend": policy.probe_suspends, "template": {"spec": pod}}
    return projections.JOBS, manifest(projections.JOBS, "probe", metadata=metadata, spec=spec)


@contextlib.asynccontextmanager
async def opened(
    cluster: devcluster.Cluster,
    client: accounts.Admin,
    given: Given,
    runtime: RuntimeName,
    folder: pathlib.Path,
) -> AsyncIterator[World]:
    """A world with all that is given but the run, which is left without anything that runs."""
    place = await run_platform.new_place(cluster, client, **given.pods)
    world = World(given, runtime, place, folder / place.namespace)
    try:
        await world.furnish()
        await world.start()
        yield world
        await world.stop()
    finally:
        with contextlib.suppress(UnmetError):
            await world.stop()
        world.kill_all()
        for policy in world.enforced:
            await world.remove(policy)
