"""Write JSON as YAML that kubectl parses to the same JSON, in one stable form.

Block style, keys in their own order. A string is quoted if it would be parsed as something else, or
contains invisible characters; multi-line strings are literal.
"""

import functools
import math
import re
from collections.abc import Iterator

from schemagen.problems import JSON, UserError
from schemagen.yaml import scalars

WIDTH = 100

# A longer key needs a question mark before it: parsers stop looking for its colon.
_MAX_KEY_LENGTH = 1024

# What an unquoted string may not start with, or contain.
_INDICATORS = re.compile(r"""[#,\[\]{}&*!|>'"%@`]|[-?:](?: |$)|.*(?::(?: |$)|\ \#)""")
# Line prefixes that end a document.
_MARKS = re.compile(r"---|\.\.\.(?: |$)")

_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\0": "\\0",
    "\a": "\\a",
    "\b": "\\b",
    "\t": "\\t",
    "\n": "\\n",
    "\v": "\\v",
    "\f": "\\f",
    "\r": "\\r",
    "\x1b": "\\e",
    "\x85": "\\N",
    "\xa0": "\\_",
    "\u2028": "\\L",
    "\u2029": "\\P",
}


class WriteError(UserError):
    """A value cannot be expressed in YAML for kubectl; the message says where and why."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.path: list[str] = []

    def __str__(self) -> str:
        path = "".join(self.path[::-1]).lstrip(".")
        return f"{self.problem}, at {path}" if path else self.problem

    def within(self, step: str) -> "WriteError":
        """Return the same error, prefixed with a field or item of a larger value."""
        self.path.append(step)
        return self


def dumps(value: JSON) -> str:
    """Return a value as YAML.

    Raises:
        WriteError: if it contains what JSON or YAML cannot express, such as NaN.
    """
    try:
        return "".join(_outermost(value)) + "\n"
    except RecursionError as error:
        raise WriteError("expected fields nested at most some hundred levels deep") from error


def _outermost(value: JSON) -> Iterator[str]:
    """Write a value at the start of a line."""
    if value and isinstance(value, dict):
        yield from _mapping(value, "", "")
    elif value and isinstance(value, list):
        yield from _sequence(value, "", "")
    elif isinstance(value, str) and _MARKS.match(value):
        yield _escaped(value)
    else:
        yield _scalar(value, "  ", 0)[1:]


def _mapping(value: dict[str, JSON], pad: str, start: str) -> Iterator[str]:
    """Write the fields of an object; the first one follows ``start``."""
    for key, child in value.items():
        name = _key(key) if pad else _outermost_key(key)
        yield f"{start}{name}:" if len(name) <= _MAX_KEY_LENGTH else f"{start}? {name}\n{pad}:"
        start = f"\n{pad}"
        try:
            if child and isinstance(child, dict):
                yield from _mapping(child, pad + "  ", f"\n{pad}  ")
            elif child and isinstance(child, list):
                yield from _sequence(child, pad, f"\n{pad}")
            else:
                yield _scalar(child, pad + "  ", len(pad) + len(name) + 1)
        except WriteError as error:
            raise error.within(f".{key}") from None


def _sequence(value: list[JSON], pad: str, start: str) -> Iterator[str]:
    """Write the items of a list; the first one follows ``start``."""
    for index, child in enumerate(value):
        yield f"{start}-"
        start = f"\n{pad}"
        try:
            if child and isinstance(child, dict):
                yield from _mapping(child, pad + "  ", " ")
            elif child and isinstance(child, list):
                yield from _sequence(child, pad + "  ", " ")
            else:
                yield _scalar(child, pad + "  ", len(pad) + 1)
        except WriteError as error:
            raise error.within(f"[{index}]") from None


def _scalar(value: JSON, pad: str, column: int) -> str:
    """Write a scalar with the preceding space, at ``column``."""
    if not isinstance(value, str):
        return f" {_constant(value)}"
    if "\n" in value:
        return _multiline(value, pad)
    text = _string(value)
    return " " + (_folded(text, pad, column + 1) if column + len(text) >= WIDTH else text)


def _constant(value: JSON) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case None:
            return "null"
        case int() | float():
            return _number(value)
        case dict() | list():
            return "{}" if isinstance(value, dict) else "[]"
        case _:
            raise WriteError(f"expected JSON, got {type(value).__name__}")


def _number(value: float) -> str:
    """Write a number of at most 64 bits."""
    try:
        is_finite = math.isfinite(float(value))
    except OverflowError:
        is_finite = False
    if not is_finite:
        raise WriteError(f"expected a number that fits 64 bits, got {value!r:.40}")
    return repr(value)


@functools.cache
def _key(key: str) -> str:
    if not isinstance(key, str):
        raise WriteError(f"expected a string as key, got {key!r:.40}")
    return _quoted(key) if key == "<<" else _string(key)  # unquoted it would be a merge key


def _outermost_key(key: str) -> str:
    """Write a key at the start of a line: unquoted, some would separate documents."""
    name = _key(key)
    return _quoted(key) if _MARKS.match(name) else name


@functools.cache
def _string(value: str) -> str:
    """Write a string on one line."""
    if not value.isprintable():
        return _escaped(value)
    is_trimmed = value and value[0] != " " and value[-1] != " "
    if is_trimmed and not _INDICATORS.match(value) and scalars.is_text(value):
        return value
    return _quoted(value)


def _quoted(value: str) -> str:
    """Write a string in single quotes."""
    return "'" + value.replace("'", "''") + "'"


def _escaped(value: str) -> str:
    """Write a string in double quotes."""
    return '"' + "".join(map(_escape, value)) + '"'


def _escape(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    if 0xD800 <= code <= 0xDFFF:  # noqa: PLR2004 - UTF-16's halves
        raise WriteError(f"expected Unicode text, got a lone surrogate, U+{code:04X}")
    if code <= 0xFF:  # noqa: PLR2004 - two digits
        return f"\\x{code:02X}"
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"  # noqa: PLR2004 - four digits


def _folded(text: str, pad: str, column: int) -> str:
    """Write a string, folded at the first single space beyond the width."""
    words = re.split("( +)", text)
    # No breaks at spaces that belong to the value, nor in escapes.
    if text[0] == '"' or words[0] == "'" or words[-1] == "'":
        return text
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


def _multiline(value: str, pad: str) -> str:
    """Write a multi-line string literally if all characters are visible; else in quotes."""
    body = value.rstrip("\n")
    lines = body.split("\n")
    if not body or not all(map(_is_visible, lines)):
        return f" {_escaped(value)}"
    ends = value[len(body) :]
    chomping = "-" if not ends else "" if ends == "\n" else "+"
    first = next(line for line in lines if line)
    hint = "2" if first[0] in " \t" else ""  # its indentation cannot be inferred
    written = [f"{pad}{line}" if line else "" for line in lines] + [""] * (len(ends) - 1)
    return "\n".join([f" |{hint}{chomping}", *written])


def _is_visible(line: str) -> bool:
    return line.replace("\t", "").isprintable() and line == line.rstrip(" \t")
