"""Skips writes without effect: server-side apply and finalizers. Shell: the cluster.

Whether a write has an effect is decided by pure functions of the body and the last known object.
"""

import collections
import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeAlias

from controllers.kube import errors
from controllers.kube.client import Client
from controllers.kube.errors import JSON
from controllers.kube.resources import Resource
from controllers.kube.watch.projections import Key

# Lists that are merged by item, in every kind or by the API conventions.
MERGED_LISTS: Final = frozenset(
    {"metadata.finalizers", "metadata.ownerReferences", "status.conditions"}
)
# Number of objects whose last body is remembered, at about 200 bytes each.
MAX_REMEMBERED: Final = 10_000
# Never owned: k8s.io/apimachinery/pkg/util/managedfields/internal/stripmeta.go.
_IDENTITY: Final = frozenset(
    {
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "managedFields",
        "selfLink",
    }
)


def is_subset(
    body: Any, known: Any, merged_lists: frozenset[str] = MERGED_LISTS, path: str = ""
) -> bool:
    """Return whether an object already contains everything that is applied.

    A mapping may have additional fields and a merged list additional items, in any order; other
    lists must be equal. ``apiVersion`` and ``kind`` are not compared. Empty values must exist as
    well: only managedFields reveal that built-in kinds omit them.

    Args:
        body: The applied value.
        known: The existing value.
        merged_lists: Paths of lists that are sets or have keys, without indexes:
            ``spec.containers.ports``.
        path: Path of both in the object; empty for the root.
    """
    match body:
        case dict():
            return isinstance(known, dict) and all(
                is_subset(value, known.get(name), merged_lists, f"{path}.{name}" if path else name)
                for name, value in body.items()
                if path or name not in {"apiVersion", "kind"}
            )
        case list() if path in merged_lists:
            # An item contains its key.
            return isinstance(known, list) and all(
                any(is_subset(item, other, merged_lists, path) for other in known) for item in body
            )
        case _:
            return is_equal(body, known)


def is_fully_owned(fields: JSON | None, body: Any, known: Any) -> bool:
    """Return whether an apply would change nothing: values are equal and exactly these are owned.

    Args:
        fields: The applier's FieldsV1, whose ``k:`` and ``v:`` mark keyed lists and sets, and whose
            leaves are replaced atomically; None if it owns nothing.
        body: The applied value.
        known: The existing value.
    """
    if fields is None:
        return _is_noop(body, known)
    owned = {name: inner for name, inner in fields.items() if name != "."}
    match body:
        case dict() if owned:
            members = {} if known is None else known
            return (
                isinstance(members, dict)
                and owned.keys() <= {f"f:{name}" for name in body}
                and all(
                    is_fully_owned(owned.get(f"f:{name}"), value, members.get(name))
                    for name, value in body.items()
                )
            )
        case list() if owned:
            return len(body) == len(owned) and all(
                any(
                    is_fully_owned(inner, item, other)
                    for item in _items(body, name)
                    for other in _items(known, name)
                )
                for name, inner in owned.items()
            )
        case _ if not body and known is None:
            # Built-in kinds omit empty values; if another manager had removed it, it would no
            # longer be owned.
            return not owned
        case dict() if not body:
            # An owned mapping without fields only means that it exists.
            return isinstance(known, dict)
        case _:
            return not owned and is_equal(body, known)


def applied_fields(
    known: JSON, field_manager: str, api_version: str, subresource: str | None
) -> JSON | None:
    """Return a manager's applied FieldsV1; None if the object has no managedFields.

    Fields applied in another version do not count: their names may differ.
    """
    entries = known["metadata"].get("managedFields")
    if not entries:
        return None
    expected = (field_manager, "Apply", api_version, subresource or "")
    for entry in entries:
        is_ours = (
            entry.get("manager"),
            entry.get("operation"),
            entry.get("apiVersion"),
            entry.get("subresource", ""),
        )
        if is_ours == expected:
            return dict(entry.get("fieldsV1") or {})
    return {}


