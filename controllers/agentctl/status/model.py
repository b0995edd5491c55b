"""The status of the control plane, with the field names of the published API. Pure.

Nothing is judged here: the state of a component follows from the checks of the diagnosis.
"""

import dataclasses
import enum
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from certs import authority
from controllers import kube, manager
from controllers.agentctl.diagnose import report
from controllers.agentctl.diagnose.check import Severity
from controllers.agentctl.diagnose.checks import platform, registry
from controllers.agentctl.diagnose.observation import Reading, Snapshot, Unread
from controllers.agentctl.diagnose.report import Outcome
from controllers.agentctl.explain import explanation, leadership
from controllers.runs import projections

PARTS: Final = frozenset(
    {
        *("definitions", "configurations", "deployments", "pods", "objects", "handshakes"),
        *("lease", "book"),
    }
)
"""The parts of a snapshot that the status needs."""
SERVICE: Final = "agents"
CONTROLLER: Final = "agents-controller"
_CHECKS: Final = (
    *("crds-present", "conversion-strategy", "webhooks-registered", "webhook-trusted"),
    *("certificate-valid", "lease-held", "components-available", "components-running"),
    *("ledger-readable", "ledger-limits", "queue-moving"),
    *("memories-ready", "sources-ready", "sources-synced"),
)
# Every RuntimeType, in the order of the published API.
_ADAPTERS: Final = ("workflow", "job", "temporal", "custom")
_KNOWN_ELSEWHERE: Final = ("runtime_adapter:", "memory:", "source:")


class State(enum.StrEnum):
    """State of a component."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    DISABLED = "disabled"
    UNKNOWN = "unknown"


@dataclasses.dataclass(frozen=True, kw_only=True)
class LeaderElection:
    """The controller's Lease."""

    enabled: bool
    lease_name: str
    lease_namespace: str
    identity: str
    last_transition_at: str
    last_success_at: str
    status: State
    message: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class ControllerHealth:
    """A controller."""

    name: str
    enabled: bool
    started: bool
    crds_ready: bool
    missing_crds: tuple[str, ...]
    last_checked_at: str
    status: State
    message: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class RuntimeAdapterHealth:
    """A runtime of runs; which ones are configured is known to the controller alone."""

    name: str
    available: bool
    status: State
    message: str
    endpoint: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class DatabaseHealth:
    """The published API has a database; this platform keeps its state in the Kubernetes API."""

    configured: bool = False
    connected: bool = False
    status: State = State.DISABLED
    message: str = "state is kept in the Kubernetes API"
    latency_ms: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class GrpcHealth:
    """The gRPC service."""

    enabled: bool = False
    address: str = ""
    status: State = State.DISABLED
    message: str = "not served by this release"


@dataclasses.dataclass(frozen=True, kw_only=True)
class WebhookHealth:
    """A webhook configuration, or the conversion of a CRD."""

    name: str
    status: State
    message: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class CertificateHealth:
    """The certificate that a webhook server serves."""

    name: str
    expires_at: str
    status: State
    message: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class QueueHealth:
    """Runs by state, and slots; a limit of 0 means no limit."""

    waiting: int
    running: int
    slots_in_use: int
    slots_limit: int
    status: State
    message: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class DependencyHealth:
    """A Memory or an ImplementationSource, as its reconciler observed it."""

    namespace: str
    name: str
    last_checked_at: str
    status: State
    message: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class NamespaceHealth:
    """A namespace with objects of the platform."""

    namespace: str
    status: State
    degraded_components: tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ControlPlaneStatus:
    """The status of the control plane."""

    service: str
    generated_at: str
    leader_election: LeaderElection
    controllers: tuple[ControllerHealth, ...]
    runtime_adapters: tuple[RuntimeAdapterHealth, ...]
    database: DatabaseHealth
    grpc: GrpcHealth
    webhooks: tuple[WebhookHealth, ...]
    certificates: tuple[CertificateHealth, ...]
    queue: QueueHealth
    memories: tuple[DependencyHealth, ...]
    sources: tuple[DependencyHealth, ...]
    namespaces: tuple[NamespaceHealth, ...]

    def components(self) -> Iterator[tuple[str, str, State, str]]:
        """Yield each component: its name, namespace, state and message."""
        lease = self.leader_election
        yield "leader", lease.lease_namespace, lease.status, lease.message or lease.identity
        for controller in self.controllers:
            yield f"controller:{controller.name}", "", controller.status, controller.message
        for adapter in self.runtime_adapters:
            yield f"runtime_adapter:{adapter.name}", "", adapter.status, adapter.message
        yield "database", "", self.database.status, self.database.message
        yield "grpc", "", self.grpc.status, self.grpc.message
        for webhook in self.webhooks:
            yield f"webhook:{webhook.name}", "", webhook.status, webhook.message
        for certificate in self.certificates:
            message = certificate.message or f"expires at {certificate.expires_at}"
            yield f"certificate:{certificate.name}", "", certificate.status, message
        yield "queue", "", self.queue.status, self.queue.message
        for what, dependencies in (("memory", self.memories), ("source", self.sources)):
            for dependency in dependencies:
                yield (
                    f"{what}:{dependency.name}",
                    dependency.namespace,
                    dependency.status,
                    dependency.message,
                )

    @property
    def state(self) -> State:
        """The worst state of a component, apart from what only the controller knows."""
        components = [*self.components()]
        if any(state is State.DEGRADED for _, _, state, _ in components):
            return State.DEGRADED
        is_unknown = any(
            state is State.UNKNOWN and not name.startswith(_KNOWN_ELSEWHERE)
            for name, _, state, _ in components
        )
        return State.UNKNOWN if is_unknown else State.HEALTHY


