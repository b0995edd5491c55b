"""Typed views of objects: only the fields that a controller needs, in immutable structs. Pure.

class Run(kube.Projection, frozen=True):
    spec: RunSpec
    status: RunStatus = RunStatus()

Fields that a struct does not declare are neither decoded nor kept, managedFields above all. A null
is an absent field, as in Kubernetes (api-conventions.md, "Optional vs. Required"): Go writes one
for an unset time, list or map, and a kubelet does so for a lost container (tekton#9657).
"""

import contextlib
import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Generic, Literal, NamedTuple, TypeVar

import msgspec

from controllers.kube import errors
from controllers.kube.clocks import time_text
from controllers.kube.resources import Resource
from controllers.kube.responses import decode

INITIAL_EVENTS_END = "k8s.io/initial-events-end"
_CHANGES = frozenset({"ADDED", "MODIFIED", "DELETED"})
# JSON structure: a complete string, or a single character.
_TOKEN: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]:,]')


class Key(NamedTuple):
    """Namespace and name of an object."""

    namespace: str
    """Empty for cluster-scoped kinds."""
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class OwnerReference(msgspec.Struct, frozen=True, rename="camel"):
    """An owner of an object; a kind's name is only unique within its API group."""

    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool = False

    def is_of(self, resource: Resource) -> bool:
        """Return whether the owner is of a resource's kind, in any version."""
        group = self.api_version.rpartition("/")[0]
        return (group, self.kind) == (resource.group, resource.kind)


class Metadata(msgspec.Struct, frozen=True, rename="camel"):
    """Metadata of every object; times are RFC 3339 strings, as the API server writes them."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str = ""
    deletion_timestamp: str = ""
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}
    finalizers: tuple[str, ...] = ()
    owner_references: tuple[OwnerReference, ...] = ()


class Projection(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Base of a kind's view; declare ``spec`` and ``status`` with the needed fields."""

    metadata: Metadata

    @property
    def key(self) -> Key:
        """Namespace and name of the object."""
        return Key(self.metadata.namespace, self.metadata.name)


class Condition(msgspec.Struct, frozen=True, rename="camel", kw_only=True, gc=False):
    """A condition of an object (metav1.Condition)."""

    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    observed_generation: int = 0
    last_transition_time: str = ""


def condition(
    kind: str,
    value: tuple[str, str, str],
    generation: int,
    known: Iterable[Condition],
    now: dt.datetime,
) -> dict[str, Any]:
    """Build a condition; its transition time is kept while its status is unchanged.

    Args:
        kind: Its type.
        value: Its status, reason and message.
        generation: Of the object that it is about.
        known: The conditions so far.
        now: Aware UTC time.
    """
    status, reason, message = value
    before = next((each for each in known if each.type == kind), None)
    is_kept = before is not None and before.status == status
    since = before.last_transition_time if before is not None and is_kept else time_text(now)
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "observedGeneration": generation,
        "lastTransitionTime": since,
    }


T = TypeVar("T", bound=Projection)


class Change(NamedTuple, Generic[T]):
    """A change of an object; ``before`` is None if it is new, ``after`` if it was deleted."""

    key: Key
    before: T | None
    after: T | None


class Unreadable(NamedTuple):
    """An object that does not match its view.

    Attributes:
        key: Namespace and name.
        uid: Its uid.
        resource_version: resourceVersion of the unreadable state.
        problem: What was expected, what came, and where.
    """

    key: Key
    uid: str
    resource_version: str
    problem: str


class WatchEvent(NamedTuple, Generic[T]):
    """A watch event.

    Attributes:
        type: ADDED, MODIFIED or DELETED; BOOKMARK only has a resourceVersion.
        object: None for a bookmark and for an object that does not match the view.
        resource_version: Where to resume.
        ends_initial: Whether all initially existing objects have been sent.
        unreadable: The object that does not match the view.
    """

    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]
    object: T | None
    resource_version: str
    ends_initial: bool = False
    unreadable: Unreadable | None = None


