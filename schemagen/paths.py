"""Paths into a model that a version names: columns, selectable fields, scale, rules' field paths.

The API server accepts a column or scale path that leads nowhere and shows nothing; here it is an
error that says what there is instead.
"""

import difflib
import re
from collections.abc import Iterator, Sequence

from schemagen.keywords import Schema, SchemaError
from schemagen.model import registry

# ``.name``, ``['name']``, ``[0]``, ``[*]`` or a filter ``[?(@.type=="Ready")]``.
_STEP = re.compile(r"\.([A-Za-z_][\w-]*)|\['([^']+)'\]|(\[(?:\d+|\*|\?\(.*?\))\])")


def check(kind: registry.Kind, version: registry.Version, schema: Schema) -> None:
    """Follow every path of a version through its schema.

    Raises:
        SchemaError: naming kind, version and path, and the names there are where it goes wrong.
    """
    for what, path in _named(version):
        fault = follow(schema, path)
        if fault is not None:
            raise SchemaError(f"{kind.name} {version.name}: {what} {path}: {fault}")


def follow(schema: Schema, path: str) -> str | None:
    """What is wrong with a path, or None; ``metadata`` and free-form objects are taken on trust."""
    steps = _steps(path)
    if steps is None:
        return "expected a JSONPath of fields such as .spec.name, got something else"
    node = schema
    for depth, step in enumerate(steps):
        if depth == 0 and step == "metadata":
            return None
        if _is_free_form(node):
            return None
        found = _child(node, step)
        if found is None:
            return f"expected {_choices(node)}, got {step}{_meant(node, step)}"
        node = found
    return None


def _named(version: registry.Version) -> Iterator[tuple[str, str]]:
    for column in version.columns:
        yield f"column {column.name}", column.path
    for path in version.selectable:
        yield "selectable field", path
    if version.scale is not None:
        for path in version.scale.subresource().values():
            yield "scale", path


def _steps(path: str) -> Sequence[str] | None:
    steps, at = [], 0
    while at < len(path):
        found = _STEP.match(path, at)
        if found is None:
            return None
        steps.append(found[1] or found[2] or "[]")
        at = found.end()
    return steps or None


def _child(node: Schema, step: str) -> Schema | None:
    if step == "[]":
        items: Schema | None = node.get("items")
        return items
    if isinstance(node.get("additionalProperties"), dict):
        values: Schema = node["additionalProperties"]
        return values
    child: Schema | None = node.get("properties", {}).get(step)
    return child


def _is_free_form(node: Schema) -> bool:
    return "x-kubernetes-preserve-unknown-fields" in node and "properties" not in node


def _choices(node: Schema) -> str:
    if "items" in node:
        return "an item such as [0]"
    names = list(node.get("properties", {}))
    return f"one of {', '.join(names)}" if names else f"the end of the path at a {node.get('type')}"


def _meant(node: Schema, step: str) -> str:
    close = difflib.get_close_matches(step, node.get("properties", {}), n=1)
    return f"; did you mean {close[0]}?" if close else ""