class _Judged:
    """The findings of the checks, by subject."""

    def __init__(self, seen: Snapshot) -> None:
        found = report.report(seen, registry.chosen("installed", _CHECKS, ()))
        self._outcomes = {outcome.check.id: outcome for outcome in found.outcomes}

    def of(self, *checks: str, subject: str | None = None) -> tuple[State, str]:
        """Return the worst state that checks find, of one subject or of any, and the reason."""
        outcomes = [self._outcomes[check] for check in checks]
        for state, message in self._problems(outcomes, subject):
            return state, message
        return State.HEALTHY, ""

    @staticmethod
    def _problems(outcomes: Iterable[Outcome], subject: str | None) -> Iterator[tuple[State, str]]:
        unread = []
        for outcome in outcomes:
            for finding in outcome.findings:
                is_error = outcome.severity_of(finding) is Severity.ERROR
                if is_error and subject in {None, str(finding.subject)}:
                    yield State.DEGRADED, finding.message
            unread.append(outcome.unread or outcome.crash)
        yield from ((State.UNKNOWN, problem) for problem in unread if problem)


def of(seen: Snapshot) -> ControlPlaneStatus:
    """Return the status that a snapshot shows."""
    judged = _Judged(seen)
    leader = _leader(seen, judged)
    partial = ControlPlaneStatus(
        service=SERVICE,
        generated_at=kube.time_text(seen.now),
        leader_election=leader,
        controllers=(_controller(seen, judged, leader),),
        runtime_adapters=tuple(_adapters(leader)),
        database=DatabaseHealth(),
        grpc=GrpcHealth(),
        webhooks=tuple(_webhooks(seen, judged)),
        certificates=tuple(_certificates(seen, judged)),
        queue=_queue(seen, judged),
        memories=tuple(_dependencies(seen, judged, "Memory", "memories-ready")),
        sources=tuple(
            _dependencies(seen, judged, "ImplementationSource", "sources-ready", "sources-synced")
        ),
        namespaces=(),
    )
    return dataclasses.replace(partial, namespaces=tuple(_namespaces(seen, partial)))


def _read(reading: Reading[Any], default: Any) -> Any:
    return default if isinstance(reading.result, Unread) else reading.result or default


def _leader(seen: Snapshot, judged: _Judged) -> LeaderElection:
    lease = _read(seen.lease, {})
    spec = lease.get("spec") or {}
    status, message = judged.of("lease-held")
    return LeaderElection(
        enabled=True,
        lease_name=manager.LEASE,
        lease_namespace=seen.home,
        identity=leadership.holder(lease),
        last_transition_at=str(spec.get("acquireTime") or ""),
        last_success_at=str(spec.get("renewTime") or ""),
        status=status,
        message=message,
    )


