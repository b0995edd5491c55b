"""Kinds, as the server keeps their objects, and the built-in ones in use.

Pure. A custom kind is defaulted, pruned and validated by its schema, as by the API server; of the
built-in ones only what every object has is checked.
"""

import base64
import copy
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

import orjson

from controllers.kube import resources, writer
from controllers.kube.errors import JSON
from controllers.kube.resources import Resource
from controllers.kube.testing import statuses
from controllers.kube.testing.fields import ANY, SCALAR, Type
from schemagen import checking, problems
from schemagen.checking import checker, nodes, normalization

Convert: TypeAlias = Callable[[JSON, str], JSON]
"""Returns an object in a version."""

_BLOCKING: Final = ("FieldValueRequired", "FieldValueTypeInvalid")
_META: Final = ("apiVersion", "kind", "metadata")
_OWNER: Final = Type(
    fields=dict.fromkeys(("apiVersion", "kind", "name", "uid", "controller"), SCALAR),
    values=ANY,
    is_atomic=True,
)
OBJECT_META: Final = Type(
    fields={
        **dict.fromkeys(
            (
                *("name", "generateName", "namespace", "selfLink", "uid", "resourceVersion"),
                *("generation", "creationTimestamp", "deletionTimestamp"),
                *("deletionGracePeriodSeconds", "managedFields"),
            ),
            SCALAR,
        ),
        "labels": Type(values=SCALAR),
        "annotations": Type(values=SCALAR),
        "ownerReferences": Type(items=_OWNER, keys=("uid",)),
        "finalizers": Type(items=SCALAR, is_set=True),
    },
    is_always=True,
)
ROOT: Final = {"apiVersion": SCALAR, "kind": SCALAR, "metadata": OBJECT_META}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind in a version.

    Attributes:
        resource: Its address.
        type: How its fields are merged.
        node: Schema of a custom kind.
        checker: Validation of a custom kind.
        has_status: Whether it has the status subresource.
        has_generation: Whether ``metadata.generation`` counts its changes.
        updates_blindly: Whether an update may lack the resourceVersion.
        creates_by_update: Whether an update of a missing object creates it.
        answers_deleted: Whether a deletion is answered by the object.
        selectable: Fields that a selector may name, besides name and namespace.
        structs: Fields that are shown even if they are empty.
        shown: Other fields that are shown if they are not set.
        default: Fills in what the writer then owns.
        complete: Fills in a new object.
    """

    resource: Resource
    type: Type
    node: nodes.Node | None = None
    checker: checking.Checker | None = None
    has_status: bool = False
    has_generation: bool = False
    updates_blindly: bool = True
    creates_by_update: bool = False
    answers_deleted: bool = False
    selectable: tuple[str, ...] = ()
    structs: tuple[str, ...] = ()
    shown: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    default: Callable[[JSON], JSON] = copy.copy
    complete: Callable[[JSON], JSON] = copy.copy

    @property
    def is_custom(self) -> bool:
        """Whether a custom resource definition defines it."""
        return self.checker is not None

    def taken_in(self, value: JSON, *, keeps_nulls: bool = False) -> JSON:
        """Return an object with defaults and without unknown fields.

        Args:
            value: The object.
            keeps_nulls: Whether nulls stay, which an apply leaves of a map that it emptied.

        Raises:
            Refusal: It cannot be decoded.
        """
        if self.node is None:
            return self.default(_without_nothing(_with_metadata(value), self.structs))
        try:
            taken = normalization.taken_in(value, self.node, is_root=True)
        except normalization.UnreadableError as error:
            raise statuses.bad_request("a number is out of range") from error
        plain = _with_metadata(orjson.loads(orjson.dumps(taken)))
        return _with_nulls(plain, value) if keeps_nulls else plain

    def unknown(self, value: JSON) -> list[str]:
        """Return the paths of fields that the schema does not declare."""
        if self.node is None:
            return []
        shown = {name: part for name, part in value.items() if name not in _META}
        faults = [fault.field for fault in normalization.unknown(shown, self.node)]
        metadata = value.get("metadata") or {}
        return sorted(
            [*faults, *(f"metadata.{name}" for name in metadata if name not in OBJECT_META.fields)]
        )

    def validate(
        self, value: JSON, old: JSON | None, subresource: str, found: Sequence[JSON] = ()
    ) -> None:
        """Refuse what the schema forbids; unchanged parts may stay as they are.

        Args:
            value: The object.
            old: The object that it replaces.
            subresource: Through which it is written.
            found: Causes that were found in its metadata.

        Raises:
            Refusal: It is invalid.
        """
        causes = [*found, *self._schema_causes(value, old, subresource)]
        not_run = _cause(checker.NOT_RUN.cause())
        is_blocked = any(cause["reason"] in _BLOCKING for cause in found)
        if is_blocked and self.node is not None and self.node.has_rules:
            causes = [cause for cause in causes if cause != not_run] + [not_run]
        if causes:
            causes.sort(key=lambda one: one == not_run)
            raise statuses.invalid(self.resource, value["metadata"].get("name", ""), causes)

    def _schema_causes(self, value: JSON, old: JSON | None, subresource: str) -> list[JSON]:
        if self.checker is None:
            return []
        if old is None:
            checked = self.checker.create(value)
        elif subresource == "status":
            checked = self.checker.update_status(value, old)
        else:
            checked = self.checker.update(value, old)
        return [_cause(cause) for cause in checked.causes]

    def changes(self, new: JSON, old: JSON) -> bool:
        """Return whether a change counts for ``metadata.generation``."""
        ignored = {*_META, *(("status",) if self.has_status else ())}
        return not writer.is_equal(
            *({k: v for k, v in side.items() if k not in ignored} for side in (new, old))
        )


def _cause(one: problems.Cause) -> JSON:
    return statuses.cause(one.reason, one.message, one.field)


def _with_nulls(taken: Any, given: Any) -> Any:
    """Put back the nulls of an object."""
    if not isinstance(taken, dict) or not isinstance(given, dict):
        return taken
    nulls = {name: None for name, part in given.items() if part is None and name not in taken}
    return nulls | {
        name: part if name == "metadata" else _with_nulls(part, given.get(name))
        for name, part in taken.items()
    }


def _with_metadata(value: JSON) -> JSON:
    """Keep what metadata may have; Go leaves out what is empty."""
    metadata = value.get("metadata") or {}
    kept = {
        name: part
        for name, part in metadata.items()
        if name in OBJECT_META.fields and name != "selfLink" and part not in (None, "", [], {})
    }
    return {**value, "metadata": kept}


def _without_nothing(value: JSON, structs: Sequence[str]) -> JSON:
    """Go leaves out what a built-in kind does not have, other than its structs."""
    kept = {name: part for name, part in value.items() if part not in (None, {}, [], "")}
    spec = kept.get("spec")
    if isinstance(spec, dict):
        kept["spec"] = {name: part for name, part in spec.items() if part is not None}
    return {"metadata": {}, **{name: {} for name in structs}, **kept}


@dataclasses.dataclass(frozen=True, slots=True)
class Family:
    """All versions of a kind.

    Attributes:
        versions: By name.
        storage: The version in which objects are stored.
        convert: Between them.
    """

    versions: Mapping[str, Kind]
    storage: str
    convert: Convert

    @property
    def collection(self) -> str:
        """Where objects are stored."""
        return str(self.versions[self.storage].resource)

    def stored(self, value: JSON) -> JSON:
        """Return an object as it is stored."""
        return self.shown(value, self.storage)

    def shown(self, value: JSON, version: str) -> JSON:
        """Return an object in a version."""
        kind = self.versions[version]
        if value["apiVersion"] == kind.resource.api_version:
            return value
        converted = {**self.convert(value, kind.resource.api_version)}
        # The API server keeps metadata other than labels and annotations from a webhook.
        metadata = {**converted.get("metadata", {}), **value["metadata"]}
        for name in ("labels", "annotations"):
            changed = converted.get("metadata", {}).get(name)
            metadata.pop(name, None)
            metadata.update({name: changed} if changed else {})
        return kind.taken_in({**converted, "metadata": metadata})


def renamed(value: JSON, desired: str) -> JSON:
    """Convert as the strategy None."""
    return {**value, "apiVersion": desired}


def _struct(*names: str, **inner: Type) -> Type:
    return Type(fields={**dict.fromkeys(names, SCALAR), **inner}, values=ANY, is_always=True)


def _built_in(
    resource: Resource, *, more: Mapping[str, Type] | None = None, **options: Any
) -> Kind:
    members = {**ROOT, "spec": _struct(), "status": _struct(), **(more or {})}
    return Kind(resource=resource, type=Type(fields=members, values=ANY), **options)


def _new_namespace(value: JSON) -> JSON:
    metadata = value["metadata"]
    if "name" not in metadata:  # it is still to be generated
        return value
    labels = {**metadata.get("labels", {}), "kubernetes.io/metadata.name": metadata["name"]}
    return {
        **value,
        "metadata": {**metadata, "labels": labels},
    }


def _active_namespace(value: JSON) -> JSON:
    return {**value, "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}


def _new_secret(value: JSON) -> JSON:
    both = value.get("data", {}) | {
        name: base64.b64encode(text.encode()).decode()
        for name, text in (value.get("stringData") or {}).items()
    }
    rest = {name: part for name, part in value.items() if name != "stringData"}
    return {"type": "Opaque", **rest, **({"data": both} if both else {})}


def _new_definition(value: JSON) -> JSON:
    names, spec = value["spec"]["names"], value["spec"]
    accepted = {"listKind": f"{names['kind']}List", "singular": names["kind"].lower(), **names}
    conditions = [
        {"type": "NamesAccepted", "status": "True", "reason": "NoConflicts"},
        {"type": "Established", "status": "True", "reason": "InitialNamesAccepted"},
    ]
    stored = [version["name"] for version in spec["versions"] if version["storage"]]
    status = {"conditions": conditions, "acceptedNames": accepted, "storedVersions": stored}
    completed = {"conversion": {"strategy": "None"}, **spec, "names": accepted}
    return {**value, "spec": completed, "status": status}


def _new_job(value: JSON) -> JSON:
    """Fill in what the Job controller goes by."""
    metadata, spec = value["metadata"], value["spec"]
    labels = {
        "batch.kubernetes.io/controller-uid": metadata["uid"],
        "batch.kubernetes.io/job-name": metadata["name"],
        "controller-uid": metadata["uid"],
        "job-name": metadata["name"],
    }
    template = spec.get("template") or {}
    inner = template.get("metadata") or {}
    named = {**inner, "labels": {**inner.get("labels", {}), **labels}}
    defaults = {
        "parallelism": 1,
        "completions": 1,
        "backoffLimit": 6,
        "completionMode": "NonIndexed",
        "manualSelector": False,
        "suspend": False,
        "podReplacementPolicy": "TerminatingOrFailed",
        "selector": {"matchLabels": {"batch.kubernetes.io/controller-uid": metadata["uid"]}},
    }
    return {**value, "spec": {**defaults, **spec, "template": {**template, "metadata": named}}}


PODS: Final = Resource("", "v1", "pods", "Pod")
JOBS: Final = Resource("batch", "v1", "jobs", "Job")
_CLAIMS: Final = Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim")
_SERVICES: Final = Resource("", "v1", "services", "Service")
_EVENT_SHOWN: Final[Mapping[str, Any]] = {
    "deprecatedSource": {},
    "deprecatedFirstTimestamp": None,
    "deprecatedLastTimestamp": None,
}
_EVENT_FIELDS: Final = (
    *("reason", "type", "reportingController", "regarding.kind", "regarding.namespace"),
    *("regarding.name", "regarding.uid", "regarding.apiVersion", "regarding.fieldPath"),
)
_POD_FIELDS: Final = (
    *("spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName"),
    *("status.phase", "status.podIP", "status.nominatedNodeName"),
)


def built_in() -> Iterator[Family]:
    """Yield the built-in kinds."""
    texts = {"data": Type(values=SCALAR), "stringData": Type(values=SCALAR)}
    reference = Type(values=SCALAR, is_atomic=True, is_always=True)
    is_spoken = {"regarding": reference, "related": Type(values=SCALAR, is_atomic=True)}
    plain = (
        *(resources.VALIDATING_WEBHOOK_CONFIGURATIONS, resources.MUTATING_WEBHOOK_CONFIGURATIONS),
        *(resources.VALIDATING_ADMISSION_POLICIES, resources.VALIDATING_ADMISSION_POLICY_BINDINGS),
        *(resources.ROLES, resources.ROLE_BINDINGS),
        *(resources.CLUSTER_ROLES, resources.CLUSTER_ROLE_BINDINGS),
    )
    all_kinds = (
        _built_in(
            resources.NAMESPACES,
            has_status=True,
            answers_deleted=True,
            default=_new_namespace,
            complete=_active_namespace,
        ),
        _built_in(resources.CONFIG_MAPS, more=texts | {"binaryData": Type(values=SCALAR)}),
        _built_in(resources.SECRETS, more=texts, default=_new_secret, selectable=("type",)),
        _built_in(resources.SERVICE_ACCOUNTS, answers_deleted=True),
        _built_in(
            resources.LEASES, updates_blindly=False, creates_by_update=True, structs=("spec",)
        ),
        _built_in(
            resources.EVENTS,
            more=is_spoken,
            creates_by_update=True,
            selectable=_EVENT_FIELDS,
            shown=_EVENT_SHOWN,
        ),
        _built_in(
            PODS,
            has_status=True,
            has_generation=True,
            answers_deleted=True,
            selectable=_POD_FIELDS,
        ),
        _built_in(_SERVICES, has_status=True, answers_deleted=True),
        _built_in(_CLAIMS, has_status=True, answers_deleted=True),
        _built_in(
            JOBS,
            has_status=True,
            has_generation=True,
            selectable=("status.successful",),
            complete=_new_job,
        ),
        _built_in(
            resources.CUSTOM_RESOURCE_DEFINITIONS,
            has_status=True,
            has_generation=True,
            updates_blindly=False,
            complete=_new_definition,
        ),
        *(_built_in(each, has_generation=each in plain[:4]) for each in plain),
    )
    for kind in all_kinds:
        yield Family({kind.resource.version: kind}, kind.resource.version, renamed)
