"""Kubernetes quantities: ``quantity('1.5Gi')``, exact (apimachinery 1.37, ``api/resource``).

Stored as in Go: an int64 and a power of ten if sufficient, else a decimal of any size;
``asInteger()`` and ``isInteger()`` behave differently for the two.
"""

import dataclasses
import math
import re

from schemagen.cel.library.registry import function
from schemagen.cel.values import (
    MAX_INT,
    MIN_INT,
    EvaluationError,
    Typed,
    UndecidedError,
    Value,
    no_such_overload,
)

_TEN = 10
_NANO = -9
_MAX_DIGITS = 18
_BINARY_DIGITS = 15
_MAX_SHIFT = 10_000

_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_EXPONENT = re.compile(r"[eE]([+-]?[0-9]+)")
_SHAPE = re.compile(r"([+-]?)(0*)([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*[-+]?[0-9]*)")
_FORMAT_PROBLEM = (
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
)
_NUMBER_PROBLEM = "unable to parse numeric part of quantity"
_SUFFIX_PROBLEM = "unable to parse quantity's suffix"


@dataclasses.dataclass(slots=True, eq=False)
class Quantity(Typed):
    """``unscaled * 10**exponent``.

    Attributes:
        unscaled: The digits.
        exponent: Power of ten.
        is_decimal: Whether Go stores it as a decimal of any size.
    """

    unscaled: int
    exponent: int = 0
    is_decimal: bool = False

    type_name = "kubernetes.Quantity"

    def equals(self, other: Value) -> bool:
        """Return whether the amounts are equal."""
        if type(other) is not Quantity:
            raise no_such_overload()
        return _difference(self, other) == 0


def _difference(left: Quantity, right: Quantity) -> int:
    """Return a difference whose sign gives the order."""
    exponent = min(left.exponent, right.exponent)
    return _at(left, exponent) - _at(right, exponent)


def _at(quantity: Quantity, exponent: int) -> int:
    shift = quantity.exponent - exponent
    if shift > _MAX_SHIFT and quantity.unscaled:
        raise UndecidedError("quantities of very different sizes")
    return quantity.unscaled * 10**shift if quantity.unscaled else 0


def _fits(value: int) -> bool:
    return MIN_INT <= value <= MAX_INT


def parsed(text: str) -> Quantity:
    """resource.ParseQuantity.

    Raises:
        EvaluationError: with its message, if the text is not a quantity.
    """
    match = _SHAPE.fullmatch(text)
    if not text or match is None:
        raise EvaluationError(_FORMAT_PROBLEM)
    sign, zeros, whole, fraction, suffix = match.groups("")
    short = _short(whole or "0", fraction, suffix)
    if short is None:
        if not zeros + whole + fraction:
            raise EvaluationError(_NUMBER_PROBLEM)
        short = _long(int(whole + fraction or 0), len(fraction), suffix)
    return _negated(short) if sign == "-" else short


def _suffix(suffix: str) -> tuple[int, int] | None:
    """Return the base and its exponent."""
    if suffix in _DECIMAL:
        return _TEN, _DECIMAL[suffix]
    if suffix in _BINARY:
        return 2, _BINARY[suffix]
    match = _EXPONENT.fullmatch(suffix)
    if match is None or not _fits(int(match[1])):
        return None
    exponent = int(match[1])
    return _TEN, (exponent + (1 << 31)) % (1 << 32) - (1 << 31)  # int32(), which wraps


def _interpreted(suffix: str) -> tuple[int, int]:
    scale = _suffix(suffix)
    if scale is None:
        raise EvaluationError(_SUFFIX_PROBLEM)
    return scale


def _short(whole: str, fraction: str, suffix: str) -> Quantity | None:
    """Return what Go stores as an int64; without digits it is zero."""
    base, power = _interpreted(suffix)
    if base == _TEN:
        is_short = len(whole) + len(fraction) <= _MAX_DIGITS
        exponent, factor = power - len(fraction), 1
    else:
        is_short = not fraction and _BINARY_DIGITS - len(whole) - power * 3 // 10 - 1 >= 0
        exponent, factor = 0, 1 << power
    digits = int(whole + fraction) if is_short else 0
    if is_short and exponent >= _NANO and _fits(digits * factor):
        return Quantity(digits * factor, exponent)
    return None


