"""Data that residue never stores: explicitly forgotten fields, and secrets.

A secret is a string with ``format: password`` (the marker ``Secret``).
"""

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from schemagen.model import registry
from schemagen.problems import JSON
from schemagen.schema import keywords
from schemagen.schema.keywords import Schema
from schemagen.versions import links, records, schema_coverage
from schemagen.versions.footprint import Side
from schemagen.versions.schema_places import ITEMS, VALUES
from schemagen.versions.steps import Path, Step

SECRET_FORMAT: Final = "password"  # noqa: S105 - a format's name

Strip: TypeAlias = Callable[[JSON], JSON]
"""Removes from a value what must not be stored; returns the value itself if there is nothing."""


def secret_paths(schema: Schema) -> Iterator[Path]:
    """Return the paths of a schema's secrets: ``("spec", "tokens", "[]", "value")``."""
    for path, node in keywords.nodes(schema):
        if node.get("format") == SECRET_FORMAT:
            yield tuple(part.removeprefix(".") for part in path)


def forgotten_paths(step: Step, side: Side) -> Iterator[Path]:
    """Return the paths of a side that a step forgets, at every depth."""
    return links.paths_where(step, side, lambda link: link.forgets)


@functools.cache
def strip_of(older: registry.Version, newer: registry.Version, side: Side) -> Strip:
    """Return a function that removes from an object what residue must not store.

    Args:
        older: The older one of two adjacent versions.
        newer: The newer one.
        side: The side that the objects belong to.
    """
    conversion = older.conversion
    schema = schema_coverage.schema_of((older if side == "old" else newer).model)
    paths = [*secret_paths(schema)]
    if isinstance(conversion, records.Conversion):
        paths += forgotten_paths(conversion.step, side)
    return functools.partial(_stripped, _tree(paths)) if paths else _whole


def _whole(value: JSON) -> JSON:
    return value


_Tree: TypeAlias = Mapping[str, Any]


def _tree(paths: Iterable[Path]) -> _Tree:
    """Return paths as nested maps with empty leaves."""
    tree: dict[str, Any] = {}
    for path in sorted(paths, key=len, reverse=True):
        node = tree
        for name in path[:-1]:
            node = node.setdefault(name, {})
        node[path[-1]] = {}
    return tree


def _stripped(tree: _Tree, value: JSON) -> JSON:
    if type(value) is list and ITEMS in tree:
        below = tree[ITEMS]
        return [_stripped(below, item) for item in value] if below else []
    if type(value) is not dict:
        return value
    stripped = {}
    for name, item in value.items():
        below = tree.get(name, tree.get(VALUES))
        if below is None:
            stripped[name] = item
        elif below:
            stripped[name] = _stripped(below, item)
    return stripped
