"""A rule's tree as Python closures: what they read of the data is what the rule looks at.

Each closure takes the frame, a list of the variables' values: ``self``, ``oldSelf``, and one place
for each variable of a macro. Errors of the evaluation are exceptions.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from schemagen.cel import kinds, macros, operators, syntax
from schemagen.cel.data import Node
from schemagen.cel.kinds import Code, Frame
from schemagen.cel.library import FUNCTIONS, regexes
from schemagen.cel.library.registry import Overloads
from schemagen.cel.values import (
    MISSING,
    EvaluationError,
    Map,
    Optional,
    TypeValue,
    UndecidedError,
    Value,
    no_such_overload,
    shown,
)

SELF: Final = 0
OLD_SELF: Final = 1

_TYPES = {
    name: TypeValue(name)
    for name in (
        "bool",
        "bytes",
        "double",
        "int",
        "list",
        "map",
        "null_type",
        "string",
        "type",
        "uint",
        "google.protobuf.Duration",
        "google.protobuf.Timestamp",
        "kubernetes.NamedFormat",
        "kubernetes.Quantity",
        "kubernetes.Semver",
        "kubernetes.URL",
        "net.CIDR",
        "net.IP",
        "optional_type",
    )
}


class UnsupportedError(Exception):
    """A rule that cannot be compiled; the message says why."""


class Program:
    """A compiled expression.

    Attributes:
        uses_old_self: Whether it mentions ``oldSelf``.
    """

    def __init__(self, text: str, node: Node, *, has_optional_old: bool = False) -> None:
        """Compile.

        Args:
            text: The expression.
            node: Of ``self``.
            has_optional_old: Whether ``oldSelf`` is an optional.

        Raises:
            UnsupportedError: if this evaluator cannot run it.
        """
        try:
            tree = syntax.parse(text)
        except syntax.SyntaxProblemError as error:
            raise UnsupportedError(str(error)) from error
        compiler = Compiler()
        variables = {
            "self": kinds.Variable(SELF, node, is_raw=True),
            "oldSelf": (
                kinds.Variable(OLD_SELF, "")
                if has_optional_old
                else kinds.Variable(OLD_SELF, node, is_raw=True)
            ),
        }
        self._code = compiler.compile(tree, variables)
        self._extra = [MISSING] * (compiler.places - OLD_SELF - 1)
        self.uses_old_self = compiler.uses_old_self

    def run(self, value: Value, old: Value) -> Value:
        """Evaluate for a value and an old value as JSON; the latter may be MISSING or an optional.

        Raises:
            EvaluationError: if the evaluation fails in the API server too.
            UndecidedError: if this evaluator does not know the API server's answer.
        """
        return self._code([value, old, *self._extra])


class Compiler:
    """Compiles one expression; counts the places of its variables."""

    def __init__(self) -> None:
        self.places = OLD_SELF + 1
        self.uses_old_self = False
        self._compilers: Mapping[type, Callable[..., Code]] = {
            syntax.Const: self._const,
            syntax.Ident: self._ident,
            syntax.Select: self._select,
            syntax.Call: self._call,
            syntax.ListOf: self._list,
            syntax.MapOf: self._map,
            syntax.Fold: functools.partial(macros.fold, self),
        }

    def place(self) -> int:
        """A new place in the frame."""
        self.places += 1
        return self.places - 1

    def compile(self, expr: syntax.Expr, scope: kinds.Scope) -> Code:
        """The closure of an expression, with the variables that it sees."""
        return self._compilers[type(expr)](expr, scope)

    def _const(self, expr: syntax.Const, scope: kinds.Scope) -> Code:
        del scope
        return _constant(expr.value)

    def _ident(self, expr: syntax.Ident, scope: kinds.Scope) -> Code:
        name = expr.name
        variable = scope.get(name)
        if variable is None:
            if name in _TYPES:
                return _constant(_TYPES[name])
            raise UnsupportedError(f"expected a variable or a type, got {name!r}")
        found = self._from_frame(variable)
        if not variable.is_raw or not isinstance(variable.kind, Node):
            return found
        return _read(found, variable.kind)

    def _from_frame(self, variable: kinds.Variable) -> Code:
        place, part = variable.place, variable.part
        if place == OLD_SELF:
            self.uses_old_self = True
            return _old_self
        if part is not None:
            return lambda frame: frame[place][part]
        return lambda frame: frame[place]

    def raw(self, expr: syntax.Expr, scope: kinds.Scope) -> tuple[Code, Node] | None:
        """What yields the JSON of an object, map or list that is reached by names alone.

        None if it is reached otherwise, or might be null.
        """
        match expr:
            case syntax.Ident(name) if name in scope and scope[name].is_raw:
                kind = scope[name].kind
                if isinstance(kind, Node) and kind.is_container and not kind.nullable:
                    return self._from_frame(scope[name]), kind
            case syntax.Select(operand, field, False):
                found = self.raw(operand, scope)
                member = found[1].members.get(field) if found is not None else None
                if found is not None and member is not None and member[1].is_container:
                    return _raw_member(found[0], member[0], field), member[1]
        return None

    def _select(self, expr: syntax.Select, scope: kinds.Scope) -> Code:
        dotted = _dotted(expr)
        if dotted in _TYPES and dotted.partition(".")[0] not in scope:
            return _constant(_TYPES[dotted])
        found = self.raw(expr.operand, scope)
        member = found[1].members.get(expr.field) if found is not None else None
        if found is not None and member is not None:
            name, node, _ = member
            if expr.is_test:
                container = found[0]
                return lambda frame: container(frame).get(name) is not None
            return _read(_raw_member(found[0], name, expr.field), node)
        operand = self.compile(expr.operand, scope)
        return _presence(operand, expr.field) if expr.is_test else _field(operand, expr.field)

    def _call(self, expr: syntax.Call, scope: kinds.Scope) -> Code:
        special = _SPECIAL.get((expr.function, len(expr.arguments), expr.target is not None))
        if special is not None:
            return special(self, expr, scope)
        macro = macros.find(expr)
        if macro is not None:
            return macro(self, expr, scope)
        overloads, operands = _resolved(expr, scope)
        compiled = [self.compile(operand, scope) for operand in operands]
        if expr.function == "sum" and expr.target is not None:
            return _sum(compiled[0], overloads, kinds.item(kinds.of(expr.target, scope)))
        if expr.function in _BREAKING:
            compiled[0] = macros.unbroken(compiled[0])
        return _invocation(overloads, compiled)

    def _list(self, expr: syntax.ListOf, scope: kinds.Scope) -> Code:
        elements = [self.compile(element, scope) for element in expr.elements]
        if not expr.optional:
            if all(isinstance(element, syntax.Const) for element in expr.elements):
                return _constant([element([]) for element in elements])
            return lambda frame: [element(frame) for element in elements]
        return _optional_list(elements, expr.optional)

    def _map(self, expr: syntax.MapOf, scope: kinds.Scope) -> Code:
        entries = [
            (self.compile(one.key, scope), self.compile(one.value, scope), one.is_optional)
            for one in expr.entries
        ]
        return lambda frame: Map(_entries(entries, frame))


_BREAKING = frozenset(("distinct", "sort"))


def _constant(value: Value) -> Code:
    return lambda _: value


def _old_self(frame: Frame) -> Value:
    value = frame[OLD_SELF]
    if value is MISSING:
        raise EvaluationError("no such attribute(s): oldSelf")
    return value


def _dotted(expr: syntax.Expr) -> str:
    """``a.b.c``, or nothing for what is no name."""
    match expr:
        case syntax.Ident(name):
            return name
        case syntax.Select(operand, field, False):
            before = _dotted(operand)
            return f"{before}.{field}" if before else ""
        case _:
            return ""


def _raw_member(container: Code, name: str, field: str) -> Code:
    """The JSON of an object's property; null is as good as absent."""

    def read(frame: Frame) -> Value:
        raw = container(frame).get(name)
        if raw is None:
            raise EvaluationError(f"no such key: {field}")
        return raw

    return read


