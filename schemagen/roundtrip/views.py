"""Content of an object in a version, as seen by users of the API server. Pure.

Independent of residue: values are defaulted and pruned by the schemas, and converted by the
declared steps, so that it can verify the residue engine.
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence

from schemagen import canonical, checking
from schemagen.checking import nodes, normalization
from schemagen.checking.nodes import Node
from schemagen.model import registry
from schemagen.problems import JSON
from schemagen.roundtrip import differences
from schemagen.versions import links, schema_coverage
from schemagen.versions.steps import ABSENT, Hollow

# What users say of an object's metadata; the rest is the API server's.
_METADATA = ("name", "labels", "annotations")
_ENVELOPE = frozenset({"apiVersion", "kind", "metadata"})


@dataclasses.dataclass(frozen=True)
class Problem:
    """A problem of an object in a version, identified by field and reason."""

    field: str
    reason: str

    @property
    def hides_others(self) -> bool:
        """Whether it says that rules were not run, so that more may be wrong."""
        return self.field == "<nil>"


class Views:
    """The versions of a kind, and what objects say in each of them."""

    def __init__(self, api: registry.Api, kind: registry.Kind) -> None:
        self.api, self.kind = api, kind
        self._prefix = f"conversion.{api.group}/"

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """The versions' names, from the oldest to the newest."""
        return tuple(version.name for version in self.kind.versions)

    def version(self, name: str) -> registry.Version:
        """A version by its name."""
        return self.kind.versions[self.names.index(name)]

    def between(self, one: str, other: str) -> list[str]:
        """The versions that lie between two."""
        low, high = sorted((self.names.index(one), self.names.index(other)))
        return [*self.names[low + 1 : high]]

    def atomic(self, name: str) -> Sequence[tuple[str, ...]]:
        """The paths of a version that the conversion from the older one writes as a whole."""
        at = self.names.index(name)
        return links.atomic_paths(self.kind.versions[at - 1]) if at else ()

    def tells_order(self, name: str) -> bool:
        """Whether the order of lists with keys is told apart in what a version says."""
        at = self.names.index(name)
        return not any(_unordered(version) for version in self.kind.versions[: max(at - 1, 0)])

    def node(self, name: str) -> Node:
        """The schema of a version, as it is checked."""
        return _node(self.version(name).model)

    def defaulted(self, name: str, value: dict[str, JSON]) -> dict[str, JSON]:
        """The object as the API server takes it in: pruned, with defaults."""
        found: dict[str, JSON] = _plain(
            normalization.taken_in(value, self.node(name), is_root=True)
        )
        return found

    def pruned(self, name: str, value: dict[str, JSON]) -> dict[str, JSON]:
        """The object without what the version's schema does not know."""
        return {
            key: item if key in _ENVELOPE else _pruned(item, self.node(name).properties[key])
            for key, item in value.items()
            if key in _ENVELOPE or key in self.node(name).properties
        }

    def said(self, name: str, value: dict[str, JSON]) -> dict[str, JSON]:
        """All that a user can tell two objects apart by: defaulted, without residue."""
        defaulted = self.defaulted(name, value)
        said = {key: item for key, item in defaulted.items() if key not in _ENVELOPE}
        said["metadata"] = self._metadata(defaulted.get("metadata"))
        return self._ordered(name, said)

    def whole(self, name: str, said: Mapping[str, JSON]) -> dict[str, JSON]:
        """An object of which ``said`` is what it says."""
        api_version = self.api.api_version(self.version(name))
        return {"apiVersion": api_version, "kind": self.kind.name, **said}

    def meaning(
        self, source: str, said: Mapping[str, JSON], target: str, hollow: JSON = ABSENT
    ) -> bytes:
        """Return the canonical bytes of an object converted by the declared steps alone."""
        return canonical.dumps(self.said(target, self.stepped(source, said, target, hollow)))

    def stepped(
        self, source: str, said: Mapping[str, JSON], target: str, hollow: JSON = ABSENT
    ) -> dict[str, JSON]:
        """The object in another version, by the declared steps alone, without defaults.

        Args:
            source: The version of the object.
            said: What it says.
            target: The other version.
            hollow: What is made of an optional object of which nothing can be said there.
        """
        value = self.whole(source, said)
        start, end = self.names.index(source), self.names.index(target)
        for at in range(start, end, 1 if end > start else -1):
            value = self._stepped(value, at, hollow, upwards=end > start)
        return value

    def fitted(
        self, name: str, value: Mapping[str, JSON], hollow: JSON = ABSENT
    ) -> dict[str, JSON]:
        """The object without what its schema has no place for, or no place of that type.

        Args:
            name: Of the version.
            value: An object of it.
            hollow: What is made of an optional object of which nothing fits.
        """
        node = self.node(name)
        envelope = {key: item for key, item in value.items() if key in _ENVELOPE}
        own = {
            key: item for key, item in value.items() if key in node.properties.keys() - _ENVELOPE
        }
        return envelope | dict(_fitting_members(own, node, hollow))

    def misfits(self, name: str, value: Mapping[str, JSON]) -> list[str]:
        """Fields of an object that its schema does not know, or that have another type by it."""
        fitted = self.fitted(name, value, {})
        return [
            key for key, item in value.items() if not differences.is_same(item, fitted.get(key))
        ]

    def problems(self, name: str, said: Mapping[str, JSON]) -> frozenset[Problem]:
        """Return the API server's objections to an object."""
        checked = checking.of_version(self.version(name)).create(self.whole(name, said))
        return frozenset(Problem(cause.field, cause.reason) for cause in checked.causes)

    def residue_bytes(self, value: Mapping[str, JSON]) -> int:
        """How much of an object is kept for its other versions."""
        return sum(len(key) + len(str(text)) for key, text in self.residue(value).items())

    def residue(self, value: Mapping[str, JSON]) -> dict[str, JSON]:
        """The annotations that hold what other versions say."""
        annotations = _object(_object(value.get("metadata")).get("annotations"))
        return {key: text for key, text in annotations.items() if key.startswith(self._prefix)}

    def _stepped(
        self, value: dict[str, JSON], at: int, hollow: JSON, *, upwards: bool
    ) -> dict[str, JSON]:
        """The object in the version next to the one at an index."""
        conversion = self.kind.versions[at if upwards else at - 1].conversion
        if conversion is None:
            raise ValueError(f"{self.kind.name}: expected a conversion to the next newer version")
        target = self.kind.versions[at + 1 if upwards else at - 1]
        changed = conversion.up(value) if upwards else conversion.down(value)
        return self.fitted(target.name, changed, hollow)

    def _metadata(self, metadata: JSON) -> dict[str, JSON]:
        kept = {key: item for key, item in _object(metadata).items() if key in _METADATA}
        annotations = _object(kept.pop("annotations", None))
        own = {key: text for key, text in annotations.items() if not key.startswith(self._prefix)}
        found = kept | ({"annotations": own} if own else {})
        return {key: item for key, item in found.items() if item != {}}

    def _ordered(self, name: str, said: dict[str, JSON]) -> dict[str, JSON]:
        """Lists that are maps in an older version, in an order of their own."""
        at = self.names.index(name)
        if not self.tells_order(name):
            ordered: dict[str, JSON] = _keyed_sorted(said, self.node(name))
            return ordered
        for path in _unordered(self.kind.versions[at - 1]) if at else ():
            said = _sorted_at(said, path, self.node(name))
        return said


