"""Requests as the server understands them: verb, kind, address, selectors, and patches of bodies.

Pure. Paths as in the Kubernetes API concepts; patches by RFC 7386 and RFC 6902.
"""

import base64
import binascii
import copy
import dataclasses
import datetime as dt
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

import orjson

from controllers.kube import clocks, resources, writer
from controllers.kube.errors import JSON
from controllers.kube.requests import Request
from controllers.kube.testing import statuses
from controllers.kube.testing.kinds import PODS, Family, Kind

Verb: TypeAlias = Literal["get", "list", "watch", "create", "update", "patch", "delete"]
_VERBS: Final[Mapping[str, Verb]] = {
    "POST": "create",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}
Matches: TypeAlias = Callable[[JSON], bool]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request to an object or a collection.

    Attributes:
        verb: As in RBAC.
        family: The kind in all versions.
        version: The version of the request.
        namespace: Empty for all namespaces and for cluster-scoped kinds.
        name: Empty for a collection.
        subresource: Such as ``status``.
        query: The parameters.
        body: As sent.
        content_type: Of the body.
        accepts: What the response may be.
        user_agent: Names the manager of fields unless the query does.
    """

    verb: Verb
    family: Family
    version: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    query: Mapping[str, str] = dataclasses.field(default_factory=dict)
    body: bytes = dataclasses.field(default=b"", repr=False)
    content_type: str = ""
    accepts: str = ""
    user_agent: str = ""

    @property
    def kind(self) -> Kind:
        """The kind in the version of the request."""
        return self.family.versions[self.version]

    @property
    def plural(self) -> str:
        """The resource, such as ``leases``."""
        return self.kind.resource.plural

    @property
    def is_dry_run(self) -> bool:
        """Whether nothing is to be stored."""
        return self.query.get("dryRun") == "All"

    @property
    def manager(self) -> str:
        """The manager of written fields."""
        return self.query.get("fieldManager") or self.user_agent.partition("/")[0]

    def decoded(self) -> Any:
        """Return the body.

        Raises:
            Refusal: It is not JSON.
        """
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise statuses.bad_request(f"the body is not JSON: {error}") from error

    def matches(self) -> Matches:
        """Return what the selectors of the query choose.

        Raises:
            Refusal: They cannot be read.
        """
        chosen = [
            *_label_selector(self.query.get("labelSelector", "")),
            *_field_selector(self.query.get("fieldSelector", ""), self.kind),
        ]
        return lambda value: all(selects(value) for selects in chosen)


class NoSuchPathError(Exception):
    """Nothing is served at a path."""


def parsed(
    request: Request, families: Mapping[tuple[str, str], Family], user_agent: str = ""
) -> Call:
    """Read a request.

    Args:
        request: The request.
        families: The served kinds by group and plural.
        user_agent: Of the client.

    Raises:
        NoSuchPathError: Its path leads nowhere.
    """
    group, version, namespace, rest = _address(request.path.strip("/").split("/"))
    plural, name, subresource = (*rest, "", "", "")[:3]
    family = families.get((group, plural))
    if family is None or version not in family.versions or len(rest) > 3:  # noqa: PLR2004
        raise NoSuchPathError
    query = dict(request.query)
    verb = _VERBS.get(request.method) or ("get" if name else "list")
    return Call(
        verb="watch" if verb == "list" and query.get("watch") == "true" else verb,
        family=family,
        version=version,
        namespace=namespace,
        name=name,
        subresource=subresource,
        query=query,
        body=request.body or b"",
        content_type=request.content_type or "",
        accepts=request.accepts,
        user_agent=user_agent,
    )


def _address(parts: Sequence[str]) -> tuple[str, str, str, Sequence[str]]:
    match parts:
        case ["api", version, *rest]:
            group = ""
        case ["apis", group, version, *rest]:
            pass
        case _:
            raise NoSuchPathError
    if rest and rest[0] == "namespaces" and len(rest) > 2 and rest[2] != "status":  # noqa: PLR2004
        return group, version, rest[1], rest[2:]
    return group, version, "", rest


# --- Selectors ------------------------------------------------------------------------------------

_IN_SET: Final = re.compile(r"(\S+)\s+(in|notin)\s+\(([^)]*)\)")
_TERM: Final = re.compile(r"\s*((?:[^,(]|\([^)]*\))+)\s*(?:,|$)")


def _label_selector(text: str) -> list[Matches]:
    return [_label_term(match[1].strip()) for match in _TERM.finditer(text)]


def _label_term(term: str) -> Matches:
    def labels(value: JSON) -> Mapping[str, str]:
        return value["metadata"].get("labels") or {}

    if found := _IN_SET.fullmatch(term):
        key, operator = found[1], found[2]
        values = {part.strip() for part in found[3].split(",")}
        return lambda value: (labels(value).get(key) in values) == (operator == "in")
    key, is_equal, wanted = _split(term)
    if wanted is not None:
        return lambda value: (labels(value).get(key) == wanted) == is_equal
    if key.startswith("!"):
        return lambda value: key[1:] not in labels(value)
    return lambda value: key in labels(value)


def _split(term: str) -> tuple[str, bool, str | None]:
    for operator, is_equal in (("!=", False), ("==", True), ("=", True)):
        key, found, wanted = term.partition(operator)
        if found:
            return key.strip(), is_equal, wanted.strip()
    return term, True, None


def _field_selector(text: str, kind: Kind) -> list[Matches]:
    return [_field_term(term, kind) for term in text.split(",") if term]


def _field_term(term: str, kind: Kind) -> Matches:
    path, is_equal, wanted = _split(term)
    if path not in {"metadata.name", "metadata.namespace", *kind.selectable}:
        if kind.is_custom:
            raise statuses.bad_request(f"field label not supported: {path}")
        raise statuses.bad_request(f'"{path}" is not a known field selector: only "metadata.name", '
                                   '"metadata.namespace"')  # fmt: skip

    def matches(value: JSON) -> bool:
        found: Any = value
        for name in path.split("."):
            found = found.get(name) if isinstance(found, dict) else None
        return (_text(found) == (wanted or "")) == is_equal

    return matches


def _text(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


# --- Preconditions --------------------------------------------------------------------------------


def token(revision: int, start: str) -> str:
    """Return the continue token of a list at a revision, from a key on."""
    return base64.urlsafe_b64encode(orjson.dumps([revision, start])).decode().rstrip("=")


def continued(token: str) -> tuple[int, str]:
    """Return the revision of a continue token, 0 for the current one, and where to go on."""
    if not token:
        return 0, ""
    try:
        revision, start = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except (binascii.Error, ValueError, orjson.JSONDecodeError) as error:
        raise statuses.bad_request("continue key is not valid") from error
    return max(int(revision), 0), str(start)


def uid_conflict(call: Call, given: str, found: str) -> statuses.Refusal:
    """Refuse a write of an object of the same name but another uid."""
    key = f"/registry/{call.family.collection}/{call.namespace}/{call.name}"
    return statuses.another_object(call.kind.resource, key, call.name, given, found)


def check_versions(call: Call, given: JSON, known: JSON) -> None:
    """Refuse a write that is based on another object or version."""
    uid, version = given.get("uid"), given.get("resourceVersion")
    if uid and uid != known["uid"]:
        raise uid_conflict(call, uid, known["uid"])
    if version and version != known["resourceVersion"]:
        raise statuses.conflict(call.kind.resource, call.name)
    if not version and call.verb == "update" and not call.kind.updates_blindly:
        text = "Invalid value: 0: must be specified for an update"
        found = statuses.cause("FieldValueInvalid", text, "metadata.resourceVersion")
        raise statuses.invalid(call.kind.resource, call.name, [found], is_named_by_plural=True)


def check_preconditions(call: Call, preconditions: JSON, known: JSON) -> None:
    """Refuse a deletion whose preconditions do not hold."""
    uid, version = preconditions.get("uid"), preconditions.get("resourceVersion")
    resource = statuses.named_by_kind(call.kind.resource)
    if uid and uid != known["uid"]:
        raise statuses.conflict(
            resource,
            call.name,
            f"the UID in the precondition ({uid}) does not match the UID in record "
            f"({known['uid']}). The object might have been deleted and then recreated",
        )
    if version and version != known["resourceVersion"]:
        raise statuses.conflict(
            resource,
            call.name,
            f"the ResourceVersion in the precondition ({version}) does not match the "
            f"ResourceVersion in record ({known['resourceVersion']}). The object might have been "
            "modified",
        )


_POLICIES: Final = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}


def marked(kind: Kind, old: JSON, options: JSON, now: dt.datetime) -> JSON | None:
    """Return an object that stays for a while when it is deleted; None if it goes."""
    metadata = dict(old["metadata"])
    finalizers = [*metadata.get("finalizers", ())]
    policy = options.get("propagationPolicy")
    if policy:
        finalizers = [name for name in finalizers if name not in _POLICIES.values()]
        finalizers += [_POLICIES[policy]] if policy in _POLICIES else []
    grace = _grace_seconds(kind, old, options)
    is_namespace = kind.resource == resources.NAMESPACES
    if not finalizers and not grace and not is_namespace:
        return None
    if finalizers:
        metadata["finalizers"] = finalizers
    if "deletionTimestamp" not in metadata:
        when = now + dt.timedelta(seconds=grace)
        metadata["deletionTimestamp"] = clocks.time_text(when)
        if not is_namespace:
            metadata["deletionGracePeriodSeconds"] = grace
        if metadata.get("generation"):
            metadata["generation"] += 1
    status = {"status": {**old.get("status", {}), "phase": "Terminating"}} if is_namespace else {}
    return {**old, "metadata": metadata, **status}


def _grace_seconds(kind: Kind, old: JSON, options: JSON) -> int:
    """Return how long a pod on a node may still run."""
    spec = old.get("spec") or {}
    is_over = (old.get("status") or {}).get("phase") in {"Succeeded", "Failed"}
    if kind.resource != PODS or not spec.get("nodeName") or is_over:
        return 0
    given = options.get("gracePeriodSeconds")
    return int(spec.get("terminationGracePeriodSeconds", 30) if given is None else given)


# --- Patches --------------------------------------------------------------------------------------


def merge_patched(value: Any, patch: Any) -> Any:
    """Return a value after a merge patch."""
    if not isinstance(patch, dict):
        return patch
    result = dict(value) if isinstance(value, dict) else {}
    for name, part in patch.items():
        if part is None:
            result.pop(name, None)
        else:
            result[name] = merge_patched(result.get(name), part)
    return result


def json_patched(value: JSON, operations: Sequence[JSON]) -> JSON:
    """Return an object after a JSON patch.

    Raises:
        Refusal: An operation is impossible, or a test failed.
    """
    document: Any = copy.deepcopy(value)
    for operation in operations:
        document = _operated(document, operation)
    return dict(document)


def _operated(document: Any, operation: JSON) -> Any:
    name, path = operation.get("op"), _pointer(operation.get("path", ""))
    match name:
        case "test":
            found = _found(document, path)
            if not writer.is_equal(found, operation.get("value")):
                raise statuses.unapplicable()
        case "remove":
            return _without(document, path)
        case "add" | "replace":
            return _with(document, path, operation.get("value"), is_new=name == "add")
        case "copy" | "move":
            source = _pointer(operation.get("from", ""))
            moved = copy.deepcopy(_found(document, source, is_required=True))
            rest = _without(document, source) if name == "move" else document
            return _with(rest, path, moved, is_new=True)
        case _:
            raise statuses.bad_request(f"Unexpected kind: {name or 'unknown'}")
    return document


def _pointer(text: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _found(document: Any, path: Sequence[str], *, is_required: bool = False) -> Any:
    for part in path:
        if isinstance(document, dict) and part in document:
            document = document[part]
        elif isinstance(document, list) and part.isdecimal() and int(part) < len(document):
            document = document[int(part)]
        elif is_required:
            raise statuses.unapplicable()
        else:
            return None
    return document


def _parent(document: Any, path: Sequence[str]) -> Any:
    parent = _found(document, path[:-1], is_required=True)
    if not isinstance(parent, dict | list):
        raise statuses.unapplicable()
    return parent


def _with(document: Any, path: Sequence[str], value: Any, *, is_new: bool) -> Any:
    if not path:
        return value
    parent, last = _parent(document, path), path[-1]
    if isinstance(parent, dict):
        parent[last] = value
        return document
    index = len(parent) if last == "-" else int(last) if last.isdecimal() else -1
    if not 0 <= index <= len(parent):
        raise statuses.unapplicable()
    parent[index : index + (not is_new)] = [value]
    return document


def _without(document: Any, path: Sequence[str]) -> Any:
    _found(document, path, is_required=True)
    parent, last = _parent(document, path), path[-1]
    if isinstance(parent, dict):
        del parent[last]
    else:
        del parent[int(last)]
    return document
