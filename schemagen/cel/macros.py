"""Macros over lists and maps: ``all``, ``exists``, ``exists_one``, ``map``, ``filter`` and so on.

The parser expands macros of one variable to folds, recognized here by their shape, and leaves those
of two variables as calls. Which error a macro reports follows cel-go's fold.
"""

import dataclasses
from collections.abc import Callable, Iterable
from typing import TypeAlias

from schemagen.cel import kinds, syntax
from schemagen.cel.data import LISTS, MAPS, Node
from schemagen.cel.kinds import Code, Compiler, Frame
from schemagen.cel.library.lists import sorted_by
from schemagen.cel.values import (
    BreakdownError,
    EvaluationError,
    Map,
    Value,
    no_such_overload,
    type_name,
)
from schemagen.problems import JSON

_IS_LIST, _IS_MAP = frozenset(LISTS), frozenset(MAPS)


_Macro: TypeAlias = Callable[[Compiler, syntax.Call, kinds.Scope], Code]


@dataclasses.dataclass(frozen=True, slots=True)
class _Bound:
    """The range of a macro, and the frame slot of each item."""

    items: Callable[[Frame], Iterable[Value]]
    place: int


def fold(compiler: Compiler, expr: syntax.Fold, scope: kinds.Scope) -> Code:
    """Compile the parser's expansion of a macro."""
    if expr.condition == syntax.Const(value=False):
        return _bind(compiler, expr, scope)
    unique = _uniqueness(compiler, expr, scope)
    bound, inner = _over_single(compiler, expr, scope)
    step = expr.step
    assert isinstance(step, syntax.Call)  # noqa: S101 - of every macro
    generic = _folded(compiler, step, bound, inner)
    return generic if unique is None else unique(generic)


def _folded(compiler: Compiler, step: syntax.Call, bound: _Bound, inner: kinds.Scope) -> Code:
    if step.function in {"_&&_", "_||_"}:
        body = compiler.compile(step.arguments[1], inner)
        return _quantified(bound, body, decisive=step.function == "_||_")
    if step.function == "_+_":
        return _mapped(bound, compiler.compile(_added(step), inner))
    condition, yes, _ = step.arguments
    test = compiler.compile(condition, inner)
    assert isinstance(yes, syntax.Call)  # noqa: S101 - of every macro
    if isinstance(yes.arguments[1], syntax.Const):
        return _exists_one(bound, test)
    return _filtered(bound, test, compiler.compile(_added(yes), inner))


def _added(step: syntax.Call) -> syntax.Expr:
    added = step.arguments[1]
    assert isinstance(added, syntax.ListOf)  # noqa: S101 - of every macro
    return added.elements[0]


def _bind(compiler: Compiler, expr: syntax.Fold, scope: kinds.Scope) -> Code:
    """Compile ``optMap`` and ``optFlatMap``: a variable for the optional's value."""
    place = compiler.place()
    start = compiler.compile(expr.start, scope)
    variable = kinds.Variable(place, kinds.of(expr.start, scope))
    result = compiler.compile(expr.result, {**scope, expr.result_name: variable})

    def bind(frame: Frame) -> Value:
        frame[place] = start(frame)
        return result(frame)

    return bind


def _over_single(
    compiler: Compiler, expr: syntax.Fold, scope: kinds.Scope
) -> tuple[_Bound, kinds.Scope]:
    """Bind a variable to the items of a source; items of data are read lazily."""
    place, kind = compiler.place(), kinds.item(kinds.of(expr.source, scope))
    raw = compiler.raw(expr.source, scope)
    if raw is not None and raw[1].items is not None:
        variable = kinds.Variable(place, raw[1].items, is_raw=True)
        return _Bound(raw[0], place), {**scope, expr.variable: variable}
    source = compiler.compile(expr.source, scope)
    bound = _Bound(lambda frame: _items(source(frame)), place)
    return bound, {**scope, expr.variable: kinds.Variable(place, kind)}


def _items(value: Value) -> Iterable[Value]:
    kind = type(value)
    if kind in _IS_LIST:
        return value  # type: ignore[no-any-return] # a list
    if kind in _IS_MAP:
        return value.keys()  # type: ignore[no-any-return] # an iterator
    raise EvaluationError(f"got '{_GO_TYPES[type_name(value)]}', expected iterable type")


_GO_TYPES = {
    "null_type": "types.Null",
    "bool": "types.Bool",
    "int": "types.Int",
    "uint": "types.Uint",
    "double": "types.Double",
    "string": "types.String",
    "bytes": "types.Bytes",
    "type": "*types.Type",
    "google.protobuf.Timestamp": "types.Timestamp",
    "google.protobuf.Duration": "types.Duration",
    "optional_type": "*types.Optional",
    "kubernetes.Quantity": "cel.Quantity",
    "kubernetes.URL": "cel.URL",
    "kubernetes.Semver": "cel.Semver",
    "kubernetes.NamedFormat": "cel.Format",
    "net.IP": "cel.IP",
    "net.CIDR": "cel.CIDR",
}


