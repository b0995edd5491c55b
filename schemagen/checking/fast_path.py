"""Fast check that a value is certainly valid, without saying why not: the case of most objects.

Closures, one for each node, over the value alone. They accept what ``checker`` accepts without
errors, and return False for anything else (a null, a default below a rule, an embedded object, an
error); the slow checker then decides. On an update, unchanged parts are skipped except for
transition rules.
"""

import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeAlias

import msgspec
import re2

from schemagen import formats
from schemagen.cel import ABSENT, Absent, Rules
from schemagen.checking import correlation, normalization
from schemagen.checking.nodes import Node
from schemagen.problems import JSON

IsFine: TypeAlias = Callable[[JSON, JSON | Absent], bool]
"""Whether a value with defaults is certainly valid, given its old one."""

IsValue: TypeAlias = Callable[..., bool]
"""Whether a scalar is valid; an old value is accepted but ignored."""

Fill: TypeAlias = Callable[[JSON], JSON]
"""A value with its defaults; the same object if nothing was missing."""

_INT64: Final = 2**63


def compiled(node: Node, *, is_root: bool = False) -> IsFine:
    """Return the check of a value that may lack its defaults.

    Args:
        node: The schema node.
        is_root: Whether values are whole objects, whose metadata the API server validates.
    """
    check, fill = _compiled(node, is_root=is_root), _filling(node)
    if fill is None:
        return check
    return lambda value, old: check(fill(value), old)


def _compiled(node: Node, *, is_root: bool = False) -> IsFine:
    if _needs_care(node) or (is_root and _restricts_metadata(node)):
        return _unsure
    own = _own(node, is_root=is_root)
    is_compound = bool(node.properties or node.values or node.items)
    if is_root or not is_compound or not _can_be_unchanged(node):
        return own
    return lambda value, old: (old is not ABSENT and _is_unchanged(value, old)) or own(value, old)


def _can_be_unchanged(node: Node) -> bool:
    """Return whether an unchanged value is valid: no transition rules or free form below.

    The API server never treats members without a schema as unchanged.
    """
    is_open = node.keeps_unknown or (node.has_additional and node.values is None)
    has_transition = node.rules is not None and node.rules.uses_old_self
    below = (*node.properties.values(), node.values, node.items)
    return not (is_open or has_transition) and all(
        _can_be_unchanged(child) for child in below if child is not None
    )


def _is_unchanged(value: JSON, old: JSON | Absent) -> bool:
    """Return whether a part is unchanged; distinguishes 1 from true, and refuses null."""
    return (
        value is not None
        and bool(value == old)
        and msgspec.json.encode(value) == msgspec.json.encode(old)
    )


def _restricts_metadata(node: Node) -> bool:
    metadata = node.properties.get("metadata")
    return metadata is not None and bool(metadata.properties)


def _unsure(value: JSON, old: JSON | Absent) -> bool:
    del value, old
    return False


def _needs_care(node: Node) -> bool:
    has_junctors = bool(node.all_of or node.one_of or node.negated is not None)
    return (
        node.embedded
        or has_junctors
        or "multipleOf" in node.schema
        or (node.rules is not None and bool(node.rules.left))
    )


def _own(node: Node, *, is_root: bool) -> IsFine:
    shape = _shape(node, is_root=is_root)
    if node.rules is None:
        return shape
    rules = node.rules

    def ruled(value: JSON, old: JSON | Absent) -> bool:
        return shape(value, old) and _holds(rules, value, old)

    return ruled


def _holds(rules: Rules, value: JSON, old: JSON | Absent) -> bool:
    outcome = rules.check(value, ABSENT if old is None else old)
    return not outcome.findings and not outcome.undecided


def _shape(node: Node, *, is_root: bool) -> IsFine:
    """Return the check of a node's type, bounds and children."""
    if node.any_of:
        return _alternatives(node)
    match node.types:
        case ("object",):
            return _object(node, is_root=is_root)
        case ("array",):
            return _array(node)
        case (kind,) if kind in _SCALARS:
            return _scalar(node, _SCALARS[kind](node))
        case ():
            return _anything if not node.format and not node.enum else _unsure
        case _:
            return _unsure


def _anything(value: JSON, old: JSON | Absent) -> bool:
    """Check a free-form value: numbers are left to the checker, which reads them as Go does."""
    del old
    return _is_plain(value)


