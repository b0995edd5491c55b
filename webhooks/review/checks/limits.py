"""Size limits that a schema cannot express: bytes of UTF-8, and entries of unvalidated data.

Compiled per version from the ``MaxBytes`` and ``MaxEntries`` markers of its model; only the
branches of an object with a limit are walked.
"""

import dataclasses
import functools
import types
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import msgspec

from schemagen import FieldPath, MaxBytes, MaxEntries, Problem, Reason
from schemagen.model import base
from schemagen.problems import JSON
from schemagen.schema import structural
from schemagen.versions.compiled import structs

Check = Callable[[JSON, FieldPath], Iterator["Excess"]]


@dataclasses.dataclass(frozen=True)
class Excess:
    """A value that exceeds its limit."""

    problem: Problem
    value: JSON


def problems(model: type[base.Resource], new: JSON, old: JSON | None) -> list[Problem]:
    """Return what is too large in an object.

    A value that was too large before and is unchanged is not reported (ratcheting, KEP-4008):
    objects older than a limit stay usable.
    """
    if not _quick_of(model)(new):
        return []
    check = _compiled(model)
    before = {} if old is None else {e.problem.path: e.value for e in check(old, FieldPath())}
    return [
        excess.problem
        for excess in check(new, FieldPath())
        if excess.problem.path not in before or before[excess.problem.path] != excess.value
    ]


def has_any(model: type[base.Resource]) -> bool:
    """Return whether a model has a limit that is checked here."""
    return _compiled(model) is not _nothing


@functools.cache
def _compiled(model: type[base.Resource]) -> Check:
    return _check(structural.schema_of(model, descriptions=False, limits=True)) or _nothing


@functools.cache
def _quick_of(model: type[base.Resource]) -> Callable[[JSON], bool]:
    """Return a fast check of whether anything may exceed a limit, run for every review.

    msgspec checks the branches with limits in a fraction of the time that walking them takes; only
    what it refuses is examined in detail.
    """
    kind = _bounded(structural.schema_of(model, descriptions=False, limits=True))
    if kind is None:
        return _never

    def quick(value: JSON) -> bool:
        try:
            msgspec.convert(value, kind)
        except (msgspec.ValidationError, RecursionError):
            return True
        return False

    return quick


def _never(value: JSON) -> bool:
    del value
    return False


def _bounded(schema: structural.Schema) -> Any:
    """The type of values within every limit of a node and its children; None without a limit."""
    limit, inner = schema.get(structural.LIMIT), _bounded_inner(schema)
    match limit:
        case None:
            return inner
        case MaxBytes():
            # A code point takes at most four bytes.
            return Annotated[str, msgspec.Meta(max_length=limit.limit // 4)]
        case _:
            container = inner or (list[Any] if "items" in schema else dict[str, Any])
            return Annotated[container, msgspec.Meta(max_length=limit.limit)]


def _bounded_inner(schema: structural.Schema) -> Any:
    if "items" in schema:
        item = _bounded(schema["items"])
        return item and types.GenericAlias(list, (item,))
    if isinstance(schema.get("additionalProperties"), dict):
        value = _bounded(schema["additionalProperties"])
        key = _bounded({structural.LIMIT: schema.get(structural.KEY_LIMIT)})
        return (value or key) and types.GenericAlias(dict, (key or str, value or Any))
    bounded = {name: _bounded(child) for name, child in schema.get("properties", {}).items()}
    fields = {name: kind for name, kind in bounded.items() if kind is not None}
    if not fields:
        return None
    return msgspec.defstruct(
        "Bounded",
        [(structs.attribute(name), kind | None, None) for name, kind in fields.items()],
        rename={structs.attribute(name): name for name in fields},
        gc=False,
    )


def _nothing(value: JSON, path: FieldPath) -> Iterator[Excess]:
    del value, path
    yield from ()


def _check(schema: structural.Schema) -> Check | None:
    """The check of a node and its children; None without a limit."""
    candidates = (_own(schema), _keys(schema), _below(schema))
    checks = [check for check in candidates if check is not None]

    def both(value: JSON, path: FieldPath) -> Iterator[Excess]:
        for check in checks:
            yield from check(value, path)

    return both if checks else None


def _own(schema: structural.Schema) -> Check | None:
    match schema.get(structural.LIMIT):
        case MaxBytes(limit):
            return functools.partial(_bytes, limit=limit)
        case MaxEntries(limit):
            return functools.partial(_entries, limit=limit)
        case _:
            return None


def _keys(schema: structural.Schema) -> Check | None:
    check = _own({structural.LIMIT: schema.get(structural.KEY_LIMIT)})

    def keys(value: JSON, path: FieldPath) -> Iterator[Excess]:
        if check is None or type(value) is not dict:
            return
        for key in value:
            yield from check(key, path.key(key))

    return keys if check is not None else None


def _below(schema: structural.Schema) -> Check | None:
    if "items" in schema:
        return _items(schema)
    if isinstance(schema.get("additionalProperties"), dict):
        return _values(schema["additionalProperties"])
    fields = {name: _check(child) for name, child in schema.get("properties", {}).items()}
    return _fields({name: check for name, check in fields.items() if check is not None})


def _bytes(value: JSON, path: FieldPath, *, limit: int) -> Iterator[Excess]:
    # A code point takes at most four bytes: short texts need no encoding.
    if type(value) is not str or len(value) * 4 <= limit:
        return
    size = len(value.encode(errors="surrogatepass"))
    if size > limit:
        message = f"expected at most {limit} bytes of UTF-8, got {size}"
        yield Excess(Problem(path, message, Reason.TOO_LONG), value)


def _entries(value: JSON, path: FieldPath, *, limit: int) -> Iterator[Excess]:
    if type(value) in (list, dict) and len(value) > limit:
        message = f"expected at most {limit} entries, got {len(value)}"
        yield Excess(Problem(path, message, Reason.TOO_MANY), value)


def _items(schema: structural.Schema) -> Check | None:
    check = _check(schema["items"])
    keys = schema.get("x-kubernetes-list-map-keys", [])

    def items(value: JSON, path: FieldPath) -> Iterator[Excess]:
        if check is None or type(value) is not list:
            return
        for index, item in enumerate(value):
            name = item.get(keys[0]) if len(keys) == 1 and type(item) is dict else None
            yield from check(item, path.key(name if type(name) is str else index))

    return items if check is not None else None


def _values(schema: structural.Schema) -> Check | None:
    check = _check(schema)

    def values(value: JSON, path: FieldPath) -> Iterator[Excess]:
        if check is None or type(value) is not dict:
            return
        for name, item in value.items():
            yield from check(item, path.key(name))

    return values if check is not None else None


def _fields(checks: dict[str, Check]) -> Check | None:
    def fields(value: JSON, path: FieldPath) -> Iterator[Excess]:
        if type(value) is not dict:
            return
        for name, check in checks.items():
            if name in value:
                yield from check(value[name], path.member(name))

    return fields if checks else None
