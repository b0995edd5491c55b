"""Defaults as a schema stores them: one JSON value, the same in every process. Pure.

The iteration order of a Python set differs between processes, and a factory may return another
value each time: the former is sorted, the latter refused.
"""

import datetime as dt
import functools
import math
import re
import types
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

import pydantic
from pydantic.fields import FieldInfo
from pydantic_core import PydanticSerializationError, PydanticUndefined, to_jsonable_python

from schemagen import canonical
from schemagen.model import object_types
from schemagen.problems import JSON, quoted
from schemagen.schema import declarations, descriptions
from schemagen.schema.keywords import Schema, SchemaError

_ARTICLES = {"default": "a default", "example": "an example"}
_INSTEAD = "leave the default out, and set it in Rules.default"


def of(field: FieldInfo, where: str) -> JSON:
    """Return the default of a field as JSON, or PydanticUndefined if it has none.

    Raises:
        SchemaError: if it is not JSON, or not the same each time.
    """
    default = field.get_default(call_default_factory=True)
    if default is PydanticUndefined or default is None:
        return PydanticUndefined
    value = written(default, where)
    if field.default_factory is not None:
        _check_factory(field, value, where)
    return value


def written(default: Any, where: str, what: str = "default") -> JSON:
    """Return a default or example as JSON that is the same in every process.

    Raises:
        SchemaError: if it is not JSON.
    """
    try:
        value = to_jsonable_python(_with_sorted_sets(default), by_alias=True, exclude_none=True)
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        raise SchemaError(
            f"{where}: expected {_ARTICLES[what]} that JSON can represent, got {quoted(default)}; "
            f"{_INSTEAD}"
        ) from error
    for scalar in _scalars(value):
        if isinstance(scalar, float) and not math.isfinite(scalar):
            raise SchemaError(
                f"{where}: expected {_ARTICLES[what]} that JSON can represent, got {scalar}; "
                "leave it out, or write the largest intended number"
            )
    return value


def documentation(
    field: FieldInfo, max_length: int | None, where: str, *, is_verbatim: bool
) -> Schema:
    """Return what ``Field(...)`` documents: title, example and description."""
    shown = descriptions.shortened if is_verbatim else descriptions.fitted
    texts = {
        "title": field.title,
        "example": written(field.examples[0], where, "example") if field.examples else None,
        "description": shown(declarations.description(field), max_length) or None,
    }
    return {keyword: value for keyword, value in texts.items() if value is not None}


def _check_factory(field: FieldInfo, value: JSON, where: str) -> None:
    again = written(field.get_default(call_default_factory=True), where)
    if again != value:
        raise SchemaError(
            f"{where}: expected a default that is the same each time, got a factory that returned "
            f"{quoted(value)} and then {quoted(again)}; {_INSTEAD}"
        )
    if _is_of_today(value) and any(map(_CLOCKS.fullmatch, _names_in(field.default_factory))):
        raise SchemaError(
            f"{where}: expected a default that is the same each day, got a factory that reads the "
            f"clock: {quoted(value)}; {_INSTEAD}"
        )


# Names in code, and built-ins, that read the clock.
_CLOCKS = re.compile(r"(?:\w+\.)*(?:u?tc)?(?:now|today|time|utcnow|strftime|localtime|gmtime)")


def _is_of_today(value: JSON) -> bool:
    now = dt.datetime.now(dt.UTC)
    days = {(now + dt.timedelta(days=shift)).date() for shift in (-1, 0, 1)}
    texts = [scalar for scalar in _scalars(value) if isinstance(scalar, str)]
    shown = [day.strftime(form) for day in days for form in ("%Y-%m-%d", "%Y%m%d", "%d.%m.%Y")]
    is_year = any(scalar == now.year for scalar in _scalars(value))
    return is_year or any(day in text for day in shown for text in texts)


def _names_in(factory: Any) -> Iterator[str]:
    """Return the names used by a factory's code, or the name of a built-in factory."""
    if isinstance(factory, functools.partial):
        yield from _names_in(factory.func)
    code = getattr(factory, "__code__", None)
    if isinstance(code, types.CodeType):
        yield from _names_of_code(code)
    else:
        yield str(getattr(factory, "__qualname__", ""))


def _names_of_code(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names_of_code(constant)


def _scalars(value: JSON) -> Iterator[JSON]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for child in value:
            yield from _scalars(child)
    else:
        yield value


def _with_sorted_sets(value: Any) -> Any:
    """Return the value with sets replaced by lists in a stable order."""
    for kind, rebuilt in _CONTAINERS:
        if isinstance(value, kind):
            return rebuilt(value)
    shape = object_types.shape_of(type(value))
    if shape is None:
        return value
    return _of_fields({shape.wire_name(name): getattr(value, name) for name in shape.fields})


def _of_set(value: AbstractSet[Any]) -> list[Any]:
    return sorted(
        map(_with_sorted_sets, value), key=lambda item: canonical.dumps(to_jsonable_python(item))
    )


def _of_model(value: pydantic.BaseModel) -> dict[str, Any]:
    fields = type(value).model_fields.items()
    own = {field.alias or name: getattr(value, name) for name, field in fields}
    return _of_fields(own) | _of_mapping(value.model_extra or {})


def _of_fields(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return declared fields; None means absent."""
    return {name: _with_sorted_sets(field) for name, field in values.items() if field is not None}


def _of_mapping(value: Mapping[Any, Any]) -> dict[Any, Any]:
    return {name: _with_sorted_sets(item) for name, item in value.items()}


_CONTAINERS: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (AbstractSet, _of_set),
    ((list, tuple), lambda value: [_with_sorted_sets(one) for one in value]),
    (Mapping, _of_mapping),
    (pydantic.RootModel, lambda value: _with_sorted_sets(value.root)),
    (pydantic.BaseModel, _of_model),
)
