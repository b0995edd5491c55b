"""The verbs: their effects on stored objects, and their responses. No I/O.

The order of checks is that of k8s.io/apiserver (endpoints/handlers, registry/generic/registry): it
decides which of several refusals a client gets.
"""

import dataclasses
import datetime as dt
import random
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, TypeAlias

import orjson

from controllers.kube import clocks, resources
from controllers.kube.errors import JSON
from controllers.kube.testing import calls, fields, ownership, statuses
from controllers.kube.testing.calls import Call
from controllers.kube.testing.storage import CompactedError, Place, Storage

Admit: TypeAlias = Callable[[str, JSON, JSON | None], JSON]
"""Mutating and validating admission of a custom object: operation, object, the one it replaces.

Returns the object, changed or not; raises a Refusal to deny.
"""


class OnDefinition(Protocol):
    """Learns of a CustomResourceDefinition."""

    def __call__(self, definition: JSON, *, is_served: bool) -> None:
        """Serve its kind from now on, or no more."""


# k8s.io/apiserver/pkg/storage/names/generate.go, apimachinery/pkg/util/rand.
_LETTERS: Final = "bcdfghjklmnpqrstvwxz2456789"
_MAX_GENERATED: Final = 63 - 5
_KEPT: Final = (
    *("name", "namespace", "uid", "creationTimestamp", "generation"),
    *("deletionTimestamp", "deletionGracePeriodSeconds"),
)
_APPLY: Final = "application/apply-patch+yaml"
_MERGE: Final = "application/merge-patch+json"
_JSON_PATCH: Final = "application/json-patch+json"
_EXPIRED: Final = (
    "The provided continue parameter is too old to display a consistent list result. You can start "
    "a new list without the continue parameter, or use the continue token in this response to "
    "retrieve the remainder of the results. Continuing with the provided token results in an "
    "inconsistent list - objects that were created, modified, or deleted between the time the "
    "first chunk was returned and now may show up in the list."
)


@dataclasses.dataclass(frozen=True, slots=True)
class Response:
    """A complete response.

    Attributes:
        code: HTTP status code.
        body: The object.
        warnings: Texts of ``Warning`` headers.
    """

    code: int
    body: JSON
    warnings: tuple[str, ...] = ()


