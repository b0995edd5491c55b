"""Conversions between types, ``size`` and ``type`` (cel-go 0.29, ``common/types``)."""

import math
import re

from schemagen import go_format
from schemagen.cel import times
from schemagen.cel.library.registry import ANY, LIST, MAP, function
from schemagen.cel.values import (
    MAX_INT,
    MAX_UINT,
    MIN_INT,
    Duration,
    EvaluationError,
    Timestamp,
    TypeValue,
    Uint,
    Value,
    type_name,
)


def _refusal(source: str, target: str) -> EvaluationError:
    return EvaluationError(f"type conversion error from '{source}' to '{target}'")


def _same(value: Value) -> Value:
    return value


for _name, _type in (
    ("bool", bool),
    ("bytes", bytes),
    ("double", float),
    ("duration", Duration),
    ("int", int),
    ("string", str),
    ("timestamp", Timestamp),
    ("uint", Uint),
    ("dyn", ANY),
):
    function(_name, _type)(_same)


@function("type", ANY)
def type_of(value: Value) -> TypeValue:
    """``type(value)``."""
    return TypeValue(type_name(value))


def _size(value: Value) -> int:
    return len(value)


for _sized in (str, bytes, LIST, MAP):
    function("size", _sized)(_size)


@function("size", ANY)
def no_size(value: Value) -> int:
    """Refuse ``size`` of other types; cel-go does not name the type."""
    del value
    raise EvaluationError("no such overload: size")


_TRUE = frozenset(("1", "t", "T", "TRUE", "true", "True"))
_FALSE = frozenset(("0", "f", "F", "FALSE", "false", "False"))


@function("bool", str)
def to_bool(text: str) -> bool:
    """strconv.ParseBool."""
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    raise _refusal("string", "bool")


@function("bytes", str)
def to_bytes(text: str) -> bytes:
    """UTF-8."""
    return text.encode()


_INTEGER = re.compile(r"[+-]?[0-9]+")
_NATURAL = re.compile(r"[0-9]+")
_MAX_DIGITS = 4000  # Python parses at most 4300 digits


def _parsed_digits(text: str) -> int:
    """Parse digits; a number with too many becomes one that overflows just as well."""
    return int(text) if len(text) < _MAX_DIGITS else int(text[0] + text.lstrip("+-0")[:40])


@function("int", str)
def string_to_int(text: str) -> int:
    """strconv.ParseInt."""
    if _INTEGER.fullmatch(text):
        value = _parsed_digits(text)
        if MIN_INT <= value <= MAX_INT:
            return value
    raise _refusal("string", "int")


@function("int", float)
def double_to_int(value: float) -> int:
    """Truncate toward zero."""
    if not math.isfinite(value) or not MIN_INT < value < MAX_INT:
        raise EvaluationError("integer overflow")
    return int(value)


@function("int", Uint)
def uint_to_int(value: Uint) -> int:
    """The same number."""
    if value > MAX_INT:
        raise EvaluationError("integer overflow")
    return int(value)


@function("int", Duration)
def duration_to_int(value: Duration) -> int:
    """Nanoseconds."""
    return value.nanoseconds


@function("int", Timestamp)
def timestamp_to_int(value: Timestamp) -> int:
    """Seconds since 1970."""
    return value.nanoseconds // times.SECOND


@function("uint", str)
def string_to_uint(text: str) -> Uint:
    """strconv.ParseUint."""
    if _NATURAL.fullmatch(text):
        value = _parsed_digits(text)
        if value <= MAX_UINT:
            return Uint(value)
    raise _refusal("string", "uint")


@function("uint", float)
def double_to_uint(value: float) -> Uint:
    """Truncate toward zero."""
    if not math.isfinite(value) or not 0 <= value <= MAX_UINT:
        raise EvaluationError("unsigned integer overflow")
    return Uint(value)


@function("uint", int)
def int_to_uint(value: int) -> Uint:
    """The same number."""
    if value < 0:
        raise EvaluationError("unsigned integer overflow")
    return Uint(value)


@function("double", int)
@function("double", Uint)
def to_double(value: int) -> float:
    """Return the nearest double."""
    return float(value)


# Go accepts underscores between digits (strconv.underscoreOK).
_DIGITS = r"[0-9]+(?:_[0-9]+)*"
_DECIMAL = re.compile(rf"[+-]?(?:{_DIGITS}\.?(?:{_DIGITS})?|\.{_DIGITS})(?:[eE][+-]?{_DIGITS})?")
_HEX_DIGITS = r"_?[0-9a-fA-F]+(?:_[0-9a-fA-F]+)*"
_HEX = re.compile(
    rf"[+-]?0[xX](?:{_HEX_DIGITS}\.?(?:[0-9a-fA-F]+)?|\.[0-9a-fA-F]+)[pP][+-]?{_DIGITS}"
)
_WORDS = re.compile(r"[+-]?(?:inf|infinity)|nan", re.IGNORECASE)


@function("double", str)
def string_to_double(text: str) -> float:
    """strconv.ParseFloat."""
    plain = text.replace("_", "")
    if _WORDS.fullmatch(text) or _HEX.fullmatch(text):
        return _read(plain)
    if _DECIMAL.fullmatch(text):
        value = _read(plain)
        if math.isfinite(value):
            return value
    raise _refusal("string", "double")


def _read(text: str) -> float:
    try:
        return float.fromhex(text) if "x" in text.lower() else float(text)
    except OverflowError:
        raise _refusal("string", "double") from None


@function("string", bool)
@function("string", int)
@function("string", Uint)
@function("string", float)
def plain_to_string(value: Value) -> str:
    """Format as Go does."""
    return go_format.plain(value)


@function("string", bytes)
def bytes_to_string(value: bytes) -> str:
    """UTF-8."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise EvaluationError("invalid UTF-8 in bytes, cannot convert to string") from None


@function("string", Timestamp)
def timestamp_to_string(value: Timestamp) -> str:
    """RFC 3339."""
    return times.timestamp_text(value)


@function("string", Duration)
def duration_to_string(value: Duration) -> str:
    """Seconds."""
    return times.duration_text(value)


@function("timestamp", int)
def int_to_timestamp(value: int) -> Timestamp:
    """Seconds since 1970."""
    if not times.MIN_SECOND <= value <= times.MAX_SECOND:
        raise EvaluationError("timestamp overflow")
    return Timestamp(value * times.SECOND)


@function("timestamp", str)
def string_to_timestamp(text: str) -> Timestamp:
    """RFC 3339."""
    moment = times.timestamp(text)
    if moment is None:
        raise _refusal("string", "google.protobuf.Timestamp")
    if not times.MIN_SECOND <= moment.nanoseconds // times.SECOND <= times.MAX_SECOND:
        raise EvaluationError("timestamp overflow")
    return moment


@function("duration", str)
def string_to_duration(text: str) -> Duration:
    """time.ParseDuration."""
    duration = times.duration(text)
    if duration is None:
        raise _refusal("string", "google.protobuf.Duration")
    return duration
