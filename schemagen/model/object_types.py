"""Uniform view of classes that are JSON objects with fields: models, dataclasses, TypedDicts.

Only what schemas need is read; Pydantic builds the values.
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import pydantic
import typing_extensions
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from schemagen.model import annotations


@dataclasses.dataclass(frozen=True)
class Shape:
    """A class that is an object on the wire.

    Attributes:
        kind: The class.
        fields: Its fields, by Python names.
        config: Its Pydantic configuration.
        description: Its docstring, unless generated.
    """

    kind: Any
    fields: Mapping[str, FieldInfo]
    config: Mapping[str, Any]
    description: str | None

    @property
    def rules(self) -> Sequence[Any]:
        """Return the CEL rules of the class."""
        rules: Sequence[Any] = getattr(self.kind, "cel_rules", ())
        return rules

    @property
    def keywords(self) -> Mapping[str, Any]:
        """Return the schema keywords that the class states as they are."""
        keywords: Mapping[str, Any] = getattr(self.kind, "schema_keywords", {})
        return keywords

    @property
    def name(self) -> str:
        """Return the name of the class."""
        return str(self.kind.__name__)

    def wire_name(self, name: str) -> str:
        """Return the wire name of a field."""
        return self.fields[name].alias or name


def shape_of(kind: Any) -> Shape | None:
    """Return the shape of a class; None if it is not an object with declared fields.

    Raises:
        annotations.UnresolvedError: if an annotation uses an undefined name.
    """
    if not isinstance(kind, type):
        return None
    if issubclass(kind, pydantic.BaseModel):
        return None if issubclass(kind, pydantic.RootModel) else _of_model(kind)
    if dataclasses.is_dataclass(kind):
        return _of_dataclass(kind)
    return _of_typed_dict(kind) if typing_extensions.is_typeddict(kind) else None


def fields_of(kind: Any) -> Mapping[str, FieldInfo]:
    """Return the fields of a class, including a RootModel's own; None if it has none.

    Raises:
        annotations.UnresolvedError: if an annotation uses an undefined name.
    """
    if isinstance(kind, type) and issubclass(kind, pydantic.RootModel):
        return resolved(kind).model_fields
    shape = shape_of(kind)
    return {} if shape is None else shape.fields


def resolved(model: type[pydantic.BaseModel]) -> type[pydantic.BaseModel]:
    """Return the model with quoted annotations evaluated as Pydantic does with the first value.

    Raises:
        annotations.UnresolvedError: if an annotation uses an undefined name.
    """
    if getattr(model, "__pydantic_fields_complete__", True):
        return model
    try:
        model.model_rebuild(_types_namespace={})
    except Exception as error:
        if not model.__pydantic_fields_complete__:
            raise annotations.UnresolvedError(
                f"{model.__name__}: expected annotations with names defined in "
                f"{model.__module__}, got {_missing(error)}; define or import it at the top level "
                "of the module, outside `if TYPE_CHECKING`"
            ) from error
        # The fields are known before Pydantic fails on an unsupported type; the walk over them
        # reports it with its place.
    return model


def _missing(error: Exception) -> str:
    """Return the undefined name, or the other error."""
    name = getattr(error, "name", None)
    return str(name) if name else f"{type(error).__name__}: {error}"


def _of_model(model: type[pydantic.BaseModel]) -> Shape:
    fields = resolved(model).model_fields
    return Shape(model, fields, model.model_config, model.__doc__)


@functools.cache
def _of_dataclass(kind: Any) -> Shape:
    """Return a dataclass's shape: Pydantic's own keep their fields, others are read here."""
    config = getattr(kind, "__pydantic_config__", None) or {}
    # A dataclass without a docstring has its signature instead.
    description = None if (kind.__doc__ or "").startswith(f"{kind.__name__}(") else kind.__doc__
    hints = _hints(kind)
    fields = {field.name: _dataclass_field(field, hints) for field in dataclasses.fields(kind)}
    if pydantic.dataclasses.is_pydantic_dataclass(kind):
        for name, field in kind.__pydantic_fields__.items():
            fields[name].alias = field.alias
    return Shape(kind, fields, config, description)


def _dataclass_field(field: Any, hints: Mapping[str, Any]) -> FieldInfo:
    annotation = hints[field.name]
    if field.default_factory is not dataclasses.MISSING:
        default: Any = pydantic.Field(default_factory=field.default_factory)
    else:
        default = field.default
    if default is dataclasses.MISSING:
        return FieldInfo.from_annotation(annotation)
    return FieldInfo.from_annotated_attribute(annotation, default)


def _of_typed_dict(kind: Any) -> Shape:
    config = getattr(kind, "__pydantic_config__", None) or {}
    fields = {
        name: _typed_dict_field(hint, is_required=name in kind.__required_keys__)
        for name, hint in _hints(kind).items()
    }
    return Shape(kind, fields, config, kind.__doc__)


def _typed_dict_field(hint: Any, *, is_required: bool) -> FieldInfo:
    """Return a field; an optional one has no default, so None marks it as absent."""
    while (origin := typing_extensions.get_origin(hint)) in _QUALIFIERS:
        is_required = _QUALIFIERS.get(origin, is_required)
        (hint,) = typing_extensions.get_args(hint)
    field = FieldInfo.from_annotation(hint)
    if not is_required and field.default is PydanticUndefined:
        field.default = None
    return field


_QUALIFIERS: Mapping[Any, bool] = {
    typing_extensions.Required: True,
    typing_extensions.NotRequired: False,
}


def _hints(kind: type) -> dict[str, Any]:
    """Return the evaluated annotations of a class that is not a model.

    Raises:
        annotations.UnresolvedError: if one uses an undefined name.
    """
    try:
        return typing_extensions.get_type_hints(kind, include_extras=True)
    except Exception as error:  # evaluating an annotation may raise anything
        raise annotations.UnresolvedError(
            f"{kind.__name__}: expected annotations with names defined in {kind.__module__}, got "
            f"{_missing(error)}; define or import it at the top level of the module"
        ) from error
