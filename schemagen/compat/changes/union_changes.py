"""Compare allOf, anyOf, oneOf and not of two nodes. Pure."""

from collections.abc import Iterator
from typing import Final

from schemagen import canonical
from schemagen.compat.changes.changes import Change, Direction
from schemagen.compat.changes.nodes import Node
from schemagen.schema.keywords import Schema

_INT_OR_STRING: Final = [{"type": "integer"}, {"type": "string"}]


def of(node: Node) -> Iterator[Change]:
    """Yield the changes of a node's junctors."""
    for keyword in ("allOf", "anyOf", "oneOf", "not"):
        old, new = _branches(node.old, keyword), _branches(node.new, keyword)
        if old == new:
            continue
        name = {"allOf": "all-of", "anyOf": "any-of", "oneOf": "one-of", "not": "not"}[keyword]
        word = "added" if not old else "removed" if not new else "changed"
        yield node.own(
            _direction(keyword, old, new),
            f"{name}-{word}",
            f"{keyword} {word}",
            keyword=keyword,
        )


def _direction(keyword: str, old: frozenset[bytes], new: frozenset[bytes]) -> Direction:
    if not old:
        return Direction.TIGHTENED
    if not new:
        return Direction.LOOSENED
    if keyword in {"allOf", "anyOf"} and (old < new or new < old):
        is_tighter = (old < new) == (keyword == "allOf")
        return Direction.TIGHTENED if is_tighter else Direction.LOOSENED
    return Direction.CHANGED


def _branches(schema: Schema, keyword: str) -> frozenset[bytes]:
    """Return the branches of a junctor, without those that only spell out int-or-string."""
    value = schema.get(keyword)
    branches = value if isinstance(value, list) else [value] if value is not None else []
    if schema.get("x-kubernetes-int-or-string"):
        if keyword == "anyOf" and branches == _INT_OR_STRING:
            branches = []
        if keyword == "allOf":
            branches = [each for each in branches if each != {"anyOf": _INT_OR_STRING}]
    return frozenset(map(canonical.dumps, branches))
