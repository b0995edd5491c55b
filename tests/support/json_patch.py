"""RFC 6902 as the API server applies it: add, remove, replace."""

import copy
from collections.abc import Sequence
from typing import Any


def applied(value: Any, operations: Sequence[dict[str, Any]]) -> Any:
    """The value after all operations; KeyError or IndexError if a path is not there."""
    root = {"": copy.deepcopy(value)}
    for operation in operations:
        *parents, last = [_unescaped(part) for part in operation["path"].split("/")]
        target: Any = root
        for part in parents:
            target = target[int(part) if isinstance(target, list) else part]
        _apply(target, last, operation)
    return root[""]


def _apply(target: Any, last: str, operation: dict[str, Any]) -> None:
    key: Any = int(last) if isinstance(target, list) else last
    match operation["op"]:
        case "add" if isinstance(target, list):
            assert 0 <= key <= len(target)
            target.insert(key, operation["value"])
        case "add":
            target[key] = operation["value"]
        case "replace":
            assert target[key] is not operation
            target[key] = operation["value"]
        case "remove":
            del target[key]
        case other:
            raise AssertionError(other)


def _unescaped(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")
