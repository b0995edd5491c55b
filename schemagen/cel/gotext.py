"""How Go writes numbers and strings: ``%q``, ``%v`` and ``%g``, and strconv's plain decimals."""

import math

_ESCAPES = {
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
_SPECIAL = {math.inf: "+Inf", -math.inf: "-Inf"}
_LAST_BASIC = 0xFFFF

# strconv.FormatFloat(f, 'g', -1, 64) writes an exponent below and from these.
_LEAST_EXPONENT, _GREATEST_EXPONENT = -4, 6


def quoted(text: str) -> str:
    """``%q``: strconv.Quote."""
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    if code < ord(" ") or character == "\x7f" or 0xDC80 <= code <= 0xDCFF:  # noqa: PLR2004
        return f"\\x{code & 0xFF:02x}"  # a byte that is no UTF-8 is a surrogate to Python
    return f"\\u{code:04x}" if code <= _LAST_BASIC else f"\\U{code:08x}"


def floating(value: float) -> str:
    """``%v`` and ``%g``: the shortest digits that are read back as the same number."""
    if not math.isfinite(value):
        return _SPECIAL.get(value, "NaN")
    sign, digits, exponent = _digits(value)
    if _LEAST_EXPONENT <= exponent < _GREATEST_EXPONENT:
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
    """The sign, the significant digits, and the exponent of the first of them."""
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


def plain(value: object) -> str:
    """``%v`` of a scalar."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return floating(value) if isinstance(value, float) else str(value)


# unicode.IsSpace; str.strip() would take U+001C to U+001F as well.
_SPACES = (
    "\t\n\v\f\r \u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009"
    "\u200a\u2028\u2029\u202f\u205f\u3000"
)


def trimmed(text: str) -> str:
    """strings.TrimSpace."""
    return text.strip(_SPACES)
