"""Python expressions as values, and how they are laid out. Pure."""

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from schemagen.migrate.importing.python import layout
from schemagen.migrate.importing.python.layout import Break, Doc, Group, IfBroken, Indent, Text
from schemagen.problems import JSON


@dataclasses.dataclass(frozen=True)
class Name:
    """A name of Python, of a built-in type or of something imported: ``str``, ``wire.Int32``."""

    text: str


@dataclasses.dataclass(frozen=True)
class Reference:
    """A class or an alias of the module, by what it is; its name is chosen later."""

    key: str


@dataclasses.dataclass(frozen=True)
class Value:
    """A JSON value as a literal."""

    value: JSON


@dataclasses.dataclass(frozen=True)
class Subscript:
    """``list[...]``, ``Annotated[..., ...]``."""

    head: str
    items: "tuple[Expression, ...]"


@dataclasses.dataclass(frozen=True)
class Call:
    """``Field(..., name=...)``."""

    head: str
    items: "tuple[Expression, ...]" = ()
    named: "tuple[tuple[str, Expression], ...]" = ()


@dataclasses.dataclass(frozen=True)
class Tuple:
    """``(a, b)``."""

    items: "tuple[Expression, ...]"


@dataclasses.dataclass(frozen=True)
class List:
    """``[a, b]``."""

    items: "tuple[Expression, ...]"


@dataclasses.dataclass(frozen=True)
class Optional:
    """``... | None``."""

    item: "Expression"


Expression: TypeAlias = Name | Reference | Value | Subscript | Call | Tuple | List | Optional
Names: TypeAlias = Callable[[str], str]
"""Returns the name of a reference."""


def laid_out(expression: Expression, names: Names) -> tuple[Doc, ...]:
    """Return an expression as a document."""
    match expression:
        case Name(text):
            return (text,)
        case Reference(key):
            return (names(key),)
        case Value(value):
            return _value(value)
        case Optional(item):
            return (*laid_out(item, names), " | None")
        case _:
            return (_in_brackets(expression, names),)


def _in_brackets(expression: Subscript | Call | Tuple | List, names: Names) -> Doc:
    items = [laid_out(item, names) for item in expression.items]
    match expression:
        case Subscript(head):
            return Group((head, _arguments("[", items, "]")))
        case Call(head, _, named):
            arguments = [*items, *_named(named, names)]
            return Group((head, _arguments("(", arguments, ")")))
        case Tuple():
            return _collection("(", items, ")", ends=",")
        case List():
            return _collection("[", items, "]")


def class_arguments(
    items: Sequence[Expression], named: Sequence[tuple[str, Expression]], names: Names
) -> Doc:
    """Return the bases and arguments of a class."""
    bases = [laid_out(item, names) for item in items]
    return _arguments("(", [*bases, *_named(named, names)], ")")


def flat(expression: Expression, names: Names) -> str:
    """Return an expression on one line."""
    return layout.flat(laid_out(expression, names))


def mapped(expression: Expression, function: Callable[[Expression], Expression]) -> Expression:
    """Return an expression with a function applied to each of its parts."""
    match expression:
        case Optional(item):
            return Optional(function(item))
        case Subscript(head, items):
            return Subscript(head, tuple(map(function, items)))
        case Tuple(items):
            return Tuple(tuple(map(function, items)))
        case List(items):
            return List(tuple(map(function, items)))
        case Call(head, items, named):
            parts = tuple((name, function(item)) for name, item in named)
            return Call(head, tuple(map(function, items)), parts)
        case _:
            return expression


def references(expression: Expression) -> Iterator[str]:
    """Yield the classes and aliases that an expression uses."""
    for part in _walked(expression):
        if isinstance(part, Reference):
            yield part.key


def imported(expression: Expression) -> Iterator[str]:
    """Yield the names that an expression uses but for those of the module itself."""
    for part in _walked(expression):
        match part:
            case Name(text) | Subscript(text) | Call(text):
                yield text.partition(".")[0]


