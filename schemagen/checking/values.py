"""The keywords of a schema as kube-openapi checks them, with its messages and quirks.

Preserved from ``pkg/validation/validate`` (kube-openapi 2026-07): which of several failed branches
is reported (the one with the most matches), deduplication of errors, and type conversions in an
enum. On update, unchanged invalid parts are accepted (KEP-4008, ratcheting).
"""

from collections.abc import Sequence
from typing import Literal

from schemagen import deadlines, formats, go_format
from schemagen.cel import ABSENT, OMITTED, Absent
from schemagen.checking import correlation
from schemagen.checking.field_errors import Fault, dotted
from schemagen.checking.nodes import Node, Path
from schemagen.problems import JSON

_IN = "in body"


class Result:
    """Deduplicated errors, and the number of checks that a value passed."""

    __slots__ = ("faults", "matches")

    def __init__(self, *faults: Fault, matches: int = 0) -> None:
        self.faults: list[Fault] = list(faults)
        self.matches = matches

    def add(self, fault: Fault | None) -> None:
        """Add an error unless it is already present."""
        if fault is not None and fault not in self.faults:
            self.faults.append(fault)

    def merge(self, other: "Result") -> None:
        """Merge another result."""
        self.matches += other.matches
        if other.faults:
            for fault in other.faults:
                deadlines.check()
                self.add(fault)


def validate(
    node: Node,
    value: JSON,
    path: Path = (),
    old: JSON | Absent = ABSENT,
    *,
    prefix: Path = (),
) -> Result:
    """Check a value; values equal to the old one are accepted.

    Args:
        node: The schema.
        value: A normalized value.
        path: Where the value is, for messages.
        old: The value before an update, or ABSENT.
        prefix: Prefix of the path in fields, but not in messages: a status is validated on its own.
    """
    result = _validated(node, value, _Where(path, prefix), old)
    if result.faults and old is not ABSENT and correlation.equal(node, value, old):
        result.faults = []
    return result


class _Where:
    """A place, as messages and as fields write it."""

    __slots__ = ("path", "prefix")

    def __init__(self, path: Path, prefix: Path) -> None:
        self.path, self.prefix = path, prefix

    def __str__(self) -> str:
        return dotted(self.path)

    def fault(self, reason: str, detail: str, value: JSON = OMITTED) -> Fault:
        path = (*self.prefix, *self.path)
        return Fault(reason, path, detail, value, dotted(path) or "<nil>")

    def loose(self, detail: str) -> Fault:
        """Return an error that Go reports without its path: only the prefix is known."""
        path = (*self.prefix, *self.path)
        return Fault("FieldValueInvalid", path, detail, "", dotted(self.prefix) or "<nil>")


def _validated(node: Node, value: JSON, where: _Where, old: JSON | Absent) -> Result:
    """Run all checks of one node, without ratcheting at this node itself."""
    deadlines.check()
    result = Result()
    mistyped = _type(node, value, where)
    result.add(mistyped)
    result.matches += mistyped is None
    if value is None:
        result.add(_enum(node, value, where))
        return result
    result.matches += 3 + bool(node.types)  # junctors, enum, the node as a whole, its type
    result.merge(_junctors(node, value, where))
    match value:
        case bool():
            pass
        case str():
            result.matches += 1
            _string(node, value, where, result)
        case int() | float():
            result.matches += 2
            _number(node, value, where, result)
        case list():
            result.matches += 2
            _array(node, value, where, old, result)
        case dict():
            result.matches += 1
            _object(node, value, where, old, result)
    result.add(_enum(node, value, where))
    return result


# ---------------------------------------------------------------------------------------- types


_KINDS: dict[type, str] = {
    type(None): "null",
    bool: "boolean",
    str: "string",
    int: "integer",
    float: "number",
    list: "array",
}


def kind_of(value: JSON) -> str:
    """Return the JSON Schema name of a value's type."""
    return _KINDS.get(type(value), "object")


_FLOAT_FORMATS = {"integer": "int64", "number": "float64"}


def _type(node: Node, value: JSON, where: _Where) -> Fault | None:
    kind = kind_of(value)
    is_text = kind in {"string", "array"}
    is_numeric = "number" in node.types or "integer" in node.types
    if value is None:
        is_taken = node.nullable or not node.types
    elif is_text and node.format and not is_numeric:
        is_taken = True  # the format decides, which checks only strings
    else:
        is_taken = not (node.types or node.format) or _fits(node, value, kind)
    if is_taken:
        return None
    own_format = _FLOAT_FORMATS.get(kind, "")
    if node.format and not is_text and value is not None and own_format != node.format:
        return _mistyped(where, (node.format,), own_format)
    return _mistyped(where, node.types, kind)


