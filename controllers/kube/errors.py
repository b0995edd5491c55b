"""Errors of requests to a Kubernetes API. Pure; imports no other module of the project.

KubeError
├── AddressError (also ValueError)   invalid address; read by the author of the calling code
├── ConfigurationError               unusable kubeconfig or credentials; read by the operator
├── UnreachableError                 no connection, or it was lost; read by the operator
│   └── DeadlineExceededError        no complete response in time
├── AnswerError                      not a Kubernetes API response; read by the operator
└── ApiError                         refused by the API server, in its words; read by the user
    ├── UnauthorizedError    401
    ├── ForbiddenError       403
    ├── NotFoundError        404
    ├── AlreadyExistsError   409, reason AlreadyExists
    ├── ConflictError        409, any other reason
    ├── GoneError            410: the resourceVersion or continue token is too old
    ├── InvalidError         422
    └── TooManyRequestsError 429
"""

import dataclasses
import http
from typing import Any, TypeAlias

JSON: TypeAlias = dict[str, Any]

# Limit for quoting a response that is not a Status.
_MAX_EXCERPT = 256


class KubeError(Exception):
    """Base of all errors that this package raises."""


class AddressError(KubeError, ValueError):
    """The arguments address neither an object nor a collection."""


class ConfigurationError(KubeError):
    """The cluster's address or credentials cannot be determined."""


class UnreachableError(KubeError):
    """The API server did not respond; whether a write happened is unknown."""


class DeadlineExceededError(UnreachableError):
    """No complete response arrived in time."""


class AnswerError(KubeError):
    """The response is not from a Kubernetes API: not JSON, or over the size limit."""


@dataclasses.dataclass(frozen=True, slots=True)
class Cause:
    """An entry of a Status's ``details.causes``."""

    field: str
    reason: str
    message: str


class ApiError(KubeError):
    """The API server refused the request; ``str`` is its message.

    Attributes:
        status: The ``Status`` object of the response.
    """

    def __init__(self, status: JSON, *, request: str = "") -> None:
        super().__init__(status, request)
        self.status = status
        self.request = request

    @property
    def code(self) -> int:
        """HTTP status code, also of a Status in a watch event."""
        return int(self.status.get("code") or 0)

    @property
    def reason(self) -> str:
        """Machine-readable reason, such as ``AlreadyExists``; may be empty."""
        return str(self.status.get("reason") or "")

    @property
    def message(self) -> str:
        """The API server's message; may be empty."""
        return str(self.status.get("message") or "")

    @property
    def causes(self) -> tuple[Cause, ...]:
        """Invalid fields of an object, or conflicting fields of an apply."""
        details = self.status.get("details") or {}
        return tuple(
            Cause(cause.get("field", ""), cause.get("reason", ""), cause.get("message", ""))
            for cause in details.get("causes") or ()
        )

    @property
    def retry_after_seconds(self) -> int | None:
        """Delay that the API server requests before a retry, if any."""
        seconds = (self.status.get("details") or {}).get("retryAfterSeconds")
        return int(seconds) if seconds else None

    def __str__(self) -> str:
        details = self.status.get("details") or {}
        if details.keys() & {"name", "kind", "causes"} or not self.request:
            return self.message or self.reason or f"HTTP {self.code}"
        # "Unauthorized" and "404 page not found" do not say what they are about.
        return f"{self.message or self.reason or self.code}, in response to {self.request}"


class UnauthorizedError(ApiError):
    """The API server did not authenticate the client."""


class ForbiddenError(ApiError):
    """The user is not authorized."""


class NotFoundError(ApiError):
    """The object or the resource does not exist."""


class AlreadyExistsError(ApiError):
    """An object with that name exists."""


class ConflictError(ApiError):
    """The object changed since it was read, or another field manager owns an applied field."""


class GoneError(ApiError):
    """The resourceVersion or continue token is too old: list again."""


class InvalidError(ApiError):
    """The object violates its schema or a rule."""


class TooManyRequestsError(ApiError):
    """The API server is overloaded, or a disruption budget is exhausted."""


_BY_CODE: dict[int, type[ApiError]] = {
    http.HTTPStatus.UNAUTHORIZED: UnauthorizedError,
    http.HTTPStatus.FORBIDDEN: ForbiddenError,
    http.HTTPStatus.NOT_FOUND: NotFoundError,
    http.HTTPStatus.CONFLICT: ConflictError,
    http.HTTPStatus.GONE: GoneError,
    http.HTTPStatus.UNPROCESSABLE_ENTITY: InvalidError,
    http.HTTPStatus.TOO_MANY_REQUESTS: TooManyRequestsError,
}


def from_status(status: JSON, *, request: str = "") -> ApiError:
    """Return the error for a ``Status`` object.

    Args:
        status: From a response, or from a watch's ERROR event.
        request: The request, such as ``GET /api/v1/namespaces/x``.
    """
    if status.get("reason") == "AlreadyExists":
        return AlreadyExistsError(status, request=request)
    code = int(status.get("code") or 0)
    return _BY_CODE.get(code, ApiError)(status, request=request)


def from_answer(code: int, decoded: Any, text: str, *, request: str) -> ApiError:
    """Return the error for an HTTP response with status 400 or above.

    Args:
        code: HTTP status code.
        decoded: Decoded body; anything if it is not a Status.
        text: Body as text, as sent by proxies and for unknown paths.
        request: The request.
    """
    if isinstance(decoded, dict) and decoded.get("kind") == "Status":
        return from_status({"code": code, **decoded}, request=request)
    message = text.strip()[:_MAX_EXCERPT] or f"HTTP {code}"
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure"}
    return from_status({**status, "code": code, "message": message}, request=request)
