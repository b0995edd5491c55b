"""Markers for ``Annotated`` and rules for models: constraints beyond a field's type.

Bounds that Pydantic knows (``MinLen``, ``MaxLen``, ``Ge``, ``Le``, ``Gt``, ``Lt``) come from
``annotated_types`` and ``Field``; only Kubernetes additions are here, named by their keywords.
"""

import dataclasses
import typing
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import GetCoreSchemaHandler
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from schemagen.model import cel_identifiers, checker_provider, field_types

CelReason = Literal[
    "FieldValueInvalid", "FieldValueRequired", "FieldValueForbidden", "FieldValueDuplicate"
]


class _Wire:
    """A marker with API server semantics for a scalar, also outside a model."""

    def keywords(self, annotation: Any) -> dict[str, Any]:
        """Return the schema of the annotated type."""
        raise NotImplementedError

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Validate by the schema first, as neither of Pydantic's modes matches it."""
        keywords = self.keywords(source)

        def validated(value: Any, build: core_schema.ValidatorFunctionWrapHandler) -> Any:
            if value is None:  # types that do not accept null refuse it below
                return build(None)
            checked = checker_provider.checks().of_keywords(keywords).create(value)
            for cause in checked.causes:
                raise PydanticCustomError(cause.reason, "{message}", {"message": cause.message})
            # kube-openapi's typeValidator leaves the type of a value with a format to the format
            # check, which ignores anything but strings: a list is accepted and kept.
            return checked.value if isinstance(checked.value, list) else build(checked.value)

        return core_schema.no_info_wrap_validator_function(validated, handler(source))


@dataclasses.dataclass(frozen=True)
class Format(_Wire):
    """An OpenAPI ``format``; the API server checks known formats and warns about others."""

    name: str

    def __post_init__(self) -> None:
        field_types.check(self)

    def keywords(self, annotation: Any) -> dict[str, Any]:
        """Return the type and the format."""
        while typing.get_origin(annotation) is typing.Annotated:
            annotation = typing.get_args(annotation)[0]
        json_types: dict[Any, str] = {str: "string", int: "integer", float: "number"}
        if set(typing.get_args(annotation)) >= {int, str}:
            return {"format": self.name} | IntOrString().keywords(annotation)
        known = json_types.get(annotation)
        return {"format": self.name} | ({"type": known} if known else {})


@dataclasses.dataclass(frozen=True)
class Secret(Format):
    """A confidential string: ``format: password``, which user interfaces hide.

    Fields that another version cannot express are kept in an annotation, but never a secret. So
    each version of its kind must have the field, or ``records.forget`` drops it explicitly.
    """

    name: str = dataclasses.field(default="password", init=False, repr=False)


@dataclasses.dataclass(frozen=True)
class MaxBytes:
    """Maximum size of a string in bytes of UTF-8.

    A schema's ``maxLength`` counts code points, so this becomes ``maxLength`` (a necessary bound)
    and the validating webhook enforces the byte limit.
    """

    limit: int

    def __post_init__(self) -> None:
        field_types.check(self)


@dataclasses.dataclass(frozen=True)
class MaxEntries:
    """Maximum number of list items or map keys: ``maxItems`` or ``maxProperties``.

    Unlike a plain ``MaxLen`` it is a documented size limit, which ``webhooks review`` checks too,
    without an API server's schema validation.
    """

    limit: int

    def __post_init__(self) -> None:
        field_types.check(self)


@dataclasses.dataclass(frozen=True)
class ListMap:
    """A list whose items are identified by these fields (``x-kubernetes-list-type: map``)."""

    keys: tuple[str, ...]

    def __init__(self, *keys: str) -> None:
        object.__setattr__(self, "keys", keys)


@dataclasses.dataclass(frozen=True)
class ListSet:
    """A list of distinct scalars (``x-kubernetes-list-type: set``)."""


@dataclasses.dataclass(frozen=True)
class Atomic:
    """A list or map that server-side apply owns as a single value."""


@dataclasses.dataclass(frozen=True)
class Granular:
    """A map or object whose entries server-side apply owns individually, made explicit."""


ScalarOrObject = Literal["string", "integer", "number", "boolean", "object"]


