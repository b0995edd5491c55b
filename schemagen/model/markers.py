"""What a field says beyond its type: markers for ``Annotated`` and rules for a whole model.

Bounds that Pydantic knows (``MinLen``, ``MaxLen``, ``Ge``, ``Le``, ``Gt``, ``Lt``) come from
``annotated_types`` and ``Field``; only what Kubernetes adds is here, named by the field's terms.
"""

import dataclasses
import typing
from typing import Any, Literal

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from schemagen import identifiers
from schemagen.model import typed, verdicts

CelReason = Literal[
    "FieldValueInvalid", "FieldValueRequired", "FieldValueForbidden", "FieldValueDuplicate"
]


class _Wire:
    """A marker that gives a scalar the API server's own meaning, also outside of a model."""

    def keywords(self, annotation: Any) -> dict[str, Any]:
        """The schema of what the marker stands on."""
        raise NotImplementedError

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Check by the schema before Pydantic reads the value: neither strict nor lax is right."""
        keywords = self.keywords(source)

        def validated(value: Any, build: core_schema.ValidatorFunctionWrapHandler) -> Any:
            if value is None:  # a type that takes none refuses it below
                return build(None)
            checked = verdicts.checks().of_keywords(keywords).create(value)
            for cause in checked.causes:
                raise PydanticCustomError(cause.reason, "{message}", {"message": cause.message})
            # kube-openapi's typeValidator leaves the type of what has a format to the format, which
            # looks at text only: a list is taken, and is kept as it is.
            return checked.value if isinstance(checked.value, list) else build(checked.value)

        return core_schema.no_info_wrap_validator_function(validated, handler(source))


@dataclasses.dataclass(frozen=True)
class Format(_Wire):
    """An OpenAPI ``format``; the API server checks those it knows and warns about the others."""

    name: str

    def __post_init__(self) -> None:
        typed.check(self)

    def keywords(self, annotation: Any) -> dict[str, Any]:
        """The type and the format."""
        while typing.get_origin(annotation) is typing.Annotated:
            annotation = typing.get_args(annotation)[0]
        json_types: dict[Any, str] = {str: "string", int: "integer", float: "number"}
        if set(typing.get_args(annotation)) >= {int, str}:
            return {"format": self.name} | IntOrString().keywords(annotation)
        known = json_types.get(annotation)
        return {"format": self.name} | ({"type": known} if known else {})


@dataclasses.dataclass(frozen=True)
class Secret(Format):
    """A text that nobody should read: ``format: password``, which user interfaces hide.

    What another version cannot say of an object is kept in an annotation; a secret never is. So
    each version of its kind has the field, or ``records.forget`` drops it on purpose.
    """

    name: str = dataclasses.field(default="password", init=False, repr=False)


@dataclasses.dataclass(frozen=True)
class MaxBytes:
    """At most so many bytes of UTF-8 in a string.

    A schema's ``maxLength`` counts code points, so this becomes ``maxLength`` (a necessary bound)
    and is enforced to the byte by the validating webhook.
    """

    limit: int

    def __post_init__(self) -> None:
        typed.check(self)


@dataclasses.dataclass(frozen=True)
class MaxEntries:
    """At most so many items of a list or keys of a map: ``maxItems`` or ``maxProperties``.

    Unlike a plain ``MaxLen`` it is a documented size limit, which ``webhooks review`` checks too,
    where no API server has judged the schema.
    """

    limit: int

    def __post_init__(self) -> None:
        typed.check(self)


@dataclasses.dataclass(frozen=True)
class ListMap:
    """A list whose items are told apart by these fields (``x-kubernetes-list-type: map``)."""

    keys: tuple[str, ...]

    def __init__(self, *keys: str) -> None:
        object.__setattr__(self, "keys", keys)


@dataclasses.dataclass(frozen=True)
class ListSet:
    """A list of distinct scalars (``x-kubernetes-list-type: set``)."""


@dataclasses.dataclass(frozen=True)
class Atomic:
    """A list or map that server-side apply owns as one value."""


@dataclasses.dataclass(frozen=True)
class Granular:
    """A map or object whose entries server-side apply owns one by one; said out loud."""


ScalarOrObject = Literal["string", "integer", "number", "boolean", "object"]


@dataclasses.dataclass(frozen=True)
class Type:
    """The JSON type of an ``Any``, where a structure would say more than is known.

    ``Annotated[Any, Type("object"), PreserveUnknown()]`` is any object; a scalar needs no more.
    """

    name: ScalarOrObject


@dataclasses.dataclass(frozen=True)
class MaxDescription:
    """At most so many characters of the field's description in the CRD; 0 leaves it out."""

    limit: int

    def __post_init__(self) -> None:
        typed.check(self)


@dataclasses.dataclass(frozen=True)
class PreserveUnknown:
    """Keep what the schema does not name (``x-kubernetes-preserve-unknown-fields``)."""


@dataclasses.dataclass(frozen=True)
class IntOrString(_Wire):
    """An integer or a string (``x-kubernetes-int-or-string``)."""

    def keywords(self, annotation: Any) -> dict[str, Any]:
        """Its two types, in the order that the API server asks for."""
        del annotation
        branches = [{"type": "integer"}, {"type": "string"}]
        return {"x-kubernetes-int-or-string": True, "anyOf": branches}


