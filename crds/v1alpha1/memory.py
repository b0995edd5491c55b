"""Memory v1alpha1, compatible with the published API: capabilities are unrestricted strings."""

from typing import Annotated, Literal

from pydantic import Field

from crds.v1alpha1 import core
from schemagen import Column, Model, Resource, Spec, Status
from schemagen.model.markers import Atomic
from schemagen.model.wire import Timestamp


class SecretRef(Model):
    """Reference to a Secret, or to one of its keys."""

    name: str = Field(description="Name of the Secret, in the same namespace.")
    key: str | None = Field(
        default=None, description="Key of the Secret. Defaults to the entire Secret."
    )


class Connection(Model):
    """Connection to the store."""

    secret_ref: SecretRef = Field(
        description="Secret that holds the store's address and credentials."
    )


class MemorySpec(Spec):
    """Type and connection of the store."""

    type: Literal["postgres", "redis", "weaviate", "pinecone", "custom"] = Field(
        description="Type of the store."
    )
    connection: Connection = Field(description="Connection to the store.")
    capabilities: Annotated[list[str], Atomic()] | None = Field(
        default=None, description="Capabilities of the store: vector, kv or blob."
    )
    default: bool = Field(
        default=False,
        description="Whether runs without a memoryRef use this Memory. Defaults to false.",
    )


class MemoryStatus(Status):
    """Most recently observed status of the memory."""

    conditions: core.Conditions | None = Field(
        default=None, description="Conditions: Ready, InvalidSpec and Unreachable."
    )
    last_checked_at: Timestamp | None = Field(
        default=None, description="Time of the last health check."
    )
    observed_generation: core.ObservedGeneration | None = None
    updated_at: core.UpdatedAt | None = None


class Memory(
    Resource,
    columns=(
        core.READY,
        Column("Type", ".spec.type"),
        Column("Default", ".spec.default", type="boolean"),
    ),
):
    """A store in which agents keep what they learn across runs."""

    spec: MemorySpec = Field(description="Type and connection of the store.")
    status: MemoryStatus | None = Field(
        default=None, description="Most recently observed status of the memory."
    )
