"""Api -> the webhook configurations that send its objects here, and its CRDs' conversion stanza."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from schemagen import Api, crd
from schemagen.problems import JSON

ClientConfig = dict[str, Any]

# An API call waits for us: well below its own limits, well above what a review takes.
TIMEOUT_SECONDS: Final = 5

MUTATE: Final = "/mutate"
VALIDATE: Final = "/validate"
CONVERT: Final = "/convert"


def at_url(base: str) -> Callable[[str], ClientConfig]:
    """Client configurations for a server that is reached by address, outside the cluster.

    They have no ``caBundle``: ``certs.injector`` owns that field, so that it can rotate.
    """
    return lambda path: {"url": f"{base}{path}"}


def crds(api: Api, client_config: Callable[[str], ClientConfig]) -> list[dict[str, Any]]:
    """The CRDs with their conversion stanza."""
    return [crd.crd(api, kind, webhook=client_config(CONVERT)) for kind in api]


def configurations(api: Api, client_config: Callable[[str], ClientConfig]) -> list[dict[str, Any]]:
    """The mutating and the validating webhook configuration of an API's own kinds.

    Both fail closed: they see nothing but these kinds, which cannot be read without the same
    server (it converts them), so failing open would win nothing.
    """
    return [
        _configuration(
            api,
            "MutatingWebhookConfiguration",
            _webhook(api, "mutate", client_config(MUTATE)) | {"reinvocationPolicy": "IfNeeded"},
        ),
        _configuration(
            api,
            "ValidatingWebhookConfiguration",
            _webhook(api, "validate", client_config(VALIDATE)),
        ),
    ]


def _configuration(api: Api, kind: str, webhook: JSON) -> dict[str, Any]:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": api.group},
        "webhooks": [webhook],
    }


def _webhook(api: Api, verb: str, client_config: ClientConfig) -> dict[str, Any]:
    return {
        "name": f"{verb}.{api.group}",
        "admissionReviewVersions": ["v1"],
        "clientConfig": client_config,
        "failurePolicy": "Fail",
        "matchPolicy": "Equivalent",
        "sideEffects": "None",
        "timeoutSeconds": TIMEOUT_SECONDS,
        "rules": _rules(api),
    }


def _rules(api: Api) -> Sequence[JSON]:
    """Every served version by name: an object is reviewed as it was written, unconverted."""
    return [
        {
            "apiGroups": [api.group],
            "apiVersions": [version.name for version in kind.versions if version.served],
            "operations": ["CREATE", "UPDATE"],
            "resources": [kind.plural],
            "scope": kind.scope,
        }
        for kind in api
    ]
