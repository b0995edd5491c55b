"""Reads and edits of a CRD that a migration makes. Pure: each edit returns another CRD."""

import copy
from collections.abc import Collection

from schemagen.migrate.storage import state
from schemagen.problems import JSON


def names(definition: JSON) -> list[str]:
    """Return the versions' names."""
    return [version["name"] for version in definition["spec"]["versions"]]


def served(definition: JSON) -> list[str]:
    """Return the names of the served versions."""
    return [version["name"] for version in definition["spec"]["versions"] if version.get("served")]


def storage(definition: JSON) -> str:
    """Return the name of the storage version."""
    versions = definition["spec"]["versions"]
    return str(next(version["name"] for version in versions if version.get("storage")))


def stored(definition: JSON) -> list[str]:
    """Return the versions in which objects may be stored."""
    return list((definition.get("status") or {}).get("storedVersions") or ())


def is_namespaced(definition: JSON) -> bool:
    """Return whether its objects have a namespace."""
    return bool(definition["spec"].get("scope") == "Namespaced")


def schema(definition: JSON, version: str) -> JSON:
    """Return the structural schema of a version."""
    versions = definition["spec"]["versions"]
    found = next(one for one in versions if one["name"] == version)
    return (found.get("schema") or {}).get("openAPIV3Schema") or {}


def collection(definition: JSON, version: str) -> str:
    """Return the API path of all objects in a version."""
    spec = definition["spec"]
    return f"/apis/{spec['group']}/{version}/{spec['names']['plural']}"


def item(definition: JSON, version: str, value: JSON) -> str:
    """Return the API path of an object in a version."""
    spec, metadata = definition["spec"], value["metadata"]
    namespace = f"/namespaces/{metadata['namespace']}" if metadata.get("namespace") else ""
    place = f"/apis/{spec['group']}/{version}{namespace}/{spec['names']['plural']}"
    return f"{place}/{metadata['name']}"


def subject(definition: JSON, value: JSON) -> str:
    """Return an object's kind and name: ``Widget default/small``."""
    metadata = value["metadata"]
    name = "/".join(filter(None, (metadata.get("namespace"), metadata["name"])))
    return f"{definition['spec']['names']['kind']} {name}"


def with_version(definition: JSON, version: str, new: JSON | None) -> JSON:
    """Return a CRD that serves a version; one that it lacks, and its conversion, is of ``new``."""
    edited = copy.deepcopy(definition)
    spec = edited["spec"]
    if version not in names(definition) and new is not None:
        added = next(one for one in new["spec"]["versions"] if one["name"] == version)
        spec["versions"].append({**copy.deepcopy(added), "storage": False})
        if new["spec"].get("conversion"):
            spec["conversion"] = copy.deepcopy(new["spec"]["conversion"])
    for one in spec["versions"]:
        one["served"] = one.get("served", False) or one["name"] == version
    return edited


def stored_as(definition: JSON, version: str) -> JSON:
    """Return a CRD with another storage version."""
    edited = copy.deepcopy(definition)
    for one in edited["spec"]["versions"]:
        one["storage"] = one["name"] == version
    return edited


def unserved(definition: JSON, versions: Collection[str]) -> JSON:
    """Return a CRD that no longer serves some versions."""
    edited = copy.deepcopy(definition)
    for version in edited["spec"]["versions"]:
        version["served"] = version.get("served", False) and version["name"] not in versions
    return edited


def without(definition: JSON, versions: Collection[str]) -> JSON:
    """Return a CRD without some versions."""
    edited = copy.deepcopy(definition)
    spec = edited["spec"]
    spec["versions"] = [version for version in spec["versions"] if version["name"] not in versions]
    return edited


def with_state(definition: JSON, value: state.State | None) -> JSON:
    """Return a CRD with this state in its annotation, or without the annotation."""
    edited = copy.deepcopy(definition)
    annotations = dict(edited["metadata"].get("annotations") or {})
    annotations.pop(state.ANNOTATION, None)
    if value is not None:
        annotations[state.ANNOTATION] = state.text(value)
    edited["metadata"]["annotations"] = annotations
    return edited
