"""Reads the snapshot, all parts at once, each with a deadline. Shell: the cluster, the clock."""

import asyncio
import dataclasses
import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from importlib import metadata
from typing import Any, Final, TypeVar

import crds
from controllers import kube, manager
from controllers.agentctl import versions
from controllers.agentctl.diagnose.observation import (
    AccessReview,
    ClockSample,
    Handshake,
    Mode,
    Reading,
    RoundTrip,
    Snapshot,
    Unread,
    Values,
)
from controllers.agentctl.diagnose.reading import probes
from controllers.agentctl.session import USER_AGENT
from controllers.kube import requests, responses
from controllers.runs import caches, naming, projections
from crds import hub
from webhooks.cluster import configuration

T = TypeVar("T")
# The first request decides whether the others are worth sending.
CONTACT_SECONDS: Final = 3.0
PAGE_SIZE: Final = 500
MAX_PAGES: Final = 10
_INTERNAL_ERROR: Final = 500
_FAILED_CHECK: Final = re.compile(r"\[-\](\S+)")
_REJECTED: Final = re.compile(
    rb'^apiserver_flowcontrol_rejected_requests_total\{[^}]*priority_level="([^"]*)"[^}]*\} (\S+)',
    re.MULTILINE,
)
_SELF_REVIEWS: Final = kube.Resource(
    *("authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview"), namespaced=False
)
_QUOTAS: Final = kube.Resource("", "v1", "resourcequotas", "ResourceQuota")
_ONLY_BEFORE_INSTALL: Final = frozenset({"installable"})
_BEFORE_INSTALL: Final = _ONLY_BEFORE_INSTALL | {
    *("packages", "readiness", "clock", "definitions", "configurations", "reviews")
}
_OF_RUNS: Final = f"{naming.RUN_LABEL},!{naming.TOMBSTONE_LABEL}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Options of a snapshot.

    Attributes:
        mode: What is diagnosed.
        home: Namespace of the controller.
        namespace: Namespace of the API's objects; None for all.
        deadline_seconds: Of each part.
        parts: Names of the parts to read, the others are unknown; empty for those of the mode.
    """

    mode: Mode
    home: str
    namespace: str | None
    deadline_seconds: float
    parts: frozenset[str] = frozenset()

    def is_read(self, part: str) -> bool:
        """Return whether a part is read."""
        if self.parts:
            return part in self.parts
        return part in _BEFORE_INSTALL if self.mode == "pre" else part not in _ONLY_BEFORE_INSTALL


async def snapshot(client: kube.Client, options: Options) -> Snapshot:
    """Read a snapshot; what cannot be read does not affect the rest."""
    reader = _Reader(client, options)
    first = min(CONTACT_SECONDS, options.deadline_seconds)
    version = await reader.read(versions.api_server(client), first)
    return await reader.rest(version)


def unreachable(options: Options, problem: str) -> Snapshot:
    """Return the snapshot of a cluster that cannot be reached."""
    return _without_cluster(options, Reading(Unread(problem, is_unreachable=True)))


def _without_cluster(options: Options, version: Reading[Any]) -> Snapshot:
    """Return a snapshot in which nothing was read for the same reason."""
    parts = {**_known(options), **_local(options)}
    return Snapshot(**{**_unread(version), **parts})


def _unread(reading: Reading[Any]) -> dict[str, Any]:
    """Return every part as not read."""
    names = (field.name for field in dataclasses.fields(Snapshot))
    return {
        name: dict.fromkeys(_BY_NAME[name](), reading) if name in _BY_NAME else reading
        for name in names
    }


def _local(options: Options) -> dict[str, Any]:
    """Return the part that is read from this machine."""
    return {"packages": _packages()} if options.is_read("packages") else {}


def _kinds() -> list[str]:
    return [kind.name for kind in crds.api]


_BY_NAME: Final[Mapping[str, Callable[[], list[str]]]] = {
    "objects": _kinds,
    "listings": _kinds,
    "round_trips": _kinds,
    "installable": _kinds,
}


def _known(options: Options) -> dict[str, Any]:
    """Return the parts that need no cluster."""
    webhook = configuration.at_service(options.home, "webhook")
    return {
        "mode": options.mode,
        "now": kube.utc_now(),
        "release": metadata.version("kubewright"),
        "home": options.home,
        "namespace": options.namespace,
        "group": crds.api.group,
        "expected_definitions": {
            value["metadata"]["name"]: value for value in configuration.crds(crds.api, webhook)
        },
        "expected_configurations": tuple(configuration.configurations(crds.api, webhook)),
    }


def _packages() -> Reading[Mapping[str, list[str]]]:
    owners = metadata.packages_distributions()
    return Reading({name: sorted({*found}) for name, found in owners.items()})


class _Reader:
    """Reads the parts of a snapshot."""

    def __init__(self, client: kube.Client, options: Options) -> None:
        self._client, self._options = client, options

    async def rest(self, version: Reading[kube.JSON]) -> Snapshot:
        """Read all parts besides the version, which tells whether it is worth it."""
        if isinstance(version.result, Unread) and version.result.is_unreachable:
            return _without_cluster(self._options, version)
        parts: dict[str, asyncio.Task[Any]] = {}
        async with asyncio.TaskGroup() as group:
            known = group.create_task(asyncio.to_thread(_known, self._options))
            for name, part in self._parts(parts, known).items():
                if self._options.is_read(name):
                    parts[name] = group.create_task(part())
            local = await asyncio.to_thread(_local, self._options)
        read = {name: part.result() for name, part in parts.items()}
        unread = _unread(Reading(Unread("not read")))
        return Snapshot(**{**unread, **known.result(), **local, **read, "version": version})

    def _parts(
        self, parts: Mapping[str, asyncio.Task[Any]], known: Awaitable[dict[str, Any]]
    ) -> dict[str, Callable[[], Coroutine[Any, Any, Any]]]:
        """Return what is read; some parts wait for others, or for what needs no cluster."""
        read, home = self.read, self._options.home
        everywhere = self._options.namespace
        return {
            "readiness": lambda: read(self._readiness()),
            "clock": lambda: read(self._clock()),
            "definitions": lambda: read(self._definitions()),
            "configurations": lambda: read(self._configurations()),
            "deployments": lambda: read(
                self._list(versions.DEPLOYMENTS, home, labels=versions.COMPONENTS)
            ),
            "home_object": lambda: read(self._get(kube.NAMESPACES, home, None)),
            "objects": self._objects,
            "listings": lambda: self._of_versions(parts, self._listing, is_storage_included=True),
            "round_trips": lambda: self._of_versions(
                parts, self._round_trip, is_storage_included=False
            ),
            "installable": lambda: self._installable(parts, known),
            "handshakes": lambda: read(self._handshakes(parts)),
            "reviews": lambda: read(self._reviews(parts)),
            "lease": lambda: read(self._get(kube.LEASES, manager.LEASE, home)),
            "book": lambda: read(self._get(kube.CONFIG_MAPS, manager.LEDGER, home)),
            "jobs": lambda: read(self._list(projections.JOBS, everywhere, labels=_OF_RUNS)),
            "pods": lambda: read(self._list(projections.PODS, home, labels=versions.COMPONENTS)),
            "events": lambda: read(self._list(kube.EVENTS, everywhere, fields="type=Warning")),
            "quotas": lambda: read(self._list(_QUOTAS, everywhere)),
            "rejections": lambda: read(self._rejections()),
        }

    async def read(self, part: Awaitable[T], deadline_seconds: float | None = None) -> Reading[T]:
        """Read a part within a deadline; an error becomes the reason why it is unknown."""
        seconds = deadline_seconds or self._options.deadline_seconds
        try:
            async with asyncio.timeout(seconds):
                return Reading(await part)
        except TimeoutError:
            problem = f"expected an answer within {seconds:g} s, got none"
            return Reading(Unread(problem, is_unreachable=True))
        except (kube.UnreachableError, kube.UnauthorizedError) as error:
            return Reading(Unread(str(error), is_unreachable=True))
        except kube.KubeError as error:
            return Reading(Unread(str(error)))
        except Exception as error:  # noqa: BLE001 - one part must not keep the others from being read
            return Reading(Unread(f"{type(error).__name__}: {error}"))

    async def _readiness(self) -> tuple[str, ...]:
        try:
            await self._client.body(kube.Request("GET", "/readyz"))
        except kube.ApiError as error:
            if error.code < _INTERNAL_ERROR:
                raise
            return tuple(_FAILED_CHECK.findall(error.message)) or ("readyz",)
        return ()

    async def _clock(self) -> ClockSample:
        before = kube.utc_now()
        answer = await self._client.create(_SELF_REVIEWS, {})
        created = kube.time_of(answer["metadata"].get("creationTimestamp") or "")
        if created is None:
            raise kube.AnswerError("expected metadata.creationTimestamp in a SelfSubjectReview")
        return ClockSample(created, before, kube.utc_now())

    async def _rejections(self) -> Mapping[str, int]:
        text = await self._client.body(kube.Request("GET", "/metrics", accepts="text/plain"))
        counts: dict[str, int] = {}
        for level, count in _REJECTED.findall(text):
            name = level.decode(errors="replace")
            counts[name] = counts.get(name, 0) + int(float(count))
        return {name: count for name, count in counts.items() if count}

    async def _get(
        self, resource: kube.Resource, name: str, namespace: str | None
    ) -> kube.JSON | None:
        try:
            value = await self._client.get(resource, name, namespace=namespace)
        except kube.NotFoundError:
            return None
        return {"apiVersion": resource.api_version, "kind": resource.kind, **value}

    async def _list(
        self,
        resource: kube.Resource,
        namespace: str | None,
        *,
        labels: str | None = None,
        fields: str | None = None,
    ) -> Values:
        """Return the first pages of a list: a diagnosis must not burden a large cluster."""
        selection = kube.Selection(namespace=namespace, labels=labels, fields=fields)
        items: list[kube.JSON] = []
        continuation = None
        for _ in range(MAX_PAGES):
            request = requests.list_page(
                resource, selection, limit=PAGE_SIZE, continuation=continuation
            )
            page = responses.decode(await self._client.body(request), str(request))
            named = {"apiVersion": resource.api_version, "kind": resource.kind}
            items += [named | item for item in page.get("items") or ()]
            continuation = page["metadata"].get("continue")
            if not continuation:
                break
        return tuple(items)

    async def _definitions(self) -> Mapping[str, kube.JSON]:
        found = await asyncio.gather(
            *(
                self._get(kube.CUSTOM_RESOURCE_DEFINITIONS, crds.api.crd_name(kind), None)
                for kind in crds.api
            )
        )
        return {value["metadata"]["name"]: value for value in found if value is not None}

    async def _configurations(self) -> Values:
        mutating, validating = await asyncio.gather(
            self._list(kube.MUTATING_WEBHOOK_CONFIGURATIONS, None),
            self._list(kube.VALIDATING_WEBHOOK_CONFIGURATIONS, None),
        )
        return (*mutating, *validating)

    async def _objects(self) -> Mapping[str, Reading[Values]]:
        read = await asyncio.gather(*(self.read(self._of_kind(kind)) for kind in _kinds()))
        return dict(zip(_kinds(), read, strict=True))

    async def _of_kind(self, name: str) -> Values:
        resource = probes.resource(name, hub.VERSION)
        fields = caches.LIVE_RUNS if name == projections.RUNS.kind else None
        return await self._list(resource, self._options.namespace, fields=fields)

    async def _of_versions(
        self,
        parts: Mapping[str, asyncio.Task[Reading[Mapping[str, kube.JSON]]]],
        probe: Callable[[str, str], Awaitable[T]],
        *,
        is_storage_included: bool,
    ) -> Mapping[str, Reading[T]]:
        """Make a probe of each served version of each CRD that exists."""
        found = (await parts["definitions"]).result
        if isinstance(found, Unread):
            return dict.fromkeys(_kinds(), Reading(found))
        asked = [
            (str(value["spec"]["names"]["kind"]), str(version["name"]))
            for value in found.values()
            for version in value["spec"]["versions"]
            if version.get("served") and (is_storage_included or not version.get("storage"))
        ]
        read = await asyncio.gather(*(self.read(probe(*question)) for question in asked))
        return {" ".join(question): reading for question, reading in zip(asked, read, strict=True)}

    async def _listing(self, name: str, version: str) -> str:
        """Read an object in a version; return the API server's error, if it has one of its own."""
        resource = probes.resource(name, version)
        selection = kube.Selection(namespace=self._options.namespace)
        try:
            await self._client.body(requests.list_page(resource, selection, limit=1))
        except kube.ApiError as error:
            if isinstance(error, kube.ForbiddenError | kube.UnauthorizedError):
                raise
            return str(error)
        return ""

    async def _round_trip(self, kind: str, version: str) -> RoundTrip:
        return await probes.round_trip(
            self._client,
            kind,
            version,
            namespace=self._options.namespace or "default",
            deadline_seconds=self._options.deadline_seconds,
        )

    async def _installable(
        self,
        parts: Mapping[str, asyncio.Task[Reading[Mapping[str, kube.JSON]]]],
        known: Awaitable[dict[str, Any]],
    ) -> Mapping[str, Reading[str]]:
        installed = (await parts["definitions"]).result
        manifests = dict((await known)["expected_definitions"])
        for name, live in ({} if isinstance(installed, Unread) else installed).items():
            # An installation chooses the address anew; what may conflict is the rest.
            spec = {**manifests[name]["spec"], "conversion": live["spec"].get("conversion")}
            manifests[name] = {**manifests[name], "spec": spec}
        read = await asyncio.gather(
            *(self.read(self._applied(manifest)) for manifest in manifests.values())
        )
        return dict(zip(manifests, read, strict=True))

    async def _applied(self, manifest: kube.JSON) -> str:
        """Apply a CRD in a dry run; return why it is refused, or an empty text."""
        try:
            await self._client.apply(
                kube.CUSTOM_RESOURCE_DEFINITIONS,
                manifest,
                field_manager=USER_AGENT,
                force=True,
                dry_run=True,
            )
        except kube.ApiError as error:
            if isinstance(error, kube.ForbiddenError | kube.UnauthorizedError):
                raise
            return str(error)
        return ""

    async def _handshakes(
        self, parts: Mapping[str, asyncio.Task[Reading[Any]]]
    ) -> tuple[Handshake, ...]:
        installed, configurations = await parts["definitions"], await parts["configurations"]
        return await probes.handshakes(installed.get(), configurations.get())

    async def _reviews(
        self, parts: Mapping[str, asyncio.Task[Reading[Any]]]
    ) -> tuple[AccessReview, ...]:
        home, namespace = self._options.home, self._options.namespace
        if self._options.mode == "pre":
            return await probes.install_reviews(self._client, home)
        deployments = (await parts["deployments"]).get()
        return await probes.reviews(self._client, deployments, home=home, namespace=namespace)
