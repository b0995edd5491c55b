"""Kinds of failed writes of a migration: retry, wait, skip or report. Pure."""

import enum
import re
from typing import Final

from schemagen.compat import clusters

# k8s.io/apiextensions-apiserver v0.37 pkg/apiserver/conversion/webhook_converter.go and
# k8s.io/apiserver v0.37 pkg/admission/plugin/webhook: all else after these words comes from the
# webhook itself, and is about the object.
_CALL: Final = (
    r'(Post "|the server |an error on the server |unable to |context deadline|EOF|net/http)'
)
_CONVERSION_CALL: Final = re.compile(rf"conversion webhook for .* failed: {_CALL}", re.DOTALL)
_ADMISSION_CALL: Final = re.compile(
    r'failed calling webhook "[^"]*": .*(failed to call webhook|Post ")', re.DOTALL
)
_ETCD: Final = re.compile(r"etcdserver: |etcd cluster is unavailable|storage is \(re\)initializing")

_CONFLICT, _INTERNAL, _TOO_MANY = 409, 500, 429
_UNAVAILABLE: Final = frozenset({0, 408, _TOO_MANY, 502, 503, 504})


class Failure(enum.Enum):
    """The kinds of failures of a write of an object."""

    CONFLICT = enum.auto()
    """Someone else has written or recreated it since it was read."""
    ABSENT = enum.auto()
    """The object was deleted."""
    UNAVAILABLE = enum.auto()
    """The API server, or something that it needs, is away or overloaded."""
    WEBHOOK_AWAY = enum.auto()
    """A webhook does not answer."""
    DOUBTFUL = enum.auto()
    """An internal error: of the object, if it is repeated."""
    REFUSED = enum.auto()
    """The API server does not accept this object."""


WAITS: Final = frozenset({Failure.UNAVAILABLE, Failure.WEBHOOK_AWAY})


def of(error: clusters.ClusterError, name: str = "") -> Failure:
    """Return what an error means.

    Args:
        error: The error.
        name: The object's name; without it, an absent resource is about to be served.
    """
    if isinstance(error, clusters.NotFoundError):
        # While an API server starts, it does not know the resource.
        is_absent = name and f'"{name}" not found' in error.cause
        return Failure.ABSENT if is_absent else Failure.UNAVAILABLE
    if error.code == _CONFLICT:
        return Failure.CONFLICT
    if error.code in _UNAVAILABLE or _ETCD.search(error.cause):
        return Failure.UNAVAILABLE
    if _CONVERSION_CALL.search(error.cause) or _ADMISSION_CALL.search(error.cause):
        return Failure.WEBHOOK_AWAY
    return Failure.DOUBTFUL if error.code >= _INTERNAL else Failure.REFUSED
