"""Check that steps fit the schemas on both sides, by walking a conversion's step tree."""

import dataclasses
import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from schemagen.versions import (
    durations,
    links,
    records,
    reshaping,
    schema_coverage,
    schema_places,
    steps,
)
from schemagen.versions.footprint import Side
from schemagen.versions.links import Link
from schemagen.versions.residue import exclusions
from schemagen.versions.schema_places import ANY, FREE_OBJECT, Fault, Missing, Node
from schemagen.versions.steps import ABSENT, Path, Step
from schemagen.versions.verification import mapped_fields, secret_fields

_OBJECTS: Final = ("object", FREE_OBJECT, "map")
_TEXTS: Final = ("string",)
_INTEGERS: Final = ("integer", "integer or string")
# Schemas allowed for a value of exactly one Python type.
_TYPES: Final[Mapping[type, Sequence[str]]] = {
    str: ("string", "integer or string"),
    int: ("integer", "number", "integer or string"),
    float: ("number",),
    bool: ("boolean",),
    dict: _OBJECTS,
    list: ("list",),
}
_DURATION_FORMATS: Final = (None, "duration")


@dataclasses.dataclass(frozen=True, eq=False)
class Trial:
    """A step made of functions between two places, to be tried on generated values.

    Attributes:
        step: The step.
        old: The place of its value in the older version.
        new: The place in the newer version.
        line: Where it was declared.
        is_mixed: Whether other steps, checked separately, write a part of the result.
        gaps: Fields without another step; the functions may convert them.
    """

    step: Step
    old: Node
    new: Node
    line: str
    is_mixed: bool = False
    gaps: tuple[mapped_fields.Gap, ...] = ()


@dataclasses.dataclass(frozen=True, eq=False)
class Spot:
    """Position of a step.

    Attributes:
        old: The place of its value in the older version.
        new: The place in the newer version.
        line: Where it was declared, for messages.
        is_guarded: Whether a function decides which values it applies to.
        shares: The side on which a record's fields are mixed with those of other parts.
        beside: The paths of those.
    """

    old: Node
    new: Node
    line: str = ""
    is_guarded: bool = False
    shares: Side | None = None
    beside: tuple[Path, ...] = ()

    def node(self, side: Side) -> Node:
        """Return the place on a side."""
        return self.old if side == "old" else self.new

    def below(self, old: Node, new: Node) -> "Spot":
        """Return the position of a nested step, with the same guard."""
        return Spot(old, new, self.line, self.is_guarded)


