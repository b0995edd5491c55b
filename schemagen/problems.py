"""The one error value of the toolkit: where, why, and what was expected and came instead."""

import dataclasses
import enum
from typing import Any, TypeAlias

JSON: TypeAlias = Any
"""A JSON value; narrowed within the function that receives it."""


class UserError(Exception):
    """Something for the user of a command to mend; the message says what came, where, and how."""

    @property
    def source(self) -> str:
        """``FILE:LINE: `` for the front of the message, where that is known and not in it."""
        return ""


# Input is quoted in messages, but never so much of it that a message becomes a payload.
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
    """A place in an object: ``spec.steps[2].parameters[url]``, as the API server writes it.

    A member is kept as ``.name``; a list index or a map key as ``[key]``.
    """

    parts: tuple[str, ...] = ()

    def member(self, name: str) -> "FieldPath":
        """The path of an object's field."""
        return FieldPath((*self.parts, f".{name}"))

    def key(self, key: str | int) -> "FieldPath":
        """The path of a list's item or a map's value."""
        return FieldPath((*self.parts, f"[{key}]"))

    def __str__(self) -> str:
        return "".join(self.parts).removeprefix(".")


@dataclasses.dataclass(frozen=True, order=True)
class Problem:
    """One reason to refuse an object.

    Attributes:
        path: The field, in the version that the user wrote.
        message: «expected at most 2048 bytes of UTF-8, got 2049»: one line, no secrets.
        reason: What kind of fault it is.
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
        reason: What kind of fault it is: ``FieldValueInvalid``.
        message: What is wrong; it quotes the value.
        field: The field as the API server writes it: ``spec.steps[0].name``.
        path: The same in its parts, where a checker of ours has found it.
        is_transition: Whether a rule about the change from the old value says it (``oldSelf``).
    """

    reason: str
    message: str
    field: str
    path: tuple[str | int, ...] = dataclasses.field(default=(), compare=False, repr=False)
    is_transition: bool = dataclasses.field(default=False, compare=False, repr=False)


def quoted(value: object) -> str:
    """A short, one-line rendering of a piece of input for a message."""
    text = repr(value)
    return text if len(text) <= QUOTED_CHARACTERS else f"{text[: QUOTED_CHARACTERS - 1]}…"


def kind_of(value: object) -> str:
    """The JSON name of a value's type."""
    names: dict[type, str] = {dict: "object", list: "array", str: "string", bool: "boolean"}
    if value is None:
        return "null"
    return names.get(type(value), "number")
