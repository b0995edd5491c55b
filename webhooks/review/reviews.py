"""The requests of AdmissionReviews and ConversionReviews as values. Pure."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import orjson

from schemagen import User
from schemagen.problems import JSON, kind_of, quoted

ADMISSION_VERSIONS: Final = ("admission.k8s.io/v1", "admission.k8s.io/v1beta1")
CONVERSION_VERSIONS: Final = ("apiextensions.k8s.io/v1", "apiextensions.k8s.io/v1beta1")


class MalformedReviewError(ValueError):
    """A body without a readable uid: only an HTTP status can answer it."""


class Envelope(msgspec.Struct, frozen=True):
    """Fields that a response copies from its review."""

    api_version: str
    kind: str
    uid: str


class UnusableReviewError(ValueError):
    """A body with a uid that cannot be reviewed: it gets a failed review response."""

    def __init__(self, envelope: Envelope, message: str) -> None:
        super().__init__(message)
        self.envelope = envelope
        self.message = message


_NOBODY: Final = User()


class AdmissionRequest(msgspec.Struct, frozen=True, kw_only=True):
    """An admission request.

    Attributes:
        object: The object; None for a DELETE or if the API server sent none.
        old_object: The object before an UPDATE or DELETE.
        resource: Group, version and plural name that the object was written through.
        user: User of the request.
        written_bytes: Size of the review's body; None if it was not decoded from bytes.
        is_replacement: Whether the complete object was sent (PUT), not a patch.
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
    """A conversion request: objects of any versions, and the desired version.

    Attributes:
        objects: Raw JSON, or decoded already.
    """

    envelope: Envelope
    desired_api_version: str
    objects: Sequence[msgspec.Raw | JSON]


def decode(body: bytes) -> JSON:
    """Decode the JSON of a request body.

    Duplicate keys: the last one wins, as in Go. NaN, invalid UTF-8, truncated or too deeply nested
    JSON is refused.

    Raises:
        MalformedReviewError: It is not valid JSON.
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
    """Decode the request of an AdmissionReview.

    Raises:
        MalformedReviewError: It is not JSON or has no uid.
        UnusableReviewError: Another field is invalid.
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
    """Decode a valid review quickly; None for an invalid one, which is diagnosed elsewhere."""
    try:
        if not body.isascii():
            body.decode()  # skipped parts must be UTF-8 as well
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
    """Return the user of a request; of an invalid one, only the name."""
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
    """Decode the request of a ConversionReview; raises as ``decode`` and ``admission_request``."""
    try:
        if not body.isascii():
            body.decode()  # undecoded parts must be UTF-8 as well
        review = _CONVERSION_REVIEW.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _conversion_request(decode(body))  # diagnoses the error
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
    """Return the envelope of a review that was validated before."""
    return Envelope(review["apiVersion"], review["kind"], review["request"]["uid"])


def _opened(review: JSON, kind: str, versions: Sequence[str]) -> tuple[Envelope, dict[str, JSON]]:
    """Return the envelope and the request of a review of the expected kind."""
    if type(review) is not dict:
        raise MalformedReviewError(f"expected {kind}, got {kind_of(review)}")
    request = review.get("request")
    uid = request.get("uid") if type(request) is dict else None
    if type(request) is not dict or type(uid) is not str or not uid:
        raise MalformedReviewError(f"expected {kind} with request.uid, got none")
    version = review.get("apiVersion")
    known = version if type(version) is str and version in versions else versions[0]
    envelope = Envelope(known, kind, uid)
    if review.get("kind") != kind or version not in versions:
        raise UnusableReviewError(
            envelope,
            f"expected {kind} of {' or '.join(versions)}, "
            f"got {quoted(review.get('kind'))} of {quoted(version)}",
        )
    return envelope, request


def _member(
    envelope: Envelope, value: dict[str, JSON], name: str, kind: type, *, where: str
) -> Any:
    member = value.get(name)
    if type(member) is not kind:
        expected = "an object" if kind is dict else "a string"
        raise UnusableReviewError(
            envelope, f"expected {expected} at {where}.{name}, got {kind_of(member)}"
        )
    return member


def _object(envelope: Envelope, request: dict[str, JSON], name: str) -> dict[str, JSON] | None:
    member = request.get(name)
    if member is not None and type(member) is not dict:
        raise UnusableReviewError(
            envelope, f"expected an object at request.{name}, got {kind_of(member)}"
        )
    return member


def _text(value: dict[str, JSON], name: str) -> str:
    member = value.get(name)
    return member if type(member) is str else ""
