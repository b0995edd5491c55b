"""The object that an admission request is about, in every version that matters. Pure.

Deletions are reviewed only where a kind's rules ask for it; anything done to an object that is
being deleted is allowed, so that finalizers can be removed.
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Final, cast

import msgspec

from schemagen import Api, Facts, Kind, Version, canonical
from schemagen.model.registry import OPERATIONS
from schemagen.problems import JSON, kind_of
from schemagen.versions.converter import Converter
from schemagen.versions.residue import storage
from webhooks.review import reviews
from webhooks.review.verdicts import Allowed, Failed

STATUS: Final = "status"
SCALE: Final = "scale"


@dataclasses.dataclass
class Subject:
    """The object under review.

    Attributes:
        value: The object as it was written; for a DELETE, the object to delete.
        old: The object that it replaces; for a DELETE, the same object.
    """

    converter: Converter
    request: reviews.AdmissionRequest
    kind: Kind
    version: Version
    value: dict[str, JSON]
    old: dict[str, JSON] | None

    @functools.cached_property
    def hub(self) -> dict[str, JSON]:
        """The object in the hub version, which rules are written against."""
        return self.up(self.value)

    @functools.cached_property
    def old_hub(self) -> dict[str, JSON] | None:
        """The object that it replaces, in the hub version."""
        if self.old is self.value:
            return self.hub
        return None if self.old is None else self.up(self.old)

    @property
    def is_whole(self) -> bool:
        """Whether an object is created or updated, not deleted or written by a subresource."""
        return self.request.operation != "DELETE" and not self.request.subresource

    def up(self, value: dict[str, JSON]) -> dict[str, JSON]:
        """Convert an object from the written version to the hub version."""
        if self.version is self.kind.hub:
            return value
        return self.converter.way(self.kind, self.version.name, self.kind.hub.name).plain(value)

    def down(self, hub: dict[str, JSON]) -> dict[str, JSON]:
        """Convert an object from the hub version to the written version."""
        if self.version is self.kind.hub:
            return hub
        return self.converter.way(self.kind, self.kind.hub.name, self.version.name).plain(hub)

    def with_value(self, value: dict[str, JSON]) -> "Subject":
        """Return the same request for another object."""
        return dataclasses.replace(self, value=value)

    def facts(self, facts: Facts) -> Facts:
        """Return the facts with those of this request."""
        request = self.request
        is_hub = self.version is self.kind.hub
        written = request.written_bytes if is_hub and request.subresource != SCALE else None
        return msgspec.structs.replace(
            facts,
            dry_run=request.dry_run,
            most_bytes=None if written is None else canonical.most_bytes(written),
            user=request.user,
            namespace=request.namespace,
            operation=request.operation,
            subresource=request.subresource,
            version=self.version.name,
        )


@dataclasses.dataclass(frozen=True)
class ScaleRequest:
    """A write of a scale subresource: the scaled object must be read first.

    Attributes:
        path: Path of the field that the scale sets.
        replicas: Requested number of replicas.
    """

    converter: Converter
    request: reviews.AdmissionRequest
    kind: Kind
    version: Version
    path: str
    replicas: JSON

    def of(self, current: dict[str, JSON]) -> Subject:
        """Apply the scale to the current object."""
        scaled = _with(current, self.path.removeprefix(".").split("."), self.replicas)
        return Subject(self.converter, self.request, self.kind, self.version, scaled, current)


def _with(value: JSON, path: list[str], leaf: JSON) -> dict[str, JSON]:
    """Copy an object with a field set, as the API server's scale storage sets it."""
    name, *rest = path
    known = value if isinstance(value, dict) else {}
    return {**known, name: _with(known.get(name), rest, leaf) if rest else leaf}