def _controller(seen: Snapshot, judged: _Judged, leader: LeaderElection) -> ControllerHealth:
    status, message = judged.of(
        *("crds-present", "lease-held", "components-available", "components-running")
    )
    is_known = not isinstance(seen.definitions.result, Unread)
    live = _read(seen.definitions, {})
    missing = tuple(name for name in seen.expected_definitions if is_known and name not in live)
    return ControllerHealth(
        name=CONTROLLER,
        enabled=True,
        started=leader.status is State.HEALTHY,
        crds_ready=judged.of("crds-present")[0] is State.HEALTHY,
        missing_crds=missing,
        last_checked_at=kube.time_text(seen.now),
        status=status,
        message=message,
    )


def _adapters(leader: LeaderElection) -> Iterator[RuntimeAdapterHealth]:
    for name in _ADAPTERS:
        if leader.status is State.HEALTHY:
            message = "known to the controller alone"
        else:
            message = "no controller is known to run"
        yield RuntimeAdapterHealth(
            name=name, available=False, status=State.UNKNOWN, message=message
        )


def _webhooks(seen: Snapshot, judged: _Judged) -> Iterator[WebhookHealth]:
    checks = ("webhooks-registered", "webhook-trusted")
    for value in seen.expected_configurations:
        name = f"{value['kind']} {value['metadata']['name']}"
        status, message = judged.of(*checks, subject=name)
        yield WebhookHealth(name=name, status=status, message=message)
    for name in seen.expected_definitions:
        subject = f"{kube.CUSTOM_RESOURCE_DEFINITIONS.kind} {name}"
        status, message = judged.of(
            *("crds-present", "conversion-strategy", "webhook-trusted"), subject=subject
        )
        yield WebhookHealth(name=subject, status=status, message=message)


def _certificates(seen: Snapshot, judged: _Judged) -> Iterator[CertificateHealth]:
    for handshake in _read(seen.handshakes, ()):
        if handshake.leaf_pem:
            leaf = authority.read_bundle(handshake.leaf_pem.encode())[0]
            name = f"{handshake.host}:{handshake.port}"
            status, message = judged.of("certificate-valid", subject=f"Certificate {name}")
            expires = kube.time_text(leaf.not_valid_after_utc)
            yield CertificateHealth(name=name, expires_at=expires, status=status, message=message)


def _queue(seen: Snapshot, judged: _Judged) -> QueueHealth:
    status, message = judged.of("ledger-readable", "ledger-limits", "queue-moving")
    runs = [
        projections.of(projections.Run, value)
        for value in _read(seen.objects[projections.RUNS.kind], ())
    ]
    waiting = sum(explanation.candidate(run) is not None for run in runs)
    is_known = not isinstance(seen.book.result, Unread)
    slots = len(platform.book_of(seen).slots) if is_known else 0
    limit = platform.limits_of(seen).cluster if is_known else 0
    return QueueHealth(
        waiting=waiting,
        running=sum(run.status.phase == "Running" for run in runs),
        slots_in_use=slots,
        slots_limit=limit,
        status=status,
        message=message or f"{waiting} waiting, {slots} of {limit} slots in use",
    )


_CHECKED: Final[Mapping[str, str]] = {
    "Memory": "lastCheckTime",
    "ImplementationSource": "lastSyncTime",
}


def _dependencies(
    seen: Snapshot, judged: _Judged, kind: str, *checks: str
) -> Iterator[DependencyHealth]:
    for value in _read(seen.objects[kind], ()):
        metadata, reported = value["metadata"], value.get("status") or {}
        subject = f"{kind} {metadata['namespace']}/{metadata['name']}"
        status, message = judged.of(*checks, subject=subject)
        if status is State.HEALTHY and not reported.get("conditions"):
            status, message = State.UNKNOWN, "not checked yet"
        yield DependencyHealth(
            namespace=metadata["namespace"],
            name=metadata["name"],
            last_checked_at=str(reported.get(_CHECKED[kind]) or ""),
            status=status,
            message=message,
        )


def _namespaces(seen: Snapshot, status: ControlPlaneStatus) -> Iterator[NamespaceHealth]:
    used = {
        value["metadata"]["namespace"]
        for reading in seen.objects.values()
        for value in _read(reading, ())
    }
    for namespace in sorted({seen.home, *used}):
        degraded = tuple(
            name
            for name, where, state, _ in status.components()
            if state is State.DEGRADED and where in {"", namespace}
        )
        yield NamespaceHealth(
            namespace=namespace,
            status=State.DEGRADED if degraded else State.HEALTHY,
            degraded_components=degraded,
        )
