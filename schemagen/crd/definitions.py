"""Kind -> CustomResourceDefinition, as a plain JSON object."""

import copy
from collections.abc import Mapping
from typing import Any, Final

from schemagen.crd import paths
from schemagen.model import registry
from schemagen.problems import JSON
from schemagen.schema import structural

# Both ConversionReview versions are supported; the API server picks the first it knows.
REVIEW_VERSIONS = ["v1"]

NOWHERE: Final = {"url": "https://localhost/convert"}
"""Placeholder address of a webhook that is never called: a CRD of several versions needs one."""


def crd(
    api: registry.Api,
    kind: registry.Kind,
    *,
    webhook: dict[str, Any] | None = None,
    max_description: int | None = None,
) -> dict[str, Any]:
    """Build the CRD of a kind.

    Args:
        api: The API with the kind's group.
        kind: The kind to define.
        webhook: The ``clientConfig`` of the conversion webhook (url or service, caBundle), unless
            the kind has an ``external_conversion``.
            Without it a kind of several versions gets no conversion stanza; the installer must add
            one before a second version is used.
        max_description: Maximum description length in characters; 0 drops all descriptions.

    Raises:
        keywords.SchemaError: if a model cannot be expressed, or a path does not resolve.
    """
    if kind.definition is not None:
        return _declared(kind.definition, kind, webhook)
    spec: dict[str, Any] = {
        "group": api.group,
        "names": _names(kind),
        "scope": kind.scope,
        "versions": [_version(kind, version, max_description) for version in kind.versions],
    }
    stanza = _conversion(kind, webhook)
    if stanza is not None:
        spec["conversion"] = stanza
    metadata: dict[str, Any] = {"name": api.crd_name(kind)}
    for name in ("labels", "annotations"):
        if values := getattr(kind, name):
            metadata[name] = dict(values)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": metadata,
        "spec": spec,
    }


def _declared(
    definition: Mapping[str, JSON], kind: registry.Kind, webhook: dict[str, Any] | None
) -> dict[str, Any]:
    """Build the CRD of a kind without models: its own, with our storage version and webhook."""
    metadata = {
        name: dict(value) if isinstance(value, Mapping) else value
        for name, value in definition["metadata"].items()
        if name in {"name", "labels", "annotations"}
    }
    spec = copy.deepcopy(dict(definition["spec"]))
    spec.pop("conversion", None)
    for entry in spec["versions"]:
        version = kind.version(entry["name"])
        if version is not None:
            entry["storage"] = version.storage
    if webhook is not None and len(kind.versions) > 1:
        spec["conversion"] = conversion(webhook)
    head = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
    return {**head, "metadata": metadata, "spec": spec}


def conversion(webhook: dict[str, Any]) -> dict[str, JSON]:
    """Build the stanza for a conversion webhook with this ``clientConfig``."""
    return {
        "strategy": "Webhook",
        "webhook": {"clientConfig": webhook, "conversionReviewVersions": REVIEW_VERSIONS},
    }


def _conversion(kind: registry.Kind, webhook: dict[str, Any] | None) -> dict[str, JSON] | None:
    if kind.external_conversion is None:
        return conversion(webhook) if webhook is not None and len(kind.versions) > 1 else None
    external = kind.external_conversion
    if external.webhook is None:
        return None
    stanza = conversion(dict(external.webhook))
    stanza["webhook"]["conversionReviewVersions"] = list(external.review_versions)
    return stanza


def _names(kind: registry.Kind) -> dict[str, JSON]:
    names: dict[str, JSON] = {
        "plural": kind.plural,
        "singular": kind.singular or kind.name.lower(),
        "kind": kind.name,
        "listKind": kind.list_name or f"{kind.name}List",
    }
    if kind.short_names:
        names["shortNames"] = list(kind.short_names)
    if kind.categories:
        names["categories"] = list(kind.categories)
    return names


def _version(
    kind: registry.Kind, version: registry.Version, max_description: int | None
) -> dict[str, JSON]:
    schema = structural.schema_of(version.model, max_description=max_description)
    paths.check(kind, version, schema)
    entry: dict[str, JSON] = {
        "name": version.name,
        "served": version.served,
        "storage": version.storage,
    }
    if version.deprecated is not None:
        entry["deprecated"] = True
        if version.deprecated is not True:
            entry["deprecationWarning"] = version.deprecated
    entry["schema"] = {"openAPIV3Schema": schema}
    subresources: dict[str, JSON] = {}
    if _has_status_subresource(version, schema):
        subresources["status"] = {}
    if version.scale is not None:
        subresources["scale"] = version.scale.subresource()
    if subresources:
        entry["subresources"] = subresources
    if version.columns:
        entry["additionalPrinterColumns"] = [column.printer_column() for column in version.columns]
    if version.selectable:
        entry["selectableFields"] = [{"jsonPath": path} for path in version.selectable]
    return entry


def _has_status_subresource(version: registry.Version, schema: dict[str, Any]) -> bool:
    if version.status_subresource is not None:
        return version.status_subresource
    return "status" in schema.get("properties", {})
