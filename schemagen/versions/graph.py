"""Objects from any version of a kind to any other, through the adjacent ones.

Total and pure: never refuses, validates or defaults; whatever it cannot express stays with the
object as residue, in annotations (``storage``).

Between two conversions the API server prunes and defaults (``defaulting``). So residue is needed
where what comes back differs from the original after that, and only there.

Residue chooses only between objects that mean the same in the version at hand. It is put back
when that keeps the meaning (the object converts to the same, with its defaults), so neither an edit
in the other version nor a tampered annotation can make a conversion say what the object does not.
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

from schemagen import canonical
from schemagen.model import base, registry
from schemagen.problems import JSON
from schemagen.versions import defaulting, links, schema_coverage
from schemagen.versions.footprint import Side
from schemagen.versions.residue import (
    acceptance,
    differences,
    entry_groups,
    exclusions,
    list_items,
    residue_entries,
    restoration,
    storage,
)
from schemagen.versions.residue.entry_groups import EntryGroups
from schemagen.versions.residue.residue_entries import Entry
from schemagen.versions.steps import ABSENT

Way: TypeAlias = Literal["up", "down"]
"""To the newer one of two adjacent versions, or to the older one."""


@dataclasses.dataclass(frozen=True)
class Converted:
    """An object in the wanted version.

    Attributes:
        object: The object.
        dropped_bytes: How many bytes of residue found no room in it.
        left_out: The fields without room, in the version that says them.
    """

    object: dict[str, JSON]
    dropped_bytes: int = 0
    left_out: tuple[str, ...] = ()


def convert(
    api: registry.Api, kind: registry.Kind, value: dict[str, JSON], *, source: str, target: str
) -> Converted:
    """Convert an object of ``kind`` between two of its versions; ``value`` is not changed."""
    return Route(api, kind, source, target).convert(value)


class Route:
    """The steps between two versions of a kind, for many objects."""

    def __init__(self, api: registry.Api, kind: registry.Kind, source: str, target: str) -> None:
        self._steps = _ending([_Step(api, *pair) for pair in pairs(kind, source, target)])
        self._back = _ending([step.back for step in reversed(self._steps)])
        # Nobody defaults an object in a version between: there, what is as by default counts, too.
        exact = [dataclasses.replace(step, is_between=True) for step in self._steps[1:]]
        self._exact = [*self._steps[:1], *exact]

    def convert(self, value: dict[str, JSON]) -> Converted:
        """Convert an object; ``value`` is not changed."""
        found = _through(self._steps, value)
        if len(self._steps) <= 1 or self._returns(value, found.object):
            return found
        return _through(self._exact, value)

    def _returns(self, value: dict[str, JSON], result: dict[str, JSON]) -> bool:
        """Whether the whole way brings an object back from a result that has its defaults."""
        served: dict[str, JSON] = defaulting.of(self._back[0].source.model).settle(result)
        back = _through(self._back, served)
        return self._steps[0].says(back.object) == self._steps[0].says(value)


def _ending(steps: Sequence["_Step"]) -> list["_Step"]:
    """Steps of which only the last one ends where the API server has its defaults set."""
    return [
        *(dataclasses.replace(step, ends_between=True) for step in steps[:-1]),
        *(dataclasses.replace(step, ends_between=False) for step in steps[-1:]),
    ]


def _through(steps: Sequence["_Step"], value: dict[str, JSON]) -> Converted:
    """An object after several steps."""
    dropped, left_out = 0, tuple[str, ...]()
    for step in steps:
        found = step.convert(value)
        value = found.object
        dropped, left_out = dropped + found.dropped_bytes, (*left_out, *found.left_out)
    return Converted(value, dropped, left_out)


def pairs(
    kind: registry.Kind, source: str, target: str
) -> list[tuple[registry.Version, registry.Version, Way]]:
    """The adjacent versions between two of a kind, older before newer, in the order of the way."""
    names = [version.name for version in kind.versions]
    start, end = names.index(source), names.index(target)
    low, high = sorted((start, end))
    found = [(kind.versions[at], kind.versions[at + 1]) for at in range(low, high)]
    if start < end:
        return [(older, newer, "up") for older, newer in found]
    return [(older, newer, "down") for older, newer in reversed(found)]


@dataclasses.dataclass(frozen=True)
class _Step:
    """One adjacent pair in one direction.

    Attributes:
        is_between: It starts at a version between the first and the last one of a way.
        ends_between: It ends at one.
    """

    api: registry.Api
    older: registry.Version
    newer: registry.Version
    way: Way
    is_between: bool = False
    ends_between: bool = False

    def convert(self, value: dict[str, JSON]) -> Converted:
        """Convert an object, with the residue that it has and the residue that it needs."""
        bare = self._bare(value)
        entries = storage.entries_of(value, storage.names(self.api, self.target))
        plain = self._plain(bare, self.source)
        found, loses = self._completed(plain, bare, entries)
        settled = defaulting.of(self.source.model).settle(bare) if loses else bare
        if settled is bare or self.is_between:
            return found
        # An object that says nothing only for want of its defaults is left out. What residue would
        # put into it again may not come back beside them: then it is there, and empty.
        opened = self._plain(bare, self.source, self._plain(settled, self.source))
        if opened == plain or self._returns(found.object, bare):
            return found
        other = self._completed(opened, bare, entries)[0]
        return other if self._returns(other.object, bare) else found

    def _completed(
        self, plain: dict[str, JSON], bare: dict[str, JSON], entries: Sequence[Entry]
    ) -> tuple[Converted, bool]:
        """The plain result with both residues, and whether it needs any."""
        result = self._restored(plain, bare, entries) if entries else plain
        envelope = {"apiVersion": self.api.api_version(self.target), "kind": bare.get("kind")}
        lost = self._lost(result, bare)
        return self._stashed({**envelope, **result}, lost), bool(lost)

    def _returns(self, result: dict[str, JSON], bare: dict[str, JSON]) -> bool:
        """Whether a result with its defaults brings the object back."""
        served: dict[str, JSON] = defaulting.of(self.target.model).settle(result)
        return self.says(self.back.convert(served).object) == self.says(bare)

    @property
    def source(self) -> registry.Version:
        """The version that objects come in."""
        return self.older if self.way == "up" else self.newer

    @property
    def target(self) -> registry.Version:
        """The version that they get."""
        return self.newer if self.way == "up" else self.older

    @property
    def back(self) -> "_Step":
        """The step the other way."""
        return dataclasses.replace(self, way="down" if self.way == "up" else "up")

    def says(self, value: dict[str, JSON]) -> dict[str, JSON]:
        """Return the part of a source object that a round trip must restore."""
        return self._settled(
            schema_coverage.root_fit(self.source.model)(self._bare(value)), self.source
        )

    def _plain(
        self, value: dict[str, JSON], version: registry.Version, like: JSON = None
    ) -> dict[str, JSON]:
        """The conversion of a version's object without residue, as the other schema holds it.

        An object of which nothing can be said is left out, or empty if another value has it.
        """
        changed = self._changed(value, version)
        model = (self.newer if version is self.older else self.older).model
        marked = _marked(model, changed)
        if marked is changed:
            return marked
        plain: dict[str, JSON] = schema_coverage.resolved(marked, like)
        return plain

    def _changed(self, value: dict[str, JSON], version: registry.Version) -> dict[str, JSON]:
        """Return a version's object after the steps alone."""
        conversion = _conversion(self.older)
        way = conversion.up if version is self.older else conversion.down
        return self._bare(way(value))

    def _bare(self, value: dict[str, JSON]) -> dict[str, JSON]:
        """The object without our annotations."""
        return storage.without(value, self._names)

    @functools.cached_property
    def _names(self) -> frozenset[str]:
        return storage.names(self.api, self.older).all | storage.names(self.api, self.newer).all

    # --- what gets lost -------------------------------------------------------------------------

    def _lost(self, result: dict[str, JSON], bare: dict[str, JSON]) -> list[Entry]:
        """Return what the result does not restore by itself after API server defaulting."""
        # What was never more than junk to its own schema is nothing to bring back.
        wanted = self._counting(schema_coverage.root_fit(self.source.model)(bare))
        bare_back = self._counting(self._plain(result, self.target))
        defaulted = defaulting.of(self.target.model).settle(result)
        back = bare_back
        if defaulted is not result:
            back = self._counting(self._plain(defaulted, self.target))
        strip = self._strips[self.source.name]
        back, wanted, bare_back = strip(back), strip(wanted), strip(bare_back)
        if back == wanted == bare_back:
            return []
        return differences.between(back, wanted, self._nodes[self.source.name])

    def _counting(self, value: dict[str, JSON]) -> dict[str, JSON]:
        """Return the significant part of a source object."""
        return _round_trip_part(value) if self.is_between else self._settled(value, self.source)

    @functools.cached_property
    def _strips(self) -> Mapping[str, exclusions.Strip]:
        """Return a function that removes what residue must not store."""
        sides: Mapping[str, Side] = {self.older.name: "old", self.newer.name: "new"}
        return {
            name: exclusions.strip_of(self.older, self.newer, side) for name, side in sides.items()
        }

    @functools.cached_property
    def _nodes(self) -> Mapping[str, defaulting.Node]:
        """The schema of each version, with what the conversion replaces as a whole."""
        newer = functools.reduce(
            defaulting.with_atomic, links.atomic_paths(self.older), defaulting.of(self.newer.model)
        )
        return {self.older.name: defaulting.of(self.older.model), self.newer.name: newer}

    def _settled(self, value: dict[str, JSON], version: registry.Version) -> dict[str, JSON]:
        """Return the significant part of an object, with defaults and unordered lists sorted."""
        settled: dict[str, JSON] = defaulting.of(version.model).settle(_round_trip_part(value))
        if version is self.newer:
            node = defaulting.of(version.model)
            for path in _conversion(self.older).unordered:
                settled = sorted_at(settled, path, node)
        return settled

    def _stashed(self, result: dict[str, JSON], entries: Sequence[Entry]) -> Converted:
        """The result with its residue in annotations, as far as there is room."""
        names = storage.names(self.api, self.source)
        left_out: list[Entry] = []
        dropped = 0
        for name, is_status in ((names.residue, False), (names.status, True)):
            own = [entry for entry in entries if storage.is_status(entry) is is_status]
            kept = storage.kept(own, storage.room(result) - len(name))
            result = storage.having(result, {name: kept.text} if kept.text else {})
            left_out += kept.left_out
            dropped += kept.dropped_bytes
        if not left_out:
            return Converted(result)
        fields = storage.fields_of(left_out)
        result = storage.having(result, {names.overflow: storage.overflow_text(fields)})
        return Converted(result, dropped, tuple(fields))

    # --- what is put back -----------------------------------------------------------------------

    def _restored(
        self, plain: dict[str, JSON], bare: dict[str, JSON], entries: Sequence[Entry]
    ) -> dict[str, JSON]:
        """The plain result with the residue put back, as far as the meaning stays the same."""
        meant = self._settled(bare, self.source)
        node = self._nodes[self.target.name]
        settled = node.settle(_round_trip_part(self._plain(meant, self.source)))
        settled = self._strips[self.target.name](settled)
        meaning = self._meaning(bare, meant)
        sound = acceptance.Sound(self.target.model, plain)
        result = plain
        groups = EntryGroups(entries, entry_groups.max_attempts(plain, entries))
        known = {id(entry): canonical.dumps(entry) for entry in entries}
        for group in groups:
            tried = {known.get(id(one)) or canonical.dumps(one) for one in group}
            others = {
                residue_entries.part_of(entry) for entry in entries if known[id(entry)] not in tried
            }
            for placement in restoration.placements(_round_trip_part(result), group, node, settled):
                merged = self._bare(_merged(result, placement.value))
                candidate = schema_coverage.root_fit(self.target.model)(merged)
                if candidate == result:
                    break
                edited = placement.edited | others
                if meaning.is_of(candidate) and sound.holds(candidate, edited, placement.exact):
                    result, sound = candidate, acceptance.Sound(self.target.model, candidate)
                    break
            else:
                groups.refuse(group)
        return result

    def _meaning(self, bare: dict[str, JSON], meant: dict[str, JSON]) -> acceptance.Meaning:
        """Return the comparison of results with an object.

        A member with its defaults was written or stored, and so the result has to say it with its
        own, unless the object is on its way to a version between, which nobody defaults.
        """
        settle = defaulting.of(self.target.model).settle
        loose = self._undefaulted(bare)
        is_settled = not self.ends_between and not loose.issuperset(_round_trip_part(bare))

        def meaning(value: dict[str, JSON]) -> dict[str, JSON]:
            part = _round_trip_part(value)
            return self._settled(self._plain(part, self.target, bare), self.source)

        def served(value: dict[str, JSON]) -> dict[str, JSON]:
            return meaning(settle(_round_trip_part(value)))

        def settled_meaning(value: dict[str, JSON]) -> dict[str, JSON]:
            own = {key: item for key, item in served(value).items() if key not in loose}
            return own | {key: meant[key] for key in loose & meant.keys()}

        def plain() -> dict[str, JSON]:
            return _marked(self.target.model, self._changed(bare, self.source))

        return acceptance.Meaning(
            meant,
            defaulting.of(self.source.model),
            ways=[meaning, settled_meaning] if is_settled else [meaning],
            plain=plain,
            served=meaning if self.ends_between else served,
        )

    def _undefaulted(self, bare: dict[str, JSON]) -> frozenset[str]:
        """The members of an object that lack defaults, as what others say may follow from them."""
        given = _round_trip_part(bare)
        settled = defaulting.of(self.source.model).settle(given)
        if settled is given:
            return frozenset()
        lacking = {key for key in settled if settled[key] is not given.get(key, ABSENT)}
        return frozenset({"metadata", *lacking})


