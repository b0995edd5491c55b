"""Decide a CEL rule for every value that it can tell apart. Pure.

A rule that compares fields with constants only, or tests whether they are set, sees a value as one
of finitely many cases: each field absent, or one of a few values around the constants. If it is
true in all of them it always is, and if it is true in none it never is. Fields that a rule uses
otherwise leave it undecided. The cases ignore other keywords of the schema, so they are more than
the values that exist, and what is said of all of them holds.
"""

import dataclasses
import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NoReturn

from schemagen import cel
from schemagen.cel import syntax
from schemagen.model import cel_identifiers
from schemagen.problems import JSON
from schemagen.schema.keywords import RANGES, Schema

MAX_CASES: Final = 4096
_MAX_SIZE: Final = 4096
_COMPARED: Final = frozenset({"_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_"})
_ORDERED: Final = frozenset({"_<_", "_<=_", "_>_", "_>=_"})
_ABSENT: Final = object()
_FRESH: Final = "\u03b6"
"""A character that no constant of a rule has."""

Names = tuple[str, ...]


class UndecidedError(Exception):
    """A rule uses a field otherwise than in comparisons with constants."""


@dataclasses.dataclass
class _Read:
    """How a rule uses a field."""

    constants: set[JSON] = dataclasses.field(default_factory=set)
    sizes: set[int] = dataclasses.field(default_factory=set)
    is_any_use: bool = False
    is_ordered: bool = False


@dataclasses.dataclass(frozen=True)
class Cases:
    """A rule's cases.

    Attributes:
        values: All values that the rule can tell apart.
        true: Those in which it is true; the others are refused.
        fields: The fields that it reads.
    """

    values: Sequence[JSON]
    true: Sequence[JSON]
    fields: frozenset[Names]


@functools.lru_cache(maxsize=4096)
def parsed(rule: str) -> syntax.Expr | None:
    """Return a rule's expression, or None if it is none."""
    try:
        return syntax.parse(rule)
    except syntax.SyntaxProblemError:
        return None


def of(schema: Schema, rule: str) -> Cases | None:
    """Return a rule's cases, or None if it is undecided.

    Args:
        schema: The node with the rule.
        rule: Its expression.
    """
    expr = parsed(rule)
    if expr is None:
        return None
    reads: dict[Names, _Read] = {}
    try:
        _collect(expr, schema, reads)
        values = [*itertools.islice(_values((), schema, reads), MAX_CASES + 1)]
    except UndecidedError:
        return None
    if len(values) > MAX_CASES:
        return None
    return _judged(schema, rule, values, frozenset(reads))


def _judged(
    schema: Schema, rule: str, values: list[JSON], fields: frozenset[Names]
) -> Cases | None:
    bare = _bare(schema) | {"x-kubernetes-validations": [{"rule": rule}]}
    rules = cel.Rules(bare)
    if rules.left or rules.uses_old_self:
        return None
    outcomes = [rules.check(value) for value in values]
    if any(outcome.undecided for outcome in outcomes):
        return None
    true = [value for value, outcome in zip(values, outcomes, strict=True) if not outcome.findings]
    return Cases(values, true, fields)


def _bare(schema: Schema) -> Schema:
    return {word: part for word, part in schema.items() if word != "x-kubernetes-validations"}


def unusable(schema: Schema, rule: str) -> list[Names]:
    """Return fields that a rule forbids because others have defaults: a union with a default."""
    found = of(schema, rule)
    if found is None or not found.true:
        return []
    without = of(_without_defaults(schema), rule)
    if without is None:
        return []
    return sorted(
        names
        for names in found.fields
        if names
        and not _is_always_set(schema, names)
        and not any(has(value, names) for value in found.true)
        and any(has(value, names) for value in without.true)
    )


def refused_defaults(schema: Schema, rule: str) -> dict[Names, JSON]:
    """Return the defaults, by field, that a rule never accepts, while it accepts other values."""
    found = of(schema, rule)
    if found is None or not found.true:
        return {}
    return {
        names: default
        for names in sorted(found.fields)
        if names
        and (default := _node(schema, names).get("default")) is not None
        and not any(_at(value, names) == default for value in found.true)
        and any(_at(value, names) == default for value in found.values)
    }


def _without_defaults(schema: Schema) -> Schema:
    properties = {
        name: _without_defaults({word: part for word, part in child.items() if word != "default"})
        for name, child in (schema.get("properties") or {}).items()
    }
    return schema | ({"properties": properties} if properties else {})


def _node(schema: Schema, names: Names) -> Schema:
    for name in names:
        schema = schema["properties"][name]
    return schema


