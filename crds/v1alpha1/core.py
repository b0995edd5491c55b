"""Shapes that several v1alpha1 kinds share."""

from typing import Annotated, Literal

from pydantic import Field

from schemagen import Condition, Model
from schemagen.model.markers import Atomic
from schemagen.model.wire import Int64, Timestamp

Conditions = Annotated[list[Condition], Atomic()]
ObservedGeneration = Annotated[
    Int64, Field(description="The metadata.generation that was last seen.")
]
UpdatedAt = Annotated[Timestamp, Field(description="When this status was last written.")]


class SystemPromptRef(Model):
    """A key of a Secret or ConfigMap that holds a system prompt."""

    kind: Literal["Secret", "ConfigMap"] = Field(description="What holds it.")
    name: str = Field(description="Name of the Secret or ConfigMap.")
    key: str = Field(description="Key whose value is the prompt.")


class Resources(Model):
    """What a container needs and may use at most."""

    requests: dict[str, str] | None = Field(default=None, description="What is set aside.")
    limits: dict[str, str] | None = Field(default=None, description="What is not exceeded.")


class Artifact(Model):
    """A file that the run left."""

    name: str = Field(description="Its name.")
    path: str | None = Field(default=None, description="Where the run wrote it.")
    key: str | None = Field(default=None, description="Its key in the artifact store.")
    url: Annotated[str, Field(max_length=2048)] | None = Field(
        default=None, description="Where it can be fetched."
    )