def _marked(model: type[base.Resource], value: dict[str, JSON]) -> dict[str, JSON]:
    """The object with every field but the envelope as its schema holds it.

    An object of which nothing can be said is marked, unless a rule asks for it.
    """
    marked: dict[str, JSON] = schema_coverage.root_fit(model, marks_hollow=True)(value)
    if marked is value:
        return marked
    without: dict[str, JSON] = schema_coverage.resolved(marked, None)
    if without is marked:
        return marked
    empty: dict[str, JSON] = schema_coverage.resolved(marked, marked)
    return marked if acceptance.Sound(model, empty).holds(without, without) else empty


def _conversion(older: registry.Version) -> registry.ConversionProtocol:
    if older.conversion is None:
        raise ValueError(f"{older.name}: expected a conversion to the next newer version")
    return older.conversion


# The API server sets these: no residue is kept for them nor may it touch them.
_NOT_COMPARED = frozenset({"apiVersion", "kind"})
_COMPARED_METADATA = ("labels", "annotations")


def _round_trip_part(value: dict[str, JSON]) -> dict[str, JSON]:
    """The part of an object that residue speaks of."""
    part = {key: item for key, item in value.items() if key not in _NOT_COMPARED}
    metadata = part.get("metadata")
    if type(metadata) is dict:
        part["metadata"] = {name: metadata[name] for name in _COMPARED_METADATA if name in metadata}
    return part


