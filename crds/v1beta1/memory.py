"""Memory v1beta1: a store for agents, its retention and its health checks."""

from typing import Annotated, Literal

from pydantic import Field

from crds.v1beta1 import core
from schemagen import Cel, Column, ListSet, Model, Resource, Spec, Status
from schemagen.model.wire import Duration, Int64, Timestamp


class SecretKeyRef(Model):
    """Reference to a Secret, or to one of its keys."""

    name: core.Name = Field(description="Name of the Secret, in the same namespace.")
    key: core.Key | None = Field(
        default=None, description="Key of the Secret. Defaults to the entire Secret."
    )


class Connection(Model):
    """Connection to the store."""

    secret_key_ref: SecretKeyRef = Field(
        description="Secret that holds the store's address and credentials."
    )


def _positive(name: str) -> Cel:
    return Cel(
        f"!has(self.{name}) || self.{name}.matches('[1-9]')",
        f"{name} must be longer than 0s; leave it out for the default",
        field_path=f".{name}",
    )


class Retention(Model, rules=[_positive("maxAge")]):
    """Retention of items. Defaults to keeping everything."""

    max_age: Duration | None = Field(
        default=None, description="Maximum age of an item. Defaults to no limit."
    )
    max_items: Annotated[Int64, Field(ge=1)] | None = Field(
        default=None,
        description="Maximum number of items; the oldest are removed first. Defaults to no limit.",
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
    """Health checks of the store. Defaults to the controller's settings."""

    interval: Duration | None = Field(default=None, description="Interval between health checks.")
    timeout: Duration | None = Field(default=None, description="Timeout of a health check.")
    on_unavailable: Literal["Wait", "Fail", "Ignore"] | None = Field(
        default=None,
        description="Effect on runs while the Memory is not Ready: Wait delays them, Fail ends "
        "them, Ignore starts them anyway. Runs in flight continue. Defaults to Wait.",
    )


class MemorySpec(Spec):
    """Type and connection of the store."""

    type: Literal["Postgres", "Redis", "Weaviate", "Pinecone", "Custom"] = Field(
        description="Type of the store."
    )
    connection: Connection = Field(description="Connection to the store.")
    capabilities: (
        Annotated[list[Literal["Vector", "KV", "Blob"]], ListSet(), Field(max_length=3)] | None
    ) = Field(default=None, description="Capabilities of the store.")
    is_default: bool = Field(
        default=False,
        description="Whether runs without a memoryRef use this Memory. Defaults to false.",
    )
    retention: Retention | None = Field(
        default=None, description="Retention of items. Defaults to keeping everything."
    )
    health: Health | None = Field(
        default=None,
        description="Health checks of the store. Defaults to the controller's settings.",
    )


class MemoryStatus(Status):
    """Most recently observed status of the memory."""

    conditions: core.Conditions | None = Field(
        default=None, description="Conditions: Ready, InvalidSpec, Unreachable and Default."
    )
    last_check_time: Timestamp | None = Field(
        default=None,
        description="Time of a recent health check; written every 5 minutes, and at each change.",
    )
    latency_milliseconds: Annotated[Int64, Field(ge=0)] | None = Field(
        default=None, description="Duration of that health check, if the store was reached."
    )
    observed_generation: core.ObservedGeneration | None = None
    last_update_time: core.LastUpdateTime | None = None


class Memory(
    Resource,
    plural="memories",
    short_names=("mem",),
    categories=("agents",),
    columns=(
        core.READY,
        Column("Type", ".spec.type"),
        Column("Default", ".spec.isDefault", type="boolean"),
        Column("Checked", ".status.lastCheckTime", type="date", priority=1),
        core.AGE,
    ),
    selectable=(
        ".spec.type",
        ".spec.isDefault",
    ),
):
    """A store in which agents keep what they learn across runs."""

    spec: MemorySpec = Field(description="Type and connection of the store.")
    status: MemoryStatus | None = Field(
        default=None, description="Most recently observed status of the memory."
    )
