"""Compile the steps of values to code for lossless conversions, with their conditions.

A step without an exact form between two schemas is not compiled; its field must then be absent. A
step that is two functions is verified by a round trip.
"""

import abc
import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from schemagen.schema.structural import Schema
from schemagen.versions import defaulting, durations, footprint, records, schema_coverage, steps
from schemagen.versions.compiled import code, default_conditions, free_form, structs
from schemagen.versions.compiled.code import Code, Emit, InexactError
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


class ValueCompiler(abc.ABC):
    """Compiler of the steps of values in one direction; those of records are a subclass's.

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

    @_known.register
    def _record(self, step: records.Record, place: Place) -> Emit | None:
        is_object = "properties" in place.here and "properties" in place.there
        return self.record(step, place) if is_object else None

    @abc.abstractmethod
    def record(
        self, step: records.Record, place: Place, *, also: Mapping[Path, str] | None = None
    ) -> Emit | None:
        """Return the conversion of a struct of one version to the other's.

        Args:
            step: The record.
            place: Its place.
            also: Fields handled elsewhere.
        """


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


def _texts_of(step: steps.Seconds) -> tuple[Callable[[int], str], Callable[[str], int]]:
    """Return the functions of ``to_duration``: seconds to text, and text to seconds or -1."""
    # Few distinct durations occur; others are computed again.
    text = functools.lru_cache(4096)(step.text)

    @functools.lru_cache(4096)
    def exact_seconds(written: str) -> int:
        seconds = durations.seconds_of(written)
        return -1 if seconds is None or text(seconds) != written else seconds

    return text, exact_seconds
