"""Refusals of the API server in its own words (apimachinery 1.37, pkg/api/errors). Pure."""

import dataclasses
import http
import json
from collections.abc import Iterable, Sequence
from typing import Final

from controllers.kube.errors import JSON
from controllers.kube.resources import SUBDOMAIN, Resource

_NOT_A_NAME: Final = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    f"for validation is '{SUBDOMAIN.pattern}')"
)


class Refusal(Exception):  # noqa: N818 - an answer of the server, not an error in it
    """Ends a request with a Status.

    Attributes:
        status: The Status.
        retry_after_seconds: Sent as ``Retry-After``; None sends none.
    """

    def __init__(self, status: JSON, retry_after_seconds: int | None = None) -> None:
        super().__init__(status.get("message"))
        self.status, self.retry_after_seconds = status, retry_after_seconds


def failure(code: int, reason: str, message: str, details: JSON | None = None) -> JSON:
    """Build a Status of a refused request."""
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }
    return status if details is None else {**status, "details": details}


def success(resource: Resource, name: str, uid: str) -> JSON:
    """Build the Status of a deletion."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {**_details(resource, name), "uid": uid},
    }


def not_found(resource: Resource, name: str) -> Refusal:
    """Refuse a name that does not exist."""
    message = f'{resource} "{name}" not found'
    return Refusal(failure(404, "NotFound", message, _details(resource, name)))


def already_exists(resource: Resource, name: str) -> Refusal:
    """Refuse to create an object twice."""
    message = f'{resource} "{name}" already exists'
    return Refusal(failure(409, "AlreadyExists", message, _details(resource, name)))


OUTDATED = (
    "the object has been modified; please apply your changes to the latest version and try again"
)


def conflict(resource: Resource, name: str, reason: str = OUTDATED) -> Refusal:
    """Refuse a write of an outdated object, or an unmet precondition."""
    message = f'Operation cannot be fulfilled on {resource} "{name}": {reason}'
    return Refusal(failure(409, "Conflict", message, _details(resource, name)))


def another_object(resource: Resource, key: str, name: str, given: str, found: str) -> Refusal:
    """Refuse a write of an object with another uid."""
    what = f"UID in precondition: {given}, UID in object meta: {found}"
    reason = (
        f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, "
        f"AdditionalErrorMsg: Precondition failed: {what}"
    )
    return conflict(resource, name, reason)


def named_by_kind(resource: Resource) -> Resource:
    """Return a resource whose refusals name its kind, as some checks do."""
    return dataclasses.replace(resource, plural=resource.kind)


def invalid(
    resource: Resource, name: str, causes: Sequence[JSON], *, is_named_by_plural: bool = False
) -> Refusal:
    """Refuse an invalid object with every cause (reason, message and field)."""
    resource = resource if is_named_by_plural else named_by_kind(resource)
    kind = str(resource)
    texts = [*dict.fromkeys(f"{cause['field']}: {cause['message']}" for cause in causes)]
    text = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    given = _details(resource, name) | {"causes": [*causes]}
    message = f'{kind} "{name}" is invalid: {text}'
    return Refusal(failure(422, "Invalid", message, given))


def cause(reason: str, message: str, field: str) -> JSON:
    """Build an entry of ``details.causes``."""
    return {"reason": reason, "message": message, "field": field}


def name_causes(value: JSON, *, is_custom: bool) -> list[JSON]:
    """Return why a name is refused."""
    name = value["metadata"].get("name", "")
    if not name:
        text = "Required value: name or generateName is required"
        return [cause("FieldValueRequired", text, "metadata.name")]
    if is_custom and not SUBDOMAIN.fullmatch(name):
        text = f'Invalid value: "{name}": {_NOT_A_NAME}'
        return [cause("FieldValueInvalid", text, "metadata.name")]
    return []


def finalizer_causes(new: JSON, old: JSON, *, is_custom: bool) -> list[JSON]:
    """Return why new finalizers are refused: the object is being deleted."""
    if "deletionTimestamp" not in old["metadata"]:
        return []
    before = old["metadata"].get("finalizers") or ()
    added = [name for name in new["metadata"].get("finalizers") or () if name not in before]
    if not added:
        return []
    listed = ", ".join(f'"{name}"' for name in added)
    text = (
        "Forbidden: no new finalizers can be added if the object is being deleted, found new "
        f"finalizers []string{{{listed}}}"
    )
    found = cause("FieldValueForbidden", text, "metadata.finalizers")
    # Those of custom objects are validated twice.
    return [found] * (2 if is_custom else 1)


def unapplicable() -> Refusal:
    """Refuse a JSON patch that fails, such as by a ``test``."""
    message = "the server rejected our request due to an error in our request"
    return Refusal(failure(422, "Invalid", message, {}))


def unpatchable(patched: JSON, why: str) -> Refusal:
    """Refuse a patch after which an object cannot be decoded; the whole object is quoted."""
    text = json.dumps(patched, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    found = cause("FieldValueInvalid", f"Invalid value: {json.dumps(text)}: {why}", "patch")
    message = f' "" is invalid: patch: {found["message"]}'
    return Refusal(failure(422, "Invalid", message, {"causes": [found]}))


def bad_request(message: str) -> Refusal:
    """Refuse what cannot be decoded."""
    return Refusal(failure(400, "BadRequest", message))


def forbidden(resource: Resource, name: str, why: str, causes: Iterable[JSON] = ()) -> Refusal:
    """Refuse by admission or authorization."""
    message = f'{resource} "{name}" is forbidden: {why}'
    given = [*causes]
    details = _details(resource, name) | ({"causes": given} if given else {})
    return Refusal(failure(403, "Forbidden", message, details))


def terminating(resource: Resource, name: str, namespace: str) -> Refusal:
    """Refuse to create in a namespace that is being deleted."""
    text = f"namespace {namespace} is being terminated"
    why = f"unable to create new content in namespace {namespace} because it is being terminated"
    field = "metadata.namespace"
    return forbidden(resource, name, why, [cause("NamespaceTerminating", text, field)])


def expired(message: str, continuation: str = "") -> Refusal:
    """Refuse a resourceVersion or a continue token of which the history is gone."""
    status = failure(410, "Expired", message)
    return Refusal({**status, "metadata": {"continue": continuation} if continuation else {}})


def apply_conflict(causes: Sequence[JSON], message: str) -> Refusal:
    """Refuse to apply fields that others own."""
    return Refusal(failure(409, "Conflict", message, {"causes": [*causes]}))


def method_not_allowed() -> Refusal:
    """Refuse a verb that a resource does not have."""
    message = "the server does not allow this method on the requested resource"
    return Refusal(failure(405, "MethodNotAllowed", message, {}))


def unsupported_media_type(accepted: Sequence[str]) -> Refusal:
    """Refuse a kind of patch that a resource does not have."""
    message = (
        f"the body of the request was in an unknown format - accepted media types include: "
        f"{', '.join(accepted)}"
    )
    return Refusal(failure(415, "UnsupportedMediaType", message))


def internal(message: str) -> Refusal:
    """Report a failure of the server, which gives no reason."""
    status = failure(500, "", message)
    return Refusal({name: part for name, part in status.items() if name != "reason"})


_REASONS = {
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}


def injected(code: int, message: str, retry_after_seconds: int | None = None) -> Refusal:
    """Refuse because a test wants it."""
    reason = _REASONS.get(code, "")
    details = None if retry_after_seconds is None else {"retryAfterSeconds": retry_after_seconds}
    text = message or http.HTTPStatus(code).phrase
    return Refusal(failure(code, reason, text, details), retry_after_seconds)


def _details(resource: Resource, name: str) -> JSON:
    details = {"name": name, "group": resource.group, "kind": resource.plural}
    return {key: value for key, value in details.items() if value}
