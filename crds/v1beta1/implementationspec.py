"""ImplementationSpec v1beta1: what is to be built, in words."""

from typing import Annotated

from pydantic import Field

from crds.v1beta1 import core
from schemagen import MaxBytes, Model, Resource, Spec, Status
from schemagen.model.markers import Atomic
from schemagen.model.wire import Timestamp

TEXT_BYTES = 128 * 1024

ContractKey = Annotated[str, Field(min_length=1, max_length=256)]


class Source(Model):
    """Where an implementation spec came from."""

    provider: core.SourceProvider = Field(description="System that holds the original.")
    external_id: Annotated[str, Field(max_length=512)] | None = Field(
        default=None, description="Identifier there, such as owner/repo#12 or ENG-1."
    )
    url: Annotated[str, Field(max_length=2048)] | None = Field(
        default=None, description="Address of the original."
    )


class Alias(Model):
    """One parameter under another name."""

    from_: ContractKey = Field(alias="from", description="Parameter that is given.")
    to: ContractKey = Field(description="Parameter that it fills, if that is empty.")


class Contract(Model):
    """What a run must bring along."""

    required_parameters: Annotated[list[ContractKey], Atomic(), Field(max_length=50)] | None = (
        Field(default=None, description="Parameters that must be set, after the aliases.")
    )
    aliases: Annotated[list[Alias], Atomic(), Field(max_length=100)] | None = Field(
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
    acceptance_criteria: (
        Annotated[list[Annotated[str, Field(max_length=4096)]], Atomic(), Field(max_length=50)]
        | None
    ) = Field(default=None, description="What must hold when the task is done.")
    topics: (
        Annotated[list[Annotated[str, Field(max_length=256)]], Atomic(), Field(max_length=100)]
        | None
    ) = Field(default=None, description="What the task is about; labels of the original issue.")
    source: Source | None = Field(default=None, description="Where the task came from.")
    vcs_ref: core.NameRef | None = Field(
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
    source_version: Annotated[str, Field(max_length=256)] | None = Field(
        default=None, description="Version of the original that was last taken over."
    )
    last_sync_time: Timestamp | None = Field(
        default=None, description="When the original was last taken over."
    )
    last_update_time: core.LastUpdateTime | None = None


class ImplementationSpec(Resource):
    """A task in words that runs can carry out, written by hand or taken from an issue tracker."""

    spec: ImplementationSpecSpec = Field(description="What is to be built.")
    status: ImplementationSpecStatus | None = Field(
        default=None, description="What the controller saw of the spec."
    )
