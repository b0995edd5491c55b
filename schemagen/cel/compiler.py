"""Compile a rule's syntax tree to Python closures, which read only the data that the rule uses.

Each closure takes the frame, a list of the variables' values: ``self``, ``oldSelf``, and one slot
for each macro variable. Evaluation errors are exceptions.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Final

from schemagen.cel import calls, kinds, macros, operators, syntax
from schemagen.cel.data import NO_OBJECT, Node
from schemagen.cel.kinds import Code, Frame
from schemagen.cel.values import (
    MISSING,
    EvaluationError,
    Map,
    Optional,
    TypeValue,
    Value,
    shown,
)
from schemagen.problems import JSON

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


class Program:
    """A compiled expression.

    Attributes:
        uses_old_self: Whether it mentions ``oldSelf``.
    """

    def __init__(self, text: str, node: Node, *, has_optional_old: bool = False) -> None:
        """Compile.

        Args:
            text: The expression.
            node: The node of ``self``.
            has_optional_old: Whether ``oldSelf`` is an optional.

        Raises:
            UnsupportedError: if this evaluator cannot run it.
        """
        try:
            tree = syntax.parse(text)
        except syntax.SyntaxProblemError as error:
            raise calls.UnsupportedError(str(error)) from error
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
            UndecidedError: if the API server's result is unknown to this evaluator.
        """
        return self._code([value, old, *self._extra])


class Compiler:
    """Compiles one expression and allocates the frame slots of its variables."""

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
        """Allocate a new slot in the frame."""
        self.places += 1
        return self.places - 1

    def compile(self, expr: syntax.Expr, scope: kinds.Scope) -> Code:
        """Return the closure of an expression, with the variables in scope."""
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
            raise calls.UnsupportedError(f"expected a variable or a type, got {name!r}")
        code = self._from_frame(variable)
        if not variable.is_raw or not isinstance(variable.kind, Node):
            return code
        return _read(code, variable.kind)

    def _from_frame(self, variable: kinds.Variable) -> Code:
        place, part = variable.place, variable.part
        if place == OLD_SELF:
            self.uses_old_self = True
            return _old_self
        if part is not None:
            return lambda frame: frame[place][part]
        return lambda frame: frame[place]

    def raw(self, expr: syntax.Expr, scope: kinds.Scope) -> tuple[Code, Node] | None:
        """Return a closure yielding raw JSON of an object, map or list reached by names alone.

        None if it is reached otherwise, or may be null.
        """
        match expr:
            case syntax.Ident(name) if name in scope and scope[name].is_raw:
                kind = scope[name].kind
                if isinstance(kind, Node) and kind.is_container and not kind.nullable:
                    return self._from_frame(scope[name]), kind
            case syntax.Select(operand, field, False):
                container = self.raw(operand, scope)
                member = container[1].members.get(field) if container is not None else None
                if container is not None and member is not None and member[1].is_container:
                    return _raw_member(container[0], member[0], field), member[1]
        return None

    def _select(self, expr: syntax.Select, scope: kinds.Scope) -> Code:
        dotted = calls.dotted(expr)
        if dotted in _TYPES and dotted.partition(".")[0] not in scope:
            return _constant(_TYPES[dotted])
        container = self.raw(expr.operand, scope)
        member = container[1].members.get(expr.field) if container is not None else None
        if container is not None and member is not None:
            name, node, _ = member
            if expr.is_test:
                return _has_member(container[0], name, node)
            return _read(_raw_member(container[0], name, expr.field), node)
        operand = self.compile(expr.operand, scope)
        return _presence(operand, expr.field) if expr.is_test else _field(operand, expr.field)

    def _call(self, expr: syntax.Call, scope: kinds.Scope) -> Code:
        special = calls.SPECIAL.get((expr.function, len(expr.arguments), expr.target is not None))
        if special is not None:
            return special(self, expr, scope)
        macro = macros.find(expr)
        if macro is not None:
            return macro(self, expr, scope)
        overloads, operands = calls.resolved(expr, scope)
        compiled = [self.compile(operand, scope) for operand in operands]
        if expr.function == "sum" and expr.target is not None:
            return calls.total(compiled[0], overloads, kinds.item(kinds.of(expr.target, scope)))
        if expr.function in _BREAKING:
            compiled[0] = macros.unbroken(compiled[0])
        return calls.invocation(overloads, compiled)

    def _list(self, expr: syntax.ListOf, scope: kinds.Scope) -> Code:
        elements = [self.compile(element, scope) for element in expr.elements]
        if not expr.optional:
            if all(isinstance(element, syntax.Const) for element in expr.elements):
                return _constant([element([]) for element in elements])
            return lambda frame: [element(frame) for element in elements]
        return _optional_list(elements, expr.optional)

    def _map(self, expr: syntax.MapOf, scope: kinds.Scope) -> Code:
        entries = [
            (self.compile(entry.key, scope), self.compile(entry.value, scope), entry.is_optional)
            for entry in expr.entries
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


def _raw_member(container: Code, name: str, field: str) -> Code:
    """Return a reader of an object's property as JSON; null counts as absent."""

    def read(frame: Frame) -> Value:
        raw = _member(container(frame), name)
        if raw is None:
            raise EvaluationError(f"no such key: {field}")
        return raw

    return read


def _member(container: Value, name: str) -> Value:
    """Return a reader of a property as JSON; stored data may violate the schema."""
    try:
        return container.get(name)
    except AttributeError:
        raise EvaluationError(NO_OBJECT) from None


def _read(raw: Code, node: Node) -> Code:
    """Return JSON as a CEL value."""
    convert = node.convert
    if node.nullable:
        return lambda frame: node.read(raw(frame))
    if convert is None:
        return raw
    return lambda frame: convert(raw(frame))


def _field(operand: Code, name: str) -> Code:
    return lambda frame: operators.get(operand(frame), name)


def _has_member(container: Callable[[Frame], JSON], name: str, node: Node) -> Code:
    """Return a test for a field; scalars are read, as they may violate their type."""
    convert = None if node.is_container else node.convert
    if convert is None:
        return lambda frame: _member(container(frame), name) is not None

    def test(frame: Frame) -> bool:
        raw = _member(container(frame), name)
        if raw is not None:
            convert(raw)
        return raw is not None

    return test


def _presence(operand: Code, name: str) -> Code:
    return lambda frame: operators.has(operand(frame), name)


def _optional_list(elements: list[Code], optional: frozenset[int]) -> Code:
    def build(frame: Frame) -> list[Value]:
        items = []
        for index, element in enumerate(elements):
            value = element(frame)
            if index in optional:
                if type(value) is not Optional:
                    what = "cannot initialize optional list element from non-optional value"
                    raise EvaluationError(f"{what} {shown(value)}")
                if value.value is MISSING:
                    continue
                value = value.value
            items.append(value)
        return items

    return build


def _entries(entries: list[tuple[Code, Code, bool]], frame: Frame) -> list[tuple[Value, Value]]:
    pairs = []
    for key_code, value_code, is_optional in entries:
        key, value = key_code(frame), value_code(frame)
        if is_optional:
            if type(value) is not Optional:
                what = f"cannot initialize optional entry '{shown(key)}' from non-optional value"
                raise EvaluationError(f"{what} {shown(value)}")
            if value.value is MISSING:
                continue
            value = value.value
        pairs.append((key, value))
    return pairs
