"""What a field says beyond its type: markers for ``Annotated`` and rules for a whole model.

Bounds that Pydantic knows (``MinLen``, ``MaxLen``, ``Ge``, ``Le``, ``Gt``, ``Lt``) come from
``annotated_types`` and ``Field``; only what Kubernetes adds is here, named by the field's terms.
"""

import dataclasses
from typing import Any, Literal

CelReason = Literal[
    "FieldValueInvalid", "FieldValueRequired", "FieldValueForbidden", "FieldValueDuplicate"
]


@dataclasses.dataclass(frozen=True)
class Format:
    """An OpenAPI ``format``; the API server checks those it knows and warns about the others."""

    name: str


@dataclasses.dataclass(frozen=True)
class MaxBytes:
    """At most so many bytes of UTF-8 in a string.

    A schema's ``maxLength`` counts code points, so this becomes ``maxLength`` (a necessary bound)
    and is enforced to the byte by the validating webhook.
    """

    limit: int


@dataclasses.dataclass(frozen=True)
class MaxEntries:
    """At most so many items of a list or keys of a map: ``maxItems`` or ``maxProperties``.

    Unlike a plain ``MaxLen`` it is a documented size limit, which ``webhooks review`` checks too,
    where no API server has judged the schema.
    """

    limit: int


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
class PreserveUnknown:
    """Keep what the schema does not name (``x-kubernetes-preserve-unknown-fields``)."""


@dataclasses.dataclass(frozen=True)
class IntOrString:
    """An integer or a string (``x-kubernetes-int-or-string``)."""


@dataclasses.dataclass(frozen=True)
class Cel:
    """A rule that the API server evaluates (``x-kubernetes-validations``).

    On a field it stands in ``Annotated``; on a model in ``class AgentRunSpec(Spec, rules=[...])``.

    Attributes:
        rule: The expression over ``self`` (and ``oldSelf``), with wire names.
        message: What the user reads when it is false.
        reason: The cause's reason; the API server's default is ``FieldValueInvalid``.
        field_path: The field to name, relative to ``self``: ``.schedule``.
    """

    rule: str
    message: str
    reason: CelReason | None = None
    field_path: str | None = None

    def validation(self) -> dict[str, str]:
        """The entry of ``x-kubernetes-validations``."""
        entry = {"rule": self.rule, "message": self.message}
        if self.reason is not None:
            entry["reason"] = self.reason
        if self.field_path is not None:
            entry["fieldPath"] = self.field_path
        return entry


def exactly_one_of(*names: str) -> Cel:
    """A rule for a union of fields: one of them, and only one, is set."""
    count = " + ".join(f"(has(self.{name}) ? 1 : 0)" for name in names)
    return Cel(f"{count} == 1", f"exactly one of {', '.join(names)} must be set")


@dataclasses.dataclass(frozen=True)
class Column:
    """A column of ``kubectl get``.

    Attributes:
        name: The heading.
        path: JSONPath from the object's root: ``.status.phase``.
        type: integer, number, string, boolean or date.
        priority: 0 shows always, more only with ``-o wide``.
    """

    name: str
    path: str
    type: Literal["integer", "number", "string", "boolean", "date"] = "string"
    priority: int = 0

    def printer_column(self) -> dict[str, Any]:
        """The entry of ``additionalPrinterColumns``."""
        entry: dict[str, Any] = {"name": self.name, "type": self.type, "jsonPath": self.path}
        return entry | ({"priority": self.priority} if self.priority else {})
