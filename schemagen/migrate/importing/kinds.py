"""CRD -> the classes of its versions, and its ``Kind.of(...)``. Pure."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from schemagen.crd import paths
from schemagen.migrate.importing import annotations, normalization, types
from schemagen.migrate.importing.python.expressions import (
    Call,
    Expression,
    Name,
    Reference,
    Subscript,
    Tuple,
    Value,
)
from schemagen.model import markers, naming
from schemagen.problems import JSON
from schemagen.schema.keywords import Schema

_ENVELOPE: Final = {"apiVersion": "string", "kind": "string", "metadata": "object"}
_ENVELOPE_TYPES: Final = {"apiVersion": "str", "kind": "str", "metadata": "ObjectMeta"}


@dataclasses.dataclass(frozen=True)
class Version:
    """A version of an imported kind.

    Attributes:
        name: Such as ``v1``.
        key: Of its root class.
        arguments: Those of ``Version(...)`` after the model.
    """

    name: str
    key: str
    arguments: tuple[tuple[str, Expression], ...]


@dataclasses.dataclass(frozen=True)
class Kind:
    """An imported kind, its versions from the oldest to the newest.

    Attributes:
        arguments: Those of ``Kind.of(...)`` after the versions.
    """

    name: str
    group: str
    versions: tuple[Version, ...]
    arguments: tuple[tuple[str, Expression], ...]


def of(crd: Mapping[str, Any], collected: types.Types) -> Kind:
    """Return the kind of a CRD, collecting the types of all of its versions."""
    spec = normalization.normal(crd)["spec"]
    name = spec["names"]["kind"]
    ordered = _ordered(spec["versions"])
    keys: dict[str, str] = {}
    # The newest first: it has the names without a version.
    for version in reversed(ordered):
        root = _root(spec, version, collected, is_hub=version is ordered[-1])
        keys[version["name"]] = root
    versions = tuple(
        Version(version["name"], keys[version["name"]], tuple(_version_arguments(version)))
        for version in ordered
    )
    return Kind(name, spec["group"], versions, tuple(_kind_arguments(crd)))


def _ordered(versions: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return versions from the oldest to the newest, as far as their names tell."""
    left, ordered = [*versions], []
    while left:
        oldest = next(
            version
            for version in left
            if not any(naming.is_older(other["name"], version["name"]) for other in left)
        )
        left.remove(oldest)
        ordered.append(oldest)
    return ordered


def _root(
    spec: Mapping[str, Any],
    version: Mapping[str, Any],
    collected: types.Types,
    *,
    is_hub: bool,
) -> str:
    schema: dict[str, Any] = dict(version["schema"]["openAPIV3Schema"])
    place = (spec["names"]["kind"], version["name"])
    description = schema.pop("description", "")
    properties = dict(schema.get("properties", {}))
    envelope = {name: properties.pop(name) for name in _ENVELOPE if name in properties}
    schema["properties"] = properties
    schema["required"] = [name for name in schema.get("required", ()) if name not in _ENVELOPE]
    if schema.pop("type", None) != "object":
        schema["type"] = version["schema"]["openAPIV3Schema"].get("type")
    class_ = annotations.Annotations(collected).class_(schema, place)
    metadata = [*_names(spec)] if is_hub else []
    metadata += _columns(version)
    metadata += [("verbatim", Value(value=True))]
    if description:
        metadata.append(("description", Value(description)))
    rooted = dataclasses.replace(
        class_,
        keywords={**class_.keywords, **schema},
        metadata=tuple(metadata),
        base=_envelope(envelope, place, collected),
    )
    return collected.add_class(rooted, place, description)


def _envelope(
    stated: Mapping[str, Schema], place: types.Place, collected: types.Types
) -> Expression:
    """Return the base of a root: one that describes apiVersion, kind and metadata if it does."""
    fields = tuple(
        _envelope_field(name, node)
        for name, node in stated.items()
        if node != {"type": _ENVELOPE[name]}
    )
    if not fields:
        return Name("Resource")
    described = types.Class(fields, base=Name("Resource"))
    text = "An object whose standard fields are described."
    return Reference(collected.add_class(described, (*place, "object"), text))


