"""What one marker says of a node: a keyword of a structural schema, or an error with a way out.

Where a type and a field both bound a value, the tighter bound is written: in an ``allOf`` the API
server's cost estimate would not see it (kubernetes/kubernetes PR 139523).
"""

from collections.abc import Callable, Iterable
from typing import Any, Literal

import annotated_types
from pydantic.fields import FieldInfo

from schemagen.model import markers

Schema = dict[str, Any]


class SchemaError(Exception):
    """A model says something that a structural schema cannot: the API author reads this."""


def flattened(metadata: Iterable[Any]) -> Iterable[Any]:
    """Grouped metadata (``Len``, nested ``Field(...)``) as single markers."""
    for marker in metadata:
        if isinstance(marker, annotated_types.GroupedMetadata):
            yield from marker
        elif isinstance(marker, FieldInfo):
            yield from marker.metadata
        else:
            yield marker


def apply(schema: Schema, marker: Any, where: str) -> None:
    """Write what one marker says into the node.

    Raises:
        SchemaError: if nobody knows the marker, or it contradicts another.
    """
    for known, write in _WRITERS.items():
        if isinstance(marker, known):
            write(schema, marker, where)
            return
    if type(marker).__name__ == "_PydanticGeneralMetadata":  # how Pydantic keeps the rest of Field
        _general(schema, vars(marker), where)
        return
    raise SchemaError(
        f"{where}: expected a marker that schemagen knows, got {marker!r}; "
        "use schemagen's markers, annotated_types' bounds, or Field(...)"
    )


def _general(schema: Schema, said: dict[str, Any], where: str) -> None:
    for name, value in said.items():
        if name == "pattern" and value is not None:
            _pattern(schema, value)
        elif value is not None and name != "strict":  # the API server is strict in its own way
            raise SchemaError(
                f"{where}: expected a constraint that a structural schema can hold, got "
                f"{name}={value!r}; write it as a Cel rule, or leave it out"
            )


def _pattern(schema: Schema, pattern: Any) -> None:
    text = pattern if isinstance(pattern, str) else pattern.pattern
    if schema.get("pattern", text) != text:
        schema.setdefault("allOf", []).append({"pattern": text})
    else:
        schema["pattern"] = text


def _least(schema: Schema, keyword: str, value: Any) -> None:
    schema[keyword] = max(value, schema.get(keyword, value))


def _most(schema: Schema, keyword: str, value: Any) -> None:
    schema[keyword] = min(value, schema.get(keyword, value))


def _suffix(schema: Schema) -> str:
    return {"array": "Items", "object": "Properties"}.get(schema.get("type", ""), "Length")


def _bound(schema: Schema, name: Literal["minimum", "maximum"], value: Any, *, open_: bool) -> None:
    """A numeric bound; OpenAPI 3.0 says its exclusiveness in a boolean beside it."""
    keyword = f"exclusive{name.capitalize()}"
    tighter = max if name == "minimum" else min
    before = schema.get(name)
    if before is not None and tighter(value, before) == before and value != before:
        return
    is_open = open_ or (value == before and schema.get(keyword, False))
    schema[name] = value
    schema.pop(keyword, None)
    if is_open:
        schema[keyword] = True


def _keyword(name: str, value: Callable[[Any], Any]) -> Callable[[Schema, Any, str], None]:
    """A keyword that two markers may not say differently."""

    def write(schema: Schema, marker: Any, where: str) -> None:
        wanted = value(marker)
        if schema.get(name, wanted) != wanted:
            raise SchemaError(
                f"{where}: expected one {name}, got {schema[name]!r} and {wanted!r}; leave one out"
            )
        schema[name] = wanted

    return write


def _list_map(schema: Schema, marker: markers.ListMap, where: str) -> None:
    items = schema.get("items", {})
    missing = [key for key in marker.keys if key not in items.get("properties", {})]
    if missing:
        raise SchemaError(
            f"{where}: expected ListMap keys that its items have, by their wire names, got "
            f"{', '.join(missing)}; they have {', '.join(items.get('properties', {})) or 'none'}"
        )
    schema["x-kubernetes-list-type"] = "map"
    schema["x-kubernetes-list-map-keys"] = list(marker.keys)


def _atomic(schema: Schema, marker: markers.Atomic, where: str) -> None:
    del marker, where
    suffix = "list" if schema.get("type") == "array" else "map"
    schema[f"x-kubernetes-{suffix}-type"] = "atomic"


def _cel(schema: Schema, marker: markers.Cel, where: str) -> None:
    del where
    schema.setdefault("x-kubernetes-validations", []).append(marker.validation())


def _nothing(schema: Schema, marker: Any, where: str) -> None:
    """For markers that are read before the walk goes into the type."""
    del schema, marker, where


Writer = Callable[[Schema, Any, str], None]

_WRITERS: dict[type, Writer] = {
    annotated_types.MinLen: lambda s, m, _: _least(s, f"min{_suffix(s)}", m.min_length),
    annotated_types.MaxLen: lambda s, m, _: _most(s, f"max{_suffix(s)}", m.max_length),
    annotated_types.Ge: lambda s, m, _: _bound(s, "minimum", m.ge, open_=False),
    annotated_types.Le: lambda s, m, _: _bound(s, "maximum", m.le, open_=False),
    annotated_types.Gt: lambda s, m, _: _bound(s, "minimum", m.gt, open_=True),
    annotated_types.Lt: lambda s, m, _: _bound(s, "maximum", m.lt, open_=True),
    annotated_types.MultipleOf: _keyword("multipleOf", lambda marker: marker.multiple_of),
    markers.Format: _keyword("format", lambda marker: marker.name),
    markers.MaxBytes: lambda s, m, _: _most(s, "maxLength", m.limit),
    markers.MaxEntries: lambda s, m, _: _most(s, f"max{_suffix(s)}", m.limit),
    markers.ListMap: _list_map,
    markers.ListSet: _keyword("x-kubernetes-list-type", lambda _: "set"),
    markers.Atomic: _atomic,
    markers.Nullable: _keyword("nullable", lambda _: True),
    markers.EmbeddedResource: _keyword("x-kubernetes-embedded-resource", lambda _: True),
    markers.ExternalDocs: _keyword("externalDocs", lambda marker: marker.external_docs()),
    markers.PreserveUnknown: _keyword("x-kubernetes-preserve-unknown-fields", lambda _: True),
    markers.Immutable: lambda s, m, where: _cel(s, m.rule(), where),
    markers.IntOrString: _nothing,
    markers.Cel: _cel,
}
