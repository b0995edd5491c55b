"""Objects of an Api in another version: converted, and compared with what comes back. Pure."""

import dataclasses
from collections.abc import Collection, Iterator, Sequence

from schemagen import canonical
from schemagen.compat.findings import Finding, Level
from schemagen.model import registry
from schemagen.problems import JSON, UserError
from schemagen.rewrite import origins
from schemagen.rewrite.origins import Origins
from schemagen.rewrite.text.places import Place, at, text_of
from schemagen.versions import defaulting, graph
from schemagen.versions.converter import Converter
from schemagen.versions.residue import storage
from schemagen.versions.steps import ABSENT


class UnknownVersionError(UserError):
    """No kind of the Api has the wanted version."""


@dataclasses.dataclass(frozen=True)
class Converted:
    """An object in the wanted version.

    Attributes:
        value: The object.
        origins: Where its parts come from.
    """

    value: dict[str, JSON]
    origins: Origins


@dataclasses.dataclass(frozen=True)
class Refusal:
    """Why an object is left as it is.

    Attributes:
        rule: The kind of finding.
        message: What was expected, what came, and what to do.
        place: Where in the object.
    """

    rule: str
    message: str
    place: Place = ()


class Target:
    """An Api and the version that its objects shall have.

    Attributes:
        api: The Api.
        version: The version's name.
    """

    def __init__(self, api: registry.Api, version: str) -> None:
        """Choose a version.

        Raises:
            UnknownVersionError: if no kind has it.
        """
        self.api, self.version = api, version
        self._converter = Converter(api)
        names = {one.name for kind in api for one in kind.versions}
        if version not in names:
            known = ", ".join(sorted(names))
            raise UnknownVersionError(f"expected --to with a version of {known}, got {version}")

    def is_own(self, api_version: JSON) -> bool:
        """Return whether an apiVersion is of the Api's group."""
        return isinstance(api_version, str) and api_version.rpartition("/")[0] == self.api.group

    def find(self, api_version: JSON, kind: JSON) -> tuple[registry.Kind, registry.Version] | None:
        """Return the kind and the version of an object; None if the Api has none such."""
        if not isinstance(api_version, str) or not isinstance(kind, str):
            return None
        return self.api.find(api_version, kind)

    def has(self, kind: registry.Kind) -> bool:
        """Return whether a kind has the wanted version."""
        return kind.version(self.version) is not None

    def convert(
        self, value: dict[str, JSON], kind: registry.Kind, version: registry.Version
    ) -> Converted | Refusal:
        """Convert an object, unless something of it would be lost."""
        way = self._converter.way(kind, version.name, self.version)
        left_out = way.left_out(value)
        if left_out:
            return Refusal(
                "too-large",
                f"expected at most 192 KiB that only {version.name} has, got more: "
                f"{', '.join(left_out)}",
            )
        pairs = graph.pairs(kind, version.name, self.version)
        values = [value, *self._between(value, kind, pairs)]
        new = way.plain(value)
        back = self._converter.way(kind, self.version, version.name).plain(new)
        lost = difference(self.meaning(value, kind, version), self.meaning(back, kind, version))
        if lost is not None:
            return _lost(lost, value, version, self.version)
        found = origins.between([*values, new], pairs)
        unordered = {tuple(path) for older, _, _ in pairs for path in _unordered(older)}
        return Converted(*_in_old_order(new, value, found, unordered))

    def meaning(
        self, value: dict[str, JSON], kind: registry.Kind, version: registry.Version
    ) -> dict[str, JSON]:
        """Return what the API server makes of an object, without residue and unneeded order."""
        every = [storage.names(self.api, one).all for one in kind.versions]
        bare = storage.without(_without_nulls(value), frozenset[str]().union(*every))
        settled: dict[str, JSON] = defaulting.of(version.model).settle(bare)
        if version is kind.hub:
            node = defaulting.of(version.model)
            for older in kind.versions[:-1]:
                for path in _unordered(older):
                    settled = graph.sorted_at(settled, path, node)
        return settled

    def _between(
        self,
        value: dict[str, JSON],
        kind: registry.Kind,
        pairs: list[tuple[registry.Version, registry.Version, graph.Way]],
    ) -> Iterator[dict[str, JSON]]:
        """Yield the object in the versions on the way."""
        for older, newer, way in pairs[:-1]:
            names = (older.name, newer.name) if way == "up" else (newer.name, older.name)
            value = self._converter.way(kind, *names).plain(value)
            yield value


