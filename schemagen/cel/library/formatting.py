"""``string.format()``, version 2 of the strings extension (cel-go 0.29, ``ext/formatting.go``)."""

import math
from collections.abc import Callable
from typing import TypeAlias

from schemagen import go_format
from schemagen.cel import times
from schemagen.cel.data import LISTS, MAPS
from schemagen.cel.library.conversions import bytes_to_string
from schemagen.cel.library.registry import LIST, function
from schemagen.cel.values import (
    Duration,
    EvaluationError,
    Timestamp,
    TypeValue,
    Uint,
    Value,
    type_name,
)

_IS_LIST, _IS_MAP = frozenset(LISTS), frozenset(MAPS)
_PRECISION = 6
_INTEGERS = (int, Uint)
_Clause: TypeAlias = Callable[[Value, int], str]


@function("format", str, LIST)
def formatted(text: str, arguments: Value) -> str:
    """Return the text with its clauses replaced."""
    parts: list[str] = []
    at = used = 0
    while at < len(text):
        clause = text.find("%", at)
        if clause < 0:
            break
        parts.append(text[at:clause])
        if text[clause + 1 : clause + 2] == "%":
            parts.append("%")
            at = clause + 2
            continue
        if used >= len(arguments):
            raise EvaluationError(f"index {used} out of range")
        if clause + 1 >= len(text):
            raise EvaluationError("unexpected end of string")
        filled, at = _filled(text, clause + 1, arguments[used])
        parts.append(filled)
        used += 1
    return "".join((*parts, text[at:]))


def _filled(text: str, at: int, value: Value) -> tuple[str, int]:
    try:
        clause, precision, at = _clause(text, at)
    except EvaluationError as error:
        raise EvaluationError(f"could not parse formatting clause: {error}") from error
    try:
        return clause(value, precision), at
    except EvaluationError as error:
        raise EvaluationError(f"error during formatting: {error}") from error


def _clause(text: str, at: int) -> tuple[_Clause, int, int]:
    precision, at = _precision(text, at)
    if text[at] not in _CLAUSES:
        # Go takes one byte of UTF-8 as the letter, and shows it in the message.
        byte = text[at].encode()[0]
        raise EvaluationError(f'unrecognized formatting clause "{chr(byte)}"')
    return _CLAUSES[text[at]], precision, at + 1


def _precision(text: str, at: int) -> tuple[int, int]:
    if text[at] != ".":
        return _PRECISION, at
    end = at + 1
    while end < len(text) and text[end] in "0123456789":
        end += 1
    problem = ""
    if end == len(text):
        problem = "could not find end of precision specifier"
    elif end == at + 1:
        problem = (
            'error while converting precision to integer: strconv.Atoi: parsing "": invalid syntax'
        )
    if problem:
        raise EvaluationError(f"error while parsing precision: {problem}")
    return int(text[at + 1 : end]), end


def _string(value: Value, precision: int = 0) -> str:
    """``%s``."""
    del precision
    kind = type(value)
    if kind in _IS_LIST:
        return _list(value)
    if kind in _IS_MAP:
        return _map(value)
    write = _WRITERS.get(kind)
    if write is None:
        raise EvaluationError(
            "string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, "
            f"types, durations, and timestamps, was given {type_name(value)}"
        )
    return write(value)


def _bytes_text(value: bytes) -> str:
    try:
        return bytes_to_string(value)
    except EvaluationError as error:
        raise EvaluationError(f"could not convert argument {_quoted_error(error)} to string") from (
            error
        )


def _quoted_error(error: EvaluationError) -> str:
    return go_format.quoted(str(error))


_WRITERS: dict[type, Callable[[Value], str]] = {
    str: str,
    int: str,
    Uint: str,
    bool: go_format.plain,
    float: go_format.floating,
    bytes: _bytes_text,
    Timestamp: times.timestamp_text,
    Duration: times.duration_text,
    TypeValue: lambda value: str(value.name),
    type(None): lambda _: "null",
}


