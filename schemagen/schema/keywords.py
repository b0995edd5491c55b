"""Translate one marker to a structural schema keyword, or to an error with an alternative.

Where a type and a field both bound a value, the tighter bound is written: the API server's cost
estimate would not see it in an ``allOf`` (kubernetes/kubernetes PR 139523).
"""

import inspect
import math
import typing
from collections.abc import Callable, Iterator
from typing import Any, Literal

import annotated_types
from pydantic import AllowInfNan, Discriminator, Strict

from schemagen.model import markers
from schemagen.problems import UserError
from schemagen.schema import descriptions, patterns

Schema = dict[str, Any]

LIMIT = "x-kubewright-limit"
"""Key under which a value's size limit is noted for enforcement elsewhere; never part of a CRD."""
KEY_LIMIT = "x-kubewright-key-limit"
"""Same for a map's keys."""

RANGES = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}
"""Range of each integer format."""


class SchemaError(UserError):
    """A model cannot be expressed as a structural schema. Read by the API author.

    Attributes:
        model: The class at fault, once known; ``source`` locates it.
    """

    model: type | None = None

    @property
    def source(self) -> str:
        """Return ``FILE:LINE: `` of the class as a message prefix; empty if it has no file."""
        if self.model is None:
            return ""
        try:
            file, (_, line) = inspect.getfile(self.model), inspect.getsourcelines(self.model)
        except (OSError, TypeError):  # defined in an interpreter
            return ""
        return f"{file}:{line}: "


def nodes(schema: Schema, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Schema]]:
    """Yield a schema and all nodes below it, each with its place: ``(".spec", ".steps", "[]")``.

    ``[]`` denotes the items of a list, ``{}`` the values of a map.
    """
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from nodes(child, (*path, f".{name}"))
    for keyword, step in (("items", "[]"), ("additionalProperties", "{}")):
        if isinstance(schema.get(keyword), dict):
            yield from nodes(schema[keyword], (*path, step))


def apply(schema: Schema, marker: Any, where: str) -> None:
    """Apply one marker to the node.

    Raises:
        SchemaError: if the marker is unknown, does not apply to such a value, or contradicts
            another.
    """
    for known, write in _WRITERS.items():
        if isinstance(marker, known):
            _check_type(schema, marker, _BOUNDS.get(known, ()), where)
            write(schema, marker, where)
            return
    if type(marker).__name__ == "_PydanticGeneralMetadata":  # other arguments of Field
        _general(schema, vars(marker), where)
        return
    raise SchemaError(
        f"{where}: expected a marker that schemagen knows, got {marker!r}; "
        "use schemagen's markers, annotated_types' bounds, or Field(...)"
    )


def _check_type(schema: Schema, marker: Any, types: tuple[str, ...], where: str) -> None:
    """Refuse a bound on a type that it does not apply to: the API server would ignore it.

    ``int | str`` is both: a bound constrains the values that it applies to.
    """
    kind = schema.get("type", "any value")
    if types and not schema.get("x-kubernetes-int-or-string") and kind not in types:
        raise SchemaError(
            f"{where}: expected {marker} on {' or '.join(types)}, got {kind}; leave it out"
            + (", or write the type instead of Any" if kind == "any value" else "")
        )


def _general(schema: Schema, options: dict[str, Any], where: str) -> None:
    for name, value in options.items():
        if name == "pattern" and value is not None:
            _check_type(schema, f"pattern={value!r}", _TEXT, where)
            add_pattern(schema, value, where)
        elif name == "strict":
            _strict(schema, Strict(strict=value is not False), where)
        elif name == "allow_inf_nan" and value is not None:
            _allow_inf_nan(schema, AllowInfNan(allow_inf_nan=value), where)
        elif value is not None:
            raise SchemaError(
                f"{where}: expected a constraint that a structural schema can express, got "
                f"{name}={value!r}; write it as a Cel rule, or leave it out"
            )


def add_pattern(schema: Schema, pattern: Any, where: str) -> None:
    """Add a pattern, combining it with an existing one."""
    problem = patterns.problem(pattern)
    if problem is not None:
        raise SchemaError(
            f"{where}: expected a pattern with the same meaning for the API server (RE2), got "
            f"{pattern!r}: {problem}"
        )
    text = patterns.text_of(pattern)
    if schema.get("pattern", text) != text:
        schema.setdefault("allOf", []).append({"pattern": text})
    else:
        schema["pattern"] = text


