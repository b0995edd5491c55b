"""Resolve scalars by the rules of go.yaml.in/yaml/v2 (resolve.go).

They are neither YAML 1.1's nor 1.2's. Keys that are not strings are converted as in
sigs.k8s.io/yaml.
"""

import base64
import datetime as dt
import math
import re
import struct
from typing import TypeAlias

from schemagen.yaml.errors import YAMLError
from schemagen.yaml.syntax import nodes

# Resolved types. Integers beyond 64 bits are floats in kubectl and the API server.
Value: TypeAlias = bool | int | float | str | None

_PREFIX = "tag:yaml.org,2002:"
MERGE_TAG = f"{_PREFIX}merge"
_STRING, _BINARY, _TIMESTAMP = (f"{_PREFIX}{name}" for name in ("str", "binary", "timestamp"))
_NULL, _BOOL, _INTEGER, _FLOAT = (f"{_PREFIX}{name}" for name in ("null", "bool", "int", "float"))
_RESOLVED = {_STRING, _BOOL, _INTEGER, _FLOAT, _NULL, _TIMESTAMP}

_WORDS: dict[str, Value] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE"), True),
    **dict.fromkeys(("on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE"), False),
    **dict.fromkeys(("off", "Off", "OFF"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
_MAX_UNSIGNED = 2**64 - 1
_MIN_INTEGER, _MAX_INTEGER = -(2**63), 2**63 - 1
# Go's strconv.ParseInt and ParseUint with base 0, once underscores are gone.
_NUMBER = re.compile(
    r"(?P<sign>[-+]?)(?:0[xX](?P<hex>[0-9a-fA-F]+)|0[bB](?P<binary>[01]+)"
    r"|0[oO](?P<octal>[0-7]+)|0(?P<old_octal>[0-7]+)|(?P<decimal>0|[1-9][0-9]*))"
)
_BASES = {"hex": 16, "binary": 2, "octal": 8, "old_octal": 8, "decimal": 10}
# A sign after the prefix is a bug of the original parser, preserved.
_SIGNED_BINARY = re.compile("0b([-+][01]+)")
_FLOATING = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
# Numbers that start with a point keep their underscores, for Go to judge.
_FRACTION = re.compile(r"\.[0-9](?:_?[0-9])*(?:[eE][-+]?[0-9](?:_?[0-9])*)?")
_DIGITS_OF_64_BITS = 64

_BASE64 = re.compile("(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_DATE = r"(\d{4})-(\d{1,2})-(\d{1,2})"
_TIME = r"(\d{1,2}):(\d{1,2}):(\d{1,2})(?:[.,]\d+)?"
_DATE_TIME = re.compile(rf"{_DATE}(?:[Tt]{_TIME}(?:Z|[-+](\d\d):(\d\d))| {_TIME})?", re.ASCII)
_NOT_UTF8 = re.compile("[\udc80-\udcff]")


def is_text(text: str) -> bool:
    """Return whether an untagged plain scalar resolves to a string."""
    return isinstance(_implicit(text), str)


def resolve(node: nodes.Scalar) -> Value:
    """Resolve a scalar.

    Raises:
        YAMLError: if it does not match its tag.
    """
    tag, text = node.tag, node.value
    if not tag:
        return _implicit(text) if node.is_plain else text
    if tag == _BINARY:
        return _from_base64(node)
    if tag not in _RESOLVED or tag == _STRING:
        return text
    return _explicit(node)


def _implicit(text: str) -> Value:
    """Resolve plain text."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] == ".":
        return _floating(text.replace("_", ""), text) if _FRACTION.fullmatch(text) else text
    return _number(text) if text[0] in "0123456789+-" else text


def _number(text: str) -> Value:
    plain = text.replace("_", "")
    match = _NUMBER.fullmatch(plain)
    if match:
        value = _integer(match)
        if value is not None:
            return value
    elif signed := _SIGNED_BINARY.fullmatch(plain):
        return _signed_binary(signed.group(1), text)
    return _floating(plain, text) if _FLOATING.fullmatch(plain) else text


def _integer(match: re.Match[str]) -> int | None:
    """Return an integer of 64 bits, signed or not; None if out of range."""
    base = match.lastgroup or "decimal"
    digits = match.group(base).lstrip("0")
    if len(digits) > _DIGITS_OF_64_BITS:
        return None
    value = int(digits or "0", _BASES[base])
    if match["sign"] == "-":
        value = -value
    is_unsigned = not match["sign"] and value <= _MAX_UNSIGNED
    return value if _MIN_INTEGER <= value <= _MAX_INTEGER or is_unsigned else None


def _signed_binary(digits: str, text: str) -> Value:
    value = int(digits, 2)
    return value if _MIN_INTEGER <= value <= _MAX_INTEGER else text


def _floating(plain: str, text: str) -> float | str:
    """Return a floating-point number; the text if it overflows."""
    value = float(plain)
    return text if math.isinf(value) else value


def _explicit(node: nodes.Scalar) -> Value:
    """Resolve a scalar with one of YAML's own tags."""
    value = _implicit(node.value)
    if node.tag == _TIMESTAMP:
        if _is_timestamp(node.value):
            return node.value
        raise _not_of_tag(node, value)
    if node.tag == _FLOAT and type(value) is int and value <= _MAX_INTEGER:
        return float(value)
    if _tag_of(value) != node.tag:
        raise _not_of_tag(node, value)
    return value


def _tag_of(value: Value) -> str:
    match value:
        case None:
            return _NULL
        case bool():
            return _BOOL
        case int():
            return _INTEGER
        case float():
            return _FLOAT
        case _:
            return _STRING


def _not_of_tag(node: nodes.Scalar, value: Value) -> YAMLError:
    actual, expected = (tag.replace(_PREFIX, "!!") for tag in (_tag_of(value), node.tag))
    return YAMLError(f"cannot decode {actual} `{node.value}` as a {expected}", node.line + 1)


def _is_timestamp(text: str) -> bool:
    """Return whether a text is a time in one of the four supported forms."""
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        return False
    year, month, day, *rest = (int(part) for part in match.groups(default="0"))
    hour, minute, second, zone_hours, zone_minutes, *spaced = rest
    if not year:  # a year that Python does not support; February has 29 days in it
        year = 2000
    try:
        dt.datetime(year, month, day, hour + spaced[0], minute + spaced[1], tzinfo=dt.UTC)
    except ValueError:
        return False
    return second + spaced[2] < 60 and zone_hours <= 24 and zone_minutes <= 60  # noqa: PLR2004 - as Go's time.Parse


def _from_base64(node: nodes.Scalar) -> str:
    text = node.value.replace("\r", "").replace("\n", "")
    if not _BASE64.fullmatch(text):
        raise YAMLError("!!binary value contains invalid base64 data", node.line + 1)
    # Bytes that are not UTF-8 become U+FFFD each, as in Go's JSON.
    return _NOT_UTF8.sub("\ufffd", base64.b64decode(text).decode(errors="surrogateescape"))


def in_json(value: Value) -> Value:
    """Return a value as kubectl's JSON has it: a float without a fraction is an integer.

    Except infinities and NaN, which JSON cannot express.
    """
    if isinstance(value, float) and value.is_integer():
        value = _whole_number(value)
    if type(value) is int and not _MIN_INTEGER <= value <= _MAX_INTEGER:
        return float(value)
    return value


def _whole_number(value: float) -> int:
    """Format an integral float as Go does: the fewest digits, then zeros."""
    mantissa, _, power = repr(value).partition("e")
    whole, _, fraction = mantissa.partition(".")
    scale = int(power or 0) - len(fraction)
    digits = f"{whole}{fraction}"
    return int(digits + "0" * scale) if scale >= 0 else int(digits[:scale])


def as_key(value: Value) -> str | None:
    """Return a value as an object key; None for null, and beyond int64."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() if value <= _MAX_INTEGER:
            return str(value)
        case float():
            return _float_key(value)
        case _:
            return None


def _float_key(value: float) -> str:
    """Format a float as Go's FormatFloat(value, 'g', -1, 32): in single precision."""
    try:
        (single,) = struct.unpack("f", struct.pack("f", value))
    except OverflowError:
        single = math.copysign(math.inf, value)
    if math.isnan(single):
        return ".nan"
    if math.isinf(single):
        return ".inf" if single > 0 else "-.inf"
    mantissa, _, power = next(
        text for text in (f"{single:.{digits}e}" for digits in range(9)) if _is_same(text, single)
    ).partition("e")
    exponent = int(power)
    if -4 <= exponent < 6:  # noqa: PLR2004 - %e from here on, as Go has it
        digits = len(mantissa.lstrip("-").replace(".", "")) - 1 - exponent
        return f"{single:.{max(digits, 0)}f}"
    return f"{mantissa}e{'-' if exponent < 0 else '+'}{abs(exponent):02}"


def _is_same(text: str, single: float) -> bool:
    """Return whether a text is the same number in single precision."""
    try:
        return bool(struct.unpack("f", struct.pack("f", float(text)))[0] == single)
    except OverflowError:
        return False