class Page(NamedTuple, Generic[T]):
    """A page of a list; ``continuation`` is empty on the last one."""

    items: tuple[T, ...]
    resource_version: str
    continuation: str
    unreadable: tuple[Unreadable, ...] = ()


class _Identity(msgspec.Struct, frozen=True, rename="camel"):
    name: str
    resource_version: str = ""
    namespace: str = ""
    uid: str = ""


class _Bookmark(msgspec.Struct, frozen=True):
    metadata: Metadata


S = TypeVar("S", bound=msgspec.Struct)


class _NullTolerant(Generic[S]):
    """Decodes a struct; what does not match is decoded again without its nulls."""

    def __init__(self, struct: type[S]) -> None:
        self._decoder = msgspec.json.Decoder(struct)
        self._raw = _raw_members(struct)

    def decode(self, value: bytes) -> S:
        try:
            return self._decoder.decode(value)
        except msgspec.ValidationError:
            members = msgspec.json.decode(value)
            if not isinstance(members, dict):
                raise
            return self._decoder.decode(msgspec.json.encode(_without_nulls(members, self._raw)))


def _raw_members(struct: type[msgspec.Struct]) -> frozenset[str]:
    """Fields that a struct keeps as raw JSON: nulls in them are the user's data."""
    fields = msgspec.structs.fields(struct)
    return frozenset(field.encode_name for field in fields if field.type is msgspec.Raw)


def _without_nulls(value: errors.JSON, kept: frozenset[str] = frozenset()) -> errors.JSON:
    match value:
        case dict():
            return {
                name: item if name in kept else _without_nulls(item)
                for name, item in value.items()
                if item is not None
            }
        case list():
            return [_without_nulls(item) for item in value if item is not None]
        case _:
            return value


class _ListMetadata(msgspec.Struct, frozen=True, rename="camel"):
    resource_version: str = ""
    continuation: str = msgspec.field(default="", name="continue")


class Decoder(Generic[T]):
    """Decodes watch lines and list pages of a kind.

    Users may create objects that a view does not match, past a schema that is newer, older or
    broken: such an object is reported and does not affect the others.
    """

    def __init__(self, view: type[T]) -> None:
        self._event: msgspec.json.Decoder[Any] = msgspec.json.Decoder(
            msgspec.defstruct("_Event", [("type", str), ("object", view)])
        )
        self._object = _NullTolerant(view)
        self._page: msgspec.json.Decoder[Any] = msgspec.json.Decoder(
            msgspec.defstruct(
                "_Page",
                [("metadata", _ListMetadata), ("items", tuple[view, ...] | None, None)],  # type: ignore[valid-type]
            )
        )

    def event(self, line: bytes, request: str) -> WatchEvent[T] | None:
        """Decode a line of a watch; None for an event type of a newer API server.

        Raises:
            ApiError: An ERROR event: GoneError if the resourceVersion is too old.
            AnswerError: The line is not an event, or its object has no readable identity.
        """
        problem: Exception | None = None
        try:
            event = self._event.decode(line)
        except (msgspec.MsgspecError, RecursionError) as error:
            problem = error
        else:
            if event.type in _CHANGES:
                return WatchEvent(event.type, event.object, event.object.metadata.resource_version)
        try:
            return self._other_event(line, request, problem)
        except (msgspec.MsgspecError, RecursionError, KeyError) as error:
            raise _unexpected(problem or error, "an event", line, request) from error

    def _other_event(
        self, line: bytes, request: str, problem: Exception | None
    ) -> WatchEvent[T] | None:
        """Decode an event without an object of the kind, or with an unreadable one."""
        members = dict(parts(line))
        value = members["object"]
        match _type.decode(members["type"]):
            case "BOOKMARK":
                metadata = _bookmark.decode(value).metadata
                is_end = metadata.annotations.get(INITIAL_EVENTS_END) == "true"
                return WatchEvent("BOOKMARK", None, metadata.resource_version, is_end)
            case "ERROR":
                raise errors.from_status(decode(value, request), request=request)
            case ("ADDED" | "MODIFIED" | "DELETED") as changed if problem is not None:
                return self._read_again(changed, value, problem)
            case _:
                return None

    def _read_again(
        self, changed: Literal["ADDED", "MODIFIED", "DELETED"], value: bytes, problem: Exception
    ) -> WatchEvent[T]:
        try:
            decoded = self._object.decode(value)
        except (msgspec.MsgspecError, RecursionError):
            unreadable = _unreadable(value, problem)
            return WatchEvent(changed, None, unreadable.resource_version, unreadable=unreadable)
        return WatchEvent(changed, decoded, decoded.metadata.resource_version)

    def page(self, body: bytes, request: str) -> Page[T]:
        """Decode a page of a list.

        Raises:
            AnswerError: It is not a list, or has an object without readable identity.
        """
        try:
            page = self._page.decode(body)
        except (msgspec.MsgspecError, RecursionError) as problem:
            try:
                return self._page_one_by_one(body)
            except (msgspec.MsgspecError, RecursionError, KeyError) as error:
                raise _unexpected(problem, "a list", body, request) from error
        metadata = page.metadata
        return Page(page.items or (), metadata.resource_version, metadata.continuation)

    def _page_one_by_one(self, body: bytes) -> Page[T]:
        members = dict(parts(body))
        metadata = _list_metadata.decode(members["metadata"])
        items, unreadable = list[T](), list[Unreadable]()
        for _, value in parts(members.get("items", b"[]")):
            try:
                items.append(self._object.decode(value))
            except (msgspec.MsgspecError, RecursionError) as error:
                unreadable.append(_unreadable(value, error))
        version, continuation = metadata.resource_version, metadata.continuation
        return Page(tuple(items), version, continuation, tuple(unreadable))


