"""Lossless conversion of free-form objects to structs and back (``records.open_record``)."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from schemagen.problems import JSON
from schemagen.schema.structural import Schema
from schemagen.versions import records, steps
from schemagen.versions.compiled import structs
from schemagen.versions.compiled.code import InexactError, schema_at
from schemagen.versions.steps import Path


def typed(step: records.OpenRecord, schema: Schema) -> Callable[[dict[str, Any]], Any]:
    """Convert a free-form object to a struct: keys with a field, and the others beside them."""
    made = structs.type_of(schema)
    places = {
        move.old[0]: (move.step, _place(schema, move.new))
        for move in step.moves
        if len(move.old) == 1 and structs.type_of(schema_at(schema, move.new)) is not None
    }
    known = {move.old[0] for move in step.moves}
    put_extra = _place(schema, (step.extra,))

    def convert(value: dict[str, Any]) -> Any:
        target, rest = made(), {}
        for key, item in value.items():
            if key in places:
                one, put = places[key]
                changed = one.up(item)
                if changed is steps.ABSENT or one.down(changed) != item:
                    raise InexactError
                put(target, changed)
            elif key in known:
                raise InexactError
            else:
                rest[key] = item
        if rest:
            put_extra(target, rest)
        return target

    return convert


def _place(schema: Schema, path: Path) -> Callable[[Any, Any], None]:
    """Return a setter of a struct's unset field that creates parent structs."""
    name, *rest = path
    attribute, child = structs.attribute(name), schema["properties"][name]
    kind = structs.type_of(child)

    def put(target: Any, value: Any) -> None:
        if getattr(target, attribute) is not UNSET:
            raise InexactError
        is_typed = value.__class__ is kind
        setattr(target, attribute, value if is_typed else msgspec.convert(value, kind))

    if not rest:
        return put
    put_below = _place(child, tuple(rest))

    def put_deeper(target: Any, value: Any) -> None:
        below = getattr(target, attribute)
        if below is UNSET:
            below = kind()
            setattr(target, attribute, below)
        put_below(below, value)

    return put_deeper


def free(step: records.OpenRecord) -> Callable[[Any], dict[str, Any]]:
    """Convert a struct, or its plain fields, to a free-form object."""
    moves: dict[Path, list[records.Move]] = {}
    for move in step.moves:
        moves.setdefault(move.new, []).append(move)
    known = {move.old[0] for move in step.moves}
    objects = {path[:end] for path in moves for end in range(len(path))}

    def convert(value: Any) -> dict[str, Any]:
        plain = msgspec.to_builtins(value)
        rest = plain.pop(step.extra, None)
        target = dict(_collected(moves, objects, plain, ()))
        if rest is None:
            return target
        if not rest or not known.isdisjoint(rest):
            raise InexactError
        return {**target, **rest}

    return convert


def _collected(
    moves: Mapping[Path, Sequence[records.Move]], objects: Collection[Path], value: JSON, at: Path
) -> Iterator[tuple[str, JSON]]:
    """Return keys and values of the fields at and below a path."""
    if at in moves:
        yield _said(moves[at], value)
        return
    if at not in objects or (not value and at):
        raise InexactError
    for name, item in value.items():
        yield from _collected(moves, objects, item, (*at, name))


def _said(moves: Sequence[records.Move], value: Any) -> tuple[str, Any]:
    """Return the key of a field and its converted value, if unambiguous."""
    said = [(move, move.step.down(value)) for move in moves]
    ways = [(move, changed) for move, changed in said if changed is not steps.ABSENT]
    if len(ways) != 1:
        raise InexactError
    ((move, changed),) = ways
    if move.step.up(changed) != value:
        raise InexactError
    return move.old[0], changed
