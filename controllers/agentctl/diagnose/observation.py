"""The observed state of a cluster: each part is a value, or why it could not be read. Pure."""

import dataclasses
import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, Literal, TypeAlias, TypeVar

from controllers import kube

T = TypeVar("T")
Mode: TypeAlias = Literal["installed", "pre"]


class NotObservedError(Exception):
    """A part of the cluster could not be read; the message says why."""


@dataclasses.dataclass(frozen=True)
class Unread:
    """Why a part could not be read.

    Attributes:
        problem: The error.
        is_unreachable: Whether the API server did not respond, or not to this user.
    """

    problem: str
    is_unreachable: bool = False


@dataclasses.dataclass(frozen=True)
class Reading(Generic[T]):
    """A part of the cluster, or why it could not be read."""

    result: T | Unread

    def get(self) -> T:
        """Return the part.

        Raises:
            NotObservedError: It could not be read.
        """
        if isinstance(self.result, Unread):
            raise NotObservedError(self.result.problem)
        return self.result

    @property
    def problem(self) -> str:
        """Why it could not be read; empty if it was."""
        return self.result.problem if isinstance(self.result, Unread) else ""


def known(readings: Mapping[str, Reading[T]]) -> Iterator[tuple[str, T]]:
    """Yield what was read, by name.

    Raises:
        NotObservedError: A part could not be read, after all others.
    """
    problems: dict[str, str] = {}
    for name, reading in readings.items():
        if isinstance(reading.result, Unread):
            problems.setdefault(reading.result.problem, name)
        else:
            yield name, reading.result
    if problems:
        raise NotObservedError("; ".join(f"{name}: {text}" for text, name in problems.items()))


@dataclasses.dataclass(frozen=True)
class ClockSample:
    """The API server's clock, and the local one before and after it was asked."""

    server: dt.datetime
    before: dt.datetime
    after: dt.datetime


@dataclasses.dataclass(frozen=True)
class RoundTrip:
    """An object that the API server converted to the storage version and back, in a dry run.

    Attributes:
        sent: The object.
        answer: The object as returned; None if it was refused.
        refusal: Why it was refused; empty if it was not.
    """

    sent: kube.JSON
    answer: kube.JSON | None
    refusal: str = ""


@dataclasses.dataclass(frozen=True)
class Handshake:
    """A TLS connection to a webhook, trusting only the caBundle of its callers.

    Attributes:
        targets: The configurations that call it: ``customresourcedefinitions/x``.
        host: Host name that the certificate must contain.
        port: Port.
        is_tried: Whether the host name resolves here; Services do only in the cluster.
        reason: Why it failed; empty if it succeeded or was not tried.
        leaf_pem: The served certificate; empty if there was no connection.
    """

    targets: tuple[str, ...]
    host: str
    port: int
    is_tried: bool
    reason: str = ""
    leaf_pem: str = ""


@dataclasses.dataclass(frozen=True)
class AccessReview:
    """The API server's decision on a verb.

    Attributes:
        component: Whose right it is: ``controller``.
        user: The user that was asked for; empty for the current one.
        verb: RBAC verb.
        target: Resource, such as ``agentruns/status.agents.proompteng.ai``.
        name: Name of an object; empty for all.
        namespace: Namespace; empty for all.
        why: The call that needs it.
        is_allowed: The decision.
    """

    component: str
    user: str
    verb: str
    target: str
    name: str
    namespace: str
    why: str
    is_allowed: bool

    @property
    def text(self) -> str:
        """The verb and its object in words."""
        name = f" {self.name}" if self.name else ""
        where = f" in namespace {self.namespace}" if self.namespace else ""
        return f"{self.verb} {self.target}{name}{where}"


Values: TypeAlias = tuple[kube.JSON, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The state of a cluster as far as the checks need it.

    Attributes:
        mode: What is diagnosed.
        now: Aware UTC time.
        release: Version of this program.
        home: Namespace of the controller.
        namespace: Namespace of the API's objects; None for all.
        group: The API's group.
        expected_definitions: The CRDs of this release, by name.
        expected_configurations: The webhook configurations of this release.
        packages: Distributions by the top-level packages that they provide on this machine.
        version: The API server's version.
        readiness: The API server's failed readiness checks.
        clock: The API server's clock.
        definitions: The API's CRDs that exist, by name.
        configurations: All webhook configurations of the cluster.
        objects: Objects of each kind in the newest version; runs that have not ended.
        listings: One list request in each served version, by ``KIND VERSION``.
        round_trips: Conversions in a dry run, by ``KIND VERSION``.
        installable: Dry-run application of each CRD of this release: its refusal, or empty.
        handshakes: Connections to the webhooks.
        reviews: Rights of the components, or of the current user.
        home_object: The controller's namespace; None if it does not exist.
        lease: The controller's Lease; None if it does not exist.
        book: The ledger's ConfigMap; None if it does not exist.
        jobs: Jobs of runs.
        pods: Pods of the platform's components.
        deployments: Deployments of the platform's components.
        events: Events of type Warning.
        quotas: ResourceQuotas.
        rejections: Requests rejected by priority and fairness, by priority level.
    """

    mode: Mode
    now: dt.datetime
    release: str
    home: str
    namespace: str | None
    group: str
    expected_definitions: Mapping[str, kube.JSON]
    expected_configurations: Values
    packages: Reading[Mapping[str, list[str]]]
    version: Reading[kube.JSON]
    readiness: Reading[tuple[str, ...]]
    clock: Reading[ClockSample]
    definitions: Reading[Mapping[str, kube.JSON]]
    configurations: Reading[Values]
    objects: Mapping[str, Reading[Values]]
    listings: Mapping[str, Reading[None]]
    round_trips: Mapping[str, Reading[RoundTrip]]
    installable: Mapping[str, Reading[str]]
    handshakes: Reading[tuple[Handshake, ...]]
    reviews: Reading[tuple[AccessReview, ...]]
    home_object: Reading[kube.JSON | None]
    lease: Reading[kube.JSON | None]
    book: Reading[kube.JSON | None]
    jobs: Reading[Values]
    pods: Reading[Values]
    deployments: Reading[Values]
    events: Reading[Values]
    quotas: Reading[Values]
    rejections: Reading[Mapping[str, int]]

    @property
    def is_unreachable(self) -> bool:
        """Whether the API server did not respond."""
        return isinstance(self.version.result, Unread) and self.version.result.is_unreachable

    def each(self, kind: str) -> Values:
        """Return the objects of a kind.

        Raises:
            NotObservedError: They could not be read.
        """
        return self.objects[kind].get()

    def of_kinds(self, kinds: Iterable[str]) -> Iterator[kube.JSON]:
        """Yield the objects of several kinds.

        Raises:
            NotObservedError: Those of a kind could not be read, after all others.
        """
        for _, values in known({kind: self.objects[kind] for kind in kinds}):
            yield from values

    def readings(self) -> Iterator[tuple[str, Reading[object]]]:
        """Yield each reading with its name."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Reading):
                yield field.name, value
            elif isinstance(value, Mapping):
                for key, item in value.items():
                    if isinstance(item, Reading):
                        yield f"{field.name}/{key}", item
