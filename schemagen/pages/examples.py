"""Objects that the API server accepts: an author's own, or the smallest one. Shell: files.

Each is judged by the API server's own validation before it is shown.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Final

from schemagen import judge
from schemagen.compat import inputs
from schemagen.compat.verdicts import specimens
from schemagen.problems import JSON, UserError
from schemagen.schema import keywords
from schemagen.schema.keywords import Schema

_MAX_ATTEMPTS: Final = 600
_MAX_ADDITIONS: Final = 8
_ENVELOPE: Final = frozenset({"apiVersion", "kind", "metadata"})


@dataclasses.dataclass(frozen=True)
class Example:
    """An object with what is to be said of it."""

    title: str
    value: dict[str, JSON]


@dataclasses.dataclass(frozen=True)
class Given:
    """An object of a manifest, and its place for messages."""

    value: dict[str, JSON]
    place: str


def read(references: Sequence[str]) -> Sequence[Given]:
    """Read the objects of manifests.

    Raises:
        UserError: if one cannot be read, in a line for each.
    """
    found = inputs.Inputs(references)
    given = [Given(item.value, f"{name}:{item.line}") for name, item in found]
    if found.problems:
        raise UserError("\n".join(found.problems))
    return given


class Examples:
    """Examples of a CRD's versions.

    Args:
        crd: The CRD, loaded.
        definition: The CRD.
        given: Objects of any kind; those of this one are used.
    """

    def __init__(self, crd: judge.Loaded, definition: JSON, given: Sequence[Given] = ()) -> None:
        self._crd = crd
        self._spec = definition["spec"]
        self._given = given

    def of(self, version: JSON) -> tuple[Example, ...]:
        """Return the given examples of a version, or else the smallest object that is accepted.

        Raises:
            UserError: if a given one is refused.
        """
        given = [*self.given(version["name"])]
        if given:
            return tuple(Example("", example.value) for example in given)
        if not version.get("served"):
            return ()
        value = self.smallest(version)
        title = "The smallest object that the API server accepts, as far as one was found:"
        return () if value is None else (Example(title, value),)

    def given(self, version: str) -> Iterator[Given]:
        """Yield the given objects of a version.

        Raises:
            UserError: if one is refused.
        """
        kind = (self.api_version(version), self._spec["names"]["kind"])
        for example in self._given:
            if (example.value.get("apiVersion"), example.value.get("kind")) == kind:
                verdict = self._crd.create(named(example.value, self._spec.get("scope")))
                if not verdict.allowed:
                    raise UserError(
                        f"{example.place}: expected an example that the API server accepts, got: "
                        f"{verdict.message}"
                    )
                yield example

    def api_version(self, version: str) -> str:
        """Return ``GROUP/VERSION``."""
        return f"{self._spec['group']}/{version}"

    def smallest(self, version: JSON) -> dict[str, JSON] | None:
        """Return the smallest object that is accepted, if one is found."""
        schema = (version.get("schema") or {}).get("openAPIV3Schema") or {}
        properties = schema.get("properties") or {}
        own = {name: child for name, child in properties.items() if name not in _ENVELOPE}
        own.pop("status", None)
        body = specimens.smallest(_with_examples({**schema, "properties": own}))
        envelope: dict[str, JSON] = {
            "apiVersion": self.api_version(version["name"]),
            "kind": self._spec["names"]["kind"],
            "metadata": {"name": "example"},
        }
        return _accepted(self._crd, envelope | body, {"properties": own}, self._spec.get("scope"))


def named(value: dict[str, JSON], scope: JSON) -> dict[str, JSON]:
    """Return an object with the namespace that kubectl would give it."""
    metadata = value.get("metadata")
    if scope == "Cluster" or not isinstance(metadata, dict) or "namespace" in metadata:
        return value
    return {**value, "metadata": {**metadata, "namespace": "default"}}


def _with_examples(schema: Schema) -> Schema:
    """Return a schema in which the author's own examples are the only values."""
    if "example" in schema:
        return {**schema, "enum": [schema["example"]]}
    changed = dict(schema)
    if isinstance(schema.get("properties"), dict):
        changed["properties"] = {
            name: _with_examples(child) for name, child in schema["properties"].items()
        }
    for keyword in ("items", "additionalProperties"):
        if isinstance(schema.get(keyword), dict):
            changed[keyword] = _with_examples(schema[keyword])
    return changed


def _accepted(
    crd: judge.Loaded, value: dict[str, JSON], schema: Schema, scope: JSON
) -> dict[str, JSON] | None:
    """Return an object with the fewest further fields that make it valid, if they are found.

    Rules that a schema cannot say otherwise, such as one of two fields, refuse the smallest object.
    The field that leaves the fewest problems is added, again and again.
    """
    attempts = 0
    problems = _problems(crd, value, scope)
    for _ in range(_MAX_ADDITIONS):
        if not problems:
            return value
        best: dict[str, JSON] | None = None
        for candidate in _additions(value, schema):
            attempts += 1
            if attempts > _MAX_ATTEMPTS:
                return None
            left = _problems(crd, candidate, scope)
            if left < problems or best is None:
                best = candidate if left <= problems else best
                problems = min(left, problems)
            if not left:
                return candidate
        if best is None:
            return None
        value = best
    return None


def _problems(crd: judge.Loaded, value: dict[str, JSON], scope: JSON) -> int:
    verdict = crd.create(named(value, scope))
    return 0 if verdict.allowed else max(1, len(verdict.causes))


def _additions(value: dict[str, JSON], schema: Schema) -> Iterator[dict[str, JSON]]:
    """Yield an object with each further field that the schema names in its objects."""
    for steps, _ in keywords.nodes(schema):
        if not steps or not all(step.startswith(".") for step in steps):
            continue
        path = [step[1:] for step in steps]
        around = _at(value, path[:-1])
        if isinstance(around, dict) and path[-1] not in around:
            node = specimens.node_at(schema, steps) or {}
            yield _with(value, path, specimens.smallest(_with_examples(node)))


def _at(value: JSON, path: Sequence[str]) -> JSON:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _with(value: dict[str, JSON], path: Sequence[str], item: JSON) -> dict[str, JSON]:
    name, *rest = path
    return {**value, name: _with(value[name], rest, item) if rest else item}
