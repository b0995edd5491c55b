"""Requests to a Kubernetes API as values, apart from sending them.

Pure; imports only the resources and errors. `client.Client` sends them.
"""

import dataclasses
import functools
import json
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias, TypedDict, Unpack

import orjson

from controllers.kube import errors
from controllers.kube.errors import JSON
from controllers.kube.resources import Resource

FieldValidation: TypeAlias = Literal["Strict", "Warn", "Ignore"]
Propagation: TypeAlias = Literal["Background", "Foreground", "Orphan"]
PatchKind: TypeAlias = Literal["merge", "json", "strategic"]

_PATCH_TYPES: dict[str, str] = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    # Built-in kinds only; custom resources respond with 415.
    "strategic": "application/strategic-merge-patch+json",
}
# JSON is valid YAML; apply-patch+cbor is off by default.
_APPLY_TYPE = "application/apply-patch+yaml"
_JSON_TYPE = "application/json"
# Saves encoding and decoding the object in the response to a write.
_METADATA_TYPE = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request, apart from server and credentials."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    content_type: str | None = None
    # May contain a Secret.
    body: bytes | None = dataclasses.field(default=None, repr=False)
    accepts: str = _JSON_TYPE

    @property
    def target(self) -> str:
        """Path and query, percent-encoded."""
        return f"{self.path}?{_encoded_query(self.query)}" if self.query else self.path

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class StorageOptions(TypedDict, total=False):
    """Options of writes: whether and how the API server stores the body."""

    field_validation: FieldValidation | None
    """Treatment of unknown and duplicate fields; defaults to Warn. Ignore decodes the body once."""
    dry_run: bool
    """Do everything except store it."""


class WriteOptions(StorageOptions, total=False):
    """Options of all writes but ``apply``, which names its field manager."""

    field_manager: str | None
    """Owner of the fields; defaults to the user agent."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Selects objects of a collection.

    Attributes:
        namespace: A namespace; None for all.
        labels: A label selector, such as ``app=x,tier!=y``.
        fields: A field selector, such as ``metadata.name=x``.
    """

    namespace: str | None = None
    labels: str | None = None
    fields: str | None = None

    def query(self) -> tuple[tuple[str, str], ...]:
        """Return the query parameters."""
        return _query(labelSelector=self.labels, fieldSelector=self.fields)


def get(
    resource: Resource,
    name: str,
    *,
    namespace: str | None = None,
    subresource: str | None = None,
    not_older_than: str | None = None,
) -> Request:
    """Read an object: its current state, or one from the API server's cache, not older than given.

    For resourceVersion in reads see KEP-2340 and "The resourceVersion parameter" of the Kubernetes
    API concepts.
    """
    query = _query(resourceVersion=not_older_than)
    return Request("GET", resource.path(namespace, name, subresource), query)


def list_page(
    resource: Resource,
    selection: Selection,
    *,
    limit: int | None,
    continuation: str | None = None,
) -> Request:
    """Read a page of a collection; all of it with ``limit=None``."""
    return Request(
        "GET",
        resource.path(selection.namespace),
        selection.query()
        + _query(limit=str(limit) if limit else None)
        + _query(**{"continue": continuation}),
    )


def watch(
    resource: Resource,
    selection: Selection,
    *,
    resource_version: str | None,
    timeout_seconds: int,
    sends_initial: bool = False,
) -> Request:
    """Watch a collection, with bookmarks.

    With ``sends_initial`` existing objects are sent first, then a marking bookmark (KEP-3157).
    """
    return Request(
        "GET",
        resource.path(selection.namespace),
        selection.query()
        + _query(
            watch="true",
            allowWatchBookmarks="true",
            resourceVersion=resource_version,
            sendInitialEvents="true" if sends_initial else None,
            resourceVersionMatch="NotOlderThan" if sends_initial else None,
            timeoutSeconds=str(timeout_seconds),
        ),
    )


def create(
    resource: Resource,
    body: JSON,
    *,
    name: str | None = None,
    namespace: str | None = None,
    subresource: str | None = None,
    **options: Unpack[WriteOptions],
) -> Request:
    """Create an object, or post to its subresource (``token``, ``eviction``)."""
    namespace = _namespace(resource, body, namespace)
    if resource.namespaced and namespace is None:
        raise errors.AddressError(
            f"expected a namespace for a new {resource.kind}, by argument or in metadata, got none"
        )
    path = resource.path(namespace, name if subresource else None, subresource)
    return Request("POST", path, _write_query(options), _JSON_TYPE, _encoded(body))


