"""Check that some value can satisfy a node; unsatisfiable nodes are errors in the model.

The API server accepts such a schema and then refuses every object. Only proven contradictions are
reported: intervals are decided, enum values are checked one by one, patterns are compared by the
lengths of their matches.
"""

import copy
import functools
import importlib
import itertools
import math
import re
import warnings
from collections.abc import Iterator
from typing import Any

from schemagen.model import checker_provider
from schemagen.problems import JSON, quoted
from schemagen.schema.keywords import KEY_LIMIT, LIMIT, RANGES, Schema, SchemaError, nodes


def _of_re(name: str) -> Any:
    """Return a private module of ``re``, or None if this Python lacks it.

    Used only to compute the match lengths of patterns. Python 3.11 to 3.14 have ``re._parser`` and
    ``re._constants``.
    """
    try:
        return importlib.import_module(f"re.{name}")
    except ImportError:
        return None


_PARSER, _CONSTANTS = _of_re("_parser"), _of_re("_constants")

# Keywords that constrain a value beside its type and enum.
_BOUNDS = frozenset(
    {"minimum", "maximum", "multipleOf", "minLength", "maxLength", "pattern", "allOf", "format"}
    | {"anyOf"}
)

# Lengths of strings in a format (kube-openapi, pkg/validation/strfmt).
_FORMAT_LENGTHS: dict[str, tuple[int, float]] = {
    "date": (10, 10),
    "date-time": (20, math.inf),
    "uuid": (32, 36),
    "uuid3": (32, 36),
    "uuid4": (32, 36),
    "uuid5": (32, 36),
    "bsonobjectid": (24, 24),
    "k8s-short-name": (1, 63),
    "k8s-long-name": (1, 253),
}


def check(schema: Schema, where: str) -> None:
    """Refuse an unsatisfiable node; the nodes below it were checked before.

    Raises:
        SchemaError: naming the contradicting keywords.
    """
    of_enum = (f"the enum's value {problem}" for problem in unreachable(schema))
    for problem in itertools.chain(contradictions(schema), of_enum):
        raise SchemaError(
            f"{where}: expected bounds that some value satisfies, got {problem}; loosen or leave "
            "out "
            "one of them"
        )


def check_default(schema: Schema, where: str) -> None:
    """Refuse a default that violates its own schema; the API server would refuse the CRD.

    Args:
        schema: The node with its default; rules in it have wire names.
        where: ``Model.field``, for the message.

    Raises:
        SchemaError: naming what is wrong with the default.
    """
    plain = copy.deepcopy(schema)
    default = plain.pop("default")
    for _, node in nodes(plain):
        node.pop(LIMIT, None)
    for cause in checker_provider.checks().of_keywords(plain).default(default):
        raise SchemaError(
            f"{where}: expected a default that its own schema allows, got {quoted(default)}: "
            f"{cause.field.replace('<nil>', 'default')}: {cause.message}; correct one of them"
        )


_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


# Keywords that the fast check covers; a node with any other is left to the checker.
_ALWAYS_READ = frozenset({"type", "enum", "default", "nullable", "description", "title"})
_ALWAYS_READ |= {"example", "externalDocs", LIMIT, KEY_LIMIT}
_LISTED = frozenset({"x-kubernetes-list-type", "x-kubernetes-list-map-keys"})
_READ: dict[str, frozenset[str]] = {
    "array": frozenset({"items", "minItems", "maxItems"}) | _LISTED,
    "object": frozenset({"properties", "required", "additionalProperties", "minProperties"})
    | {"maxProperties", "x-kubernetes-preserve-unknown-fields", "x-kubernetes-map-type"},
    "string": frozenset({"minLength", "maxLength", "pattern"}),
    "integer": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "format"}),
    "boolean": frozenset(),
}
_READ["number"] = _READ["integer"]


def is_plainly_fit(schema: Schema, value: JSON) -> bool:
    """Return True if type, enum and bounds prove a value valid; False means unknown.

    Covers nearly all defaults without a checker.
    """
    kind = str(schema.get("type"))
    is_read = schema.keys() <= _ALWAYS_READ | _READ.get(kind, frozenset())
    if not is_read or schema.get("enum", [value]).count(value) == 0:
        return False
    match kind, value:
        case "array", list():
            return _fits_list(schema, value)
        case "object", dict():
            return _fits_object(schema, value)
        case "string", str():
            return _fits_size(schema, value, "Length") and _fits_text(schema, value)
        case _, int() | float() | bool() if type(value) in _TYPES.get(kind, ()):
            return _fits_number(schema, value)
        case _:
            return False