@dataclasses.dataclass(frozen=True)
class Nullable:
    """null is a value of the field (``nullable``); without it the API server drops a null.

    It stands beside ``T | None``.
    """


@dataclasses.dataclass(frozen=True)
class EmbeddedResource:
    """A whole object with apiVersion, kind and metadata (``x-kubernetes-embedded-resource``)."""


@dataclasses.dataclass(frozen=True)
class ExternalDocs:
    """Where more is written about a field (``externalDocs``)."""

    url: str
    description: str = ""

    def __post_init__(self) -> None:
        typed.check(self)

    def external_docs(self) -> dict[str, str]:
        """The value of the keyword."""
        return {"url": self.url} | ({"description": self.description} if self.description else {})


@dataclasses.dataclass(frozen=True)
class Immutable:
    """A field that keeps the value it was first given; it may still be set later or removed."""

    def rule(self) -> "Cel":
        """The transition rule that says so."""
        return Cel("self == oldSelf", "must not be changed")


@dataclasses.dataclass(frozen=True)
class Cel:
    """A rule that the API server evaluates (``x-kubernetes-validations``).

    On a field it stands in ``Annotated``; on a model in ``class AgentRunSpec(Spec, rules=[...])``.

    Attributes:
        rule: The expression over ``self`` (and ``oldSelf``), with wire names or Python names; words
            that CEL reserves are escaped by themselves (``self.namespace``).
        message: What the user reads when it is false.
        message_expression: CEL for a message with values in it; ``message`` if it fails. Build it
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
        typed.check(self)

    def validation(self) -> dict[str, Any]:
        """The entry of ``x-kubernetes-validations``."""
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
    """A rule for a union of fields: one of them, and only one, is set."""
    return Cel(f"{_count(names)} == 1", f"exactly one of {', '.join(names)} must be set")


def at_most_one_of(*names: str) -> Cel:
    """A rule for fields of which one at most is set."""
    return Cel(f"{_count(names)} <= 1", f"at most one of {', '.join(names)} may be set")


def at_least_one_of(*names: str) -> Cel:
    """A rule for fields of which one at least is set."""
    return Cel(f"{_count(names)} >= 1", f"at least one of {', '.join(names)} must be set")


def _count(names: tuple[str, ...]) -> str:
    members = (identifiers.escaped(name) or name for name in names)
    return " + ".join(f"(has(self.{member}) ? 1 : 0)" for member in members)


@dataclasses.dataclass(frozen=True)
class Policy:
    """A rule for a ValidatingAdmissionPolicy: it may look beyond the object, which no schema can.

    Attributes:
        expression: CEL over ``object``, ``oldObject``, ``request``, ``namespaceObject`` and
            ``authorizer``, with wire names or Python names; objects have no type there, so a name
            that CEL cannot write stands in brackets: ``object.spec['my-x']``.
        message: What the user reads when it is false.
        message_expression: CEL for a message with values in it.
        reason: The answer's reason.
    """

    expression: str
    message: str | None = None
    message_expression: str | None = None
    reason: Literal["Unauthorized", "Forbidden", "Invalid", "RequestEntityTooLarge"] | None = None

    def __post_init__(self) -> None:
        typed.check(self)

    def validation(self) -> dict[str, Any]:
        """The entry of ``validations`` (admissionregistration.k8s.io/v1)."""
        entry = {
            "expression": self.expression,
            "message": self.message,
            "messageExpression": self.message_expression,
            "reason": self.reason,
        }
        return {name: value for name, value in entry.items() if value is not None}


@dataclasses.dataclass(frozen=True)
class Scale:
    """The scale subresource: where ``kubectl scale`` and autoscalers read and write.

    Attributes:
        spec: Path of the wanted number: ``.spec.replicas``.
        status: Path of the number there is: ``.status.replicas``.
        selector: Path of the pods' label selector, as a string; for HorizontalPodAutoscalers.
    """

    spec: str
    status: str
    selector: str | None = None

    def __post_init__(self) -> None:
        typed.check(self)

    def subresource(self) -> dict[str, str]:
        """The value of ``subresources.scale``."""
        paths = {"specReplicasPath": self.spec, "statusReplicasPath": self.status}
        return paths | ({"labelSelectorPath": self.selector} if self.selector else {})


@dataclasses.dataclass(frozen=True)
class Column:
    """A column of ``kubectl get``.

    Attributes:
        name: The heading.
        path: JSONPath from the object's root: ``.status.phase``.
        type: integer, number, string, boolean or date.
        priority: 0 shows always, more only with ``-o wide``.
        description: What it shows.
        format: int32, int64, float, double, byte, date, date-time or password.
    """

    name: str
    path: str
    type: Literal["integer", "number", "string", "boolean", "date"] = "string"
    priority: int = 0
    description: str = ""
    format: str = ""

    def __post_init__(self) -> None:
        typed.check(self)

    def printer_column(self) -> dict[str, Any]:
        """The entry of ``additionalPrinterColumns``."""
        more = {
            "format": self.format,
            "description": self.description,
            "priority": self.priority,
        }
        said = {name: value for name, value in more.items() if value}
        return {"name": self.name, "type": self.type, **said, "jsonPath": self.path}
