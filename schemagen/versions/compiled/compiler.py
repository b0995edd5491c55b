"""Compile steps to code for lossless conversions, with the conditions under which they are.

A step without an exact form between two schemas is not compiled; its field must then be absent. A
step that is two functions is verified by a round trip.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import UNSET

from schemagen.schema.structural import Schema
from schemagen.versions import defaulting, footprint, records, schema_coverage, steps
from schemagen.versions.compiled import code, default_conditions, free_form, structs
from schemagen.versions.compiled.code import Code, Emit, InexactError, Names
from schemagen.versions.footprint import STAR
from schemagen.versions.graph import Way
from schemagen.versions.steps import Path


@dataclasses.dataclass(frozen=True)
class Place:
    """Position of a step: the schemas of the value before and after, its path in the newer one."""

    here: Schema
    there: Schema
    at: Path = ()

    def inside(self, key: str, name: str) -> "Place | None":
        """Return the place of a list's items or a map's values."""
        if key not in self.here or key not in self.there:
            return None
        return Place(self.here[key], self.there[key], (*self.at, name))

    @property
    def types(self) -> tuple[Any, Any]:
        """Return the types that the value is decoded to and converted to."""
        return structs.type_of(self.here), structs.type_of(self.there)


_SIDES: Final[Mapping[Way, tuple[footprint.Side, footprint.Side]]] = {
    "up": ("old", "new"),
    "down": ("new", "old"),
}

Fields: TypeAlias = tuple[Names, Names, Place]
"""A record's source values, the target values so far, and the record's place."""


class Compiler:
    """Compiler of a conversion's steps in one direction.

    Args:
        way: The direction.
        unordered: Paths of the newer version's lists whose order is irrelevant.
        is_between: Whether the source is an intermediate version, which is never defaulted.
    """

    def __init__(
        self,
        way: Way,
        *,
        unordered: Iterable[Path] = (),
        is_between: bool = False,
    ) -> None:
        self._is_up = way == "up"
        self._source, self._target = _SIDES[way]
        self._unordered = frozenset() if is_between else frozenset(unordered)
        self._is_between = is_between

    # --- values ---------------------------------------------------------------------------------

    def value(self, step: steps.Step, place: Place) -> Emit | None:
        """Return the conversion of a value; None if it has no exact form."""
        if None in place.types:
            return None
        if step is steps.KEEP:
            return self._kept(place)
        return self._known(step, place) or self._proved(step, place)

    @functools.singledispatchmethod
    def _known(self, step: steps.Step, place: Place) -> Emit | None:
        """Return the form of a step with its own class."""
        del step, place
        return None

    def _proved(self, step: steps.Step, place: Place) -> Emit:
        forth, back = (step.up, step.down) if self._is_up else (step.down, step.up)
        kind = structs.type_of(place.there)
        there = defaulting.node_of(place.there).settle
        here = schema_coverage.kept if self._is_between else defaulting.node_of(place.here).settle

        def convert(value: Any) -> Any:
            plain = msgspec.to_builtins(value)
            changed = forth(plain)
            if changed is steps.ABSENT or back(changed) != plain:
                raise InexactError
            defaulted = there(changed)
            if defaulted is not changed and here(back(defaulted)) != here(plain):
                raise InexactError
            return msgspec.convert(changed, kind)

        return code.calling(convert)

    def _kept(self, place: Place) -> Emit | None:
        """Return the form of a value that both versions write alike."""
        mine, wanted = place.types
        is_same = mine == wanted or (mine, wanted) == (str, int | str)
        own, other = default_conditions.below(place.here), default_conditions.below(place.there)
        if is_same and own == other and not (other and self._is_between):
            return code.same
        match place.here, place.there:
            case {"properties": dict(old)}, {"properties": dict(new)}:
                common = [name for name in old if name in new]
                return self._known(records.record(records.keep(*common)), place)
            case {"items": _}, {"items": _}:
                return self._known(steps.each(steps.KEEP), place)
            case {"additionalProperties": _}, {"additionalProperties": _}:
                return self._known(steps.values(steps.KEEP), place)
        return None

    @_known.register
    def _each(self, step: steps.Each, place: Place) -> Emit | None:
        inside = place.inside("items", "[]")
        item = self.value(step.step, inside) if inside else None
        if inside is None or item is None or not _tells_apart(step.key, inside.here):
            return None

        def emit(body: Code, value: str) -> str:
            key = None if not step.key else structs.attribute(step.key)
            if key:
                body.require(
                    f"len({value}) < 2 or len({{one.{key} for one in {value}}}) == len({value})"
                )
            elif step.key is not None:
                body.require(f"len({{*{value}}}) == len({value})")
            if item is code.same and not key:
                return value
            result, one = body.name(), body.name()
            body.line(f"{result} = []")
            with body.block(f"for {one} in {value}:"):
                if key:
                    body.require(f"{one}.{key} is not UNSET")
                body.line(f"{result}.append({item(body, one)})")
            return result

        return code.same if item is code.same and step.key is None else emit

    @_known.register
    def _values(self, step: steps.Values, place: Place) -> Emit | None:
        inside = place.inside("additionalProperties", "{}")
        item = self.value(step.step, inside) if inside else None
        if item is None or item is code.same:
            return item

        def emit(body: Code, value: str) -> str:
            result, key, one = body.name(), body.name(), body.name()
            body.line(f"{result} = {{}}")
            with body.block(f"for {key}, {one} in {value}.items():"):
                body.line(f"{result}[{key}] = {item(body, one)}")
            return result

        return emit

    @_known.register
    def _pairs(self, step: steps.Pairs, place: Place) -> Emit | None:
        texts, listed = _ends(place, is_up=self._is_up)
        fields = _item_fields(listed)
        if structs.type_of(texts) != dict[str, str] or not all(
            structs.type_of(fields.get(name)) is str for name in (step.key, step.value)
        ):
            return None
        is_ordered = place.at not in self._unordered
        others = [name for name in fields if name not in {step.key, step.value}]

        def up(body: Code, value: str) -> str:
            if [*fields][:2] == [step.key, step.value]:  # avoids a frame for each list and pair
                made, keys = body.constant(structs.type_of(listed["items"])), body.name()
                body.line(f"{keys} = sorted({value})")
                return f"[*map({made}, {keys}, map({value}.__getitem__, {keys}))]"
            made = code.struct(
                body, listed["items"], {step.key: "key", step.value: f"{value}[key]"}
            )
            return f"[{made} for key in sorted({value})]"

        def down(body: Code, value: str) -> str:
            result, one = body.name(), body.name()
            key, text = (f"{one}.{structs.attribute(name)}" for name in (step.key, step.value))
            body.line(f"{result} = {{}}")
            with body.block(f"for {one} in {value}:"):
                body.require_absent([f"{one}.{structs.attribute(name)}" for name in others])
                body.require(f"{key} is not UNSET is not {text}")
                body.line(f"{result}[{key}] = {text}")
            body.require(f"len({result}) == len({value})")
            if is_ordered:
                body.require(f"[*{result}] == sorted({result})")
            return result

        return up if self._is_up else down

    @_known.register
    def _wrap(self, step: steps.Wrap, place: Place) -> Emit | None:
        texts, listed = _ends(place, is_up=self._is_up)
        fields = _item_fields(listed)
        if structs.type_of(texts) != list[str] or structs.type_of(fields.get(step.key)) is not str:
            return None
        others = [name for name in fields if name != step.key]

        def up(body: Code, value: str) -> str:
            body.require(f"len({{*{value}}}) == len({value})")
            return f"[{code.struct(body, listed['items'], {step.key: 'one'})} for one in {value}]"

        def down(body: Code, value: str) -> str:
            result, one = body.name(), body.name()
            body.line(f"{result} = []")
            with body.block(f"for {one} in {value}:"):
                body.require_absent([f"{one}.{structs.attribute(name)}" for name in others])
                body.line(f"{result}.append({one}.{structs.attribute(step.key)})")
            body.require(f"UNSET not in {result} and len({{*{result}}}) == len({result})")
            return result

        return up if self._is_up else down

    @_known.register
    def _words(self, step: steps.Words, place: Place) -> Emit | None:
        forth, back = (step.up, step.down) if self._is_up else (step.down, step.up)
        words = step.pairs if self._is_up else step.pairs.values()
        table = {word: forth(word) for word in words if back(forth(word)) == word}

        def emit(body: Code, value: str) -> str:
            result = body.name()
            body.line(f"{result} = {body.constant(table)}.get({value})")
            body.require(f"{result} is not None")
            return result

        return emit if place.types[0] is str else None

    @_known.register
    def _seconds(self, step: steps.Seconds, place: Place) -> Emit | None:
        text, exact_seconds = _texts_of(step)

        def up(body: Code, value: str) -> str:
            body.require(f"{step.least} <= {value} <= {step.most}")
            return f"{body.constant(text)}({value})"

        def down(body: Code, value: str) -> str:
            result = body.name()
            body.line(f"{result} = {body.constant(exact_seconds)}({value})")
            body.require(f"{max(step.least, 0)} <= {result} <= {step.most}")
            return result

        if place.types != ((int, str) if self._is_up else (str, int)):
            return None
        return up if self._is_up else down

    @_known.register
    def _integer(self, step: steps.Integer, place: Place) -> Emit | None:
        def emit(body: Code, value: str) -> str:
            body.require(f"{step.least} <= {value} <= {step.most}")
            return value

        return emit if place.types == (int, int) else None

    @_known.register
    def _typed(self, step: steps.Typed, place: Place) -> Emit | None:
        mine, wanted = place.types
        kinds = {step.kind, int | str} if step.kind is str else {step.kind}
        if mine not in kinds or wanted not in kinds:
            return None

        def emit(body: Code, value: str) -> str:
            if mine is not step.kind:
                body.require(f"{value}.__class__ is {body.constant(step.kind)}")
            if step.allows is not None:
                body.require(f"{body.constant(step.allows)}({value})")
            return value

        return code.same if mine is step.kind and step.allows is None else emit

    @_known.register
    def _open_record(self, step: records.OpenRecord, place: Place) -> Emit | None:
        free, typed = _ends(place, is_up=self._is_up)
        is_typed = "properties" in typed and not default_conditions.below(typed)
        if not is_typed or structs.type_of(free) != dict[str, Any]:
            return None
        return code.calling(free_form.typed(step, typed) if self._is_up else free_form.free(step))

    # --- objects --------------------------------------------------------------------------------

    @_known.register
    def _record(self, step: records.Record, place: Place) -> Emit | None:
        is_object = "properties" in place.here and "properties" in place.there
        return self.record(step, place) if is_object else None

    def record(
        self, step: records.Record, place: Place, *, also: Mapping[Path, str] | None = None
    ) -> Emit | None:
        """Return the conversion of a struct of one version to the other's.

        Args:
            step: The record.
            place: Its place.
            also: Fields handled elsewhere.
        """
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
        for one in parts:
            self._part(one, body, (found, inner, Place(place.here, there, (*place.at, name))))
        self._require_set(parts, body, (found, inner, Place(place.here, there)))
        return {(name,): code.constructed(body, there, inner)}

    def _wrapped_arm(
        self, name: str, parts: Sequence[records.Part], body: Code, fields: Fields
    ) -> Names:
        found, _, place = fields
        here = place.here["properties"][name]
        inside = self._read(body, here, found[(name,)], self._reads(*parts))
        local: Names = {}
        for one in parts:
            self._part(one, body, (inside, local, Place(here, place.there, (*place.at, name))))
        return local

    @_part.register
    def _functions(self, part: records.PartFn, body: Code, fields: Fields) -> None:
        """Write a part of two functions that declares its fields."""
        found, made, place = fields
        reads, writes = self._reads(part), self._writes(part)
        if not reads:  # only annotations, which CompiledConversion checks
            return
        forth, back = (part.up, part.down) if self._is_up else (part.down, part.up)
        names = [name for (name,) in reads]
        theirs = {path[0]: code.schema_at(place.there, path) for path in writes}
        ours = {path[0]: code.schema_at(place.here, path) for path in reads}
        kinds = {name: structs.type_of(schema) for name, schema in theirs.items()}
        there = default_conditions.settling(theirs)
        here = schema_coverage.kept if self._is_between else default_conditions.settling(ours)

        def convert(values: Iterable[Any]) -> list[Any]:
            given = zip(names, values, strict=True)
            plain = {name: msgspec.to_builtins(one) for name, one in given if one is not UNSET}
            changed: dict[str, Any] = {}
            forth(plain, changed)
            again: dict[str, Any] = {}
            back(changed, again)
            defaulted: dict[str, Any] = {}
            back(there(changed), defaulted)
            is_exact = here(defaulted) == here(plain)
            if again != plain or not is_exact or not all(kinds.get(name) for name in changed):
                raise InexactError
            return [
                msgspec.convert(changed[name], kind) if name in changed else UNSET
                for name, kind in kinds.items()
            ]

        results = {path: body.name() for path in writes}
        values = f"({', '.join(found[path] for path in reads)},)"
        body.line(f"[{', '.join(results.values())}] = {body.constant(convert)}({values})")
        made |= results


# --- small pieces -------------------------------------------------------------------------------


def _ends(place: Place, *, is_up: bool) -> tuple[Schema, Schema]:
    """Return the schemas of the older and the newer version."""
    return (place.here, place.there) if is_up else (place.there, place.here)


def _item_fields(schema: Schema) -> Mapping[str, Schema]:
    fields: Mapping[str, Schema] = schema.get("items", {}).get("properties", {})
    return fields


def _tells_apart(key: str | None, items: Schema) -> bool:
    """Return whether items can be compared by a key, or by themselves without one."""
    if key is None:
        return True
    compared = items if key == "" else items.get("properties", {}).get(key)
    return structs.type_of(compared) is str


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


def _texts_of(step: steps.Seconds) -> tuple[Callable[[int], str], Callable[[str], int]]:
    """Return the functions of ``to_duration``: seconds to text, and text to seconds or -1."""
    # Few distinct durations occur; others are computed again.
    text = functools.lru_cache(4096)(step.text)

    @functools.lru_cache(4096)
    def exact_seconds(written: str) -> int:
        seconds = steps.seconds_of(written)
        return -1 if seconds is None or text(seconds) != written else seconds

    return text, exact_seconds
