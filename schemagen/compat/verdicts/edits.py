"""Updates of a stored object that touch one place of it. Pure."""

import copy
import itertools
from collections.abc import Iterator
from typing import Final

from schemagen.compat.verdicts import specimens
from schemagen.problems import JSON
from schemagen.schema.keywords import Schema

_MAX_EDITS: Final = 60
_OWN: Final = frozenset({"apiVersion", "kind", "metadata"})


def labelled(value: JSON) -> JSON:
    """Return an object with a label more."""
    labels = {**(value["metadata"].get("labels") or {}), "edited": "true"}
    return {**value, "metadata": {**value["metadata"], "labels": labels}}


def of(value: JSON, *schemas: Schema) -> Iterator[JSON]:
    """Yield copies of an object with a field added, changed or removed, or an item added."""
    for schema in schemas:
        for edited in itertools.islice(_edited(value, schema, is_root=True), _MAX_EDITS):
            yield copy.deepcopy(edited)


def _edited(value: JSON, schema: Schema, *, is_root: bool = False) -> Iterator[JSON]:
    if isinstance(value, dict):
        yield from _objects(value, schema, is_root=is_root)
    elif isinstance(value, list):
        yield from _lists(value, schema)
    else:
        yield from _scalars(value, schema)


def _objects(value: dict[str, JSON], schema: Schema, *, is_root: bool) -> Iterator[JSON]:
    properties, rest = schema.get("properties") or {}, schema.get("additionalProperties")
    own = _OWN if is_root else frozenset()
    for name, node in properties.items():
        if name not in value and name not in own:
            yield {**value, name: specimens.smallest(node)}
    if isinstance(rest, dict):
        yield {**value, "edited": specimens.smallest(rest, number=7)}
    elif schema.get("x-kubernetes-preserve-unknown-fields"):
        yield {**value, "edited": 1}
    for name in sorted(value.keys() - own):
        node = properties.get(name, rest if isinstance(rest, dict) else {})
        for other in itertools.islice(_edited(value[name], node), _MAX_EDITS):
            yield {**value, name: other}
    for name in sorted(value.keys() - own - {*(schema.get("required") or ())}):
        yield {key: child for key, child in value.items() if key != name}


def _lists(value: list[JSON], schema: Schema) -> Iterator[JSON]:
    items = schema.get("items") or {}
    yield [*value, specimens.smallest(items, number=len(value) + 5)]
    for index, child in enumerate(value[:3]):
        for other in itertools.islice(_edited(child, items), 8):
            yield [*value[:index], other, *value[index + 1 :]]
    if value:
        yield value[1:]
        yield value[:-1]


def _scalars(value: JSON, schema: Schema) -> Iterator[JSON]:
    for number in range(3):
        other = specimens.smallest(schema, number=number)
        if other != value:
            yield other