def _fits(node: Node, value: JSON, kind: str) -> bool:
    if kind == "integer":
        return "integer" in node.types or "number" in node.types
    is_whole = kind == "number" and "integer" in node.types and formats.is_json_integer(value)
    return kind in node.types or is_whole


def _mistyped(where: _Where, types: Sequence[str], kind: str) -> Fault:
    detail = f"{where} {_IN} must be of type {','.join(types)}: {go_format.quoted(kind)}"
    return where.fault("FieldValueTypeInvalid", detail, kind)


# -------------------------------------------------------------------------------------- scalars


def _string(node: Node, value: str, where: _Where, result: Result) -> None:
    result.add(_text(node, value, where))
    if node.format and formats.is_known(node.format):
        result.matches += 1
        if not formats.is_string_format(node.format, value):
            detail = f"{where} {_IN} must be of type {node.format}: {go_format.quoted(value)}"
            result.add(where.fault("FieldValueTypeInvalid", detail, value))


def _text(node: Node, value: str, where: _Where) -> Fault | None:
    """Return the first violated bound of a string."""
    maximum, minimum = node.schema.get("maxLength"), node.schema.get("minLength")
    if maximum is not None and len(value) > maximum:
        unit = "byte" if maximum == 1 else "bytes"  # upstream wording; it counts code points
        return where.fault("FieldValueTooLong", f"may not be more than {maximum} {unit}")
    if minimum is not None and len(value) < minimum:
        detail = f"{where} {_IN} should be at least {minimum} chars long"
        return where.fault("FieldValueInvalid", detail, value)
    if node.pattern is not None and node.pattern.search(value) is None:
        detail = f"{where} {_IN} should match '{node.schema['pattern']}'"
        return where.fault("FieldValueInvalid", detail, value)
    return None


def _number(node: Node, value: float, where: _Where, result: Result) -> None:
    schema = node.schema
    result.add(_range(node, value, where))
    if "multipleOf" in schema:
        result.add(_multiple(schema["multipleOf"], value, where))
    if "minimum" in schema:
        exclusive = schema.get("exclusiveMinimum", False)
        result.add(_bound(value, schema["minimum"], where, exclusive=exclusive, is_most=False))
    if "maximum" in schema:
        exclusive = schema.get("exclusiveMaximum", False)
        result.add(_bound(value, schema["maximum"], where, exclusive=exclusive, is_most=True))


def _range(node: Node, value: float, where: _Where) -> Fault | None:
    """Check that a number is within its type and format (IsValueValidAgainstRange)."""
    if node.types == ("integer",):
        problem = formats.range_problem("integer", node.format, value, str(where))
    elif node.types == ("number",):
        problem = formats.range_problem("number", node.format, value, str(where))
    else:
        return None
    return None if problem is None else where.loose(problem)


def _bound(
    value: float, bound: float, where: _Where, *, exclusive: bool, is_most: bool
) -> Fault | None:
    if isinstance(value, int):  # Go compares integers with the integral part of the bound
        bound = int(bound)
    over = value - bound if is_most else bound - value
    if over < 0 or (over == 0 and not exclusive):
        return None
    word = "less" if is_most else "greater"
    equal = "" if exclusive else " or equal to"
    than = f"{word} than{equal} {_bound_text(value, bound)}"
    return where.fault("FieldValueInvalid", f"{where} {_IN} should be {than}", value)


def _bound_text(value: float, bound: float) -> str:
    return str(bound) if isinstance(value, int) else go_format.floating(float(bound))


def _multiple(factor: float, value: float, where: _Where) -> Fault | None:
    step: float = int(factor) if isinstance(value, int) else float(factor)
    if step <= 0:
        detail = f"factor MultipleOf declared for {where} must be positive: {go_format.plain(step)}"
        return where.fault("FieldValueInvalid", detail, step)
    if isinstance(value, int):
        is_multiple = value % step == 0
    else:
        is_multiple = formats.is_json_integer(1 / step * value if step < 1 else value / step)
    if is_multiple:
        return None
    detail = f"{where} {_IN} should be a multiple of {go_format.plain(step)}"
    return where.fault("FieldValueInvalid", detail, value)


def _enum(node: Node, value: JSON, where: _Where) -> Fault | None:
    if not node.enum or any(_is(value, word) for word in node.enum):
        return None
    words = (word if isinstance(word, str) else go_format.marshalled(word) for word in node.enum)
    supported = ", ".join(map(go_format.quoted, words))
    return where.fault("FieldValueNotSupported", f"supported values: {supported}", value)


