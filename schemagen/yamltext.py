"""JSON objects as YAML text: byte for byte what PyYAML writes in our style, at a tenth of the time.

What is out of the ordinary (odd characters, long keys, exponents) is left to PyYAML, as a whole.
"""

import functools
import re
from collections.abc import Iterator

from schemagen.problems import JSON

WIDTH = 100

# A longer key, in bytes, needs a question mark before it (libyaml: 128).
_LONGEST_KEY = 120

# Strings that YAML 1.1 reads as something else (PyYAML 6.0, Resolver's implicit resolvers).
_IMPLICIT = re.compile(
    r"""yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF
    |~|null|Null|NULL|<<|=
    |[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]+|0|[1-9][0-9_]*(?::[0-5]?[0-9])*)
    |[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?
    |\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?
    |[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*
    |[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)
    |[0-9]{4}-[0-9]{2}-[0-9]{2}
    |[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]*)?
     (?:[ \t]*(?:Z|[-+][0-9]{1,2}(?::[0-9]{2})?))?""",
    re.VERBOSE,
)

# What a string outside brackets may not start with or hold (PyYAML 6.0, Emitter.analyze_scalar).
_INDICATORS = re.compile(r"""[#,\[\]{}&*!|>'"%@`]|[-?:](?: |$)|---|\.\.\.|.*(?::(?: |$)|\ \#)""")


class UnusualError(Exception):
    """Something is to be written that only PyYAML knows how to write."""


def dumps(value: JSON) -> str:
    """An object as YAML, keys in their own order.

    Raises:
        UnusualError: if PyYAML is to write it.
    """
    if not isinstance(value, dict) or not value:
        raise UnusualError
    return "".join(_mapping(value, "", "\n"))[1:] + "\n"


def _mapping(value: dict[str, JSON], pad: str, start: str) -> Iterator[str]:
    """The fields of an object; the first one stands after ``start``."""
    for key, child in value.items():
        name = _key(key)
        yield f"{start}{name}:"
        start = f"\n{pad}"
        if child and isinstance(child, dict):
            yield from _mapping(child, pad + "  ", f"\n{pad}  ")
        elif child and isinstance(child, list):
            yield from _sequence(child, pad, f"\n{pad}")
        else:
            yield _scalar(child, pad + "  ", len(pad) + len(name) + 1)


def _sequence(value: list[JSON], pad: str, start: str) -> Iterator[str]:
    """The items of a list; the first one stands after ``start``."""
    for child in value:
        yield f"{start}-"
        start = f"\n{pad}"
        if child and isinstance(child, dict):
            yield from _mapping(child, pad + "  ", " ")
        elif child and isinstance(child, list):
            yield from _sequence(child, pad + "  ", " ")
        else:
            yield _scalar(child, pad + "  ", len(pad) + 1)


def _scalar(value: JSON, pad: str, column: int) -> str:
    """A scalar with the space before it; ``column`` is where that space stands."""
    if isinstance(value, str):
        if "\n" in value:
            return _literal(value, pad)
        text = _string(value)
        return " " + (_folded(text, pad, column + 1) if column + len(text) >= WIDTH else text)
    return f" {_constant(value)}"


def _constant(value: JSON) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case None:
            return "null"
        case float() if re.fullmatch(r"-?[0-9]+\.[0-9]+", repr(value)):
            return repr(value)
        case dict() | list():
            return "{}" if isinstance(value, dict) else "[]"
        case _:
            raise UnusualError


@functools.cache
def _key(key: str) -> str:
    if not key or len(key.encode()) > _LONGEST_KEY:
        raise UnusualError
    return _string(key)


@functools.cache
def _string(value: str) -> str:
    """A string of one line: plain if it reads back as itself, else in single quotes."""
    if not value.isprintable():
        raise UnusualError
    is_trimmed = value and value[0] != " " and value[-1] != " "
    if is_trimmed and not _INDICATORS.match(value) and not _IMPLICIT.fullmatch(value):
        return value
    return "'" + value.replace("'", "''") + "'"


def _folded(text: str, pad: str, column: int) -> str:
    """A string on lines that break at the first single space beyond the width."""
    words = re.split("( +)", text)
    if words[0] == "'" or words[-1] == "'":  # spaces that belong to the value are not broken at
        raise UnusualError
    out = [words[0]]
    column += len(words[0])
    for spaces, word in zip(words[1::2], words[2::2], strict=True):
        if spaces == " " and column > WIDTH:
            out.append(f"\n{pad}{word}")
            column = len(pad) + len(word)
        else:
            out.append(spaces + word)
            column += len(spaces) + len(word)
    return "".join(out)


def _literal(value: str, pad: str) -> str:
    """A text of several lines as it is."""
    lines = value.split("\n")
    chomping = "-"
    if not lines[-1]:
        chomping = ""
        lines.pop()
    is_plain = all(line.isprintable() and not line.endswith(" ") for line in lines)
    if not is_plain or not lines[-1] or not lines[0] or lines[0].startswith(" "):
        raise UnusualError
    return "\n".join([f" |{chomping}", *(f"{pad}{line}" if line else "" for line in lines)])
