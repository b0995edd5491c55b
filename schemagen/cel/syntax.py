"""Parse a rule with Google's own CEL parser, and decode its protobuf result.

The messages are cel.expr.ParsedExpr and below (cel-spec, cel/expr/syntax.proto).
"""

import dataclasses
import functools
import struct
from collections.abc import Callable, Iterator
from typing import TypeAlias

from cel_expr_python import cel  # type: ignore[import-untyped] # no py.typed
from cel_expr_python.ext import ext_optional  # type: ignore[import-untyped] # no py.typed

from schemagen.cel.values import Uint

Constant: TypeAlias = bool | int | Uint | float | str | bytes | None


class SyntaxProblemError(Exception):
    """A rule cannot be parsed; the judge reports why at generation."""


@dataclasses.dataclass(frozen=True, slots=True)
class Const:
    """A literal."""

    value: Constant


@dataclasses.dataclass(frozen=True, slots=True)
class Ident:
    """A variable or a type."""

    name: str


@dataclasses.dataclass(frozen=True, slots=True)
class Select:
    """``operand.field``, or ``has(operand.field)``."""

    operand: "Expr"
    field: str
    is_test: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Call:
    """A function, method, operator, or a macro unknown to the parser."""

    function: str
    arguments: tuple["Expr", ...]
    target: "Expr | None" = None


@dataclasses.dataclass(frozen=True, slots=True)
class ListOf:
    """A list; ``optional`` are the indexes of elements written as ``?element``."""

    elements: tuple["Expr", ...]
    optional: frozenset[int] = frozenset()


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a map."""

    key: "Expr"
    value: "Expr"
    is_optional: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class MapOf:
    """A map."""

    entries: tuple[Entry, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Fold:
    """The parser's expansion of a macro over a list or map."""

    variable: str
    source: "Expr"
    result_name: str
    start: "Expr"
    condition: "Expr"
    step: "Expr"
    result: "Expr"


Expr: TypeAlias = Const | Ident | Select | Call | ListOf | MapOf | Fold

_Wire: TypeAlias = dict[int, list[int | bytes]]
_VARINT, _FIXED64, _BYTES = 0, 1, 2
_SIGN, _WRAP = 1 << 63, 1 << 64
_TEST_ONLY, _OPTIONAL_ENTRY = 3, 5


@functools.cache
def _environment() -> cel.Env:
    variables = {"self": cel.Type.DYN, "oldSelf": cel.Type.DYN}
    return cel.NewEnv(variables=variables, extensions=[ext_optional.ExtOptional()])


def parse(text: str) -> Expr:
    """Parse an expression, without type checks.

    Raises:
        SyntaxProblemError: if it is not CEL, or builds a protobuf message.
    """
    try:
        serialized = _environment().compile(text, disable_check=True).serialize()
    except RuntimeError as error:
        raise SyntaxProblemError(str(error)) from error
    parsed = _message(_fields(serialized), 2)  # google.protobuf.Any.value: a ParsedExpr
    return _expr(_message(parsed, 2))


def _fields(data: bytes) -> _Wire:
    """Return the fields of a protobuf message, undecoded, by number."""
    fields: _Wire = {}
    for number, value in _pairs(data):
        fields.setdefault(number, []).append(value)
    return fields


def _pairs(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        size = 8
        if kind != _FIXED64:
            size, at = _varint(data, at)
        yield number, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:  # noqa: PLR2004 - the continuation bit
            return value, at


def _message(fields: _Wire, number: int) -> _Wire:
    return _fields(_raw(fields, number))


def _raw(fields: _Wire, number: int) -> bytes:
    value = fields.get(number, [b""])[0]
    return value if isinstance(value, bytes) else b""


def _text(fields: _Wire, number: int) -> str:
    return _raw(fields, number).decode()


def _messages(fields: _Wire, number: int) -> Iterator[_Wire]:
    for value in fields.get(number, ()):
        if isinstance(value, bytes):
            yield _fields(value)


def _expr(fields: _Wire) -> Expr:
    for number, read in _READERS.items():
        if number in fields:
            return read(_message(fields, number))
    raise SyntaxProblemError("expected an expression, got none")


def _const(fields: _Wire) -> Const:
    ((number, (value,)),) = fields.items()
    if isinstance(value, int):
        return Const(_integer_const(number, value))
    if number == 5:  # noqa: PLR2004 - double_value
        return Const(float(struct.unpack("<d", value)[0]))
    return Const(value.decode() if number == 6 else value)  # noqa: PLR2004 - string_value


def _integer_const(number: int, value: int) -> Constant:
    by_number: dict[int, Constant] = {
        1: None,
        2: bool(value),
        3: value - _WRAP if value >= _SIGN else value,
        4: Uint(value),
    }
    return by_number[number]


def _ident(fields: _Wire) -> Ident:
    return Ident(_text(fields, 1).removeprefix("."))


def _select(fields: _Wire) -> Select:
    return Select(_expr(_message(fields, 1)), _text(fields, 2), is_test=_TEST_ONLY in fields)


def _call(fields: _Wire) -> Call:
    target = _expr(_message(fields, 1)) if 1 in fields else None
    return Call(_text(fields, 2), tuple(map(_expr, _messages(fields, 3))), target)


def _list(fields: _Wire) -> ListOf:
    elements = tuple(map(_expr, _messages(fields, 1)))
    optional, packed, at = set(), _raw(fields, 2), 0
    while at < len(packed):
        index, at = _varint(packed, at)
        optional.add(index)
    return ListOf(elements, frozenset(optional))


def _struct(fields: _Wire) -> MapOf:
    if 1 in fields:
        raise SyntaxProblemError(f"expected no protobuf message, got {_text(fields, 1)}")
    return MapOf(tuple(map(_entry, _messages(fields, 2))))


def _entry(fields: _Wire) -> Entry:
    key, value = _expr(_message(fields, 3)), _expr(_message(fields, 4))
    return Entry(key, value, is_optional=_OPTIONAL_ENTRY in fields)


def _fold(fields: _Wire) -> Fold:
    return Fold(
        variable=_text(fields, 1),
        source=_expr(_message(fields, 2)),
        result_name=_text(fields, 3),
        start=_expr(_message(fields, 4)),
        condition=_expr(_message(fields, 5)),
        step=_expr(_message(fields, 6)),
        result=_expr(_message(fields, 7)),
    )


_READERS: dict[int, Callable[[_Wire], Expr]] = {
    3: _const,
    4: _ident,
    5: _select,
    6: _call,
    7: _list,
    8: _struct,
    9: _fold,
}