def _long(digits: int, places: int, suffix: str) -> Quantity:
    """Return any size: rounded up to nano, and binary ones capped at the maximum int64."""
    base, power = _interpreted(suffix)
    exponent = power - places if base == _TEN else -places
    unscaled = digits if base == _TEN else digits << power
    if not unscaled:
        return Quantity(0, exponent, is_decimal=True)
    shift = exponent - _NANO
    if abs(shift) > _MAX_SHIFT:
        raise UndecidedError("a quantity of that size")
    nanos = unscaled * 10**shift if shift >= 0 else -(-unscaled // 10**-shift)
    if base != _TEN and nanos > MAX_INT * 10**-_NANO:
        return Quantity(MAX_INT, 0, is_decimal=True)
    return Quantity(nanos, _NANO, is_decimal=True)


@function("quantity", str)
def quantity(text: str) -> Quantity:
    """Parse an amount."""
    return parsed(text)


@function("isQuantity", str)
def is_quantity(text: str) -> bool:
    """Return whether the text is an amount."""
    try:
        parsed(text)
    except EvaluationError:
        return False
    return True


@function("sign", Quantity)
def sign_of(value: Quantity) -> int:
    """-1, 0 or 1."""
    return (value.unscaled > 0) - (value.unscaled < 0)


def _compared(left: Quantity, right: Quantity) -> int:
    if left.is_decimal != right.is_decimal:
        left.is_decimal = True  # Quantity.Cmp promotes its receiver in place
    difference = _difference(left, right)
    return (difference > 0) - (difference < 0)


@function("compareTo", Quantity, Quantity)
def compare_to(left: Quantity, right: Quantity) -> int:
    """-1, 0 or 1."""
    return _compared(left, right)


@function("isGreaterThan", Quantity, Quantity)
def is_greater_than(left: Quantity, right: Quantity) -> bool:
    """Return whether the first is greater."""
    return _compared(left, right) > 0


@function("isLessThan", Quantity, Quantity)
def is_less_than(left: Quantity, right: Quantity) -> bool:
    """Return whether the first is less."""
    return _compared(left, right) < 0


@function("asApproximateFloat", Quantity)
def as_approximate_float(value: Quantity) -> float:
    """Return the amount as a double."""
    try:
        base = float(value.unscaled)
    except OverflowError:
        base = math.inf if value.unscaled > 0 else -math.inf
    return base if value.exponent == 0 else base * _power_of_ten(value.exponent)


_MAX_POWER, _MIN_POWER, _TABLE = 308, -323, 32


def _power_of_ten(exponent: int) -> float:
    """math.Pow10, which multiplies and divides powers from tables."""
    if exponent > _MAX_POWER:
        return math.inf
    if exponent < _MIN_POWER:
        return 0.0
    rough, fine = divmod(abs(exponent), _TABLE)
    if exponent >= 0:
        return float(f"1e{rough * _TABLE}") * float(f"1e{fine}")
    return float(f"1e-{rough * _TABLE}") / float(f"1e{fine}")


def _as_integer(value: Quantity) -> int | None:
    if value.is_decimal or value.exponent < 0 or value.exponent > _MAX_SHIFT:
        return 0 if not value.is_decimal and value.exponent > 0 and not value.unscaled else None
    integer: int = value.unscaled * 10**value.exponent
    return integer if _fits(integer) else None


@function("isInteger", Quantity)
def is_integer(value: Quantity) -> bool:
    """Return whether ``asInteger()`` succeeds."""
    return _as_integer(value) is not None


@function("asInteger", Quantity)
def as_integer(value: Quantity) -> int:
    """Return the amount as an integer."""
    integer = _as_integer(value)
    if integer is None:
        raise EvaluationError("cannot convert value to integer")
    return integer


def _added(left: Quantity, right: Quantity) -> Quantity:
    """Quantity.Add."""
    return _added_short(left, right) or _added_long(left, right)


def _subtracted(left: Quantity, right: Quantity) -> Quantity:
    """Quantity.Sub, where the minimum int64 is its own negative."""
    is_minimum = right.unscaled == MIN_INT and not right.is_decimal
    negative = Quantity(MIN_INT, right.exponent) if is_minimum else _negated(right)
    return _added_short(left, negative) or _added_long(left, _negated(right))


def _negated(value: Quantity) -> Quantity:
    return Quantity(-value.unscaled, value.exponent, value.is_decimal)


def _added_short(left: Quantity, right: Quantity) -> Quantity | None:
    if left.is_decimal or right.is_decimal:
        return None
    if not left.unscaled or not right.unscaled:
        other = left if not right.unscaled else right
        return Quantity(other.unscaled, other.exponent)
    exponent = min(left.exponent, right.exponent)
    first, second = _at(left, exponent), _at(right, exponent)
    if not all(map(_fits, (first, second, first + second))):
        return None
    return Quantity(first + second, exponent)


def _added_long(left: Quantity, right: Quantity) -> Quantity:
    exponent = min(left.exponent, right.exponent)
    return Quantity(_at(left, exponent) + _at(right, exponent), exponent, is_decimal=True)


@function("add", Quantity, Quantity)
def add(left: Quantity, right: Quantity) -> Quantity:
    """The sum."""
    return _added(left, right)


@function("add", Quantity, int)
def add_int(left: Quantity, right: int) -> Quantity:
    """The sum."""
    return _added(left, Quantity(right))


@function("sub", Quantity, Quantity)
def sub(left: Quantity, right: Quantity) -> Quantity:
    """The difference."""
    return _subtracted(left, right)


@function("sub", Quantity, int)
def sub_int(left: Quantity, right: int) -> Quantity:
    """The difference."""
    return _subtracted(left, Quantity(right))
