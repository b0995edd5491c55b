"""Reviews as values: AdmissionReview and ConversionReview, read and written.

The one place where an answer gets its uid, apiVersion and kind. Status codes of answers are chosen
here; HTTP's are the server's.
"""

import base64
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import orjson

from schemagen import User, canonical
from schemagen.problems import JSON, Problem, Reason, kind_of, quoted

ADMISSION_VERSIONS: Final = ("admission.k8s.io/v1", "admission.k8s.io/v1beta1")
CONVERSION_VERSIONS: Final = ("apiextensions.k8s.io/v1", "apiextensions.k8s.io/v1beta1")

# HTTP-like codes of metav1.Status.
BAD_REQUEST: Final = 400
UNPROCESSABLE: Final = 422
INTERNAL_ERROR: Final = 500
UNAVAILABLE: Final = 503
TIMED_OUT: Final = 504

# Problems that an answer names; of more it says how many there are.
MAX_PROBLEMS: Final = 50

# Characters of an audit annotation.
MOST_LISTED: Final = 1024

_REASONS: Final = {
    BAD_REQUEST: "BadRequest",
    INTERNAL_ERROR: "InternalError",
    UNAVAILABLE: "ServiceUnavailable",
    TIMED_OUT: "Timeout",
}


class MalformedReviewError(ValueError):
    """A body that is no review and holds no uid: only an HTTP status can answer it."""


class Envelope(msgspec.Struct, frozen=True):
    """What an answer repeats of its review."""

    api_version: str
    kind: str
    uid: str


class UnusableReviewError(ValueError):
    """A body with a uid that cannot be reviewed: it gets a proper answer that says why."""

    def __init__(self, envelope: Envelope, message: str) -> None:
        super().__init__(message)
        self.envelope = envelope
        self.message = message


_NOBODY: Final = User()


class AdmissionRequest(msgspec.Struct, frozen=True, kw_only=True):
    """An admission request.

    Attributes:
        object: The object; None for a DELETE or where the API server sent none.
        old_object: The object before an UPDATE or DELETE.
        resource: Group, version and plural name by which the object was written.
        user: Who sent the request.
        written_bytes: Of the review that it was in; None if it was not read from bytes.
        is_replacement: Whether the whole object was sent (PUT), not what changes of it.
    """

    envelope: Envelope
    operation: str
    group: str
    version: str
    kind: str
    name: str
    object: dict[str, JSON] | None
    old_object: dict[str, JSON] | None
    namespace: str = ""
    subresource: str = ""
    dry_run: bool = False
    resource: tuple[str, str, str] = ("", "", "")
    user: User = _NOBODY
    written_bytes: int | None = None
    is_replacement: bool = False

    @property
    def api_version(self) -> str:
        """``agents.proompteng.ai/v1beta1``."""
        return f"{self.group}/{self.version}" if self.group else self.version


class ConversionRequest(msgspec.Struct, frozen=True):
    """A conversion request: objects of any versions, and the version they are wanted in.

    Attributes:
        objects: Each as it was written, or read already.
    """

    envelope: Envelope
    desired_api_version: str
    objects: Sequence[msgspec.Raw | JSON]


def decode(body: bytes) -> JSON:
    """The JSON value of a request's body.

    Duplicate keys: the last wins, as in Go. NaN, invalid UTF-8, truncated or too deep JSON raise.

    Raises:
        MalformedReviewError: saying what was expected.
    """
    if not body:
        raise MalformedReviewError("expected a review in JSON, got an empty body")
    try:
        return orjson.loads(body)
    except (orjson.JSONDecodeError, RecursionError) as error:
        raise MalformedReviewError(f"expected a review in JSON: {error}") from error


class _Kind(msgspec.Struct):
    group: str = ""
    version: str = ""
    kind: str = ""


class _Resource(msgspec.Struct):
    group: str = ""
    version: str = ""
    resource: str = ""


class _Options(msgspec.Struct):
    kind: str = ""


class _Admission(msgspec.Struct):
    uid: str
    kind: _Kind
    operation: str
    name: str = ""
    namespace: str = ""
    subResource: str = ""  # noqa: N815 - the API's name
    dryRun: bool | None = None  # noqa: N815 - likewise
    resource: _Resource | None = None
    userInfo: User | None = None  # noqa: N815 - likewise
    options: _Options | None = None
    object: dict[str, Any] | None = None
    oldObject: dict[str, Any] | None = None  # noqa: N815 - likewise


class _AdmissionReview(msgspec.Struct):
    apiVersion: str  # noqa: N815 - the API's name
    kind: str
    request: _Admission


_NO_RESOURCE: Final = _Resource()
_ADMISSION_REVIEW: Final = msgspec.json.Decoder(_AdmissionReview)


