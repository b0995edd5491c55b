"""Kinds and versions of the Agents Platform API."""

from typing import Final

from crds import hub
from crds.admission import agent as agent_rules
from crds.admission import agentrun as agentrun_rules
from crds.admission import settings
from crds.v1alpha1 import agent as agent_v1alpha1
from crds.v1alpha1 import agent_warnings, agentrun_warnings
from crds.v1alpha1 import agentprovider as agentprovider_v1alpha1
from crds.v1alpha1 import agentrun as agentrun_v1alpha1
from crds.v1alpha1 import implementationsource as implementationsource_v1alpha1
from crds.v1alpha1 import implementationspec as implementationspec_v1alpha1
from crds.v1alpha1 import memory as memory_v1alpha1
from crds.v1alpha1 import versioncontrolprovider as versioncontrolprovider_v1alpha1
from crds.v1alpha1.conversions import (
    agent_conversion,
    agentprovider_conversion,
    agentrun_conversion,
    implementationsource_conversion,
    implementationspec_conversion,
    memory_conversion,
    versioncontrolprovider_conversion,
)
from schemagen import Api, Column, Kind, Version

GROUP = hub.GROUP

# Argo CD applies CRDs before their custom resources, as in the published charts.
SYNC_WAVE = {"argocd.argoproj.io/sync-wave": "-10"}

# See docs/deprecation.md; the API server sends it as a warning with every v1alpha1 response.
SERVED_UNTIL = "2027-08-24"


def deprecation(kind: str) -> str:
    """Return the v1alpha1 deprecation warning: at most 256 printable characters."""
    return (
        f"{GROUP}/v1alpha1 {kind} is deprecated and served until at least {SERVED_UNTIL}; "
        f"use {GROUP}/{hub.VERSION} (see docs/deprecation.md of Kubewright)"
    )


# v1alpha1 accepts every manifest that the published API accepts, and warns of v1beta1 violations.
PUBLIC: Final = "warn"

READY = Column("Ready", '.status.conditions[?(@.type=="Ready")].status')
AGE = Column("Age", ".metadata.creationTimestamp", type="date")

AGENT = Kind(
    name="Agent",
    plural="agents",
    short_names=("agt",),
    categories=("agents",),
    annotations=SYNC_WAVE,
    rules=agent_rules.RULES,
    versions=(
        Version(
            name="v1alpha1",
            hub_rules=PUBLIC,
            model=agent_v1alpha1.Agent,
            conversion=agent_conversion.CONVERSION,
            warnings=agent_warnings.warnings,
            deprecated=deprecation("Agent"),
            columns=(
                READY,
                Column("Provider", ".spec.providerRef.name"),
            ),
        ),
        Version(
            name=hub.VERSION,
            model=hub.agent.Agent,
            storage=True,
            columns=(
                READY,
                Column("Provider", ".spec.providerRef.name"),
                Column("Memory", ".spec.memoryRef.name", priority=1),
                AGE,
            ),
            selectable=(".spec.providerRef.name", ".spec.memoryRef.name", ".spec.vcsRef.name"),
        ),
    ),
)

AGENT_PROVIDER = Kind(
    name="AgentProvider",
    plural="agentproviders",
    short_names=("aprov",),
    categories=("agents",),
    annotations=SYNC_WAVE,
    versions=(
        Version(
            name="v1alpha1",
            hub_rules=PUBLIC,
            model=agentprovider_v1alpha1.AgentProvider,
            conversion=agentprovider_conversion.CONVERSION,
            deprecated=deprecation("AgentProvider"),
            columns=(READY,),
        ),
        Version(
            name=hub.VERSION,
            model=hub.agentprovider.AgentProvider,
            storage=True,
            columns=(
                READY,
                Column("Adapter", ".spec.adapter.type"),
                Column("Model", ".spec.adapter.codexAppServer.model", priority=1),
                Column("Reason", '.status.conditions[?(@.type=="Ready")].reason', priority=1),
                AGE,
            ),
            selectable=(".spec.adapter.type",),
        ),
    ),
)

AGENT_RUN = Kind(
    name="AgentRun",
    plural="agentruns",
    short_names=("arun",),
    categories=("agents",),
    annotations=SYNC_WAVE,
    rules=agentrun_rules.RULES,
    versions=(
        Version(
            name="v1alpha1",
            hub_rules=PUBLIC,
            model=agentrun_v1alpha1.AgentRun,
            conversion=agentrun_conversion.CONVERSION,
            warnings=agentrun_warnings.warnings,
            deprecated=deprecation("AgentRun"),
            columns=(
                Column("Phase", ".status.phase"),
                Column("Agent", ".spec.agentRef.name"),
                Column("Succeeded", '.status.conditions[?(@.type=="Succeeded")].status'),
                Column("Reason", '.status.conditions[?(@.type=="Succeeded")].reason'),
                Column("StartTime", ".status.startedAt", type="date"),
                Column("CompletionTime", ".status.finishedAt", type="date"),
                Column("Runtime", ".spec.runtime.type"),
            ),
        ),
        Version(
            name=hub.VERSION,
            model=hub.agentrun.AgentRun,
            storage=True,
            columns=(
                Column("Phase", ".status.phase"),
                Column("Agent", ".spec.agentRef.name"),
                Column("Runtime", ".spec.runtime.type"),
                Column("Reason", ".status.reason", priority=1),
                Column("Started", ".status.startTime", type="date"),
                Column("Completed", ".status.completionTime", type="date"),
                AGE,
            ),
            selectable=(".spec.agentRef.name", ".spec.runtime.type", ".status.phase"),
        ),
    ),
)

