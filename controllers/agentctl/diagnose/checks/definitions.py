"""Checks of CRDs, their versions and conversions, and the stored objects. Pure."""

from collections.abc import Iterator
from typing import Final

from controllers import kube
from controllers.agentctl.diagnose.check import Check, Finding, Severity, Subject
from controllers.agentctl.diagnose.observation import Snapshot, known
from schemagen import canonical
from schemagen.compat.changes import definition_changes, schema_changes, version_changes
from schemagen.compat.changes.changes import Change
from schemagen.compat.preflight import managers
from schemagen.problems import JSON

_CRD: Final = kube.CUSTOM_RESOURCE_DEFINITIONS.kind
_INSTALL: Final = "install the CRDs of this release: helm upgrade, or webhooks install --crds-only"
_CONDITIONS: Final = ("Established", "NamesAccepted")
# Differences shown of a CRD.
_MAX_CHANGES: Final = 3
_MAX_LOST: Final = 5


def _present(seen: Snapshot) -> Iterator[Finding]:
    live = seen.definitions.get()
    for name in seen.expected_definitions:
        if name not in live:
            yield Finding(
                subject=Subject(_CRD, name), message="expected the CRD, got none", fix=_INSTALL
            )
            continue
        conditions = {
            condition["type"]: condition
            for condition in (live[name].get("status") or {}).get("conditions") or ()
        }
        for kind in _CONDITIONS:
            condition = conditions.get(kind) or {}
            if condition.get("status") != "True":
                reason = condition.get("message") or condition.get("reason") or "no condition"
                yield Finding(
                    subject=Subject.of(live[name]),
                    message=f"expected condition {kind}, got {condition.get('status')}: {reason}",
                    fix="resolve the conflict of names with the other CRD, then apply this one",
                    evidence={"condition": kind, "reason": str(reason)},
                )


def _drift(seen: Snapshot) -> Iterator[Finding]:
    for name, live in seen.definitions.get().items():
        changes = [*_changes(live, seen.expected_definitions[name])]
        if changes:
            shown = "; ".join(map(_change_text, changes[:_MAX_CHANGES]))
            more = len(changes) - _MAX_CHANGES
            yield Finding(
                subject=Subject.of(live),
                message=f"expected the CRD of release {seen.release}, got differences, which it "
                f"would change: {shown}" + (f" and {more} more" if more > 0 else ""),
                fix=f"{_INSTALL}; or use the agentctl of the release that is installed",
                evidence={change.place or change.path or "spec": change.rule for change in changes},
            )


def _changes(live: JSON, expected: JSON) -> Iterator[Change]:
    """Yield what this release would change, apart from what an installation decides."""
    installed = _as_installed(live, expected)
    for decided in (
        *definition_changes.of_names(live, installed),
        *version_changes.of(live, installed),
    ):
        yield decided.change
    before = version_changes.by_name(live)
    for version in expected["spec"]["versions"]:
        old = before.get(version["name"])
        if old is None:
            continue
        for decided in definition_changes.of_version(old, version, expected):
            yield decided.change
        schemas = [version_changes.schema_of(side) for side in (old, version)]
        if canonical.dumps(schemas[0]) != canonical.dumps(schemas[1]):
            yield from schema_changes.compare(*schemas, version=version["name"])


def _as_installed(live: JSON, expected: JSON) -> JSON:
    """Return the expected CRD with what an installation decides: storage version and conversion."""
    stored, spec = _storage_of(live), expected["spec"]
    chosen = [{**version, "storage": version["name"] == stored} for version in spec["versions"]]
    versions = chosen if any(version["storage"] for version in chosen) else spec["versions"]
    conversion = live["spec"].get("conversion")
    # Labels and annotations are those of the installation as well.
    return {
        **expected,
        "metadata": live["metadata"],
        "spec": {**spec, "versions": versions, "conversion": conversion},
    }


def _storage_of(crd: JSON) -> str:
    return next(
        (str(version["name"]) for version in crd["spec"]["versions"] if version.get("storage")), ""
    )


def _change_text(change: Change) -> str:
    where = " ".join(filter(None, (change.version, change.path)))
    return f"{where}: {change.message}" if where else change.message


def _stored_versions(seen: Snapshot) -> Iterator[Finding]:
    for name, live in seen.definitions.get().items():
        stored = [*((live.get("status") or {}).get("storedVersions") or ())]
        known = {version["name"] for version in seen.expected_definitions[name]["spec"]["versions"]}
        evidence = {"storedVersions": ", ".join(stored)}
        unknown = [version for version in stored if version not in known]
        if unknown:
            yield Finding(
                subject=Subject.of(live),
                message=f"expected objects stored in {', '.join(sorted(known))}, got some that may "
                f"be stored in {', '.join(unknown)}, which release {seen.release} does not have",
                fix="migrate them with a release that has both versions: agentctl migrate",
                evidence=evidence,
            )
        elif len(stored) > 1:
            yield Finding(
                subject=Subject.of(live),
                message=f"expected objects stored in {_storage_of(live)}, got some that may still "
                f"be stored in {', '.join(old for old in stored if old != _storage_of(live))}",
                fix=f"agentctl migrate plan {name} shows the steps",
                evidence=evidence,
                severity=Severity.WARNING,
            )


