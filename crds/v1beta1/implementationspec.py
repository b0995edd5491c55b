"""ImplementationSpec v1beta1: a task described in text."""

from typing import Annotated

from pydantic import Field

from crds.v1beta1 import core
from schemagen import Column, MaxBytes, Model, Resource, Spec, Status
from schemagen.model.markers import Atomic
from schemagen.model.wire import Timestamp

TEXT_BYTES = 128 * 1024

ContractKey = Annotated[str, Field(min_length=1, max_length=256)]


class Source(Model):
    """Origin of a task."""

    provider: core.SourceProvider = Field(description="System that holds the original task.")
    external_id: Annotated[str, Field(max_length=512)] | None = Field(
        default=None,
        description="Identifier of the task in that system, such as owner/repo#12 or ENG-1.",
    )
    url: Annotated[str, Field(max_length=2048)] | None = Field(
        default=None, description="URL of the original task."
    )


class Alias(Model):
    """An alias for a parameter."""

    from_: ContractKey = Field(alias="from", description="Name under which the parameter is given.")
    to: ContractKey = Field(description="Parameter that receives the value if it is not set.")


class Contract(Model):
    """Parameters that a run must provide."""

    required_parameters: Annotated[list[ContractKey], Atomic(), Field(max_length=50)] | None = (
        Field(
            default=None, description="Parameters that must be set once aliases have been resolved."
        )
    )
    aliases: Annotated[list[Alias], Atomic(), Field(max_length=100)] | None = Field(
        default=None, description="Alternative names for parameters."
    )


class ImplementationSpecSpec(Spec):
    """Desired content of the task."""

    text: Annotated[str, MaxBytes(TEXT_BYTES)] = Field(
        description="Full task as given to the agent, at most 131072 bytes of UTF-8."
    )
    summary: Annotated[str, Field(max_length=256)] | None = Field(
        default=None, description="One-line summary of the task."
    )
    description: Annotated[str, MaxBytes(TEXT_BYTES)] | None = Field(
        default=None, description="Background for human readers, at most 131072 bytes of UTF-8."
    )
    acceptance_criteria: (
        Annotated[list[Annotated[str, Field(max_length=4096)]], Atomic(), Field(max_length=50)]
        | None
    ) = Field(default=None, description="Acceptance criteria of the task.")
    topics: (
        Annotated[list[Annotated[str, Field(max_length=256)]], Atomic(), Field(max_length=100)]
        | None
    ) = Field(
        default=None, description="Topics of the task, taken from the labels of the original issue."
    )
    source: Source | None = Field(default=None, description="Origin of the task.")
    vcs_ref: core.NameRef | None = Field(
        default=None, description="VersionControlProvider that hosts the code."
    )
    contract: Contract | None = Field(
        default=None, description="Parameters that a run of this task must provide."
    )


class ImplementationSpecStatus(Status):
    """Most recently observed status of the spec."""

    conditions: core.Conditions | None = Field(
        default=None,
        description="Conditions: Ready, and InvalidSpec when the object cannot be used.",
    )
    observed_generation: core.ObservedGeneration | None = None
    source_version: Annotated[str, Field(max_length=256)] | None = Field(
        default=None, description="Version of the original task at the last sync."
    )
    last_sync_time: Timestamp | None = Field(
        default=None, description="Time of the last sync from the original task."
    )
    last_update_time: core.LastUpdateTime | None = None


class ImplementationSpec(
    Resource,
    plural="implementationspecs",
    short_names=("impl",),
    categories=("agents",),
    columns=(
        core.READY,
        Column("Source", ".spec.source.provider"),
        Column("Summary", ".spec.summary", priority=1),
        Column("Synced", ".status.lastSyncTime", type="date"),
        core.AGE,
    ),
):
    """A task for agents, written by hand or synced from an issue tracker."""

    spec: ImplementationSpecSpec = Field(description="Desired content of the task.")
    status: ImplementationSpecStatus | None = Field(
        default=None, description="Most recently observed status of the spec."
    )
