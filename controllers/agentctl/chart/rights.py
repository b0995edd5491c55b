"""The rights of the Agents Platform's components: one list, from which roles are generated. Pure.

``docs/rbac.md`` and the roles of ``charts/agents`` are generated from it (``make chart``).
"""

from collections.abc import Iterator
from typing import Final

import crds
from controllers import kube, manager
from controllers.runs import projections
from webhooks.deployment import rights
from webhooks.deployment.rights import Right

CONTROLLER: Final = "controller"

RETENTION: Final = "Retention"
OWNER_REFERENCES: Final = "OwnerReferences"
NAMED_SECRETS: Final = "NamedSecrets"
SOURCES: Final = "Sources"

SECRET_NAMES: Final = "SECRET-NAMES"  # noqa: S105 - replaced by the values' names
"""Placeholder for the names of Secrets that the values list for a namespace."""

COMPONENTS: Final = {
    CONTROLLER: "`agentctl controller`: every replica of the Deployment",
    rights.WEBHOOK: "`webhooks serve`: every replica of the Deployment",
    rights.INSTALL: "`webhooks install --crds-only --preflight`: a hook before install and "
    "upgrade, deleted afterwards",
    rights.UNINSTALL: "`webhooks uninstall --unserve`: a hook before uninstall, deleted afterwards",
}
"""The service accounts, and what uses them."""

CONDITIONS: Final = {
    rights.SELF_MANAGED: "`certificates.mode: SelfManaged`",
    rights.CERT_MANAGER: "`certificates.mode: CertManager`",
    rights.OWN_SECRET: "`certificates.mode: OwnSecret`",
    rights.PREFLIGHT: "`crds.preflight: true`",
    RETENTION: "`controller.retention.mode: Archive` or `controller.retention.mode: Delete`",
    OWNER_REFERENCES: "`rbac.ownerReferences: true`",
    NAMED_SECRETS: "`rbac.secrets`",
    SOURCES: "`controller.sources.enabled: true`",
}
"""The conditions of rights, and the values of the chart that fulfil them."""

# What admission rules look up: the policies of a run's agent and provider, and idempotency keys.
LOOKED_UP: Final = (projections.AGENTS, projections.PROVIDERS, projections.RUNS, kube.LEASES)


def matrix() -> Iterator[Right]:
    """Yield every right of every component."""
    yield from _of_home()
    yield from _of_api()
    yield from _of_work()
    yield from _of_sources()
    yield from _of_retention()
    yield from rights.of_webhook(crds.api, LOOKED_UP)
    yield from rights.of_install(crds.api)
    yield from rights.of_uninstall(crds.api)


def _right(
    verbs: str,
    resource: kube.Resource,
    why: str,
    *names: str,
    subresource: str = "",
    scope: rights.Scope = "objects",
    condition: str = "",
) -> Right:
    return Right(
        who=CONTROLLER,
        verbs=tuple(verbs.split()),
        resource=resource,
        subresource=subresource,
        names=names,
        scope=scope,
        conditions=(condition,) if condition else (),
        why=why,
    )


def _of_home() -> Iterator[Right]:
    """Rights on the controller's own state."""
    lease, ledger = manager.LEASE, manager.LEDGER
    yield _right("create", kube.LEASES, "create the Lease (no name)", scope="release")
    yield _right(
        "get update watch", kube.LEASES, "hold or await leadership", lease, scope="release"
    )
    yield _right(
        "create get list patch delete",
        kube.CONFIG_MAPS,
        "records of work outside the cluster, named after its key, and the ledger if it was lost",
        scope="release",
    )
    yield _right(
        "update", kube.CONFIG_MAPS, "write the ledger of runs in flight", ledger, scope="release"
    )


def _of_api() -> Iterator[Right]:
    """Rights on the objects of the API."""
    yield _right(
        "get list watch", projections.RUNS, "follow runs, and read them whole at their start"
    )
    yield _right(
        "patch", projections.RUNS, "add and remove the finalizer of work outside the cluster"
    )
    yield _right("patch", projections.RUNS, "write the status", subresource="status")
    for resource in (
        *(projections.AGENTS, projections.PROVIDERS),
        *(projections.MEMORIES, projections.VERSION_CONTROL),
    ):
        yield _right("list watch", resource, "follow what runs refer to")
    yield _right("list watch", projections.SOURCES, "follow which issues are ingested")
    yield _right(
        "get list watch", projections.IMPLEMENTATIONS, "follow what runs refer to, and read it"
    )
    for resource in (
        *(projections.AGENTS, projections.PROVIDERS, projections.IMPLEMENTATIONS),
        *(projections.MEMORIES, projections.VERSION_CONTROL, projections.SOURCES),
    ):
        yield _right("patch", resource, "report whether it can be used", subresource="status")
    yield _right(
        "get",
        kube.SECRETS,
        "check the credentials of Memories, VersionControlProviders and ImplementationSources, and "
        "ingest issues with them",
        SECRET_NAMES,
        scope="secrets",
        condition=NAMED_SECRETS,
    )


def _of_sources() -> Iterator[Right]:
    """Rights to turn issues into ImplementationSpecs."""
    yield _right(
        "create patch",
        projections.IMPLEMENTATIONS,
        "write ImplementationSpecs of issues: RBAC cannot restrict the names of new objects",
        condition=SOURCES,
    )


def _of_work() -> Iterator[Right]:
    """Rights on what a run consists of."""
    yield _right(
        "get list watch create patch delete",
        projections.JOBS,
        "execute runs, cancel them, and delete Jobs of deleted runs",
    )
    yield _right(
        "update",
        projections.RUNS,
        "own a Job with blockOwnerDeletion, where the admission plugin "
        "OwnerReferencesPermissionEnforcement is enabled, such as on OpenShift",
        subresource="finalizers",
        condition=OWNER_REFERENCES,
    )
    yield _right("list watch delete", projections.PODS, "report why a pod waits or how it ended")
    yield _right("create get", kube.CONFIG_MAPS, "files of a run: its specification and inputs")
    yield _right(
        "create get delete", kube.LEASES, "claim idempotency keys, named after their digest"
    )
    yield _right("create patch", kube.EVENTS, "report the life of runs")
    yield _right("list", kube.EVENTS, "find out why the pods of a run do not start")


def _of_retention() -> Iterator[Right]:
    """Rights to delete what expired."""
    yield _right("delete", projections.RUNS, "delete expired runs", condition=RETENTION)
    yield _right(
        "list delete", kube.CONFIG_MAPS, "delete the files of runs that ended", condition=RETENTION
    )