def admission_request(body: bytes) -> AdmissionRequest:
    """The request of an AdmissionReview.

    Raises:
        MalformedReviewError: if it is no JSON, or no uid can be read.
        UnusableReviewError: if something else is not as it must be.
    """
    review = _admission_review(body)
    if review is None:
        return msgspec.structs.replace(_admission_request(decode(body)), written_bytes=len(body))
    request, kind = review.request, review.request.kind
    resource = request.resource or _NO_RESOURCE
    return AdmissionRequest(
        envelope=Envelope(review.apiVersion, review.kind, request.uid),
        operation=request.operation,
        group=kind.group,
        version=kind.version,
        kind=kind.kind,
        name=request.name,
        namespace=request.namespace,
        subresource=request.subResource,
        dry_run=request.dryRun is True,
        resource=(resource.group, resource.version, resource.resource),
        user=request.userInfo or _NOBODY,
        object=request.object,
        old_object=request.oldObject,
        written_bytes=len(body),
        is_replacement=request.options is not None and request.options.kind == "UpdateOptions",
    )


def _admission_review(body: bytes) -> _AdmissionReview | None:
    """The review if it is as it must be; what is wrong with another one is said elsewhere."""
    try:
        if not body.isascii():
            body.decode()  # what is passed over is text, too
        review = _ADMISSION_REVIEW.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    is_known = review.kind == "AdmissionReview" and review.apiVersion in ADMISSION_VERSIONS
    return review if is_known and review.request.uid else None


def _admission_request(review: JSON) -> AdmissionRequest:
    envelope, request = _opened(review, "AdmissionReview", ADMISSION_VERSIONS)
    kind = _member(envelope, request, "kind", dict, where="request")
    operation = _member(envelope, request, "operation", str, where="request")
    resource = request.get("resource")
    names = resource if type(resource) is dict else {}
    return AdmissionRequest(
        envelope=envelope,
        operation=operation,
        group=_text(kind, "group"),
        version=_text(kind, "version"),
        kind=_text(kind, "kind"),
        name=_text(request, "name"),
        namespace=_text(request, "namespace"),
        subresource=_text(request, "subResource"),
        dry_run=request.get("dryRun") is True,
        resource=(_text(names, "group"), _text(names, "version"), _text(names, "resource")),
        user=_user(request.get("userInfo")),
        object=_object(envelope, request, "object"),
        old_object=_object(envelope, request, "oldObject"),
        is_replacement=type(options := request.get("options")) is dict
        and _text(options, "kind") == "UpdateOptions",
    )


def _user(info: JSON) -> User:
    """Who sent a request; of a user that cannot be read, the name counts."""
    try:
        return msgspec.convert(info, User)
    except (msgspec.ValidationError, RecursionError):
        return User(username=_text(info, "username")) if type(info) is dict else _NOBODY


class _Conversion(msgspec.Struct):
    uid: str
    desiredAPIVersion: str  # noqa: N815 - the API's name
    objects: list[msgspec.Raw]


class _ConversionReview(msgspec.Struct):
    apiVersion: str  # noqa: N815 - the API's name
    kind: str
    request: _Conversion


_CONVERSION_REVIEW: Final = msgspec.json.Decoder(_ConversionReview)


def conversion_request(body: bytes) -> ConversionRequest:
    """The request of a ConversionReview; raises as ``decode`` and ``admission_request`` do."""
    try:
        if not body.isascii():
            body.decode()  # what is passed on unread is text, too
        review = _CONVERSION_REVIEW.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _conversion_request(decode(body))  # it says what is wrong
    request = review.request
    is_known = review.kind == "ConversionReview" and review.apiVersion in CONVERSION_VERSIONS
    if not is_known or not request.uid:
        return _conversion_request(decode(body))
    envelope = Envelope(review.apiVersion, review.kind, request.uid)
    return ConversionRequest(envelope, request.desiredAPIVersion, request.objects)


def _conversion_request(review: JSON) -> ConversionRequest:
    envelope, request = _opened(review, "ConversionReview", CONVERSION_VERSIONS)
    desired = _member(envelope, request, "desiredAPIVersion", str, where="request")
    objects = request.get("objects")
    if objects is None:  # Go writes an empty list as null
        objects = []
    if type(objects) is not list:
        raise UnusableReviewError(
            envelope, f"expected an array at request.objects, got {kind_of(objects)}"
        )
    return ConversionRequest(envelope, desired, objects)


def envelope_of(review: JSON) -> Envelope:
    """The envelope of a review that was read before."""
    return Envelope(review["apiVersion"], review["kind"], review["request"]["uid"])


def allowed(
    request: AdmissionRequest, *, patch: Sequence[JSON] = (), warnings: Sequence[str] = ()
) -> JSON:
    """The answer that lets an object in, changed by a JSON patch (RFC 6902) if there is one."""
    response: dict[str, Any] = {"allowed": True}
    if patch:  # the API server refuses an empty patch that has a patchType
        response["patchType"] = "JSONPatch"
        response["patch"] = base64.b64encode(canonical.dumps(list(patch))).decode()
        response["auditAnnotations"] = {"defaulted": _listed([one["path"] for one in patch])}
    if warnings:
        response["warnings"] = list(warnings)
    return _answer(request.envelope, response)


