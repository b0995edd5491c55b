"""Nodes of a YAML document, before tags and aliases are resolved."""

from __future__ import annotations

import dataclasses
from typing import Literal, TypeAlias


@dataclasses.dataclass(slots=True, eq=False)
class Scalar:
    """A scalar.

    Attributes:
        line: Where it starts, from 0.
        value: Its text.
        tag: Its tag, or an empty one.
        is_plain: Whether it is unquoted and may resolve to another type than string.
    """

    line: int
    value: str
    tag: str
    is_plain: bool


@dataclasses.dataclass(slots=True, eq=False)
class Collection:
    """A list, or an object with alternating keys and values. Their tags are ignored.

    Attributes:
        line: Where it starts, from 0.
        kind: Which of both.
        children: Its content.
    """

    line: int
    kind: Literal["list", "object"]
    children: list[Node]


@dataclasses.dataclass(slots=True, eq=False)
class Alias:
    """A reference to an anchored node.

    Attributes:
        line: Its line, from 0.
        name: The anchor.
        node: The anchored node.
    """

    line: int
    name: str
    node: Scalar | Collection


Node: TypeAlias = Scalar | Collection | Alias


def target(node: Node) -> Scalar | Collection:
    """Return the node itself, or the target of an alias."""
    return node.node if isinstance(node, Alias) else node
