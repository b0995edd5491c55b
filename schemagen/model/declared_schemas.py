"""Schemas of CRDs without models: the structural schema of a version, as models yield it. Pure.

What the two ways to write one thing have in common is kept: a map of any values has a schema that
allows any value, flags that are off are left out, and the root has its envelope.
"""

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from schemagen.model import base
from schemagen.problems import JSON

Schema: TypeAlias = dict[str, Any]

_ENVELOPE: Final[Mapping[str, Schema]] = {
    "apiVersion": {"type": "string"},
    "kind": {"type": "string"},
    "metadata": {"type": "object"},
}
_ANYTHING: Final[Schema] = {"x-kubernetes-preserve-unknown-fields": True}
_FLAGS: Final = (
    "nullable",
    "uniqueItems",
    "x-kubernetes-embedded-resource",
    "x-kubernetes-int-or-string",
    "x-kubernetes-preserve-unknown-fields",
)
_TEXTS: Final = ("description", "title", "example", "externalDocs")


def resource(name: str, schema: Mapping[str, JSON]) -> type[base.Resource]:
    """Return the class that stands for a version without a model.

    Args:
        name: Of the kind.
        schema: ``openAPIV3Schema`` of the version.
    """
    root = {**_normalized(dict(schema)), "type": "object"}
    root["properties"] = {**_ENVELOPE, **root.get("properties", {})}
    return type(name, (base.Resource,), {"__module__": __name__, "declared_schema": root})


def of(schema: Mapping[str, JSON], *, descriptions: bool) -> Schema:
    """Return a copy of a declared schema, with its descriptions or without."""
    return _normalized(dict(schema), without=() if descriptions else _TEXTS)


def _normalized(schema: Schema, *, without: tuple[str, ...] = ()) -> Schema:
    """Return a node with everything below it."""
    found: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword in without or (keyword in _FLAGS and not value):
            continue
        found[keyword] = value
    if "properties" in found:
        found["properties"] = {
            name: _normalized(child, without=without)
            for name, child in (found["properties"] or {}).items()
        }
    if isinstance(found.get("items"), dict):
        found["items"] = _normalized(found["items"], without=without)
    additional = found.pop("additionalProperties", None)
    if isinstance(additional, dict):
        found["additionalProperties"] = _normalized(additional, without=without)
    elif additional is True:
        found["additionalProperties"] = dict(_ANYTHING)
    return found
