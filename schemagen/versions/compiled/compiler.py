"""Compile records, field by field, to code for lossless conversions, with their conditions.

A part of two functions is verified by a round trip.
"""

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec
from msgspec import UNSET

from schemagen.schema.structural import Schema
from schemagen.versions import footprint, records, schema_coverage, steps
from schemagen.versions.compiled import code, default_conditions, structs
from schemagen.versions.compiled.code import Code, Emit, InexactError, Names
from schemagen.versions.compiled.values import Place, ValueCompiler
from schemagen.versions.footprint import STAR
from schemagen.versions.steps import ABSENT, Path

Fields: TypeAlias = tuple[Names, Names, Place]
"""A record's source values, the target values so far, and the record's place."""


class Compiler(ValueCompiler):
    """Compiler of a conversion's steps in one direction."""

    def record(
        self, step: records.Record, place: Place, *, also: Mapping[Path, str] | None = None
    ) -> Emit | None:
        """Return the conversion of a struct of one version to the other's."""
        if not all(map(footprint.is_known, step.parts)):
            return None
        parts = step.parts if self._is_up else step.parts[::-1]
        known = also or {}

        def emit(body: Code, value: str) -> str:
            start = len(body.lines)
            paths = [*self._reads(*parts), *known]
            found = self._read(body, place.here, value, paths)
            made: Names = {path: body.constant(text) for path, text in known.items()}
            for part in parts:
                self._part(part, body, (found, made, place))
            self._require_set(parts, body, (found, made, place))
            is_moved = made != found or any(len(path) > 1 for path in made)
            if is_moved or self._leaves_defaults(place.here, paths):
                return code.constructed(body, place.there, made)
            if not any("raise" in line for line in body.lines[start:]):
                del body.lines[start:]  # nothing is read
            return value

        return emit

    def _read(self, body: Code, schema: Schema, value: str, paths: Iterable[Path]) -> Names:
        return code.read(body, schema, value, paths, with_defaults=not self._is_between)

    def _leaves_defaults(self, here: Schema, paths: Iterable[Path]) -> bool:
        """Return whether an unconverted field may be set to its default."""
        read = {path[0] for path in paths}
        others = (child for name, child in here["properties"].items() if name not in read)
        return not self._is_between and any("default" in child for child in others)

    def _require_set(self, parts: Sequence[records.Part], body: Code, fields: Fields) -> None:
        """Require fields whose API server default would come back as a value."""
        _, made, place = fields
        written = self._writes(*parts)
        returns: dict[Path, default_conditions.Return] = {}
        for part in parts:
            if isinstance(part, records.Move):
                (source,), (target,) = self._reads(part), self._writes(part)
                if len(source) == 1 and written.count(target) == 1:
                    back = part.way_down if self._is_up else part.way_up
                    here = code.schema_at(place.here, source)
                    returns[target] = back, None if self._is_between else here
        every = {path: made.get(path, "UNSET") for path in written}
        default_conditions.require_set(body, place.there, every, returns)

    def _reads(self, *parts: records.Part) -> list[Path]:
        """Return the paths of the source object that parts touch."""
        return [path for part in parts for path in footprint.paths(part, self._source)]

    def _writes(self, *parts: records.Part) -> list[Path]:
        return [path for part in parts for path in footprint.paths(part, self._target)]

    @functools.singledispatchmethod
    def _part(self, part: records.Part, body: Code, fields: Fields) -> None:
        """Write the code of a part."""
        raise TypeError(part, body, fields)

    @_part.register
    def _move(self, part: records.Move, body: Code, fields: Fields) -> None:
        found, made, place = fields
        source, target = (part.old, part.new) if self._is_up else (part.new, part.old)
        here, there = code.schema_at(place.here, source), code.schema_at(place.there, target)
        value, emit = found[source], None
        if here is not None and there is not None:
            emit = self.value(part.step, Place(here, there, (*place.at, *part.new)))
        if emit is None:
            body.require_absent([value])
        elif emit is code.same:
            made[target] = value
        else:
            made[target] = _if_there(body, value, emit)

    @_part.register
    def _silent(self, part: records.Forget | records.Unrelated, body: Code, fields: Fields) -> None:
        body.require_absent([fields[0][path] for path in self._reads(part)])

    @_part.register
    def _constant(
        self, part: records.Constant | records.Implied, body: Code, fields: Fields
    ) -> None:
        found, made, _ = fields
        path, value = (part.name,), body.constant(part.value)
        if path in found:
            body.require(f"{found[path]} == {value}")
        else:
            made[path] = value

    @_part.register
    def _written_out(self, part: records.WrittenOut, body: Code, fields: Fields) -> None:
        body.require(f"{fields[0][(part.name,)]} is not UNSET")
        self._move(records.Move((part.name,), (part.name,)), body, fields)

    @_part.register
    def _open_words(self, part: records.OpenWords, body: Code, fields: Fields) -> None:
        found, made, _ = fields
        word = found[(part.name,)]
        body.require(f"{word} is UNSET or {word} in {body.constant(part.words)}")
        made[(part.name,)] = word

    @_part.register
    def _sentinel(self, part: records.Sentinel, body: Code, fields: Fields) -> None:
        found, made, place = fields
        old, new = body.constant(part.old), body.constant(part.new)
        if self._is_up:
            value, flag = body.name(), body.name()
            body.line(f"{value} = {found[part.move.old]}")
            body.line(f"{flag} = UNSET")
            with body.block(f"if {value} == {old}:"):
                body.line(f"{flag} = {new}")
                body.line(f"{value} = UNSET")
            made[part.place] = flag
            self._move(part.move, body, ({part.move.old: value}, made, place))
            return
        flag, value = found[part.place], found[part.move.new]
        body.require(f"{flag} is UNSET or ({flag} == {new} and {value} is UNSET)")
        self._move(part.move, body, fields)
        result, carried = body.name(), made.get(part.move.old, "UNSET")
        body.require(f"{carried} != {old}")
        body.line(f"{result} = {carried} if {flag} is UNSET else {old}")
        made[part.move.old] = result

    @_part.register
    def _first_of(self, part: records.FirstOf, body: Code, fields: Fields) -> None:
        present = [f"({fields[0][path]} is not UNSET)" for path in self._reads(*part.moves)]
        body.require(f"{' + '.join(present)} < 2")
        for move in part.moves:
            self._move(move, body, fields)

    @_part.register
    def _spread(self, part: records.Spread, body: Code, fields: Fields) -> None:
        found, made, place = fields
        (source,), (target,) = self._reads(part), self._writes(part)
        here, there = code.schema_at(place.here, source), code.schema_at(place.there, target)
        value, emit = found[source], None
        if here is not None and there is not None:
            emit = self.value(part.step, Place(here, there, (*place.at, *part.new, STAR)))
        if emit is None:
            body.require_absent([value])
            return
        body.require(f"{value} != {{}}")
        made[target] = _if_there(body, value, emit)

    @_part.register
    def _tagged(self, part: records.Tagged, body: Code, fields: Fields) -> None:
        found, made, place = fields
        (here,), (there,) = self._reads(part.tag), self._writes(part.tag)
        every = [path for path in self._reads(part) if path != here]
        results = {path: body.name() for path in self._writes(part)}
        for head, (word, arm) in zip(_heads(), part.arms.items(), strict=False):
            mine, other = word, part.tag.step.up(word)
            if not self._is_up:
                mine, other = other, mine
            with body.block(f"{head} {found[here]} == {mine!r}:"):
                own = self._reads(*arm)
                body.require_absent([found[path] for path in every if path not in own])
                local: Names = {there: repr(other)}
                for one in arm:
                    self._part(one, body, (found, local, place))
                _assign(body, results, local)
        _otherwise_inexact(body)
        made |= results

    @_part.register
    def _flat_union(self, part: records.FlatUnion, body: Code, fields: Fields) -> None:
        found, made, _ = fields
        every = [path for path in self._reads(part) if path != (part.tag,)]
        results = {path: body.name() for path in self._writes(part)}
        arm = self._flat_arm if self._is_up else self._wrapped_arm
        for head, (word, (name, step)) in zip(_heads(), part.arms.items(), strict=False):
            parts = footprint.parts_of(step)
            own = self._reads(*parts) if self._is_up else [(name,)]
            if self._is_up:
                asked = f"{found[(part.tag,)]} == {word!r}"
            else:
                asked = f"{found[(name,)]} is not UNSET"
            with body.block(f"{head} {asked}:"):
                body.require_absent([found[path] for path in every if path not in own])
                local = arm(name, parts, body, fields)
                if not self._is_up:
                    local[(part.tag,)] = repr(word)
                _assign(body, results, local)
        _otherwise_inexact(body)
        made |= results

    def _flat_arm(
        self, name: str, parts: Sequence[records.Part], body: Code, fields: Fields
    ) -> Names:
        """Write one arm of a flat union, whose fields are inlined, as an object of its own."""
        found, _, place = fields
        there = place.there["properties"][name]
        inner: Names = {}
        for part in parts:
            self._part(part, body, (found, inner, Place(place.here, there, (*place.at, name))))
        self._require_set(parts, body, (found, inner, Place(place.here, there)))
        return {(name,): code.constructed(body, there, inner)}

    def _wrapped_arm(
        self, name: str, parts: Sequence[records.Part], body: Code, fields: Fields
    ) -> Names:
        found, _, place = fields
        here = place.here["properties"][name]
        inside = self._read(body, here, found[(name,)], self._reads(*parts))
        local: Names = {}
        for part in parts:
            self._part(part, body, (inside, local, Place(here, place.there, (*place.at, name))))
        return local

    @_part.register
    def _functions(self, part: records.PartFn, body: Code, fields: Fields) -> None:
        """Write a part of two functions that declares its fields."""
        found, made, place = fields
        reads, writes = self._reads(part), self._writes(part)
        if not reads:  # only annotations, which CompiledConversion checks
            return
        forth, back = (part.up, part.down) if self._is_up else (part.down, part.up)
        theirs = {path: code.schema_at(place.there, path) for path in writes}
        ours = {path: code.schema_at(place.here, path) for path in reads}
        kinds = {path: structs.type_of(schema) for path, schema in theirs.items()}
        there = default_conditions.settling_at(theirs)
        here = schema_coverage.kept if self._is_between else default_conditions.settling_at(ours)

        def convert(values: Iterable[Any]) -> list[Any]:
            plain: dict[str, Any] = {}
            for path, one in zip(reads, values, strict=True):
                steps.put(plain, path, ABSENT if one is UNSET else msgspec.to_builtins(one))
            changed: dict[str, Any] = {}
            forth(plain, changed)
            again: dict[str, Any] = {}
            back(changed, again)
            defaulted: dict[str, Any] = {}
            back(there(changed), defaulted)
            is_exact = here(defaulted) == here(plain)
            if again != plain or not is_exact or _others(changed, kinds):
                raise InexactError
            found = [(steps.get(changed, path), kind) for path, kind in kinds.items()]
            return [UNSET if value is ABSENT else msgspec.convert(value, kind)
                    for value, kind in found]  # fmt: skip

        results = {path: body.name() for path in writes}
        values = f"({', '.join(found[path] for path in reads)},)"
        body.line(f"[{', '.join(results.values())}] = {body.constant(convert)}({values})")
        made |= results


def _others(value: dict[str, Any], kinds: Mapping[Path, Any]) -> bool:
    """Return whether an object has anything but typed values at some paths."""
    known: dict[str, Any] = {}
    for path, kind in kinds.items():
        steps.put(known, path, steps.get(value, path) if kind is not None else ABSENT)
    return known != value


def _if_there(body: Code, value: str, emit: Emit) -> str:
    """Return the name of a converted value, or of UNSET if unset."""
    result = body.name()
    with body.block(f"if {value} is not UNSET:"):
        changed = emit(body, value)
        if changed != value:
            body.line(f"{result} = {changed}")
    if changed == value:
        return value
    with body.block("else:"):
        body.line(f"{result} = UNSET")
    return result


def _heads() -> Iterable[str]:
    yield "if"
    while True:
        yield "elif"


def _assign(body: Code, results: Names, local: Names) -> None:
    for path, name in results.items():
        body.line(f"{name} = {local.get(path, 'UNSET')}")


def _otherwise_inexact(body: Code) -> None:
    with body.block("else:"):
        body.line("raise InexactError")
