"""Go's formatting of values: ``%q``, ``%v``, ``%T``, json.Marshal and plain decimals."""

import math
from typing import Final

import orjson

from schemagen.problems import JSON

ESCAPES: Final = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    '"': '\\"',
    "\\": "\\\\",
}
"""Characters that Go and CEL escape with a backslash and a letter."""
# encoding/json escapes these so that its output can be embedded in HTML.
_HTML = {one: f"\\u{ord(one):04x}" for one in "<>&\u2028\u2029"}
_TYPES = {
    type(None): "<nil>",
    bool: "bool",
    int: "int64",
    float: "float64",
    str: "string",
    list: "[]interface {}",
}
_SPECIAL = {math.inf: "+Inf", -math.inf: "-Inf"}
_LAST_BASIC = 0xFFFF

# strconv.FormatFloat(f, 'g', -1, 64) writes an exponent below and from these.
_MIN_EXPONENT, _MAX_EXPONENT = -4, 6


def quoted(text: str) -> str:
    """``%q``: strconv.Quote."""
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in ESCAPES:
        return ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    if code < ord(" ") or character == "\x7f" or 0xDC80 <= code <= 0xDCFF:  # noqa: PLR2004
        return f"\\x{code & 0xFF:02x}"  # a byte that is not UTF-8 is a surrogate in Python
    return f"\\u{code:04x}" if code <= _LAST_BASIC else f"\\U{code:08x}"


def floating(value: float) -> str:
    """``%v`` and ``%g``: the shortest digits that parse to the same number."""
    if not math.isfinite(value):
        return _SPECIAL.get(value, "NaN")
    sign, digits, exponent = _digits(value)
    if _MIN_EXPONENT <= exponent < _MAX_EXPONENT:
        return sign + _positional(digits, exponent)
    point = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{point}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def positional(value: float) -> str:
    """strconv.FormatFloat(value, 'f', -1, 64): never an exponent."""
    if not math.isfinite(value):
        return _SPECIAL.get(value, "NaN")
    sign, digits, exponent = _digits(value)
    return sign + _positional(digits, exponent)


def _digits(value: float) -> tuple[str, str, int]:
    """Return the sign, the significant digits, and the exponent of the first digit."""
    sign = "-" if math.copysign(1, value) < 0 else ""
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    every = whole + fraction
    digits = every.lstrip("0")
    shift = int(exponent or 0) + len(whole) - 1 - (len(every) - len(digits))
    return sign, digits.rstrip("0") or "0", shift if digits else 0


def _positional(digits: str, exponent: int) -> str:
    if exponent < 0:
        return "0." + "0" * (-exponent - 1) + digits
    whole, fraction = digits[: exponent + 1].ljust(exponent + 1, "0"), digits[exponent + 1 :]
    return f"{whole}.{fraction}" if fraction else whole


def plain(value: JSON) -> str:
    """``%v`` of a scalar."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return floating(value) if isinstance(value, float) else str(value)


# unicode.IsSpace; str.strip() would take U+001C to U+001F as well.
_SPACES = (
    "\t\n\v\f\r \u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006"
    "\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)


def trimmed(text: str) -> str:
    """strings.TrimSpace."""
    return text.strip(_SPACES)


def shown(value: JSON) -> str:
    """``%v`` of any JSON value."""
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{shown(value[key])}' for key in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(map(shown, value))}]"
    return "<nil>" if value is None else plain(value)


def type_of(value: JSON) -> str:
    """``%T`` of a JSON value."""
    return _TYPES.get(type(value), "map[string]interface {}")


# encoding/json writes an exponent below and from these, without a leading zero.
_MIN_JSON, _MAX_JSON = 1e-6, 1e21


def _with_go_numbers(value: JSON) -> JSON:
    """Return a value with floats written as encoding/json does: ``1`` for 1.0."""
    if isinstance(value, dict):
        return {key: _with_go_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_go_numbers(item) for item in value]
    if not isinstance(value, float):
        return value
    if value == 0 or _MIN_JSON <= abs(value) < _MAX_JSON:
        return orjson.Fragment(positional(value))
    return orjson.Fragment(floating(value).replace("e-0", "e-"))


def marshalled(value: JSON) -> str:
    """``json.Marshal``: keys sorted, HTML characters escaped."""
    text = orjson.dumps(_with_go_numbers(value), option=orjson.OPT_SORT_KEYS).decode()
    for character, escape in _HTML.items():
        text = text.replace(character, escape)
    return text
