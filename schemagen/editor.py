"""Structural schema -> JSON Schema (draft 2020-12) for editors that complete and check YAML.

Stricter than the API server in one way, and meant to be: a field that the schema does not name is
an error, because in an editor it is a typing mistake. CEL rules have no place in a JSON Schema.
"""

from typing import Any

from schemagen import structural
from schemagen.keywords import Schema
from schemagen.model import registry

DIALECT = "https://json-schema.org/draft/2020-12/schema"

# Keywords whose meaning is the same in OpenAPI 3.0 and in JSON Schema.
_SAME = (
    *("description", "title", "type", "format", "enum", "default", "required", "pattern"),
    *("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"),
    *("multipleOf",),
)
_JUNCTORS = ("allOf", "anyOf", "oneOf")


def schema_of(api: registry.Api, kind: registry.Kind, version: registry.Version) -> dict[str, Any]:
    """The JSON Schema of a whole object of a version.

    Raises:
        keywords.SchemaError: if the model cannot be expressed.
    """
    schema = _converted(structural.schema_of(version.model))
    schema["properties"] |= {
        "apiVersion": {"const": api.api_version(version)},
        "kind": {"const": kind.name},
        "metadata": {"type": "object"},
    }
    schema["required"] = ["apiVersion", "kind", "metadata", *schema.get("required", ())]
    return {"$schema": DIALECT, "title": f"{kind.name} {version.name}", **schema}


def _converted(node: Schema) -> dict[str, Any]:
    schema = {keyword: node[keyword] for keyword in _SAME if keyword in node}
    schema |= _bounds(node) | _children(node)
    for junctor in _JUNCTORS:
        if junctor in node:
            schema[junctor] = [_branch(branch) for branch in node[junctor]]
    if "example" in node:
        schema["examples"] = [node["example"]]
    if node.get("x-kubernetes-list-type") == "set":
        schema["uniqueItems"] = True
    if node.get("nullable"):
        schema["type"] = [schema["type"], "null"]
    return schema


def _children(node: Schema) -> dict[str, Any]:
    """The keywords for what is inside a list or an object."""
    schema: dict[str, Any] = {}
    if "items" in node:
        schema["items"] = _converted(node["items"])
    if "properties" in node:
        schema["properties"] = {
            name: _converted(child) for name, child in node["properties"].items()
        }
        schema["additionalProperties"] = "x-kubernetes-preserve-unknown-fields" in node
    if isinstance(node.get("additionalProperties"), dict):
        schema["additionalProperties"] = _converted(node["additionalProperties"])
    return schema


def _branch(node: Schema) -> dict[str, Any]:
    """A branch of a junctor: it bounds what the node declares, so it closes nothing itself."""
    branch = {**node}
    if "properties" in branch:
        branch["properties"] = {
            name: _branch(child) for name, child in branch["properties"].items()
        }
    return branch


def _bounds(node: Schema) -> dict[str, Any]:
    """Numeric bounds: OpenAPI 3.0 has a boolean beside them, JSON Schema another keyword."""
    bounds = {}
    for name in ("minimum", "maximum"):
        if name in node:
            is_open = node.get(f"exclusive{name.capitalize()}", False)
            bounds[f"exclusive{name.capitalize()}" if is_open else name] = node[name]
    return bounds