IMPLEMENTATION_SPEC = Kind(
    name="ImplementationSpec",
    plural="implementationspecs",
    short_names=("impl",),
    categories=("agents",),
    annotations=SYNC_WAVE,
    versions=(
        Version(
            name="v1alpha1",
            hub_rules=PUBLIC,
            model=implementationspec_v1alpha1.ImplementationSpec,
            conversion=implementationspec_conversion.CONVERSION,
            deprecated=deprecation("ImplementationSpec"),
            columns=(
                READY,
                Column("Source", ".spec.source.provider"),
                Column("Updated", ".status.syncedAt", type="date"),
            ),
        ),
        Version(
            name=hub.VERSION,
            model=hub.implementationspec.ImplementationSpec,
            storage=True,
            columns=(
                READY,
                Column("Source", ".spec.source.provider"),
                Column("Summary", ".spec.summary", priority=1),
                Column("Synced", ".status.lastSyncTime", type="date"),
                AGE,
            ),
        ),
    ),
)

IMPLEMENTATION_SOURCE = Kind(
    name="ImplementationSource",
    plural="implementationsources",
    short_names=("implsrc",),
    categories=("agents",),
    annotations=SYNC_WAVE,
    versions=(
        Version(
            name="v1alpha1",
            hub_rules=PUBLIC,
            model=implementationsource_v1alpha1.ImplementationSource,
            conversion=implementationsource_conversion.CONVERSION,
            deprecated=deprecation("ImplementationSource"),
            columns=(
                READY,
                Column("Provider", ".spec.provider"),
                Column("LastSync", ".status.lastSyncedAt", type="date"),
            ),
        ),
        Version(
            name=hub.VERSION,
            model=hub.implementationsource.ImplementationSource,
            storage=True,
            columns=(
                READY,
                Column("GitHub", ".spec.github.repository"),
                Column("Linear", ".spec.linear.team"),
                Column("Mode", ".spec.ingestion.mode"),
                Column("LastSync", ".status.lastSyncTime", type="date"),
                AGE,
            ),
            selectable=(
                ".spec.github.repository",
                ".spec.github.organization",
                ".spec.linear.team",
                ".spec.ingestion.mode",
            ),
        ),
    ),
)

MEMORY = Kind(
    name="Memory",
    plural="memories",
    short_names=("mem",),
    categories=("agents",),
    annotations=SYNC_WAVE,
    versions=(
        Version(
            name="v1alpha1",
            hub_rules=PUBLIC,
            model=memory_v1alpha1.Memory,
            conversion=memory_conversion.CONVERSION,
            deprecated=deprecation("Memory"),
            columns=(
                READY,
                Column("Type", ".spec.type"),
                Column("Default", ".spec.default", type="boolean"),
            ),
        ),
        Version(
            name=hub.VERSION,
            model=hub.memory.Memory,
            storage=True,
            columns=(
                READY,
                Column("Type", ".spec.type"),
                Column("Default", ".spec.isDefault", type="boolean"),
                Column("Checked", ".status.lastCheckTime", type="date", priority=1),
                AGE,
            ),
            selectable=(".spec.type", ".spec.isDefault"),
        ),
    ),
)

VERSION_CONTROL_PROVIDER = Kind(
    name="VersionControlProvider",
    plural="versioncontrolproviders",
    short_names=("vcs",),
    categories=("agents",),
    annotations=SYNC_WAVE,
    versions=(
        Version(
            name="v1alpha1",
            hub_rules=PUBLIC,
            model=versioncontrolprovider_v1alpha1.VersionControlProvider,
            conversion=versioncontrolprovider_conversion.CONVERSION,
            deprecated=deprecation("VersionControlProvider"),
            columns=(
                READY,
                Column("Provider", ".spec.provider"),
            ),
        ),
        Version(
            name=hub.VERSION,
            model=hub.versioncontrolprovider.VersionControlProvider,
            storage=True,
            columns=(
                READY,
                Column("Provider", ".spec.provider"),
                Column("Auth", ".spec.auth.type"),
                Column("Web", ".spec.endpoints.web", priority=1),
                Column("Validated", ".status.lastValidationTime", type="date"),
                AGE,
            ),
            selectable=(".spec.provider", ".spec.auth.type"),
        ),
    ),
)

api = Api(
    group=GROUP,
    settings_problems=settings.problems,
    kinds=(
        AGENT,
        AGENT_PROVIDER,
        AGENT_RUN,
        IMPLEMENTATION_SPEC,
        IMPLEMENTATION_SOURCE,
        MEMORY,
        VERSION_CONTROL_PROVIDER,
    ),
)
