"""Errors of the Kubernetes API as faults of a runtime. Pure."""

import re
from typing import Final

from controllers import kube
from controllers.runs.runtimes.base import Code, RuntimeFault

_CODES: Final = {
    kube.UnauthorizedError: Code.DENIED,
    kube.ForbiddenError: Code.DENIED,
    kube.NotFoundError: Code.NOT_FOUND,
    kube.InvalidError: Code.TERMINAL,
}


def fault(error: kube.KubeError) -> RuntimeFault:
    """Translate an API server's error."""
    seconds = error.retry_after_seconds if isinstance(error, kube.TooManyRequestsError) else None
    return RuntimeFault(_code(error), str(error), retry_after_seconds=seconds)


def _code(error: kube.KubeError) -> Code:
    if isinstance(error, kube.ForbiddenError) and "exceeded quota" in str(error):
        # k8s.io/apiserver/pkg/admission/plugin/resourcequota; no code or reason of its own.
        return Code.QUOTA
    if isinstance(error, kube.ApiError) and _DENIED.search(str(error)):
        return Code.DENIED  # with any HTTP code: the webhook chooses it
    for kind, code in _CODES.items():
        if isinstance(error, kind):
            return code
    return Code.TERMINAL if _is_clients_fault(error) else Code.RETRYABLE


# Errors of k8s.io/apiserver for a webhook and a ValidatingAdmissionPolicy.
_DENIED: Final = re.compile(r"denied (the )?request")
# HTTP status codes that allow a retry.
_MAY_PASS: Final = frozenset({408, 409, 425, 429})


def _is_clients_fault(error: kube.KubeError) -> bool:
    is_refused = isinstance(error, kube.ApiError) and 400 <= error.code < 500  # noqa: PLR2004
    return is_refused and isinstance(error, kube.ApiError) and error.code not in _MAY_PASS


def is_refusal(error: kube.ApiError) -> bool:
    """Return whether a cluster rejected an object, and will do so again for some time."""
    is_webhook_away = "failed calling webhook" in str(error)
    return is_webhook_away or _code(error) in {Code.DENIED, Code.QUOTA, Code.TERMINAL}
