"""An API server in this process, and the client's connections to it. Shell: time.

Requests reach it as values, below the client's own retries, deadlines and credentials; no socket is
opened, so that it also serves a virtual clock.
"""

import asyncio
import dataclasses
from collections.abc import Callable, Iterable
from typing import Any, Final, Unpack

import orjson

from controllers.kube import resources
from controllers.kube.auth import access
from controllers.kube.client import Client, Options
from controllers.kube.errors import JSON
from controllers.kube.http.exchange import Answer, LostError
from controllers.kube.requests import Request
from controllers.kube.resources import Resource
from controllers.kube.testing import calls, custom_kinds, kinds, statuses
from controllers.kube.testing.calls import Call, Matches
from controllers.kube.testing.clock import Clock
from controllers.kube.testing.kinds import Convert, Family
from controllers.kube.testing.storage import Change, CompactedError, Place, Storage
from controllers.kube.testing.verbs import Admit, Verbs
from controllers.kube.watch.projections import INITIAL_EVENTS_END
from schemagen.model import registry

NAMESPACES: Final = ("default", "kube-node-lease", "kube-public", "kube-system")
BOOKMARK_SECONDS: Final = 60.0
LATENCY_SECONDS: Final = 0.001
_PAGE_NOT_FOUND: Final = b"404 page not found\n"


@dataclasses.dataclass(slots=True, kw_only=True)
class Fault:
    """A fault that affects the next requests of a kind.

    Attributes:
        verb: As in RBAC; empty for any.
        plural: The resource; empty for any.
        name: Of the object; empty for any.
        times: How many more requests; the next ones are served.
        refusal: The answer; None serves the request.
        seconds: Delay before it is served.
        seconds_after: Delay after it was served, before the answer.
        loses_request: Whether the connection ends before it is served.
        loses_answer: Whether the connection ends after it was served.
        taken: How many requests it has affected.
    """

    verb: str = ""
    plural: str = ""
    name: str = ""
    times: int = 1
    refusal: statuses.Refusal | None = None
    seconds: float = 0.0
    seconds_after: float = 0.0
    loses_request: bool = False
    loses_answer: bool = False
    taken: int = 0

    def is_of(self, call: Call) -> bool:
        """Whether it affects a request."""
        return (
            self.times > 0
            and self.verb in {"", call.verb}
            and self.plural in {"", call.plural}
            and self.name in {"", call.name}
        )

    def stop(self) -> None:
        """Affect no more requests."""
        self.times = 0


def _allow(operation: str, value: JSON, old: JSON | None) -> JSON:
    del operation, old
    return value