def finalizer_patch(known: JSON, finalizer: str, *, is_wanted: bool) -> list[JSON] | None:
    """Return a JSON patch that adds or removes a finalizer unless it changed; None if not needed.

    Args:
        known: The last known object.
        finalizer: Name of the finalizer.
        is_wanted: Whether it should exist.
    """
    metadata = known["metadata"]
    before = metadata.get("finalizers") or []
    if (finalizer in before) == is_wanted:
        return None
    after = [*before, finalizer] if is_wanted else [name for name in before if name != finalizer]
    # A missing list cannot be tested; the resourceVersion changes more often than the list.
    tested = "finalizers" if before else "resourceVersion"
    return [
        {"op": "test", "path": "/metadata/uid", "value": metadata["uid"]},
        {"op": "test", "path": f"/metadata/{tested}", "value": metadata[tested]},
        {"op": "add", "path": "/metadata/finalizers", "value": after},
    ]


class Writer:
    """Writes for a controller.

    Args:
        client: Needs patch on the resources, and get for finalizers.
        field_manager: Field manager of the controller.
        merged_lists: As for ``is_subset``, besides those of every kind; for objects without
            managedFields.
        force: Take over fields of other managers, as recommended for controllers, which cannot
            resolve conflicts.
        dry_run: Do everything except store it.
        max_remembered: Number of objects whose last body is remembered.
    """

    def __init__(
        self,
        client: Client,
        field_manager: str,
        *,
        merged_lists: Iterable[str] = (),
        force: bool = True,
        dry_run: bool = False,
        max_remembered: int = MAX_REMEMBERED,
    ) -> None:
        self._client, self._field_manager = client, field_manager
        self._merged_lists = MERGED_LISTS | {*merged_lists}
        self._force, self._dry_run = force, dry_run
        self._applied = _Applied(max_remembered)

    async def apply(
        self,
        resource: Resource,
        body: JSON,
        *,
        subresource: str | None = None,
        known: JSON | None = None,
    ) -> JSON | None:
        """Apply the body, unless that would change nothing.

        Nothing is written if the known object contains the body, and the last applied body had no
        other
        fields: by managedFields, or else by what this writer remembers.

        Args:
            resource: The resource.
            body: The fields to own; namespace and name are in its metadata.
            subresource: Such as ``status``.
            known: The last known object; None always writes.

        Returns:
            The object as stored; None if nothing was written.

        Raises:
            ApiError: The API server refused it.
        """
        metadata = body["metadata"]
        address = (resource, metadata.get("namespace"), metadata["name"], subresource)
        if known is not None and self._is_applied(address, body, known):
            return None
        # After a failed or cancelled write the state is unknown.
        self._applied.forget(address)
        stored = await self._client.apply(
            resource,
            body,
            field_manager=self._field_manager,
            force=self._force,
            subresource=subresource,
            dry_run=self._dry_run,
        )
        if not self._dry_run:
            self._applied.remember(address, _digest(body, stored))
        return stored

    async def add_finalizer(
        self, resource: Resource, key: Key, finalizer: str, known: JSON | None = None
    ) -> JSON | None:
        """Add a finalizer to an object without changing other fields.

        Args:
            resource: The resource.
            key: Namespace and name.
            finalizer: Name of the finalizer, such as ``example.dev/cleanup``.
            known: The last known object; None reads it.

        Returns:
            The object as stored; None if nothing was written.

        Raises:
            NotFoundError: The object no longer exists.
            ApiError: The API server refused it, for example for an object that is being deleted.
        """
        return await self._finalize(resource, key, finalizer, known, is_wanted=True)

    async def remove_finalizer(
        self, resource: Resource, key: Key, finalizer: str, known: JSON | None = None
    ) -> JSON | None:
        """Remove a finalizer like ``add_finalizer``; a missing object has none."""
        try:
            return await self._finalize(resource, key, finalizer, known, is_wanted=False)
        except errors.NotFoundError:
            return None

    async def _finalize(
        self, resource: Resource, key: Key, finalizer: str, known: JSON | None, *, is_wanted: bool
    ) -> JSON | None:
        known = known or await self._read(resource, key)
        try:
            return await self._patch(resource, key, finalizer, known, is_wanted=is_wanted)
        except (errors.InvalidError, errors.ConflictError):
            # A test failed: another client was faster. Retry once on the current object.
            fresh = await self._read(resource, key)
            if fresh["metadata"]["uid"] != known["metadata"]["uid"]:
                # A new object with the same name: the operation was meant for the previous one.
                raise _gone(resource, key) from None
            return await self._patch(resource, key, finalizer, fresh, is_wanted=is_wanted)

    async def _read(self, resource: Resource, key: Key) -> JSON:
        return await self._client.get(resource, key.name, namespace=key.namespace or None)

    async def _patch(
        self, resource: Resource, key: Key, finalizer: str, known: JSON, *, is_wanted: bool
    ) -> JSON | None:
        changes = finalizer_patch(known, finalizer, is_wanted=is_wanted)
        if changes is None:
            return None
        return await self._client.patch(
            resource,
            key.name,
            changes,
            kind="json",
            namespace=key.namespace or None,
            field_manager=self._field_manager,
            dry_run=self._dry_run,
        )

    def _is_applied(self, address: "_Address", body: JSON, known: JSON) -> bool:
        resource, _, _, subresource = address
        fields = applied_fields(known, self._field_manager, resource.api_version, subresource)
        if fields is None:
            is_last = self._applied.get(address) == _digest(body, known)
            return is_last and is_subset(body, known, self._merged_lists)
        content, identity = _split(body)
        return is_subset(identity, known) and is_fully_owned(fields, content, known)


