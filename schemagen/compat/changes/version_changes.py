"""Compare which versions two CRDs serve and store, and how they convert. Pure."""

from collections.abc import Iterator, Mapping
from typing import Final

from schemagen import canonical
from schemagen.compat.changes import definition_changes, schema_changes
from schemagen.compat.changes.changes import Audience, Change, Decided, Outcome, Verdict, Witness
from schemagen.problems import JSON

_NOT_SERVED: Final = "404: the server could not find the requested resource"
_GUARDED: Final = "the API server refuses this update while status.storedVersions names the version"


def of(old: JSON, new: JSON) -> Iterator[Decided]:
    """Yield the changes of versions and of conversion."""
    before, after = by_name(old), by_name(new)
    for name, version in before.items():
        if name not in after:
            yield _removed(old, version)
        else:
            yield from _served(old, version, after[name])
    for name, version in after.items():
        if name not in before:
            served = "" if version.get("served") else ", not served"
            change = Change(
                "version-added", f"version {name} added{served}", version=name, after=name
            )
            yield Decided(change, definition_changes.safe("no request could name the version"))
    yield from _storage(before, after)
    yield from _conversion(old, new)


def by_name(crd: JSON) -> dict[str, JSON]:
    """Return the versions of a CRD by name."""
    return {version["name"]: version for version in crd["spec"]["versions"]}


def schema_of(version: JSON) -> JSON:
    """Return a version's schema."""
    return (version.get("schema") or {}).get("openAPIV3Schema") or {}


def _removed(crd: JSON, version: JSON) -> Decided:
    name = version["name"]
    change = Change("version-removed", f"version {name} removed", version=name, before=name)
    stored = Verdict(Outcome.SAFE, _GUARDED)
    names = (crd.get("status") or {}).get("storedVersions") or ()
    if version.get("storage") or name in names:
        text = f"status.storedVersions: must not name {name}, which spec.versions lacks"
        witness = Witness("install", before="accepted", after=text)
        stored = definition_changes.breaking("objects are stored in the version", witness)
    if not version.get("served"):
        unserved = Verdict(Outcome.SAFE, "the version was not served")
        return Decided(
            change,
            {Audience.WRITERS: unserved, Audience.READERS: unserved, Audience.STORED: stored},
        )
    return Decided(change, _unreachable(crd, name, stored))


def _unreachable(crd: JSON, name: str, stored: Verdict) -> dict[Audience, Verdict]:
    path = definition_changes.collection(crd, name)
    reason = "the version is no longer served"
    return {
        Audience.WRITERS: definition_changes.breaking(
            reason, Witness(f"POST {path}", before="201", after=_NOT_SERVED)
        ),
        Audience.READERS: definition_changes.breaking(
            reason, Witness(f"GET {path}", before="200", after=_NOT_SERVED)
        ),
        Audience.STORED: stored,
    }


def _served(crd: JSON, old: JSON, new: JSON) -> Iterator[Decided]:
    before, after = bool(old.get("served")), bool(new.get("served"))
    if before and not after:
        change = Change(
            "version-unserved",
            "no longer served",
            version=new["name"],
            before=True,
            after=False,
            place="served",
        )
        stored = Verdict(Outcome.SAFE, "a version that is not served is still decoded")
        yield Decided(change, _unreachable(crd, new["name"], stored))
    elif after and not before:
        change = Change(
            "version-served",
            "served now",
            version=new["name"],
            before=False,
            after=True,
            place="served",
        )
        yield Decided(change, definition_changes.safe("no request could name the version"))


def _storage(before: Mapping[str, JSON], after: Mapping[str, JSON]) -> Iterator[Decided]:
    old = next((name for name, version in before.items() if version.get("storage")), None)
    new = next((name for name, version in after.items() if version.get("storage")), None)
    if old == new:
        return
    change = Change(
        "storage-version-changed",
        f"storage version changed from {old} to {new}",
        before=old,
        after=new,
        version=new or "",
        place="storage",
    )
    reason = "objects stay in the version that they were stored in until they are written"
    yield Decided(change, definition_changes.safe(reason))


def _conversion(old: JSON, new: JSON) -> Iterator[Decided]:
    before, after = strategy(old), strategy(new)
    is_alone = len(by_name(old)) == 1 and len(by_name(new)) == 1
    if before != after:
        text = f"conversion changed from {before} to {after}"
        change = Change(
            "conversion-changed", text, before=before, after=after, place="spec.conversion"
        )
        if is_alone:
            yield Decided(change, definition_changes.safe("one version is never converted"))
        elif after == "None" and _are_same(new):
            reason = "all versions have the same fields, so that nothing is lost"
            yield Decided(change, definition_changes.safe(reason))
        else:
            text = "what the webhook does cannot be seen in a CRD; 0 objects were tried"
            verdict = Verdict(Outcome.UNPROVED, text)
            yield Decided(change, dict.fromkeys(Audience, verdict))
    one, other = ((crd["spec"].get("conversion") or {}).get("webhook") for crd in (old, new))
    if before == after and one != other:
        change = Change(
            "conversion-webhook-changed",
            "the conversion webhook is called otherwise",
            before=one,
            after=other,
            place="spec.conversion.webhook",
        )
        reason = "where the webhook is called is not part of the API"
        yield Decided(change, definition_changes.safe(reason))


def strategy(crd: JSON) -> str:
    """Return how a CRD's versions are converted: ``None`` or ``Webhook``."""
    return str((crd["spec"].get("conversion") or {}).get("strategy") or "None")


def _are_same(crd: JSON) -> bool:
    schemas = {
        canonical.dumps(schema_changes.stripped(schema_of(version)))
        for version in by_name(crd).values()
    }
    return len(schemas) == 1
