"""Nodes of a YAML document, before tags and aliases are resolved."""

from __future__ import annotations

import dataclasses
from typing import Literal, NamedTuple, TypeAlias


class Span(NamedTuple):
    """Offsets of a node in the text of its document.

    Attributes:
        first: Where its anchor, its tag or itself begins.
        start: Where it begins after them.
        end: Where it ends, without trailing blanks and comments.
    """

    first: int = 0
    start: int = 0
    end: int = 0


@dataclasses.dataclass(slots=True, eq=False)
class Scalar:
    """A scalar.

    Attributes:
        line: Where it starts, from 0.
        value: Its text.
        tag: Its tag, or an empty one.
        is_plain: Whether it is unquoted and may resolve to another type than string.
        span: Where it is in the text.
    """

    line: int
    value: str
    tag: str
    is_plain: bool
    span: Span = dataclasses.field(default_factory=Span)


@dataclasses.dataclass(slots=True, eq=False)
class Collection:
    """A list, or an object with alternating keys and values. Their tags are ignored.

    Attributes:
        line: Where it starts, from 0.
        kind: Which of both.
        children: Its content.
        span: Where it is in the text.
        marks: Offsets of the dashes of a block list, or of explicit question marks.
        is_flow: Whether it is written in brackets.
    """

    line: int
    kind: Literal["list", "object"]
    children: list[Node]
    span: Span = dataclasses.field(default_factory=Span)
    marks: list[int] = dataclasses.field(default_factory=list)
    is_flow: bool = False


@dataclasses.dataclass(slots=True, eq=False)
class Alias:
    """A reference to an anchored node.

    Attributes:
        line: Its line, from 0.
        name: The anchor.
        node: The anchored node.
        span: Where it is in the text.
    """

    line: int
    name: str
    node: Scalar | Collection
    span: Span = dataclasses.field(default_factory=Span)


Node: TypeAlias = Scalar | Collection | Alias


def target(node: Node) -> Scalar | Collection:
    """Return the node itself, or the target of an alias."""
    return node.node if isinstance(node, Alias) else node