class Verbs:
    """Serves all verbs but watch.

    Args:
        storage: Of all objects.
        now: Aware UTC time.
        admit: Admission of custom objects.
        on_definition: Called when a CustomResourceDefinition was stored or deleted.
        on_removed: Called with an object that is gone.
    """

    def __init__(
        self,
        storage: Storage,
        now: Callable[[], dt.datetime],
        admit: Admit,
        on_definition: OnDefinition,
        on_removed: Callable[[JSON], None],
    ) -> None:
        self._storage, self._now, self._admit = storage, now, admit
        self._on_definition, self._on_removed = on_definition, on_removed
        self._letters = random.Random(0)  # noqa: S311 - names of objects, the same in each test

    def answer(self, call: Call) -> Response:
        """Serve a request.

        Raises:
            Refusal: It is refused.
        """
        verbs: Mapping[str, Callable[[Call], Response]] = {
            "get": self._get,
            "list": self._list,
            "create": self._create,
            "update": self._update,
            "patch": self._patch,
            "delete": self._delete,
        }
        if call.subresource and (call.subresource != "status" or not call.kind.has_status):
            raise statuses.not_found(call.kind.resource, call.name)
        if bool(call.name) == (call.verb in {"create", "list"}):
            raise statuses.method_not_allowed()
        return verbs[call.verb](call)

    # --- Reads ------------------------------------------------------------------------------------

    def _get(self, call: Call) -> Response:
        return Response(200, self._existing(call))

    def _existing(self, call: Call) -> JSON:
        found = self._storage.get(_place(call))
        if found is None:
            raise statuses.not_found(call.kind.resource, call.name)
        return call.family.shown(found, call.version)

    def _list(self, call: Call) -> Response:
        limit, matches = int(call.query.get("limit") or 0), call.matches()
        at, start = calls.continued(call.query.get("continue", ""))
        revision = at or self._storage.revision
        try:
            objects = self._storage.objects(
                call.family.collection, call.namespace or None, at=at or None
            )
        except CompactedError:
            raise statuses.expired(_EXPIRED, calls.token(-1, start)) from None
        shown = [
            (f"{place.namespace}/{place.name}", call.family.shown(value, call.version))
            for place, value in objects
        ]
        chosen = [item for item in shown if matches(item[1]) and item[0] >= start]
        page, rest = (chosen[:limit], chosen[limit:]) if limit else (chosen, [])
        metadata: JSON = {"resourceVersion": str(revision)}
        metadata |= {"continue": ""} if call.kind.is_custom else {}
        if rest:
            metadata["continue"] = calls.token(revision, rest[0][0])
            if not {"labelSelector", "fieldSelector"} & call.query.keys():
                metadata["remainingItemCount"] = len(rest)
        resource = call.kind.resource
        items = [value for _, value in page]
        if not call.kind.is_custom:
            items = [
                {k: v for k, v in item.items() if k not in {"apiVersion", "kind"}} for item in items
            ]
        body = {"kind": f"{resource.kind}List", "apiVersion": resource.api_version}
        return Response(200, {**body, "metadata": metadata, "items": items})

    # --- Writes -----------------------------------------------------------------------------------

    def _create(self, call: Call) -> Response:
        body = self._sent(call)
        metadata = body.get("metadata") or {}
        given = metadata.get("namespace")
        if given and call.kind.resource.namespaced and given != call.namespace:
            raise statuses.bad_request(
                "the namespace of the provided object does not match the namespace sent on the "
                "request"
            )
        warnings = self._check_unknown(call, body)
        if metadata.get("resourceVersion"):
            raise statuses.internal("resourceVersion should not be set on objects to be created")
        return self._insert(call, body, None, warnings)

    def _sent(self, call: Call) -> JSON:
        """Return the body with the kind and version of the request, which it must not deny."""
        body, resource = call.decoded(), call.kind.resource
        if not isinstance(body, dict):
            raise statuses.bad_request("expected an object")
        if call.kind.is_custom and not body.get("kind"):
            text = orjson.dumps(body).decode()
            raise statuses.bad_request(
                f"the object provided is unrecognized (must be of type {resource.kind}): Object "
                f"'Kind' is missing in '{text}' ({text})"
            )
        version = body.get("apiVersion") or resource.api_version
        if version != resource.api_version:
            raise statuses.bad_request(
                f"the API version in the data ({version}) does not match the expected API version "
                f"({resource.api_version})"
            )
        return {"apiVersion": resource.api_version, "kind": resource.kind, **body}

    def _check_unknown(self, call: Call, body: JSON) -> tuple[str, ...]:
        """Return warnings of unknown fields, or refuse them, as the request wants it."""
        mode = call.query.get("fieldValidation") or "Warn"
        unknown = [] if mode == "Ignore" else call.kind.unknown(body)
        texts = [f'unknown field "{path}"' for path in unknown]
        if texts and mode == "Strict" and call.verb == "patch":
            raise statuses.unpatchable(body, f"strict decoding error: {', '.join(texts)}")
        if texts and mode == "Strict":
            resource = call.kind.resource
            raise statuses.bad_request(
                f'{resource.kind} in version "{resource.version}" cannot be handled as a '
                f"{resource.kind}: strict decoding error: {', '.join(texts)}"
            )
        return tuple(texts)

    def _insert(
        self,
        call: Call,
        value: JSON,
        managers: ownership.Managers | None,
        warnings: tuple[str, ...] = (),
    ) -> Response:
        """Store a new object; its fields are owned by the caller unless managers are given."""
        kind = call.kind
        value = kind.taken_in(value, keeps_nulls=managers is not None)
        value = {**value, "metadata": self._new_metadata(call, value["metadata"])}
        self._check_namespace(call, value["metadata"].get("name", ""))
        value = kind.default(value)
        if managers is None:
            empty = {"apiVersion": value["apiVersion"], "kind": value["kind"]}
            managers = ownership.updated(self._write(call, "Update"), empty, value, {})
        if kind.is_custom:
            admitted = self._admit("CREATE", value, None)
            value = kind.taken_in(admitted, keeps_nulls=managers is not None)
        if kind.has_status:
            value = {name: part for name, part in value.items() if name != "status"}
        value = ownership.written(kind.complete(value), managers)
        kind.validate(value, None, "", statuses.name_causes(value, is_custom=kind.is_custom))
        place = _place(call, value["metadata"]["name"])
        if self._storage.get(place) is not None:
            raise statuses.already_exists(kind.resource, place.name)
        return Response(201, self._stored(call, place, value), warnings)

    def _new_metadata(self, call: Call, given: JSON) -> JSON:
        name = given.get("name", call.name)
        if not name and given.get("generateName"):
            drawn = "".join(self._letters.choice(_LETTERS) for _ in range(5))
            name = given["generateName"][:_MAX_GENERATED] + drawn
        kept = {k: v for k, v in given.items() if k not in {*_KEPT, "resourceVersion"}}
        return {
            **kept,
            **({"name": name} if name else {}),
            **({"namespace": call.namespace} if call.kind.resource.namespaced else {}),
            **({"generation": 1} if call.kind.has_generation else {}),
            "uid": str(uuid.UUID(int=self._letters.getrandbits(128), version=4)),
            "creationTimestamp": clocks.time_text(self._now()),
        }

    def _check_namespace(self, call: Call, name: str) -> None:
        if not call.kind.resource.namespaced:
            return
        found = self._storage.get(Place(str(resources.NAMESPACES), "", call.namespace))
        if found is None:
            raise statuses.not_found(resources.NAMESPACES, call.namespace)
        if "deletionTimestamp" in found["metadata"]:
            raise statuses.terminating(call.kind.resource, name, call.namespace)

    def _update(self, call: Call) -> Response:
        body = self._sent(call)
        metadata = body.get("metadata") or {}
        if metadata.get("name") != call.name:
            raise statuses.bad_request(
                f"the name of the object ({metadata.get('name', '')}) does not match the name on "
                f"the URL ({call.name})"
            )
        warnings = self._check_unknown(call, body)
        is_missing = self._storage.get(_place(call)) is None
        if is_missing and call.kind.creates_by_update and not call.subresource:
            if uid := metadata.get("uid"):
                raise calls.uid_conflict(call, uid, "")
            return self._insert(call, body, None, warnings)
        old = self._existing(call)
        return self._replace(call, old, body, warnings=warnings)

    def _patch(self, call: Call) -> Response:
        if call.content_type == _APPLY:
            return self._apply(call)
        accepted = [_JSON_PATCH, _MERGE, _APPLY]
        if call.content_type not in accepted:
            raise statuses.unsupported_media_type(accepted)
        old, patch = self._existing(call), call.decoded()
        patched = (
            calls.merge_patched(old, patch)
            if call.content_type == _MERGE
            else calls.json_patched(old, patch)
        )
        warnings = self._check_unknown(call, patched)
        return self._replace(call, old, patched, warnings=warnings)

    def _apply(self, call: Call) -> Response:
        config = self._sent(call)
        if (config.get("metadata") or {}).get("managedFields"):
            raise statuses.bad_request("metadata.managedFields must be nil")
        self._check_unknown(call, config) if call.query.get("fieldValidation") == "Strict" else None
        stored = self._storage.get(_place(call))
        if stored is None and call.subresource:
            raise statuses.not_found(call.kind.resource, call.name)
        empty = {"apiVersion": config["apiVersion"], "kind": config["kind"]}
        old = empty if stored is None else call.family.shown(stored, call.version)
        write = self._write(call, "Apply")
        force = call.query.get("force") == "true"
        try:
            result = ownership.applied(write, old, config, ownership.read(old), force=force)
        except fields.UndeclaredError as error:
            where = f"{config['metadata'].get('namespace', '')}/{call.name}"
            raise statuses.internal(
                f"failed to create typed patch object ({where}; {config['apiVersion']}, "
                f"Kind={config['kind']}): {error}"
            ) from error
        if result is None:
            return Response(200, old)
        new, managers = result
        if stored is None:
            return self._insert(call, new, managers)
        return self._replace(call, old, new, managers)

    def _write(self, call: Call, operation: Any) -> ownership.Write:
        reset: fields.Paths = fields.NO_PATHS
        if call.kind.has_status:
            is_status = call.subresource == "status"
            reset = frozenset({("f:metadata",), ("f:spec",)} if is_status else {("f:status",)})
        version = call.kind.resource.api_version
        manager = ownership.Manager(call.manager, operation, version, call.subresource)
        return ownership.Write(call.kind.type, manager, self._now(), reset)

    def _replace(
        self,
        call: Call,
        old: JSON,
        new: JSON,
        managers: ownership.Managers | None = None,
        *,
        warnings: tuple[str, ...] = (),
    ) -> Response:
        """Store a changed object."""
        kind, given = call.kind, new.get("metadata") or {}
        calls.check_versions(call, given, old["metadata"])
        is_applied, given_whole = managers is not None, new
        new = kind.taken_in(new, keeps_nulls=is_applied)
        if managers is None:
            known = ownership.known(given_whole, old, call.subresource)
            managers = ownership.updated(self._write(call, "Update"), old, new, known)
        new = _prepared(call, old, new)
        if kind.is_custom and not call.subresource:
            admitted = self._admit("UPDATE", new, old)
            new = _prepared(call, old, kind.taken_in(admitted, keeps_nulls=is_applied))
        new = ownership.written(new, managers)
        found = statuses.finalizer_causes(new, old, is_custom=kind.is_custom)
        found += ownership.null_causes(kind.node, new) if is_applied else ()
        kind.validate(new, old, call.subresource, found)
        if ownership.is_unchanged(new, old):
            return Response(200, old, warnings)
        place, metadata = _place(call), new["metadata"]
        if "deletionTimestamp" in metadata and not metadata.get("finalizers"):
            is_namespace = kind.resource == resources.NAMESPACES
            if not metadata.get("deletionGracePeriodSeconds") and not is_namespace:
                self._removed(call, place)
                return Response(200, new, warnings)
        return Response(200, self._stored(call, place, new), warnings)

    def _stored(self, call: Call, place: Place, value: JSON) -> JSON:
        if call.is_dry_run:
            return value
        stored = self._storage.put(place, call.family.stored(value))
        if call.kind.resource == resources.CUSTOM_RESOURCE_DEFINITIONS:
            self._on_definition(stored, is_served=True)
        return call.family.shown(stored, call.version)

    def _removed(self, call: Call, place: Place) -> JSON:
        if call.is_dry_run:
            return self._existing(call)
        gone = self._storage.remove(place)
        if call.kind.resource == resources.CUSTOM_RESOURCE_DEFINITIONS:
            self._on_definition(gone, is_served=False)
        self._on_removed(gone)
        return call.family.shown(gone, call.version)

    def _delete(self, call: Call) -> Response:
        options = call.decoded() if call.body else {}
        if options.get("dryRun"):
            call = dataclasses.replace(call, query={**call.query, "dryRun": "All"})
        old = self._existing(call)
        calls.check_preconditions(call, options.get("preconditions") or {}, old["metadata"])
        marked = calls.marked(call.kind, old, options, self._now())
        if marked is not None:
            is_new = not ownership.is_unchanged(marked, old)
            return Response(200, self._stored(call, _place(call), marked) if is_new else old)
        if call.kind.is_custom:
            self._admit("DELETE", old, old)
        gone = self._removed(call, _place(call))
        if call.kind.answers_deleted:
            return Response(200, gone)
        return Response(
            200, statuses.success(call.kind.resource, call.name, gone["metadata"]["uid"])
        )


def _place(call: Call, name: str = "") -> Place:
    return Place(call.family.collection, call.namespace, name or call.name)


def _prepared(call: Call, old: JSON, new: JSON) -> JSON:
    """Keep what a write through this resource or subresource cannot change."""
    kind = call.kind
    known = {name: old["metadata"][name] for name in _KEPT if name in old["metadata"]}
    given = {k: v for k, v in new["metadata"].items() if k not in _KEPT}
    known["resourceVersion"] = old["metadata"]["resourceVersion"]
    if call.subresource == "status":
        status = {"status": new["status"]} if "status" in new else {}
        rest = {name: part for name, part in old.items() if name != "status"}
        return {**rest, **status}
    if kind.has_status:
        new = {name: part for name, part in new.items() if name != "status"}
        new |= {"status": old["status"]} if "status" in old else {}
    new = {**new, "metadata": {**given, **known}}
    if kind.has_generation and kind.changes(new, old):
        new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
    return new
