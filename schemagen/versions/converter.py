"""Objects of an API from JSON to JSON in another version: compiled if nothing gets lost.

The one way for many objects. What an object becomes is the same as with ``graph.convert``, whose
care costs ten times as much.
"""

import dataclasses
from typing import Any

import msgspec
import orjson

from schemagen import canonical
from schemagen.model import registry
from schemagen.problems import JSON
from schemagen.versions import graph, lane


@dataclasses.dataclass(frozen=True)
class Encodable:
    """A converted object for ``msgspec.json.encode``, and the bytes of residue without room."""

    value: Any
    dropped_bytes: int = 0


class Converter:
    """The ways between the versions of an API's kinds, each compiled when it is first taken."""

    def __init__(self, api: registry.Api) -> None:
        self.api = api
        self._ways: dict[tuple[str, str, str], Way] = {}

    def way(self, kind: registry.Kind, source: str, target: str) -> "Way":
        """The way of a kind's objects from one of its versions to another."""
        key = kind.name, source, target
        if key not in self._ways:
            self._ways[key] = Way(self.api, kind, source, target)
        return self._ways[key]


class Way:
    """How objects of one version of a kind get to another version."""

    def __init__(self, api: registry.Api, kind: registry.Kind, source: str, target: str) -> None:
        self._api, self._kind, self._source, self._target = api, kind, source, target
        self._lanes = _lanes(api, kind, source, target)

    def at_once(self, value: msgspec.Raw) -> Any:
        """The object, if it is one of this way's and nothing of it may get lost; else None."""
        if not self._lanes:
            return None
        found = self._lanes[0].convert(value)
        for one in self._lanes[1:]:
            if found is None:
                return None
            found = one.convert(msgspec.json.encode(found))
        return found

    def with_care(self, value: dict[str, JSON]) -> Encodable:
        """The object whatever it is."""
        converted = graph.convert(
            self._api, self._kind, value, source=self._source, target=self._target
        )
        return Encodable(msgspec.Raw(_dumped(converted.object)), converted.dropped_bytes)


def _lanes(
    api: registry.Api, kind: registry.Kind, source: str, target: str
) -> tuple[lane.Lane, ...]:
    """The lanes one after the other; none if there is none for one of the steps."""
    lanes = [
        lane.between(api, kind, older, newer, way=way)
        for older, newer, way in graph.pairs(kind, source, target)
    ]
    return tuple(one for one in lanes if one is not None) if None not in lanes else ()


def _dumped(value: JSON) -> bytes:
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:  # nested too deeply for orjson, not for the API server
        return canonical.dumps(value)
