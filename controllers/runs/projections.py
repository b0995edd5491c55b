"""Projections of the objects that the controller caches. Pure.

There are many runs, so only fields that affect decisions are kept; the rest is read at the start.
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
VERSION_CONTROL = _resource("versioncontrolproviders", "VersionControlProvider")
SOURCES = _resource("implementationsources", "ImplementationSource")
JOBS = kube.Resource("batch", "v1", "jobs", "Job")
PODS = kube.Resource("", "v1", "pods", "Pod")


class _Part(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A part of a view."""


class NameRef(_Part, frozen=True, gc=False):
    """The name of an object in the same namespace."""

    name: str = ""


class Implementation(_Part, frozen=True, gc=False):
    """Reference to the task."""

    spec_ref: NameRef = NameRef()


class RuntimeType(_Part, frozen=True, gc=False):
    """Type of the runtime."""

    type: str = ""


class Retention(_Part, frozen=True, gc=False):
    """Retention of a run after its end."""

    ttl: str = ""
    keep_forever: bool = False


class RunSpec(_Part, frozen=True, gc=False):
    """The fields that decide when and whether a run starts."""

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


class Queue(_Part, frozen=True, gc=False):
    """Why a run waits for a slot."""

    blocked_by: str = ""
    since: str = ""


class RuntimeRef(_Part, frozen=True):
    """Reference to the runtime's work."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    extra: dict[str, Any] = {}


class Artifact(_Part, frozen=True, gc=False, omit_defaults=True):
    """A file that the run produced."""

    name: str = ""
    path: str = ""
    key: str = ""
    url: str = ""


class RunStatus(_Part, frozen=True):
    """The status of a run."""

    conditions: tuple[kube.Condition, ...] = ()
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
"""The fields of a run's status that hold a runtime's workflow state."""


class Run(kube.Projection, frozen=True):
    """An AgentRun."""

    spec: RunSpec = RunSpec()
    status: RunStatus = RunStatus()

    @property
    def carried(self) -> dict[str, Any]:
        """Workflow state in its status."""
        if not self.status.workflow:
            return {}
        status = msgspec.to_builtins(self.status)
        return {name: status[name] for name in CARRIED if status.get(name)}


class ReadinessStatus(_Part, frozen=True, gc=False):
    """The part of a status that tells whether an object can be used."""

    conditions: tuple[kube.Condition, ...] = ()
    observed_generation: int = 0
    last_check_time: str = ""


class Observable(kube.Projection, frozen=True):
    """An object with a Ready condition."""

    status: ReadinessStatus = ReadinessStatus()

    @property
    def ready(self) -> kube.Condition | None:
        """The Ready condition; None before the first one."""
        return next(
            (condition for condition in self.status.conditions if condition.type == "Ready"), None
        )

    @property
    def is_unusable(self) -> bool:
        """Whether its current spec is known not to be usable."""
        ready = self.ready
        return ready is not None and ready.status == "False" and not self._is_outdated(ready)

    @property
    def version(self) -> tuple[str, int, bool]:
        """Changes with its spec and its usability, but not with each write of its status."""
        return self.metadata.uid, self.metadata.generation, self.is_unusable

    def _is_outdated(self, condition: kube.Condition) -> bool:
        return condition.observed_generation != self.metadata.generation


class Whole(Observable, frozen=True):
    """An object with its complete spec, kept as JSON text: a 20th of the memory of objects."""

    spec: msgspec.Raw = msgspec.Raw(b"{}")

    def __post_init__(self) -> None:
        """Copy the spec, so that the complete object is not kept alive."""
        msgspec.structs.force_setattr(self, "spec", self.spec.copy())

    def decoded(self) -> dict[str, Any]:
        """Return the parsed spec."""
        spec = msgspec.json.decode(self.spec)
        return spec if isinstance(spec, dict) else {}

    @property
    def provider(self) -> str:
        """Name of an Agent's provider; empty if it has none."""
        return self.named.provider_ref.name

    @property
    def named(self) -> "_Names":
        """The names in its spec; empty where it has none."""
        try:
            return _names.decode(self.spec)
        except msgspec.MsgspecError:
            return _Names()


