"""Build an Api's webhook configurations and its CRDs' conversion stanza."""

import copy
import dataclasses
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, Final

from schemagen import Api, Kind, Version
from schemagen.crd import admission_policy, definitions
from schemagen.problems import JSON
from webhooks.review import reviewed_objects
from webhooks.review.checks import limits

ClientConfig = dict[str, Any]

# An API call waits for the webhook: well below its own timeout, well above a review's latency.
TIMEOUT_SECONDS: Final = 5

HTTPS_PORT: Final = 443

# Annotation with the Certificate whose CA cert-manager's cainjector writes to the caBundles.
INJECTED: Final = "cert-manager.io/inject-ca-from"

MUTATE: Final = "/mutate"
VALIDATE: Final = "/validate"
CONVERT: Final = "/convert"


# The platform has no objects there, and a cluster that cannot write there does not recover.
SPARED_NAMESPACES: Final = ("kube-system", "kube-node-lease")

# An object that is being deleted only loses its finalizers; the server would allow it anyway.
# A DELETE has no object.
NOT_GOING: Final = {
    "name": "not-going",
    "expression": "object == null || !has(object.metadata.deletionTimestamp)",
}


def at_url(base: str) -> Callable[[str], ClientConfig]:
    """Client configurations by URL, for a server outside the cluster.

    They have no ``caBundle``: ``certs.injector`` owns that field so that it can be rotated.
    """
    root = base.rstrip("/")
    return lambda path: {"url": f"{root}{path}"}


def at_service(namespace: str, name: str, port: int = HTTPS_PORT) -> Callable[[str], ClientConfig]:
    """Client configurations for a server behind a Service; without a ``caBundle`` as well."""
    return lambda path: {
        "service": {"namespace": namespace, "name": name, "path": path, "port": port}
    }


@dataclasses.dataclass(frozen=True, slots=True)
class ServiceReference:
    """A Service that a webhook configuration refers to."""

    namespace: str
    name: str
    port: int

    @property
    def host(self) -> str:
        """DNS name that the API server calls, which the certificate must contain."""
        return f"{self.name}.{self.namespace}.svc"

    @property
    def text(self) -> str:
        """``NAMESPACE/NAME:PORT``."""
        return f"{self.namespace}/{self.name}:{self.port}"


def service_of(config: JSON) -> ServiceReference | None:
    """Return the Service of a ``clientConfig``, if it has one."""
    reference = config.get("service")
    if reference is None:
        return None
    return ServiceReference(
        reference["namespace"], reference["name"], reference.get("port") or HTTPS_PORT
    )


def is_named(service: ServiceReference, names: Collection[str]) -> bool:
    """Return whether a certificate with these names is valid for a Service."""
    any_name = f"*.{service.namespace}.svc"
    return service.host in names or any_name in names


def readdressed(current: JSON, manifest: JSON) -> JSON | None:
    """Return the installed object with the addresses of the manifest; None if both have one form.

    Args:
        current: The CRD or webhook configuration in the cluster.
        manifest: The manifest to be applied.
    """
    changed = copy.deepcopy(current)
    ours = dict(_named_configs(manifest))
    has_changed = False
    for name, config in _named_configs(changed):
        desired = ours.get(name)
        if desired is not None and is_by_service(config) != is_by_service(desired):
            for form in ("url", "service"):
                config.pop(form, None)
            config.update(desired)
            has_changed = True
    return changed if has_changed else None


def is_by_service(config: JSON) -> bool:
    """Return whether a ``clientConfig`` refers to a Service rather than a URL."""
    return config.get("service") is not None


def _named_configs(value: JSON) -> Iterator[tuple[str, ClientConfig]]:
    """Yield each ``clientConfig`` by its webhook's name; that of a conversion has none."""
    conversion = (value.get("spec") or {}).get("conversion") or {}
    if config := (conversion.get("webhook") or {}).get("clientConfig"):
        yield "", config
    for webhook in value.get("webhooks") or ():
        yield webhook["name"], webhook["clientConfig"]


def crds(api: Api, client_config: Callable[[str], ClientConfig]) -> list[dict[str, Any]]:
    """The CRDs with their conversion webhook."""
    return [definitions.crd(api, kind, webhook=client_config(CONVERT)) for kind in api]


