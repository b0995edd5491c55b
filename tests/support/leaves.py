"""The leaves of a schema, and objects in which one of them has a value or another."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from schemagen import Kind
from schemagen.schema import structural

JSON = Any

# What a field needs beside it: where its path begins so, these members of its object.
NEEDED: Mapping[str, Mapping[str, JSON]] = {
    "spec.adapter.exec": {"type": "Exec"},
    "spec.adapter.codexAppServer": {"type": "CodexAppServer"},
    "spec.policy.secrets.allowed": {"mode": "AllowListed"},
    "spec.policy.serviceAccounts.allowed": {"mode": "AllowListed"},
    "spec.policy.sourceProviders.allowed": {"mode": "AllowListed"},
    "spec.runtime.workflow": {"type": "Workflow"},
    "spec.runtime.temporal": {"type": "Temporal"},
    "spec.runtime.custom": {"type": "Custom"},
    "spec.runtime.workflow.steps[].loop.while.control": {"cel": "control.go"},
    "spec.files[].path": {"content": "x"},
    "spec.auth.token": {"type": "Token"},
    "spec.auth.app": {"type": "App"},
    "spec.auth.ssh": {"type": "SSH"},
}
# The other arm of a union goes.
ALONE = (
    frozenset({"specRef", "inline"}),
    frozenset({"value", "valueFrom"}),
    frozenset({"secretKeyRef", "configMapKeyRef"}),
    frozenset({"inline", "secretKeyRef", "configMapKeyRef"}),
    frozenset({"content", "secretKeyRef", "configMapKeyRef"}),
    frozenset({"emptyDir", "persistentVolumeClaim", "secret"}),
    frozenset({"ttl", "keepForever"}),
    frozenset({"exec", "codexAppServer"}),
    frozenset({"job", "workflow", "temporal", "custom"}),
    frozenset({"token", "app", "ssh"}),
)
# What a required member is filled in with, where the first value of its schema does not do.
FILLED: Mapping[str, JSON] = {
    "mountPath": "/mnt/a",
    "path": "/workspace/x",
    "cel": "control.go",
    "url": "https://example.com/a",
    "endpoint": "https://example.com/a",
    "claimName": "claim",
    "appId": "1",
    "installationId": "1",
    "from": "p",
}


def schema_of(kind: Kind) -> dict[str, JSON]:
    """The schema of a kind's ``spec`` in its newest version."""
    found: dict[str, JSON] = structural.schema_of(kind.hub.model)["properties"]["spec"]
    return found


def leaves(schema: Mapping[str, JSON], path: str = "spec") -> Iterator[str]:
    """The paths of what has no fields of its own; ``[]`` is any item of a list."""
    if "properties" in schema:
        for name, member in schema["properties"].items():
            yield from leaves(member, f"{path}.{name}")
    elif schema.get("type") == "array":
        yield from leaves(schema["items"], f"{path}[]")
    elif schema.get("type") != "object" or schema.keys() & _OPEN:
        yield path


_OPEN = {"additionalProperties", "x-kubernetes-preserve-unknown-fields"}


def with_leaf(base: JSON, schema: Mapping[str, JSON], path: str, value: JSON) -> JSON:
    """An object in which a leaf has a value, with all that it needs beside it."""
    found = copy.deepcopy(base)
    found["spec"] = _grown(found.get("spec"), schema, "spec", _steps(path)[1:], value)
    return found


def _steps(path: str) -> list[str]:
    return path.replace("[]", ".[]").split(".")


def _grown(
    given: JSON, schema: Mapping[str, JSON], path: str, steps: list[str], value: JSON
) -> JSON:
    if not steps:
        return value
    name, *rest = steps
    if name == "[]":
        items = given if isinstance(given, list) and given else [None]
        first = _grown(items[0], schema["items"], f"{path}[]", rest, value)
        return [first, *items[1:]] if isinstance(first, dict) else [first]
    members, below = schema["properties"], f"{path}.{name}"
    known = _without_other_arms(given, members, name)
    known[name] = _grown(known.get(name), members[name], below, rest, value)
    required = (one for one in schema.get("required", ()) if one not in known)
    known |= {one: filled(members[one], one) for one in required}
    for start, needed in NEEDED.items():
        if below.startswith(start) and start.rpartition(".")[0] == path:
            known |= needed
    return _with_volume(known, members)


def _without_other_arms(given: JSON, members: Mapping[str, JSON], name: str) -> dict[str, JSON]:
    known = dict(given) if isinstance(given, dict) else {}
    for arms in ALONE:
        if name in arms and arms & members.keys() - {name}:
            known = {one: known[one] for one in known if one not in arms - {name}}
    return known


def _with_volume(known: dict[str, JSON], members: Mapping[str, JSON]) -> dict[str, JSON]:
    is_volume = {"mountPath", "emptyDir"} <= members.keys()
    arms = {"emptyDir", "persistentVolumeClaim", "secret"}
    return {**known, "emptyDir": {}} if is_volume and not known.keys() & arms else known


def filled(schema: Mapping[str, JSON], name: str = "") -> JSON:
    """A value with no more than it needs."""
    if name in FILLED:
        return FILLED[name]
    if schema.get("type") == "object" and "properties" in schema:
        members = schema["properties"]
        found = {one: filled(members[one], one) for one in schema.get("required", ())}
        if {"specRef", "inline"} <= members.keys():
            found["inline"] = {"text": "x"}
        return found
    if schema.get("type") == "array":
        return [filled(schema["items"])]
    return values(schema)[0]


def values(schema: Mapping[str, JSON]) -> list[JSON]:
    """Two values of a leaf."""
    if "enum" in schema:
        return [*schema["enum"], *schema["enum"]][:2]
    if schema.get("type") == "integer":
        least = schema.get("minimum", 1)
        return [least, least + 1]
    if schema.get("type") in _BY_TYPE:
        return [*_BY_TYPE[schema["type"]]]
    pattern = schema.get("pattern", "")
    return next(([*both] for start, both in _BY_PATTERN.items() if start in pattern), ["a", "b"])


_BY_TYPE: Mapping[str, tuple[JSON, JSON]] = {
    "boolean": (True, False),
    "object": ({"a": "1"}, {"a": "2"}),
}
_BY_PATTERN: Mapping[str, tuple[str, str]] = {
    "[0-9]+h": ("1h", "2h"),
    "^/": ("/mnt/a", "/mnt/b"),
    "numkMGTPE": ("1Gi", "2Gi"),
}


def leaf_schema(schema: Mapping[str, JSON], path: str) -> Mapping[str, JSON]:
    """The schema of a leaf."""
    for name in _steps(path)[1:]:
        schema = schema["items"] if name == "[]" else schema["properties"][name]
    return schema