class _Names(_Part, frozen=True):
    """The references of an Agent, and whether a Memory is the default."""

    provider_ref: NameRef = NameRef()
    memory_ref: NameRef = NameRef()
    vcs_ref: NameRef = NameRef()
    is_default: bool = False


_names = msgspec.json.Decoder(_Names)


class Alias(_Part, frozen=True, gc=False):
    """An alias of a parameter."""

    from_: str = msgspec.field(default="", name="from")
    to: str = ""


class Contract(_Part, frozen=True):
    """Parameters that a task requires."""

    required_parameters: tuple[str, ...] = ()
    aliases: tuple[Alias, ...] = ()


class TaskSpec(_Part, frozen=True):
    """The part of a task that other objects depend on; of the text only its first characters."""

    text: msgspec.Raw = msgspec.Raw(b'""')
    vcs_ref: NameRef = NameRef()
    contract: Contract = Contract()

    def __post_init__(self) -> None:
        """Keep whether there is a text; it is read with the run."""
        has_text = bool(msgspec.json.decode(self.text, type=str, strict=False).strip())
        msgspec.structs.force_setattr(self, "text", msgspec.Raw(b'"..."' if has_text else b'""'))


class Task(Observable, frozen=True):
    """An ImplementationSpec."""

    spec: TaskSpec = TaskSpec()

    def decoded(self) -> dict[str, Any]:
        """Return the kept part of the spec."""
        spec = msgspec.json.decode(msgspec.json.encode(self.spec))
        return spec if isinstance(spec, dict) else {}


class Named(kube.Projection, frozen=True):
    """Name and version of an object."""


class JobCondition(_Part, frozen=True):
    """A condition of a Job."""

    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: str = ""


class JobSpec(_Part, frozen=True):
    """The fields that tell whether a Job may have pods."""

    suspend: bool = False
    parallelism: int = 1
    ttl_seconds_after_finished: int | None = None


class JobStatus(_Part, frozen=True):
    """The state of a Job's pods."""

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
        """The condition of its end, after all its pods."""
        for condition in self.status.conditions:
            if condition.type in {"Complete", "Failed"} and condition.status == "True":
                return condition
        return None


class Terminated(_Part, frozen=True, gc=False):
    """State of a container that has ended."""

    exit_code: int = 0
    reason: str = ""
    message: str = ""
    started_at: str = ""
    finished_at: str = ""


class Running(_Part, frozen=True, gc=False):
    """State of a running container."""

    started_at: str = ""


class Waiting(_Part, frozen=True, gc=False):
    """State of a container that has not started."""

    reason: str = ""
    message: str = ""


class ContainerState(_Part, frozen=True, gc=False):
    """State of a container."""

    terminated: Terminated | None = None
    running: Running | None = None
    waiting: Waiting | None = None


class ContainerStatus(_Part, frozen=True, gc=False):
    """Status of a container."""

    name: str = ""
    state: ContainerState = ContainerState()


class PodCondition(_Part, frozen=True, gc=False):
    """A condition of a pod."""

    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""


POD_ENDED: Final = frozenset({"Succeeded", "Failed"})
"""Pod phases in which no container runs or will run."""


class PodStatus(_Part, frozen=True, gc=False):
    """Status of a pod and its containers."""

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
        """Whether no container of it runs or will run."""
        return self.status.phase in POD_ENDED

    def ended(self, container: str) -> Terminated | None:
        """Return the terminated state of a container; None if it has not ended."""
        for status in self.status.container_statuses:
            if status.name == container:
                return status.state.terminated
        return None


def owner(name: str, uid: str) -> dict[str, str]:
    """Return the ownerReference for objects of a run."""
    return {"apiVersion": RUNS.api_version, "kind": RUNS.kind, "name": name, "uid": uid}


V = TypeVar("V", bound=kube.Projection)
_log = logging.getLogger(__name__)


def of(view: type[V], value: kube.JSON) -> V:
    """Return a view of an object.

    Raises:
        kube.AnswerError: The object does not match the view.
    """
    return kube.view_of(view, value)


def each(view: type[V], values: Iterable[kube.JSON]) -> Iterator[V]:
    """Yield views of listed objects; objects that do not match are logged and skipped."""
    for value in values:
        try:
            yield of(view, value)
        except kube.AnswerError as error:
            _log.warning("skipping unreadable object: %s", error)
