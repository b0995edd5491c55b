"""Objects from any version of a kind to any other, through the adjacent ones.

Total and pure: never refuses, validates or defaults; whatever it cannot express stays with the
object as residue, in the annotation ``conversion.GROUP/VERSION-residue``.

Residue chooses only between objects that mean the same in the version at hand. It is put back
when that keeps the meaning (the object converts to the same), so neither an edit in the other
version nor a tampered annotation can make a conversion say what the object does not.
"""

import dataclasses
import operator
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

import orjson

from schemagen import canonical
from schemagen.model import registry
from schemagen.problems import JSON
from schemagen.versions import residue, shape, unkept
from schemagen.versions.steps import ABSENT, get

Way: TypeAlias = Literal["up", "down"]
"""To the newer one of two adjacent versions, or to the older one."""

# TotalAnnotationSizeLimitB of apimachinery: an object above it cannot be read any more.
ANNOTATIONS_BYTES = 256 * 1024

# How often an object may be converted to see what of its residue keeps its meaning. Ours is put
# back at once but where somebody edited around it; anybody's may hold a thousand entries.
ATTEMPTS = 64


@dataclasses.dataclass(frozen=True)
class Converted:
    """An object in the wanted version, and how many bytes of residue found no room in it."""

    object: dict[str, JSON]
    dropped_bytes: int = 0


def convert(
    api: registry.Api, kind: registry.Kind, value: dict[str, JSON], *, source: str, target: str
) -> Converted:
    """Convert an object of ``kind`` between two of its versions; ``value`` is not changed."""
    if source == target:
        return Converted(value)
    dropped = 0
    for older, newer, way in pairs(kind, source, target):
        value, lost = _Step(api, older, newer, way).convert(value)
        dropped += lost
    return Converted(value, dropped)


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


def residue_name(api: registry.Api, version: registry.Version) -> str:
    """The annotation for what a version says and the other one cannot."""
    return f"conversion.{api.group}/{version.name}-residue"


@dataclasses.dataclass(frozen=True)
class _Step:
    """One adjacent pair in one direction."""

    api: registry.Api
    older: registry.Version
    newer: registry.Version
    way: Way

    def convert(self, value: dict[str, JSON]) -> tuple[dict[str, JSON], int]:
        source, target = (self.older, self.newer) if self.way == "up" else (self.newer, self.older)
        bare, entries = _without_residue(value, self._annotation(target))
        plain = self._forth(bare)
        result = self._restored(plain, bare, entries) if entries else plain
        strip = unkept.strip_of(self.older, self.newer, "old" if self.way == "up" else "new")
        back, wanted, dropped = strip(self._back(result)), strip(self._compared(bare)), 0
        if back != wanted:
            room = min(residue.BUDGET_BYTES, ANNOTATIONS_BYTES - _annotation_bytes(result))
            kept = residue.within_budget(residue.difference(back, wanted), room)
            dropped = kept.dropped_bytes
            if kept.entries:
                text = canonical.dumps(list(kept.entries)).decode()
                result = _annotated(result, self._annotation(source), text)
        envelope = {"apiVersion": self.api.api_version(target), "kind": value.get("kind")}
        return {**envelope, **result}, dropped

    def _annotation(self, version: registry.Version) -> str:
        return residue_name(self.api, version)

    def _forth(self, value: dict[str, JSON]) -> dict[str, JSON]:
        return self._plain(value, self.way)

    def _back(self, value: dict[str, JSON]) -> dict[str, JSON]:
        """What the result says in the version it came from."""
        return self._compared(self._plain(value, "down" if self.way == "up" else "up"))

    def _plain(self, value: dict[str, JSON], way: Way) -> dict[str, JSON]:
        """The conversion without any residue, in the shape that the version's schema has."""
        conversion = _conversion(self.older)
        changed = conversion.up(value) if way == "up" else conversion.down(value)
        model = (self.newer if way == "up" else self.older).model
        changed = _shaped(shape.fields_of(model), changed)
        for version in (self.older, self.newer):
            changed, _ = _without_residue(changed, self._annotation(version))
        return changed

    def _compared(self, value: dict[str, JSON]) -> dict[str, JSON]:
        """What a round trip from the source version must bring back."""
        compared = _round_trip_part(value)
        if self.way == "down":
            for path in _conversion(self.older).unordered:
                compared = sorted_at(compared, path)
        return compared

    def _restored(
        self, plain: dict[str, JSON], original: dict[str, JSON], entries: Sequence[residue.Entry]
    ) -> dict[str, JSON]:
        """The plain result with the residue put back, as far as the meaning stays the same."""
        bare, _ = _without_residue(original, self._annotation(self.older))
        bare, _ = _without_residue(bare, self._annotation(self.newer))
        same = (self._compared(bare), self._back(plain))
        result = plain
        # All of it, or else what belongs to one object, or else entry by entry; twice, because an
        # entry may keep the meaning only once another one is in place.
        groups = (tuple(entries), *_by_place(entries), *_singles(entries), *_singles(entries))
        for group in groups[:ATTEMPTS]:
            candidate = _merged(result, residue.applied(_round_trip_part(result), group))
            if candidate != result and self._back(candidate) in same:
                result = candidate
                if len(group) == len(entries):
                    break
        return result