def configurations(api: Api, client_config: Callable[[str], ClientConfig]) -> list[dict[str, Any]]:
    """The mutating and the validating webhook configuration of the kinds that need one.

    Both fail closed: they only match these kinds, which cannot be read without the same server
    (it converts them), so failing open would gain nothing.
    """
    return [
        configuration
        for configuration in (
            _configuration(
                api,
                "MutatingWebhookConfiguration",
                _webhook(api, "mutate", client_config(MUTATE), _mutating_rules(api))
                | {
                    "reinvocationPolicy": "IfNeeded",
                    "matchConditions": [NOT_GOING, *_not_changed(api)],
                },
            ),
            _configuration(
                api,
                "ValidatingWebhookConfiguration",
                _webhook(api, "validate", client_config(VALIDATE), _validating_rules(api))
                | {"matchConditions": [NOT_GOING, *_not_needed(api)]},
            ),
        )
        if configuration["webhooks"][0]["rules"]
    ]


def manifests(
    api: Api,
    client_config: Callable[[str], ClientConfig],
    *,
    service: dict[str, Any] | None = None,
    workloads: Sequence[dict[str, Any]] = (),
    certificate: str | None = None,
) -> list[dict[str, Any]]:
    """Everything that registers the webhooks, in the order in which to apply it.

    Args:
        api: The API.
        client_config: Address of the server.
        service: The Service in front of the server, if any.
        workloads: What runs the server, if it is deployed with it.
        certificate: ``NAMESPACE/NAME`` of the Certificate whose CA cert-manager injects.
    """
    called = [*crds(api, client_config), *configurations(api, client_config)]
    for manifest in called:
        for _, config in _named_configs(manifest):
            # `kubectl apply` clears with it what `serve --install` set: exactly one is allowed.
            config["url" if "service" in config else "service"] = None
    if certificate is not None:
        split(certificate)
        for manifest in called:
            let_inject(manifest, certificate)
    definitions = called[: len(api.kinds)]
    return [
        *definitions,
        *([service] if service else []),
        *workloads,
        *called[len(api.kinds) :],
        *policies(api),
    ]


def let_inject(manifest: dict[str, Any], certificate: str) -> None:
    """Let cert-manager write the CA of a Certificate (``NAMESPACE/NAME``) to the caBundles."""
    manifest["metadata"].setdefault("annotations", {})[INJECTED] = certificate


# Label that marks an API's policies, so that obsolete ones can be found and removed.
API_LABEL: Final = "kubewright.dev/api"


def policies(api: Api) -> Iterator[dict[str, Any]]:
    """The policies of an API's kinds with their bindings; byte limits are left to the webhooks."""
    for manifest in admission_policy.policies(api, has_byte_limits=False):
        manifest["metadata"]["labels"] = {API_LABEL: api.group}
        yield manifest


def split(name: str) -> tuple[str, str]:
    """Split ``NAMESPACE/NAME``.

    Raises:
        ValueError: It does not have that form.
    """
    namespace, slash, rest = name.partition("/")
    if not slash or not namespace or not rest or "/" in rest:
        raise ValueError(f"expected NAMESPACE/NAME, got {name}")
    return namespace, rest


