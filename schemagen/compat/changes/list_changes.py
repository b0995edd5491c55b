"""Compare the types of lists and maps of two nodes, which server-side apply merges by. Pure."""

from collections.abc import Iterator
from typing import Final

from schemagen.compat import texts
from schemagen.compat.changes.changes import (
    NARROWER,
    WIDER,
    Audience,
    Change,
    Direction,
    all_safe,
    safe_by,
)
from schemagen.compat.changes.nodes import Node

_ATOMIC: Final = "lists are atomic by default"
_DUPLICATES: Final = "an update of an object that holds duplicates may keep them (ratcheting)"


def of(node: Node) -> Iterator[Change]:
    """Yield the changes of a node's list or map type."""
    yield from _lists(node)
    yield from _maps(node)


def _lists(node: Node) -> Iterator[Change]:
    if node.old.get("type") != node.new.get("type"):
        return
    keyword = "x-kubernetes-list-type"
    before, after = node.old.get(keyword), node.new.get(keyword)
    old, new = before or "atomic", after or "atomic"
    keys = "x-kubernetes-list-map-keys"
    if old == new:
        if before != after:
            text = f"list type {after or before} {'added' if after else 'removed'}"
            yield node.change(
                "list-type-spelled",
                text,
                before=before,
                after=after,
                keyword=keyword,
                safe=all_safe(_ATOMIC),
            )
        one, other = (set(schema.get(keys) or ()) for schema in (node.old, node.new))
        if one != other:
            rule, text = texts.worded("list-map-keys", node.old.get(keys), node.new.get(keys))
            safe = {Audience.STORED: _DUPLICATES}
            if other < one:
                safe[Audience.READERS] = NARROWER
            yield node.change(
                rule,
                text,
                before=node.old.get(keys),
                after=node.new.get(keys),
                keyword=keys,
                safe=safe,
            )
        return
    text = f"list type changed from {old} to {new}"
    direction = Direction.TIGHTENED if old == "atomic" else Direction.CHANGED
    safe = safe_by(direction) | {Audience.STORED: WIDER if new == "atomic" else _DUPLICATES}
    yield node.change("list-type-changed", text, before=old, after=new, keyword=keyword, safe=safe)


def _maps(node: Node) -> Iterator[Change]:
    keyword = "x-kubernetes-map-type"
    before, after = node.old.get(keyword), node.new.get(keyword)
    old, new = before or "granular", after or "granular"
    if before == after:
        return
    if old == new:
        rule, safe = "map-type-spelled", all_safe("maps are granular by default")
        text = f"map type {after or before} {'added' if after else 'removed'}"
    else:
        rule, text = "map-type-changed", f"map type changed from {old} to {new}"
        safe = {
            Audience.READERS: "the map type does not constrain values",
            Audience.STORED: "the map type does not constrain values",
        }
        if new == "granular":
            safe[Audience.WRITERS] = "an apply keeps the entries of others and refuses nothing"
    yield node.change(
        rule,
        text,
        before=before,
        after=after,
        keyword=keyword,
        safe=safe,
    )
