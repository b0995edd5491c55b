"""Structural schema -> JSON Schema (draft 2020-12) for completion and checks in YAML editors.

Deliberately stricter than the API server in two ways: unknown fields are errors, and so are nulls
for fields that are not nullable, as both are typing mistakes in an editor. CEL rules, list-map keys
and patterns that JavaScript cannot parse are dropped.
"""

import re
from typing import Any

from schemagen.model import registry
from schemagen.schema import structural
from schemagen.schema.keywords import Schema

DIALECT = "https://json-schema.org/draft/2020-12/schema"

# Keywords with the same meaning in OpenAPI 3.0 and JSON Schema.
_SAME = (
    *("description", "title", "type", "format", "enum", "default", "required", "pattern"),
    *("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"),
    *("multipleOf",),
)
_JUNCTORS = ("allOf", "anyOf", "oneOf")


def schema_of(api: registry.Api, kind: registry.Kind, version: registry.Version) -> dict[str, Any]:
    """Return the JSON Schema of a version's object.

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
    schema |= _bounds(_of_format(node)) | _children(node)
    if _ONLY_RE2.search(schema.get("pattern", "")):
        del schema["pattern"]
    for junctor in _JUNCTORS:
        if junctor in node:
            schema[junctor] = [_branch(branch) for branch in node[junctor]]
    if "not" in node:
        schema["not"] = _branch(node["not"])
    if "example" in node:
        schema["examples"] = [node["example"]]
    if node.get("x-kubernetes-list-type") == "set":
        schema["uniqueItems"] = True
    return _nullable(schema) if node.get("nullable") else schema


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema with null allowed: the API server checks no other keyword of a null."""
    if schema.keys() <= set(_ABOUT):
        return schema
    if "type" in schema and not schema.keys() & {"enum", "not", *_JUNCTORS}:
        return {**schema, "type": [schema["type"], "null"]}
    about = {keyword: schema.pop(keyword) for keyword in _ABOUT if keyword in schema}
    return {**about, "anyOf": [{"type": "null"}, schema]}


# RE2 syntax that JavaScript, in which editors evaluate patterns, lacks.
_ONLY_RE2 = re.compile(r"\(\?(?![:=!])|\[:\^?[a-z]+:\]|\\[AzQCpP]|\\x\{")

_RANGES = {"int32": 2**31, "int64": 2**63}


def _of_format(node: Schema) -> Schema:
    """Return the node with its format's bounds: editors know no numeric formats."""
    limit = _RANGES.get(node.get("format", ""))
    if limit is None or node.get("type") != "integer":
        return node
    return {"minimum": -limit, "maximum": limit - 1, **node}


# Annotations, which do not constrain a value.
_ABOUT = ("description", "title", "default", "examples")


def _children(node: Schema) -> dict[str, Any]:
    """Return the keywords for the contents of a list or an object."""
    schema: dict[str, Any] = {}
    if "items" in node:
        schema["items"] = _converted(node["items"])
    properties = {**node.get("properties", {})}
    if node.get("x-kubernetes-embedded-resource"):
        properties |= _EMBEDDED | properties
        schema["required"] = list(dict.fromkeys(("apiVersion", "kind", *node.get("required", ()))))
    if properties:
        schema["properties"] = {name: _converted(child) for name, child in properties.items()}
    if isinstance(node.get("additionalProperties"), dict):
        schema["additionalProperties"] = _converted(node["additionalProperties"])
    elif node.get("type") == "object":
        schema["additionalProperties"] = "x-kubernetes-preserve-unknown-fields" in node
    return schema


# Implied schema of an embedded resource (apiextensions-apiserver, schema/objectmeta,
# schema/validation.go).
_EMBEDDED: Schema = {
    "apiVersion": {"type": "string", "minLength": 1},
    "kind": {"type": "string", "minLength": 1},
    "metadata": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
}


def _branch(node: Schema) -> dict[str, Any]:
    """Return a branch of a junctor: it constrains declared fields but forbids no others."""
    branch = {name: value for name, value in node.items() if not name.startswith("exclusive")}
    branch |= _bounds(node)
    if "properties" in branch:
        branch["properties"] = {
            name: _branch(child) for name, child in branch["properties"].items()
        }
    for keyword in ("items", "additionalProperties", "not"):
        if isinstance(branch.get(keyword), dict):
            branch[keyword] = _branch(branch[keyword])
    for junctor in _JUNCTORS:
        if junctor in branch:
            branch[junctor] = [_branch(inner) for inner in branch[junctor]]
    return branch


def _bounds(node: Schema) -> dict[str, Any]:
    """Convert exclusive bounds: a boolean in OpenAPI 3.0, a keyword of its own in JSON Schema."""
    bounds = {}
    for name in ("minimum", "maximum"):
        if name in node:
            is_open = node.get(f"exclusive{name.capitalize()}", False)
            bounds[f"exclusive{name.capitalize()}" if is_open else name] = node[name]
    return bounds
