"""Types shared by the v1alpha1 kinds."""

from typing import Annotated, Literal

from pydantic import Field

from schemagen import Column, Condition, Model
from schemagen.model.markers import Atomic
from schemagen.model.wire import Int64, Timestamp

Conditions = Annotated[list[Condition], Atomic()]
ObservedGeneration = Annotated[
    Int64, Field(description="Most recent metadata.generation observed by the controller.")
]
UpdatedAt = Annotated[Timestamp, Field(description="Time at which this status was last written.")]

READY = Column("Ready", '.status.conditions[?(@.type=="Ready")].status')


class SystemPromptRef(Model):
    """Reference to a key of a Secret or ConfigMap that holds a system prompt."""

    kind: Literal["Secret", "ConfigMap"] = Field(
        description="Kind of the object: Secret or ConfigMap."
    )
    name: str = Field(description="Name of the Secret or ConfigMap.")
    key: str = Field(description="Key that holds the prompt.")


class Resources(Model):
    """Compute resources of a container."""

    requests: dict[str, str] | None = Field(
        default=None, description="Minimum resources, reserved by the scheduler."
    )
    limits: dict[str, str] | None = Field(default=None, description="Maximum resources.")


class Artifact(Model):
    """An output file of the run."""

    name: str = Field(description="Name of the artifact.")
    path: str | None = Field(default=None, description="Path at which the run wrote the file.")
    key: str | None = Field(default=None, description="Key of the file in the artifact store.")
    url: Annotated[str, Field(max_length=2048)] | None = Field(
        default=None, description="URL from which the file can be downloaded."
    )
