"""Base models: an object, its spec and status, and the shapes that every API shares.

Wire names are camelCase by generator; unknown fields are pruned as the API server prunes them.
"""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

import pydantic
from pydantic import Field, alias_generators

from schemagen.model import markers, wire


class Model(pydantic.BaseModel):
    """A JSON object with declared fields.

    Args of a subclass:
        rules: CEL rules over the whole object, beside those it inherits.
    """

    model_config = pydantic.ConfigDict(
        alias_generator=alias_generators.to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        frozen=True,
        extra="ignore",
    )

    cel_rules: ClassVar[tuple[markers.Cel, ...]] = ()

    def __init_subclass__(cls, *, rules: Sequence[markers.Cel] = (), **config: Any) -> None:
        """Collect the model's own rules after the inherited ones."""
        super().__init_subclass__(**config)
        cls.cel_rules = (*cls.cel_rules, *rules)


class Spec(Model):
    """What a user wants."""


class Status(Model):
    """What a controller saw."""


class ObjectMeta(Model):
    """The part of ``metadata`` that rules read; in a CRD it is a bare object, as it must be."""

    name: str | None = None
    namespace: str | None = None
    uid: str | None = None
    generation: int | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


class Resource(Model):
    """An object of a kind: subclasses declare ``spec`` and ``status``."""

    api_version: str
    kind: str
    metadata: ObjectMeta = ObjectMeta()


class LocalRef(Model):
    """The name of an object in the same namespace."""

    name: str = Field(description="Name of the object, in the same namespace.")


class Condition(Model):
    """One aspect of an object's state (metav1.Condition)."""

    type: Annotated[str, Field(max_length=316, pattern=wire.CONDITION_TYPE)] = Field(
        description="Type of the condition in CamelCase, such as Ready."
    )
    status: wire.ConditionStatus = Field(description="True, False or Unknown.")
    observed_generation: Annotated[wire.Int64, Field(ge=0)] | None = Field(
        default=None, description="The metadata.generation that the condition was set upon."
    )
    last_transition_time: wire.Timestamp = Field(
        description="When the status last changed from one value to another."
    )
    reason: Annotated[str, Field(min_length=1, max_length=1024, pattern=wire.CONDITION_REASON)] = (
        Field(description="Machine-readable cause of the last transition, in CamelCase.")
    )
    message: Annotated[str, Field(max_length=32768)] = Field(
        description="Human-readable details of the transition; may be empty."
    )


JSONObject = Annotated[dict[str, Any], markers.PreserveUnknown()]
"""A free-form object, kept as it is."""
