"""Paths of a file of conversions, and the places in a schema that they lead to. Pure."""

import re
from typing import Final

from schemagen.versions import schema_places
from schemagen.versions.schema_places import ITEMS, VALUES, Missing, Node
from schemagen.versions.steps import Path

_TOKEN: Final = re.compile(r"\[\]|\{\}|[^.\[\]{}]+")
_PATH: Final = re.compile(r"[^.\[\]{}]+(?:\[\]|\{\}|\.[^.\[\]{}]+)*")


def parsed(text: str) -> Path | None:
    """Return ``("spec", "ports", "[]", "name")`` for ``spec.ports[].name``; None if malformed."""
    return tuple(_TOKEN.findall(text)) if _PATH.fullmatch(text) else None


def is_below(path: Path, parent: Path) -> bool:
    """Return whether a path leads into the place at another one."""
    return len(path) > len(parent) and path[: len(parent)] == parent


def place(root: Node, path: Path) -> Node | Missing:
    """Return the place at a path, or the first missing field on the way."""
    node = root
    for name in path:
        below = _below(node, name)
        if below is None:
            return Missing(node, name)
        node = below
    return node


def _below(node: Node, name: str) -> Node | None:
    match name:
        case schema_places.ITEMS:
            return node.items if node.type == "list" or node.is_any else None
        case schema_places.VALUES:
            return node.values
        case _:
            return node.field(name)


def missing_message(missing: Missing) -> str:
    """Return what is wrong with a path that leads nowhere."""
    got = schema_places.with_article(missing.parent.type)
    if missing.name in {ITEMS, VALUES}:
        kind = "list" if missing.name == ITEMS else "map"
        return f"expected a {kind} before {missing.name}, got {got}"
    if missing.parent.type == "list":
        return f"expected [] between the list {missing.parent} and {missing.name}, got none"
    return f"expected a field of {missing.parent.version}, got {missing}"