def _strategy(seen: Snapshot) -> Iterator[Finding]:
    for live in seen.definitions.get().values():
        conversion = live["spec"].get("conversion") or {}
        versions = (conversion.get("webhook") or {}).get("conversionReviewVersions") or ()
        served = [version["name"] for version in live["spec"]["versions"] if version.get("served")]
        if len(served) > 1 and conversion.get("strategy") != "Webhook":
            yield Finding(
                subject=Subject.of(live),
                message=f"expected conversion by webhook between {' and '.join(served)}, got "
                f"strategy {conversion.get('strategy')}: fields are pruned in silence",
                fix=_INSTALL,
                evidence={"spec.conversion.strategy": str(conversion.get("strategy"))},
            )
        elif len(served) > 1 and "v1" not in versions:
            yield Finding(
                subject=Subject.of(live),
                message=f"expected conversionReviewVersions with v1, got {', '.join(versions)}",
                fix=_INSTALL,
                evidence={"conversionReviewVersions": ", ".join(versions)},
            )


def _readable(seen: Snapshot) -> Iterator[Finding]:
    for name, refusal in known(seen.listings):
        if refusal:
            kind, _, version = name.partition(" ")
            yield Finding(
                subject=Subject(kind, version),
                message=f"expected a list in version {version}, got: {refusal}",
                fix="check that the webhook server is running, and that the API server reaches and "
                "trusts it (checks webhook-trusted, components-available)",
                evidence={"version": version},
            )


def _round_trips(seen: Snapshot) -> Iterator[Finding]:
    for name, trip in known(seen.round_trips):
        kind, _, version = name.partition(" ")
        subject = Subject(kind, version)
        if trip.answer is None:
            yield Finding(
                subject=subject,
                message=f"expected a dry run in version {version} to be accepted, got: "
                f"{trip.refusal}",
                fix="if the webhook could not be called, check that it is running, reachable and "
                "trusted; if the object was refused, check quotas and policies of others",
                evidence={"version": version},
            )
            continue
        lost = [*_lost(trip.sent.get("spec"), trip.answer.get("spec"), "spec")]
        if lost:
            yield Finding(
                subject=subject,
                message="expected every field back after conversion to the storage version and "
                f"back, lost {', '.join(lost[:_MAX_LOST])}",
                fix="check that the webhook server and the CRDs are of the same release",
                evidence={"lost": ", ".join(lost[:_MAX_LOST])},
            )


def _lost(sent: JSON, answer: JSON, path: str) -> Iterator[str]:
    """Yield the paths of sent values that the answer lacks; the order of lists does not count."""
    if isinstance(sent, dict):
        members = answer if isinstance(answer, dict) else {}
        for key, value in sent.items():
            yield from _lost(value, members.get(key), f"{path}.{key}")
    elif isinstance(sent, list):
        items = answer if isinstance(answer, list) else []
        for index, value in enumerate(sent):
            if not any(not [*_lost(value, item, "")] for item in items):
                yield f"{path}[{index}]"
    elif sent != answer:
        yield path


def _managed_fields(seen: Snapshot) -> Iterator[Finding]:
    versions = {
        live["spec"]["names"]["kind"]: {version["name"] for version in live["spec"]["versions"]}
        for live in seen.definitions.get().values()
    }
    for value in seen.of_kinds(seen.objects):
        writers = managers.Writers(seen.group)
        writers.take(value, "")
        for writer in writers:
            if writer.version not in versions.get(value["kind"], {writer.version}):
                yield Finding(
                    subject=Subject.of(value),
                    message=f"expected managedFields of existing versions, got {writer.version} "
                    f"by {writer.manager}: every server-side apply of the object fails",
                    fix="agentctl migrate removes such entries (its step clean); see "
                    "kubernetes/kubernetes#111937",
                    evidence={"manager": writer.manager, "version": writer.version},
                )


def _installable(seen: Snapshot) -> Iterator[Finding]:
    for name, refusal in known(seen.installable):
        if refusal:
            yield Finding(
                subject=Subject(_CRD, name),
                message=f"expected the API server to accept the CRD in a dry run, got: {refusal}",
                fix="remove the conflict that the message names, or upgrade the cluster",
            )


CHECKS: Final = (
    Check("crds-present", "every CRD exists and is established", Severity.ERROR, _present),
    Check("crds-current", "every CRD is that of this release", Severity.ERROR, _drift),
    Check(
        "crds-installable",
        "the API server accepts the CRDs of this release",
        Severity.ERROR,
        _installable,
        is_before_install=True,
        is_after_install=False,
    ),
    Check(
        "stored-versions",
        "objects are stored in one version, which this release has",
        Severity.ERROR,
        _stored_versions,
        is_before_install=True,
    ),
    Check(
        "conversion-strategy",
        "objects are converted by the webhook",
        Severity.ERROR,
        _strategy,
    ),
    Check("objects-readable", "objects can be read in every version", Severity.ERROR, _readable),
    Check(
        "conversion-lossless",
        "the API server converts an object to the storage version and back without loss",
        Severity.ERROR,
        _round_trips,
    ),
    Check(
        "managed-fields-versions",
        "managedFields name only versions that exist",
        Severity.ERROR,
        _managed_fields,
    ),
)