def _unordered(older: registry.Version) -> Sequence[Sequence[str]]:
    """Return the paths of lists whose order means nothing."""
    return older.conversion.unordered if older.conversion else ()


def _without_nulls(value: JSON) -> JSON:
    """Return a value without null fields: the API server drops them."""
    if isinstance(value, dict):
        return {name: _without_nulls(item) for name, item in value.items() if item is not None}
    return [*map(_without_nulls, value)] if isinstance(value, list) else value


def difference(one: JSON, other: JSON, place: Place = ()) -> Place | None:
    """Return the first place where two values differ; None if they are the same."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in [*one, *(name for name in other if name not in one)]:
            found = difference(one.get(name, ABSENT), other.get(name, ABSENT), (*place, name))
            if found is not None:
                return found
        return None
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, pair in enumerate(zip(one, other, strict=True)):
            found = difference(*pair, (*place, index))
            if found is not None:
                return found
        return None
    if ABSENT in (one, other):
        return None if one is other else place
    return None if canonical.dumps(one) == canonical.dumps(other) else place


def _lost(place: Place, value: dict[str, JSON], version: registry.Version, target: str) -> Refusal:
    """Return why an object is not converted that would not come back."""
    while place and at(value, place) is ABSENT:
        place = place[:-1]
    field = text_of(place) or "the object"
    return Refusal(
        "lost",
        f"expected a field of {version.name} with a value that its schema allows, got one that "
        f"{target} and back would lose: {field}; correct or remove it",
        place,
    )


def _in_old_order(
    new: dict[str, JSON],
    old: dict[str, JSON],
    found: Origins,
    unordered: Collection[Sequence[str]],
) -> tuple[dict[str, JSON], Origins]:
    """Return lists that were maps in the order of those, and the origins of their items."""
    for place, origin in [*found.items()]:
        before, after = at(old, origin), at(new, place)
        path = tuple("[]" if isinstance(part, int) else part for part in place)
        is_map = isinstance(before, dict) and isinstance(after, list)
        if not is_map or path not in unordered:
            continue
        order = {name: index for index, name in enumerate(before)}
        moved = sorted(
            range(len(after)),
            key=lambda index: order.get(_name(found, place, index), len(order)),
        )
        new = put(new, place, [after[index] for index in moved])
        depth = len(place)
        numbers = {index: number for number, index in enumerate(moved)}
        found = {
            (*one[:depth], numbers[one[depth]], *one[depth + 1 :])  # type: ignore[index] # an index
            if one[:depth] == place and len(one) > depth
            else one: before_place
            for one, before_place in found.items()
        }
    return new, found


def _name(found: Origins, place: Place, index: int) -> str | int:
    origin = found.get((*place, index))
    return origin[-1] if origin else ""


def put(value: JSON, place: Place, part: JSON) -> JSON:
    """Return a value with another one at a place."""
    if not place:
        return part
    first, rest = place[0], place[1:]
    if isinstance(value, dict):
        return {
            name: put(item, rest, part) if name == first else item for name, item in value.items()
        }
    return [put(item, rest, part) if index == first else item for index, item in enumerate(value)]


def finding(refusal: Refusal, source: str, line: int, subject: str) -> Finding:
    """Return a refusal as a finding."""
    return Finding(
        refusal.rule,
        Level.ERROR,
        refusal.message,
        source,
        line,
        subject,
        text_of(refusal.place),
    )