def _literal(value: Value) -> str:
    """Return a value in a list or map, in CEL syntax."""
    match value:
        case str():
            return go_format.quoted(value)
        case bytes():
            return f"b{go_format.quoted(_bytes_text(value))}"
        case Timestamp():
            return f'timestamp("{times.timestamp_text(value)}")'
        case Duration():
            return f'duration("{times.duration_text(value)}")'
        case float():
            text = _go_fixed(value, _PRECISION)
            return text if math.isfinite(value) else f'"{text}"'
        case _ if type(value) in _WRITERS or type(value) in _IS_LIST or type(value) in _IS_MAP:
            return _string(value)
        case _:
            raise EvaluationError(f"no formatting function for {type_name(value)}")


def _list(items: Value) -> str:
    return f"[{', '.join(map(_literal, items))}]"


_KEYS = (str, bool, *_INTEGERS)


def _map(entries: Value) -> str:
    pairs = []
    for key in entries.keys():  # noqa: SIM118 - no dict
        if type(key) not in _KEYS:
            what = f"no formatting function for map key of type {type_name(key)}"
            raise EvaluationError(what)
        pairs.append((_literal(key), _literal(entries.find(key))))
    pairs.sort(key=lambda pair: pair[0].encode())
    return "{" + ", ".join(f"{key}:{value}" for key, value in pairs) + "}"


def _decimal(value: Value, precision: int) -> str:
    """``%d``."""
    del precision
    if type(value) in _INTEGERS:
        return str(value)
    raise EvaluationError(
        f"decimal clause can only be used on integers, was given {type_name(value)}"
    )


_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def _double(value: Value, clause: str) -> float:
    if type(value) is float:
        return value
    if type(value) is str and value in _SPECIAL:
        return _SPECIAL[value]
    raise EvaluationError(
        f"{clause} clause can only be used on doubles, was given {type_name(value)}"
    )


# golang.org/x/text/message formats numbers for English locales, unlike fmt.
_LOCAL_SPECIAL = {math.inf: "∞", -math.inf: "-∞"}


def _fixed(value: Value, precision: int) -> str:
    """``%f``: grouped by thousands."""
    number = _double(value, "fixed-point")
    if not math.isfinite(number):
        return _LOCAL_SPECIAL.get(number, "NaN")
    return f"{number or 0.0:,.{precision}f}"  # without a sign for -0.0


def _go_fixed(number: float, precision: int) -> str:
    if not math.isfinite(number):
        return go_format.floating(number)
    return f"{number:.{precision}f}"


_SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def _scientific(value: Value, precision: int) -> str:
    """``%e``, with a superscript exponent; cel-go uses the precision as the width."""
    number = _double(value, "scientific")
    if not math.isfinite(number):
        return _LOCAL_SPECIAL.get(number, "NaN").rjust(precision)
    mantissa, _, exponent = f"{number or 0.0:.{_PRECISION}e}".partition("e")
    raised = exponent.removeprefix("+").translate(_SUPERSCRIPTS)
    return f"{mantissa}×10{raised}".rjust(precision)  # noqa: RUF001 - the sign of multiplication


def _binary(value: Value, precision: int) -> str:
    """``%b``."""
    del precision
    if type(value) is bool:
        return "1" if value else "0"
    if type(value) in _INTEGERS:
        return f"{value:b}"
    raise EvaluationError(
        f"only integers and bools can be formatted as binary, was given {type_name(value)}"
    )


def _hex(value: Value, precision: int) -> str:
    """``%x``."""
    del precision
    if type(value) is str:
        return value.encode().hex()
    if type(value) is bytes:
        return value.hex()
    if type(value) in _INTEGERS:
        return f"{value:x}"
    what = "only integers, byte buffers, and strings can be formatted as hex"
    raise EvaluationError(f"{what}, was given {type_name(value)}")


def _octal(value: Value, precision: int) -> str:
    """``%o``."""
    del precision
    if type(value) in _INTEGERS:
        return f"{value:o}"
    raise EvaluationError(
        f"octal clause can only be used on integers, was given {type_name(value)}"
    )


_CLAUSES: dict[str, _Clause] = {
    "s": _string,
    "d": _decimal,
    "f": _fixed,
    "e": _scientific,
    "b": _binary,
    "x": _hex,
    "X": lambda value, precision: _hex(value, precision).upper(),
    "o": _octal,
}
