"""Sets of fields (FieldsV1) of typed objects: comparing, merging and removing. Pure.

A translation of sigs.k8s.io/structured-merge-diff (v6, typed/*.go) for what schemas here can say.
A path is a tuple of the names that FieldsV1 gives its parts: ``f:spec``, ``k:{"name":"a"}``.
"""

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from controllers.kube import writer
from controllers.kube.errors import JSON

Path: TypeAlias = tuple[str, ...]
Paths: TypeAlias = frozenset[Path]

NO_PATHS: Final[Paths] = frozenset()
ABSENT: Final = object()


class UndeclaredError(Exception):
    """A field is not in the schema, or an item of a list has no key."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Type:
    """How a value is merged.

    Attributes:
        fields: Of an object.
        values: Of a map; None if it has none beyond ``fields``.
        items: Of a list.
        keys: By which the items of a list are told apart.
        key_defaults: Of keys that may be omitted.
        is_set: Whether the items of a list are told apart by value.
        is_atomic: Whether it is replaced as a whole.
        is_always: A struct of Go, which exists even if it is empty.
    """

    fields: Mapping[str, "Type"] = dataclasses.field(default_factory=dict)
    values: "Type | None" = None
    items: "Type | None" = None
    keys: tuple[str, ...] = ()
    key_defaults: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    is_set: bool = False
    is_atomic: bool = False
    is_always: bool = False

    def child(self, name: str) -> "Type":
        """Return the type of a member; without a schema maps are merged and lists replaced."""
        return self.fields.get(name) or self.values or ANY

    def is_merged(self, value: Any) -> bool:
        """Whether a value has fields of its own."""
        if isinstance(value, dict):
            return not self.is_atomic
        return isinstance(value, list) and (bool(self.keys) or self.is_set)


SCALAR: Final = Type()
ANY: Final = Type()


class Comparison(NamedTuple):
    """The differences of two objects."""

    added: Paths
    modified: Paths
    removed: Paths

    def without(self, ignored: Paths) -> "Comparison":
        """Return the differences that are not below any of these paths."""
        return Comparison(*(outside(paths, ignored) for paths in self))


def of_schema(schema: JSON) -> Type:
    """Return the type that a structural schema describes."""
    if schema.get("x-kubernetes-int-or-string") or not schema.get("type"):
        is_open = schema.get("x-kubernetes-preserve-unknown-fields")
        return ANY if is_open else SCALAR
    if schema["type"] == "array":
        kind = schema.get("x-kubernetes-list-type", "atomic")
        items = schema.get("items") or {}
        members = items.get("properties") or {}
        keys = tuple(schema.get("x-kubernetes-list-map-keys") or ()) if kind == "map" else ()
        return Type(
            items=of_schema(items),
            keys=keys,
            key_defaults={
                key: members[key]["default"] for key in keys if "default" in members.get(key, {})
            },
            is_set=kind == "set",
            is_atomic=kind == "atomic",
        )
    if schema["type"] != "object":
        return SCALAR
    fields = {name: of_schema(inner) for name, inner in (schema.get("properties") or {}).items()}
    if schema.get("x-kubernetes-embedded-resource"):
        fields = {"apiVersion": SCALAR, "kind": SCALAR, "metadata": ANY} | fields
    return Type(
        fields=fields,
        values=_values(schema),
        is_atomic=schema.get("x-kubernetes-map-type") == "atomic",
    )


def _values(schema: JSON) -> Type | None:
    additional = schema.get("additionalProperties")
    if isinstance(additional, dict):
        return of_schema(additional)
    return ANY if additional or schema.get("x-kubernetes-preserve-unknown-fields") else None


def outside(paths: Paths, ignored: Paths) -> Paths:
    """Return the paths that are neither one of the ignored ones nor below one."""
    if not ignored:
        return paths
    return frozenset(
        path for path in paths if not any(path[: len(above)] == above for above in ignored)
    )


def decoded(fields: JSON) -> Paths:
    """Read a FieldsV1."""
    return frozenset(_members(fields, ()))


def _members(fields: JSON, above: Path) -> Iterator[Path]:
    for name, inner in fields.items():
        path = (*above, name)
        if not inner or "." in inner:
            yield path
        yield from _members({key: part for key, part in inner.items() if key != "."}, path)


def encoded(paths: Paths) -> JSON:
    """Write a FieldsV1."""
    root: JSON = {}
    for path in sorted(paths):
        node = root
        for name in path:
            node = node.setdefault(name, {})
        node["."] = {}
    return _closed(root)


def _closed(node: JSON) -> JSON:
    """Leave the dot only where there is more than the member itself."""
    return {name: _closed(inner) for name, inner in node.items() if name != "."} | (
        {".": {}} if "." in node and len(node) > 1 else {}
    )


def dotted(path: Path) -> str:
    """Return a path as conflicts name it: ``.spec.steps[name="a"].image``."""
    return "".join(map(_part, path))


def _part(name: str) -> str:
    kind, _, text = name.partition(":")
    if kind == "f":
        return f".{text}"
    if kind == "v":
        return f"[={text}]"
    pairs = (f"{key}={_compact(value)}" for key, value in json.loads(text).items())
    return f"[{','.join(pairs)}]"


def owned(type_: Type, value: Any) -> Paths:
    """Return the fields that applying a value owns.

    Raises:
        UndeclaredError: One of them is not in the schema.
    """
    return frozenset(_owned(type_, value, ()))


def _owned(type_: Type, value: Any, path: Path) -> Iterator[Path]:
    if not type_.is_merged(value):
        yield path
    elif isinstance(value, dict):
        for name, member in value.items():
            below = (*path, f"f:{name}")
            if name not in type_.fields and type_.values is None and type_ is not ANY:
                raise UndeclaredError(f"{dotted(below)}: field not declared in schema")
            yield from _owned(type_.child(name), member, below)
            if member in (None, {}) or name not in type_.fields:
                yield below
    else:
        for name, item in _items(type_, value, path):
            below = (*path, name)
            yield from _owned(type_.items or ANY, item, below)
            yield below


def _items(type_: Type, values: Sequence[Any], path: Path = ()) -> Iterator[tuple[str, Any]]:
    for index, item in enumerate(values):
        if type_.is_set:
            yield f"v:{_compact(item)}", item
            continue
        known = {**type_.key_defaults, **(item if isinstance(item, dict) else {})}
        given = {key: known[key] for key in type_.keys if key in known}
        if not given:
            raise UndeclaredError(
                f"{dotted(path)}: element {index}: associative list with keys has an element that "
                f"omits all key fields {[*type_.keys]} (and doesn't have default values for any "
                "key fields)"
            )
        yield f"k:{_compact(given)}", item


def check_repeated(type_: Type, value: Any, path: Path = ()) -> None:
    """Refuse items that have the key of another one.

    Raises:
        UndeclaredError: There are some.
    """
    if not type_.is_merged(value):
        return
    seen: set[str] = set()
    for name, (inner, part) in (
        _parts(type_, value).items()
        if isinstance(value, dict)
        else ((name, (type_.items or ANY, item)) for name, item in _items(type_, value, path))
    ):
        if name in seen:
            raise UndeclaredError(f"{dotted(path)}: duplicate entries for key {_part(name)}")
        seen.add(name)
        check_repeated(inner, part, (*path, name))


def _compact(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _parts(type_: Type, value: Any) -> dict[str, tuple[Type, Any]]:
    """Return the members or items of a merged value with their types."""
    if isinstance(value, dict):
        return {f"f:{name}": (type_.child(name), member) for name, member in value.items()}
    if isinstance(value, list):
        return {name: (type_.items or ANY, item) for name, item in _items(type_, value)}
    return {}


def compare(type_: Type, old: Any, new: Any) -> Comparison:
    """Return what a change added, modified and removed."""
    found: tuple[set[Path], set[Path], set[Path]] = (set(), set(), set())
    _compare(type_, old, new, (), found)
    return Comparison(*map(frozenset, found))


def _compare(
    type_: Type, old: Any, new: Any, path: Path, found: tuple[set[Path], set[Path], set[Path]]
) -> None:
    added, modified, removed = found
    old, new = _emptied(type_, old, new), _emptied(type_, new, old)
    sides = [side for side in (old, new) if side is not ABSENT]
    is_merged = all(type_.is_merged(side) for side in sides) and any(sides)
    if is_merged and len({type(side) for side in sides}) == 1:
        before, after = _parts(type_, old), _parts(type_, new)
        for name in {**before, **after}:
            inner, _ = before.get(name) or after[name]
            sub_old = before[name][1] if name in before else ABSENT
            sub_new = after[name][1] if name in after else ABSENT
            _compare(inner, sub_old, sub_new, (*path, name), found)
    elif old is not ABSENT and new is not ABSENT and not writer.is_equal(old, new):
        modified.add(path)
    if old is ABSENT:
        added.add(path)
    elif new is ABSENT:
        removed.add(path)


def _emptied(type_: Type, value: Any, other: Any) -> Any:
    """Return the empty value that a missing struct, or a null beside a map or list, stands for."""
    if value is ABSENT and type_.is_always:
        return {}
    return type(other)() if value is None and type_.is_merged(other) else value


def merge(type_: Type, old: Any, new: Any) -> Any:
    """Return an object with an applied one merged into it."""
    if new is ABSENT or old is ABSENT:
        return old if new is ABSENT else new
    if not type_.is_merged(new) or not type_.is_merged(old) or type(old) is not type(new):
        return new
    if isinstance(new, dict):
        return {
            name: merge(type_.child(name), old.get(name, ABSENT), new.get(name, ABSENT))
            for name in {**old, **new}
        }
    before, after = dict(_items(type_, old)), dict(_items(type_, new))
    inner = type_.items or ANY
    return [
        merge(inner, before.get(name, ABSENT), after.get(name, ABSENT))
        for name in _merged_order([*before], [*after])
    ]


def _merged_order(  # noqa: C901 - as the original
    old: list[str], new: list[str]
) -> Iterator[str]:
    """Yield the items of two lists: the new order, with the old ones where they stood.

    As mergeListItems of typed/merge.go.
    """
    shared = [name for name in new if name in old]
    merged: set[str] = set()
    left = right = 0
    while left < len(old) or right < len(new):
        if left < len(old) and right < len(new):
            if old[left] == new[right]:
                merged.add(old[left])
                yield old[left]
                left, right, shared = left + 1, right + 1, shared[1:]
                continue
            if old[left] in new and shared and shared[0] != old[left]:
                left += 1
                continue
        if left < len(old):
            if old[left] not in new:
                yield old[left]
                left += 1
                continue
            if old[left] in merged:
                left += 1
        if right < len(new):
            merged.add(new[right])
            yield new[right]
            shared = shared[1:] if shared and shared[0] == new[right] else shared
            right += 1


def remove(type_: Type, value: Any, paths: Paths) -> Any:
    """Return a value without some of its fields; None if nothing is left of it."""
    if not paths or not type_.is_merged(value) or not value:
        return value
    kept: list[tuple[str, Any]] = []
    for name, (inner, part) in _parts(type_, value).items():
        if (name,) not in paths:
            below = frozenset(path[1:] for path in paths if path[0] == name)
            kept.append((name, remove(inner, part, below)))
    if not kept:
        return None
    if isinstance(value, dict):
        return {name.removeprefix("f:"): part for name, part in kept}
    return [part for _, part in kept]


def with_named(type_: Type, paths: Paths) -> Paths:
    """Return the paths and the declared fields above them (EnsureNamedFieldsAreMembers)."""
    return paths | {
        path[:length]
        for path in paths
        for length in range(1, len(path))
        if _is_declared(type_, path[:length])
    }


def _is_declared(type_: Type, path: Path) -> bool:
    for name in path[:-1]:
        type_ = type_.child(name[2:]) if name.startswith("f:") else type_.items or ANY
    return path[-1].startswith("f:") and path[-1][2:] in type_.fields
