"""Places in the schema of one version: path lookup, suggestions, type comparison.

For the checks of conversions; ``schema_coverage`` deals with values.
"""

import dataclasses
import difflib
import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from schemagen.problems import JSON
from schemagen.schema import keywords
from schemagen.schema.keywords import Schema
from schemagen.versions import schema_coverage
from schemagen.versions.steps import Path

ITEMS: Final = "[]"
VALUES: Final = "{}"
FREE: Final[Schema] = {"x-kubernetes-preserve-unknown-fields": True}

# Minimum similarity of a suggested name (difflib's default).
_SIMILARITY = 0.6


@dataclasses.dataclass(frozen=True, eq=False)
class Node:
    """A place in the schema of a version.

    Attributes:
        version: ``v1alpha1``.
        root: The schema of the whole object, for suggestions from elsewhere.
        schema: The schema at the place.
        path: The place: ``("spec", "steps", "[]")``.
    """

    version: str
    root: Schema
    schema: Schema
    path: Path = ()

    @property
    def type(self) -> str:
        """Return the type of the value, in words."""
        return type_of(self.schema)

    @property
    def is_free(self) -> bool:
        """Return whether any field is allowed: none is declared."""
        return self.type in _FREE and "properties" not in self.schema

    @property
    def fields(self) -> Mapping[str, Schema]:
        """Return the fields of an object."""
        fields: Mapping[str, Schema] = self.schema.get("properties", {})
        return fields

    def at(self, path: Path) -> "Node | Missing":
        """Return the place at a path of fields below this one, or the first missing field."""
        node = self
        for name in path:
            child = node.field(name)
            if child is None:
                return Missing(node, name)
            node = child
        return node

    def field(self, name: str) -> "Node | None":
        """Return a field of an object or a value of a map; None if it does not exist."""
        if name in self.fields:
            return self._child(self.fields[name], name)
        values = self.schema.get("additionalProperties")
        if isinstance(values, dict):
            return self._child(values, name)
        is_open = self.is_free or (_PRESERVED in self.schema and not _alike(name, self.fields))
        return self._child(FREE, name) if is_open else None

    @property
    def is_any(self) -> bool:
        """Return whether any value is allowed."""
        return self.type == ANY

    @functools.cached_property
    def fit(self) -> schema_coverage.Fit:
        """Return the function that reduces a value to what the schema allows."""
        return schema_coverage.fit_of(self.schema)

    @property
    def place(self) -> str:
        """Return the version and the path, as a message begins: ``v1 spec.replicas``."""
        return place_of(self.version, self.path)

    @property
    def items(self) -> "Node | None":
        """Return the items of a list."""
        if self.is_any:
            return self._child(FREE, ITEMS)
        return self._child(self.schema["items"], ITEMS) if "items" in self.schema else None

    @property
    def values(self) -> "Node | None":
        """Return the values of a map."""
        values = self.schema.get("additionalProperties")
        if isinstance(values, dict):
            return self._child(values, VALUES)
        return self._child(FREE, VALUES) if self.is_free else None

    def _child(self, schema: Schema, name: str) -> "Node":
        return Node(self.version, self.root, schema, (*self.path, name))

    def __str__(self) -> str:
        return text_of(self.path) or "the object"


@dataclasses.dataclass(frozen=True)
class Missing:
    """A field missing from a version's schema."""

    parent: Node
    name: str

    @property
    def path(self) -> Path:
        """Return the path of the lookup."""
        return (*self.parent.path, self.name)

    def __str__(self) -> str:
        """Describe what exists instead, in one sentence."""
        if "." in self.name:
            return f'no such field; a path goes into move("{self.name}", "{self.name}")'
        if self.parent.type == "list":
            return f"{self.parent} is a list; use each(...) with the step of its items"
        if self.parent.type not in {"object", *_FREE}:
            return f"{self.parent} is {with_article(self.parent.type)}, which has no fields"
        known = ", ".join(self.parent.fields) or "none"
        hint = self._suggestion()
        return f"no such field; {hint or f'the fields of {self.parent} are {known}'}"

    def _suggestion(self) -> str:
        if alike := _alike(self.name, self.parent.fields):
            return f"did you mean {alike}?"
        elsewhere = [
            text_of(path) for path in paths_of(self.parent.root) if path and path[-1] == self.name
        ]
        return f"did you mean {elsewhere[0]}?" if elsewhere else ""


def root(version: str, schema: Schema) -> Node:
    """Return the whole object; its metadata is the API server's, and unchecked."""
    properties = {**schema.get("properties", {}), "metadata": FREE | {"type": "object"}}
    whole = {**schema, "properties": properties}
    return Node(version, whole, whole)


