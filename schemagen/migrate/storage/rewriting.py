"""The write that makes the API server store an object anew, and what it must not change. Pure."""

from collections.abc import Iterator
from typing import Final

from schemagen import canonical
from schemagen.compat import clusters
from schemagen.problems import JSON

FIELD_MANAGER: Final = "schemagen-migrate"
_APPLY: Final = "application/apply-patch+yaml"
_MERGE: Final = "application/merge-patch+json"


def rewrite(value: JSON, path: str, *, is_dry_run: bool = False) -> clusters.Write:
    """Return a write that changes nothing, if the object is still the one that was read.

    It applies no field: when a conversion that managedFields need fails, a server-side apply is
    refused, while before Kubernetes 1.37 any other write drops all managedFields. An object without
    managedFields has none to lose, and an apply would give it some.
    """
    metadata = value["metadata"]
    identity = {name: metadata[name] for name in ("uid", "resourceVersion")}
    options = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Ignore"}
    if is_dry_run:
        options["dryRun"] = "All"
    query = tuple(options.items())
    if not metadata.get("managedFields"):
        return clusters.Write("PATCH", path, {"metadata": identity}, _MERGE, query)
    body = {
        "apiVersion": value["apiVersion"],
        "kind": value["kind"],
        "metadata": {"name": metadata["name"], **identity},
    }
    return clusters.Write("PATCH", path, body, _APPLY, query)


def meaning(value: JSON) -> JSON:
    """Return what users and controllers said with an object, in the version in which it is read."""
    metadata = value["metadata"]
    kept = {
        name: metadata[name]
        for name in ("labels", "annotations", "finalizers", "ownerReferences")
        if metadata.get(name)
    }
    rest = {name: item for name, item in value.items() if name not in {"metadata", "apiVersion"}}
    return {**rest, "metadata": kept}


def digest(value: JSON) -> str:
    """Return a checksum of an object's meaning."""
    return canonical.digest(meaning(value))


def changes(before: JSON, after: JSON) -> list[str]:
    """Return the fields in which a rewritten object differs from the one that was read.

    Nothing but its resourceVersion may: the write was refused if it had been changed in between.
    """
    found = [f"metadata.{name}" for name in _differing(before["metadata"], after["metadata"])]
    found += _differing(before, after)
    return [name for name in found if name not in {"metadata", "metadata.resourceVersion"}]


def _differing(one: JSON, other: JSON) -> Iterator[str]:
    for name in sorted({*one, *other}):
        if not canonical.identical(one.get(name), other.get(name)):
            yield name


def is_older(value: JSON, revision: str) -> bool:
    """Return whether an object was last written before a revision; false if unknown."""
    own = str(value["metadata"].get("resourceVersion", ""))
    return own.isdecimal() and revision.isdecimal() and int(own) < int(revision)
