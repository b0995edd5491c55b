"""Conversions compiled to Python, from JSON to JSON, for objects nothing of which gets lost.

Most objects need no residue. For them ``graph`` converts there and back and finds no difference;
here that is known beforehand: the source is decoded into a struct that has exactly the fields of
its schema, each is carried over in a way that has an exact inverse, and what is not (a repeated
key, a value of another type, a field that the other version does not have) ends the attempt.
The answer is then None, and ``graph`` converts the object with all its care.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
import orjson
from msgspec import UNSET

from schemagen.model import base, registry
from schemagen.structural import Schema
from schemagen.versions import code, graph, records, shape, steps, structs
from schemagen.versions.compiler import Compiler, Place
from schemagen.versions.graph import Way

# What decoding and converting raise for an object that is not exactly what its schema says.
_NOT_FOR_US: Final = (
    code.InexactError,
    msgspec.MsgspecError,
    RecursionError,
    UnicodeDecodeError,
)

_STATUS: Final[steps.Path] = ("status",)


class _Notes(msgspec.Struct):
    annotations: dict[str, str] | msgspec.UnsetType = UNSET


_NOTES: Final = msgspec.json.Decoder(_Notes)


@dataclasses.dataclass(frozen=True)
class Lane:
    """One adjacent pair of versions in one direction.

    Attributes:
        text: The compiled function, to read.
    """

    text: str
    _api_version: str
    _kind: str
    _decode: Callable[[bytes | msgspec.Raw], Any]
    _run: Callable[[Any], Any]
    _annotations: frozenset[str]

    def convert(self, value: bytes | msgspec.Raw) -> bytes | None:
        """The converted object; None if something may get lost.

        Also None for an object of another kind or version.
        """
        try:
            found = self._decode(value)
            if found.apiVersion_ != self._api_version or found.kind_ != self._kind:
                return None
            if found.metadata_ is not UNSET:
                notes = _NOTES.decode(found.metadata_).annotations
                if notes is not UNSET and not self._annotations.isdisjoint(notes):
                    return None
            # At once: objects that wait in a list would be walked by the garbage collector.
            return msgspec.json.encode(self._run(found))
        except _NOT_FOR_US:
            return None


def between(
    api: registry.Api,
    kind: registry.Kind,
    older: registry.Version,
    newer: registry.Version,
    *,
    way: Way,
) -> Lane | None:
    """The lane between two adjacent versions of a kind; None if the steps allow none."""
    conversion = older.conversion
    step = conversion.step if isinstance(conversion, records.Conversion) else None
    if conversion is None or not isinstance(step, records.Record):
        return None
    source, target = (older, newer) if way == "up" else (newer, older)
    place = Place(_whole(source.model), _whole(target.model))
    status = _status(step.parts, source, target, way)
    compiler = Compiler(
        way,
        unordered=map(tuple, conversion.unordered),
        given={_STATUS: status} if status is not None else {},
    )
    emit = compiler.record(step, place, also={("apiVersion",): api.api_version(target)})
    if emit is None:
        return None
    run, text = code.function(emit)
    annotations = {graph.residue_name(api, version) for version in (older, newer)}.union(
        *(part.annotations for part in step.parts if isinstance(part, records.PartFn))
    )
    decode = msgspec.json.Decoder(structs.type_of(place.here)).decode
    api_version = api.api_version(source)
    return Lane(text, api_version, kind.name, decode, run, frozenset(annotations))


def _whole(model: type[base.Model]) -> Schema:
    """A root model's schema: metadata and status are passed on and looked at apart."""
    properties = {"metadata": structs.RAW, **shape.schema_of(model)["properties"]}
    properties |= {"apiVersion": {"type": "string"}, "kind": {"type": "string"}}
    properties |= {name: structs.RAW for name in ("metadata", "status") if name in properties}
    return {"type": "object", "properties": properties}


def _status(
    parts: Sequence[records.Part], source: registry.Version, target: registry.Version, way: Way
) -> Callable[[msgspec.Raw], Any] | None:
    """How a status converts: it keeps no residue, so what gets lost does not matter."""
    here, there = (
        shape.schema_of(version.model)["properties"].get("status") for version in (source, target)
    )
    moves = [
        part.step
        for part in parts
        if isinstance(part, records.Move) and part.old == part.new == _STATUS
    ]
    if here is None or there is None or len(moves) != 1:
        return None
    slow = moves[0].up if way == "up" else moves[0].down
    fit = shape.fit_of(there)
    emit = Compiler(way).value(moves[0], Place(here, there))
    run = None if emit is None else code.function(emit)[0]
    decode = msgspec.json.Decoder(structs.type_of(here) or Any).decode

    def convert(raw: msgspec.Raw) -> Any:
        if run is not None:
            with contextlib.suppress(*_NOT_FOR_US):
                return run(decode(raw))
        changed = slow(orjson.loads(bytes(raw)))
        fitting = changed if changed is steps.ABSENT else fit(changed)
        return UNSET if fitting is steps.ABSENT else fitting

    return convert
