"""Checks of ``type: integer`` and ``type: number`` with their formats, and their messages.

Follows kube-openapi's pkg/validation/validate (type.go, values.go) in Kubernetes 1.36 and later. Up
to 1.35 its numberValidator did not receive the type and format, and so did not check ranges;
non-integers were refused all the same.
"""

import math
from typing import Literal

Number = int | float
NumberType = Literal["integer", "number"]

_INT64 = 2**63
_INT32 = 2**31
_BITS = {"int32": _INT32, "int64": _INT64}
# swag.IsFloat64AJSONInteger accepts a float64 within JavaScript's safe integers that is this close
# to an integer, relatively.
_SAFE_INTEGER = 2**53 - 1
_NEAR = 1e-9
# Half a step beyond the largest float32, where rounding begins to overflow. Go rounds the shortest
# decimal of the float64, and that of this one (3.4028235677973366e+38) lies below the half: it is
# accepted.
_MAX_FLOAT32 = 2.0**128 - 2.0**103

# No number exceeds a double.
_ENFORCED = {"integer": frozenset(_BITS), "number": frozenset({"float"})}


def decoded(value: Number) -> Number:
    """Return the number as the API server decodes it: an int64 if written as one, else a float64.

    Infinite where float64 overflows: the API server answers such a request with 400.
    """
    if isinstance(value, int) and -_INT64 <= value < _INT64:
        return value
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def is_json_integer(value: Number) -> bool:
    """Whether the API server accepts a number as an integer, including ``1.0`` and ``1e3``.

    x-kubernetes-int-or-string requires only this, so 1.0000000001 is accepted there.
    """
    number = decoded(value)
    if isinstance(number, int):
        return True
    if not abs(number) <= _SAFE_INTEGER:
        return False
    # Halves are nowhere near an integer, so the rounding mode does not matter.
    rounded = round(number)
    return number == rounded or abs(number - rounded) < _NEAR * abs(rounded)


def is_number(type_: NumberType, format_: str, value: Number) -> bool:
    """Whether the API server accepts a JSON number (never a bool) for a type and a format.

    The format is empty for none; a format that the type does not have is ignored, as upstream.
    """
    number = decoded(value)
    return (
        math.isfinite(number)
        and (type_ == "number" or is_json_integer(number))
        and _is_in_range(type_, _enforced(type_, format_), number)
    )


def type_problem(type_: NumberType, format_: str, value: Number, where: str) -> str | None:
    """Return the API server's message for a number that should be an integer; None if it is.

    Reported with the reason FieldValueTypeInvalid, at the field. Numbers within 1e-9 of an integer
    pass here, and fail the range check.
    """
    if type_ == "number" or is_json_integer(value):
        return None
    enforced = _enforced(type_, format_)
    expected, got = (enforced, "float64") if enforced else (type_, "number")
    return f'{where} in body must be of type {expected}: "{got}"'


def range_problem(type_: NumberType, format_: str, value: Number, where: str) -> str | None:
    """Return the API server's message for a number out of its format's range; None if it is within.

    Reported with the reason FieldValueInvalid and no field: only ``where`` identifies it.
    """
    enforced = _enforced(type_, format_)
    if _is_in_range(type_, enforced, decoded(value)):
        return None
    kind = f"{type_} with format {enforced}" if enforced else f"{type_} (default format)"
    return f"Checked value must be of type {kind} in {where}"


def _enforced(type_: NumberType, format_: str) -> str:
    return format_ if format_ in _ENFORCED[type_] else ""


def _is_in_range(type_: NumberType, format_: str, number: Number) -> bool:
    if type_ == "number":
        return format_ != "float" or abs(number) <= _MAX_FLOAT32
    if not math.isfinite(number) or number != int(number):
        return False
    # Go parses the shortest decimal of a float64: that of -2**63 is -9223372036854776000, outside
    # int64, though -2**63 itself is not.
    limit = _BITS.get(format_, _INT64)
    lowest = -limit if isinstance(number, int) or limit == _INT32 else 1 - limit
    return lowest <= number < limit
