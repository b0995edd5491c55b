"""CRD -> its normal form: what remains of it in an API server. Pure.

Two CRDs with one normal form are the same to the API server. Everything that Go drops when it
stores a CRD is left out (``omitempty`` of apiextensions/v1), and what the API server fills in
(SetDefaults_CustomResourceDefinitionSpec), or says itself of every object, is filled in.
"""

from collections.abc import Mapping
from typing import Any, Final

from schemagen.problems import JSON

# Set by the API server and by kubectl, never by an author.
_SERVER_METADATA: Final = frozenset(
    {"creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"}
)
_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
_ENVELOPE: Final = {"apiVersion": "string", "kind": "string", "metadata": "object"}
# Fields of JSONSchemaProps that are omitted if they are empty; the others are pointers.
_EMPTY: Final[Mapping[str, tuple[JSON, ...]]] = {
    **dict.fromkeys(("id", "$schema", "description", "type", "format", "title", "pattern"), ("",)),
    **dict.fromkeys(("exclusiveMaximum", "exclusiveMinimum", "uniqueItems", "nullable"), (False,)),
    **dict.fromkeys(("x-kubernetes-embedded-resource", "x-kubernetes-int-or-string"), (False,)),
    **dict.fromkeys(("enum", "required", "allOf", "oneOf", "anyOf"), ([],)),
    **dict.fromkeys(("x-kubernetes-list-map-keys", "x-kubernetes-validations"), ([],)),
    **dict.fromkeys(("properties", "patternProperties", "dependencies", "definitions"), ({},)),
}
_NODES: Final = ("items", "additionalProperties", "not")
_JUNCTORS: Final = ("allOf", "anyOf", "oneOf")


def normal(crd: Mapping[str, Any]) -> dict[str, Any]:
    """Return the normal form of a CRD; it shares nothing that is changed with it."""
    spec = {**crd["spec"]}
    names = {**spec["names"]}
    kind = names["kind"]
    names = {"singular": kind.lower(), "listKind": f"{kind}List"} | _without_empty(names)
    spec |= {"names": names, "versions": [*map(_version, spec["versions"])]}
    # Their order has no meaning: discovery sorts them by name.
    spec["versions"].sort(key=lambda version: str(version["name"]))
    spec["conversion"] = _conversion(spec.get("conversion"))
    if not spec.get("preserveUnknownFields"):
        spec.pop("preserveUnknownFields", None)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": _metadata(crd["metadata"]),
        "spec": spec,
    }


def _metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in metadata.items() if key not in _SERVER_METADATA}
    annotations = {
        key: value for key, value in (kept.get("annotations") or {}).items() if key != _LAST_APPLIED
    }
    return _without_empty({**kept, "annotations": annotations})


def _conversion(stanza: Mapping[str, Any] | None) -> dict[str, Any]:
    stanza = {**(stanza or {"strategy": "None"})}
    webhook = stanza.get("webhook")
    if not webhook:
        return _without_empty(stanza)
    client = {**(webhook.get("clientConfig") or {})}
    if client.get("service"):
        client["service"] = {"port": 443, **client["service"]}
    return stanza | {"webhook": _without_empty({**webhook, "clientConfig": client})}


def _version(version: Mapping[str, Any]) -> dict[str, Any]:
    kept = {**version}
    schema = kept.get("schema") or {}
    if "openAPIV3Schema" in schema:
        kept["schema"] = {"openAPIV3Schema": _root(schema["openAPIV3Schema"])}
    if not kept.get("deprecated"):
        kept.pop("deprecated", None)
    columns = kept.get("additionalPrinterColumns") or []
    kept["additionalPrinterColumns"] = [
        _without_empty({key: value for key, value in column.items() if value != 0})
        for column in columns
    ]
    return {"served": False, "storage": False} | _without_empty(kept, but=("served", "storage"))


def _root(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a root's schema, with the fields that every object has and must have."""
    stated = {name: {"type": kind} for name, kind in _ENVELOPE.items()}
    properties = stated | dict(schema.get("properties") or {})
    required = [name for name in schema.get("required") or () if name not in _ENVELOPE]
    return node({**schema, "properties": properties, "required": required})


def node(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the normal form of a schema."""
    kept: dict[str, Any] = {}
    for keyword, value in schema.items():
        if (value is None and keyword != "default") or _is_empty(keyword, value):
            continue
        match keyword, value:
            case "properties", dict():
                kept[keyword] = {name: node(child) for name, child in value.items()}
            case _, dict() if keyword in _NODES:
                kept[keyword] = node(value)
            case _, list() if keyword in _JUNCTORS:
                kept[keyword] = [node(child) for child in value]
            case "required", list():
                kept[keyword] = sorted(value, key=str)
            case "x-kubernetes-validations", list():
                kept[keyword] = [_without_empty(rule, but=("optionalOldSelf",)) for rule in value]
            case _:
                kept[keyword] = value
    return kept


def _is_empty(keyword: str, value: JSON) -> bool:
    return any(value is empty or value == empty for empty in _EMPTY.get(keyword, ())) and (
        type(value) in {str, bool, list, dict}
    )


def _without_empty(value: Mapping[str, Any], but: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        key: item
        for key, item in value.items()
        if key in but or not (item is None or item in ("", [], {}) or item is False)
    }