def opened(
    converter: Converter, request: reviews.AdmissionRequest
) -> Subject | ScaleRequest | Allowed | Failed:
    """Return the subject to review, or the verdict on a request with nothing to review."""
    is_known = request.operation in OPERATIONS
    if not is_known or request.subresource not in ("", STATUS, SCALE):
        return Allowed(request)
    if request.subresource == SCALE:
        return _scale(converter, request)
    found = converter.api.find(request.api_version, request.kind)
    if found is None:
        return _unknown_kind(converter, request)
    if not _is_reviewed(converter.api, *found, request):
        return Allowed(request)
    return _object(converter, request, *found)


def _object(
    converter: Converter, request: reviews.AdmissionRequest, kind: Kind, version: Version
) -> Subject | Allowed | Failed:
    is_deletion = request.operation == "DELETE"
    value = request.old_object if is_deletion else request.object
    if value is None:
        where = "oldObject" if is_deletion else "object"
        return Failed(
            request.envelope,
            f"expected an object at request.{where} for {request.operation}, got null",
        )
    if _is_being_deleted(value):
        return Allowed(request)
    if not is_deletion and not request.subresource:
        value = storage.with_residue(
            converter.api,
            kind,
            value,
            request.old_object,
            is_replacement=request.is_replacement,
        )
    old = value if is_deletion else request.old_object
    return Subject(converter, request, kind, version, value, old)


def _is_reviewed(api: Api, kind: Kind, version: Version, request: reviews.AdmissionRequest) -> bool:
    """Return whether an operation is reviewed at all."""
    if request.operation == "DELETE":
        return not request.subresource and asks_of_deletion(kind)
    if not request.subresource or asks_of_status(kind, version):
        return True
    others = [storage.names(api, other) for other in kind.versions if other is not version]
    return any(storage.overflow_of(request.object, other) for other in others)


def asks_of_deletion(kind: Kind) -> bool:
    """Return whether a kind's rules may deny a deletion."""
    return kind.rules.validate is not None and "DELETE" in kind.rules.operations


def asks_of_status(kind: Kind, version: Version) -> bool:
    """Return whether writes of the status in a version need more than schema validation."""
    if kind.rules.validate is not None and STATUS in kind.rules.subresources:
        return True
    return version is not kind.hub and version.hub_rules == "refuse"


def asks_of_scale(kind: Kind, version: Version) -> bool:
    """Return whether writes of the scale in a version need more than schema validation."""
    if version.scale is None:
        return False
    if kind.rules.validate is not None and SCALE in kind.rules.subresources:
        return True
    return version is not kind.hub and version.hub_rules != "off"


def _unknown_kind(converter: Converter, request: reviews.AdmissionRequest) -> Failed:
    api = converter.api
    served = ", ".join(kind.name for kind in api)
    return Failed(
        request.envelope,
        f"expected a kind of {api.group} ({served}) at request.kind, "
        f"got {request.kind} of {request.api_version}; fix the rules of the webhook configuration",
    )


def _scale(
    converter: Converter, request: reviews.AdmissionRequest
) -> ScaleRequest | Allowed | Failed:
    kind, version = converter.api.find_resource(*request.resource) or (None, None)
    if kind is None or version is None or version.scale is None:
        return Allowed(request)
    if request.operation != "UPDATE" or not asks_of_scale(kind, version):
        return Allowed(request)
    spec = (request.object or {}).get("spec")
    replicas = spec.get("replicas", 0) if isinstance(spec, dict) else 0  # Go omits a zero
    if type(replicas) is not int:
        return Failed(
            request.envelope,
            f"expected a number at request.object.spec.replicas, got {kind_of(replicas)}",
        )
    return ScaleRequest(converter, request, kind, version, version.scale.spec, replicas)


def _is_being_deleted(value: Mapping[str, JSON]) -> bool:
    metadata = value.get("metadata")
    return type(metadata) is dict and metadata.get("deletionTimestamp") is not None


def is_changed(subject: Subject) -> bool:
    """Return whether anything but metadata changed; true without an old object."""
    old, new = subject.old, subject.value
    if old is None:
        return True
    names = cast("set[str]", {*old, *new}) - _ENVELOPE
    return any(old.get(name) != new.get(name) for name in names)


_ENVELOPE: Final = frozenset({"apiVersion", "kind", "metadata"})
