"""What may happen to a run, its Job, its pods, its processes and its cluster. Shell."""

import asyncio
import contextlib
import dataclasses
import os
import pathlib
import signal
from collections.abc import Mapping
from typing import Any, Final

from controllers import kube, manager
from controllers.kube import requests
from controllers.runs import naming, projections
from crds.admission.pods import pod_sources
from tests.support.situations.given import QUOTAS, RUN, Policy, manifest
from tests.support.situations.world import UnmetError, World

STARTED_AT: Final = "2026-11-29T20:00:00Z"
HOLD: Final = "example.com/hold"
FINISHED_AT: Final = "2026-11-29T20:00:09Z"


class Act:
    """Something that happens."""

    is_seen: bool = False

    async def ready(self, world: World) -> None:
        """Wait until there is what it happens to; by default that is there."""


class Look:
    """Something that is waited for, or looked at."""

    is_seen: bool = True

    async def ready(self, world: World) -> None:
        """Nothing is needed."""


# ------------------------------------------------------------------------------ of the run


@dataclasses.dataclass(frozen=True)
class Until(Look):
    """The run stands so; what its message says is a part of it."""

    phase: str
    reason: str = ""
    says: str = ""

    async def take(self, world: World) -> None:
        """Wait for it."""
        found: kube.JSON = {}

        async def is_so() -> bool:
            status = await world.status()
            found.clear()
            found.update(status)
            return self._is(found)

        try:
            await world.until(is_so, "it")
        except UnmetError as error:
            wanted = f"{self.phase} ({self.reason or 'any reason'}): ...{self.says}..."
            raise UnmetError(f"expected {wanted}, got {state(found)}") from error
        if wrong := contradictions(found):
            raise UnmetError(wrong)

    def _is(self, status: kube.JSON) -> bool:
        is_reason = self.reason in {"", status.get("reason")}
        is_said = self.says in str(status.get("message") or "")
        return status.get("phase") == self.phase and is_reason and is_said


@dataclasses.dataclass(frozen=True)
class Told(Look):
    """An Event of the run says something; unlike how it stands, that stays."""

    reason: str
    note: str = ""

    async def take(self, world: World) -> None:
        """Wait for it: Events are sent on the side."""
        found: list[tuple[str, str]] = []

        async def is_there() -> bool:
            events = await world.events()
            found[:] = events
            return any(each == self.reason and self.note in text for each, text in events)

        try:
            await world.until(is_there, "it")
        except UnmetError as error:
            wanted = f"an Event {self.reason}: {self.note}"
            raise UnmetError(f"expected {wanted}, got {found}") from error


@dataclasses.dataclass(frozen=True)
class Stays(Look):
    """The run has not ended after a while, and has its slot."""

    seconds: float = 2.0

    async def take(self, world: World) -> None:
        """Look all the while."""
        for _ in range(int(self.seconds / 0.5)):
            await asyncio.sleep(0.5)
            status = await world.status()
            if status.get("phase") in {"Succeeded", "Failed", "Cancelled"}:
                raise UnmetError(f"expected it to go on, got {state(status)}")
            if not await world.slots():
                raise UnmetError(f"expected a slot to be held, got none: {state(status)}")


@dataclasses.dataclass(frozen=True)
class Change(Act):
    """A user changes the run's spec."""

    spec: Mapping[str, Any]

    async def take(self, world: World) -> None:
        """Do it."""
        changes = {"spec": dict(self.spec)}
        await world.client.patch(projections.RUNS, RUN, changes, namespace=world.namespace)


@dataclasses.dataclass(frozen=True)
class Says(Look):
    """``agentctl`` says something of the run, whatever its exit code, unless that is given."""

    words: tuple[str, ...]
    texts: tuple[str, ...]
    code: int | None = None

    async def take(self, world: World) -> None:
        """Ask until it does."""
        code, out = 0, ""

        async def is_said() -> bool:
            nonlocal code, out
            code, out = await world.agentctl(*self.words)
            return self.code in {None, code} and all(text in out for text in self.texts)

        try:
            await world.until(is_said, "it")
        except UnmetError as error:
            wanted = " and ".join(repr(text) for text in self.texts)
            raise UnmetError(
                f"expected `agentctl {' '.join(self.words)}` to say {wanted} (exit code "
                f"{self.code}), got exit code {code}: {out[-900:]}"
            ) from error