@functools.cache
def _node(model: type) -> Node:
    return nodes.compiled(schema_coverage.schema_of(model), is_root=True)


def _plain(value: JSON) -> JSON:
    """The same in dicts that are nothing more, which steps look for, and numbers as Go writes them.

    It writes a float64 without a fraction as an integer, and reads one that fits into int64 so.
    """
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    is_integer = value.__class__ is float and value.is_integer()
    return int(value) if is_integer and -(2**63) <= value < 2**63 else value


def _object(value: JSON) -> dict[str, JSON]:
    return value if isinstance(value, dict) else {}


def _unordered(version: registry.Version) -> Sequence[Sequence[str]]:
    return () if version.conversion is None else version.conversion.unordered


def _sorted_at(value: JSON, path: Sequence[str], node: Node | None) -> JSON:
    """The value with the lists at a path sorted."""
    if not path:
        return _sorted(value, node) if isinstance(value, list) else value
    step, *rest = path
    if step == "[]" and isinstance(value, list):
        return [_sorted_at(item, rest, node and node.items) for item in value]
    if isinstance(value, dict) and step in value:
        return {**value, step: _sorted_at(value[step], rest, _child(node, step))}
    return value


def _keyed_sorted(value: JSON, node: Node | None) -> JSON:
    """The value with every list sorted whose items have keys."""
    if node is None:
        return value
    if isinstance(value, dict):
        return {key: _keyed_sorted(item, _child(node, key)) for key, item in value.items()}
    if isinstance(value, list):
        items = [_keyed_sorted(item, node.items) for item in value]
        return _sorted(items, node) if node.list_keys else items
    return value


def _sorted(items: list[JSON], node: Node | None) -> list[JSON]:
    """Items by their keys, so that another value of one leaves the order as it is."""
    keys = () if node is None else node.list_keys
    return sorted(
        items, key=lambda item: canonical.dumps([[_object(item).get(key) for key in keys], item])
    )


def _child(node: Node | None, name: str) -> Node | None:
    return None if node is None else node.properties.get(name, node.values)


def _pruned(value: JSON, node: Node | None) -> JSON:
    if node is None:
        return value
    if isinstance(value, list):
        return [_pruned(item, node.items) for item in value]
    if not isinstance(value, dict):
        return value
    return {key: _pruned(item, _child(node, key)) for key, item in _known(value, node).items()}


def _known(value: dict[str, JSON], node: Node) -> dict[str, JSON]:
    """The members of an object that its schema keeps."""
    is_open = node.keeps_unknown or node.has_additional
    return {
        key: item
        for key, item in value.items()
        if _child(node, key) is not None or is_open or (node.embedded and key in _ENVELOPE)
    }


_CLASSES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}


def _fitting(value: JSON, node: Node | None, hollow: JSON) -> JSON:
    """The part of a value that its schema allows; ABSENT if it has another type."""
    if node is None:
        return value
    if value is None:
        return None if node.nullable else ABSENT
    if not _is_typed(value, node):
        return ABSENT
    if isinstance(value, dict):
        return _fitting_members(value, node, hollow)
    if isinstance(value, list):
        items = [_fitting(item, node.items, hollow) for item in value]
        return [{} if item.__class__ is Hollow else item for item in items if item is not ABSENT]
    return value


def _is_typed(value: JSON, node: Node) -> bool:
    classes = [type_ for name in node.types for type_ in _CLASSES[name]]
    return not classes or value.__class__ in classes or isinstance(value, Hollow)


def _fitting_members(value: dict[str, JSON], node: Node, hollow: JSON) -> dict[str, JSON]:
    """An object's members that fit; hollow if none does of those that there are."""
    fitted = {}
    for name, item in _known(value, node).items():
        member = _fitting(item, _child(node, name), hollow)
        if member.__class__ is Hollow:
            member = {} if name in node.required else hollow
        if member is not ABSENT:
            fitted[name] = member
    return fitted if fitted or (not value and value.__class__ is dict) else Hollow()
