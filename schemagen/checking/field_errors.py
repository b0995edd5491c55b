"""Validation errors in the API server's words (apimachinery 1.37, field/errors.go)."""

import dataclasses
from collections.abc import Sequence
from typing import Final

from schemagen import go_format
from schemagen.cel import OMITTED
from schemagen.checking.nodes import Key, Path
from schemagen.problems import JSON, Cause

_BEGINNINGS = {
    "FieldValueDuplicate": "Duplicate value",
    "FieldValueForbidden": "Forbidden",
    "FieldValueInvalid": "Invalid value",
    "FieldValueNotSupported": "Unsupported value",
    "FieldValueRequired": "Required value",
    "FieldValueTooLong": "Too long",
    "FieldValueTooMany": "Too many",
    "FieldValueTypeInvalid": "Invalid value",
}
_WITHOUT_VALUE = {"FieldValueForbidden", "FieldValueRequired", "FieldValueTooLong"}
NOWHERE: Final = "<nil>"
"""The field of an error that Go reports without a path."""


@dataclasses.dataclass(frozen=True, slots=True)
class Fault:
    """One validation error.

    Attributes:
        reason: metav1.CauseType.
        path: Where it is.
        detail: What is wrong.
        value: The value quoted before the detail, or OMITTED.
        field: The path as the API server writes it.
        is_transition: Whether a rule with ``oldSelf`` reported it.
    """

    reason: str
    path: Path
    detail: str
    value: JSON = OMITTED
    field: str = NOWHERE
    is_transition: bool = False

    def cause(self) -> Cause:
        """Return the entry of ``details.causes``."""
        message = _BEGINNINGS[self.reason]
        if self.value is not OMITTED and self.reason not in _WITHOUT_VALUE:
            message += f": {_written(self.value)}"
        if self.detail:
            message += f": {self.detail}"
        return Cause(self.reason, message, self.field, self.path, self.is_transition)


def _written(value: JSON) -> str:
    if isinstance(value, str):
        return go_format.quoted(value)
    if isinstance(value, bool | int | float):
        return go_format.plain(value)
    return go_format.marshalled(value)


def dotted(path: Path) -> str:
    """Return a path as kube-openapi writes it: map keys like fields, ``spec.labels.app[0]``."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return "".join(parts).removeprefix(".")


def bracketed(path: Path) -> str:
    """Return a path as ``field.Path`` writes it: ``spec.labels[app][0]``."""
    parts = (f"[{part}]" if isinstance(part, int | Key) else f".{part}" for part in path)
    return "".join(parts).removeprefix(".") or NOWHERE


def by_field(faults: Sequence[Fault]) -> tuple[Cause, ...]:
    """Return the causes sorted by field; the API server's order is random, as that of Go's maps."""
    return tuple(sorted((fault.cause() for fault in faults), key=lambda cause: cause.field))
