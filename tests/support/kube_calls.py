"""Requests to a Kubernetes API and its answers, as what stands between the two reads them. Pure."""

import dataclasses
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, Self, TypeAlias, get_args

import msgspec
import orjson

Verb: TypeAlias = Literal[
    "get",
    "list",
    "page",  # a further one of a list
    "watch",
    "watchlist",  # a watch that lists first (KEP-3157)
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
]
ALL: Final[frozenset[str]] = frozenset(get_args(Verb))
WATCHES: Final = frozenset({"watch", "watchlist"})
UPDATES: Final = frozenset({"update", "patch"})
WRITES: Final = UPDATES | {"create", "delete", "deletecollection"}

# What is written by the clock and by others than reconcilers; and questions that are POSTed.
_UNCOUNTED: Final = frozenset({"leases.coordination.k8s.io", "events", "events.events.k8s.io"})
_QUESTIONS: Final = (".authorization.k8s.io", ".authentication.k8s.io", "/token")
_NAMESPACE_SUBRESOURCES: Final = ("status", "finalize")


@dataclasses.dataclass(frozen=True, slots=True)
class Call:
    """A request as Kubernetes reads it."""

    verb: Verb
    path: str
    query: tuple[tuple[str, str], ...]
    kind: str
    """``PLURAL[.GROUP]``; the path where it is none."""
    namespace: str
    name: str
    subresource: str

    @classmethod
    def of(cls, method: str, target: str) -> Self:
        """Read method, path and query."""
        path, _, text = target.partition("?")
        query = tuple(urllib.parse.parse_qsl(text, keep_blank_values=True))
        address = _address(path)
        is_collection = address[0] != path and not address[2]
        verb = _verb(method, dict(query), is_collection=is_collection)
        return cls(verb, path, query, *address)

    @property
    def resource(self) -> str:
        """The kind and the subresource."""
        return f"{self.kind}/{self.subresource}" if self.subresource else self.kind

    @property
    def is_counted(self) -> bool:
        """Whether a controller decided to write it, and something may land.

        Neither Leases and Events, nor dry runs, nor reviews.
        """
        return (
            self.verb in WRITES
            and self.kind not in _UNCOUNTED
            and not self.resource.endswith(_QUESTIONS)
            and "dryRun" not in dict(self.query)
        )

    @property
    def revision(self) -> int:
        """The resourceVersion that is asked for; 0 for none."""
        asked = dict(self.query).get("resourceVersion", "")
        return int(asked) if asked.isdecimal() else 0

    @property
    def is_resource(self) -> bool:
        """Whether it is about objects."""
        return self.kind != self.path

    @property
    def is_exact(self) -> bool:
        """Whether it says of which revision the answer must be."""
        return dict(self.query).get("resourceVersionMatch") == "Exact"

    def listed_at(self, revision: int) -> str:
        """The target that lists all of it as it was."""
        version = {"resourceVersion": str(revision), "resourceVersionMatch": "Exact"}
        watching = ("watch", "allowWatchBookmarks", "sendInitialEvents", "timeoutSeconds")
        return self._target(version, without=watching if self.verb in WATCHES else ())

    def watched_from(self, revision: int) -> str:
        """The target that watches it from there on."""
        initial = ("sendInitialEvents", "resourceVersionMatch")
        return self._target({"resourceVersion": str(revision)}, without=initial)

    def _target(self, parameters: dict[str, str], *, without: Sequence[str]) -> str:
        kept = {name: value for name, value in self.query if name not in without}
        return f"{self.path}?{urllib.parse.urlencode({**kept, **parameters})}"


def _address(path: str) -> tuple[str, str, str, str]:
    """Kind, namespace, name and subresource, as ``k8s.io/apiserver`` RequestInfo finds them."""
    match [urllib.parse.unquote(one) for one in path.strip("/").split("/")]:
        case ["api", _, first, *rest]:
            group = ""
        case ["apis", group, _, first, *rest]:
            pass
        case _:
            return path, "", "", ""
    namespace = ""
    if first == "namespaces" and len(rest) > 1 and rest[1] not in _NAMESPACE_SUBRESOURCES:
        namespace, first, *rest = rest
    kind = f"{first}.{group}" if group else first
    return kind, namespace, "".join(rest[:1]), "/".join(rest[1:])


