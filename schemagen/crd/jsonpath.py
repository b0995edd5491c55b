r"""JSONPath dialect of printer columns (client-go 0.37, util/jsonpath).

Not RFC 9535: a dot separates names even in brackets and is escaped as ``\.``, quotes in brackets
are single, and a column with a syntax error is never shown.
"""

import dataclasses
import re
from collections.abc import Iterator
from typing import TypeAlias


class SyntaxProblemError(ValueError):
    """A path that client-go cannot parse; the message says where."""


@dataclasses.dataclass(frozen=True)
class Field:
    """``.name``: a field of an object or a map."""

    name: str


@dataclasses.dataclass(frozen=True)
class Slice:
    """``[0]``, ``[-1]``, ``[1:3]``, ``[*]``: items of a list; an index is a slice of length one."""

    start: int | None
    end: int | None
    step: int | None
    is_index: bool


@dataclasses.dataclass(frozen=True)
class Wildcard:
    """``.*``: all members or items."""


@dataclasses.dataclass(frozen=True)
class Recursive:
    """``..``: a value and all containers below it."""


@dataclasses.dataclass(frozen=True)
class Filter:
    """``[?(@.type=="Ready")]``; the operator ``exists`` has no right side."""

    left: "Path"
    operator: str
    right: "Path"


@dataclasses.dataclass(frozen=True)
class Union:
    """``[0,2]``: several paths, of which the first result is shown."""

    branches: tuple["Path", ...]


@dataclasses.dataclass(frozen=True)
class Constant:
    """A string, number or boolean literal."""

    value: str | int | float | bool


@dataclasses.dataclass(frozen=True)
class Identifier:
    """A bare word, which fails when evaluated."""

    name: str


Step: TypeAlias = Field | Slice | Wildcard | Recursive | Filter | Union | Constant | Identifier
Path: TypeAlias = tuple[Step, ...]

_END_OF_NAME = frozenset(" \t\r\n.,[]$@{}")
_SLICE = re.compile(r"(-?[0-9]*)(:-?[0-9]*)?(:-?[0-9]*)?", re.ASCII)
_FILTER = re.compile(r"([^!<>=]+)([!<>=]+)(.+)")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"'}


def parsed(text: str) -> Path:
    """Parse the steps of a path.

    Raises:
        SyntaxProblemError: if client-go cannot parse it.
    """
    return tuple(_Reader(text).steps())


def escaped(name: str) -> str:
    """Return a name as ``.name`` or ``['name']`` needs it: dots and brackets escaped."""
    return re.sub(r"([\\ \t.,\[\]$@{}])", r"\\\1", name)


class _Reader:
    """Parser of a path, from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def steps(self) -> Iterator[Step]:
        while self._at < len(self._text):
            if self._text.startswith("[?(", self._at):
                yield self._filter()
            elif self._text.startswith("..", self._at):
                yield from self._recursive()
            else:
                yield from self._step()

    def _step(self) -> Iterator[Step]:
        character = self._text[self._at]
        if character in " @$":  # the current object, where a path begins anyway
            self._at += 1
        elif character == "[":
            yield from self._brackets()
        elif character in "\"'":
            yield Constant(self._quoted(character))
        elif character == ".":
            self._at += 1
            yield self._field()
        elif character in "+-" or character.isdigit():
            yield self._number()
        elif character == "_" or character.isalpha():
            yield self._word()
        else:
            raise SyntaxProblemError(f"a step such as .name or [0], got {self._rest()}")

    def _rest(self) -> str:
        return self._text[self._at :]

    def _until(self, ends: frozenset[str]) -> str:
        start = self._at
        while self._at < len(self._text) and self._text[self._at] not in ends:
            self._at += 1 + (self._text[self._at] == "\\")
        self._at = min(self._at, len(self._text))
        return self._text[start : self._at]

    def _field(self) -> Step:
        name = self._until(_END_OF_NAME)
        return Wildcard() if name == "*" else Field(name.replace("\\", ""))

    def _recursive(self) -> Iterator[Step]:
        self._at += 2
        yield Recursive()
        following = self._text[self._at : self._at + 1]
        if self._text.startswith("..", self._at):
            raise SyntaxProblemError("one .. and a name, got another ..")
        if following == "_" or following.isalnum():
            yield self._field()

    def _word(self) -> Step:
        start = self._at
        while self._at < len(self._text) and self._text[self._at] not in _END_OF_NAME:
            self._at += 1
        name = self._text[start : self._at]
        return Constant(name == "true") if name in {"true", "false"} else Identifier(name)

    def _number(self) -> Step:
        match = re.compile(r"[+-]?[\d.]*").match(self._text, self._at)
        text = match[0] if match else ""
        self._at += len(text)
        for read in (int, float):
            try:
                return Constant(read(text))
            except ValueError:
                continue
        raise SyntaxProblemError(f"a number, got {text}")

    def _quoted(self, quote: str) -> str:
        end = self._at + 1
        while end < len(self._text) and not self._closes(end, quote):
            end += 1
        if end >= len(self._text):
            raise SyntaxProblemError(f"a closing {quote}, got {self._rest()}")
        text = self._text[self._at + 1 : end]
        self._at = end + 1
        return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[0]), text)

    def _closes(self, at: int, quote: str) -> bool:
        return self._text[at] == quote and self._text[at - 1] != "\\"

    def _brackets(self) -> Iterator[Step]:
        end = self._text.find("]", self._at)
        if end < 0:
            raise SyntaxProblemError(f"a closing ], got {self._rest()}")
        inner = self._text[self._at + 1 : end]
        self._at = end + 1
        parts = inner.split(",")
        if len(parts) > 1:
            yield Union(tuple(parsed(f"[{part.strip(' ')}]") for part in parts))
        else:
            yield from _subscript(":" if inner == "*" else inner)

    def _filter(self) -> Step:
        start = self._at + len("[?(")
        end = self._end_of_filter(start)
        if not self._text.startswith("]", end + 1):
            raise SyntaxProblemError(f"a ] behind the filter, got {self._text[end + 1 :]}")
        inner = self._text[start:end]
        self._at = end + 2
        compared = _FILTER.fullmatch(inner)
        if compared is None:
            return Filter(parsed(inner), "exists", ())
        return Filter(parsed(compared[1]), compared[2], parsed(compared[3]))

    def _end_of_filter(self, start: int) -> int:
        """Return the position of the filter's closing ), outside its one quoted string."""
        quote, is_closed = "", False
        for at in range(start, len(self._text)):
            character = self._text[at]
            if character in "\"'" and not quote:
                quote = character
            elif character == quote and self._text[at - 1] != "\\":
                is_closed = True
            elif character == ")" and bool(quote) == is_closed:
                return at
        raise SyntaxProblemError(f"a closing ) of the filter, got {self._rest()}")


def _subscript(inner: str) -> Iterator[Step]:
    """Parse the contents of brackets: a name, split at dots as elsewhere, or a slice."""
    if re.fullmatch(r"'[^']*'", inner):
        yield from parsed(f".{inner[1:-1]}")
        return
    match = _SLICE.fullmatch(inner)
    if match is None:
        raise SyntaxProblemError(f"['name'], [0], [0:2], [*] or [?(...)], got [{inner}]")
    start, end, step = match.groups()
    if "-" in (start, end, step) or ":-" in (end, step):
        raise SyntaxProblemError(f"a number in [{inner}], got -")
    yield Slice(
        int(start) if start else None,
        int(end[1:]) if end and end[1:] else None,
        int(step[1:]) if step and step[1:] else None,
        is_index=end is None,
    )
