"""Translate CEL from Python names to escaped wire names.

Only members are translated (``self.max_size``, ``x.namespace``), never string literals. Where the
schema determines the owner of a member (``self.spec.max_size``), it also resolves its name.
"""

import dataclasses
import difflib
import re
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from schemagen.model import annotations, cel_identifiers, object_types
from schemagen.schema import keywords
from schemagen.schema.keywords import Schema, SchemaError

# String literals in all eight forms (also raw, or bytes) and comments; a member; a variable.
_TOKENS = re.compile(
    r"""(?P<kept>(?:\b[rRbB]{1,2})?(?:\"{3}.*?\"{3}|'{3}.*?'{3}|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
    |//[^\n]*)
    |(?P<dot>\.\s*\??\s*)(?P<name>[^\W\d]\w*)(?P<call>\s*\()?
    |(?P<variable>[^\W\d]\w*)""",
    re.DOTALL | re.VERBOSE,
)

# A step of a field path: `.name`, or `['a.b']` for a name with dots or brackets.
_STEP = re.compile(r"\.([^.\[\]]+)|\['((?:\\.|[^'\\])*)'\]")

Names = Mapping[str, frozenset[str]]
"""Python names -> their wire names in the models in scope."""

# Macros whose first argument is an iteration variable.
_MACROS = frozenset({"all", "exists", "exists_one", "existsOne", "filter", "map"})

_NO_VARIABLES: Mapping[str, Schema | None] = {}
_UNKNOWN: Schema = {}
"""Schema of a macro variable: it may be any of the models."""


@dataclasses.dataclass(frozen=True)
class _Scope:
    """Names and schemas in scope; see ``wire_expression``."""

    names: Names
    where: str
    variables: Mapping[str, Schema | None]
    is_typed: bool = True


def translate(schema: Schema, names: Names, where: str) -> None:
    """Translate the rules of a schema and everything below it to wire names."""
    for _, node in keywords.nodes(schema):
        variables = {"self": node, "oldSelf": node}
        for entry in node.get("x-kubernetes-validations", ()):
            for keyword in entry.keys() & {"rule", "messageExpression"}:
                entry[keyword] = wire_expression(entry[keyword], names, where, variables=variables)
            if "fieldPath" in entry:
                entry["fieldPath"] = wire_path(entry["fieldPath"], names, where, node)


def wire_expression(
    text: str,
    names: Names,
    where: str,
    *,
    variables: Mapping[str, Schema | None] = _NO_VARIABLES,
    is_typed: bool = True,
) -> str:
    """Return an expression with wire names, escaped as the API server requires.

    Args:
        text: CEL.
        names: Names of reachable fields; a wire name maps to itself.
        where: For messages.
        variables: Schemas of the variables. A missing variable belongs to a macro and may have any
            schema; None marks a variable unrelated to the models.
        is_typed: Whether the expression is type-checked by the API server, and names need escaping.

    Raises:
        SchemaError: if a name is ambiguous, or CEL cannot write it.
    """
    return _Translation(_Scope(names, where, variables, is_typed)).of(text)


class _Translation:
    """One pass over an expression; ``receiver`` is the schema of the last operand.

    The receiver is None for operands unrelated to the models.
    """

    def __init__(self, scope: _Scope) -> None:
        self._scope = scope
        self._variables = dict(scope.variables)
        self._receiver: Schema | None = _UNKNOWN
        self._bound: Schema | None = None  # schema of the next variable, in a macro

    def of(self, text: str) -> str:
        parts: list[str] = []
        end = 0
        for token in _TOKENS.finditer(text):
            between = text[end : token.start()]
            self._pass(between)
            parts += (between, self._member(token) if token["name"] else self._other(token))
            end = token.end()
        return "".join((*parts, text[end:]))

    def _pass(self, between: str) -> None:
        """Skip text between tokens: an index leads to an item, anything else ends the chain."""
        if between and self._receiver is not None:
            is_index = re.fullmatch(r"\[\d+\]", between)
            self._receiver = self._receiver.get("items", _UNKNOWN) if is_index else _UNKNOWN
        elif between:
            self._receiver = None if re.fullmatch(r"\[\d+\]", between) else _UNKNOWN

    def _other(self, token: re.Match[str]) -> str:
        variable = token["variable"] or ""
        if self._bound is not None and variable:
            self._variables[variable], self._bound = self._bound, None
        self._receiver = self._variables.get(variable, _UNKNOWN)
        return token[0]

    def _member(self, token: re.Match[str]) -> str:
        name, receiver = token["name"], self._receiver
        if receiver is None:
            return token[0]
        if token["call"]:
            self._bound = receiver.get("items") if name in _MACROS else None
            self._receiver = _UNKNOWN
            return token[0]
        wire = _chosen(name, receiver, self._scope)
        self._receiver = _below(receiver, wire or name)
        return token["dot"] + (name if wire is None else _written(wire, name, self._scope))


