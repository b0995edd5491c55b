"""Type checks of a declaration's fields against their annotations.

An Api is written by hand, often without a type checker. A missing comma, or a string where a tuple
belongs, would fail later and elsewhere: here it is an error with its correction.
"""

import collections.abc
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import typing_extensions

from schemagen.problems import UserError, quoted


class DeclarationError(UserError, ValueError):
    """An Api is declared incorrectly; read by its author, one line for each fault."""


def check(declared: Any) -> None:
    """Check every field of a dataclass against its annotation; lists become tuples.

    Raises:
        DeclarationError: with a line for each mismatching field.
    """
    faults = []
    for name, hint in _hints(type(declared)).items():
        value = getattr(declared, name)
        if _is_tuple(hint) and isinstance(value, list):
            value = tuple(value)
            object.__setattr__(declared, name, value)  # still in the constructor
        faults += [f"{_where(declared, name)}: {fault}" for fault in _faults(value, hint)]
    refuse(faults)


def refuse(faults: collections.abc.Sequence[str]) -> None:
    """Raise a DeclarationError if there are any faults."""
    if faults:
        raise DeclarationError("\n".join(faults))


_HINTS: dict[type, dict[str, Any]] = {}


def _hints(declared: type) -> dict[str, Any]:
    if declared not in _HINTS:
        _HINTS[declared] = typing.get_type_hints(declared)
    return _HINTS[declared]


def _where(declared: Any, field: str) -> str:
    """``Kind('Widget', versions=...)``."""
    name = getattr(declared, "name", None)
    subject = f"{quoted(name)}, " if isinstance(name, str) and field != "name" else ""
    return f"{type(declared).__name__}({subject}{field}=...)"


def _faults(value: Any, hint: Any) -> Iterator[str]:
    """Yield what is wrong with a value, and what to write instead."""
    origin = typing.get_origin(hint)
    if _is_tuple(hint):
        yield from _tuple_faults(value, typing.get_args(hint)[0])
    elif origin is collections.abc.Mapping:
        yield from _mapping_faults(value, *typing.get_args(hint))
    elif not _fits(value, hint):
        yield f"expected {_name(hint)}, got {_described(value)}{_way_out(value, hint)}"


def _tuple_faults(value: Any, item: Any) -> Iterator[str]:
    expected = f"expected a tuple of {_plural(item)}, got"
    if not isinstance(value, tuple):
        is_item = _fits(value, item)
        written = repr(value) if isinstance(value, str) else f"{type(value).__name__}(...)"
        way_out = f"; write ({written},), with the comma" if is_item else ""
        yield f"{expected} {_described(value)}{way_out}"
        return
    for index, element in enumerate(value):
        if not _fits(element, item):
            yield f"{expected} {_described(element)} at [{index}]{_way_out(element, item)}"


def _mapping_faults(value: Any, key: Any, item: Any) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield f"expected a dict, got {_described(value)}"
        return
    for name, element in value.items():
        if not _fits(name, key):
            yield f"expected {_name(key)} as key, got {_described(name)}"
        elif not _fits(element, item):
            yield f"expected {_name(item)} at {quoted(name)}, got {_described(element)}"


def _fits(value: Any, hint: Any) -> bool:
    if hint is Any:
        return True
    origin = typing.get_origin(hint)
    if origin in {typing.Union, types.UnionType}:
        return any(_fits(value, argument) for argument in typing.get_args(hint))
    test = _TESTS.get(origin)
    if test is not None:
        return test(value, typing.get_args(hint))
    if typing_extensions.is_protocol(hint):
        return not isinstance(value, type) and all(
            hasattr(value, name) for name in typing_extensions.get_protocol_members(hint)
        )
    # bool is a subclass of int in Python, but not a valid count.
    return isinstance(value, origin or hint) and (hint is bool or not isinstance(value, bool))


_TESTS: Mapping[Any, Callable[[Any, tuple[Any, ...]], bool]] = {
    typing.Literal: lambda value, words: any(
        value is word or (type(value) is type(word) and value == word) for word in words
    ),
    type: lambda value, bases: isinstance(value, type) and issubclass(value, bases[0]),
    collections.abc.Callable: lambda value, _: callable(value),
    collections.abc.Mapping: lambda value, _: isinstance(value, Mapping),
    tuple: lambda value, _: isinstance(value, tuple),
}


def _is_tuple(hint: Any) -> bool:
    """Return whether it is a homogeneous tuple; a pair is not."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    return origin is collections.abc.Sequence or (origin is tuple and arguments[1:] == (...,))


def _name(hint: Any) -> str:
    """Return a type in words: ``a Rules``, ``one of 'Namespaced', 'Cluster'``, ``a function``."""
    origin = typing.get_origin(hint)
    arguments = typing.get_args(hint)
    if origin in {typing.Union, types.UnionType}:
        return " or ".join(map(_name, arguments))
    if origin is typing.Literal:
        words = ", ".join(map(repr, arguments))
        return f"one of {words}" if len(arguments) > 1 else words
    if origin is type:
        return f"a subclass of {arguments[0].__name__}"
    if origin is collections.abc.Callable:
        return "a function"
    return _WORDS.get(hint) or f"a {hint.__name__}"


_WORDS: Mapping[Any, str] = {
    str: "a string",
    int: "an integer",
    bool: "True or False",
    types.NoneType: "None",
}


def _plural(hint: Any) -> str:
    if hint is str:
        return "strings"
    return f"{hint.__name__}s" if isinstance(hint, type) else _name(hint)


def _described(value: Any) -> str:
    """Describe a value briefly: ``a Kind``, ``'all'``, ``the class Widget``."""
    if value is None or isinstance(value, str | bool | int | float):
        return quoted(value)
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if isinstance(value, tuple | list):
        return f"{'an empty' if not value else 'a'} {type(value).__name__}"
    name = type(value).__name__
    return "a function" if callable(value) else f"{'an' if name[0] in 'AEIO' else 'a'} {name}"


def _way_out(value: Any, hint: Any) -> str:
    """Return a hint for common mistakes."""
    if isinstance(value, type) and isinstance(hint, type) and issubclass(value, hint):
        return f"; write {value.__name__}(...)"
    if isinstance(value, tuple) and len(value) == 1 and _fits(value[0], hint):
        return "; leave out the comma after it"
    return ""
