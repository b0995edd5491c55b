"""Guards against losing data that conversion cannot represent (``versions.residue.storage``).

Conversion refuses nothing. Writes that would lose a field for lack of space in annotations are
therefore denied here, and clients are warned of residue that has no effect, such as forged residue.
"""

from collections.abc import Iterator
from typing import Final

from schemagen import Api, FieldPath, Kind, Problem, Reason, Version
from schemagen.problems import JSON
from schemagen.versions.converter import Converter
from schemagen.versions.residue import storage
from webhooks.review.reviewed_objects import Subject

_CHANGED_BY_SERVER = frozenset({"managedFields", "resourceVersion", "generation"})


def problems(subject: Subject) -> list[Problem]:
    """Return the fields that a write would lose, each with a remedy."""
    if subject.request.operation == "DELETE" or _only_releases(subject.value, subject.old):
        return []
    written = subject.kind, subject.version
    lost = [*_lost_already(subject.converter.api, written, subject.value, subject.old)]
    return lost or [*_lost_now(subject.converter, written, subject.value)]


def dropped(subject: Subject) -> list[Problem]:
    """Return residue written with an object that no other version uses."""
    if not subject.is_whole:
        return []
    unused = []
    for other in subject.kind.versions:
        names = storage.names(subject.converter.api, other)
        fields = _dropped_fields(subject, other, names) if other is not subject.version else []
        if fields:
            listed = ", ".join(storage.named(fields))
            path = FieldPath().member("metadata").member("annotations").key(names.residue)
            unused.append(Problem(path, f"{other.name} does not use {listed} from it"))
    return unused


def _dropped_fields(subject: Subject, other: Version, names: storage.Names) -> list[str]:
    """Return fields of residue that is new in this write and does not survive conversion."""
    text = storage.annotations_of(subject.value).get(names.residue)
    if text is None or text == storage.annotations_of(subject.old).get(names.residue):
        return []
    kind, converter, own = subject.kind, subject.converter, subject.version.name
    is_hub = other is kind.hub
    there = subject.hub if is_hub else converter.way(kind, own, other.name).plain(subject.value)
    back = converter.way(kind, other.name, own).plain(there)
    kept = {*storage.fields_of(storage.entries_of(back, names))}
    fields = storage.fields_of(storage.entries_of(subject.value, names))
    return [field for field in fields if field not in kept] if fields else [_UNREADABLE]


_UNREADABLE: Final = "unreadable data"


def _lost_already(
    api: Api, written: tuple[Kind, Version], value: dict[str, JSON], old: dict[str, JSON] | None
) -> Iterator[Problem]:
    """Yield what the written version could not hold of the stored object."""
    kind, version = written
    for other in kind.versions:
        names = storage.names(api, other)
        fields = storage.overflow_of(value, names) or storage.overflow_of(old, names)
        if fields and other is not version:
            path = FieldPath().member("metadata").member("annotations").key(names.overflow)
            message = (
                f"a write in {version.name} would lose {', '.join(fields)}, which did not fit its "
                f"annotations; write {kind.name} in {other.name}"
            )
            yield Problem(path, message, Reason.FORBIDDEN)


def _lost_now(
    converter: Converter, written: tuple[Kind, Version], value: dict[str, JSON]
) -> Iterator[Problem]:
    """Yield what the storage version cannot hold of the object."""
    kind, version = written
    if version is kind.storage:
        return
    fields = converter.way(kind, version.name, kind.storage.name).left_out(value)
    if fields:
        message = (
            f"expected data that the storage version {kind.storage.name} can hold in annotations, "
            f"got more: {', '.join(fields[: storage.MAX_NAMED_FIELDS])}; make it shorter"
        )
        yield Problem(FieldPath().member("metadata").member("annotations"), message)


def _only_releases(value: dict[str, JSON], old: dict[str, JSON] | None) -> bool:
    """Return whether finalizers are removed and nothing else changes."""
    if old is None:
        return False
    after, before = _finalizers(value), _finalizers(old)
    return after < before and _others(value) == _others(old)


def _finalizers(value: dict[str, JSON]) -> frozenset[str]:
    metadata = value.get("metadata")
    names = metadata.get("finalizers") if isinstance(metadata, dict) else None
    return (
        frozenset(name for name in names if isinstance(name, str))
        if isinstance(names, list)
        else frozenset()
    )


def _others(value: dict[str, JSON]) -> JSON:
    metadata = value.get("metadata")
    rest = metadata if isinstance(metadata, dict) else {}
    left = {
        key: item for key, item in rest.items() if key not in {*_CHANGED_BY_SERVER, "finalizers"}
    }
    return {**value, "metadata": left}
