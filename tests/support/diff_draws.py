"""Pairs of CRDs of which the second is the first with a few changes, and objects of both. Pure."""

import copy
import random
from typing import Any

from schemagen.problems import JSON
from tests.support import judge_draws, judge_schemas

_MORE: JSON = {
    "maxLength": [0, 1, 2, 3, 64],
    "minLength": [0, 1, 2],
    "maxItems": [1, 2, 5],
    "minItems": [0, 1],
    "maxProperties": [1, 2, 3],
    "minProperties": [0, 1],
    "minimum": [-1, 0, 1, 7],
    "maximum": [0, 1, 7],
    "exclusiveMinimum": [True, False],
    "exclusiveMaximum": [True, False],
    "multipleOf": [1, 2, 3],
    "enum": [["a"], ["a", "b"], [1, 2], [""]],
    "pattern": ["^[a-z]+$", "^a{1,3}$", "[0-9]"],
    "format": ["date", "date-time", "duration", "byte", "int32", "int64", "zzz"],
    "nullable": [True, False],
    "required": [["a"], ["b"], []],
    "type": ["string", "integer", "number", "boolean"],
    "x-kubernetes-preserve-unknown-fields": [True],
    "x-kubernetes-list-type": ["set", "atomic"],
    "x-kubernetes-map-type": ["atomic", "granular"],
}


def pair(rng: random.Random, number: int) -> tuple[JSON, JSON]:
    """A CRD, and one made of it by a few changes."""
    old = judge_draws.definition(rng, number)
    for version in old["spec"]["versions"]:
        version.get("subresources", {}).pop("scale", None)
    new = copy.deepcopy(old)
    for _ in range(rng.choice([0, 1, 1, 1, 2])):
        version = rng.choice(new["spec"]["versions"])
        root = version["schema"]["openAPIV3Schema"]
        nodes = [node for node in _nodes(root) if node is not root]
        _change(rng, rng.choice(nodes))
    return old, new


def _nodes(schema: JSON) -> list[JSON]:
    found = [schema]
    for child in schema.get("properties", {}).values():
        found += _nodes(child)
    for keyword in ("items", "additionalProperties"):
        if isinstance(schema.get(keyword), dict):
            found += _nodes(schema[keyword])
    return found


def _change(rng: random.Random, node: JSON) -> None:
    """Change one keyword, or one field."""
    match rng.randrange(6):
        case 0 if "properties" in node:
            names = sorted(node["properties"])
            del node["properties"][rng.choice(names)]
            if not node["properties"]:
                del node["properties"]
        case 1 if "properties" in node:
            node["properties"][rng.choice(judge_schemas.FIELDS)] = judge_schemas.schema(rng, 1)
        case 2:
            keyword = rng.choice(sorted(node.keys() - {"type", "properties", "items"} or {"title"}))
            node.pop(keyword, None)
        case 3:
            node["default"] = judge_schemas.value_of(rng, node)
        case _:
            keyword = rng.choice(sorted(_MORE.keys() & _fitting(node)))
            node[keyword] = copy.deepcopy(rng.choice(_MORE[keyword]))


_FITTING: dict[Any, set[str]] = {
    "string": {"maxLength", "minLength", "enum", "pattern", "format", "type"},
    "integer": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "type"},
    "number": {"minimum", "maximum", "multipleOf", "type"},
    "boolean": {"type"},
    "array": {"maxItems", "minItems", "x-kubernetes-list-type"},
    "object": {"maxProperties", "minProperties", "required", "x-kubernetes-map-type"},
}


def _fitting(node: JSON) -> set[str]:
    return _FITTING.get(node.get("type"), {"nullable"}) | {
        "nullable",
        *({"x-kubernetes-preserve-unknown-fields"} if node.get("type") == "object" else ()),
    }


def object_of(rng: random.Random, crd: JSON, version: str, schema: JSON) -> JSON:
    """An object of a version, in the shape of a schema."""
    found = {
        "apiVersion": f"{crd['spec']['group']}/{version}",
        "kind": crd["spec"]["names"]["kind"],
        "metadata": {"name": "a"},
        **judge_schemas.value_of(rng, schema),
    }
    return {key: child for key, child in found.items() if key in _WHOLE}


_WHOLE = {"apiVersion", "kind", "metadata", "spec", "status"}
