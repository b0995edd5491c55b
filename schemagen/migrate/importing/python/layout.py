"""Documents of text that may be broken into lines, as ruff's formatter breaks them. Pure.

After Wadler's «A prettier printer»: a group is written on one line if that fits, or else each of
its breaks becomes a line.
"""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeAlias

WIDTH: Final = 100
_INDENT: Final = 4


@dataclasses.dataclass(frozen=True)
class Group:
    """Written on one line, or broken."""

    parts: "tuple[Doc, ...]"


@dataclasses.dataclass(frozen=True)
class Indent:
    """Lines within it are indented by one more level."""

    parts: "tuple[Doc, ...]"


@dataclasses.dataclass(frozen=True)
class Break:
    """A line break, or what stands for it on one line."""

    flat: str = ""


@dataclasses.dataclass(frozen=True)
class IfBroken:
    """Text that only a broken group has."""

    text: str


@dataclasses.dataclass(frozen=True)
class Text:
    """A string literal that may be split into several, one a line.

    Attributes:
        flat: The literal on one line.
        split: Returns the literals, given the room of the first and of the others.
    """

    flat: str
    split: Callable[[int, int], Sequence[str]]


Doc: TypeAlias = str | Group | Indent | Break | IfBroken | Text
_Item: TypeAlias = tuple[int, bool, Doc]


def joined(items: Iterable["tuple[Doc, ...]"]) -> "tuple[Doc, ...]":
    """Return items with a comma and a break between."""
    parts: list[Doc] = []
    for item in items:
        if parts:
            parts += [",", Break(" ")]
        parts += item
    return tuple(parts)


def flat(parts: Iterable[Doc]) -> str:
    """Return the text of a document on one line."""
    return "".join(map(_flat, parts))


def _flat(doc: Doc) -> str:
    match doc:
        case str():
            return doc
        case Group(parts) | Indent(parts):
            return flat(parts)
        case Break(text) | Text(text):
            return text
        case IfBroken():
            return ""


def written(parts: Iterable[Doc], indent: int = 0) -> str:
    """Return the text of a document that begins at an indentation."""
    out: list[str] = []
    column = indent
    todo: list[_Item] = [(indent, False, part) for part in reversed([*parts])]
    while todo:
        level, is_flat, doc = todo.pop()
        match doc:
            case str():
                out.append(doc)
                column += len(doc)
            case Group(inner):
                fits = is_flat or _fits(inner, level, todo, WIDTH - column)
                todo += [(level, fits, part) for part in reversed(inner)]
            case Indent(inner):
                todo += [(level + _INDENT, is_flat, part) for part in reversed(inner)]
            case Break(flat):
                text = flat if is_flat else "\n" + " " * level
                out.append(text)
                column = column + len(flat) if is_flat else level
            case IfBroken(text):
                out.append("" if is_flat else text)
                column += 0 if is_flat else len(text)
            case Text():
                text = _split(doc, level, todo, column)
                out.append(text)
                column = column + len(text) if "\n" not in text else len(text.rpartition("\n")[2])
    return "".join(out)


def _fits(inner: Iterable[Doc], level: int, rest: Sequence[_Item], room: int) -> bool:
    """Return whether parts fit on this line, with what follows them up to the next break."""
    todo = [(level, True, part) for part in reversed([*inner])]
    following = len(rest)
    while room >= 0 and (todo or following):
        if not todo:
            following -= 1
            todo.append(rest[following])
        level, is_flat, doc = todo.pop()
        match doc:
            case Group(parts) | Indent(parts):
                todo += [(level, is_flat, part) for part in reversed(parts)]
            case Break() if not is_flat:
                return True
            case IfBroken(text):
                room -= 0 if is_flat else len(text)
            case _:
                room -= len(_flat(doc))
    return room >= 0


def _split(text: Text, level: int, rest: Sequence[_Item], column: int) -> str:
    if _fits((text.flat,), level, rest, WIDTH - column):
        return text.flat
    # A comma or bracket may follow the last.
    return f"\n{' ' * level}".join(text.split(WIDTH - column - 1, WIDTH - level - 1))
