"""CEL's values in Python, beside the natives: null is None, and bool, int, float, str, bytes.

A list is a Python list, or data under its schema (``data.py``); types hold their name.
"""

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeAlias

from schemagen import gotext

Value: TypeAlias = Any
"""A CEL value; which one is only known when it is there."""

LEAST_INT, GREATEST_INT = -(1 << 63), (1 << 63) - 1
GREATEST_UINT = (1 << 64) - 1


class EvaluationError(Exception):
    """The evaluation fails in the API server too, with this text; the rule's author reads it."""


class BreakdownError(Exception):
    """The API server's evaluator itself breaks down; no operator absorbs that."""


class UndecidedError(Exception):
    """This evaluator does not know what the API server would answer: ask the judge."""


class Missing:
    """The type of MISSING."""


MISSING: Final = Missing()
"""No value, where null is one."""


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
        offset: Of the zone that it is written in, in seconds; it does not count for equality.
    """

    nanoseconds: int
    offset: int = dataclasses.field(default=0, compare=False)


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Duration:
    """A span of time, as Go's time.Duration."""

    nanoseconds: int


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Optional:
    """A value or none."""

    value: Value


NONE: Final = Optional(MISSING)


class Map:
    """A map made by an expression.

    Integers, whether signed or not, and whole doubles find each other's entries.
    """

    __slots__ = ("_entries",)

    def __init__(self, entries: Iterable[tuple[Value, Value]] = ()) -> None:
        self._entries = {_key(key): (key, value) for key, value in entries}

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, key: Value) -> Value:
        """The value of a key, or MISSING."""
        try:
            found = self._entries.get(_key(key))
        except TypeError:  # a list or map is nobody's key
            return MISSING
        return MISSING if found is None else found[1]

    def keys(self) -> Iterator[Value]:
        """The keys, in the order in which they were written."""
        return (key for key, _ in self._entries.values())

    def items(self) -> Iterator[tuple[Value, Value]]:
        """Keys and values."""
        return iter(self._entries.values())

    def insert(self, key: Value, value: Value) -> None:
        """Add an entry, while the map is being built."""
        if self.find(key) is not MISSING:
            raise EvaluationError(f"insert failed: key {shown(key)} already exists")
        self._entries[_key(key)] = (key, value)


class SetList(list[Value]):
    """What ``+`` makes of a list-set."""

    __slots__ = ()


class KeyedList(list[Value]):
    """What ``+`` makes of a list-map."""

    __slots__ = ("keys",)

    def __init__(self, items: Iterable[Value], keys: tuple[str, ...]) -> None:
        super().__init__(items)
        self.keys = keys


def _key(key: Value) -> Value:
    """Python takes True for 1, which CEL does not."""
    return (key,) if isinstance(key, bool) else key


class Typed:
    """The base of values whose type only has a name: quantities, addresses, named formats."""

    __slots__ = ()
    type_name: str

    def equals(self, other: Value) -> bool:
        """Whether the other is the same value.

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
    """Tell the CEL name of a class of values that is defined elsewhere."""
    _NAMES[cls] = name


def type_name(value: Value) -> str:
    """The name of a value's type: ``int``, ``google.protobuf.Duration``."""
    name = _NAMES.get(type(value))
    return name if name is not None else value.type_name


def shown(value: Value) -> str:
    """``%v`` of a value.

    Raises:
        UndecidedError: where Go would print the inside of its own structures.
    """
    if isinstance(value, bool | int | float | str):
        return gotext.plain(value)
    if isinstance(value, TypeValue):
        return value.name
    if value is None:
        return "0"  # types.Null is a number to Go
    raise UndecidedError(f"a message that quotes a value of type {type_name(value)}")


def no_such_overload(function: str = "", arguments: Iterable[Value] = ()) -> EvaluationError:
    """What cel-go says of arguments that a function does not take."""
    if not function:
        return EvaluationError("no such overload")
    types = ", ".join(map(type_name, arguments))
    return EvaluationError(f"no such overload: {function}({types})")
