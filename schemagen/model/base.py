"""Base models: an object, its spec and status, and the shapes that every API shares.

Wire names are camelCase by generator. A model takes just what the API server takes of its schema
and refuses in its words (``schemagen.checking``): ``model_validate`` reads JSON with wire names,
the constructor takes Python names.
"""

import collections
import dataclasses
import enum
from collections.abc import Container, Mapping, Sequence
from typing import Annotated, Any, ClassVar

import pydantic
from pydantic import Field, alias_generators
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

from schemagen.model import markers, shapes, unbounded, verdicts, wire
from schemagen.problems import JSON, Cause


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
        defer_build=True,  # a schema is generated without it; the first value pays
    )

    cel_rules: ClassVar[tuple[markers.Cel, ...]] = ()

    def __init__(self, /, **fields: Any) -> None:
        """Build from Python values, by Python names.

        Raises:
            pydantic.ValidationError: with the API server's reasons and messages.
        """
        super().__init__(
            **{_wire_name(type(self), name): jsonable(fields[name]) for name in fields}
        )

    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined] # not a constructor of its own

    def __init_subclass__(cls, *, rules: Sequence[markers.Cel] = (), **config: Any) -> None:
        """Collect the model's own rules after the inherited ones."""
        super().__init_subclass__(**config)
        cls.cel_rules = (*cls.cel_rules, *rules)

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: Any, handler: pydantic.GetCoreSchemaHandler
    ) -> CoreSchema:
        """Check first, then build: Pydantic's own bounds would differ in the details."""

        def validated(value: Any, build: core_schema.ValidatorFunctionWrapHandler) -> Any:
            return build(_checked(cls, value))

        inner = unbounded.without_bounds(handler(source), handler.resolve_ref_schema)
        return core_schema.no_info_wrap_validator_function(validated, inner)


def _wire_name(model: type[Model], name: str) -> str:
    field = model.model_fields.get(name)
    return name if field is None else field.alias or name


def jsonable(value: Any) -> JSON:
    """A Python value as JSON: models by their wire names, enums by their values, sets as lists."""
    match value:
        case pydantic.RootModel():
            return jsonable(value.root)
        case pydantic.BaseModel():
            said = _said(value, type(value).model_fields, value.model_fields_set)
            return said | {name: jsonable(one) for name, one in (value.model_extra or {}).items()}
        case enum.Enum():
            return value.value
        case Mapping():
            return {jsonable(name): jsonable(one) for name, one in value.items()}
        case list() | tuple() | set() | frozenset() | collections.deque():
            return [jsonable(one) for one in value]
        case _:
            return _of_dataclass(value)


def _of_dataclass(value: Any) -> JSON:
    """A dataclass's instance as JSON; any other value is it already."""
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return value
    shape = shapes.shape_of(type(value))
    return value if shape is None else _said(value, shape.fields, ())


def _said(value: Any, fields: Mapping[str, FieldInfo], named: Container[str]) -> dict[str, JSON]:
    """The fields of an object; what was never set is left out, and so is a None that says that."""
    own = {name: getattr(value, name) for name in fields}
    return {
        fields[name].alias or name: jsonable(one)
        for name, one in own.items()
        if one is not None or name in named
    }


def _checked(model: type[Model], value: Any) -> Any:
    """What a model is built from: an instance, or an object that was taken in and found right."""
    checks = verdicts.checks()
    if isinstance(value, model | checks.Taken) or not isinstance(value, Mapping):
        return value
    checked = checks.of(model).create(jsonable(value))
    if checked.causes:
        raise pydantic.ValidationError.from_exception_data(
            model.__name__, [_detail(cause, value) for cause in checked.causes]
        )
    return checked.value


def _detail(cause: Cause, value: Any) -> InitErrorDetails:
    error = PydanticCustomError(cause.reason, "{message}", {"message": cause.message})
    return InitErrorDetails(type=error, loc=cause.path, input=_at(value, cause.path))


def _at(value: Any, path: Sequence[str | int]) -> Any:
    """The part of the input that is wrong, as far as it goes."""
    for part in path:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return None
    return value


class Spec(Model):
    """What a user wants."""


class Status(Model):
    """What a controller saw."""


class ObjectMeta(Model):
    """The part of an object's metadata that is read here."""

    # At the root of a CRD it is a bare object, as it must be.

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
    metadata: ObjectMeta = Field(default_factory=ObjectMeta)


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
