"""Field managers: who owns which fields after an update or an apply. Pure.

A translation of k8s.io/apimachinery/pkg/util/managedfields and of structured-merge-diff's
merge/update.go, for objects of one version at a time.
"""

import dataclasses
import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from controllers.kube import clocks, writer
from controllers.kube.errors import JSON
from controllers.kube.testing import fields, statuses
from controllers.kube.testing.fields import NO_PATHS, Paths, Type
from schemagen.checking import nodes

# managedfields/internal/stripmeta.go.
_STRIPPED: Final[Paths] = frozenset(
    {
        ("f:apiVersion",),
        ("f:kind",),
        ("f:metadata",),
        *(
            ("f:metadata", f"f:{name}")
            for name in (
                *("name", "namespace", "creationTimestamp", "selfLink", "uid", "generation"),
                *("managedFields", "resourceVersion"),
            )
        ),
    }
)


class Manager(NamedTuple):
    """Identifies an entry of ``managedFields``."""

    name: str
    operation: Literal["Apply", "Update"]
    api_version: str
    subresource: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Owned:
    """The fields of a manager, and when it last took some."""

    paths: Paths
    time: str


Managers: TypeAlias = Mapping[Manager, Owned]


@dataclasses.dataclass(frozen=True, slots=True)
class Write:
    """A write, apart from the objects.

    Attributes:
        type: Of the objects.
        manager: Who writes.
        now: When.
        reset: What the resource or subresource ignores in what is written.
    """

    type: Type
    manager: Manager
    now: dt.datetime
    reset: Paths = NO_PATHS


def read(value: JSON) -> Managers:
    """Return the managers of an object."""
    entries = (value.get("metadata") or {}).get("managedFields") or ()
    return {
        Manager(
            entry.get("manager", ""),
            entry.get("operation", "Update"),
            entry.get("apiVersion", ""),
            entry.get("subresource", ""),
        ): Owned(fields.decoded(entry.get("fieldsV1") or {}), entry.get("time", ""))
        for entry in entries
        if entry
    }


def known(new: JSON, old: JSON, subresource: str) -> Managers:
    """Return the managers before an update: those that it sends, else those of the old object."""
    sent: list[JSON] = (new.get("metadata") or {}).get("managedFields") or []
    if subresource:
        return read(old)
    if len(sent) == 1 and not sent[0]:  # how clients reset them
        return {}
    return read(new) or read(old)


def written(value: JSON, managers: Managers) -> JSON:
    """Return an object with its managers."""
    entries = [_entry(manager, owned) for manager, owned in managers.items() if owned.paths]
    entries.sort(key=_order)
    metadata = {key: part for key, part in value["metadata"].items() if key != "managedFields"}
    given = {"managedFields": entries} if entries else {}
    return {**value, "metadata": metadata | given}


def _order(entry: JSON) -> list[str]:
    names = ("operation", "time", "manager", "apiVersion", "subresource")
    return [entry.get(name, "") for name in names]


def _entry(manager: Manager, owned: Owned) -> JSON:
    entry = {
        "manager": manager.name,
        "operation": manager.operation,
        "apiVersion": manager.api_version,
        **({"time": owned.time} if owned.time else {}),
        "fieldsType": "FieldsV1",
        "fieldsV1": fields.encoded(owned.paths),
    }
    return entry | ({"subresource": manager.subresource} if manager.subresource else {})


def plain(value: JSON) -> JSON:
    """Return an object without its managers."""
    metadata = value.get("metadata")
    if not isinstance(metadata, dict) or "managedFields" not in metadata:
        return value
    rest = {key: part for key, part in metadata.items() if key != "managedFields"}
    return {**value, "metadata": rest}


def updated(write: Write, live: JSON, new: JSON, managers: Managers) -> Managers:
    """Return the managers after an update, which takes over what it changes.

    An object without managers has none until something is applied to it.
    """
    if not managers and "resourceVersion" in (live.get("metadata") or {}):
        return managers
    try:
        change = fields.compare(write.type, plain(live), plain(new)).without(write.reset)
    except fields.UndeclaredError:  # it is invalid, as will be said; an update ignores it
        return managers
    taken = change.added | change.modified
    after = {
        manager: dataclasses.replace(owned, paths=owned.paths - taken - change.removed)
        for manager, owned in managers.items()
    }
    before = managers.get(write.manager, Owned(NO_PATHS, ""))
    mine = ((before.paths - change.removed) | taken) - _STRIPPED
    when = clocks.time_text(write.now) if taken else before.time
    after[write.manager] = Owned(mine, when)
    return _without_empty(after)


