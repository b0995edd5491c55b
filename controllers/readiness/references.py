"""References of an object: to objects by name, and to keys of Secrets and ConfigMaps. Pure."""

import dataclasses
import enum
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from controllers.readiness.findings import Effect, Finding, Type
from schemagen.problems import JSON

SECRET, CONFIG_MAP = "Secret", "ConfigMap"

_SIGNING: Final = "signingSecretRefs"
_KINDS: Final = {
    "secretKeyRef": SECRET,
    "secretRef": SECRET,
    "privateKeySecretRef": SECRET,
    "configMapKeyRef": CONFIG_MAP,
    "knownHostsConfigMapRef": CONFIG_MAP,
}
# Keys that the documentation of a VersionControlProvider's fields promises.
_DEFAULT_KEYS: Final = {
    "secretRef": "token",
    "privateKeySecretRef": "privateKey",
    "knownHostsConfigMapRef": "known_hosts",
}
# Whatever these contain is passed on unread.
_OPAQUE: Final = frozenset({"config", "extra", "threadConfig"})


class KeyReference(NamedTuple):
    """A reference to a key.

    Attributes:
        kind: Secret or ConfigMap.
        name: Name of the object.
        key: Its key; empty for the entire object.
        path: Field path of the reference.
        is_optional: Whether it may be missing.
    """

    kind: str
    name: str
    key: str
    path: str
    is_optional: bool


class Presence(enum.Enum):
    """Observed state of a referenced object."""

    MISSING = enum.auto()
    NOT_READY = enum.auto()
    USABLE = enum.auto()


class Denied(enum.Enum):
    """The controller may not read an object."""

    DENIED = enum.auto()


Keys = frozenset[str] | Denied | None
"""The keys of a Secret or ConfigMap; None if it does not exist."""


@dataclasses.dataclass(frozen=True, slots=True)
class Observed:
    """Observed state of everything that an object refers to.

    Attributes:
        objects: By kind and name; those that are not listed are missing.
        keys: Keys of Secrets and ConfigMaps, by kind and name.
        ingests: Whether this controller receives deliveries of issue trackers, and reads them.
    """

    objects: Mapping[tuple[str, str], Presence] = dataclasses.field(default_factory=dict)
    keys: Mapping[tuple[str, str], Keys] = dataclasses.field(default_factory=dict)
    ingests: bool = True


def key_references(value: JSON, path: str = "spec") -> Iterator[KeyReference]:
    """Yield the references to keys of Secrets and ConfigMaps in a spec."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            name = item.get("name") if isinstance(item, dict) else None
            yield from key_references(item, f"{path}[{name or index}]")
        return
    if not isinstance(value, dict):
        return
    for name, member in value.items():
        if name in _OPAQUE:
            continue
        if name == _SIGNING and isinstance(member, list):
            yield from _signing_references(member, f"{path}.{name}")
            continue
        kind = _KINDS.get(name)
        if kind and isinstance(member, dict) and isinstance(member.get("name"), str):
            key = member.get("key") or _DEFAULT_KEYS.get(name, "")
            optional = bool(member.get("optional"))
            yield KeyReference(kind, member["name"], str(key), f"{path}.{name}", optional)
        else:
            yield from key_references(member, f"{path}.{name}")


def _signing_references(items: JSON, path: str) -> Iterator[KeyReference]:
    for index, item in enumerate(items):
        if isinstance(item, dict) and isinstance(item.get("name"), str):
            key = str(item.get("key") or "")
            yield KeyReference(SECRET, item["name"], key, f"{path}[{index}]", is_optional=False)


def signing_findings(spec: JSON, seen: Observed) -> Iterator[Finding]:
    """Yield what is missing of the signing secrets of a source, one of which suffices."""
    by_reference = [
        [*_key_findings(reference, seen, needs_secrets=True)]
        for reference in key_references(spec)
        if f".{_SIGNING}[" in reference.path
    ]
    is_usable = any(not found for found in by_reference)
    for found in by_reference:
        for finding in found:
            yield (
                dataclasses.replace(finding, type=Type.DEGRADED, effect=Effect.NONE)
                if is_usable
                else finding
            )


def key_findings(spec: JSON, seen: Observed, *, needs_secrets: bool = False) -> Iterator[Finding]:
    """Yield what is missing of the Secrets and ConfigMaps of a spec.

    Args:
        spec: The spec.
        seen: What was observed.
        needs_secrets: Whether the object is only known to be usable once its Secrets were read.
    """
    for reference in key_references(spec):
        if not reference.is_optional:
            yield from _key_findings(reference, seen, needs_secrets=needs_secrets)


def _key_findings(
    reference: KeyReference, seen: Observed, *, needs_secrets: bool
) -> Iterator[Finding]:
    keys = seen.keys.get((reference.kind, reference.name))
    where = f"{reference.kind} {reference.name!r} at {reference.path}"
    if keys is Denied.DENIED:
        yield Finding(
            f"{reference.kind}NotReadable",
            f"{where} was not checked: the controller may not read it; the operator can allow "
            "it (docs/readiness.md, Secrets)",
            None,
            Effect.UNKNOWN if needs_secrets else Effect.NONE,
        )
    elif keys is None:
        yield Finding(
            f"{reference.kind}NotFound",
            f"expected {where}, which does not exist",
            Type.UNREACHABLE,
        )
    elif reference.key and reference.key not in keys:
        yield Finding(
            f"{reference.kind}KeyMissing",
            f"expected key {reference.key!r} in {where}, got other keys",
        )


def object_finding(
    seen: Observed, kind: str, name: str | None, path: str, *, reason: str
) -> Iterator[Finding]:
    """Yield that a referenced object is missing or not ready.

    Args:
        seen: What was observed.
        kind: Kind of the object.
        name: Its name; None or empty if nothing is referred to.
        path: Field path of the reference.
        reason: Suffix of the reasons: ``Provider`` in ``MissingProvider``, ``ProviderNotReady``.
    """
    if not name:
        return
    presence = seen.objects.get((kind, name), Presence.MISSING)
    if presence is Presence.MISSING:
        yield Finding(
            f"Missing{reason}", f"expected {kind} {name!r} at {path}, which does not exist"
        )
    elif presence is Presence.NOT_READY:
        yield Finding(
            f"{reason}NotReady", f"{kind} {name!r} at {path} is not ready; see its status", None
        )
