"""Hypothesis strategies: objects that a structural schema describes, and others."""

import string
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from schemagen.schema.structural import Schema

NAMES = st.sampled_from(["a", "b", "build", "test", "über", "", "prompt"])
TEXTS = st.one_of(NAMES, st.text(max_size=8), st.text(string.digits, min_size=1, max_size=4))
NUMBERS = st.one_of(st.integers(-3, 7200), st.sampled_from([2**31 - 1, -(2**31), 2**53]))
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS, st.sampled_from([0.5, 1e30, -2.25]))
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)

# What patterns of the API ask for; drawing from a pattern itself would seldom give a useful value.
SAMPLES = {
    "date-time": st.sampled_from(["2026-01-19T00:00:00Z", "2026-01-19T01:00:00+01:00"]),
    "duration": st.sampled_from(["45s", "90s", "1h30m", "60m", "0h5m", "720h", "2m"]),
}

# Keys that controllers read in free-form objects, so that draws hit what conversions look for.
KNOWN_KEYS = st.sampled_from(  # one line of words reads better than forty of quotes
    [
        "serviceAccount",
        "serviceAccountName",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "logRetentionSeconds",
        "imagePullSecrets",
        "nodeSelector",
        "tolerations",
        "affinity",
        "resources",
        "endpoint",
        "payload",
        "workflowType",
        "taskQueue",
        "timeouts",
        "type",
        "name",
        "namespace",
        "uid",
        "jobObservedAt",
        "status",
        "exitCode",
        "signal",
        "extra",
        "podSecurityContext",
        "schedulerName",
        "startedAt",
        "observedTime",
    ]
)


def free_form() -> st.SearchStrategy[Any]:
    """What people put into free-form objects."""
    return st.dictionaries(KNOWN_KEYS | TEXTS, ANYTHING, max_size=4)


def valid(schema: Schema) -> st.SearchStrategy[Any]:
    """Values of a structural schema's shape: declared fields, declared types."""
    if schema.get("x-kubernetes-int-or-string"):
        return st.integers(0, 9) | st.sampled_from(["250m", "1", "1Gi"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    return _BY_TYPE.get(schema.get("type"), _anything)(schema)


def _anything(schema: Schema) -> st.SearchStrategy[Any]:
    del schema
    return ANYTHING


def _numbers(schema: Schema) -> st.SearchStrategy[float]:
    del schema
    return st.floats(allow_nan=False, allow_infinity=False)


def _booleans(schema: Schema) -> st.SearchStrategy[bool]:
    del schema
    return st.booleans()


def _integers(schema: Schema) -> st.SearchStrategy[int]:
    return st.integers(schema.get("minimum", -5), min(schema.get("maximum", 9000), 9000))


def _strings(schema: Schema) -> st.SearchStrategy[str]:
    if schema.get("format") in SAMPLES:
        return SAMPLES[schema["format"]]
    if "[0-9]+h" in schema.get("pattern", ""):
        return SAMPLES["duration"]
    return TEXTS.filter(lambda text: len(text) >= schema.get("minLength", 0))


def _lists(schema: Schema) -> st.SearchStrategy[list[Any]]:
    keys = schema.get("x-kubernetes-list-map-keys")
    unique = (lambda item: tuple(str(item.get(key)) for key in keys)) if keys else None
    return st.lists(
        valid(schema["items"]), min_size=schema.get("minItems", 0), max_size=3, unique_by=unique
    )


def _objects(schema: Schema) -> st.SearchStrategy[dict[str, Any]]:
    if "properties" not in schema:
        if "additionalProperties" in schema:
            return st.dictionaries(NAMES, valid(schema["additionalProperties"]), max_size=3)
        is_open = schema.get("x-kubernetes-preserve-unknown-fields")
        least = schema.get("minProperties", 0)
        return free_form().filter(lambda value: len(value) >= least) if is_open else st.just({})
    required = set(schema.get("required", ()))
    fields = {name: valid(child) for name, child in schema["properties"].items()}
    return st.fixed_dictionaries(
        {name: field for name, field in fields.items() if name in required},
        optional={name: field for name, field in fields.items() if name not in required},
    )


_BY_TYPE: dict[str | None, Callable[[Schema], st.SearchStrategy[Any]]] = {
    "string": _strings,
    "integer": _integers,
    "number": _numbers,
    "boolean": _booleans,
    "array": _lists,
    "object": _objects,
}


@st.composite
def mangled(draw: st.DrawFn, whole: st.SearchStrategy[Any]) -> Any:
    """Values of the shape in which a few places hold something else, or nothing, or more."""
    value = draw(whole)
    for _ in range(draw(st.integers(1, 3))):
        value = _mangle(draw, value)
    return value


def _mangle(draw: st.DrawFn, value: Any) -> Any:
    if isinstance(value, dict) and value:
        return _mangle_object(draw, value)
    if isinstance(value, list) and value:
        return _mangle_list(draw, value)
    return draw(ANYTHING)


def _mangle_object(draw: st.DrawFn, value: dict[str, Any]) -> dict[str, Any]:
    key = draw(st.sampled_from(sorted(value)))
    match draw(st.sampled_from(["deeper", "deeper", "replace", "drop", "add"])):
        case "deeper":
            return {**value, key: _mangle(draw, value[key])}
        case "replace":
            return {**value, key: draw(ANYTHING)}
        case "drop":
            return {name: item for name, item in value.items() if name != key}
        case _:
            return {**value, draw(TEXTS): draw(ANYTHING)}


def _mangle_list(draw: st.DrawFn, value: list[Any]) -> list[Any]:
    at = draw(st.integers(0, len(value) - 1))
    match draw(st.sampled_from(["deeper", "replace", "repeat", "drop"])):
        case "deeper":
            return [*value[:at], _mangle(draw, value[at]), *value[at + 1 :]]
        case "replace":
            return [*value[:at], draw(ANYTHING), *value[at + 1 :]]
        case "repeat":
            return [*value, value[at]]
        case _:
            return [*value[:at], *value[at + 1 :]]
