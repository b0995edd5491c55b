"""Compares the values that an object with and without residue converts to, field by field. Pure."""

from schemagen.problems import JSON
from schemagen.versions.defaulting import Node
from schemagen.versions.residue import list_items
from schemagen.versions.steps import ABSENT


def agrees(found: JSON, meant: JSON, plain: JSON, node: Node) -> bool:
    """Return whether each described part of a value equals that part of one of two others.

    Args:
        found: The object with residue, converted back.
        meant: The object that it was converted from.
        plain: The object without residue, converted back: it lacks what cannot be converted.
        node: Schema of the version that it was converted from.
    """
    values = (found, meant, plain)
    if found in (meant, plain):
        return True
    if all(isinstance(value, list) for value in values) and node.items is not None:
        return _agree_by_item(*values, node, node.items)
    is_described = bool(node.fields) or node.values is not None
    if not is_described or not all(isinstance(value, dict) for value in values):
        return False
    return all(
        agrees(
            found.get(key, ABSENT), meant.get(key, ABSENT), plain.get(key, ABSENT), node.child(key)
        )
        for key in {*found, *meant, *plain}
    )


def _agree_by_item(
    found: list[JSON],
    meant: list[JSON],
    plain: list[JSON],
    node: Node,
    items: Node,
) -> bool:
    """Return whether lists with the same item keys in the same order agree item by item."""
    for keys in filter(None, list_items.candidates(node)):
        names, *others = (list_items.names_of(one, keys, node) for one in (found, meant, plain))
        if names is not None and all(other == names for other in others):
            triples = zip(found, meant, plain, strict=True)
            return all(agrees(one, other, third, items) for one, other, third in triples)
    return False
