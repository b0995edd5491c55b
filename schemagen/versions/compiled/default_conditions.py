"""Conditions of compiled conversions on defaults: nothing is lost by API server defaulting.

A default of the target is converted back where a step reads its field. The result must equal the
source's own default, or else the field must be set.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from schemagen.problems import JSON
from schemagen.schema.structural import Schema
from schemagen.versions import defaulting
from schemagen.versions.compiled.code import Code, Names
from schemagen.versions.footprint import STAR
from schemagen.versions.schema_coverage import Fit
from schemagen.versions.steps import ABSENT, Path

Return: TypeAlias = tuple[Callable[[JSON], JSON], Schema | None]
"""Returns how a target's field converts back, and the schema of the result."""


def below(schema: Schema) -> JSON:
    """Return the defaults below a node: nodes with equal ones are defaulted alike."""
    parts: dict[str, JSON] = {}
    for name, child in schema.get("properties", {}).items():
        own = {"default": child["default"]} if child.get("default") is not None else {}
        parts[f".{name}"] = own | below(child)
    for key in ("items", "additionalProperties"):
        parts[key] = below(schema[key]) if key in schema else {}
    return {key: found for key, found in parts.items() if found}


def settling(fields: Mapping[str, Schema | None]) -> Fit:
    """Return the API server's defaulting of an object; a field with None has no schema."""
    known = {name: schema or {} for name, schema in fields.items()}
    return defaulting.node_of({"type": "object", "properties": known}).settle


def settling_at(fields: Mapping[Path, Schema | None]) -> Fit:
    """Return the same for an object with fields at paths."""
    root: Schema = {"type": "object", "properties": {}}
    for path, schema in fields.items():
        node = root
        for name in path[:-1]:
            inner: Schema = {"type": "object", "properties": {}}
            node = node["properties"].setdefault(name, inner)
        node["properties"][path[-1]] = schema or {}
    return defaulting.node_of(root).settle


def require_set(body: Code, there: Schema, made: Names, returns: Mapping[Path, Return]) -> None:
    """Require every field of a new object to be set whose default would come back as a value.

    Args:
        body: The body of the function.
        there: The object's schema.
        made: The value at each path that a step writes; UNSET for nothing.
        returns: How values come back from the paths that a single move writes.
    """
    tops = {path[0] for path in made}
    others = (child for name, child in there["properties"].items() if name not in tops)
    if any(child.get("default") is not None for child in others):
        # With only such defaults the object would be hollow on the way back.
        body.require(" or ".join(f"{value} is not UNSET" for value in made.values()) or "False")
    for path, schema in _defaulted(there, (), made):
        if path not in returns or not _comes_back(*returns[path], schema):
            body.require(_set_or_alone(path, made))


def _defaulted(schema: Schema, at: Path, made: Names) -> Iterator[tuple[Path, Schema]]:
    """Return the defaulted fields that steps write or read, or that enclose such a field."""
    for name, child in schema.get("properties", {}).items():
        path = (*at, name)
        if not any(other[: len(path)] == path or other == (*at, STAR) for other in made):
            continue
        if child.get("default") is not None:
            yield path, child
        if path not in made:
            yield from _defaulted(child, path, made)


def _comes_back(back: Callable[[JSON], JSON], here: Schema | None, there: Schema) -> bool:
    """Return whether a default comes back as the source's own default, or not at all."""
    value = back(settling({"field": there})({})["field"])
    settle = settling({"field": here})
    return bool(settle({} if value is ABSENT else {"field": value}) == settle({}))


def _set_or_alone(path: Path, made: Names) -> str:
    """Return the condition that a path is set, or that the object around it is unset."""
    *parent, _ = path
    here = [value for one, value in made.items() if one[: len(path)] == path]
    around = [value for one, value in made.items() if one[: len(parent)] == tuple(parent)]
    is_set = " or ".join(f"{value} is not UNSET" for value in here) or "False"
    return f"{is_set} or {' is '.join([*around, 'UNSET'])}" if parent else is_set
