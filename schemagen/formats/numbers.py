"""Numbers of ``type: integer`` and ``type: number``, and their formats: what passes, and why not.

kube-openapi's pkg/validation/validate (type.go, values.go), as in Kubernetes 1.36 and later. Up to
1.35 its numberValidator was never told the type and the format, and so it did not look at ranges;
what is no integer was refused all the same.
"""

import math
from typing import Literal

Number = int | float
NumberType = Literal["integer", "number"]

_INT64 = 2**63
_INT32 = 2**31
_BITS = {"int32": _INT32, "int64": _INT64}
# A float64 is an integer to swag.IsFloat64AJSONInteger within JavaScript's safe integers, and if
# it is as near to one as this, relatively.
_SAFE_INTEGER = 2**53 - 1
_NEAR = 1e-9
# Half a step beyond the largest float32, where rounding begins to end in infinity. Go rounds the
# shortest decimal that stands for the float64, and that of this one (3.4028235677973366e+38) lies
# below the half: it passes still.
_LARGEST_FLOAT32 = 2.0**128 - 2.0**103

# No number is beyond a double.
_ENFORCED = {"integer": frozenset(_BITS), "number": frozenset({"float"})}


def decoded(value: Number) -> Number:
    """The number as the API server holds it: an int64 where it was written as one, or a float64.

    Infinite where no float64 can hold it: the API server answers 400 to such a request.
    """
    if isinstance(value, int) and -_INT64 <= value < _INT64:
        return value
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def is_json_integer(value: Number) -> bool:
    """Whether a number is an integer to the API server, which ``1.0`` and ``1e3`` are too.

    Of an x-kubernetes-int-or-string no more is asked than this, so that 1.0000000001 passes there.
    """
    number = decoded(value)
    if isinstance(number, int):
        return True
    if not abs(number) <= _SAFE_INTEGER:
        return False
    # Halves lie nowhere near an integer, so that it does not matter which way they are rounded.
    rounded = round(number)
    return number == rounded or abs(number - rounded) < _NEAR * abs(rounded)


def is_number(type_: NumberType, format_: str, value: Number) -> bool:
    """Whether the API server takes a JSON number, which no bool is, for a type and a format.

    The format is empty for none; one that the type does not have is ignored, as it is there.
    """
    number = decoded(value)
    return (
        math.isfinite(number)
        and (type_ == "number" or is_json_integer(number))
        and _is_in_range(type_, _enforced(type_, format_), number)
    )


def type_problem(type_: NumberType, format_: str, value: Number, where: str) -> str | None:
    """The API server's words if a number is no integer and should be; None if there is none.

    They come with the reason FieldValueTypeInvalid, at the field. Numbers that miss an integer by
    less than 1e-9 of it pass here, and fail by their range.
    """
    if type_ == "number" or is_json_integer(value):
        return None
    enforced = _enforced(type_, format_)
    expected, got = (enforced, "float64") if enforced else (type_, "number")
    return f'{where} in body must be of type {expected}: "{got}"'


def range_problem(type_: NumberType, format_: str, value: Number, where: str) -> str | None:
    """The API server's words if a number does not fit its format; None if it does.

    They come with the reason FieldValueInvalid and no field: ``where`` is all that tells it.
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
        return format_ != "float" or abs(number) <= _LARGEST_FLOAT32
    if not math.isfinite(number) or number != int(number):
        return False
    # Go reads the shortest decimal that stands for a float64: that of -2**63 is
    # -9223372036854776000, out of an int64's range, which -2**63 itself is not.
    limit = _BITS.get(format_, _INT64)
    lowest = -limit if isinstance(number, int) or limit == _INT32 else 1 - limit
    return lowest <= number < limit
