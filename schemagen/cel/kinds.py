"""Variables of compiled rules, and static types as far as ``sum()`` needs them.

The API server's own compiler checks types, through the judge, when a CRD is generated.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias

from schemagen.cel import syntax
from schemagen.cel.data import Node
from schemagen.cel.values import Duration, Uint, UndecidedError, Value
from schemagen.model import cel_identifiers

Frame: TypeAlias = list[Value]
"""Variable values during the evaluation of a rule."""

Code: TypeAlias = Callable[[Frame], Value]
"""A compiled expression."""


@dataclasses.dataclass(frozen=True, slots=True)
class ListKind:
    """A list made by an expression."""

    item: "Kind"


Kind: TypeAlias = Node | ListKind | str
"""A schema node, a list, or the name of a scalar type; ``""`` is anything."""


@dataclasses.dataclass(frozen=True, slots=True)
class Variable:
    """A variable.

    Attributes:
        place: Slot in the frame.
        kind: Its type.
        part: Index in the pair in the frame, if any.
        is_raw: Whether the frame holds JSON, still to be read as its kind, a Node.
    """

    place: int
    kind: Kind
    part: int | None = None
    is_raw: bool = False


Scope: TypeAlias = Mapping[str, Variable]


class Compiler(Protocol):
    """Interface of the compiler for calls and macros, which it calls itself."""

    def compile(self, expr: syntax.Expr, scope: Scope) -> Code:
        """Return the closure of an expression."""

    def raw(self, expr: syntax.Expr, scope: Scope) -> tuple[Code, Node] | None:
        """Return a closure yielding raw JSON of an object, map or list reached by names alone."""

    def place(self) -> int:
        """Allocate a new slot in the frame."""


_ZEROS: Mapping[str, Value] = {
    "int": 0,
    "uint": Uint(0),
    "double": 0.0,
    "duration": Duration(0),
}
# An empty list of int-or-string takes the first overload, that of integers.
_RESULTS = {
    "int": "int",
    "uint": "uint",
    "double": "double",
    "duration": "duration",
    "size": "int",
    "indexOf": "int",
    "lastIndexOf": "int",
    "asInteger": "int",
    "asApproximateFloat": "double",
}
_OF_ITEMS = frozenset(("sum", "min", "max"))
_SAME_AS_FIRST = frozenset(("_+_", "_-_", "_*_", "_/_", "_%_", "-_"))


def zero(item: Kind) -> Value:
    """Return the sum of an empty list of a type.

    Raises:
        UndecidedError: if the type is unknown.
    """
    name = name_of(item)
    if name not in _ZEROS:
        raise UndecidedError("the sum of an empty list whose item type is unknown")
    return _ZEROS[name]


def name_of(kind: Kind) -> str:
    """Return the name of a scalar type; empty for others."""
    if isinstance(kind, Node):
        return "int" if kind.kind == "dyn" else kind.kind
    return kind if isinstance(kind, str) else ""


def item(kind: Kind) -> Kind:
    """Return the type of a macro's variable over a value of this type."""
    if isinstance(kind, ListKind):
        return kind.item
    if isinstance(kind, Node):
        return kind.items or ("string" if kind.kind == "map" else "")
    return ""


def of(expr: syntax.Expr, scope: Scope) -> Kind:
    """Return the static type of an expression, for simple cases."""
    match expr:
        case syntax.Const(value):
            kind: Kind = _CONSTANTS.get(type(value), "")
        case syntax.Ident(name) if name in scope:
            kind = scope[name].kind
        case syntax.Select(operand, field, False):
            kind = _member(of(operand, scope), field)
        case syntax.ListOf(elements) if elements:
            kind = ListKind(of(elements[0], scope))
        case syntax.Call():
            kind = _call(expr, scope)
        case syntax.Fold():
            kind = _fold(expr, scope)
        case _:
            kind = ""
    return kind


_CONSTANTS: Mapping[type, str] = {int: "int", Uint: "uint", float: "double"}


def _member(kind: Kind, field: str) -> Kind:
    if not isinstance(kind, Node):
        return ""
    if kind.values is not None:
        return kind.values
    property_ = cel_identifiers.unescaped(field)
    return kind.properties.get(property_, "") if property_ is not None else ""


def _call(expr: syntax.Call, scope: Scope) -> Kind:
    if expr.function in _RESULTS:
        return _RESULTS[expr.function]
    if expr.function == "_[_]":
        container = of(expr.arguments[0], scope)
        if isinstance(container, Node) and container.values is not None:
            return container.values
        return item(container)
    if expr.function in _OF_ITEMS and expr.target is not None:
        return item(of(expr.target, scope))
    if expr.function in _SAME_AS_FIRST:
        return of(expr.arguments[0], scope)
    return ""


def _fold(expr: syntax.Fold, scope: Scope) -> Kind:
    """Return the type of ``map`` and ``filter``: a list of what they add to the result."""
    step = expr.step
    if isinstance(step, syntax.Call) and step.function == "_?_:_":
        step = step.arguments[1]
    if not isinstance(step, syntax.Call) or step.function != "_+_":
        return ""
    added = step.arguments[1]
    variable = Variable(0, item(of(expr.source, scope)))
    return of(added, {**scope, expr.variable: variable})
