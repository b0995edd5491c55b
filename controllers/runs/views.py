"""What of each object the controller keeps in memory. Pure.

Runs are many, so that of a run only what decides is kept; the rest is read when it starts.
"""

import logging
from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeVar

import msgspec

from controllers import kube
from controllers.runs import naming
from crds import hub


def _resource(plural: str, kind: str) -> kube.Resource:
    return kube.Resource(naming.GROUP, hub.VERSION, plural, kind)


RUNS = _resource("agentruns", "AgentRun")
AGENTS = _resource("agents", "Agent")
PROVIDERS = _resource("agentproviders", "AgentProvider")
IMPLEMENTATIONS = _resource("implementationspecs", "ImplementationSpec")
MEMORIES = _resource("memories", "Memory")
JOBS = kube.Resource("batch", "v1", "jobs", "Job")
PODS = kube.Resource("", "v1", "pods", "Pod")


class _Part(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A part of a view."""


class NameRef(_Part, frozen=True, gc=False):
    """The name of an object in the same namespace."""

    name: str = ""


class Implementation(_Part, frozen=True, gc=False):
    """What is to be built, as far as it is another object."""

    spec_ref: NameRef = NameRef()


class RuntimeType(_Part, frozen=True, gc=False):
    """Which runtime."""

    type: str = ""


class Retention(_Part, frozen=True, gc=False):
    """How long a run is kept once it has ended."""

    ttl: str = ""
    keep_forever: bool = False


class RunSpec(_Part, frozen=True, gc=False):
    """What decides when and whether a run starts."""

    agent_ref: NameRef = NameRef()
    implementation: Implementation = Implementation()
    runtime: RuntimeType = RuntimeType()
    memory_ref: NameRef = NameRef()
    idempotency_key: str = ""
    purpose: str = ""
    priority: int = 0
    suspend: bool = False
    cancel: bool = False
    retention: Retention = Retention()


class Condition(_Part, frozen=True, gc=False):
    """One aspect of a run's state."""

    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    observed_generation: int = 0
    last_transition_time: str = ""


class Queue(_Part, frozen=True, gc=False):
    """Why a run waits for its turn."""

    blocked_by: str = ""
    since: str = ""


class RuntimeRef(_Part, frozen=True):
    """What the runtime calls the run."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    extra: dict[str, Any] = {}


class Artifact(_Part, frozen=True, gc=False, omit_defaults=True):
    """A file that the run left."""

    name: str = ""
    path: str = ""
    key: str = ""
    url: str = ""


class RunStatus(_Part, frozen=True):
    """What was written of the run before."""

    conditions: tuple[Condition, ...] = ()
    observed_generation: int = 0
    phase: str = ""
    reason: str = ""
    message: str = ""
    queue: Queue | None = None
    attempt: int = 0
    next_attempt_time: str = ""
    attempts: tuple[dict[str, Any], ...] = ()
    runtime_ref: RuntimeRef | None = None
    workflow: dict[str, Any] | None = None
    artifacts: tuple[Artifact, ...] = ()
    missing_artifacts: tuple[str, ...] = ()
    artifacts_omitted: int = 0
    disruptions: int = 0
    start_time: str = ""
    completion_time: str = ""
    spec_hash: str = ""


CARRIED: Final = ("workflow", "artifacts", "missingArtifacts", "artifactsOmitted")
"""What a runtime remembers of a workflow is these fields of a run's status."""


class Run(kube.Projection, frozen=True):
    """An AgentRun."""

    spec: RunSpec = RunSpec()
    status: RunStatus = RunStatus()

    @property
    def carried(self) -> dict[str, Any]:
        """What its status says of its workflow."""
        if not self.status.workflow:
            return {}
        status = msgspec.to_builtins(self.status)
        return {name: status[name] for name in CARRIED if status.get(name)}


class Whole(kube.Projection, frozen=True):
    """An Agent or AgentProvider, with all that it says: as text, a 20th of what it can take."""

    spec: msgspec.Raw = msgspec.Raw(b"{}")

    def __post_init__(self) -> None:
        """Keep the spec alone, not the whole object that it was read from."""
        msgspec.structs.force_setattr(self, "spec", self.spec.copy())

    def decoded(self) -> dict[str, Any]:
        """The object's spec."""
        spec = msgspec.json.decode(self.spec)
        return spec if isinstance(spec, dict) else {}

    @property
    def provider(self) -> str:
        """The name of an Agent's provider; empty where it names none."""
        try:
            return _agent_spec.decode(self.spec).provider_ref.name
        except msgspec.MsgspecError:
            return ""


class _AgentSpec(_Part, frozen=True):
    """What an Agent refers to."""

    provider_ref: NameRef = NameRef()


_agent_spec = msgspec.json.Decoder(_AgentSpec)


class Named(kube.Projection, frozen=True):
    """That an object exists, and in which version."""


class JobCondition(_Part, frozen=True):
    """One aspect of a Job's state."""

    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: str = ""


class JobSpec(_Part, frozen=True):
    """Whether a Job may have pods."""

    suspend: bool = False
    parallelism: int = 1
    ttl_seconds_after_finished: int | None = None


class JobStatus(_Part, frozen=True):
    """How a Job's pods stand."""

    conditions: tuple[JobCondition, ...] = ()
    active: int = 0
    ready: int = 0
    terminating: int = 0
    succeeded: int = 0
    failed: int = 0
    start_time: str = ""
    completion_time: str = ""


class Job(kube.Projection, frozen=True):
    """A Job made for a run."""

    spec: JobSpec = JobSpec()
    status: JobStatus = JobStatus()

    @property
    def ending(self) -> JobCondition | None:
        """The condition that says that it has ended, pods and all."""
        for one in self.status.conditions:
            if one.type in {"Complete", "Failed"} and one.status == "True":
                return one
        return None


class Terminated(_Part, frozen=True, gc=False):
    """How a container ended."""

    exit_code: int = 0
    reason: str = ""
    message: str = ""
    started_at: str = ""
    finished_at: str = ""


class Running(_Part, frozen=True, gc=False):
    """That a container runs."""

    started_at: str = ""


class Waiting(_Part, frozen=True, gc=False):
    """Why a container has not started."""

    reason: str = ""
    message: str = ""


class ContainerState(_Part, frozen=True, gc=False):
    """Whether a container has ended, runs, or has not started."""

    terminated: Terminated | None = None
    running: Running | None = None
    waiting: Waiting | None = None


class ContainerStatus(_Part, frozen=True, gc=False):
    """How a container stands."""

    name: str = ""
    state: ContainerState = ContainerState()


class PodCondition(_Part, frozen=True, gc=False):
    """One aspect of a pod's state."""

    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""


POD_ENDED: Final = frozenset({"Succeeded", "Failed"})
"""Phases of a pod of whose containers none runs any more, or will."""


class PodStatus(_Part, frozen=True, gc=False):
    """How a pod and its containers stand."""

    phase: str = ""
    reason: str = ""
    message: str = ""
    conditions: tuple[PodCondition, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()


class Pod(kube.Projection, frozen=True):
    """A pod of a Job made for a run."""

    status: PodStatus = PodStatus()

    @property
    def has_ended(self) -> bool:
        """Whether none of its containers runs any more, or will."""
        return self.status.phase in POD_ENDED

    def ended(self, container: str) -> Terminated | None:
        """How a container of it ended; None for one that has not."""
        for one in self.status.container_statuses:
            if one.name == container:
                return one.state.terminated
        return None


def owner(name: str, uid: str) -> dict[str, str]:
    """The ownerReference of what belongs to a run."""
    return {"apiVersion": RUNS.api_version, "kind": RUNS.kind, "name": name, "uid": uid}


V = TypeVar("V", bound=kube.Projection)
_log = logging.getLogger(__name__)


def of(view: type[V], value: kube.JSON) -> V:
    """A view of an object that was read or written by itself.

    Raises:
        kube.AnswerError: The view does not fit it.
    """
    return kube.view_of(view, value)


def each(view: type[V], values: Iterable[kube.JSON]) -> Iterator[V]:
    """Views of listed objects; one that no view fits is logged and passed over."""
    for value in values:
        try:
            yield of(view, value)
        except kube.AnswerError as error:
            _log.warning("an object is passed over: %s", error)
