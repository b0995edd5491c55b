"""Registry of functions, by name and argument types."""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias, TypeVar

from schemagen.cel.data import LISTS, MAPS
from schemagen.cel.values import Value, no_such_overload

Function: TypeAlias = Callable[..., Value]
Parameter: TypeAlias = type | Sequence[type] | None

LIST: Final = LISTS
MAP: Final = MAPS
ANY: Final = None
"""A parameter that accepts every type."""

_F = TypeVar("_F", bound=Callable[..., Any])


class Overloads(dict[tuple[type, ...], Function]):
    """The implementations of one name, by the Python types of the arguments.

    Resolved types are cached.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self._signatures: list[tuple[tuple[frozenset[type] | None, ...], Function]] = []

    def add(self, parameters: Sequence[Parameter], function: Function) -> None:
        """Add an implementation; the first match wins."""
        self._signatures.append((tuple(map(_types, parameters)), function))

    def takes(self, count: int) -> bool:
        """Return whether any of them has this number of parameters."""
        return any(len(parameters) == count for parameters, _ in self._signatures)

    def __missing__(self, types: tuple[type, ...]) -> Function:
        overload = next(
            (function for parameters, function in self._signatures if _fits(parameters, types)),
            self._refuse,
        )
        self[types] = overload
        return overload

    def _refuse(self, *arguments: Value) -> Value:
        raise no_such_overload(self.name, arguments)


def _types(parameter: Parameter) -> frozenset[type] | None:
    if parameter is None:
        return None
    return frozenset((parameter,) if isinstance(parameter, type) else parameter)


def _fits(parameters: Sequence[frozenset[type] | None], types: Sequence[type]) -> bool:
    return len(parameters) == len(types) and all(
        parameter is None or type_ in parameter
        for parameter, type_ in zip(parameters, types, strict=True)
    )


FUNCTIONS: Final[dict[str, Overloads]] = {}
"""All functions and methods by name, including namespaces: ``sets.contains``."""


def function(name: str, *parameters: Parameter) -> Callable[[_F], _F]:
    """Register an implementation; the first parameter of a method is its target."""

    def declare(implementation: _F) -> _F:
        FUNCTIONS.setdefault(name, Overloads(name)).add(parameters, implementation)
        return implementation

    return declare