def _is_plain(value: JSON) -> bool:
    kind = value.__class__
    if kind is str or kind is bool:
        return True
    if kind is dict:
        return all(map(_is_plain, value.values()))
    if kind is list:
        return all(map(_is_plain, value))
    return kind is int and -_INT64 <= value < _INT64


def _alternatives(node: Node) -> IsFine:
    """Return the check of ``anyOf`` for an integer or a string, the most common form."""
    kinds = [branch.types for branch in node.any_of]
    plain = {"type"}
    is_plain = all(branch.schema.keys() <= plain for branch in node.any_of)
    if node.types != ("integer", "string") or kinds != [("integer",), ("string",)] or not is_plain:
        return _unsure
    is_text, is_number = _scalar(node, _text(node)), _scalar(node, _integer(node))
    return lambda value, _: is_text(value) if value.__class__ is str else is_number(value)


# --------------------------------------------------------------------------------------- scalars


def _scalar(node: Node, is_value: IsValue) -> IsValue:
    if not node.enum:
        return is_value
    if not all(isinstance(word, str) for word in node.enum):
        return _unsure_of_scalar
    words = frozenset(node.enum)
    return lambda value, _=None: value.__class__ is str and value in words and is_value(value)


def _unsure_of_scalar(value: JSON, old: JSON = None) -> bool:
    del value, old
    return False


def _text(node: Node) -> IsValue:
    maximum, minimum = node.schema.get("maxLength"), node.schema.get("minLength", 0)
    checks = [*_text_checks(node)]
    maximum = float("inf") if maximum is None else maximum

    def is_text(value: JSON, _: JSON = None) -> bool:
        return value.__class__ is str and minimum <= len(value) <= maximum

    match checks:
        case []:
            return is_text
        case [check]:
            return lambda value, _=None: (
                value.__class__ is str and minimum <= len(value) <= maximum and check(value)
            )
        case _:
            return lambda value, _=None: is_text(value) and all(check(value) for check in checks)


def _text_checks(node: Node) -> Iterator[IsValue]:
    if node.pattern is not None:
        yield _pattern(node.schema["pattern"])
    if node.format:
        name = node.format
        yield lambda value: formats.is_string_format(name, value)


def _pattern(pattern: str) -> IsValue:
    """Return the check of a pattern; a set of one pattern is faster than a search."""
    patterns = re2.Set.SearchSet()
    patterns.Add(pattern)
    patterns.Compile()
    return lambda value: bool(patterns.Match(value))


def _integer(node: Node) -> IsValue:
    minimum, maximum = _bounds(node)
    size = 2**31 if node.format == "int32" else _INT64
    minimum, maximum = max(minimum, -size), min(maximum, size - 1)
    if any(name in node.schema for name in ("exclusiveMinimum", "exclusiveMaximum")):
        return lambda value, _=None: value.__class__ is int and minimum < value < maximum
    return lambda value, _=None: value.__class__ is int and minimum <= value <= maximum


def _bounds(node: Node) -> tuple[float, float]:
    infinity = float("inf")
    return node.schema.get("minimum", -infinity), node.schema.get("maximum", infinity)


def _boolean(node: Node) -> IsValue:
    del node
    return lambda value, _=None: value.__class__ is bool


_SCALARS: Final[dict[str, Callable[[Node], IsValue]]] = {
    "string": _text,
    "integer": _integer,
    "boolean": _boolean,
}


# ------------------------------------------------------------------------------------ containers


def _object(node: Node, *, is_root: bool) -> IsFine:
    if node.values is not None:
        return _map(node)
    known = ("apiVersion", "kind", "metadata") if is_root else ()
    fields = {
        name: _compiled(child) for name, child in node.properties.items() if name not in known
    }
    required = frozenset(node.required)
    minimum, maximum = _counts(node, "Properties")
    has_rest = node.keeps_unknown or node.has_additional

    def is_rest(name: str, value: JSON) -> bool:
        return name in known or (has_rest and _is_plain(value))

    def is_fine(value: JSON, old: JSON | Absent) -> bool:
        if value.__class__ is not dict or not minimum <= len(value) <= maximum:
            return False
        if not required <= value.keys():
            return False
        before = old if isinstance(old, dict) else _NOTHING
        return _are_fine(value, before, fields, is_rest)

    return is_fine