def _strict(schema: Schema, marker: Strict, where: str) -> None:
    """Accept strict, as the API server never converts; refuse lax mode."""
    if schema.get("type") not in (*_TEXT, *_NUMBERS, "boolean") or "enum" in schema:
        # Pydantic raises a RuntimeError for some of these.
        raise SchemaError(
            f"{where}: expected strict on a scalar, got an enum, a container or several types; "
            "leave "
            "strict out, the API server converts nothing anyway"
        )
    if not marker.strict:
        raise SchemaError(
            f"{where}: expected values of the field's own type, as the API server accepts no "
            "others, got strict=False; leave it out"
        )


def _allow_inf_nan(schema: Schema, marker: AllowInfNan, where: str) -> None:
    """Accept forbidding infinity and NaN, which JSON lacks anyway."""
    del schema
    if marker.allow_inf_nan:
        raise SchemaError(
            f"{where}: expected finite numbers, as JSON has no others, got "
            "allow_inf_nan=True; leave it out"
        )


def _size(schema: Schema, end: Literal["min", "max"], value: Any, where: str) -> None:
    """Set a bound on a length or a number of entries; the tighter of two wins."""
    keyword = f"{end}{_suffix(schema)}"
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise SchemaError(
            f"{where}: expected an integer of at least 0 as {keyword}, got {value!r}; correct it"
        )
    tighter = max if end == "min" else min
    schema[keyword] = tighter(value, schema.get(keyword, value))


def _suffix(schema: Schema) -> str:
    return {"array": "Items", "object": "Properties"}.get(schema.get("type", ""), "Length")


def _bound(
    schema: Schema, name: Literal["minimum", "maximum"], value: Any, where: str, *, open_: bool
) -> None:
    """Set a numeric bound; OpenAPI 3.0 expresses exclusiveness in a separate boolean."""
    value = _number(value, name, where)
    if _is_integer(schema):
        value, open_ = _integer_bound(name, value, open_=open_)
        _check_exact(name, value, where)
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


def _check_exact(name: str, value: float, where: str) -> None:
    """Refuse bounds that float64, in which the API server reads them, cannot represent exactly."""
    is_read_so = int(float(value)) == value and value != RANGES["int64"][0]
    if is_read_so and (name != "multipleOf" or value <= RANGES["int64"][1]):
        return
    raise SchemaError(
        f"{where}: expected a {name} that float64, in which the API server reads bounds, "
        f"represents exactly, got {value}; write one of up to 2**53, or leave it out: integers "
        "have 64 bits anyway"
    )


def _number(value: Any, name: str, where: str) -> float:
    """Return a bound as a JSON number."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value):
        raise SchemaError(
            f"{where}: expected a finite number as {name}, got {value!r}; write an int or a float, "
            "or leave it out"
        )
    return float(value) if isinstance(value, float) else int(value)


def _is_integer(schema: Schema) -> bool:
    return schema.get("type") == "integer" or bool(schema.get("x-kubernetes-int-or-string"))


def _integer_bound(
    name: Literal["minimum", "maximum"], value: float, *, open_: bool
) -> tuple[int, bool]:
    """Return the bound of an integer as an integer.

    With 1.5 the API server would refuse every value: «Minimum boundary value must be of type
    integer».
    """
    rounded = math.ceil(value) if name == "minimum" else math.floor(value)
    return rounded, open_ and value == rounded


def _multiple_of(schema: Schema, marker: annotated_types.MultipleOf, where: str) -> None:
    """Set a factor; for integers an integer, as the API server compares its integral part."""
    factor = _number(marker.multiple_of, "multipleOf", where)
    if factor <= 0 or (_is_integer(schema) and factor != int(factor)):
        expected = "a positive integer" if _is_integer(schema) else "a positive number"
        raise SchemaError(
            f"{where}: expected {expected} as multipleOf, got {factor}; correct it, or leave it out"
        )
    factor = int(factor) if _is_integer(schema) else factor
    if _is_integer(schema):
        _check_exact("multipleOf", factor, where)
    _keyword("multipleOf", lambda _: factor)(schema, marker, where)


def _keyword(name: str, value: Callable[[Any], Any]) -> Callable[[Schema, Any, str], None]:
    """Return a writer for a keyword on which two markers may not disagree."""

    def write(schema: Schema, marker: Any, where: str) -> None:
        keyword = value(marker)
        if schema.get(name, keyword) != keyword:
            raise SchemaError(
                f"{where}: expected one {name}, got {schema[name]!r} and {keyword!r}; leave one out"
            )
        schema[name] = keyword

    return write


def _format(schema: Schema, marker: markers.Format, where: str) -> None:
    """Set a format; a number's becomes bounds beside a string, where it is not checked."""
    if schema.get("x-kubernetes-int-or-string") and marker.name in RANGES:
        low, high = RANGES[marker.name]
        if marker.name != "int64":  # the format of every integer
            _bound(schema, "minimum", low, where, open_=False)
            _bound(schema, "maximum", high, where, open_=False)
        return
    _keyword("format", lambda _: marker.name)(schema, marker, where)