def denied(
    request: AdmissionRequest,
    problems: Sequence[Problem],
    *,
    warnings: Sequence[str] = (),
    more: int = 0,
) -> JSON:
    """The answer that keeps an object out: every problem, as kubectl lists them.

    Args:
        request: What is answered.
        problems: Why.
        warnings: What its writer reads besides.
        more: How many problems there are that are not named.
    """
    causes = [
        {"reason": str(problem.reason), "message": problem.message, "field": str(problem.path)}
        for problem in sorted(problems)
    ]
    listed = "; ".join(map(_cause_text, causes))
    if more:
        listed += f"; and {more} more"
        causes.append({"reason": str(Reason.INVALID), "message": f"and {more} more", "field": ""})
    status = {
        "status": "Failure",
        "reason": "Invalid",
        "code": UNPROCESSABLE,
        "message": f'{request.kind} "{request.name}" is invalid: {listed}',
        "details": {
            "name": request.name,
            "group": request.group,
            "kind": request.kind,
            "causes": causes,
        },
    }
    response: dict[str, Any] = {"allowed": False, "status": status}
    response["auditAnnotations"] = {"refused": _listed([str(one.path) for one in sorted(problems)])}
    if warnings:
        response["warnings"] = list(warnings)
    return _answer(request.envelope, response)


def _cause_text(cause: dict[str, str]) -> str:
    return f"{cause['field']}: {cause['message']}" if cause["field"] else cause["message"]


def _listed(fields: Sequence[str]) -> str:
    """Names for the audit log, not longer than a line."""
    text = ", ".join(fields)
    return text if len(text) <= MOST_LISTED else f"{text[: MOST_LISTED - 1]}\N{HORIZONTAL ELLIPSIS}"


def converted(request: ConversionRequest, objects: Sequence[msgspec.Raw]) -> JSON:
    """The answer with every object in the wanted version, in the order they came.

    Args:
        request: What is answered.
        objects: Each as JSON.
    """
    return _answer(
        request.envelope, {"result": {"status": "Success"}, "convertedObjects": list(objects)}
    )


def failed(envelope: Envelope, message: str, *, code: int = BAD_REQUEST) -> JSON:
    """The answer to a review that cannot be carried out; the user reads the message."""
    status = {"status": "Failure", "message": message, "code": code}
    if envelope.kind == "ConversionReview":
        return _answer(envelope, {"result": status, "convertedObjects": []})
    reason = _REASONS[code]
    return _answer(envelope, {"allowed": False, "status": {**status, "reason": reason}})


def encode(answer: JSON) -> bytes:
    """An answer's bytes."""
    return msgspec.json.encode(answer)


def _answer(envelope: Envelope, response: dict[str, Any]) -> JSON:
    return {
        "apiVersion": envelope.api_version,
        "kind": envelope.kind,
        "response": {"uid": envelope.uid, **response},
    }


def _opened(review: JSON, kind: str, versions: Sequence[str]) -> tuple[Envelope, dict[str, JSON]]:
    """The envelope and the request of a review of the wanted kind."""
    if type(review) is not dict:
        raise MalformedReviewError(f"expected {kind}, got {kind_of(review)}")
    request = review.get("request")
    uid = request.get("uid") if type(request) is dict else None
    if type(request) is not dict or type(uid) is not str or not uid:
        raise MalformedReviewError(f"expected {kind} with request.uid, got none")
    found = review.get("apiVersion")
    known = found if type(found) is str and found in versions else versions[0]
    envelope = Envelope(known, kind, uid)
    if review.get("kind") != kind or found not in versions:
        raise UnusableReviewError(
            envelope,
            f"expected {kind} of {' or '.join(versions)}, "
            f"got {quoted(review.get('kind'))} of {quoted(found)}",
        )
    return envelope, request


def _member(
    envelope: Envelope, value: dict[str, JSON], name: str, kind: type, *, where: str
) -> Any:
    found = value.get(name)
    if type(found) is not kind:
        wanted = "an object" if kind is dict else "a string"
        raise UnusableReviewError(
            envelope, f"expected {wanted} at {where}.{name}, got {kind_of(found)}"
        )
    return found


def _object(envelope: Envelope, request: dict[str, JSON], name: str) -> dict[str, JSON] | None:
    found = request.get(name)
    if found is not None and type(found) is not dict:
        raise UnusableReviewError(
            envelope, f"expected an object at request.{name}, got {kind_of(found)}"
        )
    return found


def _text(value: dict[str, JSON], name: str) -> str:
    found = value.get(name)
    return found if type(found) is str else ""