@dataclasses.dataclass(frozen=True)
class Type:
    """The JSON type of an ``Any`` whose structure is not declared.

    ``Annotated[Any, Type("object"), PreserveUnknown()]`` is any object; scalars need nothing else.
    """

    name: ScalarOrObject


@dataclasses.dataclass(frozen=True)
class MaxDescription:
    """Maximum length of the field's description in the CRD; 0 drops it."""

    limit: int

    def __post_init__(self) -> None:
        field_types.check(self)


@dataclasses.dataclass(frozen=True)
class PreserveUnknown:
    """Preserve unknown fields (``x-kubernetes-preserve-unknown-fields``)."""


@dataclasses.dataclass(frozen=True)
class Keywords:
    """Schema keywords as they are, for what no other marker or type expresses.

    ``Annotated[Target, Keywords({"oneOf": [{"required": ["a"]}, {"required": ["b"]}]})]``. They
    replace what the type and other markers say; None leaves a keyword out, but for a default, which
    is null then. The node is left to the API server's code to check. For a whole object, ``Model``
    and ``Resource`` take ``keywords={...}``.
    """

    schema: Mapping[str, Any]

    def __post_init__(self) -> None:
        field_types.check(self)

    def __hash__(self) -> int:
        """Return a hash, which a type has that is annotated with it; values may be any JSON."""
        return hash(tuple(sorted(self.schema)))


@dataclasses.dataclass(frozen=True)
class IntOrString(_Wire):
    """An integer or a string (``x-kubernetes-int-or-string``)."""

    def keywords(self, annotation: Any) -> dict[str, Any]:
        """Return its two types, in the order that the API server requires."""
        del annotation
        branches = [{"type": "integer"}, {"type": "string"}]
        return {"x-kubernetes-int-or-string": True, "anyOf": branches}


@dataclasses.dataclass(frozen=True)
class Nullable:
    """Allow null as a value (``nullable``); otherwise the API server drops a null.

    Used together with ``T | None``.
    """


@dataclasses.dataclass(frozen=True)
class EmbeddedResource:
    """An object with apiVersion, kind and metadata (``x-kubernetes-embedded-resource``)."""


@dataclasses.dataclass(frozen=True)
class ExternalDocs:
    """Link to further documentation of a field (``externalDocs``)."""

    url: str
    description: str = ""

    def __post_init__(self) -> None:
        field_types.check(self)

    def external_docs(self) -> dict[str, str]:
        """Return the value of the keyword."""
        return {"url": self.url} | ({"description": self.description} if self.description else {})


@dataclasses.dataclass(frozen=True)
class Immutable:
    """A field that never changes once set; it may still be set later or removed."""

    def rule(self) -> "Cel":
        """Return the transition rule."""
        return Cel("self == oldSelf", "must not be changed")


@dataclasses.dataclass(frozen=True)
class Cel:
    """A validation rule evaluated by the API server (``x-kubernetes-validations``).

    For a field, used in ``Annotated``; for a model, in ``class AgentRunSpec(Spec, rules=[...])``.

    Attributes:
        rule: The expression over ``self`` (and ``oldSelf``), with wire names or Python names; words
            that CEL reserves are escaped automatically (``self.namespace``).
        message: Message shown when it is false.
        message_expression: CEL for a message with values; ``message`` if it fails. Build it
            with ``format()``: ``string(int)`` is refused for its cost (kubernetes issue 124234).
        reason: The cause's reason; the API server's default is ``FieldValueInvalid``.
        field_path: The field to name, relative to ``self``: ``.schedule``.
        optional_old_self: Whether the rule also runs on creation, with an optional ``oldSelf``.
    """

    rule: str
    message: str | None = None
    message_expression: str | None = None
    reason: CelReason | None = None
    field_path: str | None = None
    optional_old_self: bool | None = None

    def __post_init__(self) -> None:
        field_types.check(self)

    def validation(self) -> dict[str, Any]:
        """Return the entry of ``x-kubernetes-validations``."""
        entry = {
            "rule": self.rule,
            "message": self.message,
            "messageExpression": self.message_expression,
            "reason": self.reason,
            "fieldPath": self.field_path,
            "optionalOldSelf": self.optional_old_self,
        }
        return {name: value for name, value in entry.items() if value is not None}


