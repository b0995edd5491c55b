"""What an admission request is about: the object under review, in every version that matters.

Pure. Deletions are asked about only where a kind's rules ask for them; whatever is done to an
object that is going already is let through, or it would never go.
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Final, cast

import msgspec

from schemagen import Api, Facts, Kind, Version, canonical
from schemagen.model.registry import OPERATIONS
from schemagen.problems import JSON, kind_of
from schemagen.versions import stash
from schemagen.versions.converter import Converter
from webhooks import reviews

STATUS: Final = "status"
SCALE: Final = "scale"


@dataclasses.dataclass
class Subject:
    """What is under review.

    Attributes:
        value: The object as it was written; for a DELETE, the one that is to go.
        old: What it is to replace; for a DELETE, the same object.
    """

    converter: Converter
    request: reviews.AdmissionRequest
    kind: Kind
    version: Version
    value: dict[str, JSON]
    old: dict[str, JSON] | None

    @functools.cached_property
    def hub(self) -> dict[str, JSON]:
        """The object in the version that rules are written against."""
        return self.up(self.value)

    @functools.cached_property
    def old_hub(self) -> dict[str, JSON] | None:
        """What it is to replace, in that version."""
        if self.old is self.value:
            return self.hub
        return None if self.old is None else self.up(self.old)

    @property
    def is_whole(self) -> bool:
        """Whether an object is created or updated, not deleted or written by a subresource."""
        return self.request.operation != "DELETE" and not self.request.subresource

    def up(self, value: dict[str, JSON]) -> dict[str, JSON]:
        """An object of the written version as a hub object."""
        if self.version is self.kind.hub:
            return value
        return self.converter.way(self.kind, self.version.name, self.kind.hub.name).plain(value)

    def down(self, hub: dict[str, JSON]) -> dict[str, JSON]:
        """A hub object in the version that was written."""
        if self.version is self.kind.hub:
            return hub
        return self.converter.way(self.kind, self.kind.hub.name, self.version.name).plain(hub)

    def with_value(self, value: dict[str, JSON]) -> "Subject":
        """The same request for another object."""
        return dataclasses.replace(self, value=value)

    def facts(self, facts: Facts) -> Facts:
        """What is known of this very request, too."""
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
    """A write of a scale subresource: what it is about has to be looked up first.

    Attributes:
        path: Of the field that the scale sets.
        replicas: How many are asked for.
    """

    converter: Converter
    request: reviews.AdmissionRequest
    kind: Kind
    version: Version
    path: str
    replicas: JSON

    def of(self, found: dict[str, JSON]) -> Subject:
        """The object as it would be, given the object that there is."""
        scaled = _with(found, self.path.removeprefix(".").split("."), self.replicas)
        return Subject(self.converter, self.request, self.kind, self.version, scaled, found)


def _with(value: JSON, path: list[str], leaf: JSON) -> dict[str, JSON]:
    """A copy of an object with a member set, as the API server's scale storage sets it."""
    name, *rest = path
    known = value if isinstance(value, dict) else {}
    return {**known, name: _with(known.get(name), rest, leaf) if rest else leaf}


def opened(
    converter: Converter, request: reviews.AdmissionRequest
) -> Subject | ScaleRequest | JSON:
    """What is to be reviewed, or the answer to a request with nothing to review."""
    is_known = request.operation in OPERATIONS
    if not is_known or request.subresource not in ("", STATUS, SCALE):
        return reviews.allowed(request)
    if request.subresource == SCALE:
        return _scale(converter, request)
    found = converter.api.find(request.api_version, request.kind)
    if found is None:
        return _unknown_kind(converter, request)
    if not _is_asked(converter.api, *found, request):
        return reviews.allowed(request)
    return _object(converter, request, *found)


def _object(
    converter: Converter, request: reviews.AdmissionRequest, kind: Kind, version: Version
) -> Subject | JSON:
    is_deletion = request.operation == "DELETE"
    value = request.old_object if is_deletion else request.object
    if value is None:
        where = "oldObject" if is_deletion else "object"
        return reviews.failed(
            request.envelope,
            f"expected an object at request.{where} of a {request.operation}, got null",
        )
    if _is_going(value):
        return reviews.allowed(request)
    if not is_deletion and not request.subresource:
        value = stash.with_residue(
            converter.api,
            kind,
            value,
            request.old_object,
            is_replacement=request.is_replacement,
        )
    old = value if is_deletion else request.old_object
    return Subject(converter, request, kind, version, value, old)


def _is_asked(api: Api, kind: Kind, version: Version, request: reviews.AdmissionRequest) -> bool:
    """Whether anything of ours has a say in an operation."""
    if request.operation == "DELETE":
        return not request.subresource and asks_of_deletion(kind)
    if not request.subresource or asks_of_status(kind, version):
        return True
    others = [stash.names(api, other) for other in kind.versions if other is not version]
    return any(stash.overflow_of(request.object, other) for other in others)


def asks_of_deletion(kind: Kind) -> bool:
    """Whether a kind's rules may keep an object from being deleted."""
    return kind.rules.validate is not None and "DELETE" in kind.rules.operations


def asks_of_status(kind: Kind, version: Version) -> bool:
    """Whether a write of the status in a version is judged by more than its schema."""
    if kind.rules.validate is not None and STATUS in kind.rules.subresources:
        return True
    return version is not kind.hub and version.hub_rules == "refuse"


def asks_of_scale(kind: Kind, version: Version) -> bool:
    """Whether a write of the scale in a version is judged by more than its schema."""
    if version.scale is None:
        return False
    if kind.rules.validate is not None and SCALE in kind.rules.subresources:
        return True
    return version is not kind.hub and version.hub_rules != "off"


def _unknown_kind(converter: Converter, request: reviews.AdmissionRequest) -> JSON:
    api = converter.api
    served = ", ".join(kind.name for kind in api)
    return reviews.failed(
        request.envelope,
        f"expected a kind of {api.group} ({served}) at request.kind, "
        f"got {request.kind} of {request.api_version}; correct the webhook's rules",
    )


def _scale(converter: Converter, request: reviews.AdmissionRequest) -> ScaleRequest | JSON:
    kind, version = converter.api.find_resource(*request.resource) or (None, None)
    if kind is None or version is None or version.scale is None:
        return reviews.allowed(request)
    if request.operation != "UPDATE" or not asks_of_scale(kind, version):
        return reviews.allowed(request)
    spec = (request.object or {}).get("spec")
    replicas = spec.get("replicas", 0) if isinstance(spec, dict) else 0  # Go omits a zero
    if type(replicas) is not int:
        return reviews.failed(
            request.envelope,
            f"expected a number at request.object.spec.replicas, got {kind_of(replicas)}",
        )
    return ScaleRequest(converter, request, kind, version, version.scale.spec, replicas)


def _is_going(value: Mapping[str, JSON]) -> bool:
    metadata = value.get("metadata")
    return type(metadata) is dict and metadata.get("deletionTimestamp") is not None


def is_changed(subject: Subject) -> bool:
    """Whether anything but metadata is another than before; without an old object all is new."""
    old, new = subject.old, subject.value
    if old is None:
        return True
    names = cast("set[str]", {*old, *new}) - _ENVELOPE
    return any(old.get(name) != new.get(name) for name in names)


_ENVELOPE: Final = frozenset({"apiVersion", "kind", "metadata"})
