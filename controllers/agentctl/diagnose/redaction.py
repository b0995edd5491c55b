"""Redaction of a support archive: a list of the fields that are kept. Pure.

Only named fields are kept; all others, such as prompts, parameters, variables and annotations, are
left out. Secrets are never read in the first place. Credentials in messages are masked as well.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from controllers import kube
from controllers.ledger import encoding
from schemagen import canonical
from schemagen.problems import JSON

MASK: Final = "[redacted]"
_METADATA: Final = frozenset(
    {
        *("name", "namespace", "uid", "generation", "resourceVersion", "creationTimestamp"),
        *("deletionTimestamp", "finalizers", "ownerReferences"),
    }
)
# Fields of a spec or status at any depth whose values are names, times, numbers and enums.
_FIELDS: Final = frozenset(
    {
        *("phase", "reason", "attempt", "disruptions", "observedGeneration", "startTime"),
        *("completionTime", "nextAttemptTime", "lastSyncTime", "lastCheckTime", "active"),
        *("succeeded", "failed", "replicas", "availableReplicas", "readyReplicas", "suspend"),
        *("priority", "mode", "type", "status", "lastTransitionTime", "isDefault", "interval"),
        *("hard", "used", "holderIdentity", "leaseDurationSeconds", "renewTime", "acquireTime"),
        *("leaseTransitions", "restartCount", "exitCode", "ready", "blockedBy", "since"),
        *("name", "message", "note", "eventTime", "count", "lastObservedTime", "kind"),
        *("namespace", "uid", "apiVersion", "deprecatedLastTimestamp", "deprecatedCount"),
    }
)
_CONTAINERS: Final = frozenset(
    {
        *("spec", "status", "conditions", "queue", "agentRef", "providerRef", "memoryRef"),
        *("vcsRef", "specRef", "ingestion", "poll", "runtime", "regarding", "series", "state"),
        *("waiting", "terminated", "running", "lastState", "containerStatuses", "ledger"),
        *("initContainerStatuses", "implementation", "runtimeRef"),
    }
)
_SECRETS: Final = (
    re.compile(r"-----BEGIN [A-Z ]+-----.*?(?:-----END [A-Z ]+-----|$)", re.DOTALL),
    re.compile(r"(?i)\bbearer\s+[\w.~+/=-]+"),
    re.compile(r"(?<=://)[^/\s@]+(?=@)"),
    re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"),
    re.compile(r"\b(?:gh[pousr]_|github_pat_|glpat-|sk-|xox[abpr]-|lin_api_|AKIA)[\w-]{8,}"),
    re.compile(
        r"(?i)(?<![\w-])(?:[\w-]*(?:password|passwd|token|secret|api[_-]?key|credential)s?)"
        r"[\"']?\s*[:=]\s*[\"']?[^\s\"',;]+"
    ),
)


def text(value: str) -> str:
    """Return a text with anything that looks like a credential masked."""
    for pattern in _SECRETS:
        value = pattern.sub(MASK, value)
    return value


def masked(value: Any) -> Any:
    """Return JSON with every text masked, names of members included."""
    match value:
        case str():
            return text(value)
        case Mapping():
            return {text(str(key)): masked(item) for key, item in value.items()}
        case list() | tuple():
            return [masked(item) for item in value]
        case _:
            return value


def redacted(value: kube.JSON) -> JSON:
    """Return what is kept of an object."""
    match value.get("kind"):
        case "CustomResourceDefinition":
            kept = _definition(value)
        case "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration":
            kept = {"webhooks": [*map(_without_bundle, value.get("webhooks") or ())]}
        case "ConfigMap":
            kept = {"ledger": (value.get("data") or {}).get(encoding.KEY)}
        case _:
            kept = _kept({key: item for key, item in value.items() if key != "metadata"})
    header = {key: value.get(key) for key in ("apiVersion", "kind")}
    result = header | {"metadata": _metadata(value), **kept}
    return masked(result)


def _metadata(value: kube.JSON) -> JSON:
    metadata = value.get("metadata") or {}
    return {
        **{key: item for key, item in metadata.items() if key in _METADATA},
        # Labels select objects; their values may be anything, but at most 63 characters.
        "labels": metadata.get("labels") or {},
        "annotations": dict.fromkeys(metadata.get("annotations") or {}, MASK),
        # Without fieldsV1, whose keys have the values of sets.
        "managedFields": [
            {key: item for key, item in entry.items() if key != "fieldsV1"}
            for entry in metadata.get("managedFields") or ()
        ],
    }


def _kept(value: Any) -> Any:
    if isinstance(value, list):
        return [_kept(item) for item in value if isinstance(item, dict)]
    if not isinstance(value, dict):
        return None
    result = {}
    for key, item in value.items():
        if key in _CONTAINERS and isinstance(item, dict | list):
            result[key] = _kept(item)
        elif key in _FIELDS and not isinstance(item, list):
            result[key] = _scalars(item)
    return result


def _scalars(item: Any) -> Any:
    """Return a value, or the scalars of a flat object such as those of a quota."""
    if isinstance(item, dict):
        return {key: part for key, part in item.items() if not isinstance(part, dict | list)}
    return item


def _definition(value: kube.JSON) -> JSON:
    """Return a CRD without its schemas, which the release has; their digests tell differences."""
    spec = dict(value.get("spec") or {})
    spec["versions"] = [
        {
            **{key: item for key, item in version.items() if key != "schema"},
            "schemaDigest": canonical.digest(version.get("schema")),
        }
        for version in spec.get("versions") or ()
    ]
    conversion = dict(spec.get("conversion") or {})
    if isinstance(conversion.get("webhook"), dict):
        conversion["webhook"] = _without_bundle(conversion["webhook"])
    return {"spec": {**spec, "conversion": conversion}, "status": value.get("status")}


def _without_bundle(webhook: JSON) -> JSON:
    config = dict(webhook.get("clientConfig") or {})
    bundle = config.pop("caBundle", None)
    if bundle:
        config["caBundleDigest"] = canonical.digest(bundle)
    return {**webhook, "clientConfig": config}
