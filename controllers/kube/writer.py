"""Writes only what is not so yet: server-side apply and finalizers. Shell: the cluster.

Whether something differs is decided by pure functions of what is applied and what was seen last.
"""

import collections
import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeAlias

from controllers.kube import errors
from controllers.kube.client import Client
from controllers.kube.errors import JSON
from controllers.kube.projections import Key
from controllers.kube.resources import Resource

# Lists that are merged item by item, in every kind or by the API conventions.
MERGED_LISTS: Final = frozenset(
    {"metadata.finalizers", "metadata.ownerReferences", "status.conditions"}
)
# The objects whose last body is remembered, at some 200 bytes each.
MOST_REMEMBERED: Final = 10_000
# What is never owned: k8s.io/apimachinery/pkg/util/managedfields/internal/stripmeta.go.
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


def says_already(
    body: Any, known: Any, merged_lists: frozenset[str] = MERGED_LISTS, path: str = ""
) -> bool:
    """Whether everything that is applied stands there.

    A mapping may have more fields than are applied, and a merged list more items, in any order;
    other lists must be equal. ``apiVersion`` and ``kind`` are the address, not the content. What is
    empty must be there, too: that built-in kinds leave it out only managedFields tell.

    Args:
        body: What is applied.
        known: What is there.
        merged_lists: The paths of lists that are sets or have keys, without their items' numbers:
            ``spec.containers.ports``.
        path: Where both stand in the object; its root is the empty path.
    """
    match body:
        case dict():
            return isinstance(known, dict) and all(
                says_already(
                    value, known.get(name), merged_lists, f"{path}.{name}" if path else name
                )
                for name, value in body.items()
                if path or name not in {"apiVersion", "kind"}
            )
        case list() if path in merged_lists:
            # An item says its key as well.
            return isinstance(known, list) and all(
                any(says_already(item, other, merged_lists, path) for other in known)
                for item in body
            )
        case _:
            return _is_equal(body, known)


def owns_exactly(fields: JSON | None, body: Any, known: Any) -> bool:
    """Whether what is applied stands there, and just that is owned: nothing would be written.

    Args:
        fields: What the applier owns: FieldsV1, of which ``k:`` and ``v:`` tell the keyed lists and
            sets, and leaves what is replaced as a whole; None where it owns nothing.
        body: What is applied.
        known: What is there.
    """
    if fields is None:
        return _says_nothing(body, known)
    owned = {name: inner for name, inner in fields.items() if name != "."}
    match body:
        case dict() if owned:
            inside = {} if known is None else known
            return (
                isinstance(inside, dict)
                and owned.keys() <= {f"f:{name}" for name in body}
                and all(
                    owns_exactly(owned.get(f"f:{name}"), value, inside.get(name))
                    for name, value in body.items()
                )
            )
        case list() if owned:
            return len(body) == len(owned) and all(
                any(
                    owns_exactly(inner, item, other)
                    for item in _items(body, name)
                    for other in _items(known, name)
                )
                for name, inner in owned.items()
            )
        case _ if not body and known is None:
            # Built-in kinds leave out what is empty; if somebody had removed it, it would not be
            # owned any more.
            return not owned
        case dict() if not body:
            # An owned mapping without fields says only that it exists.
            return isinstance(known, dict)
        case _:
            return not owned and _is_equal(body, known)


def applied_fields(
    known: JSON, field_manager: str, api_version: str, subresource: str | None
) -> JSON | None:
    """What a manager owns by applying (FieldsV1); None where the object does not say who owns what.

    What was applied in another version counts as nothing: its field names are others.
    """
    entries = known["metadata"].get("managedFields")
    if not entries:
        return None
    wanted = (field_manager, "Apply", api_version, subresource or "")
    for entry in entries:
        is_ours = (
            entry.get("manager"),
            entry.get("operation"),
            entry.get("apiVersion"),
            entry.get("subresource", ""),
        )
        if is_ours == wanted:
            return dict(entry.get("fieldsV1") or {})
    return {}


def finalizer_patch(known: JSON, finalizer: str, *, is_wanted: bool) -> list[JSON] | None:
    """The JSON patch that adds or removes a finalizer if nobody changed them; None if it is so.

    Args:
        known: The object as it was seen last.
        finalizer: Its name.
        is_wanted: Whether it is to be there.
    """
    metadata = known["metadata"]
    before = metadata.get("finalizers") or []
    if (finalizer in before) == is_wanted:
        return None
    after = [*before, finalizer] if is_wanted else [each for each in before if each != finalizer]
    # A list that is not there cannot be tested; the version changes more often than the list.
    tested = "finalizers" if before else "resourceVersion"
    return [
        {"op": "test", "path": "/metadata/uid", "value": metadata["uid"]},
        {"op": "test", "path": f"/metadata/{tested}", "value": metadata[tested]},
        {"op": "add", "path": "/metadata/finalizers", "value": after},
    ]