def _fits_list(schema: Schema, value: list[JSON]) -> bool:
    items = schema.get("items", {})
    is_told_apart = bool(value) and bool(schema.keys() & _LISTED)
    return (
        not is_told_apart
        and _fits_size(schema, value, "Items")
        and all(is_plainly_fit(items, item) for item in value)
    )


def _fits_number(schema: Schema, value: float) -> bool:
    low, high = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
    is_inside = low < value < high
    is_end = value in {low, high} and not schema.keys() & {"exclusiveMinimum", "exclusiveMaximum"}
    smallest, largest = RANGES["int32"]
    return (is_inside or is_end) and smallest <= value <= largest


def _fits_size(schema: Schema, value: Any, what: str) -> bool:
    return bool(schema.get(f"min{what}", 0) <= len(value) <= schema.get(f"max{what}", math.inf))


def _fits_object(schema: Schema, value: dict[str, JSON]) -> bool:
    properties, rest = schema.get("properties", {}), schema.get("additionalProperties")
    return (
        _fits_size(schema, value, "Properties")
        and value.keys() >= set(schema.get("required", ()))
        and all(
            is_plainly_fit(properties.get(name, rest or {}), member)
            for name, member in value.items()
        )
    )


def _fits_text(schema: Schema, value: str) -> bool:
    try:
        return bool(re.search(schema.get("pattern", ""), value))
    except re.error:
        return False


def contradictions(schema: Schema) -> Iterator[str]:
    """Yield the keywords of a node that contradict each other; nodes below are not read.

    The values of an enum are ``unreachable``'s.
    """
    if "enum" in schema:
        if not schema["enum"]:
            yield "an enum without values"
        return
    kind = schema.get("type")
    is_both = schema.get("x-kubernetes-int-or-string")
    if kind in {"integer", "number"} or is_both:
        yield from _numbers(schema)
    if kind == "string" or is_both:
        yield from _strings(schema)
    if kind == "array":
        yield from _crossed(schema, "Items")
        yield from _sets(schema)
    if kind == "object":
        yield from _crossed(schema, "Properties")
        yield from _objects(schema)


def unreachable(schema: Schema) -> Iterator[str]:
    """Yield the values of a node's enum that its other keywords refuse, with what they say."""
    if not schema.get("enum") or not schema.keys() & _BOUNDS:
        return
    keywords = {name: schema[name] for name in schema.keys() & {"type", "enum", *_BOUNDS}}
    if schema.get("x-kubernetes-int-or-string"):
        keywords["x-kubernetes-int-or-string"] = True
    checker = checker_provider.checks().of_keywords(keywords)
    for value in schema["enum"]:
        for cause in checker.create(value).causes:
            yield f"{value!r} with other bounds: {cause.message}"


def _numbers(schema: Schema) -> Iterator[str]:
    is_integer = schema.get("type") != "number"
    low, high = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
    if is_integer:
        yield from _out_of_range(schema)
        low = low + 1 if schema.get("exclusiveMinimum") else low
        high = high - 1 if schema.get("exclusiveMaximum") else high
    is_open = schema.get("exclusiveMinimum") or schema.get("exclusiveMaximum")
    if low > high or (low == high and is_open and not is_integer):
        yield f"{_shown(schema, 'minimum')} and {_shown(schema, 'maximum')}"
        return
    factor = schema.get("multipleOf")
    if factor and math.isfinite(low) and not _has_multiple(factor, low, high):
        yield (
            f"no multiple of {factor} between {_shown(schema, 'minimum')} and "
            f"{_shown(schema, 'maximum')}"
        )


def _out_of_range(schema: Schema) -> Iterator[str]:
    """Yield bounds outside the type's range: with them the API server refuses every value."""
    name = schema.get("format", "int64")
    low, high = RANGES.get(name, RANGES["int64"])
    for keyword in ("minimum", "maximum"):
        if not low <= schema.get(keyword, 0) <= high:
            yield f"{_shown(schema, keyword)} of an integer between {low} and {high} ({name})"


