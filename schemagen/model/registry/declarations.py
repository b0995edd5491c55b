"""An Api, its kinds and their versions, as its author declares them."""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Literal

from schemagen.model import base, field_types, markers, naming
from schemagen.model.registry import conversions, kind_rules
from schemagen.problems import JSON, Problem


@dataclasses.dataclass(frozen=True)
class Version:
    """One version of a kind.

    Attributes:
        name: ``v1alpha1``.
        model: The root model.
        storage: Whether this is the storage version (exactly one of a kind).
        served: Whether the API server serves it.
        deprecated: The deprecation warning, if deprecated; True for the API server's default.
        columns: Columns of ``kubectl get``; by default those of the model's class.
        selectable: Fields for ``--field-selector``, as ``.spec.runtime.type``; likewise.
        scale: The scale subresource, if it has one; likewise.
        status_subresource: Whether the status is written by a subresource of its own; None if it is
            wherever the model has a field ``status``.
        conversion: To the next newer version; None for the newest.
        warnings: Returns warnings for accepted but surprising input in this version; nothing is
            refused.
        hub_rules: How violations of the newest version's bounds and CEL rules by an object sent in
            this version are handled: refuse, warn, or off. Except with ``off``, transition rules
            (``oldSelf``) always refuse, and so does a conversion annotation whose content violates
            the newest version's schema.
    """

    name: str
    model: type[base.Resource]
    storage: bool = False
    served: bool = True
    deprecated: str | Literal[True] | None = None
    columns: tuple[markers.Column, ...] = ()
    selectable: tuple[str, ...] = ()
    scale: markers.Scale | None = None
    status_subresource: bool | None = None
    conversion: conversions.ConversionProtocol | None = None
    warnings: Callable[[JSON], Iterable[Problem]] | None = None
    hub_rules: kind_rules.HubRules = "refuse"

    def __post_init__(self) -> None:
        field_types.refuse([*_model_faults(self.name, self.model)])
        field_types.check(self)
        for name in ("columns", "selectable", "scale", "status_subresource"):
            if getattr(self, name) in ((), None):
                # Still in the constructor.
                object.__setattr__(self, name, getattr(self.model.kind_metadata, name))
        field_types.refuse([*_version_faults(self)])


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind with its names, its versions from oldest to newest, and its rules.

    Attributes:
        name: In CamelCase, as in ``kind:``.
        plural: As in the API's paths; never derived.
        versions: From the oldest to the newest.
        short_names: For kubectl.
        categories: Groups of kinds for ``kubectl get CATEGORY``.
        scope: Whether its objects are namespaced.
        singular: For kubectl; defaults to the lowercase name.
        list_name: As in a list's ``kind:``; defaults to the name plus List.
        annotations: Annotations of the CRD.
        labels: Labels of the CRD.
        external_conversion: Who converts between the versions, if they have no ``conversion``.
        rules: Rules beyond the schema, run by webhooks.
        policies: Rules beyond the schema, run by the API server itself (`schemagen policy`).
        definition: The CRD of a kind without models, which is installed as it is; None for models.
    """

    name: str
    plural: str
    versions: tuple[Version, ...]
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    scope: Literal["Namespaced", "Cluster"] = "Namespaced"
    singular: str = ""
    list_name: str = ""
    annotations: Mapping[str, str] = dataclasses.field(default_factory=dict)
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    external_conversion: conversions.ExternalConversion | None = None
    rules: kind_rules.Rules = kind_rules.NO_RULES
    policies: tuple[markers.Policy, ...] = ()
    definition: Mapping[str, JSON] | None = None

    def __post_init__(self) -> None:
        field_types.check(self)
        field_types.refuse([*_kind_faults(self)])

    @classmethod
    def of(
        cls,
        model: type[base.Resource],
        versions: tuple[Version, ...],
        *,
        annotations: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
        external_conversion: conversions.ExternalConversion | None = None,
        rules: kind_rules.Rules = kind_rules.NO_RULES,
        policies: tuple[markers.Policy, ...] = (),
    ) -> "Kind":
        """Return the kind that its newest model names.

        ``class Memory(Resource, plural="memories", short_names=("mem",))`` is the kind Memory.
        """
        stated = model.kind_metadata
        return cls(
            model.__name__,
            stated.plural,
            versions,
            short_names=stated.short_names,
            categories=stated.categories,
            scope=stated.scope,
            singular=stated.singular,
            list_name=stated.list_name,
            annotations=annotations or {},
            labels=labels or {},
            external_conversion=external_conversion,
            rules=rules,
            policies=policies,
        )

    @property
    def hub(self) -> Version:
        """Return the newest version, on which rules and conversions operate."""
        return self.versions[-1]

    @property
    def storage(self) -> Version:
        """Return the storage version."""
        return next(version for version in self.versions if version.storage)

    def version(self, name: str) -> Version | None:
        """Return the version of this name, if the kind has it."""
        return next((version for version in self.versions if version.name == name), None)

    def stored_as(self, name: str) -> "Kind":
        """Return the same kind with another storage version."""
        versions = tuple(
            dataclasses.replace(version, storage=version.name == name) for version in self.versions
        )
        return dataclasses.replace(self, versions=versions)


@dataclasses.dataclass(frozen=True)
class Api:
    """An API group with its kinds, the input of ``schemagen generate`` and ``webhooks serve``.

    Attributes:
        settings_problems: Returns problems of the operator's settings (``webhooks serve --settings
            FILE``); such a file is refused. None accepts any mapping.
    """

    group: str
    kinds: tuple[Kind, ...]
    settings_problems: Callable[[Mapping[str, JSON]], Iterable[Problem]] | None = None

    def __post_init__(self) -> None:
        field_types.check(self)
        field_types.refuse([f"Api({self.group!r}): {fault}" for fault in _api_faults(self)])

    def __iter__(self) -> Iterator[Kind]:
        return iter(self.kinds)

    @functools.cached_property
    def _by_names(self) -> dict[tuple[str, str], tuple[Kind, Version]]:
        return {
            (self.api_version(version), kind.name): (kind, version)
            for kind in self.kinds
            for version in kind.versions
        }

    def find(self, api_version: object, kind: object) -> tuple[Kind, Version] | None:
        """Return the kind and version of an object's type meta, if part of this API."""
        if not isinstance(api_version, str) or not isinstance(kind, str):
            return None
        return self._by_names.get((api_version, kind))

    def find_resource(self, group: str, version: str, plural: str) -> tuple[Kind, Version] | None:
        """Return the kind and version of a resource in a request path, if part of this API."""
        kind = next((candidate for candidate in self.kinds if candidate.plural == plural), None)
        version_ = None if kind is None or group != self.group else kind.version(version)
        return None if kind is None or version_ is None else (kind, version_)

    def api_version(self, version: Version) -> str:
        """Return ``agents.proompteng.ai/v1beta1``."""
        return f"{self.group}/{version.name}"

    def crd_name(self, kind: Kind) -> str:
        """Return ``agentruns.agents.proompteng.ai``."""
        return f"{kind.plural}.{self.group}"

    def stored_as(self, name: str) -> "Api":
        """Return the same API with another storage version, where a kind has it.

        Raises:
            ValueError: if no kind has it.
        """
        if not any(kind.version(name) for kind in self.kinds):
            names = sorted({version.name for kind in self.kinds for version in kind.versions})
            raise ValueError(f"expected one of {', '.join(names)} as storage version, got {name}")
        return dataclasses.replace(
            self,
            kinds=tuple(
                kind.stored_as(name) if kind.version(name) else kind for kind in self.kinds
            ),
        )


