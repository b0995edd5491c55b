"""Calls beyond plain functions: operators, conditionals, optionals, patterns, overloads."""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from schemagen.cel import kinds, operators, syntax
from schemagen.cel.kinds import Code, Compiler, Frame
from schemagen.cel.library import FUNCTIONS, regexes
from schemagen.cel.library.registry import Overloads
from schemagen.cel.values import (
    MISSING,
    EvaluationError,
    Optional,
    UndecidedError,
    Value,
    no_such_overload,
)


class UnsupportedError(Exception):
    """A rule cannot be compiled; the message says why."""


def dotted(expr: syntax.Expr) -> str:
    """Return ``a.b.c``, or an empty string for anything but a name."""
    match expr:
        case syntax.Ident(name):
            return name
        case syntax.Select(operand, field, False):
            before = dotted(operand)
            return f"{before}.{field}" if before else ""
        case _:
            return ""


def resolved(expr: syntax.Call, scope: kinds.Scope) -> tuple[Overloads, tuple[syntax.Expr, ...]]:
    """Return the called function and all of its arguments.

    Raises:
        UnsupportedError: if there is no such function.
    """
    name = expr.function
    if expr.target is not None:
        namespace = dotted(expr.target)
        if namespace.partition(".")[0] not in scope and f"{namespace}.{name}" in FUNCTIONS:
            return _taking(f"{namespace}.{name}", expr.arguments)
        return _taking(name, (expr.target, *expr.arguments))
    return _taking(name, expr.arguments)


def _taking(
    name: str, operands: tuple[syntax.Expr, ...]
) -> tuple[Overloads, tuple[syntax.Expr, ...]]:
    overloads = FUNCTIONS.get(name)
    if overloads is None or not overloads.takes(len(operands)):
        raise UnsupportedError(f"expected a known function, got {name!r} of {len(operands)}")
    return overloads, operands


def invocation(overloads: Overloads, operands: list[Code]) -> Code:
    """Return a call of the overload that matches the arguments' types."""
    match operands:
        case [operand]:

            def call_one(frame: Frame) -> Value:
                value = operand(frame)
                return overloads[(type(value),)](value)

            return call_one
        case [first, second]:

            def call_two(frame: Frame) -> Value:
                value, other = first(frame), second(frame)
                return overloads[type(value), type(other)](value, other)

            return call_two
        case _:

            def call(frame: Frame) -> Value:
                values = [code(frame) for code in operands]
                return overloads[tuple(map(type, values))](*values)

            return call


def total(items: Code, overloads: Overloads, item: kinds.Kind) -> Code:
    """Return the sum of a list; of an empty one, the zero of its static item type."""

    def add(frame: Frame) -> Value:
        value = items(frame)
        if type(value) is not str and hasattr(value, "__len__") and not len(value):
            return kinds.zero(item)
        return overloads[(type(value),)](value)

    return add


def _and(compiler: Compiler, expr: syntax.Call, scope: kinds.Scope) -> Code:
    return _logical([compiler.compile(term, scope) for term in _terms(expr)], decisive=False)


def _or(compiler: Compiler, expr: syntax.Call, scope: kinds.Scope) -> Code:
    return _logical([compiler.compile(term, scope) for term in _terms(expr)], decisive=True)


def _terms(expr: syntax.Call) -> list[syntax.Expr]:
    """Flatten ``a && b && c`` to three terms; the parser builds a balanced tree."""
    terms: list[syntax.Expr] = []
    for argument in expr.arguments:
        if isinstance(argument, syntax.Call) and argument.function == expr.function:
            terms += _terms(argument)
        else:
            terms.append(argument)
    return terms


def _logical(terms: list[Code], *, decisive: bool) -> Code:
    """Evaluate terms until a decisive one, which absorbs errors before and after it."""
    other = not decisive

    def decide(frame: Frame) -> bool:
        failure = None
        for term in terms:
            try:
                value = term(frame)
            except EvaluationError as error:
                failure = failure or error
                continue
            if value is decisive:
                return not other
            if value is not other:
                failure = failure or no_such_overload()
        if failure is not None:
            raise failure
        return other

    return decide


