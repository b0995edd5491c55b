"""Build the request of a change: the whole object, a patch, or an applied object. Pure."""

import dataclasses
import json
from typing import Final, Literal, TypeAlias

from schemagen.checking.nodes import Node
from schemagen.model import registry
from schemagen.problems import JSON
from schemagen.roundtrip import differences
from schemagen.roundtrip.differences import Path
from schemagen.roundtrip.simulated_server import RefusedError, Value
from schemagen.versions.steps import ABSENT

Method: TypeAlias = Literal["replace", "JSON patch", "merge patch", "server-side apply"]
Reading: TypeAlias = Literal["get", "create"]
METHODS: Final[tuple[Method, ...]] = (
    "replace",
    "JSON patch",
    "merge patch",
    "server-side apply",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """A request to an API server.

    Attributes:
        api: Whose object it is.
        kind: Of which kind.
        version: In which version.
        name: The object's name.
        verb: What is asked.
        body: The object, the patch, or the configuration that is applied.
        read: The object that a JSON patch changes into the body.
        is_status: Whether the status is written, and nothing else.
        manager: Who writes; each change has a manager of its own.
    """

    api: registry.Api
    kind: registry.Kind
    version: str
    name: str
    verb: Method | Reading
    body: JSON = None
    read: JSON = None
    is_status: bool = False
    manager: str = "roundtrip"


class UnsayableError(RefusedError):
    """A method cannot make a change: another one is drawn."""


def merge_patch(read: Value, value: Value) -> Value:
    """The merge patch (RFC 7386) that makes one object of another.

    Raises:
        UnsayableError: if a null is to be written, which a merge patch takes for a removal.
    """
    patch: Value = {name: None for name in read if name not in value}
    for name, item in value.items():
        before = read.get(name, ABSENT)
        if differences.is_same(before, item):
            continue
        is_inside = isinstance(before, dict) and isinstance(item, dict)
        patch[name] = merge_patch(before, item) if is_inside else _without_null(item)
    return patch


def configuration(read: Value, value: Value, node: Node) -> Value:
    """Return the apply configuration that owns exactly the changed fields.

    Raises:
        UnsayableError: if something is removed or rearranged, or null.
    """
    metadata = {key: read["metadata"][key] for key in ("name", "namespace")
                if key in read["metadata"]}  # fmt: skip
    found: Value = {key: read[key] for key in ("apiVersion", "kind")} | {"metadata": metadata}
    merged: JSON = read
    for difference in differences.differences(read, value, node):
        found = differences.put(
            _with_keys(found, difference.path), difference.path, _without_null(difference.after)
        )
        merged = differences.put(merged, difference.path, difference.after)
    if not differences.is_same(merged, value) or _has_removals(read, value, node):
        raise UnsayableError("expected fields to set, got a removal or another order")
    return found


def _has_removals(read: Value, value: Value, node: Node) -> bool:
    return any(
        difference.after is ABSENT
        or difference.after == {} != difference.before is not ABSENT
        or any(isinstance(step, (int, differences.Order)) for step in difference.path)
        for difference in differences.differences(read, value, node)
    )


def _with_keys(found: Value, path: Path) -> Value:
    """The configuration with the keys of the items on the way."""
    for at, step in enumerate(path):
        place = path[: at + 1]
        is_new = differences.get(found, place) is ABSENT
        if isinstance(step, differences.Item) and step.keys and is_new:
            found = differences.put(found, place, json.loads(step.identity))
    return found


def _without_null(value: JSON) -> JSON:
    if value is None or (
        isinstance(value, dict) and any(_is_null(member) for member in value.values())
    ):
        raise UnsayableError("expected a value, got null")
    return value


def _is_null(value: JSON) -> bool:
    if isinstance(value, dict):
        return any(_is_null(member) for member in value.values())
    return value is None