_type: Final = msgspec.json.Decoder(str)
_list_metadata: Final = _NullTolerant(_ListMetadata)
_identity: Final = _NullTolerant(_Identity)
_bookmark: Final = _NullTolerant(_Bookmark)


def parts(value: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the fields of a JSON object, or the items of an array with empty names, undecoded.

    Nested values are not parsed, so this works on values nested too deeply for a decoder.
    """
    depth, start, name = 0, 0, ""
    for token in _TOKEN.finditer(value):
        match token[0]:
            case b"{" | b"[":
                depth += 1
                start = token.end() if depth == 1 else start
            case b"}" | b"]":
                depth -= 1
            case b":" if depth == 1:
                name, start = _type.decode(value[start : token.start()]), token.end()
        if depth == 0 or (depth == 1 and token[0] == b","):
            if part := value[start : token.start()].strip():
                yield name, part
            start = token.end()
        if depth == 0:
            return


def view_of(view: type[T], value: errors.JSON) -> T:
    """Convert an object that was read or written by itself to a view.

    Raises:
        AnswerError: The view does not match it.
    """
    try:
        return msgspec.convert(value, view)
    except msgspec.ValidationError as error:
        problem = error
    with contextlib.suppress(msgspec.ValidationError):
        return msgspec.convert(_without_nulls(value, _raw_members(view)), view)
    metadata = value.get("metadata") or {}
    key = Key(str(metadata.get("namespace", "")), str(metadata.get("name", "")))
    kind = value.get("kind", "object")
    raise errors.AnswerError(f"expected {kind} {key} to be readable: {problem}") from problem


def _unreadable(value: bytes, problem: Exception) -> Unreadable:
    identity = _identity.decode(dict(parts(value))["metadata"])
    reason = "nested too deeply" if isinstance(problem, RecursionError) else str(problem)
    return Unreadable(
        Key(identity.namespace, identity.name), identity.uid, identity.resource_version, reason
    )


def _unexpected(error: Exception, what: str, body: bytes, request: str) -> errors.AnswerError:
    return errors.AnswerError(f"expected {what} from {request}, got {body[:64]!r}: {error}")
