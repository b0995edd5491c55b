"""Normalization of an object before validation: defaults, pruning, nulls, numbers.

In the order of apiextensions-apiserver 1.37's schemaCoercingDecoder: defaults are set, unknown
fields pruned, then nulls removed that are neither nullable nor replaced by a default.
"""

import copy
import math
from collections.abc import Iterator
from typing import Any

from schemagen import formats
from schemagen.cel import ABSENT
from schemagen.checking.field_errors import Fault, bracketed
from schemagen.checking.nodes import Node, Path, compiled
from schemagen.problems import JSON

_META = frozenset({"apiVersion", "kind", "metadata"})


def taken_in(value: JSON, node: Node, *, is_root: bool = False) -> JSON:
    """Return a new value with defaults and without unknown fields.

    Args:
        value: JSON as sent; not changed.
        node: Its schema.
        is_root: Whether it is a whole object, whose apiVersion, kind and metadata are always kept.

    Raises:
        UnreadableError: if it contains a number that cannot be decoded.
    """
    try:
        return _normalized(value, node, is_resource=is_root or node.embedded)
    except _NoFloatError as error:
        raise UnreadableError(next(_unreadable(value, ()))) from error


class UnreadableError(Exception):
    """A number exceeds float64, or is not JSON: the API server answers such a request with 400.

    Attributes:
        path: Where it is.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.path = path


class _NoFloatError(Exception):
    """Raised where the path is unknown."""


def _unreadable(value: JSON, path: Path) -> Iterator[Path]:
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _unreadable(part, (*path, name))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _unreadable(part, (*path, index))
    elif isinstance(value, int | float) and not math.isfinite(formats.decoded(value)):
        yield path


class NormalizedObject(dict[str, JSON]):
    """A normalized object: models are built from it without another check."""

    __slots__ = ()


def _normalized(value: JSON, node: Node, *, is_resource: bool) -> JSON:
    if isinstance(value, dict):
        return _object(value, node, is_resource=is_resource)
    if isinstance(value, list):
        if node.items is None:  # not a list by its schema; objects in it lose all fields
            return [_copied(item) if node.keeps_unknown else _emptied(item) for item in value]
        return [_item(item, node.items) for item in value]
    return _scalar(value)


def _scalar(value: JSON) -> JSON:
    """Return the value as Go decodes it: an integer beyond 64 bits is a float64."""
    if type(value) is not int and type(value) is not float:
        return value
    number = formats.decoded(value)
    if not math.isfinite(number):
        raise _NoFloatError
    return number


def _object(value: dict[str, JSON], node: Node, *, is_resource: bool) -> dict[str, JSON]:
    normalized = NormalizedObject()
    for name, member in value.items():
        child = node.properties.get(name, node.values)
        if child is None or (is_resource and name in _META):
            is_null = child is not None and member is None and not child.nullable
            if not is_null and (_keeps(node) or (is_resource and name in _META)):
                normalized[name] = _copied(member)
        elif member is not None or child.nullable:
            normalized[name] = _normalized(member, child, is_resource=child.embedded)
        elif child.default is not ABSENT:
            normalized[name] = default_of(child)
    for name, child in node.properties.items():
        if name not in value and child.default is not ABSENT:
            normalized[name] = default_of(child)
    return normalized


def _keeps(node: Node) -> bool:
    return node.keeps_unknown or node.has_additional


def _item(value: JSON, node: Node) -> JSON:
    if value is None and not node.nullable:  # without a default it stays, to be refused
        return None if node.default is ABSENT else default_of(node)
    return _normalized(value, node, is_resource=node.embedded)


def unknown(value: JSON, node: Node, path: Path = ()) -> Iterator[Fault]:
    """Yield the fields of a value that pruning would remove."""
    if isinstance(value, dict) and not _keeps(node):
        known = node.properties.keys() | (_META if node.embedded else ())
        for name in value.keys() - known:
            where = (*path, name)
            yield Fault("FieldValueForbidden", where, "unknown field", field=bracketed(where))
    if isinstance(value, list) and node.items is None and not node.keeps_unknown:
        # Not a list by its schema: objects in it lose all fields.
        yield from (fault for part in value for fault in unknown(part, _NOTHING, path))
    for child, part, key in node.children(value):
        if not (node.embedded and key in _META):
            yield from unknown(part, child, (*path, key))


_NOTHING = compiled({})


def default_of(node: Node) -> Any:
    """Return a default, with the defaults below it."""
    return _normalized(copy.deepcopy(node.default), node, is_resource=node.embedded)


def _emptied(value: JSON) -> JSON:
    if isinstance(value, list):
        return [_emptied(item) for item in value]
    return {} if isinstance(value, dict) else _scalar(value)


def _copied(value: JSON) -> JSON:
    """Copy a part without a schema."""
    if isinstance(value, dict):
        return {name: _copied(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_copied(part) for part in value]
    return _scalar(value)
