"""Where a field of the hub version stands in the version that the user wrote.

Found by conversion itself: a mark is put at the place, and looked for in what comes out.
"""

from collections.abc import Callable

from schemagen import FieldPath
from schemagen.problems import JSON

# No name, label or text that anybody writes.
_MARK = "\uf8ffkubewright\uf8ff"


def written(
    hub: dict[str, JSON], path: FieldPath, down: Callable[[dict[str, JSON]], dict[str, JSON]]
) -> FieldPath:
    """The path of a hub object's field in another version; the same path if it cannot be told.

    Args:
        hub: The object.
        path: Of its field.
        down: Converts a hub object to the other version.
    """
    marked = _marked(hub, path.parts)
    if marked is None:
        return path
    return _found(down(marked), FieldPath()) or path


def _marked(value: JSON, parts: tuple[str, ...]) -> JSON | None:
    """A copy of a value with the mark at a place; None if there is no such place."""
    if not parts:
        return _MARK
    first, *rest = parts
    name = first[1:] if first.startswith(".") else first[1:-1]
    if isinstance(value, dict) and name in value:
        inner = _marked(value[name], tuple(rest))
        return None if inner is None else {**value, name: inner}
    if isinstance(value, list):
        index = _index(value, name)
        inner = None if index is None else _marked(value[index], tuple(rest))
        return None if inner is None else [*value[:index], inner, *value[index + 1 :]]  # type: ignore[operator] # an int then
    return None


def _index(items: list[JSON], key: str) -> int | None:
    """The index that a part of a path means: a number, or the name of an item of a keyed list."""
    names = [item.get("name") if isinstance(item, dict) else None for item in items]
    if key in names:
        return names.index(key)
    return int(key) if key.isdecimal() and int(key) < len(items) else None


def _found(value: JSON, path: FieldPath) -> FieldPath | None:
    if value == _MARK:
        return path
    if isinstance(value, dict):
        steps = ((_child(path, name), one) for name, one in value.items() if name != "metadata")
        return next((found for below, one in steps if (found := _found(one, below))), None)
    if isinstance(value, list):
        steps = ((path.key(index), one) for index, one in enumerate(value))
        return next((found for below, one in steps if (found := _found(one, below))), None)
    return None


def _child(path: FieldPath, name: str) -> FieldPath:
    return path.member(name) if name.isidentifier() else path.key(name)