def applied(
    write: Write, live: JSON, config: JSON, managers: Managers, *, force: bool
) -> tuple[JSON, Managers] | None:
    """Return an object and its managers after an apply; None if it changes nothing.

    Raises:
        Refusal: Others own some of the fields.
        UndeclaredError: One of them is not in the schema.
    """
    live, config = plain(live), plain(config)
    fields.check_repeated(write.type, config)
    if not managers and "resourceVersion" in (live.get("metadata") or {}):
        first = Manager("before-first-apply", "Update", write.manager.api_version)
        managers = updated(dataclasses.replace(write, manager=first), {}, live, {})
    mine = fields.outside(fields.owned(write.type, config), write.reset) - _STRIPPED
    before = managers.get(write.manager, Owned(NO_PATHS, ""))
    last = before.paths
    after = {**managers, write.manager: Owned(mine, before.time)}
    merged = fields.merge(write.type, live, config)
    new = _pruned(write.type, merged, after, last)
    change = fields.compare(write.type, live, new).without(write.reset)
    taken = change.added | change.modified
    others = {name: owned for name, owned in managers.items() if name != write.manager}
    conflicts = {name: owned.paths & taken for name, owned in others.items()}
    if not force and any(conflicts.values()):
        raise _conflict(conflicts)
    for name, owned in others.items():
        rest = owned.paths - conflicts[name] - change.removed
        after[name] = dataclasses.replace(owned, paths=rest)
    if not any(change) and mine == last and not any(conflicts.values()):
        return None
    if any(change):  # to own what is there already takes no time
        after[write.manager] = Owned(mine, clocks.time_text(write.now))
    return new, _without_empty(after)


def is_unchanged(new: JSON, old: JSON) -> bool:
    """Return whether only the times of managers differ, for which nothing is written."""
    return writer.is_equal(*map(_timeless, (new, old)))


def _timeless(value: JSON) -> JSON:
    metadata = value["metadata"]
    entries = [
        {name: part for name, part in entry.items() if name != "time"}
        for entry in metadata.get("managedFields") or ()
    ]
    return {**value, "metadata": {**metadata, "managedFields": entries}}


def null_causes(node: nodes.Node | None, value: Any, path: str = "") -> list[JSON]:
    """Return why an object is refused of which an apply removed all members of a map.

    It leaves a null there, which is not pruned, unlike one that a client sends.
    """
    if node is None or not isinstance(value, dict):
        return []
    found = []
    for name, part in value.items():
        child, where = node.properties.get(name), f"{path}.{name}".removeprefix(".")
        if child is not None and part is None and not child.nullable:
            kind = "".join(child.types)
            text = f'Invalid value: "null": {where} in body must be of type {kind}: "null"'
            found.append(statuses.cause("FieldValueTypeInvalid", text, where))
        found += null_causes(child, part, where)
    return found


def _without_empty(managers: Managers) -> Managers:
    return {name: owned for name, owned in managers.items() if owned.paths}


def _pruned(type_: Type, merged: JSON, managers: Managers, last: Paths) -> JSON:
    """Remove what the applier owned, applies no longer, and nobody else owns."""
    if not last:
        return merged
    everything = fields.with_named(type_, fields.owned(_open(type_), merged))
    pruned = fields.remove(type_, merged, fields.with_named(type_, last))
    kept = fields.with_named(type_, frozenset().union(*(o.paths for o in managers.values())))
    pruned = fields.remove(type_, merged, everything - _named(type_, pruned) - kept)
    dangling = (everything - _named(type_, pruned)) & fields.with_named(type_, last)
    return _object(fields.remove(type_, merged, dangling))


def _named(type_: Type, value: Any) -> Paths:
    return fields.with_named(type_, fields.owned(_open(type_), _object(value)))


def _object(value: Any) -> JSON:
    return value or {}


def _open(type_: Type) -> Type:
    """Return a type that also takes fields without a declaration, as stored objects may have."""
    return type_ if type_.values is not None else dataclasses.replace(type_, values=fields.ANY)


def _conflict(conflicts: Mapping[Manager, Iterable[fields.Path]]) -> Exception:
    by_text: dict[str, list[str]] = {}
    for manager, paths in conflicts.items():
        texts = [fields.dotted(path) for path in sorted(paths)]
        if texts:
            by_text.setdefault(_manager(manager), []).extend(texts)
    pairs = [(who, path) for who, paths in sorted(by_text.items()) for path in sorted(paths)]
    causes = [
        statuses.cause("FieldManagerConflict", f"conflict with {who}", path) for who, path in pairs
    ]
    if len(pairs) == 1:
        who, path = pairs[0]
        message = f"Apply failed with 1 conflict: conflict with {who}: {path}"
        return statuses.apply_conflict(causes, message)
    listed = (
        "\n".join([f"conflicts with {who}:", *(f"- {path}" for path in sorted(paths))])
        for who, paths in sorted(by_text.items())
    )
    text = f"Apply failed with {len(pairs)} conflicts: " + "\n".join(listed)
    return statuses.apply_conflict(causes, text)


def _manager(manager: Manager) -> str:
    text = f'"{manager.name}"'
    if manager.subresource:
        text += f' with subresource "{manager.subresource}"'
    if manager.operation == "Update":
        text += f" using {manager.api_version}"
    return text
