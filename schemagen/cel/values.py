"""CEL values in Python beside the natives: null is None, and bool, int, float, str, bytes.

A list is a Python list, or data under its schema (``data.py``); types are represented by name.
"""

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeAlias

from schemagen import go_format

Value: TypeAlias = Any
"""A CEL value; its type is known only at run time."""

MIN_INT, MAX_INT = -(1 << 63), (1 << 63) - 1
MAX_UINT = (1 << 64) - 1


class EvaluationError(Exception):
    """The evaluation fails in the API server too, with this message. Read by the rule's author."""


class BreakdownError(Exception):
    """The API server's evaluator itself panics; no operator absorbs that."""


class UndecidedError(Exception):
    """The API server's result is unknown to this evaluator: ask the judge."""


class Missing:
    """The type of MISSING."""


MISSING: Final = Missing()
"""No value, where null is a value."""


class Uint(int):
    """An unsigned integer: ``1u``."""

    __slots__ = ()


@dataclasses.dataclass(frozen=True, slots=True)
class TypeValue:
    """A type as a value: ``type(self) == string``."""

    name: str


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Timestamp:
    """A point in time.

    Attributes:
        nanoseconds: Since 1970 UTC.
        offset: Offset of its zone in seconds; ignored in comparisons.
    """

    nanoseconds: int
    offset: int = dataclasses.field(default=0, compare=False)


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Duration:
    """A duration, as Go's time.Duration."""

    nanoseconds: int


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Optional:
    """An optional value."""

    value: Value


NONE: Final = Optional(MISSING)


class Map:
    """A map made by an expression.

    Signed and unsigned integers and integral doubles are equal as keys.
    """

    __slots__ = ("_entries",)

    def __init__(self, entries: Iterable[tuple[Value, Value]] = ()) -> None:
        self._entries = {_key(key): (key, value) for key, value in entries}

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, key: Value) -> Value:
        """Return the value of a key, or MISSING."""
        try:
            entry = self._entries.get(_key(key))
        except TypeError:  # a list or map cannot be a key
            return MISSING
        return MISSING if entry is None else entry[1]

    def keys(self) -> Iterator[Value]:
        """Return the keys in insertion order."""
        return (key for key, _ in self._entries.values())

    def items(self) -> Iterator[tuple[Value, Value]]:
        """Return keys and values."""
        return iter(self._entries.values())

    def insert(self, key: Value, value: Value) -> None:
        """Add an entry during construction."""
        if self.find(key) is not MISSING:
            raise EvaluationError(f"insert failed: key {shown(key)} already exists")
        self._entries[_key(key)] = (key, value)


class SetList(list[Value]):
    """Result of ``+`` for list-sets."""

    __slots__ = ()


class KeyedList(list[Value]):
    """Result of ``+`` for list-maps."""

    __slots__ = ("keys",)

    def __init__(self, items: Iterable[Value], keys: tuple[str, ...]) -> None:
        super().__init__(items)
        self.keys = keys


def _key(key: Value) -> Value:
    """Distinguish True from 1, which Python considers equal."""
    return (key,) if isinstance(key, bool) else key


class Typed:
    """Base of values with a named type only: quantities, addresses, named formats."""

    __slots__ = ()
    type_name: str

    def equals(self, other: Value) -> bool:
        """Return whether the other is the same value.

        Raises:
            EvaluationError: if it is of another type.
        """
        raise NotImplementedError


_NAMES: dict[type, str] = {
    type(None): "null_type",
    bool: "bool",
    int: "int",
    Uint: "uint",
    float: "double",
    str: "string",
    bytes: "bytes",
    list: "list",
    SetList: "list",
    KeyedList: "list",
    Map: "map",
    TypeValue: "type",
    Timestamp: "google.protobuf.Timestamp",
    Duration: "google.protobuf.Duration",
    Optional: "optional_type",
}


def name_type(cls: type, name: str) -> None:
    """Register the CEL name of a value class defined elsewhere."""
    _NAMES[cls] = name


def type_name(value: Value) -> str:
    """Return the name of a value's type: ``int``, ``google.protobuf.Duration``."""
    name = _NAMES.get(type(value))
    return name if name is not None else value.type_name


def shown(value: Value) -> str:
    """Format a value as ``%v``.

    Raises:
        UndecidedError: where Go would print its internal structures.
    """
    if isinstance(value, bool | int | float | str):
        return go_format.plain(value)
    if isinstance(value, TypeValue):
        return value.name
    if value is None:
        return "0"  # types.Null is a number in Go
    raise UndecidedError(f"a message that quotes a value of type {type_name(value)}")


def no_such_overload(function: str = "", arguments: Iterable[Value] = ()) -> EvaluationError:
    """Return cel-go's error for unsupported argument types."""
    if not function:
        return EvaluationError("no such overload")
    types = ", ".join(map(type_name, arguments))
    return EvaluationError(f"no such overload: {function}({types})")
