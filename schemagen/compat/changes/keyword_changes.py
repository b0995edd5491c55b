"""Compare the keywords of two nodes of structural schemas that constrain their own value. Pure."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from schemagen import canonical, formats
from schemagen.compat import texts
from schemagen.compat.changes import list_changes, rule_changes, union_changes
from schemagen.compat.changes.changes import (
    NARROWER,
    RATCHETED,
    WIDER,
    Audience,
    Change,
    Direction,
    all_safe,
    safe_by,
)
from schemagen.compat.changes.nodes import Node
from schemagen.problems import JSON
from schemagen.schema.keywords import Schema

_NUMBER_FORMATS: Final[Mapping[str, frozenset[str]]] = {
    "integer": frozenset({"int32", "int64"}),
    "number": frozenset({"float", "double"}),
}
_LARGER_FORMATS: Final = {("int32", "int64"), ("float", "double")}
_ANY: Final = frozenset({"string", "integer", "number", "boolean", "array", "object"})
_COMPOSITE: Final = frozenset({"array", "object"})
_ZERO: Final = frozenset({"minLength", "minItems", "minProperties"})
_BOUNDS: Final = {
    "minLength": "min-length",
    "maxLength": "max-length",
    "minItems": "min-items",
    "maxItems": "max-items",
    "minProperties": "min-properties",
    "maxProperties": "max-properties",
}
_UNKNOWN_KEPT: Final = "x-kubernetes-preserve-unknown-fields"
_FLAGS: Final = {
    _UNKNOWN_KEPT: "preserve-unknown-fields",
    "x-kubernetes-embedded-resource": "embedded-resource",
}
HANDLED: Final = frozenset(
    {
        *_BOUNDS,
        *_FLAGS,
        *("type", "x-kubernetes-int-or-string", "format", "pattern", "enum", "default", "nullable"),
        *("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "multipleOf", "required"),
        *("properties", "additionalProperties", "items", "allOf", "anyOf", "oneOf", "not"),
        *("x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-map-type"),
        *("description", "title", "example", "externalDocs", "id", "$schema"),
        "x-kubernetes-validations",
    }
)


def of(node: Node) -> Iterator[Change]:
    """Yield the changes of a node's own keywords."""
    for compare in _COMPARISONS:
        yield from compare(node)


def _type(node: Node) -> Iterator[Change]:
    old, new = kinds(node.old), kinds(node.new)
    if old == new:
        return
    scalar = not (old | new) & {"array", "object"} or (new == _ANY and not old & _COMPOSITE)
    if old < new and (scalar or not node.is_retyped):
        direction, word = Direction.LOOSENED, "widened"
    elif new < old and (scalar or not node.is_retyped):
        direction, word = Direction.TIGHTENED, "narrowed"
    else:
        direction, word = Direction.CHANGED, "changed"
    safe = safe_by(direction)
    is_ratcheted = node.is_correlated and bool(node.steps) and not old & _COMPOSITE
    if is_ratcheted and not node.is_counted and direction is not Direction.LOOSENED:
        safe[Audience.STORED] = RATCHETED
    yield node.change(
        f"type-{word}",
        f"type {word} from {named(node.old)} to {named(node.new)}",
        before=named(node.old),
        after=named(node.new),
        keyword="type",
        safe=safe,
    )


def kinds(schema: Schema) -> frozenset[str]:
    """Return the types of the values that a schema allows."""
    if schema.get("x-kubernetes-int-or-string"):
        return frozenset({"integer", "string"})
    match schema.get("type"):
        case None | "":
            return _ANY
        case "number":
            return frozenset({"integer", "number"})
        case kind:
            return frozenset({str(kind)})


def named(schema: Schema) -> str:
    """Return a schema's type as written in messages."""
    if schema.get("x-kubernetes-int-or-string"):
        return "int-or-string"
    return str(schema.get("type") or "any")


def _format(node: Node) -> Iterator[Change]:
    before, after = node.old.get("format") or None, node.new.get("format") or None
    if before == after:
        return
    kind = node.new.get("type", "")
    old, new = (name if _is_enforced(name, kind) else None for name in (before, after))
    rule, text = texts.worded("format", before, after)
    if old == new:
        yield node.change(
            rule,
            text,
            before=before,
            after=after,
            keyword="format",
            safe=all_safe("the API server enforces neither of the formats"),
        )
        return
    if not old or (new, old) in _LARGER_FORMATS:
        direction = Direction.TIGHTENED
    elif not new or (old, new) in _LARGER_FORMATS:
        direction = Direction.LOOSENED
    else:
        direction = Direction.CHANGED
    yield node.own(direction, rule, text, keyword="format")