def _by_place(entries: Sequence[residue.Entry]) -> Sequence[Sequence[residue.Entry]]:
    places: dict[bytes, list[residue.Entry]] = {}
    for entry in entries:
        places.setdefault(canonical.dumps(entry.get("at")), []).append(entry)
    return list(places.values())


def _singles(entries: Sequence[residue.Entry]) -> Sequence[Sequence[residue.Entry]]:
    return [(entry,) for entry in entries]


def _shaped(fields: Mapping[str, shape.Fit], value: dict[str, JSON]) -> dict[str, JSON]:
    """The object with every field but the envelope as its schema holds it."""
    fitted = {}
    for name, item in value.items():
        if name in _ENVELOPE:
            fitted[name] = item
        elif name in fields and (one := fields[name](item)) is not ABSENT:
            fitted[name] = one
    return fitted


_ENVELOPE = frozenset({"apiVersion", "kind", "metadata"})


def _conversion(older: registry.Version) -> registry.ConversionProtocol:
    if older.conversion is None:
        raise ValueError(f"{older.name}: expected a conversion to the next newer version")
    return older.conversion


# The API server sets these, or they have a lossless form in every version (the status, because a
# write to it must not change the metadata): no residue is kept for them nor may it touch them.
_NOT_COMPARED = frozenset({"apiVersion", "kind", "status"})
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


def sorted_at(value: JSON, path: Sequence[str]) -> JSON:
    """The value with the keyed lists at a path in the order of their keys."""
    if not path:
        return _in_order(value)
    step, *rest = path
    if step == "[]" and type(value) is list:
        return [sorted_at(item, rest) for item in value]
    if type(value) is dict and step in value:
        return {**value, step: sorted_at(value[step], rest)}
    return value


def _in_order(value: JSON) -> JSON:
    """A list in the order of the first key by which each of its items is known."""
    for key in residue.ITEM_KEYS:
        if type(value) is list and value and all(type(get(one, (key,))) is str for one in value):
            return sorted(value, key=operator.itemgetter(key))
    return value


def _without_residue(
    value: dict[str, JSON], name: str
) -> tuple[dict[str, JSON], Sequence[residue.Entry]]:
    """The object without its residue annotation, and the entries of that annotation."""
    metadata = value.get("metadata")
    annotations = metadata.get("annotations") if type(metadata) is dict else None
    if type(metadata) is not dict or type(annotations) is not dict or name not in annotations:
        return value, ()
    rest = {key: text for key, text in annotations.items() if key != name}
    bare = {key: item for key, item in metadata.items() if key != "annotations"}
    if rest:
        bare["annotations"] = rest
    return {**value, "metadata": bare}, _entries(annotations[name])


def _entries(text: JSON) -> Sequence[residue.Entry]:
    """The entries of an annotation; what anybody may have written there never raises."""
    if type(text) is not str or len(text) > residue.BUDGET_BYTES:
        return ()
    try:
        entries = orjson.loads(text)
    except orjson.JSONDecodeError:
        return ()
    return [entry for entry in entries if type(entry) is dict] if type(entries) is list else ()


def _annotated(value: dict[str, JSON], name: str, text: str) -> dict[str, JSON]:
    metadata = value.get("metadata")
    metadata = dict(metadata) if type(metadata) is dict else {}
    annotations = metadata.get("annotations")
    metadata["annotations"] = {
        **(annotations if type(annotations) is dict else {}),
        name: text,
    }
    return {**value, "metadata": metadata}


def _annotation_bytes(value: dict[str, JSON]) -> int:
    metadata = value.get("metadata")
    annotations = metadata.get("annotations") if type(metadata) is dict else None
    return len(canonical.dumps(annotations)) if type(annotations) is dict else 0