def _walked(expression: Expression) -> Iterator[Expression]:
    yield expression
    for part in _parts(expression):
        yield from _walked(part)


def _parts(expression: Expression) -> "tuple[Expression, ...]":
    match expression:
        case Optional(item):
            return (item,)
        case Call(_, items, named):
            return (*items, *(value for _, value in named))
        case Subscript(_, items) | Tuple(items) | List(items):
            return items
        case _:
            return ()


def _named(named: Sequence[tuple[str, Expression]], names: Names) -> Iterator[tuple[Doc, ...]]:
    for name, item in named:
        yield (f"{name}=", *laid_out(item, names))


def _arguments(start: str, items: Sequence[tuple[Doc, ...]], end: str) -> Doc:
    """Return arguments: on one line, on a line of their own, or each on a line."""
    if not items:
        return start + end
    more: tuple[Doc, ...] = (IfBroken(","),) if len(items) > 1 else ()
    inner = Group((*layout.joined(items), *more))
    return Group((start, Indent((Break(), inner)), Break(), end))


def _collection(start: str, items: Sequence[tuple[Doc, ...]], end: str, ends: str = "") -> Doc:
    """Return the items of a collection: on one line, or each on a line."""
    if not items:
        return start + end
    last: tuple[Doc, ...] = (IfBroken(","),) if len(items) > 1 else (ends,)
    return Group((start, Indent((Break(), *layout.joined(items), *last)), Break(), end))


def _value(value: JSON) -> tuple[Doc, ...]:
    match value:
        case str():
            return (_text(value),)
        case dict():
            items = [(f"{literal(name)}: ", *_value(item)) for name, item in value.items()]
            return (_collection("{", items, "}"),)
        case list():
            return (_collection("[", [_value(item) for item in value], "]"),)
        case _:
            return (repr(value),)


_QUOTES: Final = ('"', "'")
_SHORT: Final[Mapping[str, str]] = {"\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
# Before Latin Extended-B ends, and from the first letters of East Asia on, no letter looks like
# one of ASCII.
_LATIN_END: Final = 0x24F
_EAST_ASIAN: Final = 0x2E80
_BYTE: Final = 0xFF
_PLANE: Final = 0xFFFF


def literal(text: str) -> str:
    """Return a string as a literal on one line."""
    quote = _QUOTES[text.count('"') > text.count("'")]
    return quote + "".join(_escaped(character, quote) for character in text) + quote


def _escaped(character: str, quote: str) -> str:
    """Return a character as it is, or escaped where it could be taken for another one."""
    if character in _SHORT:
        return _SHORT[character]
    if character == quote:
        return f"\\{character}"
    code = ord(character)
    is_letter = character.isalpha() and (code <= _LATIN_END or code >= _EAST_ASIAN)
    if (character.isascii() and character.isprintable()) or is_letter:
        return character
    if code <= _BYTE:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= _PLANE else f"\\U{code:08x}"


_WORDS: Final = re.compile(r"[^ \n]*(?: +|\n+|$)")


def _text(text: str) -> Doc:
    def split(first: int, others: int) -> Sequence[str]:
        return [*_pieces(text, first, others)]

    return Text(literal(text), split)


def _pieces(text: str, first: int, others: int) -> Iterator[str]:
    """Yield literals of a text: split after its lines, then between words, then anywhere."""
    room, piece = first, ""
    for word in _WORDS.findall(text):
        if piece and (piece.endswith("\n") or len(literal(piece + word)) > room):
            yield literal(piece)
            room, piece = others, ""
        piece += word
        while len(literal(piece)) > room:
            size = _fitting(piece, room)
            yield literal(piece[:size])
            room, piece = others, piece[size:]
    if piece:
        yield literal(piece)


def _fitting(piece: str, room: int) -> int:
    size = max(1, room - len('""'))
    while size > 1 and len(literal(piece[:size])) > room:
        size -= 1
    return size
