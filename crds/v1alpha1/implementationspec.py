"""ImplementationSpec v1alpha1, compatible with the published API; only byte limits are added."""

from typing import Annotated, Literal

from pydantic import Field

from crds.v1alpha1 import core
from schemagen import Column, LocalRef, MaxBytes, Model, Resource, Spec, Status
from schemagen.model.markers import Atomic
from schemagen.model.wire import Timestamp

TEXT_BYTES = 128 * 1024


class Source(Model):
    """Origin of a task."""

    provider: Literal["github", "linear", "manual", "custom"] = Field(
        description="System that holds the original task."
    )
    external_id: str | None = Field(
        default=None, description="Identifier of the task in that system."
    )
    url: str | None = Field(default=None, description="URL of the original task.")


class Mapping(Model):
    """An alias for a parameter."""

    from_: Annotated[str, Field(max_length=256)] = Field(
        alias="from", description="Name under which the parameter is given."
    )
    to: Annotated[str, Field(max_length=256)] = Field(
        description="Parameter that receives the value if it is not set."
    )


class Contract(Model):
    """Parameters that a run must provide."""

    required_keys: Annotated[list[str], Atomic(), Field(max_length=50)] | None = Field(
        default=None, description="Parameters that must be set once mappings have been applied."
    )
    mappings: Annotated[list[Mapping], Atomic(), Field(max_length=100)] | None = Field(
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
    acceptance_criteria: Annotated[list[str], Atomic(), Field(max_length=50)] | None = Field(
        default=None, description="Acceptance criteria of the task."
    )
    labels: Annotated[list[str], Atomic()] | None = Field(
        default=None, description="Labels of the original issue."
    )
    source: Source | None = Field(default=None, description="Origin of the task.")
    vcs_ref: LocalRef | None = Field(
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
    source_version: str | None = Field(
        default=None, description="Version of the original task at the last sync."
    )
    synced_at: Timestamp | None = Field(
        default=None, description="Time of the last sync from the original task."
    )
    updated_at: core.UpdatedAt | None = None


class ImplementationSpec(
    Resource,
    columns=(
        core.READY,
        Column("Source", ".spec.source.provider"),
        Column("Updated", ".status.syncedAt", type="date"),
    ),
):
    """A task for agents, written by hand or synced from an issue tracker."""

    spec: ImplementationSpecSpec = Field(description="Desired content of the task.")
    status: ImplementationSpecStatus | None = Field(
        default=None, description="Most recently observed status of the spec."
    )
