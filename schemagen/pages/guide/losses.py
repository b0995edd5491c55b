"""Values of a field that the other version cannot say, found by converting them. Pure.

A value is carried if it comes back without the annotations that conversion adds, and kept if it
comes back with them. A value that does not come back is lost; only declared steps do that.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from typing import Final

from schemagen import canonical, checking
from schemagen.compat.verdicts import specimens
from schemagen.model import registry
from schemagen.pages.guide import correspondence
from schemagen.pages.guide.correspondence import Correspondence, Row, Way
from schemagen.problems import JSON
from schemagen.schema import structural
from schemagen.schema.keywords import Schema
from schemagen.versions import defaulting, graph, schema_coverage
from schemagen.versions.residue import storage
from schemagen.versions.schema_places import ITEMS, VALUES
from schemagen.versions.steps import ABSENT, Path

Object = dict[str, JSON]

_MAX_TRIED: Final = 12
_MAX_VALUES: Final = 40
_UNDECLARED: Final[Sequence[JSON]] = ("a", 1, True, {"a": "b"}, ["a"])
_NOT_COMPARED: Final = ("apiVersion", "kind", "metadata")


@dataclasses.dataclass(frozen=True)
class Outcome:
    """Values of a field after a round trip.

    Attributes:
        carried: Values that the other version says too.
        kept: Values that it cannot say, and that came back.
        lost: Values that did not come back.
    """

    carried: tuple[JSON, ...] = ()
    kept: tuple[JSON, ...] = ()
    lost: tuple[JSON, ...] = ()

    @property
    def tried(self) -> int:
        """Return how many values were tried."""
        return len(self.carried) + len(self.kept) + len(self.lost)


@dataclasses.dataclass(frozen=True)
class Found:
    """A row, and what was found of its field in each version."""

    row: Row
    old: Outcome
    new: Outcome


def of(
    api: registry.Api,
    kind: registry.Kind,
    pair: Correspondence,
    examples: Sequence[Object] = (),
) -> tuple[Found, ...]:
    """Try the values of each row's fields.

    A field of which no step says anything may be converted by functions: if its values come back,
    the row says which fields they go to.

    Args:
        api: The API.
        kind: The kind.
        pair: The two versions.
        examples: Valid objects of either version, to put values in.
    """
    sides = {
        older.name: _Side(api, kind, older, newer, examples)
        for older, newer in ((pair.older, pair.newer), (pair.newer, pair.older))
    }
    old, new = sides[pair.older.name], sides[pair.newer.name]
    resolved = [_resolved(row, old, new) for row in pair.rows if row.way is not Way.SAME]
    targets = {row.new for row in resolved if row.way is Way.CONVERTED}
    return tuple(
        Found(row, old.outcome(row.old), new.outcome(row.new))
        for row in resolved
        if not (row.way is Way.ADDED and row.new in targets)
    )


def _resolved(row: Row, old: "_Side", new: "_Side") -> Row:
    if row.way is Way.REMOVED and row.old is not None and old.outcome(row.old).carried:
        target = old.target(row.old)
        return row if target is None else Row(Way.CONVERTED, row.old, target, _BY_CODE)
    if row.way is Way.ADDED and row.new is not None and new.outcome(row.new).carried:
        target = new.target(row.new)
        return row if target is None else Row(Way.CONVERTED, target, row.new, _BY_CODE)
    return row


_BY_CODE: Final = "converted by a function of the API"


class _Side:
    """Values of one version, converted to the other and back."""

    def __init__(
        self,
        api: registry.Api,
        kind: registry.Kind,
        here: registry.Version,
        there: registry.Version,
        examples: Sequence[Object],
    ) -> None:
        self._settle = defaulting.of(here.model).settle
        self._settle_there = defaulting.of(there.model).settle
        self._there = graph.Route(api, kind, here.name, there.name)
        self._back = graph.Route(api, kind, there.name, here.name)
        self._check = checking.of_version(here).create
        self._fit = schema_coverage.root_fit(here.model)
        schema = structural.schema_of(here.model)
        own = {k: v for k, v in schema["properties"].items() if k not in _NOT_COMPARED}
        self._schema: Schema = {**schema, "properties": own}
        names = (storage.names(api, version).all for version in kind.versions)
        self._annotations = frozenset[str]().union(*names)
        envelope: Object = {"apiVersion": api.api_version(here), "kind": kind.name}
        metadata = {"name": "example"}
        if kind.scope == "Namespaced":
            metadata["namespace"] = "default"
        smallest = specimens.smallest(self._schema)
        mine = [
            example for example in examples if example.get("apiVersion") == envelope["apiVersion"]
        ]
        self._bases = [
            {**envelope, "metadata": metadata, **example} for example in (*mine, smallest)
        ]
        self._outcomes: dict[Path, Outcome] = {}

    def outcome(self, path: Path | None) -> Outcome:
        """Return what becomes of the values of a field."""
        if path is None or path[0] in _NOT_COMPARED:
            return Outcome()
        if path not in self._outcomes:
            self._outcomes[path] = self._tried(path)
        return self._outcomes[path]

    def target(self, path: Path) -> Path | None:
        """Return the outermost field of the other version that changes with a field."""
        for value, where in self._valid(path):
            with_it = self._there.convert(value).object
            without = self._there.convert(_without(value, where)).object
            found = _first_difference(self._bare(with_it), self._bare(without))
            if found:
                return found
        return None

    def _tried(self, path: Path) -> Outcome:
        found: dict[str, list[JSON]] = {"carried": [], "kept": [], "lost": []}
        for value, where in itertools.islice(self._valid(path), _MAX_TRIED):
            item = _get(value, where)
            if not any(_is_same(item, other) for tried in found.values() for other in tried):
                found[self._verdict(value, where)].append(item)
        return Outcome(*(tuple(found[name]) for name in ("carried", "kept", "lost")))

    def _verdict(self, value: Object, where: Sequence[str | int]) -> str:
        """Convert there and back; in each version the API server sets its defaults."""
        wanted = _get(self._settle(value), where)
        there = self._settle_there(self._there.convert(self._settle(value)).object)
        for name, one in (
            ("carried", storage.without(there, self._annotations)),
            ("kept", there),
        ):
            if _is_same(_get(self._settle(self._back.convert(one).object), where), wanted):
                return name
        return "lost"

    def _valid(self, path: Path) -> Iterator[tuple[Object, tuple[str | int, ...]]]:
        """Yield valid objects with a value at a field, and where it is."""
        steps = correspondence.field_steps(path)
        node = specimens.node_at(self._schema, steps)
        values = _UNDECLARED if node is None else specimens.around_values(node)
        for value in itertools.islice(values, _MAX_VALUES):
            for base in self._bases:
                placed, where = _placed(base, self._schema, path, value)
                if self._is_stored_so(placed, where) and not self._check(placed).causes:
                    yield placed, where
                    break

    def _is_stored_so(self, value: Object, where: Sequence[str | int]) -> bool:
        """Return whether the API server neither prunes a value nor drops nulls from it."""
        item = _get(value, where)
        return not _has_null(item) and _is_same(_get(self._fit(value), where), item)

    def _bare(self, value: Object) -> Object:
        bare = storage.without(value, self._annotations)
        return {key: item for key, item in bare.items() if key not in _NOT_COMPARED}


def _placed(
    base: JSON, schema: Schema, path: Path, value: JSON
) -> tuple[JSON, tuple[str | int, ...]]:
    """Return a value with another one at a field, and where that is.

    Lists on the way keep one item, so that it is found whatever order the other version has.
    """
    if not path:
        return value, ()
    step, *rest = path
    inner = specimens.node_at(schema, correspondence.field_steps((step,))) or {}
    if step == ITEMS:
        first = base[0] if isinstance(base, list) and base else specimens.smallest(inner)
        item, where = _placed(first, inner, tuple(rest), value)
        return [item], (0, *where)
    known = base if isinstance(base, dict) else {}
    key = next(iter(known), "k0") if step == VALUES else step
    item, where = _placed(known.get(key), inner, tuple(rest), value)
    if not isinstance(base, dict) and step != VALUES:
        smallest = specimens.smallest(schema)
        known = smallest if isinstance(smallest, dict) else {}
    return {**known, key: item}, (key, *where)


def _get(value: JSON, where: Sequence[str | int]) -> JSON:
    for step in where:
        is_member = isinstance(value, dict) and step in value
        is_item = isinstance(value, list) and isinstance(step, int) and step < len(value)
        if not (is_member or is_item):
            return ABSENT
        value = value[step]
    return value


def _without(value: JSON, where: Sequence[str | int]) -> JSON:
    step, *rest = where
    if rest:
        inner = _without(value[step], rest)
        if isinstance(value, list):
            return [inner]
        return {**value, step: inner}
    if isinstance(value, list):
        return []
    return {key: item for key, item in value.items() if key != step}


def _has_null(value: JSON) -> bool:
    match value:
        case dict():
            return any(map(_has_null, value.values()))
        case list():
            return any(map(_has_null, value))
    return value is None


def _is_same(one: JSON, other: JSON) -> bool:
    if one is ABSENT or other is ABSENT:
        return one is other
    return canonical.dumps(one) == canonical.dumps(other)


def _first_difference(one: JSON, other: JSON, at: Path = ()) -> Path | None:
    """Return the outermost field in which two objects differ, below their members."""
    if _is_same(one, other):
        return None
    if isinstance(one, dict) and isinstance(other, dict) and one and other:
        for key in {**one, **other}:
            found = _first_difference(one.get(key, ABSENT), other.get(key, ABSENT), (*at, key))
            if found is not None:
                return found
    return at
