"""managedFields of a version that is to be dropped, carried over to one that stays. Pure.

Once a version is gone, the API server cannot convert an object to it, and refuses every apply of an
object whose managedFields name it (kubernetes/kubernetes#111937). To delete such an entry would
take its fields from their manager, which could then no longer remove them. So the entry gets the
new version, with its fields where they stand there.
"""

import dataclasses
from collections.abc import Collection, Mapping

from schemagen.migrate.storage import field_sets
from schemagen.migrate.storage.field_sets import Path
from schemagen.migrate.storage.renames import Renames
from schemagen.problems import JSON


@dataclasses.dataclass(frozen=True)
class Carried:
    """managedFields without the versions to be dropped.

    Attributes:
        entries: The managedFields.
        unclear: Fields whose place in the new version is not known, so that their owner loses
            them: ``spec.size of gitops``.
    """

    entries: list[JSON]
    unclear: list[str]


def versions(value: JSON, group: str) -> set[str]:
    """Return the versions of a group that an object's managedFields name."""
    entries = value["metadata"].get("managedFields") or ()
    named = (str(entry.get("apiVersion", "")).rpartition("/") for entry in entries)
    return {version for owner, _, version in named if owner == group}


def moved(value: JSON, dropped: Collection[str]) -> set[str]:
    """Return which of some versions have owned fields that an object lacks under their path.

    Args:
        value: The object, in the version that stays.
        dropped: ``GROUP/VERSION`` of each version to be dropped.
    """
    return {
        entry["apiVersion"]
        for entry in _entries(value, dropped)
        if not all(field_sets.has(value, path) for path in _paths(entry))
    }


def carried(
    value: JSON, dropped: Collection[str], target: str, renames: Mapping[str, Renames]
) -> Carried:
    """Return the managedFields of an object without some versions.

    Args:
        value: The object, in the target version.
        dropped: ``GROUP/VERSION`` of each version to be dropped.
        target: ``GROUP/VERSION`` of the version that their entries get.
        renames: What differs between a version to be dropped and the target, where known.
    """
    entries: dict[tuple[str, ...], JSON] = {}
    unclear: list[str] = []
    for entry in value["metadata"].get("managedFields") or ():
        kept = entry
        if entry.get("apiVersion") in dropped:
            same = {path for path in _paths(entry) if field_sets.has(value, path)}
            places, unknown = _places(value, entry, renames.get(entry["apiVersion"]))
            unclear += [f"{_shown(path)} of {entry.get('manager')}" for path in sorted(unknown)]
            if not same | places:
                continue
            fields = field_sets.fields_v1(same | places)
            kept = {**entry, "apiVersion": target, "fieldsV1": fields}
        key = tuple(
            str(kept.get(name, ""))
            for name in ("manager", "operation", "apiVersion", "subresource")
        )
        entries[key] = _joined(entries[key], kept) if key in entries else kept
    return Carried([*entries.values()], unclear)


def _places(value: JSON, entry: JSON, known: Renames | None) -> tuple[set[Path], set[Path]]:
    """Return where an entry's moved fields are, and those of which that is not known."""
    missing = {path for path in _paths(entry) if not field_sets.has(value, path)}
    if known is None:
        return set(), missing
    places = {place for path in missing for place in known.of(path)}
    left = missing & known.left
    tops = {path[0] for path in left}
    rivals, added = [], {path for path in known.added if path[0] in tops}
    for other in value["metadata"]["managedFields"]:
        if other.get("apiVersion") == entry["apiVersion"]:
            rivals.append(_paths(other))
        else:
            added -= _paths(other)
    if not left or not added:
        return places, set()
    # If no other manager has had any field without a place, the new ones come from this one's.
    if all(known.left & theirs <= left for theirs in rivals):
        return places | added, set()
    return places, left


def _entries(value: JSON, named: Collection[str]) -> list[JSON]:
    entries = value["metadata"].get("managedFields") or ()
    return [entry for entry in entries if entry.get("apiVersion") in named]


def _paths(entry: JSON) -> set[Path]:
    return {*field_sets.paths(entry.get("fieldsV1") or {})}


def _shown(path: Path) -> str:
    return ".".join(key.removeprefix("f:") for key in path)


def _joined(one: JSON, other: JSON) -> JSON:
    """Return an entry of a manager that has the fields of two."""
    times = [entry["time"] for entry in (one, other) if entry.get("time")]
    fields = field_sets.fields_v1(_paths(one) | _paths(other))
    return {**one, "fieldsV1": fields} | ({"time": max(times)} if times else {})


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
