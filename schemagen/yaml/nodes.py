"""The nodes of a YAML document: what its text says, before tags and aliases are resolved."""

from __future__ import annotations

import dataclasses
from typing import Literal, TypeAlias


@dataclasses.dataclass(slots=True, eq=False)
class Scalar:
    """A text.

    Attributes:
        line: Where it starts, from 0.
        value: The text.
        tag: Its tag, or an empty one.
        is_plain: Whether it may be read as something else than text, which quotes prevent.
    """

    line: int
    value: str
    tag: str
    is_plain: bool


@dataclasses.dataclass(slots=True, eq=False)
class Collection:
    """A list, or an object: then its keys and values take turns. Their tags say nothing.

    Attributes:
        line: Where it starts, from 0.
        kind: Which of both.
        children: What it holds.
    """

    line: int
    kind: Literal["list", "object"]
    children: list[Node]


@dataclasses.dataclass(slots=True, eq=False)
class Alias:
    """Another node once more.

    Attributes:
        line: Where it stands, from 0.
        name: The anchor.
        node: What is anchored.
    """

    line: int
    name: str
    node: Scalar | Collection


Node: TypeAlias = Scalar | Collection | Alias


def target(node: Node) -> Scalar | Collection:
    """The node itself, or what an alias stands for."""
    return node.node if isinstance(node, Alias) else node