def state(status: kube.JSON) -> str:
    """How a run stands, for a report."""
    words = f"{status.get('phase')} ({status.get('reason')}): {status.get('message')}"
    return words[:500]


def contradictions(status: kube.JSON) -> str:
    """What a status says that cannot be; empty where all of it can."""
    said = {one["type"]: one["status"] == "True" for one in status.get("conditions") or ()}
    phase = status.get("phase")
    endings = {name for name in ("Succeeded", "Failed", "Cancelled") if said.get(name)}
    is_ended = phase in {"Succeeded", "Failed", "Cancelled"}
    wanted = {phase} if is_ended else set()
    if endings != wanted:
        return f"expected endings {wanted or 'none'} of phase {phase}, got {endings or 'none'}"
    if is_ended and (said.get("InProgress") or said.get("Blocked") or said.get("Admitted")):
        return f"expected nothing of phase {phase} to go on, got {said}"
    if phase == "Pending" and (said.get("InProgress") or said.get("Admitted")):
        return f"expected a Pending run not to go on, got {said}"
    return ""


# ----------------------------------------------------------------------------- of its pods


@dataclasses.dataclass(frozen=True)
class PodStatus(Act):
    """A kubelet, or a scheduler, says how the newest pod stands; of a step, where one is named."""

    status: Mapping[str, Any]
    step: str = ""

    async def ready(self, world: World) -> None:
        """Wait until it is there."""
        await world.pod(self.step)

    async def take(self, world: World) -> None:
        """Write it."""
        pod = await world.pod(self.step)
        await world.client.patch(
            projections.PODS,
            pod["metadata"]["name"],
            {"status": dict(self.status)},
            namespace=world.namespace,
            subresource="status",
        )


@dataclasses.dataclass(frozen=True)
class PodMetadata(Act):
    """Somebody changes a pod's metadata."""

    metadata: Mapping[str, Any]
    step: str = ""

    async def ready(self, world: World) -> None:
        """Wait until it is there."""
        await world.pod(self.step, is_live=False)

    async def take(self, world: World) -> None:
        """Do it."""
        pod = await world.pod(self.step, is_live=False)
        changes = {"metadata": dict(self.metadata)}
        name = pod["metadata"]["name"]
        await world.client.patch(projections.PODS, name, changes, namespace=world.namespace)


@dataclasses.dataclass(frozen=True)
class HoldPod(Act):
    """Somebody keeps the pod from going, by a finalizer beside the Job controller's; or lets it."""

    holds: bool = True

    async def ready(self, world: World) -> None:
        """Wait until it is there."""
        await world.pod(is_live=False)

    async def take(self, world: World) -> None:
        """Do it; the Job controller may take its own away at the same time."""
        while True:
            metadata = (await world.pod(is_live=False))["metadata"]
            others = {*(metadata.get("finalizers") or ())} - {HOLD}
            finalizers = sorted(others | {HOLD} if self.holds else others)
            version = metadata["resourceVersion"]
            changes = {"metadata": {"finalizers": finalizers, "resourceVersion": version}}
            with contextlib.suppress(kube.ConflictError):
                name, namespace = metadata["name"], world.namespace
                await world.client.patch(projections.PODS, name, changes, namespace=namespace)
                return


@dataclasses.dataclass(frozen=True)
class DeletePod(Act):
    """Somebody deletes the newest pod."""

    step: str = ""

    async def ready(self, world: World) -> None:
        """Wait until it is there."""
        await world.pod(self.step)

    async def take(self, world: World) -> None:
        """Do it."""
        pod = await world.pod(self.step)
        await world.client.delete(
            projections.PODS, pod["metadata"]["name"], namespace=world.namespace
        )


def container(state: Mapping[str, Any], name: str = pod_sources.CONTAINER) -> dict[str, Any]:
    """The status of a container."""
    is_ready = "running" in state
    return {
        "name": name,
        "image": "x",
        "imageID": "",
        "ready": is_ready,
        "restartCount": 0,
        "state": dict(state),
    }


def waits(reason: str, message: str = "", *, step: str = "") -> PodStatus:
    """The container of the runner has not started."""
    waiting = {"waiting": {"reason": reason, **({"message": message} if message else {})}}
    return PodStatus({"phase": "Pending", "containerStatuses": [container(waiting)]}, step)


