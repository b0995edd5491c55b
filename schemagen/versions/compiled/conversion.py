"""Compiled conversions from JSON to JSON, for objects that convert without loss.

Most objects need no residue. ``graph`` finds that out by converting there and back; here it is
known beforehand: the source is decoded into a struct with exactly the fields of its schema, and
each is converted in a way that has an exact inverse. Anything else (a duplicate key, a value of
another type, a field that the other version lacks) ends the attempt: the result is then None, and
``graph`` converts the object.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import UNSET

from schemagen.model import base, registry
from schemagen.schema.structural import Schema
from schemagen.versions import records, schema_coverage
from schemagen.versions.compiled import code, structs
from schemagen.versions.compiled.compiler import Compiler
from schemagen.versions.compiled.values import Place
from schemagen.versions.graph import Way
from schemagen.versions.residue import storage

# Exceptions for an object that does not match its schema exactly.
_NOT_FOR_US: Final = (
    code.InexactError,
    msgspec.MsgspecError,
    RecursionError,
    UnicodeDecodeError,
)


class _Notes(msgspec.Struct):
    annotations: dict[str, str] | msgspec.UnsetType = UNSET


_NOTES: Final = msgspec.json.Decoder(_Notes)


@dataclasses.dataclass(frozen=True)
class CompiledConversion:
    """Conversion between two adjacent versions in one direction.

    Attributes:
        text: Source of the compiled function, for debugging.
    """

    text: str
    _api_version: str
    _kind: str
    _decode: Callable[[bytes | msgspec.Raw], Any]
    _run: Callable[[Any], Any]
    _annotations: frozenset[str]

    def convert(self, value: bytes | msgspec.Raw) -> bytes | None:
        """Return the converted object; None if something may get lost.

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
            # Encoded immediately: objects kept in a list would be walked by the garbage collector.
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
    is_between: bool = False,
) -> CompiledConversion | None:
    """Return the conversion between two adjacent versions; None if the steps cannot be compiled."""
    conversion = older.conversion
    step = conversion.step if isinstance(conversion, records.Conversion) else None
    if conversion is None or not isinstance(step, records.Record):
        return None
    source, target = (older, newer) if way == "up" else (newer, older)
    place = Place(_whole(source.model), _whole(target.model))
    compiler = Compiler(way, unordered=map(tuple, conversion.unordered), is_between=is_between)
    emit = compiler.record(step, place, also={("apiVersion",): api.api_version(target)})
    if emit is None:
        return None
    run, text = code.function(emit)
    annotations = frozenset().union(
        *(storage.names(api, version).all for version in (older, newer)),
        *(part.annotations for part in step.parts if isinstance(part, records.PartFn)),
    )
    decode = msgspec.json.Decoder(structs.type_of(place.here)).decode
    api_version = api.api_version(source)
    return CompiledConversion(text, api_version, kind.name, decode, run, annotations)


def _whole(model: type[base.Model]) -> Schema:
    """Return a root model's schema: metadata is passed through and checked separately."""
    properties = {**schema_coverage.schema_of(model)["properties"], "metadata": structs.RAW}
    properties |= {"apiVersion": {"type": "string"}, "kind": {"type": "string"}}
    return {"type": "object", "properties": properties}