class Writer:
    """Writes for one controller.

    Args:
        client: May patch (and, for finalizers, get) the kinds.
        field_manager: Who owns what is applied; one for each controller.
        merged_lists: As for ``says_already``, besides those of every kind; for objects without
            managedFields.
        force: Whether to take fields that other managers own, as is advised for controllers: they
            cannot ask anybody.
        dry_run: Whether to do everything but store.
        most_remembered: How many objects' last bodies are remembered.
    """

    def __init__(
        self,
        client: Client,
        field_manager: str,
        *,
        merged_lists: Iterable[str] = (),
        force: bool = True,
        dry_run: bool = False,
        most_remembered: int = MOST_REMEMBERED,
    ) -> None:
        self._client, self._field_manager = client, field_manager
        self._merged_lists = MERGED_LISTS | {*merged_lists}
        self._force, self._dry_run = force, dry_run
        self._applied = _Applied(most_remembered)

    async def apply(
        self,
        resource: Resource,
        body: JSON,
        *,
        subresource: str | None = None,
        known: JSON | None = None,
    ) -> JSON | None:
        """Apply what the body says, unless it is so already.

        Nothing is written where all that the body says stands in the known object, and what was
        applied before was no more: by its managedFields, or else by what this writer remembers.

        Args:
            resource: The kind.
            body: The fields to own; namespace and name stand in its metadata.
            subresource: Such as ``status``.
            known: The object as it was seen last; None writes in any case.

        Returns:
            The object as stored; None where nothing was written.

        Raises:
            ApiError: The API server refused.
        """
        metadata = body["metadata"]
        address = (resource, metadata.get("namespace"), metadata["name"], subresource)
        if known is not None and self._is_so(address, body, known):
            return None
        # Nobody knows what is there after a write that failed or was cancelled.
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
        """Add a finalizer to an object; other fields are left alone.

        Args:
            resource: The kind.
            key: Which object.
            finalizer: Its name, such as ``example.dev/cleanup``.
            known: The object as it was seen last; None reads it.

        Returns:
            The object as stored; None where nothing was written.

        Raises:
            NotFoundError: There is no such object any more.
            ApiError: The API server refused, as it does for an object that is being deleted.
        """
        return await self._finalize(resource, key, finalizer, known, is_wanted=True)

    async def remove_finalizer(
        self, resource: Resource, key: Key, finalizer: str, known: JSON | None = None
    ) -> JSON | None:
        """Remove a finalizer as ``add_finalizer`` adds it; an object that is gone has none."""
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
            # A test failed: somebody was faster. Once more, on what is there now.
            fresh = await self._read(resource, key)
            if fresh["metadata"]["uid"] != known["metadata"]["uid"]:
                # Another object of that name: whatever was to be done was meant for the one before.
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

    def _is_so(self, address: "_Address", body: JSON, known: JSON) -> bool:
        resource, _, _, subresource = address
        fields = applied_fields(known, self._field_manager, resource.api_version, subresource)
        if fields is None:
            is_last = self._applied.get(address) == _digest(body, known)
            return is_last and says_already(body, known, self._merged_lists)
        content, identity = _parted(body)
        return says_already(identity, known) and owns_exactly(fields, content, known)


_Address: TypeAlias = tuple[Resource, str | None, str, str | None]


class _Applied:
    """Digests of the bodies that were applied last; of too many objects, of those used lately."""

    def __init__(self, most: int) -> None:
        self._most = most
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
        if len(self._digests) > self._most:
            self._digests.popitem(last=False)


def _digest(body: JSON, applied_to: JSON) -> bytes:
    """Of what was applied, and to which object: to one made anew nothing was."""
    content, _ = _parted(body)
    text = json.dumps([content, applied_to["metadata"].get("uid")], sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def _parted(body: JSON) -> tuple[JSON, JSON]:
    """What of a body can be owned, and what only says which object it is for."""
    metadata = body["metadata"]
    owned = {name: value for name, value in metadata.items() if name not in _IDENTITY}
    content = {k: v for k, v in body.items() if k not in {"apiVersion", "kind", "metadata"}}
    identity = {name: value for name, value in metadata.items() if name in _IDENTITY}
    return content | ({"metadata": owned} if owned else {}), {"metadata": identity}


def _says_nothing(value: Any, known: Any) -> bool:
    """Whether applying a value that is not owned would change nothing, and own nothing.

    Nulls are pruned, and an empty list has no items to own, unless it is one that is replaced as a
    whole: then what is there is the difference.
    """
    if isinstance(value, dict) and value:
        inside = known if isinstance(known, dict) else {}
        return all(_says_nothing(inner, inside.get(name)) for name, inner in value.items())
    return value in (None, []) and known in (None, [])


def _items(values: Any, name: str) -> Iterator[Any]:
    """The items of a list that FieldsV1 names, by their key or, in a set, by value."""
    kind, _, text = name.partition(":")
    wanted = json.loads(text)
    for item in values if isinstance(values, list) else ():
        if _is_same_item(item, wanted, tuple(wanted) if kind == "k" else ()):
            yield item


def _is_same_item(item: Any, other: Any, key: tuple[str, ...]) -> bool:
    """Whether two items of a list have one key; a field of it that is left out has its default."""
    if not key or not isinstance(item, dict) or not isinstance(other, dict):
        return _is_equal(item, other)
    return all(name not in item or _is_equal(item[name], other.get(name)) for name in key)


def _is_equal(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same; in Python, true is 1."""
    match one, other:
        case dict(), dict():
            return one.keys() == other.keys() and all(_is_equal(one[k], other[k]) for k in one)
        case list(), list():
            return len(one) == len(other) and all(map(_is_equal, one, other))
        case _:
            return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _gone(resource: Resource, key: Key) -> errors.ApiError:
    message = f'{resource} "{key}" was deleted, and another made of that name'
    return errors.from_status({"code": 404, "reason": "NotFound", "message": message})