def _envelope_field(name: str, node: Schema) -> types.Field:
    left = dict(node)
    description = left.pop("description", None)
    if left.get("type") == _ENVELOPE[name]:
        del left["type"]
    annotation: Expression = Name(_ENVELOPE_TYPES[name])
    if left:
        annotation = Subscript("Annotated", (annotation, Call("Keywords", (Value(left),))))
    texts = (("description", Value(description)),) if description else ()
    is_metadata = name == "metadata"
    factory = (("default_factory", Name("ObjectMeta")),) if is_metadata else ()
    return types.Field(name, annotation, documentation=(*factory, *texts))


def _names(spec: Mapping[str, Any]) -> Iterator[tuple[str, Expression]]:
    names = spec["names"]
    yield "plural", Value(names["plural"])
    if names["singular"] != names["kind"].lower():
        yield "singular", Value(names["singular"])
    if names["listKind"] != f"{names['kind']}List":
        yield "list_name", Value(names["listKind"])
    for keyword, argument in (("shortNames", "short_names"), ("categories", "categories")):
        if names.get(keyword):
            yield argument, Tuple(tuple(map(Value, names[keyword])))
    if spec["scope"] != "Namespaced":
        yield "scope", Value(spec["scope"])


def _columns(version: Mapping[str, Any]) -> Iterator[tuple[str, Expression]]:
    """Yield how a version is shown and selected, as arguments of its class."""
    schema = version["schema"]["openAPIV3Schema"]
    columns = version.get("additionalPrinterColumns")
    if columns:
        yield "columns", Tuple(tuple(_column(column, schema) for column in columns))
    if fields := version.get("selectableFields"):
        yield "selectable", Tuple(tuple(Value(field["jsonPath"]) for field in fields))
    subresources = version.get("subresources") or {}
    if "scale" in subresources:
        yield "scale", _scale(subresources["scale"], schema)
    if ("status" in subresources) != ("status" in schema.get("properties", {})):
        yield "status_subresource", Value("status" in subresources)


def _column(column: Mapping[str, Any], schema: Schema) -> Expression:
    named: list[tuple[str, Expression]] = []
    if column["type"] != "string":
        named.append(("type", Value(column["type"])))
    texts = ("priority", "description", "format")
    named += [(keyword, Value(column[keyword])) for keyword in texts if column.get(keyword)]
    if paths.column_problem(schema, column["jsonPath"], column["type"]) is not None:
        named.append(("checked", Value(value=False)))
    return Call("Column", (Value(column["name"]), Value(column["jsonPath"])), tuple(named))


def _scale(scale: Mapping[str, Any], schema: Schema) -> Expression:
    items = [scale["specReplicasPath"], scale["statusReplicasPath"]]
    if scale.get("labelSelectorPath"):
        items.append(scale["labelSelectorPath"])
    stated = markers.Scale(*items).subresource().items()
    is_checked = not any(paths.scale_problem(schema, name, path) for name, path in stated)
    named = () if is_checked else (("checked", Value(value=False)),)
    return Call("Scale", tuple(map(Value, items)), named)


def _version_arguments(version: Mapping[str, Any]) -> Iterator[tuple[str, Expression]]:
    if version.get("storage"):
        yield "storage", Value(value=True)
    if not version.get("served"):
        yield "served", Value(value=False)
    if version.get("deprecated"):
        yield "deprecated", Value(version.get("deprecationWarning", True))


def _kind_arguments(crd: Mapping[str, Any]) -> Iterator[tuple[str, Expression]]:
    metadata = normalization.normal(crd)["metadata"]
    for name in ("labels", "annotations"):
        if metadata.get(name):
            yield name, Value(metadata[name])
    webhook = (crd["spec"].get("conversion") or {}).get("webhook")
    if webhook is not None:
        yield "external_conversion", _external(webhook)
    elif len(crd["spec"]["versions"]) > 1:
        yield "external_conversion", Call("ExternalConversion")


def _external(webhook: Mapping[str, JSON]) -> Expression:
    reviews = Tuple(tuple(map(Value, webhook["conversionReviewVersions"])))
    items = (Value(webhook.get("clientConfig") or {}),)
    return Call("ExternalConversion", items, (("review_versions", reviews),))