def _read(raw: Code, node: Node) -> Code:
    """JSON as the CEL value that it is."""
    convert = node.convert
    if node.nullable:
        return lambda frame: node.read(raw(frame))
    if convert is None:
        return raw
    return lambda frame: convert(raw(frame))


def _field(operand: Code, name: str) -> Code:
    return lambda frame: operators.get(operand(frame), name)


def _presence(operand: Code, name: str) -> Code:
    return lambda frame: operators.has(operand(frame), name)


def _optional_list(elements: list[Code], optional: frozenset[int]) -> Code:
    def build(frame: Frame) -> list[Value]:
        found = []
        for index, element in enumerate(elements):
            value = element(frame)
            if index in optional:
                if type(value) is not Optional:
                    what = "cannot initialize optional list element from non-optional value"
                    raise EvaluationError(f"{what} {shown(value)}")
                if value.value is MISSING:
                    continue
                value = value.value
            found.append(value)
        return found

    return build


def _entries(entries: list[tuple[Code, Code, bool]], frame: Frame) -> list[tuple[Value, Value]]:
    found = []
    for key_code, value_code, is_optional in entries:
        key, value = key_code(frame), value_code(frame)
        if is_optional:
            if type(value) is not Optional:
                what = f"cannot initialize optional entry '{shown(key)}' from non-optional value"
                raise EvaluationError(f"{what} {shown(value)}")
            if value.value is MISSING:
                continue
            value = value.value
        found.append((key, value))
    return found


def _resolved(expr: syntax.Call, scope: kinds.Scope) -> tuple[Overloads, tuple[syntax.Expr, ...]]:
    """The function that is called, and all of its arguments."""
    name = expr.function
    if expr.target is not None:
        namespace = _dotted(expr.target)
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