def _are_fine(
    value: dict[str, JSON],
    before: dict[str, JSON],
    fields: dict[str, IsFine],
    is_rest: Callable[[str, JSON], bool],
) -> bool:
    for name, member in value.items():
        check = fields.get(name)
        if check is None:
            if not is_rest(name, member):
                return False
        elif not check(member, before.get(name, ABSENT)):
            return False
    return True


_NOTHING: Final[dict[str, Any]] = {}


def _map(node: Node) -> IsFine:
    if node.properties or node.values is None:
        return _unsure
    check = _compiled(node.values)
    minimum, maximum = _counts(node, "Properties")
    required = frozenset(node.required)

    def is_fine(value: JSON, old: JSON | Absent) -> bool:
        if value.__class__ is not dict or not minimum <= len(value) <= maximum:
            return False
        before = old if isinstance(old, dict) else _NOTHING
        return required <= value.keys() and all(
            check(member, before.get(name, ABSENT)) for name, member in value.items()
        )

    return is_fine


def _counts(node: Node, what: str) -> tuple[float, float]:
    return node.schema.get(f"min{what}", 0), node.schema.get(f"max{what}", float("inf"))


def _array(node: Node) -> IsFine:
    if node.items is None:
        return _unsure
    check = _compiled(node.items)
    minimum, maximum = _counts(node, "Items")
    is_distinct = _distinct(node)

    def is_fine(value: JSON, old: JSON | Absent) -> bool:
        if value.__class__ is not list or not minimum <= len(value) <= maximum:
            return False
        if is_distinct is not None and not is_distinct(value):
            return False
        if old is ABSENT or not isinstance(old, list):
            return all(check(item, ABSENT) for item in value)
        return all(map(check, value, correlation.items(node, value, old)))

    return is_fine


def _distinct(node: Node) -> IsValue | None:
    """Return the check that items of a set or a list-map certainly differ."""
    match node.list_type:
        case "set":
            return lambda items: (
                all(item.__class__ is str for item in items) and (len({*items}) == len(items))
            )
        case "map":
            keys = tuple(node.list_keys)
            return lambda items: _have_own_keys(items, keys)
        case _:
            return None


def _have_own_keys(items: Sequence[JSON], keys: Sequence[str]) -> bool:
    seen = set()
    for item in items:
        if item.__class__ is not dict:
            return False
        values = tuple(item.get(key) for key in keys)
        if not all(key_value.__class__ is str for key_value in values) or values in seen:
            return False
        seen.add(values)
    return True


# -------------------------------------------------------------------------------------- defaults


def _filling(node: Node) -> Fill | None:
    """Return the function that fills in defaults below a node; None if there are none."""
    if node.items is not None:
        return _filling_items(_filling(node.items))
    if node.values is not None:
        return _filling_values(_filling(node.values))
    defaults = {
        name: child for name, child in node.properties.items() if child.default is not ABSENT
    }
    below = {name: _filling(child) for name, child in node.properties.items()}
    fills = {name: fill for name, fill in below.items() if fill is not None}
    return _filling_members(defaults, fills) if defaults or fills else None


def _filling_members(defaults: dict[str, Node], fills: dict[str, Fill]) -> Fill:
    def filled(value: JSON) -> JSON:
        if value.__class__ is not dict:
            return value
        changed = {
            name: normalization.default_of(member)
            for name, member in defaults.items()
            if name not in value
        }
        for name, fill in fills.items():
            if name in value and (member := fill(value[name])) is not value[name]:
                changed[name] = member
        return {**value, **changed} if changed else value

    return filled


def _filling_items(fill: Fill | None) -> Fill | None:
    if fill is None:
        return None

    def filled(value: JSON) -> JSON:
        if value.__class__ is not list:
            return value
        items = [fill(item) for item in value]
        return value if all(map(operator.is_, items, value)) else items

    return filled


def _filling_values(fill: Fill | None) -> Fill | None:
    if fill is None:
        return None

    def filled(value: JSON) -> JSON:
        if value.__class__ is not dict:
            return value
        values = {name: fill(member) for name, member in value.items()}
        return value if all(values[name] is member for name, member in value.items()) else values

    return filled