def wire_path(path: str, names: Names, where: str, node: Schema = _UNKNOWN) -> str:
    """Return a field path such as ``.spec.max_size`` with wire names; ``['a.b']`` for dotted names.

    Args:
        path: As in ``fieldPath``.
        names: As for ``wire_expression``.
        where: For messages.
        node: The schema at the start of the path.

    Raises:
        SchemaError: if it does not resolve, which the API server would refuse.
    """
    scope = _Scope(names, where, _NO_VARIABLES)
    parts, end = [], 0
    for step in _STEP.finditer(path):
        if step.start() != end:
            break
        end = step.end()
        name = step[1] or re.sub(r"\\(.)", r"\1", step[2])
        wire = _step_name(name, node, path, scope)
        node = _below(node, wire)
        parts.append(_path_step(wire))
    if end != len(path) or not path:
        raise SchemaError(
            f"{where}: expected a field path such as .spec.name or .spec['a.b'], got {path}; it "
            "names fields and map keys, never the items of a list"
        )
    return "".join(parts)


def names_of(annotation: Any) -> Names:
    """Return the Python and wire names of the fields of the models in an annotation."""
    names: dict[str, set[str]] = {}
    waiting: list[Any] = [annotation]
    seen: set[Any] = set()
    while waiting:
        unwrapped = annotations.unwrapped(waiting.pop()).annotation
        waiting.extend(typing.get_args(unwrapped))
        if not isinstance(unwrapped, type) or unwrapped in seen:
            continue
        seen.add(unwrapped)
        for name, field in object_types.fields_of(unwrapped).items():
            wire = field.alias or name
            names.setdefault(name, set()).add(wire)
            names.setdefault(wire, set()).add(wire)
            waiting.append(field.annotation)
    return {name: frozenset(wires) for name, wires in names.items()}


def member_names(text: str) -> Iterator[str]:
    """Return the wire names of the members that a translated expression reads."""
    for token in _TOKENS.finditer(text):
        if token["name"] is not None and not token["call"]:
            yield cel_identifiers.unescaped(token["name"]) or token["name"]


def _chosen(name: str, receiver: Schema, scope: _Scope) -> str | None:
    """Return the wire name of a member, or None if it is not a field.

    A name already escaped (``my__dash__x``) resolves to its field.
    """
    if receiver and "properties" not in receiver:
        return None  # a map key, or a value without declared fields
    unescaped = cel_identifiers.unescaped(name) or name
    wires = scope.names.get(name) or scope.names.get(unescaped)
    if wires is None:
        return name if name in cel_identifiers.RESERVED else None
    if len(wires) > 1:
        wires = wires & receiver.get("properties", {}).keys() or wires
    if len(wires) > 1:
        raise SchemaError(
            f"{scope.where}: expected an unambiguous name in a rule, got {name}, which is "
            f"{' and '.join(sorted(wires))} on the wire; write the wire name"
        )
    return next(iter(wires))


def _written(wire: str, name: str, scope: _Scope) -> str:
    """Return a wire name as CEL member syntax."""
    if not scope.is_typed:
        return _untyped(wire, name, scope.where)
    escaped = cel_identifiers.escaped(wire)
    if escaped is None:
        raise SchemaError(
            f"{scope.where}: expected a field that CEL can name (letters of ASCII, digits, _ - . "
            f"and /, no digit first), got {name}, which is {wire!r} on the wire; give it another "
            "alias, or attach the rule to the field, where self is its value"
        )
    return escaped


def _untyped(wire: str, name: str, where: str) -> str:
    if cel_identifiers.PLAIN.fullmatch(wire) and wire not in cel_identifiers.RESERVED:
        return wire
    if wire == name:  # taken from the request as written by the author
        return name
    raise SchemaError(
        f"{where}: expected a name that CEL can write after a dot, got {name}, which is {wire!r} "
        f"on the wire; in a policy write ['{wire}'], and '{wire}' in ... instead of has()"
    )


def _below(receiver: Schema, wire: str) -> Schema:
    """Return the schema of a member, or of a macro variable where it is unknown."""
    if isinstance(receiver.get("additionalProperties"), dict):
        values: Schema = receiver["additionalProperties"]
        return values
    member: Schema = receiver.get("properties", {}).get(wire, _UNKNOWN)
    return member


def _step_name(name: str, node: Schema, path: str, scope: _Scope) -> str:
    fields = node.get("properties")
    wire = _chosen(name, node, scope) or name
    if fields is None or wire in fields:
        return wire
    known = sorted(candidate for candidate, wires in scope.names.items() if wires & fields.keys())
    close = difflib.get_close_matches(name, known, n=1)
    meant = f"; did you mean {close[0]}?" if close else ""
    raise SchemaError(
        f"{scope.where}: expected a field path to one of {', '.join(fields)}, got "
        f"{name} in {path}{meant}"
    )


def _path_step(wire: str) -> str:
    if re.search(r"[.\[\]']", wire):
        quoted = wire.replace("\\", "\\\\").replace("'", "\\'")
        return f"['{quoted}']"
    return f".{wire}"