def _is(value: JSON, word: JSON) -> bool:
    """Return whether a value, converted to the enum value's type as in Go, equals it."""
    if isinstance(value, bool) or isinstance(word, bool):
        return type(value) is type(word) and bool(value == word)
    if isinstance(value, int | float) and isinstance(word, int | float):
        return (int(value) if isinstance(word, int) else float(value)) == word
    if isinstance(value, int) and isinstance(word, str):  # string(rune)
        is_rune = 0 <= value <= 0x10FFFF and not 0xD800 <= value <= 0xDFFF  # noqa: PLR2004 - Unicode's
        return (chr(value) if is_rune else "\ufffd") == word
    return correlation.same(value, word)


# ------------------------------------------------------------------------------------ containers


def _array(
    node: Node, value: list[JSON], where: _Where, old: JSON | Absent, result: Result
) -> None:
    before = correlation.children(node, value, old)
    for (child, item, index), previous in zip(node.children(value), before, strict=True):
        result.merge(validate(child, item, (*where.path, index), previous, prefix=where.prefix))
    _count(node, len(value), "Items", where, result)


def _count(
    node: Node, count: int, what: Literal["Items", "Properties"], where: _Where, result: Result
) -> None:
    minimum, maximum = node.schema.get(f"min{what}"), node.schema.get(f"max{what}")
    if minimum is not None and count < minimum:
        detail = f"{where} {_IN} should have at least {minimum} {what.lower()}"
        result.add(where.fault("FieldValueInvalid", detail, count))
    if maximum is not None and count > maximum:
        unit = "item" if maximum == 1 else "items"  # also for objects
        result.add(where.fault("FieldValueTooMany", f"must have at most {maximum} {unit}", count))


def _object(
    node: Node, value: dict[str, JSON], where: _Where, old: JSON | Absent, result: Result
) -> None:
    _count(node, len(value), "Properties", where, result)
    before = correlation.children(node, value, old)
    for (child, member, name), previous in zip(node.children(value), before, strict=True):
        # Both are converted to the same apiVersion, so that a change of it is invisible.
        is_seen = where.path or name not in correlation.TYPE_META
        earlier = previous if is_seen else ABSENT
        result.merge(validate(child, member, (*where.path, name), earlier, prefix=where.prefix))
    for name in node.required:
        if name not in value:
            missing = _Where((*where.path, name), where.prefix)
            result.add(missing.fault("FieldValueRequired", ""))


# -------------------------------------------------------------------------------------- junctors


def _junctors(node: Node, value: JSON, where: _Where) -> Result:
    """Check branches without the old value: ratcheting does not apply inside them."""
    result = Result(matches=1)
    if node.any_of:
        _any_of(node, value, where, result)
    if node.one_of:
        _one_of(node, value, where, result)
    if node.all_of:
        _all_of(node, value, where, result)
    if node.negated is not None and not _validated(node.negated, value, where, ABSENT).faults:
        result.add(
            where.loose(f"{go_format.quoted(str(where))} must not validate the schema (not)")
        )
    return result


def _any_of(node: Node, value: JSON, where: _Where, result: Result) -> None:
    best: Result | None = None
    for branch in node.any_of:
        outcome = _validated(branch, value, where, ABSENT)
        if not outcome.faults:
            result.merge(outcome)
            return
        if best is None or outcome.matches > best.matches:
            best = outcome
    where_text = go_format.quoted(str(where))
    result.add(where.loose(f"{where_text} must validate at least one schema (anyOf)"))
    if best is not None:
        result.merge(best)


def _one_of(node: Node, value: JSON, where: _Where, result: Result) -> None:
    best: Result | None = None
    passed: list[Result] = []
    for branch in node.one_of:
        outcome = _validated(branch, value, where, ABSENT)
        if not outcome.faults:
            passed.append(outcome)
            best = None
        elif not passed and (best is None or outcome.matches > best.matches):
            best = outcome
    if len(passed) == 1:
        result.merge(passed[0])
        return
    summary = f"Found {len(passed)} valid alternatives" if passed else "Found none valid"
    text = (
        f"{go_format.quoted(str(where))} must validate one and only one schema (oneOf). {summary}"
    )
    result.add(where.loose(text))
    if best is not None:
        result.merge(best)


def _all_of(node: Node, value: JSON, where: _Where, result: Result) -> None:
    passed = 0
    for branch in node.all_of:
        outcome = _validated(branch, value, where, ABSENT)
        passed += not outcome.faults
        result.merge(outcome)
    if passed != len(node.all_of):
        none = "" if passed else ". None validated"
        text = f"{go_format.quoted(str(where))} must validate all the schemas (allOf){none}"
        result.add(where.loose(text))
