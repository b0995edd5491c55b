"""Error values of the toolkit: where, why, and what was expected and received."""

import dataclasses
import enum
from typing import Any, TypeAlias

JSON: TypeAlias = Any
"""A JSON value; narrowed within the function that receives it."""


class UserError(Exception):
    """A problem for the user to fix; the message says what came, where, and how to fix it."""

    @property
    def source(self) -> str:
        """Return the message prefix ``FILE:LINE: ``, if known and not already in the message."""
        return ""


# Quoted input is limited, so that a message does not carry a payload.
QUOTED_CHARACTERS = 64


class Reason(enum.StrEnum):
    """Why a field is refused: the ``reason`` of a ``details.causes`` entry (metav1.CauseType)."""

    DUPLICATE = "FieldValueDuplicate"
    FORBIDDEN = "FieldValueForbidden"
    INVALID = "FieldValueInvalid"
    NOT_SUPPORTED = "FieldValueNotSupported"
    REQUIRED = "FieldValueRequired"
    TOO_LONG = "FieldValueTooLong"
    TOO_MANY = "FieldValueTooMany"
    TYPE_INVALID = "FieldValueTypeInvalid"


@dataclasses.dataclass(frozen=True, order=True)
class FieldPath:
    """Field path: ``spec.steps[2].parameters[url]``, as the API server writes it.

    A member is stored as ``.name``; a list index or a map key as ``[key]``.
    """

    parts: tuple[str, ...] = ()

    def member(self, name: str) -> "FieldPath":
        """Return the path of an object's field."""
        return FieldPath((*self.parts, f".{name}"))

    def key(self, key: str | int) -> "FieldPath":
        """Return the path of a list item or map value."""
        return FieldPath((*self.parts, f"[{key}]"))

    def __str__(self) -> str:
        return "".join(self.parts).removeprefix(".")


@dataclasses.dataclass(frozen=True, order=True)
class Problem:
    """One reason to refuse an object.

    Attributes:
        path: The field, in the version that the user wrote.
        message: «expected at most 2048 bytes of UTF-8, got 2049»: one line, no secrets.
        reason: The kind of problem.
    """

    path: FieldPath
    message: str
    reason: Reason = Reason.INVALID

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path.parts else self.message


@dataclasses.dataclass(frozen=True)
class Cause:
    """One reason to refuse an object, in the API server's words (metav1.StatusCause).

    Attributes:
        reason: The kind of problem: ``FieldValueInvalid``.
        message: What is wrong; it quotes the value.
        field: The field as the API server writes it: ``spec.steps[0].name``.
        path: The same in parts, if reported by a checker of this project.
        is_transition: Whether a transition rule (``oldSelf``) reported it.
    """

    reason: str
    message: str
    field: str
    path: tuple[str | int, ...] = dataclasses.field(default=(), compare=False, repr=False)
    is_transition: bool = dataclasses.field(default=False, compare=False, repr=False)


def quoted(value: object) -> str:
    """Return a short, one-line rendering of input for a message."""
    text = repr(value)
    return text if len(text) <= QUOTED_CHARACTERS else f"{text[: QUOTED_CHARACTERS - 1]}…"


def kind_of(value: object) -> str:
    """Return the JSON type name of a value."""
    names: dict[type, str] = {dict: "object", list: "array", str: "string", bool: "boolean"}
    if value is None:
        return "null"
    return names.get(type(value), "number")
