"""Compares the values that an object with and without residue converts to, field by field. Pure."""

from collections.abc import Sequence

from schemagen.problems import JSON
from schemagen.versions.defaulting import Node
from schemagen.versions.residue import list_items
from schemagen.versions.steps import ABSENT


def agrees(found: JSON, others: Sequence[JSON], node: Node) -> bool:
    """Return whether each described part of a value equals that part of one of others.

    Args:
        found: The object with residue, converted back.
        others: The object that it was converted from; and the object without residue, converted
            back, which lacks what cannot be converted.
        node: Schema of the version that it was converted from.
    """
    if found in others:
        return True
    if isinstance(found, list) and node.items is not None:
        return _agree_by_item(found, others, node, node.items)
    if not isinstance(found, dict) or not (node.fields or node.values is not None):
        return False
    others = [other for other in others if isinstance(other, dict)]
    return bool(others) and all(
        agrees(
            found.get(key, ABSENT), [other.get(key, ABSENT) for other in others], node.child(key)
        )
        for key in set[str]().union(found, *others)
    )


def _agree_by_item(found: list[JSON], others: Sequence[JSON], node: Node, items: Node) -> bool:
    """Return whether a list agrees item by item with those that have the same keys in its order."""
    for keys in filter(None, list_items.candidates(node)):
        names = list_items.names_of(found, keys, node)
        if names is not None:
            same = [
                other
                for other in others
                if isinstance(other, list) and list_items.names_of(other, keys, node) == names
            ]
            return bool(same) and all(
                agrees(item, rest, items) for item, *rest in zip(found, *same, strict=True)
            )
    return False
