"""Checks of the scale subresource: non-negative int32 integers, and a selector string.

Follows apiextensions-apiserver 1.37's ``registry/customresource/validator.go``, which tests Go
types: ``1.0`` is not an int64.
"""

from collections.abc import Iterator

from schemagen import go_format
from schemagen.cel import ABSENT, Absent
from schemagen.checking.field_errors import Fault
from schemagen.model import markers
from schemagen.problems import JSON

_MAX_REPLICAS = 2**31 - 1


def faults(scale: markers.Scale, value: JSON, *, is_status: bool) -> Iterator[Fault]:
    """Return errors at the scale's paths; an update of the status skips the spec's."""
    if not is_status:
        yield from _replicas(value, scale.spec)
    yield from _replicas(value, scale.status)
    if scale.selector is not None:
        selector = _nested_value(value, scale.selector, str, "string")
        if isinstance(selector, _WrongType):
            yield _fault(scale.selector, "", selector.detail)


class _WrongType:
    def __init__(self, detail: str) -> None:
        self.detail = detail


def _replicas(value: JSON, path: str) -> Iterator[Fault]:
    replicas = _nested_value(value, path, int, "int64")
    if isinstance(replicas, _WrongType):
        yield _fault(path, 0, replicas.detail)
    elif isinstance(replicas, int) and replicas < 0:
        yield _fault(path, replicas, "should be a non-negative integer")
    elif isinstance(replicas, int) and replicas > _MAX_REPLICAS:
        yield _fault(path, replicas, f"should be less than or equal to {_MAX_REPLICAS}")


def _fault(path: str, value: JSON, detail: str) -> Fault:
    parts = tuple(path.removeprefix(".").split("."))
    return Fault("FieldValueInvalid", parts, detail, value, path)


def _nested_value(value: JSON, path: str, expected: type, name: str) -> JSON | Absent | _WrongType:
    """Return the value at a path (unstructured.NestedInt64 and NestedString), or the error."""
    fields = path.removeprefix(".").split(".")
    for depth, field in enumerate(fields):
        if value is None:
            return ABSENT
        if not isinstance(value, dict):
            return _wrong(fields[: depth + 1], value, "map[string]interface{}")
        if field not in value:
            return ABSENT
        value = value[field]
    return value if type(value) is expected else _wrong(fields, value, name)


def _wrong(fields: list[str], value: JSON, name: str) -> _WrongType:
    where, what = ".".join(fields), go_format.shown(value)
    kind = go_format.type_of(value)
    return _WrongType(f".{where} accessor error: {what} is of the type {kind}, expected {name}")
