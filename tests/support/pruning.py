"""What the API server does to a converted object before anybody sees it: unknown fields go."""

from typing import Any

from schemagen import Api, structural
from schemagen.structural import Schema

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


PHASES = {"Pending", "Running", "Succeeded", "Failed", "Cancelled", "Template", "Unknown"}
TYPED_KEYS = {
    *("name", "namespace", "uid", "workflowId", "runId", "taskQueue", "runName", "stepName"),
    *("type", "jobObservedAt", "signal", "provider", "adapter", "error", "status", "exitCode"),
    *("startedAt", "finishedAt"),
}


def with_ruled_status(value: dict[str, Any]) -> dict[str, Any]:
    """The object with a status that keeps the rules beyond its schema's shape.

    One condition of a type; phaseDetail only for phase Unknown; no key in ``extra`` that a field
    beside it would hold. A status that breaks them is normalised by conversion.
    """
    status = dict(value.get("status", {}))
    if "conditions" in status:
        conditions = {item["type"]: item for item in reversed(status["conditions"])}
        status["conditions"] = list(conditions.values())[::-1]
    if status.get("phase") != "Unknown" or status.get("phaseDetail") in PHASES:
        status.pop("phaseDetail", None)
    for name in ("runtimeRef", "runner"):
        typed = status.get(name)
        if isinstance(typed, dict) and isinstance(typed.get("extra"), dict):
            extra = {key: item for key, item in typed["extra"].items() if key not in TYPED_KEYS}
            rest = {key: item for key, item in typed.items() if key != "extra"}
            is_newer = value["apiVersion"].endswith("v1beta1")
            status[name] = {**rest, "extra": extra} if extra else (rest if is_newer else typed)
    return {**value, "status": status} if "status" in value else value