def _has_multiple(factor: float, low: float, high: float) -> bool:
    if high - low >= factor:
        return True
    if isinstance(factor, int) and isinstance(low, int) and isinstance(high, int):
        return -(-low // factor) * factor <= high
    return math.ceil(low / factor - 1e-9) * factor <= high + 1e-9 * abs(factor)


def _shown(schema: Schema, keyword: str) -> str:
    exclusive = schema.get(f"exclusive{keyword.capitalize()}")
    return f"{keyword} {schema[keyword]}{' (exclusive)' if exclusive else ''}"


def _strings(schema: Schema) -> Iterator[str]:
    yield from _crossed(schema, "Length")
    minimum, maximum = schema.get("minLength", 0), schema.get("maxLength", math.inf)
    shapes = [
        (f"the pattern {pattern}", *_lengths(pattern))
        for pattern in (
            schema.get("pattern"),
            *(constraint.get("pattern") for constraint in _all_of(schema)),
        )
        if pattern is not None
    ]
    if schema.get("format") in _FORMAT_LENGTHS:
        name = schema["format"]
        shapes.append((f"the format {name}", *_FORMAT_LENGTHS[name]))
    for what, shortest, longest in shapes:
        if shortest > maximum:
            yield f"maxLength {maximum} and {what}, which matches {shortest} characters or more"
        if longest < minimum:
            yield f"minLength {minimum} and {what}, which matches {longest} characters or fewer"
    for what, shortest, _ in shapes:
        for other, _, longest in shapes:
            if longest < shortest:
                yield f"{what} and {other}, which match texts of different lengths"


def _all_of(schema: Schema) -> Iterator[Schema]:
    yield from schema.get("allOf", ())


@functools.cache
def _lengths(pattern: str) -> tuple[int, float]:
    """Return the minimum and maximum length of matching strings; unbounded if unknown."""
    if _PARSER is None or "[[:" in pattern:  # RE2 classes, which Python reads as a different set
        return 0, math.inf
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parsed = _PARSER.parse(pattern)
            shortest, longest = parsed.getwidth()
    except (re.error, OverflowError, RecursionError):  # RE2 syntax that Python cannot parse
        return 0, math.inf
    is_whole = bool(parsed.data) and _is_at(parsed[0], "BEGINNING") and _is_at(parsed[-1], "END")
    is_whole &= not parsed.state.flags & re.MULTILINE
    is_bounded = is_whole and longest < _CONSTANTS.MAXREPEAT
    return shortest, longest if is_bounded else math.inf


def _is_at(part: tuple[object, object], name: str) -> bool:
    operation, what = part
    places = {getattr(_CONSTANTS, f"AT_{name}"), getattr(_CONSTANTS, f"AT_{name}_STRING")}
    return operation is _CONSTANTS.AT and what in places


def _crossed(schema: Schema, what: str) -> Iterator[str]:
    minimum, maximum = schema.get(f"min{what}", 0), schema.get(f"max{what}", math.inf)
    if minimum > maximum:
        yield f"min{what} {minimum} and max{what} {maximum}"


def _sets(schema: Schema) -> Iterator[str]:
    """Yield sets with more items than distinct values."""
    items = schema.get("items", {})
    count = len(items["enum"]) if "enum" in items else 2 if items.get("type") == "boolean" else None
    minimum = schema.get("minItems", 0)
    if schema.get("x-kubernetes-list-type") == "set" and count is not None and minimum > count:
        yield f"minItems {minimum} and a set of items that have {count} values"


def _objects(schema: Schema) -> Iterator[str]:
    minimum, maximum = schema.get("minProperties", 0), schema.get("maxProperties", math.inf)
    required = set(schema.get("required", ()))
    arms = [required | set(arm.get("required", ())) for arm in schema.get("oneOf", ())]
    needed = min(map(len, arms or [required]))
    if needed > maximum:
        yield f"maxProperties {maximum} and {needed} required fields"
    is_closed = "additionalProperties" not in schema and not schema.get(
        "x-kubernetes-preserve-unknown-fields"
    )
    count = len(schema.get("properties", {}))
    if is_closed and minimum > count:
        yield f"minProperties {minimum} and {count} fields"
