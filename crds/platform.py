"""The one list of the Agents Platform's kinds and versions."""

from crds import hub
from crds.admission import agentrun as agentrun_rules
from crds.v1alpha1 import agentrun as agentrun_v1alpha1
from crds.v1alpha1 import agentrun_conversion, implementationspec_conversion
from crds.v1alpha1 import implementationspec as implementationspec_v1alpha1
from schemagen import Api, Column, Kind, Version

GROUP = "agents.proompteng.ai"

# Argo CD applies CRDs before what is written in them, as the public charts ask.
SYNC_WAVE = {"argocd.argoproj.io/sync-wave": "-10"}

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
            model=agentrun_v1alpha1.AgentRun,
            conversion=agentrun_conversion.CONVERSION,
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
                Column("Age", ".metadata.creationTimestamp", type="date"),
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
            model=implementationspec_v1alpha1.ImplementationSpec,
            conversion=implementationspec_conversion.CONVERSION,
            columns=(
                Column("Ready", '.status.conditions[?(@.type=="Ready")].status'),
                Column("Source", ".spec.source.provider"),
                Column("Updated", ".status.syncedAt", type="date"),
            ),
        ),
        Version(
            name=hub.VERSION,
            model=hub.implementationspec.ImplementationSpec,
            storage=True,
            columns=(
                Column("Ready", '.status.conditions[?(@.type=="Ready")].status'),
                Column("Source", ".spec.source.provider"),
                Column("Summary", ".spec.summary", priority=1),
                Column("Synced", ".status.lastSyncTime", type="date"),
                Column("Age", ".metadata.creationTimestamp", type="date"),
            ),
        ),
    ),
)

api = Api(group=GROUP, kinds=(AGENT_RUN, IMPLEMENTATION_SPEC))