_Address: TypeAlias = tuple[Resource, str | None, str, str | None]


class _Applied:
    """Digests of the last applied bodies, limited to recently used objects."""

    def __init__(self, max_objects: int) -> None:
        self._max_objects = max_objects
        self._digests: collections.OrderedDict[_Address, bytes] = collections.OrderedDict()

    def get(self, address: _Address) -> bytes | None:
        found = self._digests.get(address)
        if found is not None:
            self._digests.move_to_end(address)
        return found

    def forget(self, address: _Address) -> None:
        self._digests.pop(address, None)

    def remember(self, address: _Address, digest: bytes) -> None:
        self._digests[address] = digest
        if len(self._digests) > self._max_objects:
            self._digests.popitem(last=False)


def _digest(body: JSON, applied_to: JSON) -> bytes:
    """Digest of a body and the uid of the object: a recreated object has nothing applied."""
    content, _ = _split(body)
    text = json.dumps([content, applied_to["metadata"].get("uid")], sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def _split(body: JSON) -> tuple[JSON, JSON]:
    """Split a body into what can be owned and what only identifies the object."""
    metadata = body["metadata"]
    owned = {name: value for name, value in metadata.items() if name not in _IDENTITY}
    content = {k: v for k, v in body.items() if k not in {"apiVersion", "kind", "metadata"}}
    identity = {name: value for name, value in metadata.items() if name in _IDENTITY}
    return content | ({"metadata": owned} if owned else {}), {"metadata": identity}


def _is_noop(value: Any, known: Any) -> bool:
    """Return whether applying an unowned value would change and own nothing.

    Nulls are pruned, and an empty list has no items to own, unless it is atomic: then the existing
    value makes the difference.
    """
    if isinstance(value, dict) and value:
        members = known if isinstance(known, dict) else {}
        return all(_is_noop(inner, members.get(name)) for name, inner in value.items())
    return value in (None, []) and known in (None, [])


def _items(values: Any, name: str) -> Iterator[Any]:
    """Yield the items of a list that FieldsV1 names, by key or, in a set, by value."""
    kind, _, text = name.partition(":")
    key = json.loads(text)
    for item in values if isinstance(values, list) else ():
        if _is_same_item(item, key, tuple(key) if kind == "k" else ()):
            yield item


def _is_same_item(item: Any, other: Any, key: tuple[str, ...]) -> bool:
    """Return whether two list items have the same key; an omitted key field is defaulted."""
    if not key or not isinstance(item, dict) or not isinstance(other, dict):
        return is_equal(item, other)
    return all(name not in item or is_equal(item[name], other.get(name)) for name in key)


def is_equal(left: Any, right: Any) -> bool:
    """Return whether two JSON values are equal; in Python, True equals 1."""
    match left, right:
        case dict(), dict():
            return left.keys() == right.keys() and all(is_equal(left[k], right[k]) for k in left)
        case list(), list():
            return len(left) == len(right) and all(map(is_equal, left, right))
        case _:
            return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def _gone(resource: Resource, key: Key) -> errors.ApiError:
    message = f'{resource} "{key}" was deleted and recreated'
    return errors.from_status({"code": 404, "reason": "NotFound", "message": message})