def _is_enforced(name: str | None, kind: str) -> bool:
    """Return whether the API server refuses values of a type for a format."""
    if kind == "string":
        return name is not None and name != "password" and formats.is_known(name)
    return name in _NUMBER_FORMATS.get(kind, ())


def _pattern(node: Node) -> Iterator[Change]:
    before, after = node.old.get("pattern") or None, node.new.get("pattern") or None
    if before == after:
        return
    rule, text = texts.worded("pattern", before, after)
    if not before:
        direction = Direction.TIGHTENED
    elif not after:
        direction = Direction.LOOSENED
    else:
        direction = Direction.CHANGED
    yield node.own(direction, rule, text, keyword="pattern")


def _sizes(node: Node) -> Iterator[Change]:
    for keyword, name in _BOUNDS.items():
        before, after = node.old.get(keyword), node.new.get(keyword)
        if keyword in _ZERO:
            before, after = before or None, after or None
        if before != after:
            is_maximum = keyword.startswith("max")
            yield _bound(node, keyword, name, (before, after), is_maximum=is_maximum)


def _bound(
    node: Node,
    keyword: str,
    name: str,
    values: tuple[JSON, JSON],
    *,
    is_maximum: bool,
) -> Change:
    before, after = values
    if before is None:
        direction, word = Direction.TIGHTENED, "added"
    elif after is None:
        direction, word = Direction.LOOSENED, "removed"
    else:
        word = "raised" if after > before else "lowered"
        is_tighter = (word == "lowered") == is_maximum
        direction = Direction.TIGHTENED if is_tighter else Direction.LOOSENED
    text = {
        "added": f"{keyword} {after} added",
        "removed": f"{keyword} {before} removed",
    }.get(word, f"{keyword} {word} from {before} to {after}")
    if reason := _unreachable(node, keyword, values):
        return node.change(
            f"{name}-{word}",
            text,
            keyword=keyword,
            before=before,
            after=after,
            safe=all_safe(reason),
        )
    return node.own(direction, f"{name}-{word}", text, keyword=keyword, values=values)


def _unreachable(node: Node, keyword: str, values: tuple[JSON, JSON]) -> str:
    """Return why a bound on the number of fields decides nothing; empty if it may."""
    known = [_most_fields(schema) for schema in (node.old, node.new)]
    pairs = [(bound, most) for bound, most in zip(values, known, strict=True) if most is not None]
    if len(pairs) < len(known) or not node.steps:  # an object as a whole has metadata as well
        return ""
    if keyword == "maxProperties" and all(bound is None or bound >= most for bound, most in pairs):
        return "no value has more fields after pruning"
    if keyword == "minProperties" and all(bound and bound > most for bound, most in pairs):
        return "no value has as many fields after pruning, neither before nor now"
    return ""


def _most_fields(schema: Schema) -> int | None:
    """Return how many fields a value has at most after pruning; None if there is no limit."""
    is_open = any(
        schema.get(name)
        for name in (_UNKNOWN_KEPT, "additionalProperties", "x-kubernetes-embedded-resource")
    )
    is_object = schema.get("type") == "object"
    return len(schema.get("properties") or ()) if is_object and not is_open else None


def _limits(node: Node) -> Iterator[Change]:
    for keyword, exclusive, is_maximum in (
        ("minimum", "exclusiveMinimum", False),
        ("maximum", "exclusiveMaximum", True),
    ):
        before, after = node.old.get(keyword), node.new.get(keyword)
        if before != after:
            yield _bound(node, keyword, keyword, (before, after), is_maximum=is_maximum)
        was, now = bool(node.old.get(exclusive)), bool(node.new.get(exclusive))
        if was != now and before is not None and after is not None:
            direction = Direction.TIGHTENED if now else Direction.LOOSENED
            rule = f"exclusive-{keyword}-{'added' if now else 'removed'}"
            text = f"{keyword} is {'exclusive' if now else 'inclusive'} now"
            yield node.own(direction, rule, text, keyword=exclusive)
        elif was != now:
            yield node.change(
                f"exclusive-{keyword}-changed",
                f"{exclusive} changed",
                keyword=exclusive,
                before=was,
                after=now,
                safe=all_safe(f"it means nothing without {keyword}, whose change is told"),
            )


