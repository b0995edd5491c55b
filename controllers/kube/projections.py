"""Typed views of objects: only the fields that a controller needs, in immutable structs. Pure.

class Run(kube.Projection, frozen=True):
    spec: RunSpec
    status: RunStatus = RunStatus()

What a struct does not name is never decoded or kept, managedFields above all.
"""

from collections.abc import Mapping
from typing import Any, Generic, Literal, NamedTuple, TypeVar

import msgspec

from controllers.kube import errors
from controllers.kube.answers import decode
from controllers.kube.resources import Resource

INITIAL_EVENTS_END = "k8s.io/initial-events-end"
_CHANGES = frozenset({"ADDED", "MODIFIED", "DELETED"})


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


class Seen(NamedTuple, Generic[T]):
    """One event of a watch.

    Attributes:
        type: ADDED, MODIFIED, DELETED; BOOKMARK says only where the watch is.
        object: None for a bookmark.
        resource_version: Where to go on from.
        ends_initial: Whether all objects that existed at first have been sent.
    """

    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]
    object: T | None
    resource_version: str
    ends_initial: bool = False


class Page(NamedTuple, Generic[T]):
    """A part of a list; ``continuation`` is empty on the last."""

    items: tuple[T, ...]
    resource_version: str
    continuation: str


class _Line(msgspec.Struct, frozen=True):
    type: str
    object: msgspec.Raw


class _Bookmark(msgspec.Struct, frozen=True):
    metadata: Metadata


class _ListMetadata(msgspec.Struct, frozen=True, rename="camel"):
    resource_version: str = ""
    continuation: str = msgspec.field(default="", name="continue")


class Decoder(Generic[T]):
    """Reads watch lines and list pages of one kind."""

    def __init__(self, view: type[T]) -> None:
        self._line = msgspec.json.Decoder(_Line)
        self._event: msgspec.json.Decoder[Any] = msgspec.json.Decoder(
            msgspec.defstruct("_Event", [("type", str), ("object", view)])
        )
        self._bookmark = msgspec.json.Decoder(_Bookmark)
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
            AnswerError: The line is no event of such objects.
            RecursionError: The object is nested more deeply than this process reads.
        """
        unlike = None
        try:
            event = self._event.decode(line)
        except msgspec.MsgspecError as error:
            unlike = error
        else:
            if event.type in _CHANGES:
                return Seen(event.type, event.object, event.object.metadata.resource_version)
        # What tells of no object need not look like one.
        try:
            found = self._line.decode(line)
            match found.type:
                case "BOOKMARK":
                    metadata = self._bookmark.decode(found.object).metadata
                    is_end = metadata.annotations.get(INITIAL_EVENTS_END) == "true"
                    return Seen("BOOKMARK", None, metadata.resource_version, is_end)
                case "ERROR":
                    raise errors.from_status(decode(bytes(found.object), request), request=request)
                case changed if changed in _CHANGES and unlike is not None:
                    raise unlike
                case _:
                    return None
        except msgspec.MsgspecError as error:
            raise _unexpected(error, "an event", line, request) from error

    def page(self, body: bytes, request: str) -> Page[T]:
        """One page of a list.

        Raises:
            AnswerError: It is none of such objects.
        """
        try:
            found = self._page.decode(body)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise _unexpected(error, "a list", body, request) from error
        metadata = found.metadata
        return Page(found.items or (), metadata.resource_version, metadata.continuation)


def _unexpected(error: Exception, what: str, body: bytes, request: str) -> errors.AnswerError:
    return errors.AnswerError(f"expected {what} from {request}, got {body[:64]!r}: {error}")
