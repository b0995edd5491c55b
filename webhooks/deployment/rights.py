"""Rights as data: who may do what with which resource, where and why; RBAC rules from it. Pure.

The rights of the webhook server of any Api, and of the commands that install and uninstall it. The
roles of charts and manifests, and their documentation, are generated from them.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, Literal, TypeAlias

from controllers import kube
from schemagen import Api
from webhooks.cluster import api_resources, configuration, install

Scope: TypeAlias = Literal["cluster", "release", "objects", "default", "secrets"]

SCOPES: Final[dict[Scope, str]] = {
    "cluster": "cluster-scoped objects",
    "release": "the release's namespace",
    "objects": "the namespaces of the API's objects",
    "default": "the namespace `default`",
    "secrets": "the namespaces of `rbac.secrets`",
}
"""Where a right holds: the scopes of roles, and what they mean."""

WEBHOOK: Final = "webhook"
INSTALL: Final = "install"
UNINSTALL: Final = "uninstall"

# Names of values that decide whether a right is granted.
SELF_MANAGED: Final = "SelfManaged"
CERT_MANAGER: Final = "CertManager"
PREFLIGHT: Final = "Preflight"
OWN_SECRET: Final = "OwnSecret"  # noqa: S105 - the name of a mode

CERTIFICATE_SECRET: Final = "CERTIFICATE-SECRET"  # noqa: S105 - replaced by the Secret's name
"""Placeholder for the name of the Secret with the self-managed CA."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """Verbs on a resource.

    Attributes:
        who: The component, which has a service account of its own.
        verbs: RBAC verbs.
        resource: The resource.
        subresource: Subresource, such as ``status``; empty for the resource itself.
        names: Names of the only objects that it holds for; empty for all.
        scope: Where it holds.
        conditions: It is granted only where one of these settings is chosen; empty for always.
        why: The call that needs it, as a phrase.
    """

    who: str
    verbs: tuple[str, ...]
    resource: kube.Resource
    subresource: str = ""
    names: tuple[str, ...] = ()
    scope: Scope
    conditions: tuple[str, ...] = ()
    why: str

    @property
    def target(self) -> str:
        """The resource as RBAC writes it, such as ``agentruns/status``."""
        plural = self.resource.plural
        return f"{plural}/{self.subresource}" if self.subresource else plural

    @property
    def rule(self) -> dict[str, Any]:
        """The rule of a role (rbac.authorization.k8s.io/v1 PolicyRule)."""
        rule: dict[str, Any] = {
            "apiGroups": [self.resource.group],
            "resources": [self.target],
            "verbs": [*self.verbs],
        }
        return rule | ({"resourceNames": [*self.names]} if self.names else {})


@dataclasses.dataclass(frozen=True, slots=True)
class Role:
    """The rules of a component in a scope, under the same conditions."""

    who: str
    scope: Scope
    conditions: tuple[str, ...]
    rules: tuple[dict[str, Any], ...]

    @property
    def members(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "who": self.who,
            "scope": self.scope,
            "conditions": [*self.conditions],
            "rules": [*self.rules],
        }


def roles(rights: Iterable[Right]) -> list[Role]:
    """Group rights into roles, in the order of their first right."""
    grouped: dict[tuple[str, Scope, tuple[str, ...]], list[Right]] = {}
    for right in rights:
        grouped.setdefault((right.who, right.scope, right.conditions), []).append(right)
    return [Role(*key, tuple(_rules(members))) for key, members in grouped.items()]


def _rules(rights: Sequence[Right]) -> Iterator[dict[str, Any]]:
    """Rules of rights; those that differ only in the resource become one."""
    merged: dict[tuple[str, tuple[str, ...], tuple[str, ...]], dict[str, Any]] = {}
    for right in rights:
        key = (right.resource.group, right.verbs, right.names)
        rule = merged.setdefault(key, right.rule | {"resources": []})
        if right.target not in rule["resources"]:
            rule["resources"].append(right.target)
    yield from merged.values()


def of_webhook(api: Api, reads: Iterable[kube.Resource] = ()) -> Iterator[Right]:
    """Rights of ``webhooks serve`` without ``--install``.

    Args:
        api: The served API.
        reads: Resources that its rules read (``Rules.related``, scaled kinds).
    """
    for resource, names in _called(api).items():
        yield Right(
            who=WEBHOOK,
            verbs=("get",),
            resource=resource,
            names=names,
            scope="cluster",
            why="read the caBundle, to be ready only while clients trust the certificate",
        )
        yield Right(
            who=WEBHOOK,
            verbs=("patch",),
            resource=resource,
            names=names,
            scope="cluster",
            conditions=(SELF_MANAGED, OWN_SECRET),
            why="write the caBundle, and no other field",
        )
    for resource in reads:
        yield Right(
            who=WEBHOOK,
            verbs=("get",),
            resource=resource,
            scope="objects",
            why="read what admission rules refer to; the names come from the reviewed objects",
        )
    yield from _of_certificates()


def _of_certificates() -> Iterator[Right]:
    def right(
        verbs: tuple[str, ...], resource: kube.Resource, why: str, *names: str, scope: Scope
    ) -> Right:
        conditions = (SELF_MANAGED,) if scope == "release" else (CERT_MANAGER, OWN_SECRET)
        return Right(
            who=WEBHOOK,
            verbs=verbs,
            resource=resource,
            names=names,
            scope=scope,
            conditions=conditions,
            why=why,
        )

    yield right(
        ("create",), kube.SECRETS, "create the Secret with the CA (no name)", scope="release"
    )
    yield right(
        ("get", "update"),
        kube.SECRETS,
        "read and rotate the CA that all replicas share",
        CERTIFICATE_SECRET,
        scope="release",
    )
    yield right(
        ("list", "create", "patch", "delete"),
        kube.LEASES,
        "report the certificate of each replica; the names are drawn at random",
        scope="release",
    )
    yield right(("create", "patch"), kube.EVENTS, "report each step of a rotation", scope="release")
    yield right(
        ("create", "patch"),
        kube.EVENTS,
        "report renewed and expiring certificates on the first CRD: Events of cluster-scoped "
        "objects belong there",
        scope="default",
    )


def of_install(api: Api) -> Iterator[Right]:
    """Rights of ``webhooks install --crds-only``."""
    names = tuple(api.crd_name(kind) for kind in api)
    definitions = kube.CUSTOM_RESOURCE_DEFINITIONS
    yield Right(
        who=INSTALL,
        verbs=("create",),
        resource=definitions,
        scope="cluster",
        why="create the CRDs: RBAC cannot restrict the names of new objects",
    )
    yield Right(
        who=INSTALL,
        verbs=("get", "patch", "update"),
        resource=definitions,
        names=names,
        scope="cluster",
        why="upgrade the CRDs by server-side apply, and replace a URL by the Service",
    )
    for kind in api:
        yield Right(
            who=INSTALL,
            verbs=("list",),
            resource=api_resources.resource_of(api, kind, kind.storage.name),
            scope="cluster",
            conditions=(PREFLIGHT,),
            why="judge every object by the CRDs to come, in every namespace",
        )


def of_uninstall(api: Api) -> Iterator[Right]:
    """Rights of ``webhooks uninstall --unserve``."""

    def right(
        verbs: tuple[str, ...],
        resource: kube.Resource,
        why: str,
        *names: str,
        scope: Scope = "cluster",
        subresource: str = "",
    ) -> Right:
        return Right(
            who=UNINSTALL,
            verbs=verbs,
            resource=resource,
            subresource=subresource,
            names=names,
            scope=scope,
            why=why,
        )

    (definitions, crds), *configurations = _called(api).items()
    yield right(("get", "update"), definitions, "end the conversion", *crds)
    why = "record that objects are stored in one version"
    yield right(("patch",), definitions, why, *crds, subresource="status")
    for resource, names in configurations:
        yield right(("get", "delete"), resource, "delete the webhook configuration", *names)
    policies = [manifest["metadata"]["name"] for manifest in configuration.policies(api)]
    for resource in install.POLICIES.values():
        yield right(("list",), resource, "find the API's policies by their label")
        if policies:
            yield right(("delete",), resource, "delete the API's policies")
    for kind in api:
        resource = api_resources.resource_of(api, kind, kind.storage.name)
        why = "rewrite every object in the storage version, in every namespace"
        yield right(("list", "update"), resource, why)


def _called(api: Api) -> dict[kube.Resource, tuple[str, ...]]:
    """The objects that may call an API's webhooks, by resource; CRDs first."""
    named: dict[kube.Resource, tuple[str, ...]] = {}
    for target in install.targets(api):
        named[target.resource] = (*named.get(target.resource, ()), target.name)
    return named