def replace(
    resource: Resource,
    body: JSON,
    *,
    namespace: str | None = None,
    subresource: str | None = None,
    **options: Unpack[WriteOptions],
) -> Request:
    """Replace the object named in the body; compare-and-swap if it has a resourceVersion."""
    path = resource.path(_namespace(resource, body, namespace), _name(body), subresource)
    return Request("PUT", path, _write_query(options), _JSON_TYPE, _encoded(body))


def apply(
    resource: Resource,
    body: JSON,
    *,
    field_manager: str,
    force: bool,
    namespace: str | None = None,
    subresource: str | None = None,
    answers_metadata: bool = False,
    **options: Unpack[StorageOptions],
) -> Request:
    """Apply the body server-side.

    ``apiVersion`` and ``kind``, which the API server requires, are added if missing.
    """
    if not field_manager:
        raise errors.AddressError(
            f"expected a field manager to apply {resource.kind} {_name(body)!r}, got none"
        )
    path = resource.path(_namespace(resource, body, namespace), _name(body), subresource)
    complete = {"apiVersion": resource.api_version, "kind": resource.kind, **body}
    owned: WriteOptions = {"field_manager": field_manager, **options}
    query = _write_query(owned) + _query(force="true" if force else None)
    accepts = _METADATA_TYPE if answers_metadata else _JSON_TYPE
    return Request("PATCH", path, query, _APPLY_TYPE, _encoded(complete), accepts)


def patch(
    resource: Resource,
    name: str,
    changes: JSON | Sequence[JSON],
    *,
    kind: PatchKind,
    namespace: str | None = None,
    subresource: str | None = None,
    **options: Unpack[WriteOptions],
) -> Request:
    """Change an object by a merge patch (a mapping) or a JSON patch (a list of operations)."""
    if (kind == "json") == isinstance(changes, Mapping):
        expected = "a list of operations" if kind == "json" else "a mapping"
        raise errors.AddressError(
            f"expected {expected} for a {kind} patch of {resource.kind} {name!r}, "
            f"got {type(changes).__name__}"
        )
    path = resource.path(namespace, name, subresource)
    return Request("PATCH", path, _write_query(options), _PATCH_TYPES[kind], _encoded(changes))


def delete(
    resource: Resource,
    name: str,
    *,
    namespace: str | None = None,
    propagation: Propagation | None = None,
    uid: str | None = None,
    resource_version: str | None = None,
    dry_run: bool = False,
) -> Request:
    """Delete an object, with uid and resourceVersion as preconditions."""
    preconditions = _given(uid=uid, resourceVersion=resource_version)
    body = _given(
        apiVersion="v1",
        kind="DeleteOptions",
        propagationPolicy=propagation,
        preconditions=preconditions or None,
        dryRun=["All"] if dry_run else None,
    )
    return Request("DELETE", resource.path(namespace, name), (), _JSON_TYPE, _encoded(body))


def _encoded(body: Any) -> bytes:
    """Encode JSON; what orjson cannot (254 levels, integers of 64 bits) takes the slow path."""
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError:
        return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


def _namespace(resource: Resource, body: JSON, namespace: str | None) -> str | None:
    own = (body.get("metadata") or {}).get("namespace")
    if namespace is not None and own is not None and namespace != own:
        raise errors.AddressError(
            f"expected one namespace for {resource.kind}, got {namespace!r} by argument "
            f"and {own!r} in metadata"
        )
    return namespace if namespace is not None else own


def _name(body: JSON) -> str:
    name = (body.get("metadata") or {}).get("name")
    if not name:
        raise errors.AddressError("expected the object's name in metadata.name, got none")
    return str(name)


def _write_query(options: WriteOptions) -> tuple[tuple[str, str], ...]:
    return _query(
        fieldManager=options.get("field_manager"),
        fieldValidation=options.get("field_validation"),
        dryRun="All" if options.get("dry_run") else None,
    )


@functools.lru_cache(512)  # a controller's requests share a few queries
def _encoded_query(query: tuple[tuple[str, str], ...]) -> str:
    return urllib.parse.urlencode(query)


def _query(**parameters: str | None) -> tuple[tuple[str, str], ...]:
    return tuple((key, value) for key, value in parameters.items() if value)


def _given(**fields: Any) -> JSON:
    return {key: value for key, value in fields.items() if value is not None}