def place_of(version: str, path: Path) -> str:
    """Return ``v1 spec.replicas``; ``v1 object`` for the whole object."""
    return f"{version} {text_of(path) or 'object'}"


def text_of(path: Path) -> str:
    """Return a path in message notation: ``spec.steps[].name``."""
    return "".join(part if part in {ITEMS, VALUES} else f".{part}" for part in path).removeprefix(
        "."
    )


def paths_of(schema: Schema) -> Iterator[Path]:
    """Yield the paths of a schema and of everything below it."""
    for path, _ in keywords.nodes(schema):
        yield tuple(part.removeprefix(".") for part in path)


_PRESERVED: Final = "x-kubernetes-preserve-unknown-fields"
ANY: Final = "any value"
FREE_OBJECT: Final = "free-form object"
_FREE: Final = frozenset({ANY, FREE_OBJECT})


def type_of(schema: Schema) -> str:
    """Return the type of a schema's values, in words."""
    if schema.get("x-kubernetes-int-or-string"):
        return "integer or string"
    has_fields = "properties" in schema
    match schema.get("type", ""):
        case "":
            return "object" if has_fields else ANY
        case "object" if not has_fields:
            return "map" if isinstance(schema.get("additionalProperties"), dict) else FREE_OBJECT
        case "array":
            return "list"
        case name:
            return str(name)


def with_article(words: str) -> str:
    """Return ``a list``, ``an object``."""
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def suggestion(name: str, names: Iterable[str]) -> str:
    """Return ``; did you mean X?`` for the most similar name; empty if none is similar."""
    alike = _alike(name, names)
    return f"; did you mean {alike}?" if alike else ""


def _alike(name: str, names: Iterable[str]) -> str:
    by_plain = {_plain(known): known for known in names}
    found = difflib.get_close_matches(_plain(name), by_plain, n=1, cutoff=_SIMILARITY)
    return by_plain[found[0]] if found else ""


def _plain(name: str) -> str:
    """Normalize spelling variants of a name: wait_seconds, waitSeconds, wait-seconds."""
    return name.replace("_", "").replace("-", "").lower()


def same_word(left: JSON, right: JSON) -> bool:
    """Return whether two words differ only in spelling: ``read-only`` and ``ReadOnly``."""
    return _plain(str(left)) == _plain(str(right))


@dataclasses.dataclass(frozen=True, order=True)
class Fault:
    """An error in a conversion.

    Attributes:
        place: The version and the field: ``v1 spec.replica``.
        message: What is wrong, and how to fix it.
        line: ``FILE:LINE`` of the step, if known.
    """

    place: str
    message: str
    line: str = ""

    def __str__(self) -> str:
        where = f" ({self.line})" if self.line else ""
        return f"{self.place}: {self.message}{where}"


def differences(old: Node, new: Node) -> Iterator[Fault]:
    """Return why a value cannot be kept: the places at which the two types differ.

    Fields that only one of two objects has do not count: residue keeps them.
    """
    if old.type != new.type:
        yield Fault(
            old.place,
            f"expected the type of {new.version} to keep it unchanged, got "
            f"{with_article(old.type)} here and {with_article(new.type)} at {new.place}; use a "
            "step that converts between them",
        )
        return
    yield from _different_words(old, new)
    for below in _pairs_below(old, new):
        yield from differences(*below)


def _pairs_below(old: Node, new: Node) -> Iterator[tuple[Node, Node]]:
    """Yield the places below two of one type that both have."""
    below = [(old.field(name), new.field(name)) for name in old.fields if name in new.fields]
    below += [(old.items, new.items)] if old.type == "list" else []
    below += [(old.values, new.values)] if old.type == "map" else []
    for one, other in below:
        if one is not None and other is not None:
            yield one, other


def _different_words(old: Node, new: Node) -> Iterator[Fault]:
    """Yield differing string formats, and enums with values that the other lacks."""
    formats = [node.schema.get("format") for node in (old, new)]
    if old.type == "string" and None not in formats and formats[0] != formats[1]:
        yield Fault(
            old.place,
            f"expected the format of {new.version} to keep it unchanged, got {formats[0]} "
            f"here and {formats[1]} at {new.place}; use a step that converts between them",
        )
    if "enum" not in old.schema or "enum" not in new.schema:
        return
    for one, other in ((old, new), (new, old)):
        words = [word for word in one.schema["enum"] if word not in other.schema["enum"]]
        if words:
            yield Fault(
                one.place,
                f"expected the values of {other.place} to keep it unchanged, got "
                f"{', '.join(map(str, words))} too; use enumeration({{...}}) with the common "
                "values, and residue keeps the others",
            )
            return