def service(namespace: str, name: str, port: int, target_port: int) -> dict[str, Any]:
    """The Service in front of the server's pods, selected by ``app.kubernetes.io/name``."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"app.kubernetes.io/name": name},
        },
        "spec": {
            "selector": {"app.kubernetes.io/name": name},
            "ports": [
                {"name": "https", "port": port, "targetPort": target_port, "protocol": "TCP"}
            ],
        },
    }


def _mutating_rules(api: Api) -> list[JSON]:
    """List every served version: an object is reviewed as it was written, unconverted."""
    return [
        _rule(api, kind, kind.plural, _served(kind), ["CREATE", "UPDATE"])
        for kind in api
        if kind.rules.default is not None or len(kind.versions) > 1
    ]


def _not_changed(api: Api) -> Iterator[JSON]:
    """A condition that excludes objects without defaults and without conversion residue."""
    defaulted = [f"'{kind.plural}'" for kind in api if kind.rules.default is not None]
    if len(defaulted) < len(api.kinds):
        residue = (
            "[object, oldObject].exists(o, o != null && has(o.metadata.annotations) && "
            f"o.metadata.annotations.exists(k, k.startsWith('conversion.{api.group}/')))"
        )
        expression = f"request.resource.resource in [{', '.join(defaulted)}] || {residue}"
        yield {
            "name": "has-defaults-or-residue",
            "expression": expression if defaulted else residue,
        }


def _validating_rules(api: Api) -> list[JSON]:
    """Rules for everything that needs more than the schema of the written version.

    A kind with a single version to judge is listed in every version: with matchPolicy Equivalent
    the API server would convert objects of the others and send them anyway. A match condition
    excludes what is not needed.
    """
    return [rule for kind in api for rule in _rules_of(api, kind)]


def _rules_of(api: Api, kind: Kind) -> Iterator[JSON]:
    versions = _served(kind)
    if any(_is_judged(kind, version) for version in versions):
        yield _rule(api, kind, kind.plural, versions, ["CREATE", "UPDATE"])
    if reviewed_objects.asks_of_deletion(kind):
        yield _rule(api, kind, kind.plural, versions, ["DELETE"])
    if _loses_status(kind) or any(
        reviewed_objects.asks_of_status(kind, version) for version in versions
    ):
        yield _rule(api, kind, f"{kind.plural}/status", versions, ["UPDATE"])
    scaled = [version for version in versions if version.scale is not None]
    if any(reviewed_objects.asks_of_scale(kind, version) for version in scaled):
        yield _rule(api, kind, f"{kind.plural}/scale", scaled, ["UPDATE"])


_JUDGED: Final[Sequence[tuple[str, Callable[[Kind, Version], bool]]]] = (
    (
        "",
        lambda kind, version: _is_judged(kind, version) or reviewed_objects.asks_of_deletion(kind),
    ),
    (reviewed_objects.STATUS, reviewed_objects.asks_of_status),
    (reviewed_objects.SCALE, reviewed_objects.asks_of_scale),
)


def _not_needed(api: Api) -> Iterator[JSON]:
    """A condition that excludes versions listed only for completeness."""
    named = [
        f"'{kind.plural}/{subresource}/{version.name}'"
        for kind in api
        for subresource, is_judged in _JUDGED
        if any(is_judged(kind, version) for version in _served(kind))
        or (subresource == reviewed_objects.STATUS and _loses_status(kind))
        for version in _served(kind)
        if not is_judged(kind, version)
    ]
    if named:
        subresource = "(has(request.subResource) ? request.subResource : '')"
        parts = ("request.resource.resource", "'/'", subresource, "'/'", "request.resource.version")
        expression = f"!({' + '.join(parts)} in [{', '.join(named)}])"
        if any(_loses_status(kind) for kind in api):
            expression += (
                f" || ({subresource} == '{reviewed_objects.STATUS}' && {_has_overflow(api)})"
            )
        yield {"name": "has-something-to-judge", "expression": expression}


def _loses_status(kind: Kind) -> bool:
    """Return whether writing a kind's status may lose data that does not fit the version."""
    return len(_served(kind)) > 1


def _has_overflow(api: Api) -> str:
    """The CEL expression for conversion data that overflowed."""
    prefix, suffix = f"conversion.{api.group}/", "-overflow"
    return (
        "object != null && has(object.metadata.annotations) && object.metadata.annotations"
        f".exists(k, k.startsWith('{prefix}') && k.endsWith('{suffix}'))"
    )


def _is_judged(kind: Kind, version: Version) -> bool:
    """Return whether a version needs more than the API server's own schema validation.

    An older version does even if the hub rules are off: conversion annotations may hold data that
    no schema has validated. Data may also not fit them if the storage version differs.
    """
    own = kind.rules.validate is not None or version.warnings is not None
    is_converted = version is not kind.hub or version is not kind.storage
    return own or is_converted or limits.has_any(version.model)


def _served(kind: Kind) -> list[Version]:
    return [version for version in kind.versions if version.served]


def _configuration(api: Api, kind: str, webhook: JSON) -> dict[str, Any]:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": api.group},
        "webhooks": [webhook],
    }


def _webhook(
    api: Api, verb: str, client_config: ClientConfig, rules: Sequence[JSON]
) -> dict[str, Any]:
    own = client_config.get("service", {}).get("namespace")
    spared = [*SPARED_NAMESPACES, *([own] if own else [])]
    return {
        "name": f"{verb}.{api.group}",
        "admissionReviewVersions": ["v1"],
        "clientConfig": client_config,
        "failurePolicy": "Fail",
        "matchPolicy": "Equivalent",
        "sideEffects": "None",
        "timeoutSeconds": TIMEOUT_SECONDS,
        "namespaceSelector": {
            "matchExpressions": [
                {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": spared}
            ]
        },
        "matchConditions": [NOT_GOING],
        "rules": [*rules],
    }


def _rule(
    api: Api, kind: Kind, resource: str, versions: Sequence[Version], operations: Sequence[str]
) -> JSON:
    return {
        "apiGroups": [api.group],
        "apiVersions": [version.name for version in versions],
        "operations": [*operations],
        "resources": [resource],
        "scope": kind.scope,
    }
