"""managedFields of a version that is to be dropped, renamed to one that stays. Pure.

Once a version is gone, the API server cannot convert an object to it, and refuses every apply of an
object whose managedFields name it (kubernetes/kubernetes#111937). To delete such an entry would
take its fields from their manager, which could then no longer remove them. So the entry gets the
new version, with those fields that the object has there under the same path.
"""

import json
from collections.abc import Collection, Mapping
from typing import Any

from schemagen import canonical
from schemagen.problems import JSON


def versions(value: JSON, group: str) -> set[str]:
    """Return the versions of a group that an object's managedFields name."""
    entries = value["metadata"].get("managedFields") or ()
    named = (str(entry.get("apiVersion", "")).rpartition("/") for entry in entries)
    return {version for owner, _, version in named if owner == group}


def renamed(value: JSON, dropped: Collection[str], target: str) -> list[JSON]:
    """Return the managedFields of an object without some versions.

    Args:
        value: The object, in the target version.
        dropped: ``GROUP/VERSION`` of each version to be dropped.
        target: ``GROUP/VERSION`` of the version that their entries get.
    """
    entries: dict[tuple[str, ...], JSON] = {}
    for entry in value["metadata"].get("managedFields") or ():
        kept = entry
        if entry.get("apiVersion") in dropped:
            fields = _present(entry.get("fieldsV1") or {}, value)
            if not fields:
                continue
            kept = {**entry, "apiVersion": target, "fieldsV1": fields}
        key = tuple(
            str(kept.get(name, ""))
            for name in ("manager", "operation", "apiVersion", "subresource")
        )
        entries[key] = _joined(entries[key], kept) if key in entries else kept
    return [*entries.values()]


def _joined(one: JSON, other: JSON) -> JSON:
    """Return an entry of a manager that has the fields of two."""
    times = [entry["time"] for entry in (one, other) if entry.get("time")]
    fields = _union(one.get("fieldsV1") or {}, other.get("fieldsV1") or {})
    return {**one, "fieldsV1": fields} | ({"time": max(times)} if times else {})


def _union(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    both = {name: _union(one[name], other[name]) for name in one.keys() & other.keys()}
    return {**one, **other, **both}


def _present(fields: Mapping[str, Any], value: JSON) -> dict[str, Any]:
    """Return the part of a field set (FieldsV1) whose paths a value has."""
    kept = {}
    for key, below in fields.items():
        if key == ".":
            kept[key] = below
            continue
        is_there, member = _member(value, key)
        if not is_there:
            continue
        inner = _present(below, member)
        if inner or not below:
            kept[key] = inner
    return kept


def _member(value: JSON, key: str) -> tuple[bool, JSON]:
    """Return whether a value has the member that a key of FieldsV1 names, and the member.

    ``f:NAME`` is a field, ``k:KEYS`` an item of a keyed list, ``v:VALUE`` one of a set, ``i:INDEX``
    one of a list (sigs.k8s.io/structured-merge-diff v6 fieldpath/serialize-pe.go).
    """
    kind, _, text = key.partition(":")
    if kind == "f":
        is_there = isinstance(value, dict) and text in value
        return is_there, value[text] if is_there else None
    if not isinstance(value, list):
        return False, None
    wanted = json.loads(text)
    match kind:
        case "k":
            items = [item for item in value if isinstance(item, dict) and _has(item, wanted)]
        case "v":
            items = [item for item in value if canonical.identical(item, wanted)]
        case _:
            items = value[wanted : wanted + 1]
    return bool(items), items[0] if items else None


def _has(item: Mapping[str, Any], keys: Mapping[str, Any]) -> bool:
    return all(name in item and canonical.identical(item[name], keys[name]) for name in keys)


def replacement(value: JSON, entries: list[JSON]) -> list[JSON]:
    """Return the JSON patch that gives an object other managedFields, if it is unchanged."""
    metadata = value["metadata"]
    return [
        {"op": "test", "path": "/metadata/uid", "value": metadata["uid"]},
        {
            "op": "replace",
            "path": "/metadata/resourceVersion",
            "value": metadata["resourceVersion"],
        },
        {"op": "replace", "path": "/metadata/managedFields", "value": entries or [{}]},
    ]