def _is_always_set(schema: Schema, names: Names) -> bool:
    for name in names:
        child = schema["properties"][name]
        is_required = name in (schema.get("required") or ())
        if not is_required and child.get("default") is None:
            return False
        schema = child
    return True


def has(value: JSON, names: Names) -> bool:
    """Return whether a value has a field."""
    return _at(value, names) is not _ABSENT


def _at(value: JSON, names: Names) -> JSON:
    for name in names:
        if not isinstance(value, dict) or name not in value:
            return _ABSENT
        value = value[name]
    return value


# ------------------------------------------------------------------------------- what a rule reads


def chain(expr: syntax.Expr) -> Names | None:
    """Return the fields of ``self.a.b``, or None for another expression."""
    names: list[str] = []
    while isinstance(expr, syntax.Select) and not expr.is_test:
        names.append(cel_identifiers.unescaped(expr.field) or expr.field)
        expr = expr.operand
    is_self = isinstance(expr, syntax.Ident) and expr.name == "self"
    return tuple(reversed(names)) if is_self else None


def _collect(expr: syntax.Expr, schema: Schema, reads: dict[Names, _Read]) -> None:
    """Note how an expression uses the fields of self.

    Raises:
        UndecidedError: if it uses one in a way that has too many cases.
    """
    if isinstance(expr, syntax.Ident) and expr.name == "oldSelf":
        raise UndecidedError
    if isinstance(expr, syntax.Select) and expr.is_test:
        names = chain(expr.operand)
        if names is None:
            raise UndecidedError
        _read((*names, cel_identifiers.unescaped(expr.field) or expr.field), schema, reads)
        return
    if isinstance(expr, syntax.Call) and _note_call(expr, schema, reads):
        return
    names = chain(expr)
    if names is not None:
        _read(names, schema, reads).is_any_use = True
        return
    for part in _parts(expr):
        _collect(part, schema, reads)


def _note_call(expr: syntax.Call, schema: Schema, reads: dict[Names, _Read]) -> bool:
    """Note a comparison with constants, or a size used otherwise; return whether it is one."""
    if expr.function in _COMPARED:
        return _compare(expr, schema, reads)
    sized = _sized(expr)
    if sized is not None:
        _read(sized, schema, reads).is_any_use = True
        return True
    if expr.function != "@in" or not isinstance(expr.arguments[1], syntax.ListOf):
        return False
    names, elements = chain(expr.arguments[0]), expr.arguments[1].elements
    values = {item.value for item in elements if isinstance(item, syntax.Const)}
    if names is None or not all(isinstance(item, syntax.Const) for item in elements):
        return False
    _read(names, schema, reads).constants |= values
    return True


def _compare(expr: syntax.Call, schema: Schema, reads: dict[Names, _Read]) -> bool:
    """Note a comparison of a field, or of its size, with a constant; return whether it is one."""
    for one, other in (expr.arguments, reversed(expr.arguments)):
        if not isinstance(other, syntax.Const):
            continue
        sized = _sized(one)
        if sized is not None and isinstance(other.value, int):
            _read(sized, schema, reads).sizes.add(other.value)
            return True
        names = chain(one)
        if names is not None:
            read = _read(names, schema, reads)
            read.constants.add(other.value)
            read.is_ordered |= expr.function in _ORDERED
            return True
    return False


def _sized(expr: syntax.Expr) -> Names | None:
    """Return the fields of ``size(self.a)`` or ``self.a.size()``."""
    if not isinstance(expr, syntax.Call) or expr.function != "size":
        return None
    if expr.target is not None:
        return chain(expr.target)
    return chain(expr.arguments[0]) if len(expr.arguments) == 1 else None


def _read(names: Names, schema: Schema, reads: dict[Names, _Read]) -> _Read:
    for name in names:
        child = (schema.get("properties") or {}).get(name)
        if not isinstance(child, dict) or schema.get("additionalProperties"):
            raise UndecidedError
        schema = child
    return reads.setdefault(names, _Read())


def _parts(expr: syntax.Expr) -> Iterator[syntax.Expr]:
    match expr:
        case syntax.Select():
            yield expr.operand
        case syntax.Call():
            if expr.target is not None:
                yield expr.target
            yield from expr.arguments
        case syntax.ListOf():
            yield from expr.elements
        case syntax.MapOf():
            for entry in expr.entries:
                yield from (entry.key, entry.value)
        case syntax.Fold():
            yield from (expr.source, expr.start, expr.condition, expr.step, expr.result)


def parts(expr: syntax.Expr) -> Iterator[syntax.Expr]:
    """Yield an expression and all expressions within it."""
    yield expr
    for part in _parts(expr):
        yield from parts(part)


