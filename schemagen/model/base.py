"""Base models: Resource, Spec, Status, and types that every API shares.

Wire names are camelCase by alias generator. A model accepts exactly what the API server accepts for
its schema and refuses with its messages (``schemagen.checking``): ``model_validate`` reads JSON
with wire names, the constructor takes Python names.
"""

import collections
import dataclasses
import enum
from collections.abc import Container, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

import pydantic
from pydantic import Field, alias_generators
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

from schemagen.model import (
    checker_provider,
    field_types,
    markers,
    object_types,
    unbounded_schema,
    wire,
)
from schemagen.problems import JSON, Cause


class Model(pydantic.BaseModel):
    """A JSON object with declared fields.

    Args of a subclass:
        rules: CEL rules over the whole object, in addition to inherited ones.
        keywords: Schema keywords of the whole object, as ``Keywords`` has them; beside inherited
            ones.
    """

    model_config = pydantic.ConfigDict(
        alias_generator=alias_generators.to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        frozen=True,
        extra="ignore",
        defer_build=True,  # schemas are generated without it; the first value pays
    )

    cel_rules: ClassVar[tuple[markers.Cel, ...]] = ()
    schema_keywords: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, /, **fields: Any) -> None:
        """Build from Python values, by Python names.

        Raises:
            pydantic.ValidationError: with the API server's reasons and messages.
        """
        super().__init__(
            **{_wire_name(type(self), name): jsonable(fields[name]) for name in fields}
        )

    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined] # not a constructor of its own

    def __init_subclass__(
        cls,
        *,
        rules: Sequence[markers.Cel] = (),
        keywords: Mapping[str, Any] | None = None,
        **config: Any,
    ) -> None:
        """Collect the model's own rules and keywords after the inherited ones."""
        super().__init_subclass__(**config)
        cls.cel_rules = (*cls.cel_rules, *rules)
        cls.schema_keywords = {**cls.schema_keywords, **(keywords or {})}

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: Any, handler: pydantic.GetCoreSchemaHandler
    ) -> CoreSchema:
        """Validate first, then build: Pydantic's own bounds would differ in details."""

        def validated(value: Any, build: core_schema.ValidatorFunctionWrapHandler) -> Any:
            return build(_checked(cls, value))

        inner = unbounded_schema.without_bounds(handler(source), handler.resolve_ref_schema)
        return core_schema.no_info_wrap_validator_function(validated, inner)


def _wire_name(model: type[Model], name: str) -> str:
    field = model.model_fields.get(name)
    return name if field is None else field.alias or name


def jsonable(value: Any) -> JSON:
    """Return a Python value as JSON: models by wire names, enums by value, sets as lists."""
    match value:
        case pydantic.RootModel():
            return jsonable(value.root)
        case pydantic.BaseModel():
            fields = _set_fields(value, type(value).model_fields, value.model_fields_set)
            return fields | {
                name: jsonable(item) for name, item in (value.model_extra or {}).items()
            }
        case enum.Enum():
            return value.value
        case Mapping():
            return {jsonable(name): jsonable(item) for name, item in value.items()}
        case list() | tuple() | set() | frozenset() | collections.deque():
            return [jsonable(item) for item in value]
        case _:
            return _of_dataclass(value)


def _of_dataclass(value: Any) -> JSON:
    """Return a dataclass instance as JSON; other values unchanged."""
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return value
    shape = object_types.shape_of(type(value))
    return value if shape is None else _set_fields(value, shape.fields, ())


def _set_fields(
    value: Any, fields: Mapping[str, FieldInfo], named: Container[str]
) -> dict[str, JSON]:
    """Return the fields of an object without unset ones, and without None that means unset."""
    own = {name: getattr(value, name) for name in fields}
    return {
        fields[name].alias or name: jsonable(item)
        for name, item in own.items()
        if item is not None or name in named
    }


def _checked(model: type[Model], value: Any) -> Any:
    """Return the input to build a model from: an instance, or a normalized valid object."""
    checks = checker_provider.checks()
    if isinstance(value, model | checks.NormalizedObject) or not isinstance(value, Mapping):
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
    """Return the invalid part of the input, as far as the path resolves."""
    for part in path:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return None
    return value


class Spec(Model):
    """Desired state, declared by the user."""


class Status(Model):
    """Observed state, reported by a controller."""


class ObjectMeta(Model):
    """The subset of an object's metadata that this project reads."""

    # In the root schema of a CRD it is a bare object, as required.

    name: str | None = None
    namespace: str | None = None
    uid: str | None = None
    generation: int | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class KindMetadata:
    """Metadata of the kind (names, scope) and of the version, as arguments of a ``Resource``.

    ``Kind.of`` and ``Version`` describe them.

    Attributes:
        description: Description of the kind, in place of the docstring.
        verbatim: Whether descriptions are ``description`` and those of ``Field(description=...)``,
            character by character; docstrings are for readers of the code then.
    """

    plural: str = ""
    singular: str = ""
    list_name: str = ""
    description: str = ""
    verbatim: bool = False
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    scope: Literal["Namespaced", "Cluster"] = "Namespaced"
    columns: tuple[markers.Column, ...] = ()
    selectable: tuple[str, ...] = ()
    scale: markers.Scale | None = None
    status_subresource: bool | None = None

    def __post_init__(self) -> None:
        field_types.check(self)


class Resource(Model):
    """An object of a kind: subclasses declare ``spec`` and ``status``.

    Args of a subclass:
        plural, singular, list_name, short_names, categories, scope: Of the kind, on its newest
            model; see ``Kind.of``.
        columns, selectable, scale, status_subresource: Of the version; see ``Version``.
        description, verbatim: How the version is described; see ``KindMetadata``.

    Attributes:
        declared_schema: The structural schema of a version of a CRD that has no model of its own;
            None for models.
    """

    kind_metadata: ClassVar[KindMetadata] = KindMetadata()
    declared_schema: ClassVar[Mapping[str, JSON] | None] = None

    api_version: str
    kind: str
    metadata: ObjectMeta = Field(default_factory=ObjectMeta)

    def __init_subclass__(cls, **arguments: Any) -> None:
        """Collect what the class says about its kind; the rest is inherited."""
        names = [field.name for field in dataclasses.fields(KindMetadata)]
        own = {name: arguments.pop(name) for name in names if name in arguments}
        super().__init_subclass__(**arguments)
        cls.kind_metadata = dataclasses.replace(cls.kind_metadata, **own)


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
"""A free-form object, kept unchanged."""
