"""Prune and default a converted object as the API server does before it is read again.

One ``Node`` for each node of a version's schema, with closures as in ``schema_coverage``. A value
of a wrong type is removed too: no client could write it, and no step could read it.
"""

import copy
import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Final

from schemagen.model import base
from schemagen.problems import JSON
from schemagen.schema.structural import Schema
from schemagen.versions import schema_coverage
from schemagen.versions.schema_coverage import Fit
from schemagen.versions.steps import ABSENT, Path

_NOTHING: Final[Mapping[str, "Node"]] = {}


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A node of a schema.

    Attributes:
        settle: Prunes and defaults a value; returns the value itself if nothing changes.
        fields: The declared fields of an object.
        values: The values of a map.
        items: The items of a list.
        keys: Keys of a list's items, empty for a set, whose items identify themselves; None for
            other lists.
        is_defaulted: Whether anything here or below has a default.
        is_atomic: Whether a conversion replaces it as a whole.
    """

    settle: Fit = schema_coverage.kept
    fields: Mapping[str, "Node"] = dataclasses.field(default_factory=dict)
    values: "Node | None" = None
    items: "Node | None" = None
    keys: tuple[str, ...] | None = None
    is_defaulted: bool = False
    is_atomic: bool = False

    def child(self, name: str) -> "Node":
        """Return the node of an object's member."""
        return self.fields.get(name, self.values or OPEN)


OPEN: Final = Node()
"""A part without a schema."""


def with_atomic(node: Node, path: Path) -> Node:
    """Return the node with an atomic one at a path of fields; unchanged if it has no such field."""
    if not path:
        return dataclasses.replace(node, is_atomic=True)
    name, *rest = path
    if name not in node.fields:
        return node
    below = with_atomic(node.fields[name], tuple(rest))
    return dataclasses.replace(node, fields={**node.fields, name: below})


_TEXTS: Final = Node(
    schema_coverage.fit_of({"type": "object", "additionalProperties": {"type": "string"}})
)
_METADATA: Final = Node(fields={"labels": _TEXTS, "annotations": _TEXTS})


@functools.cache
def of(model: type[base.Model]) -> Node:
    """Return the node of a root model, cached; metadata is compared, never defaulted."""
    schema = schema_coverage.schema_of(model)
    fields = {name: node_of(child) for name, child in schema["properties"].items()}
    fields |= {**dict.fromkeys(schema_coverage.ENVELOPE, OPEN), "metadata": _METADATA}
    defaults = _defaults(schema)
    return Node(_object(fields, None, defaults), fields, is_defaulted=_any(fields.values()))


def node_of(schema: Schema) -> Node:
    """Return the node of a part of a schema."""
    node = _node_of(schema)
    if not schema.get("nullable"):
        return node
    settle = node.settle
    return dataclasses.replace(node, settle=lambda value: None if value is None else settle(value))


def _node_of(schema: Schema) -> Node:
    match schema.get("type"):
        case "object":
            return _of_object(schema)
        case "array":
            items = node_of(schema["items"])
            keys = _keys(schema)
            return Node(_list(items.settle), items=items, keys=keys, is_defaulted=_any([items]))
    return Node(schema_coverage.fit_of(schema), is_defaulted="default" in schema)


def _keys(schema: Schema) -> tuple[str, ...] | None:
    match schema.get("x-kubernetes-list-type"):
        case "map":
            return tuple(schema["x-kubernetes-list-map-keys"])
        case "set":
            return ()
    return None


def _any(nodes: object) -> bool:
    return any(node.is_defaulted for node in nodes)  # type: ignore[attr-defined]


def _of_object(schema: Schema) -> Node:
    fields = {name: node_of(child) for name, child in schema.get("properties", {}).items()}
    fields |= dict.fromkeys(schema_coverage.embedded_fields(schema), OPEN)
    additional = schema.get("additionalProperties")
    values = None if additional is None else node_of(additional)
    rest = schema_coverage.rest_of(schema, None if values is None else values.settle)
    below = [*fields.values(), *([] if values is None else [values])]
    return Node(
        _object(fields, rest, _defaults(schema)),
        fields,
        values,
        is_defaulted="default" in schema or _any(below),
    )


def _defaults(schema: Schema) -> Mapping[str, Callable[[], JSON]]:
    """Return factories of the defaults of an object's fields; null means none."""
    return {
        name: _maker(child)
        for name, child in schema.get("properties", {}).items()
        if child.get("default") is not None
    }


def _maker(schema: Schema) -> Callable[[], JSON]:
    default = node_of(schema).settle(schema["default"])
    if isinstance(default, dict | list):
        return lambda: copy.deepcopy(default)
    return lambda: default


def _list(settle: Fit) -> Fit:
    def settled(value: JSON) -> JSON:
        if value.__class__ is not list:
            return ABSENT
        items = [settle(item) for item in value]
        if all(after is before for after, before in zip(items, value, strict=True)):
            return value
        return [item for item in items if item is not ABSENT]

    return settled


def _object(
    fields: Mapping[str, Node], rest: Fit | None, defaults: Mapping[str, Callable[[], JSON]]
) -> Fit:
    settles = {name: node.settle for name, node in fields.items()}
    other = rest or _pruned

    def settled(value: JSON) -> JSON:
        if not isinstance(value, dict):
            return ABSENT
        result = value
        for name, item in value.items():
            after = settles.get(name, other)(item)
            if after is ABSENT and item is None and name in defaults:
                after = defaults[name]()
            if after is not item:
                result = dict(value) if result is value else result
                _set(result, name, after)
        for name, make in defaults.items():
            if name not in value:
                result = dict(value) if result is value else result
                result[name] = make()
        return result

    return settled


def _pruned(value: JSON) -> JSON:
    del value
    return ABSENT


def _set(target: dict[str, JSON], name: str, value: JSON) -> None:
    if value is ABSENT:
        del target[name]
    else:
        target[name] = value