class ApiServer:
    """An API server with the built-in kinds that are in use, and those of APIs.

    Args:
        apis: APIs of ``schemagen`` whose kinds are served.
        clock: For timestamps.
        admit: Admission of custom objects.
        latency_seconds: How long each request takes.
        collects_garbage: Whether objects whose owners are gone are deleted, as the garbage
            collector does.
    """

    def __init__(
        self,
        *apis: registry.Api,
        clock: Clock | None = None,
        admit: Admit = _allow,
        latency_seconds: float = LATENCY_SECONDS,
        collects_garbage: bool = False,
    ) -> None:
        self.clock = clock or Clock()
        self.storage = Storage()
        self.calls: list[Call] = []
        """The requests so far."""
        self._latency_seconds, self._collects_garbage = latency_seconds, collects_garbage
        self._families: dict[tuple[str, str], Family] = {}
        self._converts: dict[str, Convert] = {}
        self._faults: list[Fault] = []
        self._watches: set[_Watch] = set()
        self._verbs = Verbs(self.storage, self._now, admit, self._defined, self._removed)
        for family in kinds.built_in():
            self._serve(family)
        for name in NAMESPACES:
            self._place(resources.NAMESPACES, {"metadata": {"name": name}})
        for api in apis:
            for definition, convert in custom_kinds.of_api(api):
                self.define(definition, convert)

    def client(self, **options: Unpack[Options]) -> Client:
        """Return a client of this server, to be opened with ``async with``."""

        async def source() -> access.Access:
            return access.Access(server="https://api-server.testing")

        return Client(source, connect=lambda _, __: Connections(self), **options)

    def define(self, definition: JSON, convert: Convert | None = None) -> None:
        """Serve the kind of a CustomResourceDefinition, with the conversion of its versions."""
        if convert is not None:
            self._converts[definition["metadata"]["name"]] = convert
        self._place(resources.CUSTOM_RESOURCE_DEFINITIONS, definition)

    def objects(self, resource: Resource, namespace: str | None = None) -> list[JSON]:
        """Return the stored objects of a resource, in its version."""
        family = self._families[resource.group, resource.plural]
        found = self.storage.objects(family.collection, namespace)
        return [family.shown(value, resource.version) for _, value in found]

    # --- Faults -----------------------------------------------------------------------------------

    def refuse(
        self,
        verb: str = "",
        plural: str = "",
        *,
        code: int,
        message: str = "",
        name: str = "",
        times: int = 1,
        retry_after_seconds: int | None = None,
    ) -> Fault:
        """Refuse the next requests with an HTTP status."""
        refusal = statuses.injected(code, message, retry_after_seconds)
        return self.inject(Fault(verb=verb, plural=plural, name=name, times=times, refusal=refusal))

    def inject(self, fault: Fault) -> Fault:
        """Inject a fault into the next requests and return it."""
        self._faults.append(fault)
        return fault

    def drop_watches(self, plural: str = "") -> int:
        """Break the connections of watches; return how many."""
        dropped = [watch for watch in self._watches if plural in {"", watch.call.plural}]
        for watch in dropped:
            watch.is_lost = True
        self.storage.wake()
        return len(dropped)

    def compact(self) -> None:
        """Forget the history, so that older resourceVersions are gone (410)."""
        self.storage.touch()
        self.storage.compact()

    # --- Serving ----------------------------------------------------------------------------------

    async def serve(self, request: Request, user_agent: str) -> "Answer | _Watch":
        """Answer a request.

        Raises:
            LostError: A fault ends the connection.
        """
        await asyncio.sleep(self._latency_seconds)
        try:
            call = calls.parsed(request, self._families, user_agent)
        except calls.NoSuchPathError:
            return Answer(404, "", (), _PAGE_NOT_FOUND)
        self.calls.append(call)
        fault = self._fault(call)
        await asyncio.sleep(fault.seconds)
        if fault.loses_request:
            raise LostError
        answer = self._served(call, fault)
        await asyncio.sleep(fault.seconds_after)
        if fault.loses_answer:
            if isinstance(answer, _Watch):
                answer.close()
            raise LostError
        return answer

    def _fault(self, call: Call) -> Fault:
        fault = next((one for one in self._faults if one.is_of(call)), None)
        if fault is None:
            return Fault(times=0)
        fault.times, fault.taken = fault.times - 1, fault.taken + 1
        return fault

    def _served(self, call: Call, fault: Fault) -> "Answer | _Watch":
        try:
            if fault.refusal is not None:
                raise fault.refusal
            if call.verb == "watch":
                return _Watch(call, self.storage, self._watches)
            response = self._verbs.answer(call)
        except statuses.Refusal as refusal:
            seconds = refusal.retry_after_seconds
            after = "" if seconds is None else str(seconds)
            return Answer(refusal.status["code"], after, (), orjson.dumps(refusal.status))
        warnings = tuple(f"299 - {_quoted(text)}" for text in response.warnings)
        return Answer(response.code, "", warnings, orjson.dumps(_accepted(call, response.body)))

    def _now(self) -> Any:
        return self.clock.now()

    def _serve(self, family: Family) -> None:
        resource = family.versions[family.storage].resource
        self._families[resource.group, resource.plural] = family

    def _place(self, resource: Resource, value: JSON) -> None:
        request = Request("POST", resource.path(), body=orjson.dumps(value))
        self._verbs.answer(calls.parsed(request, self._families))

    def _defined(self, definition: JSON, *, is_served: bool) -> None:
        name = definition["metadata"]["name"]
        spec = definition["spec"]
        if is_served:
            self._serve(custom_kinds.of_definition(definition, self._converts.get(name)))
            return
        family = self._families.pop((spec["group"], spec["names"]["plural"]))
        for place, _ in self.storage.objects(family.collection):
            self.storage.remove(place)

    def _removed(self, gone: JSON) -> None:
        """Delete what the object owned; what has another owner stays."""
        if not self._collects_garbage:
            return
        uid = gone["metadata"]["uid"]
        for family in [*self._families.values()]:
            resource = family.versions[family.storage].resource
            for place, value in self.storage.objects(family.collection):
                owners = [owner["uid"] for owner in value["metadata"].get("ownerReferences", ())]
                if owners == [uid]:
                    path = resource.path(place.namespace or None, place.name)
                    self._verbs.answer(calls.parsed(Request("DELETE", path), self._families))


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _accepted(call: Call, body: JSON) -> JSON:
    """Return what the client sees, which is only the metadata if it wants no more."""
    if call.kind.shown and body.get("kind") == call.kind.resource.kind:
        body = {**call.kind.shown, **body}
    if "as=PartialObjectMetadata" not in call.accepts or body.get("kind") == "Status":
        return body
    named = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
    return {**named, "metadata": body["metadata"]}


