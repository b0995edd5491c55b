"""Verdicts on reviews as values, and the reviews that carry them. Pure.

The only place that sets uid, apiVersion and kind of a response. Status codes in reviews are chosen
here, HTTP status codes by the server.
"""

import base64
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import msgspec

from schemagen import canonical
from schemagen.problems import JSON, Cause, Problem, Reason
from webhooks.review.reviews import AdmissionRequest, ConversionRequest, Envelope

# HTTP-like status codes of metav1.Status.
BAD_REQUEST: Final = 400
UNPROCESSABLE: Final = 422
INTERNAL_ERROR: Final = 500
UNAVAILABLE: Final = 503
TIMED_OUT: Final = 504

# Maximum number of problems listed in a response; the rest is only counted.
MAX_PROBLEMS: Final = 50

# Characters of an audit annotation.
MAX_LISTED_CHARACTERS: Final = 1024

_REASONS: Final = {
    BAD_REQUEST: "BadRequest",
    INTERNAL_ERROR: "InternalError",
    UNAVAILABLE: "ServiceUnavailable",
    TIMED_OUT: "Timeout",
}


class Allowed(msgspec.Struct, frozen=True):
    """An object is allowed.

    Attributes:
        patch: JSON patch (RFC 6902) with its defaults, if it is changed.
        warnings: Warnings for the client.
    """

    request: AdmissionRequest
    patch: Sequence[JSON] = ()
    warnings: Sequence[str] = ()


class Denied(msgspec.Struct, frozen=True):
    """An object is denied, with every problem, as kubectl prints them.

    Attributes:
        problems: The reasons.
        warnings: Warnings for the client.
        more: Number of further problems that are not listed.
    """

    request: AdmissionRequest
    problems: Sequence[Problem]
    warnings: Sequence[str] = ()
    more: int = 0

    @property
    def causes(self) -> list[Cause]:
        """The reasons in the API server's words, and how many are not listed."""
        causes = [
            Cause(str(problem.reason), problem.message, str(problem.path))
            for problem in sorted(self.problems)
        ]
        if self.more:
            causes.append(Cause(str(Reason.INVALID), f"and {self.more} more", ""))
        return causes


class Failed(msgspec.Struct, frozen=True):
    """A review cannot be carried out; the user reads the message."""

    envelope: Envelope
    message: str
    code: int = BAD_REQUEST


class Converted(msgspec.Struct, frozen=True):
    """Every object is in the desired version, in request order.

    Attributes:
        objects: Each as raw JSON.
        dropped_bytes: Residue that was dropped for lack of space.
    """

    request: ConversionRequest
    objects: Sequence[msgspec.Raw]
    dropped_bytes: int = 0


Admitted: TypeAlias = Allowed | Denied | Failed
"""The verdict on an admission request."""
Verdict: TypeAlias = Admitted | Converted


def encode(verdict: Verdict) -> bytes:
    """Encode the review that carries a verdict."""
    return msgspec.json.encode(review_of(verdict))


def review_of(verdict: Verdict) -> JSON:
    """Return the AdmissionReview or ConversionReview that carries a verdict."""
    match verdict:
        case Allowed():
            return _review(verdict.request.envelope, _allowed(verdict))
        case Denied():
            return _review(verdict.request.envelope, _denied(verdict))
        case Converted():
            converted = {
                "result": {"status": "Success"},
                "convertedObjects": list(verdict.objects),
            }
            return _review(verdict.request.envelope, converted)
        case Failed():
            return _review(verdict.envelope, _failed(verdict))


def _review(envelope: Envelope, response: dict[str, Any]) -> JSON:
    return {
        "apiVersion": envelope.api_version,
        "kind": envelope.kind,
        "response": {"uid": envelope.uid, **response},
    }


def _allowed(verdict: Allowed) -> dict[str, Any]:
    response: dict[str, Any] = {"allowed": True}
    if verdict.patch:  # the API server refuses a patchType with an empty patch
        response["patchType"] = "JSONPatch"
        response["patch"] = base64.b64encode(canonical.dumps(list(verdict.patch))).decode()
        response["auditAnnotations"] = {
            "defaulted": _listed([operation["path"] for operation in verdict.patch])
        }
    if verdict.warnings:
        response["warnings"] = list(verdict.warnings)
    return response


def _denied(verdict: Denied) -> dict[str, Any]:
    request, causes = verdict.request, verdict.causes
    listed = "; ".join(_text(cause) for cause in causes)
    status = {
        "status": "Failure",
        "reason": "Invalid",
        "code": UNPROCESSABLE,
        "message": f'{request.kind} "{request.name}" is invalid: {listed}',
        "details": {
            "name": request.name,
            "group": request.group,
            "kind": request.kind,
            "causes": [
                {"reason": cause.reason, "message": cause.message, "field": cause.field}
                for cause in causes
            ],
        },
    }
    response: dict[str, Any] = {"allowed": False, "status": status}
    response["auditAnnotations"] = {
        "refused": _listed([str(problem.path) for problem in sorted(verdict.problems)])
    }
    if verdict.warnings:
        response["warnings"] = list(verdict.warnings)
    return response


def _failed(verdict: Failed) -> dict[str, Any]:
    status = {"status": "Failure", "message": verdict.message, "code": verdict.code}
    if verdict.envelope.kind == "ConversionReview":
        return {"result": status, "convertedObjects": []}
    return {"allowed": False, "status": {**status, "reason": _REASONS[verdict.code]}}


def _text(cause: Cause) -> str:
    return f"{cause.field}: {cause.message}" if cause.field else cause.message


def _listed(fields: Sequence[str]) -> str:
    """Join names for the audit log, bounded in length."""
    text = ", ".join(fields)
    return (
        text
        if len(text) <= MAX_LISTED_CHARACTERS
        else f"{text[: MAX_LISTED_CHARACTERS - 1]}\N{HORIZONTAL ELLIPSIS}"
    )
