"""Typed views of objects: only the fields that a controller needs, in immutable structs. Pure.

class Run(kube.Projection, frozen=True):
    spec: RunSpec
    status: RunStatus = RunStatus()

What a struct does not name is never decoded or kept, managedFields above all. A null is an absent
field, as in Kubernetes (api-conventions.md, "Optional vs. Required"): Go writes one for a time,
list or map that was never set, and a kubelet does so of a container that it lost (tekton#9657).
"""

import contextlib
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, Generic, Literal, NamedTuple, TypeVar

import msgspec

from controllers.kube import errors
from controllers.kube.answers import decode
from controllers.kube.resources import Resource

INITIAL_EVENTS_END = "k8s.io/initial-events-end"
_CHANGES = frozenset({"ADDED", "MODIFIED", "DELETED"})
# What structures JSON: a whole string, or one character.
_TOKEN: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]:,]')


class Key(NamedTuple):
    """Which object of a kind."""

    namespace: str
    """Empty for cluster-scoped kinds."""
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class OwnerReference(msgspec.Struct, frozen=True, rename="camel"):
    """Who owns an object; a kind's name means something in its API group only."""

    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool = False

    def is_of(self, resource: Resource) -> bool:
        """Whether the owner is of a kind, in whichever version it was named."""
        group = self.api_version.rpartition("/")[0]
        return (group, self.kind) == (resource.group, resource.kind)


class Metadata(msgspec.Struct, frozen=True, rename="camel"):
    """What every object has; instants are as the API server writes them, in RFC 3339."""

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
    """Base of a kind's view; add ``spec`` and ``status`` with the fields that matter."""

    metadata: Metadata

    @property
    def key(self) -> Key:
        """Which object this is."""
        return Key(self.metadata.namespace, self.metadata.name)


T = TypeVar("T", bound=Projection)


class Change(NamedTuple, Generic[T]):
    """What became of one object; ``before`` is None for a new one, ``after`` for one that went."""

    key: Key
    before: T | None
    after: T | None


class Unreadable(NamedTuple):
    """An object that does not fit its view.

    Attributes:
        key: Which object.
        uid: Its uid.
        resource_version: Of the object as it cannot be read.
        problem: What was expected, what came, and where.
    """

    key: Key
    uid: str
    resource_version: str
    problem: str


class Seen(NamedTuple, Generic[T]):
    """One event of a watch.

    Attributes:
        type: ADDED, MODIFIED, DELETED; BOOKMARK says only where the watch is.
        object: None for a bookmark, and for an object that does not fit the view.
        resource_version: Where to go on from.
        ends_initial: Whether all objects that existed at first have been sent.
        unreadable: The object that does not fit the view.
    """

    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]
    object: T | None
    resource_version: str
    ends_initial: bool = False
    unreadable: Unreadable | None = None


class Page(NamedTuple, Generic[T]):
    """A part of a list; ``continuation`` is empty on the last."""

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
    """Decodes a struct; what does not fit it is read once more without its nulls."""

    def __init__(self, struct: type[S]) -> None:
        self._decoder = msgspec.json.Decoder(struct)
        self._raw = _raw_members(struct)

    def decode(self, value: bytes) -> S:
        try:
            return self._decoder.decode(value)
        except msgspec.ValidationError:
            whole = msgspec.json.decode(value)
            if not isinstance(whole, dict):
                raise
            return self._decoder.decode(msgspec.json.encode(_without_nulls(whole, self._raw)))


def _raw_members(struct: type[msgspec.Struct]) -> frozenset[str]:
    """The members that a struct keeps as text: their nulls are the user's data."""
    fields = msgspec.structs.fields(struct)
    return frozenset(field.encode_name for field in fields if field.type is msgspec.Raw)


def _without_nulls(value: errors.JSON, kept: frozenset[str] = frozenset()) -> errors.JSON:
    match value:
        case dict():
            return {
                name: one if name in kept else _without_nulls(one)
                for name, one in value.items()
                if one is not None
            }
        case list():
            return [_without_nulls(one) for one in value if one is not None]
        case _:
            return value


class _ListMetadata(msgspec.Struct, frozen=True, rename="camel"):
    resource_version: str = ""
    continuation: str = msgspec.field(default="", name="continue")


