"""ImplementationSpec v1alpha1, as the world has it; only the byte limits are ours."""

from typing import Annotated, Literal

from pydantic import Field

from crds.v1alpha1 import core
from schemagen import LocalRef, MaxBytes, Model, Resource, Spec, Status
from schemagen.model.markers import Atomic
from schemagen.model.wire import Timestamp

TEXT_BYTES = 128 * 1024


class Source(Model):
    """Where an implementation spec came from."""

    provider: Literal["github", "linear", "manual", "custom"] = Field(
        description="System that holds the original."
    )
    external_id: str | None = Field(default=None, description="Identifier there.")
    url: str | None = Field(default=None, description="Address of the original.")


class Mapping(Model):
    """One parameter under another name."""

    from_: Annotated[str, Field(max_length=256)] = Field(
        alias="from", description="Parameter that is given."
    )
    to: Annotated[str, Field(max_length=256)] = Field(
        description="Parameter that it fills, if that is empty."
    )


class Contract(Model):
    """What a run must bring along."""

    required_keys: Annotated[list[str], Atomic(), Field(max_length=50)] | None = Field(
        default=None, description="Parameters that must be set, after the mappings."
    )
    mappings: Annotated[list[Mapping], Atomic(), Field(max_length=100)] | None = Field(
        default=None, description="Parameters that may come under another name."
    )


class ImplementationSpecSpec(Spec):
    """What is to be built."""

    text: Annotated[str, MaxBytes(TEXT_BYTES)] = Field(
        description="The whole task, as the agent reads it; at most 131072 bytes of UTF-8."
    )
    summary: Annotated[str, Field(max_length=256)] | None = Field(
        default=None, description="One line about the task."
    )
    description: Annotated[str, MaxBytes(TEXT_BYTES)] | None = Field(
        default=None, description="Background for people; at most 131072 bytes of UTF-8."
    )
    acceptance_criteria: Annotated[list[str], Atomic(), Field(max_length=50)] | None = Field(
        default=None, description="What must hold when the task is done."
    )
    labels: Annotated[list[str], Atomic()] | None = Field(
        default=None, description="Labels of the original issue."
    )
    source: Source | None = Field(default=None, description="Where the task came from.")
    vcs_ref: LocalRef | None = Field(
        default=None, description="VersionControlProvider that holds the code."
    )
    contract: Contract | None = Field(
        default=None, description="Parameters that a run of this spec must have."
    )


class ImplementationSpecStatus(Status):
    """What the controller saw of the spec."""

    conditions: core.Conditions | None = Field(
        default=None, description="Ready, and InvalidSpec when it cannot be used."
    )
    observed_generation: core.ObservedGeneration | None = None
    source_version: str | None = Field(
        default=None, description="Version of the original that was last taken over."
    )
    synced_at: Timestamp | None = Field(
        default=None, description="When the original was last taken over."
    )
    updated_at: core.UpdatedAt | None = None


class ImplementationSpec(Resource):
    """A task in words that runs can carry out, written by hand or taken from an issue tracker."""

    spec: ImplementationSpecSpec = Field(description="What is to be built.")
    status: ImplementationSpecStatus | None = Field(
        default=None, description="What the controller saw of the spec."
    )