class Walk:
    """One walk over the steps of a conversion.

    Attributes:
        faults: Errors.
        trials: Steps made of functions, which cannot be inspected.
        advice: Possible improvements.
    """

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.trials: list[Trial] = []
        self.advice: list[Fault] = []
        # Places whose values are always the same in both versions.
        self._exact: dict[Path, Path] = {}

    def conversion(self, conversion: records.Conversion, old: Node, new: Node) -> None:
        """Check a whole conversion."""
        self.value(conversion.step, Spot(old, new))
        for dotted in conversion.unordered_paths:
            self._unordered(tuple(dotted.split(".")), new)
        for side in _SIDES:
            gone = [*exclusions.forgotten_paths(conversion.step, side)]
            node, other = (old, new) if side == "old" else (new, old)
            kept = (
                self._exact
                if side == "old"
                else {there: here for here, there in self._exact.items()}
            )
            self.faults += secret_fields.faults(side, node, other, gone=gone, kept=kept)

    def _fault(self, node: Node, message: str, spot: Spot) -> None:
        self.faults.append(Fault(node.place, message, spot.line))

    # --- values ---------------------------------------------------------------------------------

    def value(self, step: Step, spot: Spot) -> None:
        """Check a step between two places."""
        if step is steps.KEEP:
            self._kept(spot)
        else:
            self._known(step, spot)

    @functools.singledispatchmethod
    def _known(self, step: Step, spot: Spot) -> None:
        """Schedule a trial for a step that cannot be inspected."""
        self.trials.append(Trial(step, spot.old, spot.new, spot.line))

    def _kept(self, spot: Spot) -> None:
        is_free = ANY in {spot.old.type, spot.new.type} or FREE_OBJECT in {
            spot.old.type,
            spot.new.type,
        }
        if spot.is_guarded and is_free:
            return
        for fault in schema_places.differences(spot.old, spot.new):
            self.faults.append(dataclasses.replace(fault, line=spot.line))
        if not spot.is_guarded:
            self._exact[spot.old.path] = spot.new.path

    @_known.register
    def _guarded(self, step: steps.Guarded, spot: Spot) -> None:
        self.value(step.step, dataclasses.replace(spot, is_guarded=True))
        if isinstance(step, steps.Around):
            self.trials.append(Trial(step, spot.old, spot.new, spot.line, is_mixed=True))

    @_known.register
    def _typed(self, step: steps.Typed, spot: Spot) -> None:
        if self._expect(spot, _TYPES[step.kind], _TYPES[step.kind]) and (
            spot.old.type == spot.new.type
        ):
            self._kept(dataclasses.replace(spot, is_guarded=step.allows is not None))

    @_known.register(steps.Integer)
    @_known.register(steps.Scaled)
    def _number(self, step: steps.Integer | steps.Scaled, spot: Spot) -> None:
        del step
        self._expect(spot, _TYPES[int], _TYPES[int])

    @_known.register
    def _seconds(self, step: steps.Seconds, spot: Spot) -> None:
        if not self._expect(spot, _INTEGERS, _TEXTS):
            return
        found = spot.new.schema.get("format")
        if found not in _DURATION_FORMATS:
            self._fault(spot.new, f"expected a duration for to_duration, got format {found}", spot)
        default = spot.new.schema.get("default")
        seconds = durations.seconds_of(default) if isinstance(default, str) else None
        if seconds is not None and step.text(seconds) != default:
            message = (
                f"its default {default} comes back as {step.text(seconds)} from "
                f'{spot.old.version}; write to_duration(spelled="{default}")'
            )
            self.advice.append(Fault(spot.new.place, message, spot.line))

    @_known.register
    def _words(self, step: steps.Words, spot: Spot) -> None:
        if not self._expect(spot, _TEXTS, _TEXTS):
            return
        self._spelled(spot.old, step.pairs, spot)
        self._spelled(spot.new, step.pairs.values(), spot)
        named = {*step.pairs.values()}
        for word in spot.old.schema.get("enum", ()):
            others = [one for one in spot.new.schema.get("enum", ()) if one not in named]
            same = next((other for other in others if schema_places.same_word(word, other)), None)
            if word not in step.pairs and same is not None:
                self._fault(
                    spot.old,
                    f"expected {word} among the values of enumeration, as {spot.new.version} has "
                    f'{same}; add "{word}": "{same}"',
                    spot,
                )

    @_known.register
    def _respelled(self, step: steps.Respelled, spot: Spot) -> None:
        if self._expect(spot, _TEXTS, _TEXTS):
            self._spelled(spot.old, step.pairs, spot)
            self._spelled(spot.new, step.pairs.values(), spot)

    def _spelled(self, node: Node, words: Iterable[str], spot: Spot) -> None:
        """Check that values are among those of an enum."""
        known = node.schema.get("enum", ())
        for word in words if known else ():
            if word not in known:
                self._fault(
                    node,
                    f"expected one of its values {', '.join(map(str, known))} in enumeration, got "
                    f"{word}{schema_places.suggestion(word, map(str, known))}",
                    spot,
                )

    @_known.register
    def _each(self, step: steps.Each, spot: Spot) -> None:
        if not self._expect(spot, ("list",), ("list",)):
            return
        old, new = spot.old.items, spot.new.items
        if old is None or new is None:
            return
        if step.key:
            self._expect_text(old, step.key, spot, "to tell items apart")
            self._expect_key(step.key, spot)
        self.value(step.step, spot.below(old, new))

    @_known.register
    def _values(self, step: steps.Values, spot: Spot) -> None:
        if not self._expect(spot, ("map", FREE_OBJECT), ("map", FREE_OBJECT)):
            return
        old, new = spot.old.values, spot.new.values
        if old is not None and new is not None:
            self.value(step.step, spot.below(old, new))

    @_known.register
    def _single(self, step: reshaping.Single, spot: Spot) -> None:
        if not spot.new.is_any and spot.new.type != "list":
            got = schema_places.with_article(spot.new.type)
            self._fault(spot.new, f"expected a list for single, got {got}", spot)
        elif spot.new.items is not None:
            self.value(step.step, spot.below(spot.old, spot.new.items))

    @_known.register
    def _by_key(self, step: reshaping.ByKey, spot: Spot) -> None:
        if not self._expect(spot, ("list",), ("map", FREE_OBJECT)):
            return
        items, values = spot.old.items, spot.new.values
        if items is not None and values is not None:
            self._expect_text(items, step.key, spot, "for list_to_map")
            self.value(step.step, spot.below(items, values))

    @_known.register
    def _pairs(self, step: steps.Pairs, spot: Spot) -> None:
        if not self._expect(spot, ("map", FREE_OBJECT), ("list",)):
            return
        values, items = spot.old.values, spot.new.items
        if values is not None and not values.is_any and values.type != "string":
            got = schema_places.with_article(values.type)
            self._fault(values, f"expected a string for map_to_list, got {got}", spot)
        if items is not None:
            self._expect_text(items, step.key, spot, "for map_to_list")
            self._expect_key(step.key, spot)
            self._expect_text(items, step.value, spot, "for map_to_list")

    @_known.register
    def _wrap(self, step: steps.Wrap, spot: Spot) -> None:
        if not self._expect(spot, ("list",), ("list",)):
            return
        texts, items = spot.old.items, spot.new.items
        if texts is not None and not texts.is_any and texts.type != "string":
            self._fault(
                texts,
                f"expected a string for wrap, got {schema_places.with_article(texts.type)}",
                spot,
            )
        if items is not None:
            self._expect_text(items, step.key, spot, "for wrap")
            self._expect_key(step.key, spot)

    def _expect(self, spot: Spot, old: Sequence[str], new: Sequence[str]) -> bool:
        """Check that both places have one of the types that a step accepts."""
        fits = True
        for node, expected in ((spot.old, old), (spot.new, new)):
            if not node.is_any and node.type not in expected:
                got = schema_places.with_article(node.type)
                wanted = schema_places.with_article(expected[0])
                self._fault(node, f"expected {wanted} for its step, got {got}", spot)
                fits = False
        return fits

    def _expect_text(self, items: Node, name: str, spot: Spot, purpose: str) -> None:
        """Check that the items of a list have a string field."""
        found = items.at((name,))
        if isinstance(found, Missing):
            self._missing(found, items, spot)
        elif not found.is_any and found.type != "string":
            self._fault(
                found,
                f"expected a string {purpose}, got {schema_places.with_article(found.type)}",
                spot,
            )

    def _expect_key(self, key: str, spot: Spot) -> None:
        """Check that the newer version's list is identified by the step's key."""
        keys = spot.new.schema.get("x-kubernetes-list-map-keys", [key])
        if keys != [key]:
            message = f"expected a step for its keys {', '.join(keys)}, got one for {key}"
            self._fault(spot.new, message, spot)

    def _missing(self, missing: Missing, node: Node, spot: Spot) -> None:
        place = schema_places.place_of(node.version, missing.path)
        self.faults.append(
            Fault(place, f"expected a field of {node.version}, got {missing}", spot.line)
        )

    # --- objects --------------------------------------------------------------------------------

    @_known.register(records.Record)
    @_known.register(records.OpenRecord)
    def _record(self, step: records.Record | records.OpenRecord, spot: Spot) -> None:
        if not self._expect(spot, _OBJECTS, _OBJECTS):
            return
        parts = links.alternatives_of(step)
        reached = {
            side: (*links.reached(parts, side), *self._beside(spot, side)) for side in _SIDES
        }
        ends = [self._link(link, spot, reached) for link in links.every_link(step)]
        for part in step.parts if isinstance(step, records.Record) else ():
            if isinstance(part, records.Tagged):
                self._arms(part, spot)
        for side in _SIDES:
            self.faults += mapped_fields.doubled(parts, spot.node(side), side)
        if not all(ends):
            return  # a misspelt path leaves a gap anyway
        gaps = (*mapped_fields.gaps(spot.old, spot.new, reached["old"], reached["new"]),)
        if isinstance(step, records.Record) and any(map(_is_opaque, step.parts)):
            trial = Trial(step, spot.old, spot.new, spot.line, is_mixed=True, gaps=gaps)
            self.trials.append(trial)
        else:
            self.faults += [gap.fault for gap in gaps]

    def _arms(self, part: records.Tagged, spot: Spot) -> None:
        """Check that the values of the arms are values of the tag."""
        tag = spot.old.at(part.tag.old)
        if isinstance(tag, Missing):
            return  # reported separately
        at = dataclasses.replace(spot, line=part.tag.line)
        step = part.tag.step
        known = tag.schema.get("enum") or (step.pairs if isinstance(step, steps.Words) else ())
        for word in part.arms:
            if known and word not in known:
                words, hint = (
                    ", ".join(map(str, known)),
                    schema_places.suggestion(word, map(str, known)),
                )
                self._fault(tag, f"expected arms for its values {words}, got {word}{hint}", at)

    @staticmethod
    def _beside(spot: Spot, side: Side) -> tuple[Path, ...]:
        return spot.beside if spot.shares == side else ()

    def _link(self, link: Link, spot: Spot, reached: Mapping[Side, Sequence[Path]]) -> bool:
        """Check the paths of a link and the step between them; return whether the paths exist."""
        at = dataclasses.replace(spot, line=link.line or spot.line)
        ends = [self._end(link, side, at) for side in _SIDES]
        old, new = ends
        if isinstance(old, Node) and isinstance(new, Node) and link.step is not None:
            beside: tuple[Path, ...] = ()
            if link.shares is not None:
                depth = len(link.path(link.shares) or ())
                beside = tuple(path[depth:] for path in reached[link.shares] if len(path) > depth)
            self.value(link.step, Spot(old, new, at.line, spot.is_guarded, link.shares, beside))
        return not any(isinstance(end, Missing) for end in ends)

    def _end(self, link: Link, side: Side, spot: Spot) -> Node | Missing | None:
        """Return the place of a link on a side, if any, after checking a constant against it."""
        path = link.path(side)
        found = None if path is None else spot.node(side).at(path)
        if isinstance(found, Missing):
            self._missing(found, spot.node(side), spot)
        elif found is not None and link.value is not ABSENT:
            self._constant(link, found, spot)
        return found

    def _constant(self, link: Link, node: Node, spot: Spot) -> None:
        words = node.schema.get("enum")
        if schema_coverage.fit_of(node.schema)(link.value) is not link.value:
            got = schema_places.with_article(node.type)
            self._fault(node, f"expected a field that accepts {link.value!r}, got {got}", spot)
        elif words is not None and link.value not in words:
            hint = schema_places.suggestion(str(link.value), map(str, words))
            known = ", ".join(map(str, words))
            self._fault(node, f"expected one of its values {known}, got {link.value}{hint}", spot)

    # --- the whole ------------------------------------------------------------------------------

    def _unordered(self, path: Path, new: Node) -> None:
        """Check that an unordered path leads to a list of the newer version."""
        node = new
        for index, name in enumerate(path):
            found = node.items if name == schema_places.ITEMS else node.at((name,))
            if isinstance(found, Missing):
                self._missing(found, new, Spot(new, new))
                return
            if found is None:
                got = schema_places.with_article(node.type)
                message = f"expected a list for unordered_paths {'.'.join(path[: index + 1])}"
                self._fault(node, f"{message}, got {got}", Spot(new, new))
                return
            node = found
        if node.type != "list" and not node.is_any:
            got = schema_places.with_article(node.type)
            self._fault(node, f"expected a list for unordered_paths, got {got}", Spot(new, new))


_SIDES: Final[tuple[Side, Side]] = ("old", "new")


def _is_opaque(part: records.Part) -> bool:
    """Return whether a part consists of functions whose fields are not all known."""
    known = (records.WrittenOut, records.FlatUnion)
    return not isinstance(part, known) and (
        isinstance(part, records.PartFn) or not links.is_known(part)
    )