def constants(rule: str) -> dict[Names, set[JSON]]:
    """Return the constants that a rule compares fields with."""
    expr = parsed(rule)
    found: dict[Names, set[JSON]] = {}
    for part in parts(expr) if expr is not None else ():
        if not isinstance(part, syntax.Call) or part.function not in {*_COMPARED, "@in"}:
            continue
        for one, other in (part.arguments, part.arguments[::-1]):
            names = chain(one)
            elements = other.elements if isinstance(other, syntax.ListOf) else (other,)
            values = {item.value for item in elements if isinstance(item, syntax.Const)}
            if names is not None and values:
                found.setdefault(names, set()).update(values)
    return found


# ------------------------------------------------------------------------------------------ values


def _values(names: Names, schema: Schema, reads: Mapping[Names, _Read]) -> Iterator[JSON]:
    """Yield values of a node that the rule can tell apart."""
    read = reads.get(names, _Read())
    below = {
        path[len(names)] for path in reads if len(path) > len(names) and path[: len(names)] == names
    }
    if schema.get("nullable") or schema.get("x-kubernetes-int-or-string"):
        raise UndecidedError
    if below:
        if read.is_any_use or read.constants or read.sizes:
            raise UndecidedError
        yield from _objects(names, schema, reads, sorted(below))
    else:
        yield from _leaves(schema, read)


def _objects(
    names: Names, schema: Schema, reads: Mapping[Names, _Read], below: Sequence[str]
) -> Iterator[JSON]:
    choices: list[list[JSON]] = []
    for name in below:
        child = schema["properties"][name]
        is_set = name in (schema.get("required") or ()) or child.get("default") is not None
        inner = _values((*names, name), child, reads)
        found = [*itertools.islice(inner, MAX_CASES + 1)]
        choices.append(found if is_set else [_ABSENT, *found])
    for combination in itertools.product(*choices):
        yield {
            name: value
            for name, value in zip(below, combination, strict=True)
            if value is not _ABSENT
        }


def _leaves(schema: Schema, read: _Read) -> list[JSON]:
    kind = schema.get("type", "")
    if "enum" in schema:
        return list(schema["enum"])
    if kind == "boolean":
        return [True, False]
    if not (read.is_any_use or read.constants or read.sizes):
        return [_ANY[kind]] if kind in _ANY else _undecided()
    # CEL reads strings of some formats as other types.
    if read.is_any_use or (kind == "string" and "format" in schema):
        return _undecided()
    if kind == "array" and not read.constants:
        low, high = schema.get("minItems", 0), schema.get("maxItems", _MAX_SIZE)
        return [[None] * size for size in _sizes(read, low, high)]
    by_kind = {"string": _strings, "integer": _integers}
    return by_kind[kind](schema, read) if kind in by_kind else _undecided()


# Values of fields that a rule only tests with has().
_ANY: Final[dict[str, JSON]] = {
    "string": _FRESH, "integer": 1, "number": 1, "array": [], "object": {}
}  # fmt: skip


def _undecided() -> NoReturn:
    raise UndecidedError


def _sizes(read: _Read, low: int, high: int) -> list[int]:
    near = {size + step for size in read.sizes for step in (-1, 0, 1)} | {low, high, low + 1}
    if not read.sizes:
        return [low]
    if any(_MAX_SIZE <= size < high for size in near):
        raise UndecidedError
    return sorted(size for size in near if low <= size <= min(high, _MAX_SIZE))


def _strings(schema: Schema, read: _Read) -> list[JSON]:
    if read.is_ordered:
        raise UndecidedError
    low, high = schema.get("minLength", 0), schema.get("maxLength", _MAX_SIZE)
    plain = [_FRESH * size for size in (_sizes(read, low, high) or [low])]
    if not read.sizes:
        plain = [_FRESH * min(max(low, 1), high)] + ([""] if low == 0 else [])
    known = [*read.constants, schema.get("default")]
    named = [text for text in known if isinstance(text, str) and low <= len(text) <= high]
    return [*dict.fromkeys([*plain, *named])]


def _integers(schema: Schema, read: _Read) -> list[JSON]:
    numbers = [value for value in read.constants if type(value) is int]
    if len(numbers) != len(read.constants):
        raise UndecidedError
    smallest, largest = RANGES.get(schema.get("format", "int64"), RANGES["int64"])
    low = schema.get("minimum", smallest) + bool(schema.get("exclusiveMinimum"))
    high = schema.get("maximum", largest) - bool(schema.get("exclusiveMaximum"))
    near = {value + step for value in numbers for step in (-1, 0, 1)} | {low, high}
    default = schema.get("default")
    if type(default) is int:
        near.add(default)
    return sorted({int(value) for value in near if low <= value <= high})
