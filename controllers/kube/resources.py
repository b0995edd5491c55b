"""Resources of the Kubernetes API: group, version, plural, and their URL paths.

Pure; imports only the errors. The constants are the resources used in this repository, not a
catalogue.
"""

import base64
import dataclasses
import functools
import re
import urllib.parse
from typing import Final

from controllers.kube import errors

# Rules of path segment names, k8s.io/apimachinery v0.37 pkg/api/validation/path/name.go.
_FORBIDDEN_NAMES = frozenset({".", ".."})
_FORBIDDEN_CHARACTERS = frozenset("/%")

SUBDOMAIN: Final = re.compile(
    r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", re.ASCII
)
"""Names of most objects: k8s.io/apimachinery v0.37 pkg/util/validation/validation.go, RFC 1123."""


@dataclasses.dataclass(frozen=True, slots=True)
class Resource:
    """A kind in a version, as addressed by URL paths and named in objects."""

    group: str
    """The API group; empty for the core group."""
    version: str
    plural: str
    """The lower-case plural name, the segment in paths."""
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """The ``apiVersion`` of its objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(
        self,
        namespace: str | None = None,
        name: str | None = None,
        subresource: str | None = None,
    ) -> str:
        """Return the URL path of an object, or of a collection without a name.

        For a namespaced kind without namespace and name, it is the collection in all namespaces.

        Raises:
            AddressError: The arguments are no valid address, such as an object without its
                namespace.
        """
        self._check(namespace, name, subresource)
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if namespace is not None:
            parts += ["namespaces", _segment("namespace", namespace)]
        parts.append(self.plural)
        if name is not None:
            parts.append(_segment("name", name))
        if subresource is not None:
            parts += [_segment("subresource", part) for part in subresource.split("/")]
        return "/" + "/".join(parts)

    def _check(self, namespace: str | None, name: str | None, subresource: str | None) -> None:
        if namespace is not None and not self.namespaced:
            raise errors.AddressError(
                f"expected no namespace for {self}, which is cluster-scoped, got {namespace!r}"
            )
        if self.namespaced and name is not None and namespace is None:
            raise errors.AddressError(
                f"expected a namespace for {self} {name!r}, which is namespaced, got none"
            )
        if subresource is not None and name is None:
            raise errors.AddressError(
                f"expected a name for subresource {subresource!r} of {self}, got none"
            )

    def __str__(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural


@functools.lru_cache(4096)  # an object is written several times in a row
def _segment(what: str, value: str) -> str:
    if not value or value in _FORBIDDEN_NAMES or _FORBIDDEN_CHARACTERS & set(value):
        raise errors.AddressError(
            f"expected a non-empty {what} other than '.' and '..' without '/' and '%', "
            f"got {value[:256]!r}"
        )
    return urllib.parse.quote(value, safe=":")


NAMESPACES = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
SECRETS = Resource("", "v1", "secrets", "Secret")
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease")
EVENTS = Resource("events.k8s.io", "v1", "events", "Event")
SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount")
CUSTOM_RESOURCE_DEFINITIONS = Resource(
    "apiextensions.k8s.io",
    "v1",
    "customresourcedefinitions",
    "CustomResourceDefinition",
    namespaced=False,
)
VALIDATING_WEBHOOK_CONFIGURATIONS = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "validatingwebhookconfigurations",
    "ValidatingWebhookConfiguration",
    namespaced=False,
)
MUTATING_WEBHOOK_CONFIGURATIONS = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "mutatingwebhookconfigurations",
    "MutatingWebhookConfiguration",
    namespaced=False,
)
VALIDATING_ADMISSION_POLICIES = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "validatingadmissionpolicies",
    "ValidatingAdmissionPolicy",
    namespaced=False,
)
VALIDATING_ADMISSION_POLICY_BINDINGS = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "validatingadmissionpolicybindings",
    "ValidatingAdmissionPolicyBinding",
    namespaced=False,
)
ROLES = Resource("rbac.authorization.k8s.io", "v1", "roles", "Role")
ROLE_BINDINGS = Resource("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding")
CLUSTER_ROLES = Resource(
    "rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", namespaced=False
)
CLUSTER_ROLE_BINDINGS = Resource(
    "rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False
)


def values_of(resource: Resource, found: errors.JSON) -> dict[str, bytes]:
    """Return the values of a Secret or ConfigMap by key.

    The API server accepts no other base64; Go marshals an empty byte slice as null.
    """
    data, binary = found.get("data") or {}, found.get("binaryData") or {}
    if resource == SECRETS:
        data, binary = {}, data
    values = {key: (text or "").encode() for key, text in data.items()}
    return values | {key: base64.b64decode(text or "") for key, text in binary.items()}
