"""What admission does for residue: nobody loses it by leaving it out, or forges it for the status.

Conversion refuses nothing, so this is where a write is refused that would lose a field for want of
room (``schemagen.versions.stash``).
"""

from collections.abc import Iterator
from typing import Protocol

from schemagen import Api, FieldPath, Kind, Problem, Reason, Version
from schemagen.problems import JSON
from schemagen.versions import stash
from schemagen.versions.converter import Converter
from webhooks import reviews

_CHANGED_BY_SERVER = frozenset({"managedFields", "resourceVersion", "generation"})


def with_residue(
    api: Api,
    kind: Kind,
    value: dict[str, JSON],
    old: dict[str, JSON] | None,
    *,
    is_replacement: bool,
) -> dict[str, JSON]:
    """The object with the residue that it has to have; the object itself if it has that.

    A client that replaces an object and knows no annotations leaves residue out: it is taken from
    the old object. A patch or an apply without residue has removed what it was about. The status
    is the old object's in any write that is asked about, and so is its residue.
    """
    names = [stash.names(api, version) for version in kind.versions]
    given, before = stash.annotations_of(value), stash.annotations_of(old)
    status = frozenset(one.status for one in names)
    kept = {key: text for key, text in before.items() if key in status}
    if is_replacement:
        left_out = [one.residue for one in names if one.residue not in given]
        kept |= {name: before[name] for name in left_out if name in before}
    if all(given.get(key) == text for key, text in kept.items()) and status & {*given} <= {*kept}:
        return value
    return stash.having(stash.without(value, status), kept)


class Write(Protocol):
    """A write under review (``subjects.Subject``)."""

    @property
    def converter(self) -> Converter:
        """Of the API."""

    @property
    def request(self) -> reviews.AdmissionRequest:
        """The request."""

    @property
    def kind(self) -> Kind:
        """The kind."""

    @property
    def version(self) -> Version:
        """The version that is written."""

    @property
    def value(self) -> dict[str, JSON]:
        """The object."""

    @property
    def old(self) -> dict[str, JSON] | None:
        """What it is to replace."""


def problems(write: Write) -> list[Problem]:
    """The fields that would be lost with a write, each with the way out."""
    if write.request.operation == "DELETE" or _only_releases(write.value, write.old):
        return []
    written = write.kind, write.version
    lost = [*_lost_already(write.converter.api, written, write.value, write.old)]
    return lost or [*_lost_now(write.converter, written, write.value)]


def _lost_already(
    api: Api, written: tuple[Kind, Version], value: dict[str, JSON], old: dict[str, JSON] | None
) -> Iterator[Problem]:
    """What the version that is written has not been able to hold of the stored object."""
    kind, version = written
    for other in kind.versions:
        names = stash.names(api, other)
        fields = stash.overflow_of(value, names) or stash.overflow_of(old, names)
        if fields and other is not version:
            path = FieldPath().member("metadata").member("annotations").key(names.overflow)
            message = (
                f"a write in {version.name} would lose {', '.join(fields)}, which found no room in "
                f"its annotations; write {kind.name} in {other.name}"
            )
            yield Problem(path, message, Reason.FORBIDDEN)


def _lost_now(
    converter: Converter, written: tuple[Kind, Version], value: dict[str, JSON]
) -> Iterator[Problem]:
    """What the version that is stored cannot hold of the object."""
    kind, version = written
    if version is kind.storage:
        return
    fields = converter.way(kind, version.name, kind.storage.name).left_out(value)
    if fields:
        message = (
            f"expected what {kind.storage.name}, in which objects are stored, can hold in "
            f"annotations, got more: {', '.join(fields[: stash.MAX_NAMED_FIELDS])}; make it shorter"
        )
        yield Problem(FieldPath().member("metadata").member("annotations"), message)


def _only_releases(value: dict[str, JSON], old: dict[str, JSON] | None) -> bool:
    """Whether nothing is changed but that finalizers are removed."""
    if old is None:
        return False
    after, before = _finalizers(value), _finalizers(old)
    return after < before and _others(value) == _others(old)


def _finalizers(value: dict[str, JSON]) -> frozenset[str]:
    metadata = value.get("metadata")
    names = metadata.get("finalizers") if isinstance(metadata, dict) else None
    return (
        frozenset(one for one in names if isinstance(one, str))
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
