"""What the API server does to a converted object before anybody sees it: unknown fields go."""

from typing import Any

from schemagen import Api
from schemagen.schema import structural
from schemagen.schema.structural import Schema

_SCHEMAS: dict[type, Schema] = {}


def pruned(api: Api, value: dict[str, Any]) -> dict[str, Any]:
    """The object without the fields that its version's schema does not declare."""
    found = api.find(value["apiVersion"], value["kind"])
    assert found is not None
    model = found[1].model
    if model not in _SCHEMAS:
        _SCHEMAS[model] = structural.schema_of(model, descriptions=False)
    result = _prune(_SCHEMAS[model], {k: v for k, v in value.items() if k != "metadata"})
    return {**result, "metadata": value["metadata"]} if "metadata" in value else result


def _prune(schema: Schema, value: Any) -> Any:
    if isinstance(value, list):
        return [_prune(schema["items"], item) for item in value] if "items" in schema else value
    if not isinstance(value, dict) or schema.get("x-kubernetes-int-or-string"):
        return value
    properties, rest = schema.get("properties", {}), schema.get("additionalProperties")
    is_open = schema.get("x-kubernetes-preserve-unknown-fields")
    kept = {}
    for name, item in value.items():
        if name in properties:
            kept[name] = _prune(properties[name], item)
        elif rest is not None:
            kept[name] = _prune(rest, item)
        elif is_open:
            kept[name] = item
    return kept