def _invocation(overloads: Overloads, operands: list[Code]) -> Code:
    match operands:
        case [one]:

            def call_one(frame: Frame) -> Value:
                value = one(frame)
                return overloads[(type(value),)](value)

            return call_one
        case [one, two]:

            def call_two(frame: Frame) -> Value:
                value, other = one(frame), two(frame)
                return overloads[type(value), type(other)](value, other)

            return call_two
        case _:

            def call(frame: Frame) -> Value:
                values = [operand(frame) for operand in operands]
                return overloads[tuple(map(type, values))](*values)

            return call


def _sum(items: Code, overloads: Overloads, item: kinds.Kind) -> Code:
    """The sum of an empty list is the zero of its items' type, which only the text tells."""

    def total(frame: Frame) -> Value:
        value = items(frame)
        if type(value) is not str and hasattr(value, "__len__") and not len(value):
            return kinds.zero(item)
        return overloads[(type(value),)](value)

    return total


def _and(compiler: Compiler, expr: syntax.Call, scope: kinds.Scope) -> Code:
    return _logical([compiler.compile(term, scope) for term in _terms(expr)], decisive=False)


def _or(compiler: Compiler, expr: syntax.Call, scope: kinds.Scope) -> Code:
    return _logical([compiler.compile(term, scope) for term in _terms(expr)], decisive=True)


def _terms(expr: syntax.Call) -> list[syntax.Expr]:
    """``a && b && c`` as three terms; the parser builds a balanced tree."""
    found: list[syntax.Expr] = []
    for argument in expr.arguments:
        if isinstance(argument, syntax.Call) and argument.function == expr.function:
            found += _terms(argument)
        else:
            found.append(argument)
    return found


def _logical(terms: list[Code], *, decisive: bool) -> Code:
    """A decisive term decides, whatever fails before or after it."""
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
    condition, yes, no = (compiler.compile(one, scope) for one in expr.arguments)

    def choose(frame: Frame) -> Value:
        value = condition(frame)
        if value is True:
            return yes(frame)
        if value is False:
            return no(frame)
        raise no_such_overload()

    return choose


def _binary(compiler: Compiler, expr: syntax.Call, scope: kinds.Scope) -> Code:
    left, right = (compiler.compile(one, scope) for one in expr.arguments)
    function = operators.BINARY[expr.function]
    compare = operators.PLAIN.get(expr.function)
    if compare is None:
        return lambda frame: function(left(frame), right(frame))

    def decide(frame: Frame) -> bool:
        one, other = left(frame), right(frame)
        kind = type(one)
        if kind is type(other) and (kind is str or kind is int):  # most are, and Python's will do
            return compare(one, other)
        return bool(function(one, other))

    return decide


def _unary(compiler: Compiler, expr: syntax.Call, scope: kinds.Scope) -> Code:
    operand = compiler.compile(expr.arguments[0], scope)
    function = operators.UNARY[expr.function]
    return lambda frame: function(operand(frame))


def _index(compiler: Compiler, expr: syntax.Call, scope: kinds.Scope) -> Code:
    container, key = (compiler.compile(one, scope) for one in expr.arguments)
    function = operators.get if expr.function == "_[_]" else operators.get_optional
    return lambda frame: function(container(frame), key(frame))


def _or_value(compiler: Compiler, expr: syntax.Call, scope: kinds.Scope) -> Code:
    """``optional.or(optional)`` and ``optional.orValue(value)``, which look at one or both."""
    assert expr.target is not None  # noqa: S101 - a method
    first = compiler.compile(expr.target, scope)
    second = compiler.compile(expr.arguments[0], scope)
    is_value = expr.function == "orValue"

    def choose(frame: Frame) -> Value:
        found = first(frame)
        if type(found) is not Optional:
            raise no_such_overload()
        if found.value is MISSING:
            return second(frame)
        return found.value if is_value else found

    return choose


def _matched(compiler: Compiler, expr: syntax.Call, scope: kinds.Scope) -> Code:
    """A search for a pattern; cel-go compiles a literal beforehand, and then refuses briefly."""
    overloads, operands = _resolved(expr, scope)
    compiled = [compiler.compile(operand, scope) for operand in operands]
    invocation = _invocation(overloads, compiled)
    pattern = operands[1]
    if not isinstance(pattern, syntax.Const) or not isinstance(pattern.value, str):
        return invocation
    try:
        search = regexes.compiled(pattern.value).search
    except UndecidedError as error:
        raise UnsupportedError(str(error)) from error
    text = compiled[0]

    def refuse_others(frame: Frame) -> Value:
        if type(text(frame)) is not str:
            raise no_such_overload()
        return invocation(frame)

    def match(frame: Frame) -> bool:
        value = text(frame)
        if type(value) is not str:
            raise no_such_overload()
        return search(value) is not None

    return match if expr.function == "matches" else refuse_others


_Special: TypeAlias = Callable[[Compiler, syntax.Call, kinds.Scope], Code]
_SPECIAL: Mapping[tuple[str, int, bool], _Special] = {
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
