"""What can go wrong between us and a Kubernetes API. Pure; imports nothing of ours.

KubeError
├── AddressError (also ValueError)   the calling code addressed nothing; for its author
├── ConfigurationError               kubeconfig or credentials are unusable; for the operator
├── UnreachableError                 no connection, or it broke off; for the operator
│   └── DeadlineExceededError        no whole answer in time
├── AnswerError                      not what a Kubernetes API answers; for the operator
└── ApiError                         the API server refused; its own words, for whoever asked
    ├── UnauthorizedError    401
    ├── ForbiddenError       403
    ├── NotFoundError        404
    ├── AlreadyExistsError   409, reason AlreadyExists
    ├── ConflictError        409, any other reason
    ├── GoneError            410: a resourceVersion or continue token too old to go on from
    ├── InvalidError         422
    └── TooManyRequestsError 429
"""

import dataclasses
import http
from typing import Any, TypeAlias

JSON: TypeAlias = dict[str, Any]

# How much of an answer that is no Status may stand in a message.
_MAX_EXCERPT = 256


class KubeError(Exception):
    """Base of everything this package raises."""


class AddressError(KubeError, ValueError):
    """The parts of an address name no object and no collection."""


class ConfigurationError(KubeError):
    """The way to the cluster cannot be worked out: kubeconfig, credentials, environment."""


class UnreachableError(KubeError):
    """The API server gave no answer; whether a write happened is not known."""


class DeadlineExceededError(UnreachableError):
    """No whole answer came in time."""


class AnswerError(KubeError):
    """The answer is not what a Kubernetes API sends: not JSON, or beyond the size limit."""


@dataclasses.dataclass(frozen=True, slots=True)
class Cause:
    """One of a Status's ``details.causes``."""

    field: str
    reason: str
    message: str


class ApiError(KubeError):
    """The API server refused; ``str`` is what it said.

    Attributes:
        status: The whole ``Status`` object of the answer.
    """

    def __init__(self, status: JSON, *, request: str = "") -> None:
        super().__init__(status, request)
        self.status = status
        self.request = request

    @property
    def code(self) -> int:
        """The HTTP status code, also where the Status came in a watch event."""
        return int(self.status.get("code") or 0)

    @property
    def reason(self) -> str:
        """The machine-readable reason, such as ``AlreadyExists``; may be empty."""
        return str(self.status.get("reason") or "")

    @property
    def message(self) -> str:
        """The API server's sentence; may be empty."""
        return str(self.status.get("message") or "")

    @property
    def causes(self) -> tuple[Cause, ...]:
        """Which fields are at fault, for an invalid object or an apply conflict."""
        details = self.status.get("details") or {}
        return tuple(
            Cause(cause.get("field", ""), cause.get("reason", ""), cause.get("message", ""))
            for cause in details.get("causes") or ()
        )

    @property
    def retry_after_seconds(self) -> int | None:
        """How long the API server asks to wait before another attempt, if it does."""
        seconds = (self.status.get("details") or {}).get("retryAfterSeconds")
        return int(seconds) if seconds else None

    def __str__(self) -> str:
        details = self.status.get("details") or {}
        if details.keys() & {"name", "kind", "causes"} or not self.request:
            return self.message or self.reason or f"HTTP {self.code}"
        # «Unauthorized» and «404 page not found» do not say what they are about.
        return f"{self.message or self.reason or self.code}, answered to {self.request}"


class UnauthorizedError(ApiError):
    """The API server does not know who we are."""


class ForbiddenError(ApiError):
    """The user may not do that."""


class NotFoundError(ApiError):
    """No such object, or no such resource at all."""


class AlreadyExistsError(ApiError):
    """An object of that name exists."""


class ConflictError(ApiError):
    """The object changed since it was read, or another manager owns an applied field."""


class GoneError(ApiError):
    """The resourceVersion or continue token is too old: list again."""


class InvalidError(ApiError):
    """The object breaks its schema or a rule."""


class TooManyRequestsError(ApiError):
    """The API server is overloaded, or a disruption budget is spent."""


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
        status: As answered, or as carried by a watch's ERROR event.
        request: What had been asked, such as ``GET /api/v1/namespaces/x``.
    """
    if status.get("reason") == "AlreadyExists":
        return AlreadyExistsError(status, request=request)
    code = int(status.get("code") or 0)
    return _BY_CODE.get(code, ApiError)(status, request=request)


def from_answer(code: int, decoded: Any, text: str, *, request: str) -> ApiError:
    """Return the error for an HTTP answer of 400 or more.

    Args:
        code: The HTTP status code.
        decoded: The body as JSON, or anything else where it is not a Status.
        text: The body as text: what proxies and missing paths answer with.
        request: What had been asked.
    """
    if isinstance(decoded, dict) and decoded.get("kind") == "Status":
        return from_status({"code": code, **decoded}, request=request)
    message = text.strip()[:_MAX_EXCERPT] or f"HTTP {code}"
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure"}
    return from_status({**status, "code": code, "message": message}, request=request)