def _list_map(schema: Schema, marker: markers.ListMap, where: str) -> None:
    check_items(schema, where)
    items = schema.get("items", {})
    missing = [key for key in marker.keys if key not in items.get("properties", {})]
    if missing:
        raise SchemaError(
            f"{where}: expected ListMap keys that are wire names of its items' fields, got "
            f"{', '.join(missing)}; they have {', '.join(items.get('properties', {})) or 'none'}"
        )
    for key in marker.keys:
        field = items["properties"][key]
        if field.get("type") in {None, "object", "array"} and not field.get(
            "x-kubernetes-int-or-string"
        ):
            raise SchemaError(
                f"{where}: expected ListMap keys that are scalars, got {key}; name another field"
            )
        if key not in items.get("required", ()) and "default" not in field:
            raise SchemaError(
                f"{where}: expected ListMap keys that every item has, got {key}, which may be "
                "absent; make it required, or give it a default"
            )
    _keyword("x-kubernetes-list-type", lambda _: "map")(schema, marker, where)
    schema["x-kubernetes-list-map-keys"] = list(marker.keys)


def check_items(schema: Schema, where: str) -> None:
    """Refuse nullable items in lists that identify their items."""
    if schema.get("items", {}).get("nullable"):
        raise SchemaError(
            f"{where}: expected non-null items in a list that identifies them, got Nullable() at "
            "the items; leave it out, or write a plain list"
        )


def _list_set(schema: Schema, marker: markers.ListSet, where: str) -> None:
    check_items(schema, where)
    items = schema.get("items", {})
    if items.get("type") == "object" and items.get("x-kubernetes-map-type") != "atomic":
        raise SchemaError(
            f"{where}: expected ListSet on a list of scalars, or of atomic values, got objects; "
            "write ListMap with the fields that identify them, or Annotated[..., "
            "Atomic()] for the items"
        )
    if items.get("x-kubernetes-list-type", "atomic") != "atomic":
        raise SchemaError(
            f"{where}: expected ListSet on a list of scalars, or of atomic values, got lists that "
            f"are each a {items['x-kubernetes-list-type']}; write list[...] for the "
            "items, or leave ListSet out"
        )
    _keyword("x-kubernetes-list-type", lambda _: "set")(schema, marker, where)


def _topology(word: str) -> "Writer":
    """Set server-side apply ownership: ``x-kubernetes-list-type`` or ``-map-type``."""

    def write(schema: Schema, marker: Any, where: str) -> None:
        kind = schema.get("type")
        if kind not in {"array", "object"} or (kind == "array" and word == "granular"):
            expected = "a map or a model" if word == "granular" else "a list, a map or a model"
            raise SchemaError(
                f"{where}: expected {type(marker).__name__} on {expected}, got {kind}; leave it out"
            )
        _keyword(f"x-kubernetes-{'list' if kind == 'array' else 'map'}-type", lambda _: word)(
            schema, marker, where
        )

    return write


def _type(schema: Schema, marker: markers.Type, where: str) -> None:
    is_any = schema.pop("x-kubernetes-preserve-unknown-fields", False) and "type" not in schema
    if not is_any or marker.name not in typing.get_args(markers.ScalarOrObject):
        raise SchemaError(
            f"{where}: expected Type({marker.name!r}) with Any, got a type with its own schema "
            "type, or one that needs more; leave Type out, or write Any"
        )
    schema["type"] = marker.name


def _max_description(schema: Schema, marker: markers.MaxDescription, where: str) -> None:
    """Shorten the type's own description; the field's is shortened where it is written."""
    del where
    text = descriptions.fitted(schema.pop("description", None), marker.limit)
    if text:
        schema["description"] = text