def _quantified(bound: _Bound, body: Code, *, decisive: bool) -> Code:
    """Compile ``all`` and ``exists``: a decisive item wins; else the first error is the outcome."""
    items, place, other = bound.items, bound.place, not decisive

    def decide(frame: Frame) -> bool:
        failure = None
        for item in items(frame):
            frame[place] = item
            try:
                value = body(frame)
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


def _true(value: Value) -> bool:
    if value is True or value is False:
        return bool(value)
    raise no_such_overload()


def _exists_one(bound: _Bound, test: Code) -> Code:
    """Compile ``exists_one``: every item is tested, and the last error is the outcome."""
    items, place = bound.items, bound.place

    def decide(frame: Frame) -> bool:
        count, failure = 0, None
        for item in items(frame):
            frame[place] = item
            try:
                count += _true(test(frame))
            except EvaluationError as error:
                failure = error
        if failure is not None:
            raise failure
        return count == 1

    return decide


def _mapped(bound: _Bound, transform: Code) -> Code:
    items, place = bound.items, bound.place

    def collect(frame: Frame) -> list[Value]:
        collected = []
        for item in items(frame):
            frame[place] = item
            collected.append(transform(frame))
        return collected

    return collect


def _filtered(bound: _Bound, test: Code, transform: Code) -> Code:
    def collect(frame: Frame) -> list[Value]:
        items: list[Value] = []
        _collect(bound, test, frame, lambda: items.append(transform(frame)))
        return items

    return collect


def _collect(bound: _Bound, test: Code, frame: Frame, take: Callable[[], object]) -> None:
    """Collect matching items. A test's error replaces the result; a transform's only a success."""
    failure: EvaluationError | None = None
    for item in bound.items(frame):
        frame[bound.place] = item
        try:
            passes = _true(test(frame))
        except EvaluationError as error:
            failure = error
            continue
        if passes and failure is None:
            try:
                take()
            except EvaluationError as error:
                failure = error
    if failure is not None:
        raise failure


def _uniqueness(
    compiler: Compiler, expr: syntax.Fold, scope: kinds.Scope
) -> Callable[[Code], Code] | None:
    """Compile ``list.all(x, list.exists_one(y, x.key == y.key))`` in linear time for simple keys.

    Lists of hundreds of items are within the API server's budget, but quadratic in Python.
    """
    compared = _compared(expr)
    if compared is None:
        return None
    inner, key = compared
    bound, scope_of_key = _over_single(compiler, inner, scope)
    keys_of = _mapped(bound, compiler.compile(key, scope_of_key))

    def unique(generic: Code) -> Code:
        def decide(frame: Frame) -> Value:
            try:
                keys = keys_of(frame)
            except EvaluationError:
                return generic(frame)
            if {type(key) for key in keys} <= _HASHED:
                return len({(type(key), key) for key in keys}) == len(keys)
            return generic(frame)

        return decide

    return unique


_HASHED = frozenset((str, bool, int, bytes))


def _compared(expr: syntax.Fold) -> tuple[syntax.Fold, syntax.Expr] | None:
    """Return the inner fold of a uniqueness rule, and its compared key of the inner variable."""
    match expr.step:
        case syntax.Call("_&&_", (_, syntax.Fold() as inner)):
            pass
        case _:
            return None
    match inner.step:
        case syntax.Call("_?_:_", (syntax.Call("_==_", (left, right)), syntax.Call("_+_"), _)):
            pass
        case _:
            return None
    source = _path(expr.source)
    # The outer variable may shadow the first name of the source.
    is_same = inner.source == expr.source and source and source[0] != expr.variable
    if not is_same or inner.variable == expr.variable:
        return None
    paths = [_path(left), _path(right)]
    expected = [(expr.variable, *paths[0][1:]), (inner.variable, *paths[0][1:])]
    if sorted(paths) != sorted(expected) or len(paths[0]) == 0:
        return None
    return inner, left if paths[0][0] == inner.variable else right


def _path(expr: syntax.Expr) -> tuple[str, ...]:
    """Return the names of ``x.a.b``, or none for any other expression."""
    match expr:
        case syntax.Ident(name):
            return (name,)
        case syntax.Select(operand, field, False):
            before = _path(operand)
            return (*before, field) if before else ()
        case _:
            return ()


# Macros that the parser leaves as calls.


def find(expr: syntax.Call) -> _Macro | None:
    """Return the macro of a call, if it is one."""
    if expr.target is None:
        return None
    return _CALLS.get((expr.function, len(expr.arguments)))


def _name(expr: syntax.Expr) -> str:
    return expr.name if isinstance(expr, syntax.Ident) else ""


def _one_variable(compiler: Compiler, expr: syntax.Call, scope: kinds.Scope) -> Code:
    bound, inner = _over_single(compiler, _as_fold(expr), scope)
    return _exists_one(bound, compiler.compile(expr.arguments[1], inner))