def _model_faults(name: object, model: object) -> Iterator[str]:
    """Report the most common mistake about a version's model, with its correction."""
    if not isinstance(model, type) or not issubclass(model, base.Model):
        return  # reported for the field's type
    if not issubclass(model, base.Resource):
        yield (
            f"Version({name!r}, model=...): expected a subclass of Resource, as the whole object, "
            f"got the class {model.__name__}; write `class MyKind(Resource):` with "
            f"`spec: {model.__name__}` in it"
        )


def _version_faults(version: Version) -> Iterator[str]:
    where = f"Version({version.name!r})"
    if fault := naming.label_fault(version.name):
        yield f"{where}: {fault}"
    if version.deprecated == "":
        yield (
            f"{where}: expected a warning in deprecated=..., got an empty string; write True for "
            "the API server's default"
        )


def _kind_faults(kind: Kind) -> Iterator[str]:
    names = [version.name for version in kind.versions]
    yield from (f"{kind.name}: {fault}" for fault in _name_faults(kind))
    yield from (f"{kind.name}: {fault}" for fault in naming.order_faults(names))
    stored = [version.name for version in kind.versions if version.storage]
    if len(stored) != 1:
        yield (
            f"{kind.name}: expected one storage version, got {stored or 'none'}; "
            "give one Version storage=True"
        )
    yield from _conversion_faults(kind)