def _merged(value: dict[str, JSON], part: dict[str, JSON]) -> dict[str, JSON]:
    """``value`` with another round-trip part."""
    merged = {key: item for key, item in value.items() if key in _NOT_COMPARED}
    merged |= _round_trip_part(part)
    metadata = value.get("metadata")
    if type(metadata) is dict:
        rest = {key: item for key, item in metadata.items() if key not in _COMPARED_METADATA}
        changed = merged.get("metadata")
        merged["metadata"] = {**rest, **(changed if type(changed) is dict else {})}
    return merged


def sorted_at(value: JSON, path: Sequence[str], node: defaulting.Node = defaulting.OPEN) -> JSON:
    """The value with the keyed lists at a path in the order of their keys."""
    if not path:
        return _in_order(value, node)
    step, *rest = path
    if step == "[]" and type(value) is list:
        return [sorted_at(item, rest, node.items or defaulting.OPEN) for item in value]
    if type(value) is dict and step in value:
        return {**value, step: sorted_at(value[step], rest, node.child(step))}
    return value


def _in_order(value: JSON, node: defaulting.Node) -> JSON:
    """A list in the order of the keys by which each of its items is known."""
    for keys in list_items.ITEM_KEYS if node.keys is None else (node.keys,):
        if type(value) is list and value and list_items.identities(value, keys) is not None:
            return sorted(value, key=lambda item: _rank(item, keys))
    return value


def _rank(item: JSON, keys: list_items.Keys) -> list[tuple[str, JSON]]:
    """Return the sort key of items; values of two types do not compare."""
    values = [item[key] for key in keys] if keys else [item]
    return [(type(value).__name__, value) for value in values]