def _cel(schema: Schema, marker: markers.Cel, where: str) -> None:
    del where
    schema.setdefault("x-kubernetes-validations", []).append(marker.validation())


def _embedded(schema: Schema, marker: markers.EmbeddedResource, where: str) -> None:
    if "additionalProperties" in schema:
        raise SchemaError(
            f"{where}: expected EmbeddedResource on JSONObject or a model, got a map; write "
            "Annotated[JSONObject, EmbeddedResource()]"
        )
    _keyword("x-kubernetes-embedded-resource", lambda _: True)(schema, marker, where)


def _nullable(schema: Schema, marker: markers.Nullable, where: str) -> None:
    """Allow null where the API server does: never for an enum, even if it lists null."""
    if "enum" in schema:
        raise SchemaError(
            f"{where}: expected a nullable type with Nullable(), got an enum, for which "
            "the API server accepts no null; leave Nullable() out (an absent field says the same), "
            "or add a value for it"
        )
    _keyword("nullable", lambda _: True)(schema, marker, where)


def _preserve(schema: Schema, marker: markers.PreserveUnknown, where: str) -> None:
    if schema.get("x-kubernetes-int-or-string"):
        raise SchemaError(
            f"{where}: expected PreserveUnknown on an object, got an integer or string, which has "
            "no fields; leave it out"
        )
    _keyword("x-kubernetes-preserve-unknown-fields", lambda _: True)(schema, marker, where)


def _nothing(schema: Schema, marker: Any, where: str) -> None:
    """Ignore markers that are read before the walk enters the type."""
    del schema, marker, where


Writer = Callable[[Schema, Any, str], None]

_WRITERS: dict[type, Writer] = {
    annotated_types.MinLen: lambda s, m, where: _size(s, "min", m.min_length, where),
    annotated_types.MaxLen: lambda s, m, where: _size(s, "max", m.max_length, where),
    annotated_types.Ge: lambda s, m, where: _bound(s, "minimum", m.ge, where, open_=False),
    annotated_types.Le: lambda s, m, where: _bound(s, "maximum", m.le, where, open_=False),
    annotated_types.Gt: lambda s, m, where: _bound(s, "minimum", m.gt, where, open_=True),
    annotated_types.Lt: lambda s, m, where: _bound(s, "maximum", m.lt, where, open_=True),
    annotated_types.MultipleOf: _multiple_of,
    markers.Secret: _keyword("format", lambda marker: marker.name),
    markers.Format: _format,
    markers.MaxBytes: lambda s, m, where: _size(s, "max", m.limit, where),
    markers.MaxEntries: lambda s, m, where: _size(s, "max", m.limit, where),
    markers.ListMap: _list_map,
    markers.ListSet: _list_set,
    markers.Atomic: _topology("atomic"),
    markers.Granular: _topology("granular"),
    markers.Type: _type,
    markers.MaxDescription: _max_description,
    markers.Nullable: _nullable,
    markers.EmbeddedResource: _embedded,
    markers.ExternalDocs: _keyword("externalDocs", lambda marker: marker.external_docs()),
    markers.PreserveUnknown: _preserve,
    markers.Immutable: lambda s, m, where: _cel(s, m.rule(), where),
    markers.IntOrString: _nothing,
    markers.Keywords: _nothing,
    Discriminator: _nothing,
    Strict: _strict,
    AllowInfNan: _allow_inf_nan,
    markers.Cel: _cel,
}

_TEXT = ("string",)
_NUMBERS = ("integer", "number")
_SIZED = ("string", "array", "object")

# JSON types that a bound applies to; other markers apply to any.
_BOUNDS: dict[type, tuple[str, ...]] = {
    annotated_types.MinLen: _SIZED,
    annotated_types.MaxLen: _SIZED,
    annotated_types.Ge: _NUMBERS,
    annotated_types.Le: _NUMBERS,
    annotated_types.Gt: _NUMBERS,
    annotated_types.Lt: _NUMBERS,
    annotated_types.MultipleOf: _NUMBERS,
    markers.Secret: _TEXT,
    markers.Format: ("string", *_NUMBERS),
    markers.MaxBytes: _TEXT,
    markers.MaxEntries: ("array", "object"),
    markers.ListMap: ("array",),
    markers.ListSet: ("array",),
    markers.EmbeddedResource: ("object",),
}