class Connections:
    """The client's connections to a server in this process."""

    def __init__(self, server: ApiServer) -> None:
        self.users = 0
        self._server = server
        self._open: set[_Watch] = set()

    async def call(self, request: Request, headers: access.Headers) -> Answer:
        """Send a request and return the response."""
        answer = await self._server.serve(request, _user_agent(headers))
        if not isinstance(answer, Answer):
            answer.close()
            raise LostError("expected a complete response, got a watch")
        return answer

    async def watch(self, request: Request, headers: access.Headers) -> "Answer | _Watch":
        """Send a watch and return its stream, or the refusal."""
        answer = await self._server.serve(request, _user_agent(headers))
        if not isinstance(answer, Answer):
            self._open.add(answer)
        return answer

    async def close(self) -> None:
        """End all watches."""
        for watch in self._open:
            watch.is_lost = True
            watch.close()
        self._server.storage.wake()


def _user_agent(headers: access.Headers) -> str:
    return next((value for name, value in headers if name.lower() == "user-agent"), "")


class _Watch:
    """The stream of a watch."""

    status = 200
    warnings: tuple[str, ...] = ()

    def __init__(self, call: Call, storage: Storage, open_watches: "set[_Watch]") -> None:
        self.call, self._storage = call, storage
        self.is_lost = False
        self._matches: Matches = call.matches()
        self._clock: Callable[[], float] = asyncio.get_running_loop().time
        seconds = float(call.query.get("timeoutSeconds") or 1800)
        self._ends = self._clock() + seconds
        self._bookmark_at = self._clock() + BOOKMARK_SECONDS
        self._is_ended = False
        self._unsent: list[bytes] = []
        self._begin(call.query.get("resourceVersion", ""))
        self._open_watches = open_watches
        open_watches.add(self)

    def _begin(self, version: str) -> None:
        if version in {"", "0"}:
            self._revision = self._storage.revision
            for _, value in self._chosen():
                self._send("ADDED", value)
            if self.call.query.get("sendInitialEvents") == "true":
                self._bookmark({INITIAL_EVENTS_END: "true"})
        else:
            self._revision = int(version)

    def _chosen(self) -> Iterable[tuple[Place, JSON]]:
        found = self._storage.objects(self.call.family.collection, self.call.namespace or None)
        return [item for item in found if self._matches(self._shown(item[1]))]

    async def read(self) -> bytes:
        """Return the next events; empty at the end."""
        while True:
            if self.is_lost:
                raise LostError
            if not self._is_ended:
                self._follow()
            if self._unsent or self._is_ended:
                sent, self._unsent = b"".join(self._unsent), []
                return sent
            await self._wait()

    async def _wait(self) -> None:
        now = self._clock()
        if now >= self._ends:
            self._is_ended = True
        elif now >= self._bookmark_at:
            self._bookmark({})
        else:
            try:
                async with asyncio.timeout(min(self._ends, self._bookmark_at) - now):
                    await self._storage.changed()
            except TimeoutError:
                pass

    def close(self) -> None:
        """End the watch."""
        self._is_ended = True
        self._open_watches.discard(self)

    def _follow(self) -> None:
        try:
            changes = [*self._storage.since(self._revision)]
        except CompactedError:
            text = f"too old resource version: {self._revision} ({self._storage.oldest})"
            self._write("ERROR", statuses.expired(text).status)
            self._is_ended = True
            return
        for change in changes:
            self._revision = change.revision
            if self._is_of(change.place):
                self._change(change)

    def _is_of(self, place: Place) -> bool:
        is_here = self.call.namespace in {"", place.namespace}
        return place.collection == self.call.family.collection and is_here

    def _change(self, change: Change) -> None:
        is_now = change.type != "DELETED" and self._matches(self._shown(change.object))
        was = change.before is not None and self._matches(self._shown(change.before))
        if is_now:
            self._send("MODIFIED" if was else "ADDED", change.object)
        elif was and change.type == "DELETED":
            self._send("DELETED", change.object)
        elif was and change.before is not None:
            # It left the selection: watchers see what they knew, at the new revision.
            metadata = {**change.before["metadata"], "resourceVersion": str(change.revision)}
            self._send("DELETED", {**change.before, "metadata": metadata})

    def _shown(self, value: JSON) -> JSON:
        return self.call.family.shown(value, self.call.version)

    def _bookmark(self, annotations: JSON) -> None:
        self._bookmark_at = self._clock() + BOOKMARK_SECONDS
        resource = self.call.kind.resource
        metadata: JSON = {"resourceVersion": str(self._revision)}
        metadata |= {"annotations": annotations} if annotations else {}
        named = {"kind": resource.kind, "apiVersion": resource.api_version}
        self._write("BOOKMARK", {**named, "metadata": metadata})

    def _send(self, type_: str, value: JSON) -> None:
        self._write(type_, _accepted(self.call, self._shown(value)))

    def _write(self, type_: str, value: JSON) -> None:
        self._unsent.append(orjson.dumps({"type": type_, "object": value}) + b"\n")