def _name_faults(kind: Kind) -> Iterator[str]:
    for field, name in (("name", kind.name), ("list_name", kind.list_name or "List")):
        if fault := naming.kind_fault(name):
            yield f"{field}: {fault}"
    if kind.list_name == kind.name:
        yield f"list_name: expected a name other than the kind's own, got {kind.list_name!r}"
    labels = [("plural", kind.plural), ("singular", kind.singular or "empty")]
    labels += [("short_names", name) for name in kind.short_names]
    labels += [("categories", name) for name in kind.categories]
    for field, label in labels:
        if fault := naming.label_fault(label):
            yield f"{field}: {fault}"


def _conversion_faults(kind: Kind) -> Iterator[str]:
    if kind.external_conversion is not None:
        for version in kind.versions:
            if version.conversion is not None:
                yield (
                    f"{kind.name} {version.name}: expected no conversion beside "
                    "external_conversion, got one; leave one of them out"
                )
        return
    for version in kind.versions[:-1]:
        if version.conversion is None:
            yield (
                f"{kind.name} {version.name}: expected a conversion to the next newer version, "
                "got none; give Version(conversion=...)"
            )
    if kind.versions and kind.versions[-1].conversion is not None:
        yield (
            f"{kind.name} {kind.versions[-1].name}: expected no conversion of the newest version, "
            "got one; each older version converts to the next newer one"
        )


def _api_faults(api: Api) -> Iterator[str]:
    if fault := naming.group_fault(api.group):
        yield f"group: {fault}"
    if not api.kinds:
        yield "kinds: expected at least one Kind, got none"
    yield from _collisions("kind", api.kinds, _kind_names)
    yield from _collisions("resource", api.kinds, _resource_names)


def _kind_names(kind: Kind) -> Sequence[str]:
    return kind.name, kind.list_name or f"{kind.name}List"


def _resource_names(kind: Kind) -> Sequence[str]:
    """Return the names by which kubectl knows the kind."""
    return kind.plural, kind.singular or kind.name.lower(), *kind.short_names


def _collisions(
    what: str, kinds: Iterable[Kind], names_of: Callable[[Kind], Sequence[str]]
) -> Iterator[str]:
    """Report names that two kinds share: the API server would serve only one of them.

    apiextensions-apiserver, pkg/controller/status/naming_controller.go.
    """
    owners: dict[str, Kind] = {}
    for kind in kinds:
        names = dict.fromkeys(names_of(kind))
        for name in names:
            if owner := owners.get(name):
                yield (
                    f"expected each {what} name to be unique, got {name!r} of {owner.name} "
                    f"({owner.plural}) and of {kind.name} ({kind.plural})"
                )
        owners = dict.fromkeys(names, kind) | owners
