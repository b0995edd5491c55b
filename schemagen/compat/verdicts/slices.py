"""Cut two CRDs down to what differs, so that the judge answers about them quickly. Pure.

An optional field without a default that is the same before and now changes no answer about objects
that lack it, unless a rule or a union around it speaks of it.
"""

from typing import Final

from schemagen.compat.changes import schema_changes, version_changes
from schemagen.problems import JSON
from schemagen.schema.keywords import Schema

_BINDING: Final = (
    *("minProperties", "maxProperties", "enum", "default", "allOf", "anyOf", "oneOf", "not"),
    *("x-kubernetes-validations", "x-kubernetes-embedded-resource"),
)
_PRESERVE: Final = "x-kubernetes-preserve-unknown-fields"
_SCALARS: Final = frozenset({"string", "integer", "number", "boolean"})
_KEPT_SCALARS: Final = 8


def schemas(old: Schema, new: Schema) -> tuple[Schema, Schema]:
    """Return two schemas without documentation and without what is the same in both."""
    return _cut(schema_changes.stripped(old), schema_changes.stripped(new))


def _cut(old: Schema, new: Schema) -> tuple[Schema, Schema]:
    if any(node.get(keyword) for node in (old, new) for keyword in _BINDING):
        return old, new
    # Where only one of them keeps unknown fields, a field that is left out would be such a field.
    if bool(old.get(_PRESERVE)) != bool(new.get(_PRESERVE)):
        return old, new
    old, new = dict(old), dict(new)
    for keyword in ("items", "additionalProperties"):
        if isinstance(old.get(keyword), dict) and isinstance(new.get(keyword), dict):
            old[keyword], new[keyword] = _cut(old[keyword], new[keyword])
    before, after = old.get("properties"), new.get("properties")
    if not isinstance(before, dict) or not isinstance(after, dict):
        return old, new
    needed = {
        *(old.get("required") or ()),
        *(new.get("required") or ()),
        *(old.get("x-kubernetes-list-map-keys") or ()),
    }
    old["properties"], new["properties"] = _cut_properties(before, after, needed)
    return old, new


def _cut_properties(before: Schema, after: Schema, needed: set[str]) -> tuple[Schema, Schema]:
    before, after = dict(before), dict(after)
    scalars = 0
    for name in [name for name in before if name in after]:
        one, other = before[name], after[name]
        if one != other:
            before[name], after[name] = _cut(one, other)
        elif name not in needed and one.get("default") is None:
            scalars += one.get("type") in _SCALARS
            if one.get("type") not in _SCALARS or scalars > _KEPT_SCALARS:
                del before[name], after[name]
    return before, after


def definition(crd: JSON, version: JSON, schema: Schema, *, storage: JSON | None = None) -> JSON:
    """Return a CRD with one version to judge objects with.

    Args:
        crd: The CRD.
        version: The version, which is served.
        schema: What is taken of its schema.
        storage: The version through which its objects are stored, if that is another one.
    """
    only: dict[str, JSON] = {
        "name": version["name"],
        "served": True,
        "storage": storage is None,
        "schema": {"openAPIV3Schema": schema},
    }
    if "status" in (version.get("subresources") or {}):
        only["subresources"] = {"status": {}}
    spec = crd["spec"]
    annotations = crd["metadata"].get("annotations") or {}
    approved = {
        key: value for key, value in annotations.items() if key == "api-approved.kubernetes.io"
    }
    metadata: dict[str, JSON] = {"name": crd["metadata"]["name"]}
    if approved:
        metadata["annotations"] = approved
    return {
        "apiVersion": crd["apiVersion"],
        "kind": crd["kind"],
        "metadata": metadata,
        "spec": {
            "group": spec.get("group"),
            "names": {**(spec.get("names") or {})},
            "scope": spec.get("scope"),
            "versions": [only, *([_plain(storage)] if storage else [])],
        },
    }


def _plain(version: JSON) -> JSON:
    """Return a version without what does not concern its objects."""
    schema = schema_changes.stripped(version_changes.schema_of(version))
    kept = {key: version[key] for key in ("name", "served", "storage") if key in version}
    return {**kept, "schema": {"openAPIV3Schema": schema}}


def whole(old: JSON, new: JSON) -> tuple[JSON, JSON]:
    """Return two CRDs with the schemas of versions that are in both cut to what differs."""
    before, after = version_changes.by_name(old), version_changes.by_name(new)
    one: dict[str, JSON] = {}
    other: dict[str, JSON] = {}
    for name in before.keys() & after.keys():
        pair = (version_changes.schema_of(before[name]), version_changes.schema_of(after[name]))
        one[name], other[name] = schemas(*pair)
    return _with(old, one), _with(new, other)


def _with(crd: JSON, cut: dict[str, JSON]) -> JSON:
    versions = [
        {**version, "schema": {"openAPIV3Schema": cut[version["name"]]}}
        if cut.get(version["name"])
        else version
        for version in crd["spec"]["versions"]
    ]
    return {**crd, "spec": {**crd["spec"], "versions": versions}}