def exactly_one_of(*names: str) -> Cel:
    """Return a rule that exactly one of the fields is set."""
    return Cel(f"{_count(names)} == 1", f"exactly one of {', '.join(names)} must be set")


def at_most_one_of(*names: str) -> Cel:
    """Return a rule that at most one of the fields is set."""
    return Cel(f"{_count(names)} <= 1", f"at most one of {', '.join(names)} may be set")


def at_least_one_of(*names: str) -> Cel:
    """Return a rule that at least one of the fields is set."""
    return Cel(f"{_count(names)} >= 1", f"at least one of {', '.join(names)} must be set")


def _count(names: tuple[str, ...]) -> str:
    members = (cel_identifiers.escaped(name) or name for name in names)
    return " + ".join(f"(has(self.{member}) ? 1 : 0)" for member in members)


@dataclasses.dataclass(frozen=True)
class Policy:
    """A rule of a ValidatingAdmissionPolicy, which may read more than the object.

    Attributes:
        expression: CEL over ``object``, ``oldObject``, ``request``, ``namespaceObject`` and
            ``authorizer``, with wire names or Python names; objects are untyped there, so a name
            that CEL cannot write goes in brackets: ``object.spec['my-x']``.
        message: Message shown when it is false.
        message_expression: CEL for a message with values.
        reason: The reason of the response.
    """

    expression: str
    message: str | None = None
    message_expression: str | None = None
    reason: Literal["Unauthorized", "Forbidden", "Invalid", "RequestEntityTooLarge"] | None = None

    def __post_init__(self) -> None:
        field_types.check(self)

    def validation(self) -> dict[str, Any]:
        """Return the entry of ``validations`` (admissionregistration.k8s.io/v1)."""
        entry = {
            "expression": self.expression,
            "message": self.message,
            "messageExpression": self.message_expression,
            "reason": self.reason,
        }
        return {name: value for name, value in entry.items() if value is not None}


@dataclasses.dataclass(frozen=True)
class Scale:
    """The scale subresource, used by ``kubectl scale`` and autoscalers.

    Attributes:
        spec: Path of the desired replicas: ``.spec.replicas``.
        status: Path of the observed replicas: ``.status.replicas``.
        selector: Path of the pods' label selector, as a string; for HorizontalPodAutoscalers.
        checked: Whether the paths must lead to fields of the model.
    """

    spec: str
    status: str
    selector: str | None = None
    checked: bool = True

    def __post_init__(self) -> None:
        field_types.check(self)

    def subresource(self) -> dict[str, str]:
        """Return the value of ``subresources.scale``."""
        paths = {"specReplicasPath": self.spec, "statusReplicasPath": self.status}
        return paths | ({"labelSelectorPath": self.selector} if self.selector else {})


@dataclasses.dataclass(frozen=True)
class Column:
    """A column of ``kubectl get``.

    Attributes:
        name: The heading.
        path: JSONPath from the object's root: ``.status.phase``.
        type: integer, number, string, boolean or date.
        priority: 0 is always shown, higher values only with ``-o wide``.
        description: Description of the column.
        format: int32, int64, float, double, byte, date, date-time or password.
        checked: Whether the path must lead to a value that the column can show.
    """

    name: str
    path: str
    type: Literal["integer", "number", "string", "boolean", "date"] = "string"
    priority: int = 0
    description: str = ""
    format: str = ""
    checked: bool = True

    def __post_init__(self) -> None:
        field_types.check(self)

    def printer_column(self) -> dict[str, Any]:
        """Return the entry of ``additionalPrinterColumns``."""
        more = {
            "format": self.format,
            "description": self.description,
            "priority": self.priority,
        }
        optional = {name: value for name, value in more.items() if value}
        return {"name": self.name, "type": self.type, **optional, "jsonPath": self.path}


def flattened(metadata: Iterable[Any]) -> Iterable[Any]:
    """Flatten grouped metadata (``Len``, nested ``Field(...)``) to single markers.

    ``conint`` and the like leave a None for each argument not given.
    """
    for marker in metadata:
        if marker is None:
            continue
        if hasattr(marker, "__is_annotated_types_grouped_metadata__"):  # isinstance is 10 x slower
            yield from flattened(marker)
        elif isinstance(marker, FieldInfo):
            yield from flattened(marker.metadata)
        else:
            yield marker
