"""Objects drawn from schemas of any origin, and the judge's verdicts on them."""

import contextlib
import dataclasses
import random
import re
from collections.abc import Iterator, Sequence
from typing import Final

from schemagen import judge
from schemagen.compat.lint.targets import Target, Version
from schemagen.differential import generation
from schemagen.problems import JSON, Cause
from schemagen.schema.keywords import Schema

_META: Final = ("apiVersion", "kind", "metadata")
_REPAIRS: Final = 6
# Strings drawn for a pattern, which takes long.
_POOL: Final = 3
_PARTS: Final = re.compile(r"\[([^\]]*)\]|([^.\[\]]+)")
_GROUP: Final = "lint.kubewright.dev"

Path = tuple[str | int, ...]


def alone(schema: Schema) -> dict[str, JSON]:
    """Return a CRD whose spec has a node's schema, to judge values of that node alone."""
    root = {"type": "object", "properties": {"spec": schema}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": root}}
    names = {"plural": "values", "singular": "value", "kind": "Value", "listKind": "ValueList"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"values.{_GROUP}"},
        "spec": {"group": _GROUP, "scope": "Cluster", "names": names, "versions": [version]},
    }


def without_optional(schema: Schema) -> Schema:
    """Return a schema with the required fields only, for drawing the smallest objects."""
    required = schema.get("required") or ()
    reduced = dict(schema)
    if isinstance(schema.get("properties"), dict):
        reduced["properties"] = {
            name: without_optional(child)
            for name, child in schema["properties"].items()
            if name in required
        }
    if isinstance(schema.get("items"), dict):
        reduced["items"] = without_optional(schema["items"])
    return reduced


def with_constants(schema: Schema, rules: Sequence[str]) -> Schema:
    """Return a schema to draw from whose scalars have the constants of some rules, now and then."""
    changed = dict(schema)
    if schema.get("type") in {"string", "integer"}:
        entries = [{"rule": rule} for rule in rules]
        changed["x-kubernetes-validations"] = [
            *schema.get("x-kubernetes-validations", ()),
            *entries,
        ]
    if isinstance(schema.get("properties"), dict):
        changed["properties"] = {
            name: with_constants(child, rules) for name, child in schema["properties"].items()
        }
    for keyword in ("items", "additionalProperties"):
        if isinstance(schema.get(keyword), dict):
            changed[keyword] = with_constants(schema[keyword], rules)
    return changed


@dataclasses.dataclass
class Court:
    """A loaded CRD, objects drawn for one of its versions, and verdicts on them.

    Attributes:
        loaded: The CRD.
        head: apiVersion, kind and metadata of every object.
        schema: The version's schema.
        draw: The generator.
    """

    loaded: judge.Loaded
    head: dict[str, JSON]
    schema: Schema
    draw: generation.Draw

    def object(self, body: JSON) -> dict[str, JSON]:
        """Return an object with some fields."""
        own = body if isinstance(body, dict) else {}
        return self.head | {name: part for name, part in own.items() if name not in _META}

    def create(self, body: JSON, *, stored: bool = False) -> judge.Verdict:
        """Return the verdict on the creation of an object with these fields."""
        return self.loaded.create(self.object(body), strict=False, stored=stored)

    def bodies(self, count: int) -> Iterator[JSON]:
        """Draw the fields of objects, the smallest ones first."""
        smallest = without_optional(self.schema)
        for index in range(count):
            schema = smallest if index < count // 3 else self.schema
            yield self.draw.valid(
                {word: part for word, part in schema.items() if word != "oneOf"}
                if index % 2
                else schema
            )

    def repaired(self, body: JSON) -> tuple[JSON, judge.Verdict]:
        """Change what the judge refuses, while that helps; return the fields and the verdict."""
        verdict = self.create(body)
        for _ in range(_REPAIRS):
            if verdict.allowed or not verdict.causes:
                break
            for cause in sorted(verdict.causes, key=lambda cause: -len(cause.field)):
                body = self._repair(body, cause)
            verdict = self.create(body)
        return body, verdict

    def _repair(self, body: JSON, cause: Cause) -> JSON:
        path = steps(cause.field) if isinstance(body, dict) else ()
        schema = schema_at(self.schema, path)
        if cause.reason == "FieldValueRequired" and path:
            return put(body, path, self.draw.valid(schema))
        if not path:
            return body
        above = schema_at(self.schema, path[:-1])
        if path[-1] in (above.get("required") or ()) or isinstance(path[-1], int):
            try:
                return generation.replaced(body, path, self.draw.valid(schema))
            except (KeyError, IndexError, TypeError):
                return body
        return generation.without_nearest(body, path)


def steps(field: str) -> Path:
    """Return the steps of a path in API server notation."""
    if field.startswith("<"):
        return ()
    return tuple(
        int(index) if index.isdecimal() else index or name for index, name in _PARTS.findall(field)
    )


def schema_at(schema: Schema, path: Path) -> Schema:
    """Return the schema at a place of a value; empty where there is none."""
    for step in path:
        rest = schema.get("additionalProperties")
        if isinstance(step, int):
            child = schema.get("items")
        else:
            child = (schema.get("properties") or {}).get(step, rest)
        if not isinstance(child, dict):
            return {}
        schema = child
    return schema


def put(body: JSON, path: Path, value: JSON) -> JSON:
    """Return a copy of an object with a field set, if its parent is there."""
    try:
        return generation.replaced(
            body, path[:-1], {**generation.at(body, path[:-1]), path[-1]: value}
        )
    except (KeyError, IndexError, TypeError):
        return body


def court_of(target: Target, version: Version, loaded: judge.Loaded) -> Court:
    """Return the court for a version of a CRD."""
    spec = target.crd["spec"]
    metadata: dict[str, JSON] = {"name": "drawn"}
    if spec.get("scope") == "Namespaced":
        metadata["namespace"] = "default"
    head = {
        "apiVersion": f"{spec['group']}/{version.name}",
        "kind": spec["names"]["kind"],
        "metadata": metadata,
    }
    schema = {"type": "object", **version.schema}
    properties = schema.get("properties") or {}
    own = {name: child for name, child in properties.items() if name not in _META}
    return Court(loaded, head, schema | {"properties": own}, _draw(version.name))


@contextlib.contextmanager
def court_alone(oracle: judge.Judge, schema: Schema) -> Iterator[Court | None]:
    """Give the court for the values of a node, in ``spec``; None if it cannot stand alone."""
    try:
        loaded = oracle.load(alone(schema))
    except judge.JudgeError:
        yield None
        return
    head = {"apiVersion": f"{_GROUP}/v1", "kind": "Value", "metadata": {"name": "drawn"}}
    root = {"type": "object", "required": ["spec"], "properties": {"spec": schema}}
    with loaded:
        yield Court(loaded, head, root, _draw("alone"))


def _draw(seed: str) -> generation.Draw:
    return generation.Draw(random.Random(seed), pool=_POOL)  # noqa: S311 - nothing secret