def _conditional(compiler: Compiler, expr: syntax.Call, scope: kinds.Scope) -> Code:
    condition, yes, no = (compiler.compile(argument, scope) for argument in expr.arguments)

    def choose(frame: Frame) -> Value:
        value = condition(frame)
        if value is True:
            return yes(frame)
        if value is False:
            return no(frame)
        raise no_such_overload()

    return choose


def _binary(compiler: Compiler, expr: syntax.Call, scope: kinds.Scope) -> Code:
    left, right = (compiler.compile(argument, scope) for argument in expr.arguments)
    function = operators.BINARY[expr.function]
    compare = operators.PLAIN.get(expr.function)
    if compare is None:
        return lambda frame: function(left(frame), right(frame))

    def decide(frame: Frame) -> bool:
        value, other = left(frame), right(frame)
        kind = type(value)
        # The common case, as fast as Python.
        if kind is type(other) and (kind is str or kind is int):
            return compare(value, other)
        return bool(function(value, other))

    return decide


def _unary(compiler: Compiler, expr: syntax.Call, scope: kinds.Scope) -> Code:
    operand = compiler.compile(expr.arguments[0], scope)
    function = operators.UNARY[expr.function]
    return lambda frame: function(operand(frame))


def _index(compiler: Compiler, expr: syntax.Call, scope: kinds.Scope) -> Code:
    container, key = (compiler.compile(argument, scope) for argument in expr.arguments)
    function = operators.get if expr.function == "_[_]" else operators.get_optional
    return lambda frame: function(container(frame), key(frame))


def _or_value(compiler: Compiler, expr: syntax.Call, scope: kinds.Scope) -> Code:
    """Compile ``optional.or(optional)`` and ``optional.orValue(value)``, which short-circuit."""
    assert expr.target is not None  # noqa: S101 - a method
    first = compiler.compile(expr.target, scope)
    second = compiler.compile(expr.arguments[0], scope)
    is_value = expr.function == "orValue"

    def choose(frame: Frame) -> Value:
        result = first(frame)
        if type(result) is not Optional:
            raise no_such_overload()
        if result.value is MISSING:
            return second(frame)
        return result.value if is_value else result

    return choose


def _matched(compiler: Compiler, expr: syntax.Call, scope: kinds.Scope) -> Code:
    """Compile a pattern search; cel-go precompiles a literal, with shorter error messages."""
    overloads, operands = resolved(expr, scope)
    compiled = [compiler.compile(operand, scope) for operand in operands]
    search_or_fail = invocation(overloads, compiled)
    pattern = operands[1]
    if not isinstance(pattern, syntax.Const) or not isinstance(pattern.value, str):
        return search_or_fail
    try:
        search = regexes.compiled(pattern.value).search
    except UndecidedError as error:
        raise UnsupportedError(str(error)) from error
    text = compiled[0]

    def refuse_others(frame: Frame) -> Value:
        if type(text(frame)) is not str:
            raise no_such_overload()
        return search_or_fail(frame)

    def match(frame: Frame) -> bool:
        value = text(frame)
        if type(value) is not str:
            raise no_such_overload()
        return search(value) is not None

    return match if expr.function == "matches" else refuse_others


_Special: TypeAlias = Callable[[Compiler, syntax.Call, kinds.Scope], Code]
SPECIAL: Final[Mapping[tuple[str, int, bool], _Special]] = {
    ("_&&_", 2, False): _and,
    ("_||_", 2, False): _or,
    ("_?_:_", 3, False): _conditional,
    ("_[_]", 2, False): _index,
    ("_[?_]", 2, False): _index,
    ("_?._", 2, False): _index,
    ("matches", 1, True): _matched,
    ("matches", 2, False): _matched,
    ("find", 1, True): _matched,
    ("findAll", 1, True): _matched,
    ("findAll", 2, True): _matched,
    ("or", 1, True): _or_value,
    ("orValue", 1, True): _or_value,
    **{(name, 2, False): _binary for name in operators.BINARY},
    **{(name, 1, False): _unary for name in operators.UNARY},
}
"""Calls by name, number of arguments, and whether there is a target."""