class Decoder(Generic[T]):
    """Reads watch lines and list pages of one kind.

    Whoever may create an object may create one that a view does not fit, past a schema that is
    newer, older or broken: such an object is reported, and keeps no other from being read.
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

    def event(self, line: bytes, request: str) -> Seen[T] | None:
        """One line of a watch; None for a type that a newer API server may send.

        Raises:
            ApiError: An ERROR event: GoneError where the resourceVersion is too old.
            AnswerError: The line is no event, or of an object that does not say which it is.
        """
        problem: Exception | None = None
        try:
            event = self._event.decode(line)
        except (msgspec.MsgspecError, RecursionError) as error:
            problem = error
        else:
            if event.type in _CHANGES:
                return Seen(event.type, event.object, event.object.metadata.resource_version)
        try:
            return self._other_event(line, request, problem)
        except (msgspec.MsgspecError, RecursionError, KeyError) as error:
            raise _unexpected(problem or error, "an event", line, request) from error

    def _other_event(self, line: bytes, request: str, problem: Exception | None) -> Seen[T] | None:
        """What tells of no object, and need not look like one; or of one that cannot be read."""
        members = dict(parts(line))
        value = members["object"]
        match _type.decode(members["type"]):
            case "BOOKMARK":
                metadata = _bookmark.decode(value).metadata
                is_end = metadata.annotations.get(INITIAL_EVENTS_END) == "true"
                return Seen("BOOKMARK", None, metadata.resource_version, is_end)
            case "ERROR":
                raise errors.from_status(decode(value, request), request=request)
            case ("ADDED" | "MODIFIED" | "DELETED") as changed if problem is not None:
                return self._read_again(changed, value, problem)
            case _:
                return None

    def _read_again(
        self, changed: Literal["ADDED", "MODIFIED", "DELETED"], value: bytes, problem: Exception
    ) -> Seen[T]:
        try:
            found = self._object.decode(value)
        except (msgspec.MsgspecError, RecursionError):
            unreadable = _unreadable(value, problem)
            return Seen(changed, None, unreadable.resource_version, unreadable=unreadable)
        return Seen(changed, found, found.metadata.resource_version)

    def page(self, body: bytes, request: str) -> Page[T]:
        """One page of a list.

        Raises:
            AnswerError: It is no list, or of objects that do not say which they are.
        """
        try:
            found = self._page.decode(body)
        except (msgspec.MsgspecError, RecursionError) as problem:
            try:
                return self._page_one_by_one(body)
            except (msgspec.MsgspecError, RecursionError, KeyError) as error:
                raise _unexpected(problem, "a list", body, request) from error
        metadata = found.metadata
        return Page(found.items or (), metadata.resource_version, metadata.continuation)

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
    """The members of a JSON object, or the items of an array with empty names, undecoded.

    It looks into none of them, so that it reads what is nested too deeply for a decoder.
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
            if found := value[start : token.start()].strip():
                yield name, found
            start = token.end()
        if depth == 0:
            return


def view_of(view: type[T], value: errors.JSON) -> T:
    """A view of an object that was read or written by itself.

    Raises:
        AnswerError: The view does not fit it.
    """
    try:
        return msgspec.convert(value, view)
    except msgspec.ValidationError as error:
        problem = error
    with contextlib.suppress(msgspec.ValidationError):
        return msgspec.convert(_without_nulls(value, _raw_members(view)), view)
    named = value.get("metadata") or {}
    key = Key(str(named.get("namespace", "")), str(named.get("name", "")))
    kind = value.get("kind", "object")
    raise errors.AnswerError(f"expected {kind} {key} to be readable: {problem}") from problem


def _unreadable(value: bytes, problem: Exception) -> Unreadable:
    found = _identity.decode(dict(parts(value))["metadata"])
    said = "it is nested too deeply" if isinstance(problem, RecursionError) else str(problem)
    return Unreadable(Key(found.namespace, found.name), found.uid, found.resource_version, said)


def _unexpected(error: Exception, what: str, body: bytes, request: str) -> errors.AnswerError:
    return errors.AnswerError(f"expected {what} from {request}, got {body[:64]!r}: {error}")
