"""A structural schema compiled for checking: one Node for each of its nodes."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import re2

from schemagen import cel, formats
from schemagen.cel import ABSENT, Absent
from schemagen.problems import JSON
from schemagen.schema.keywords import Schema

# Formats checked for each type; the API server drops any other (apiextensions-apiserver,
# StripUnsupportedFormatsPostProcessorForVersion).
_NUMBER_FORMATS = {"integer": ("int32", "int64"), "number": ("float", "double")}


class Key(str):
    """A map key in a path, which CEL and lists write as ``[key]``."""

    __slots__ = ()


Path = tuple[str | int, ...]
"""Member names, map keys and list indexes."""


@dataclasses.dataclass(slots=True, eq=False, kw_only=True)
class Node:
    """One node of a structural schema.

    Attributes:
        schema: Its source, for rarely used bounds.
        types: Names of accepted types; none means any.
        format: The format that the API server checks, or none.
        values: The node of ``additionalProperties`` given as a schema.
        has_additional: Whether keys beyond ``properties`` are kept.
        default: The default, or ABSENT.
        rules: The node's CEL rules, or None.
        has_rules: Whether this node or one below it has rules.
    """

    schema: Schema
    types: tuple[str, ...]
    nullable: bool
    format: str
    pattern: Any
    enum: Sequence[JSON]
    properties: Mapping[str, "Node"]
    required: Sequence[str]
    values: "Node | None"
    has_additional: bool
    items: "Node | None"
    all_of: Sequence["Node"]
    any_of: Sequence["Node"]
    one_of: Sequence["Node"]
    negated: "Node | None"
    list_type: str
    list_keys: Sequence[str]
    keeps_unknown: bool
    embedded: bool
    default: JSON | Absent
    rules: cel.Rules | None
    has_rules: bool

    def children(self, value: JSON) -> Iterator[tuple["Node", JSON, str | int]]:
        """Yield the children of a value that have a schema, and the path step to each."""
        if isinstance(value, dict):
            for name, part in value.items():
                if name in self.properties:
                    yield self.properties[name], part, name
                elif self.values is not None:
                    yield self.values, part, Key(name)
        elif isinstance(value, list) and self.items is not None:
            for index, part in enumerate(value):
                yield self.items, part, index


def compiled(schema: Schema, *, is_root: bool = False) -> Node:
    """Compile a schema to a Node.

    Args:
        schema: A structural schema or a part of one.
        is_root: Whether it describes a whole object, whose rules see apiVersion, kind and metadata.
    """
    properties = {name: compiled(child) for name, child in schema.get("properties", {}).items()}
    additional = schema.get("additionalProperties")
    values = compiled(additional) if isinstance(additional, dict) else None
    items = compiled(schema["items"]) if "items" in schema else None
    junctors = {name: tuple(map(compiled, schema.get(name, ()))) for name in _JUNCTORS}
    embedded = schema.get("x-kubernetes-embedded-resource", False)
    has_own = "x-kubernetes-validations" in schema
    below = (*properties.values(), values, items)
    types = _types(schema)
    return Node(
        schema=schema,
        types=types,
        nullable=schema.get("nullable", False),
        format=_checked_format(schema, types),
        pattern=re2.compile(schema["pattern"]) if schema.get("pattern") else None,
        enum=schema.get("enum", ()),
        properties=properties,
        required=schema.get("required", ()),
        values=values,
        has_additional=additional is not None,
        items=items,
        all_of=junctors["allOf"],
        any_of=junctors["anyOf"],
        one_of=junctors["oneOf"],
        negated=compiled(schema["not"]) if "not" in schema else None,
        list_type=schema.get("x-kubernetes-list-type", ""),
        list_keys=schema.get("x-kubernetes-list-map-keys", ()),
        keeps_unknown=schema.get("x-kubernetes-preserve-unknown-fields", False),
        embedded=embedded,
        default=_default(schema),
        rules=cel.Rules(schema, is_resource_root=is_root or embedded) if has_own else None,
        has_rules=has_own or any(child is not None and child.has_rules for child in below),
    )


_JUNCTORS = ("allOf", "anyOf", "oneOf")


def _types(schema: Schema) -> tuple[str, ...]:
    if schema.get("x-kubernetes-int-or-string"):
        return ("integer", "string")
    return (schema["type"],) if "type" in schema else ()


def _checked_format(schema: Schema, types: tuple[str, ...]) -> str:
    name: str = schema.get("format", "")
    only = types[0] if len(types) == 1 else ""
    if only in {"", "string"}:
        return name if formats.is_known(name) else ""
    return name if name in _NUMBER_FORMATS.get(only, ()) else ""


def _default(schema: Schema) -> JSON | Absent:
    """Return the default; null means none (defaulting/algorithm.go treats nil as absent)."""
    default = schema.get("default")
    return ABSENT if default is None else default