def _multiple(node: Node) -> Iterator[Change]:
    before, after = node.old.get("multipleOf"), node.new.get("multipleOf")
    if before == after:
        return
    rule, text = texts.worded("multiple-of", before, after)
    if before is None:
        direction = Direction.TIGHTENED
    elif after is None:
        direction = Direction.LOOSENED
    elif _is_multiple(after, before):
        direction = Direction.TIGHTENED
    elif _is_multiple(before, after):
        direction = Direction.LOOSENED
    else:
        direction = Direction.CHANGED
    yield node.own(direction, rule, text, keyword="multipleOf")


def _is_multiple(number: JSON, of: JSON) -> bool:
    # The API server accepts a CRD with `multipleOf: 0`.
    return all(isinstance(each, int) and each for each in (number, of)) and number % of == 0


def _enum(node: Node) -> Iterator[Change]:
    before, after = node.old.get("enum"), node.new.get("enum")
    old = {canonical.dumps(value): value for value in before or ()}
    new = {canonical.dumps(value): value for value in after or ()}
    if old.keys() == new.keys():
        return
    if not old:
        rule, text, direction = (
            "enum-added",
            f"enum {texts.brief(after)} added",
            Direction.TIGHTENED,
        )
    elif not new:
        rule, text, direction = (
            "enum-removed",
            f"enum {texts.brief(before)} removed",
            Direction.LOOSENED,
        )
    elif gone := [old[key] for key in old if key not in new]:
        rule, text = "enum-value-removed", f"{_values(gone)} removed from the enum"
        direction = Direction.TIGHTENED if new.keys() < old.keys() else Direction.CHANGED
        if more := [new[key] for key in new if key not in old]:
            rule, text = "enum-changed", f"{text}, {_values(more)} added"
    else:
        more = [new[key] for key in new if key not in old]
        rule, text = "enum-value-added", f"{_values(more)} added to the enum"
        direction = Direction.LOOSENED
    yield node.own(direction, rule, text, keyword="enum")


def _values(values: list[JSON]) -> str:
    return ", ".join(map(texts.brief, values))


def _nullable(node: Node) -> Iterator[Change]:
    was, now = bool(node.old.get("nullable")), bool(node.new.get("nullable"))
    if was == now:
        return
    if now:
        rule, text, safe = "nullable-added", "null is kept now", {Audience.STORED: WIDER}
    else:
        rule, text, safe = (
            "nullable-removed",
            "null is no value any more",
            {Audience.READERS: NARROWER},
        )
    yield node.change(rule, text, before=was, after=now, keyword="nullable", safe=safe)


_PERSISTED: Final = "a default is stored with the object when it is written"
_POSSIBLE: Final = "the default is a value that could be sent before"


def _default(node: Node) -> Iterator[Change]:
    before, after = node.old.get("default"), node.new.get("default")
    if before == after:
        return
    rule, text = texts.worded("default", before, after)
    safe: dict[Audience, str] = {}
    if before is not None:
        safe[Audience.STORED] = _PERSISTED
    elif not node.is_counted:
        safe[Audience.STORED] = "where the field is absent, reading fills it in"
    if after is not None:
        safe[Audience.READERS] = _POSSIBLE
    elif node.is_required:
        safe[Audience.READERS] = "the field is required, so that it is never absent"
    yield dataclasses.replace(
        node.change(rule, text, before=before, after=after, keyword="default", safe=safe),
        is_anywhere=True,
    )


def _flags(node: Node) -> Iterator[Change]:
    for keyword, name in _FLAGS.items():
        was, now = bool(node.old.get(keyword)), bool(node.new.get(keyword))
        if was == now or (keyword == _UNKNOWN_KEPT and node.is_retyped):
            continue
        safe: dict[Audience, str] = {}
        if now and keyword == _UNKNOWN_KEPT:
            safe = {
                Audience.WRITERS: WIDER,
                Audience.STORED: WIDER,
                Audience.READERS: "readers ignore fields that they do not know",
            }
        verb = "added" if now else "removed"
        yield node.change(
            f"{name}-{verb}", f"{keyword} {verb}", before=was, after=now, keyword=keyword, safe=safe
        )


def _others(node: Node) -> Iterator[Change]:
    """Report keywords that no comparison above knows."""
    for keyword in sorted(node.old.keys() | node.new.keys()):
        before, after = node.old.get(keyword), node.new.get(keyword)
        if keyword in HANDLED or (before or None) == (after or None):
            continue
        _, text = texts.worded(keyword, before, after)
        yield node.change("keyword-changed", text, before=before, after=after, keyword=keyword)


_COMPARISONS: Final[tuple[Callable[[Node], Iterator[Change]], ...]] = (
    *(_type, _nullable, _format, _pattern, _sizes, _limits, _multiple, _enum, _default),
    *(_flags, union_changes.of, list_changes.of, rule_changes.of, _others),
)
