"""Memory v1beta1: where agents keep what they learn, how long, and how its health is watched."""

from typing import Annotated, Literal

from pydantic import Field

from crds.v1beta1 import core
from schemagen import Cel, ListSet, Model, Resource, Spec, Status
from schemagen.model.wire import Duration, Int64, Timestamp


class SecretKeyRef(Model):
    """A key of a Secret, or the Secret as a whole."""

    name: core.Name = Field(description="Name of the Secret, in the same namespace.")
    key: core.Key | None = Field(
        default=None, description="Key whose value is meant; absent: the Secret as a whole."
    )


class Connection(Model):
    """How the store is reached."""

    secret_key_ref: SecretKeyRef = Field(
        description="Secret that holds the address and credentials."
    )


def _positive(name: str) -> Cel:
    return Cel(
        f"!has(self.{name}) || self.{name}.matches('[1-9]')",
        f"{name} must be longer than 0s; leave it out for the default",
        field_path=f".{name}",
    )


class Retention(Model, rules=[_positive("maxAge")]):
    """How much is kept; absent: everything."""

    max_age: Duration | None = Field(
        default=None, description="How long an item is kept; absent: without limit."
    )
    max_items: Annotated[Int64, Field(ge=1)] | None = Field(
        default=None, description="Items that are kept, the latest ones; absent: without limit."
    )


class Health(
    Model,
    rules=[
        _positive("interval"),
        _positive("timeout"),
        Cel(
            "!has(self.interval) || !has(self.timeout) || "
            "duration(self.timeout) <= duration(self.interval)",
            "timeout must not be longer than interval",
            field_path=".timeout",
        ),
    ],
):
    """How the store's health is watched; absent: as the controller is set."""

    interval: Duration | None = Field(default=None, description="Time between two checks.")
    timeout: Duration | None = Field(default=None, description="How long a check may take.")


class MemorySpec(Spec):
    """Which store it is."""

    type: Literal["Postgres", "Redis", "Weaviate", "Pinecone", "Custom"] = Field(
        description="What kind of store it is."
    )
    connection: Connection = Field(description="How the store is reached.")
    capabilities: (
        Annotated[list[Literal["Vector", "KV", "Blob"]], ListSet(), Field(max_length=3)] | None
    ) = Field(default=None, description="What the store is used for.")
    is_default: bool = Field(
        default=False, description="Whether runs use it that name no memory; false if absent."
    )
    retention: Retention | None = Field(default=None, description="How much is kept.")
    health: Health | None = Field(default=None, description="How its health is watched.")


class MemoryStatus(Status):
    """What the controller saw of the memory."""

    conditions: core.Conditions | None = Field(
        default=None, description="Ready, InvalidSpec and Unreachable."
    )
    last_check_time: Timestamp | None = Field(
        default=None, description="When the store was last checked."
    )
    observed_generation: core.ObservedGeneration | None = None
    last_update_time: core.LastUpdateTime | None = None


class Memory(Resource):
    """A store in which agents keep what they learn from run to run."""

    spec: MemorySpec = Field(description="Which store it is.")
    status: MemoryStatus | None = Field(
        default=None, description="What the controller saw of the memory."
    )
