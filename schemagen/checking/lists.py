"""Lists with distinct items: ``x-kubernetes-list-type`` set and map.

Follows apiextensions-apiserver 1.37's ``schema/listtype``: an item is reported once, at its second
appearance.
"""

from collections.abc import Iterator, Sequence

from schemagen import canonical, deadlines
from schemagen.checking.field_errors import Fault, bracketed
from schemagen.checking.nodes import Node, Path
from schemagen.problems import JSON


def duplicates(node: Node, value: JSON, path: Path = ()) -> Iterator[Fault]:
    """Return an error for each duplicate item of a set and each duplicate key of a list-map."""
    deadlines.check()
    if isinstance(value, list):
        if node.list_type == "set":
            yield from (_fault(path, index, value[index]) for index in _repeated(value))
        elif node.list_type == "map":
            yield from _repeated_keys(node, value, path)
    for child, part, key in node.children(value):
        yield from duplicates(child, part, (*path, key))


def _fault(path: Path, index: int, value: JSON) -> Fault:
    where = (*path, index)
    return Fault("FieldValueDuplicate", where, "", value, bracketed(where))


def _repeated(values: Sequence[JSON]) -> Iterator[int]:
    """Return the indexes at which a value appears for the second time."""
    seen: dict[object, int] = {}
    for index, value in enumerate(values):
        is_compound = isinstance(value, dict | list)
        identity = canonical.dumps(value) if is_compound else (type(value), value)
        seen[identity] = seen.get(identity, 0) + 1
        if seen[identity] == 2:  # noqa: PLR2004 - the second time
            yield index


def _repeated_keys(node: Node, items: list[JSON], path: Path) -> Iterator[Fault]:
    for index, item in enumerate(items):
        if item is not None and not isinstance(item, dict):
            where = (*path, index)
            detail = "must be an object for an array of list-type map"
            yield Fault("FieldValueInvalid", where, detail, item, bracketed(where))
            return
    keys = [_keys(node, item) for item in items]
    yield from (_fault(path, index, keys[index]) for index in _repeated(keys))


def _keys(node: Node, item: JSON) -> dict[str, JSON]:
    return {key: item[key] for key in node.list_keys if key in item} if item else {}
