"""Memory v1alpha1, as the world has it: capabilities are any words, in any number."""

from typing import Annotated, Literal

from pydantic import Field

from crds.v1alpha1 import core
from schemagen import Model, Resource, Spec, Status
from schemagen.model.markers import Atomic
from schemagen.model.wire import Timestamp


class SecretRef(Model):
    """A Secret, or one of its keys."""

    name: str = Field(description="Name of the Secret, in the same namespace.")
    key: str | None = Field(
        default=None, description="Key whose value is meant; absent: the Secret as a whole."
    )


class Connection(Model):
    """How the store is reached."""

    secret_ref: SecretRef = Field(description="Secret that holds the address and credentials.")


class MemorySpec(Spec):
    """Which store it is."""

    type: Literal["postgres", "redis", "weaviate", "pinecone", "custom"] = Field(
        description="What kind of store it is."
    )
    connection: Connection = Field(description="How the store is reached.")
    capabilities: Annotated[list[str], Atomic()] | None = Field(
        default=None, description="What it can do: vector, kv or blob."
    )
    default: bool = Field(
        default=False, description="Whether runs use it that name no memory; false if absent."
    )


class MemoryStatus(Status):
    """What the controller saw of the memory."""

    conditions: core.Conditions | None = Field(
        default=None, description="Ready, InvalidSpec and Unreachable."
    )
    last_checked_at: Timestamp | None = Field(
        default=None, description="When the store was last checked."
    )
    observed_generation: core.ObservedGeneration | None = None
    updated_at: core.UpdatedAt | None = None


class Memory(Resource):
    """A store in which agents keep what they learn from run to run."""

    spec: MemorySpec = Field(description="Which store it is.")
    status: MemoryStatus | None = Field(
        default=None, description="What the controller saw of the memory."
    )