def init_waits(reason: str, message: str) -> PodStatus:
    """An init container has not started."""
    waiting = {"waiting": {"reason": reason, "message": message}}
    behind = {"waiting": {"reason": "PodInitializing"}}
    return PodStatus(
        {
            "phase": "Pending",
            "initContainerStatuses": [container(waiting, "istio-init")],
            "containerStatuses": [container(behind)],
        }
    )


def unscheduled(message: str, reason: str = "Unschedulable") -> PodStatus:
    """The scheduler has found no node."""
    return PodStatus(
        {
            "phase": "Pending",
            "conditions": [
                {"type": "PodScheduled", "status": "False", "reason": reason, "message": message}
            ],
        }
    )


def runs(step: str = "") -> PodStatus:
    """The container runs."""
    conditions = [
        {"type": kind, "status": "True"}
        for kind in ("PodScheduled", "Initialized", "ContainersReady", "Ready")
    ]
    statuses = [container({"running": {"startedAt": STARTED_AT}})]
    return PodStatus(
        {"phase": "Running", "conditions": conditions, "containerStatuses": statuses}, step
    )


def ends(
    code: int = 0,
    reason: str = "",
    message: str = "",
    *,
    pod_reason: str = "",
    pod_message: str = "",
    disruption: str = "",
    step: str = "",
    **terminated: Any,
) -> PodStatus:
    """The container has ended, and the pod with it.

    Args:
        code: The exit code.
        reason: Why; by default Completed or Error.
        message: The termination message.
        pod_reason: Of the pod, such as Evicted.
        pod_message: Likewise.
        disruption: The reason of a condition DisruptionTarget.
        step: Of a workflow.
        **terminated: More of the container's state.
    """
    state = {
        "exitCode": code,
        "reason": reason or ("Error" if code else "Completed"),
        "startedAt": STARTED_AT,
        "finishedAt": FINISHED_AT,
        **({"message": message} if message else {}),
        **terminated,
    }
    status: dict[str, Any] = {
        "phase": "Failed" if code or pod_reason else "Succeeded",
        "containerStatuses": [container({"terminated": state})],
        "conditions": [{"type": "Ready", "status": "False"}],
    }
    if pod_reason:
        status |= {"reason": pod_reason, "message": pod_message}
    if disruption:
        status["conditions"] = [
            {"type": "DisruptionTarget", "status": "True", "reason": disruption, "message": "x"}
        ]
    return PodStatus(status, step)


# ---------------------------------------------------------------- of its Job, and of others


@dataclasses.dataclass(frozen=True)
class PatchJob(Act):
    """Somebody changes the Job."""

    changes: Mapping[str, Any]
    subresource: str | None = None

    async def ready(self, world: World) -> None:
        """Wait until it is there."""
        await world.job()

    async def take(self, world: World) -> None:
        """Do it."""
        job = await world.job()
        await world.client.patch(
            projections.JOBS,
            job["metadata"]["name"],
            dict(self.changes),
            namespace=world.namespace,
            subresource=self.subresource,
        )


@dataclasses.dataclass(frozen=True)
class DeleteJob(Act):
    """Somebody deletes the Job."""

    propagation: requests.Propagation = "Background"

    async def ready(self, world: World) -> None:
        """Wait until it is there."""
        await world.job()

    async def take(self, world: World) -> None:
        """Do it."""
        job = await world.job()
        await world.client.delete(
            projections.JOBS,
            job["metadata"]["name"],
            namespace=world.namespace,
            propagation=self.propagation,
        )


@dataclasses.dataclass(frozen=True)
class Make(Act):
    """Somebody makes an object."""

    resource: kube.Resource
    body: kube.JSON

    async def take(self, world: World) -> None:
        """Do it."""
        await world.make(self.resource, self.body)


@dataclasses.dataclass(frozen=True)
class MakeAgent(Act):
    """Somebody makes the run's agent."""

    async def take(self, world: World) -> None:
        """Do it."""
        await world.make_agent()


@dataclasses.dataclass(frozen=True)
class Delete(Act):
    """Somebody deletes an object."""

    resource: kube.Resource
    name: str

    async def take(self, world: World) -> None:
        """Do it."""
        namespace = world.namespace if self.resource.namespaced else None
        with contextlib.suppress(kube.NotFoundError):
            await world.client.delete(self.resource, self.name, namespace=namespace)


