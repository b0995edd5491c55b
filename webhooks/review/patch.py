"""JSON patch (RFC 6902) computed on JSON values; the user's object never passes through a model."""

import copy
from collections.abc import Iterator, Sequence
from typing import Any

from schemagen.problems import JSON

Operation = dict[str, JSON]


def diff(old: JSON, new: JSON) -> list[Operation]:
    """Return the operations that turn ``old`` into ``new``: only differences, no whole arrays."""
    return list(_diff(old, new, ""))


def _diff(old: JSON, new: JSON, path: str) -> Iterator[Operation]:
    if old is new:
        return
    if type(old) is dict and type(new) is dict:
        yield from _objects(old, new, path)
    elif type(old) is list and type(new) is list:
        yield from _arrays(old, new, path)
    elif type(old) is not type(new) or old != new:
        yield {"op": "replace", "path": path, "value": new}


def _objects(old: dict[str, JSON], new: dict[str, JSON], path: str) -> Iterator[Operation]:
    for name in old:
        if name not in new:
            yield {"op": "remove", "path": f"{path}/{_escaped(name)}"}
    for name, value in new.items():
        at = f"{path}/{_escaped(name)}"
        if name in old:
            yield from _diff(old[name], value, at)
        else:
            yield {"op": "add", "path": at, "value": value}


def _arrays(old: list[JSON], new: list[JSON], path: str) -> Iterator[Operation]:
    shared = min(len(old), len(new))
    for index in range(shared):
        yield from _diff(old[index], new[index], f"{path}/{index}")
    for index in range(len(old) - 1, shared - 1, -1):
        yield {"op": "remove", "path": f"{path}/{index}"}
    for index in range(shared, len(new)):
        yield {"op": "add", "path": f"{path}/{index}", "value": new[index]}


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def applied(value: JSON, operations: Sequence[Operation]) -> JSON:
    """Apply operations as the API server does: add, remove and replace.

    Raises:
        KeyError, IndexError: A path does not exist.
        ValueError: An unsupported operation, or an index that is not a number.
    """
    root: dict[str, Any] = {"": copy.deepcopy(value)}
    for operation in operations:
        *parents, last = [_unescaped(part) for part in str(operation["path"]).split("/")]
        target: Any = root
        for part in parents:
            target = target[int(part) if isinstance(target, list) else part]
        _apply(target, int(last) if isinstance(target, list) else last, operation)
    return root[""]


def _apply(target: Any, key: Any, operation: Operation) -> None:
    match operation["op"]:
        case "add" if isinstance(target, list):
            if not 0 <= key <= len(target):
                raise IndexError(f"expected an index of at most {len(target)}, got {key}")
            target.insert(key, operation["value"])
        case "add":
            target[key] = operation["value"]
        case "replace":
            target[key]  # raises KeyError if it does not exist
            target[key] = operation["value"]
        case "remove":
            del target[key]
        case other:
            raise ValueError(f"expected add, replace or remove, got {other}")


def _unescaped(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")