def _as_fold(expr: syntax.Call) -> syntax.Fold:
    """Return a fold with just enough fields to range over one variable."""
    assert expr.target is not None  # noqa: S101 - a method
    nothing = syntax.Const(None)
    return syntax.Fold(
        variable=_name(expr.arguments[0]),
        source=expr.target,
        result_name="",
        start=nothing,
        condition=nothing,
        step=nothing,
        result=nothing,
    )


def _sort_by(compiler: Compiler, expr: syntax.Call, scope: kinds.Scope) -> Code:
    assert expr.target is not None  # noqa: S101 - a method
    source = unbroken(compiler.compile(expr.target, scope))
    bound, inner = _over_single(compiler, _as_fold(expr), scope)
    key = compiler.compile(expr.arguments[1], inner)

    keys = unbroken(_mapped(bound, key))

    def sort(frame: Frame) -> Value:
        items = source(frame)
        values = keys(frame)
        return sorted_by(list(items), values) if values else []

    return sort


def unbroken(operand: Code) -> Code:
    """Wrap an operand whose error panics in the API server: cel-go 0.29 counts its items first."""

    def read(frame: Frame) -> Value:
        try:
            return operand(frame)
        except EvaluationError as error:
            what = "interface conversion: *types.Err is not traits.Lister: missing method Add"
            raise BreakdownError(f"internal error: {what}") from error

    return read


def _over_two(
    compiler: Compiler, expr: syntax.Call, scope: kinds.Scope
) -> tuple[_Bound, kinds.Scope]:
    """Bind variables to indexes and items, or to keys and values: the parts of a pair."""
    assert expr.target is not None  # noqa: S101 - a method
    place, kind = compiler.place(), kinds.of(expr.target, scope)
    raw = compiler.raw(expr.target, scope)
    source = raw[0] if raw is not None else compiler.compile(expr.target, scope)
    values = kind.values if isinstance(kind, Node) else None
    first = kinds.Variable(place, "int" if values is None else "string", part=0)
    second = kinds.Variable(place, values or kinds.item(kind), part=1, is_raw=raw is not None)
    names = {_name(expr.arguments[0]): first, _name(expr.arguments[1]): second}
    pairs = _pairs if raw is None else _raw_pairs
    return _Bound(lambda frame: pairs(source(frame)), place), {**scope, **names}


def _raw_pairs(raw: JSON) -> Iterable[tuple[Value, JSON]]:
    return raw.items() if isinstance(raw, dict) else enumerate(raw)


def _pairs(value: Value) -> Iterable[tuple[Value, Value]]:
    kind = type(value)
    if kind in _IS_MAP:
        return ((key, value.find(key)) for key in value.keys())  # noqa: SIM118 - no dict
    if kind in _IS_LIST:
        return enumerate(value)
    go_type = _GO_TYPES[type_name(value)]
    raise EvaluationError(f"unsupported comprehension range type: {go_type}")


def _quantified_two(compiler: Compiler, expr: syntax.Call, scope: kinds.Scope) -> Code:
    bound, inner = _over_two(compiler, expr, scope)
    body = compiler.compile(expr.arguments[2], inner)
    if expr.function in {"existsOne", "exists_one"}:
        return _exists_one(bound, body)
    return _quantified(bound, body, decisive=expr.function == "exists")


def _last(compiler: Compiler, expr: syntax.Call, inner: kinds.Scope) -> tuple[Code | None, Code]:
    """Return the optional test, and the transform."""
    *tests, transform = (compiler.compile(argument, inner) for argument in expr.arguments[2:])
    return (tests[0] if tests else None), transform


def _transform_list(compiler: Compiler, expr: syntax.Call, scope: kinds.Scope) -> Code:
    bound, inner = _over_two(compiler, expr, scope)
    test, transform = _last(compiler, expr, inner)
    return _mapped(bound, transform) if test is None else _filtered(bound, test, transform)


def _transform_map(compiler: Compiler, expr: syntax.Call, scope: kinds.Scope) -> Code:
    bound, inner = _over_two(compiler, expr, scope)
    test, transform = _last(compiler, expr, inner)
    is_entry = expr.function == "transformMapEntry"

    def build(frame: Frame) -> Map:
        result = Map()

        def insert() -> None:
            value = transform(frame)
            pairs = value.items() if is_entry else ((frame[bound.place][0], value),)
            for key, item in pairs:
                result.insert(key, item)

        if test is not None:
            _collect(bound, test, frame, insert)
        else:
            for item in bound.items(frame):
                frame[bound.place] = item
                insert()
        return result

    return build


_CALLS: dict[tuple[str, int], _Macro] = {
    ("existsOne", 2): _one_variable,
    ("sortBy", 2): _sort_by,
    ("all", 3): _quantified_two,
    ("exists", 3): _quantified_two,
    ("existsOne", 3): _quantified_two,
    ("exists_one", 3): _quantified_two,
    ("transformList", 3): _transform_list,
    ("transformList", 4): _transform_list,
    ("transformMap", 3): _transform_map,
    ("transformMap", 4): _transform_map,
    ("transformMapEntry", 3): _transform_map,
    ("transformMapEntry", 4): _transform_map,
}