@dataclasses.dataclass(frozen=True)
class Enforce(Act):
    """The operator makes a policy."""

    policy: Policy

    async def take(self, world: World) -> None:
        """Do it."""
        await world.enforce(self.policy)


@dataclasses.dataclass(frozen=True)
class DeleteNamespace(Act):
    """Somebody deletes the namespace."""

    async def take(self, world: World) -> None:
        """Do it."""
        await world.client.delete(kube.NAMESPACES, world.namespace)


@dataclasses.dataclass(frozen=True)
class Relabel(Act):
    """Somebody changes the labels of the namespace; None takes one away."""

    labels: Mapping[str, str | None]

    async def take(self, world: World) -> None:
        """Do it."""
        changes = {"metadata": {"labels": dict(self.labels)}}
        await world.client.patch(kube.NAMESPACES, world.namespace, changes)


@dataclasses.dataclass(frozen=True)
class LoseLedger(Act):
    """Somebody deletes the ledger, or writes something else into it."""

    data: Mapping[str, str] | None = None

    async def take(self, world: World) -> None:
        """Do it."""
        home = world.place.home
        if self.data is None:
            await world.client.delete(kube.CONFIG_MAPS, manager.LEDGER, namespace=home)
            return
        changes = {"data": dict(self.data)}
        await world.client.patch(kube.CONFIG_MAPS, manager.LEDGER, changes, namespace=home)


@dataclasses.dataclass(frozen=True)
class TakeJobName(Act):
    """Somebody has a Job of the name that the first attempt's would have."""

    async def take(self, world: World) -> None:
        """Create it, suspended."""
        run = await world.read()
        name = naming.of_key(f"{run['metadata']['uid']}/1")
        pod = {"restartPolicy": "Never", "containers": [{"name": "other", "image": "none"}]}
        spec = {"suspend": True, "template": {"spec": pod}}
        await world.make(projections.JOBS, manifest(projections.JOBS, name, spec=spec))


@dataclasses.dataclass(frozen=True)
class DeleteFiles(Act):
    """Somebody deletes the ConfigMap of the Job."""

    async def ready(self, world: World) -> None:
        """Wait until it is there."""
        await world.job()

    async def take(self, world: World) -> None:
        """Do it."""
        name = (await world.job())["metadata"]["name"]
        await world.client.delete(kube.CONFIG_MAPS, name, namespace=world.namespace)


@dataclasses.dataclass(frozen=True)
class Leave(Look):
    """The controller goes."""

    async def take(self, world: World) -> None:
        """Do it."""
        await world.stop()


@dataclasses.dataclass(frozen=True)
class Return(Look):
    """A controller comes."""

    async def take(self, world: World) -> None:
        """Do it."""
        await world.start()


@dataclasses.dataclass(frozen=True)
class Lift(Act):
    """The operator removes a policy."""

    policy: Policy

    async def take(self, world: World) -> None:
        """Do it."""
        await world.lift(self.policy)


LIFT_QUOTA: Final = Delete(QUOTAS, "quota")


@dataclasses.dataclass(frozen=True)
class Pause(Look):
    """Time passes."""

    seconds: float

    async def take(self, world: World) -> None:
        """Let it."""
        del world
        await asyncio.sleep(self.seconds)


# -------------------------------------------------------------------------- of its processes


@dataclasses.dataclass(frozen=True)
class Kill(Act):
    """Somebody kills the runner, and only that."""

    number: signal.Signals = signal.SIGKILL

    async def take(self, world: World) -> None:
        """Do it, once it runs."""
        found: list[int] = []

        async def is_there() -> bool:
            found[:] = await asyncio.to_thread(_runners, world)
            return bool(found)

        await world.until(is_there, "a runner")
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, self.number)


def _runners(world: World) -> list[int]:
    """Those that have started their agent, and so handle signals."""
    pids = world.processes()
    return [pid for pid in pids if b"controllers.runner" in _command(pid) and _has_children(pid)]


def _has_children(pid: int) -> bool:
    try:
        return bool(pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text())
    except OSError:
        return False


def _command(pid: int) -> bytes:
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
