"""A CRD to lint: its versions, every node of their schemas, walked once, and its verdict."""

import dataclasses
import functools
from collections.abc import Iterator, Mapping
from typing import Final

from schemagen import judge
from schemagen.compat import sources
from schemagen.crd import nulls
from schemagen.problems import JSON
from schemagen.schema.keywords import Schema

JUNCTORS: Final = ("allOf", "anyOf", "oneOf")
PRESERVE: Final = "x-kubernetes-preserve-unknown-fields"
INT_OR_STRING: Final = "x-kubernetes-int-or-string"
RULES: Final = "x-kubernetes-validations"
# Fields of every object, which the API server defines.
_OWN: Final = frozenset({"apiVersion", "kind", "metadata"})


@dataclasses.dataclass(frozen=True, eq=False)
class Node:
    """A node of a schema.

    Attributes:
        version: Its version.
        raw: Its keywords as they are in the CRD.
        schema: Those that are not null; the API server ignores the others.
        path: As users write it: ``spec.tags[]``; ``{}`` stands for the values of a map.
        field: Its path in the CRD.
        parent: The node around it.
        name: Its name, if it is a property.
    """

    version: "Version"
    raw: Schema
    schema: Schema
    path: str
    field: str
    parent: "Node | None" = None
    name: str | None = None

    @property
    def type(self) -> str:
        """Return its type; empty without one."""
        return str(self.schema.get("type", ""))

    @property
    def is_required(self) -> bool:
        """Return whether its parent requires it."""
        return self.parent is not None and self.name in (self.parent.schema.get("required") or ())

    @property
    def is_optional(self) -> bool:
        """Return whether it may be absent once defaults are applied."""
        return self.name is not None and not self.is_required and "default" not in self.schema

    @property
    def is_open(self) -> bool:
        """Return whether unknown fields of it are kept."""
        return bool(self.schema.get(PRESERVE)) or "additionalProperties" in self.schema

    @property
    def is_own(self) -> bool:
        """Return whether it is one of the fields of every object, or below one."""
        node = self
        while node.parent is not None and node.parent.parent is not None:
            node = node.parent
        return node.parent is not None and node.name in _OWN

    @property
    def above(self) -> Iterator["Node"]:
        """Yield the nodes around it, the nearest first."""
        node = self.parent
        while node is not None:
            yield node
            node = node.parent

    @property
    def properties(self) -> Mapping[str, Schema]:
        """Return its properties."""
        found = self.schema.get("properties")
        return found if isinstance(found, dict) else {}

    @property
    def rules(self) -> list[Mapping[str, JSON]]:
        """Return its CEL rules."""
        return [rule for rule in self.schema.get(RULES) or () if isinstance(rule, dict)]


@dataclasses.dataclass(frozen=True, eq=False)
class Version:
    """A version of a CRD.

    Attributes:
        value: The entry of ``spec.versions``.
        field: Its path in the CRD.
    """

    value: Mapping[str, JSON]
    field: str

    @property
    def name(self) -> str:
        """Return its name."""
        return str(self.value["name"])

    @property
    def schema(self) -> Schema:
        """Return its schema, without keywords that are null; empty without one."""
        return self.root.schema

    @functools.cached_property
    def nodes(self) -> tuple[Node, ...]:
        """Return every node of the schema, junctors not included."""
        holder = self.value.get("schema")
        schema = holder.get("openAPIV3Schema") if isinstance(holder, dict) else None
        raw = schema if isinstance(schema, dict) else {}
        field = f"{self.field}.schema.openAPIV3Schema"
        return tuple(_nodes(Node(self, raw, nulls.without_nulls(raw), "", field)))

    @functools.cached_property
    def written(self) -> tuple[Node, ...]:
        """Return the nodes that the author wrote: not the root, nor fields of every object."""
        return tuple(node for node in self.nodes if node.parent is not None and not node.is_own)

    @property
    def root(self) -> Node:
        """Return the root of the schema."""
        return self.nodes[0]

    @property
    def has_status(self) -> bool:
        """Return whether it has the status subresource."""
        return "status" in (self.value.get("subresources") or {})


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    for name, child in node.properties.items():
        if isinstance(child, dict):
            raw = node.raw["properties"][name]
            path = f"{node.path}.{name}".removeprefix(".")
            field = f"{node.field}.properties.{name}"
            yield from _nodes(Node(node.version, raw, child, path, field, node, name))
    for keyword, step in (("items", "[]"), ("additionalProperties", "{}")):
        below: JSON = node.schema.get(keyword)
        if isinstance(below, dict):
            raw, field = node.raw[keyword], f"{node.field}.{keyword}"
            yield from _nodes(Node(node.version, raw, below, f"{node.path}{step}", field, node))


@dataclasses.dataclass(frozen=True, eq=False)
class Target:
    """A CRD to lint.

    Attributes:
        definition: The CRD and its origin.
        oracle: The judge.
    """

    definition: sources.Definition
    oracle: judge.Judge

    @property
    def crd(self) -> dict[str, JSON]:
        """Return the CRD."""
        return self.definition.value

    @functools.cached_property
    def versions(self) -> tuple[Version, ...]:
        """Return its versions."""
        return tuple(
            Version(value, f"spec.versions[{index}]")
            for index, value in enumerate(self.crd["spec"]["versions"])
        )

    @property
    def nodes(self) -> Iterator[Node]:
        """Yield the nodes of all versions that the author wrote."""
        for version in self.versions:
            yield from version.written

    @functools.cached_property
    def verdict(self) -> judge.Verdict:
        """Return the API server's verdict on the CRD, with the costs of its rules."""
        return self.oracle.check(self.crd, strict=False, costs=True)


@dataclasses.dataclass(frozen=True)
class Found:
    """One place that a rule finds.

    Attributes:
        message: What was expected, what came, and how to fix it, in a line.
        version: The version's name; empty for the whole CRD.
        path: The place as users write it.
        field: The place in the CRD, for its line and for fixes.
        details: A witness, if there is one.
        node: The node, if it is one.
    """

    message: str
    version: str = ""
    path: str = ""
    field: str = ""
    details: Mapping[str, JSON] = dataclasses.field(default_factory=dict)
    node: Node | None = dataclasses.field(default=None, repr=False)


def at(node: Node, message: str, **details: JSON) -> Found:
    """Return a finding at a node."""
    return Found(message, node.version.name, node.path, node.field, details, node)