_WRITING: Final[Mapping[str, Verb]] = {"POST": "create", "PUT": "update", "PATCH": "patch"}


def _verb(method: str, query: Mapping[str, str], *, is_collection: bool) -> Verb:
    if method in _WRITING:
        return _WRITING[method]
    if method == "DELETE":
        return "deletecollection" if is_collection else "delete"
    if query.get("watch", "0") not in {"0", "false"}:
        return "watchlist" if query.get("sendInitialEvents", "0") in {"1", "true"} else "watch"
    if not is_collection:
        return "get"
    return "page" if query.get("continue") else "list"


# Reasons and sentences of k8s.io/apimachinery v0.37 pkg/api/errors.
_CONFLICT: Final = (
    "Operation cannot be fulfilled on {}: the object has been modified; please apply your changes "
    "to the latest version and try again"
)
_REFUSALS: Final = {
    409: ("Conflict", _CONFLICT),
    410: ("Expired", "The provided continue parameter is too old"),
    429: ("TooManyRequests", "too many requests, please try again later"),
    500: ("InternalError", "Internal error occurred: refused on the way"),
    503: ("ServiceUnavailable", "the server is currently unable to handle the request"),
    504: ("Timeout", "Timeout: request did not complete within the allotted timeout"),
}


def refusal(call: Call, code: int, retry_after_seconds: int | None = None) -> dict[str, Any]:
    """The Status of a request that is not carried out."""
    reason, message = _REFUSALS[code]
    kind, _, group = call.kind.partition(".")
    details = {
        "name": call.name,
        "group": group,
        "kind": kind,
        "retryAfterSeconds": retry_after_seconds,
    }
    return {
        **_status(code, reason, message.format(f'{call.kind} "{call.name}"')),
        "details": {name: value for name, value in details.items() if value},
    }


def lost_write() -> dict[str, Any]:
    """The Status of a write that etcd carried out, but did not acknowledge in time."""
    return _status(500, "InternalError", "Internal error occurred: etcdserver: request timed out")


def expired(revision: int) -> dict[str, Any]:
    """The Status that ends a watch whose history is gone."""
    return _status(410, "Expired", f"too old resource version: {revision} ({revision + 1})")


def _status(code: int, reason: str, message: str) -> dict[str, Any]:
    fixed = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    return {**fixed, "message": message, "reason": reason, "code": code}


def initial_events(listed: bytes) -> list[bytes]:
    """The lines by which a watch would send a list."""
    whole = orjson.loads(listed)
    named = {"kind": whole["kind"].removesuffix("List"), "apiVersion": whole["apiVersion"]}
    version = whole["metadata"]["resourceVersion"]
    ends = {"k8s.io/initial-events-end": "true"}
    last = {**named, "metadata": {"resourceVersion": version, "annotations": ends}}
    events = [{"type": "ADDED", "object": named | item} for item in whole["items"] or ()]
    events.append({"type": "BOOKMARK", "object": last})
    return [orjson.dumps(event) + b"\n" for event in events]


class Metadata(msgspec.Struct, frozen=True, rename="camel"):
    """What identifies an object or a list."""

    name: str = ""
    namespace: str = ""
    resource_version: str = ""

    @property
    def revision(self) -> int:
        """0 for none."""
        return int(self.resource_version) if self.resource_version.isdecimal() else 0


class _Object(msgspec.Struct, frozen=True):
    metadata: Metadata = Metadata()


class Event(msgspec.Struct, frozen=True):
    """A line of a watch."""

    type: str = ""
    object: _Object = _Object()

    @property
    def metadata(self) -> Metadata:
        """That of its object."""
        return self.object.metadata


def metadata(body: bytes) -> Metadata:
    """That of an object or list; empty where there is none."""
    try:
        return msgspec.json.decode(body, type=_Object).metadata
    except msgspec.MsgspecError:
        return Metadata()


def event(line: bytes) -> Event:
    """A line as an event; an empty one where it is none."""
    try:
        return msgspec.json.decode(line, type=Event)
    except msgspec.MsgspecError:
        return Event()
