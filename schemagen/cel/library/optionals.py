"""Optional values (cel-go 0.29, the optional types)."""

from schemagen.cel.data import ListData, MapData, ObjectData
from schemagen.cel.library.registry import ANY, LIST, function
from schemagen.cel.values import (
    MISSING,
    NONE,
    Duration,
    EvaluationError,
    Map,
    Optional,
    Timestamp,
    Typed,
    TypeValue,
    Value,
    shown,
)

_YEAR_ONE = -62_135_596_800 * 1_000_000_000


@function("optional.of", ANY)
def of(value: Value) -> Optional:
    """Return an optional with a value."""
    return Optional(value)


@function("optional.none")
def none() -> Optional:
    """Return an empty optional."""
    return NONE


@function("optional.ofNonZeroValue", ANY)
def of_non_zero_value(value: Value) -> Optional:
    """Return an optional with the value, or an empty one for its type's zero.

    Data is never zero: the API server's lists and maps are no traits.Zeroer.
    """
    return NONE if _is_zero(value) else Optional(value)


def _is_zero(value: Value) -> bool:
    match value:
        case ListData() | ObjectData() | MapData() | Typed() | TypeValue() | Optional():
            return False
        case Timestamp(nanoseconds):
            return nanoseconds == _YEAR_ONE
        case Duration(nanoseconds):
            return nanoseconds == 0
        case Map():
            return len(value) == 0
        case _:
            return not value


@function("hasValue", Optional)
def has_value(value: Optional) -> bool:
    """Return whether there is a value."""
    return value.value is not MISSING


@function("value", Optional)
def value_of(value: Optional) -> Value:
    """Return the value."""
    if value.value is MISSING:
        raise EvaluationError("optional.none() dereference")
    return value.value


@function("first", LIST)
def first(items: Value) -> Optional:
    """Return the first item."""
    return Optional(items[0]) if len(items) else NONE


@function("last", LIST)
def last(items: Value) -> Optional:
    """Return the last item."""
    return Optional(items[len(items) - 1]) if len(items) else NONE


@function("optional.unwrap", LIST)
@function("unwrapOpt", LIST)
def unwrap(items: Value) -> list[Value]:
    """Return the values of nonempty optionals."""
    values = []
    for item in items:
        if type(item) is not Optional:
            raise EvaluationError(f"value {shown(item)} is not optional")
        if item.value is not MISSING:
            values.append(item.value)
    return values
