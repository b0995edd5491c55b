"""Schema node -> annotation, with the markers that say its keywords. Pure.

What no type or marker expresses, or what a model refuses to say, remains in ``Keywords(...)``: the
node's schema is the one that it had, whatever that is.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from schemagen.migrate.importing import types
from schemagen.migrate.importing.python.expressions import (
    Call,
    Expression,
    List,
    Name,
    Optional,
    Reference,
    Subscript,
    Value,
)
from schemagen.model import wire
from schemagen.problems import JSON
from schemagen.schema import patterns, satisfiability
from schemagen.schema.keywords import Schema, SchemaError

DOCUMENTATION: Final = ("title", "example", "description")
_PRESERVED: Final = "x-kubernetes-preserve-unknown-fields"
_INT_OR_STRING: Final = "x-kubernetes-int-or-string"
_EMBEDDED: Final = "x-kubernetes-embedded-resource"
_LIST_TYPE: Final = "x-kubernetes-list-type"
_LIST_KEYS: Final = "x-kubernetes-list-map-keys"
_RULES: Final = "x-kubernetes-validations"
_ANY_OF: Final = [{"type": "integer"}, {"type": "string"}]

# Of the objects right below a root.
_BASES: Final[Mapping[types.Place, Expression]] = {
    ("spec",): Name("Spec"),
    ("status",): Name("Status"),
}
_SCALARS: Final = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}
# Formats with a type of their own in ``wire``.
_WIRE: Final = {
    ("integer", "int32"): "Int32",
    ("integer", "int64"): "Int64",
    ("string", "date-time"): "Timestamp",
    ("string", "date"): "Date",
    ("string", "duration"): "GoDuration",
    ("string", "uri"): "Uri",
    ("string", "email"): "Email",
    ("string", "hostname"): "Hostname",
    ("string", "ipv4"): "IPv4",
    ("string", "ipv6"): "IPv6",
    ("string", "cidr"): "Cidr",
    ("string", "mac"): "Mac",
    ("string", "uuid"): "Uuid",
    ("string", "byte"): "Base64",
}
_SIZES: Final = {"string": "Length", "array": "Items", "object": "Properties"}
# Integers up to here are exact as float64, in which the API server reads bounds.
_EXACT: Final = 2**53
_RULE_ARGUMENTS: Final = {
    "messageExpression": "message_expression",
    "reason": "reason",
    "fieldPath": "field_path",
    "optionalOldSelf": "optional_old_self",
}


class Annotations:
    """Writes the annotations of nodes, collecting the types that they use."""

    def __init__(self, collected: types.Types) -> None:
        self._types = collected

    def field(
        self, name: str, node: Schema, place: types.Place, *, is_required: bool
    ) -> types.Field:
        """Return the field of a class."""
        node = dict(node)
        texts = _documentation(node)
        default = self._default(node, place)
        optional = not is_required and default is None
        annotation = self._annotation(node, place, node.get("description", ""))
        return types.Field(name, annotation, optional, default, texts)

    def _default(self, node: dict[str, Any], place: types.Place) -> Expression | None:
        """Take the default out of a node; a null stays, and one that a model would refuse."""
        default = node.get("default")
        if default is None or not _is_fit(node, default):
            return None
        del node["default"]
        if isinstance(default, dict | list):
            return Reference(self._types.add_constant(Value(default), place))
        return Value(default)

    def item(self, node: Schema, place: types.Place) -> Expression:
        """Return the annotation of a list's items or a map's values."""
        texts = _documentation(dict(node))
        annotation = self._annotation(node, place, node.get("description", ""))
        if not texts:
            return annotation
        return self._annotated(annotation, [Call("Field", (), texts)], place)

    def _annotation(self, node: Schema, place: types.Place, text: str) -> Expression:
        left = {keyword: node[keyword] for keyword in node if keyword not in DOCUMENTATION}
        base = self._base(left, place, text)
        markers = [*_markers(left, base, node)]
        if place[-1] == "metadata" and _is_hollow(node):
            left["type"] = "object"  # said as it is: a model would have to say what it holds
        nullable = left.get("nullable") is True
        if nullable and "enum" not in node:
            del left["nullable"]
            markers.append(Call("Nullable"))
        if left:
            markers.append(Call("Keywords", (Value(left),)))
        is_null = nullable or "default" in left
        inner = Optional(base) if is_null and base != Name("Any") else base
        return self._annotated(inner, markers, place)

    def _annotated(
        self, base: Expression, markers: list[Expression], place: types.Place
    ) -> Expression:
        if not markers:
            return base
        if isinstance(base, Reference) and base.key in self._types.aliases:
            used = self._types.aliases[base.key]
            used.places.pop()  # it becomes a part of this one
            if isinstance(used.type, Subscript) and used.type.head == "Annotated":
                base, *inner = used.type.items
                markers = [*inner, *markers]
            elif isinstance(used.type, Subscript):
                base = used.type
        expression = Subscript("Annotated", (base, *_merged(markers)))
        return Reference(self._types.add_alias(expression, place))

    def _base(self, left: dict[str, Any], place: types.Place, text: str) -> Expression:
        """Return the type without markers, taking the keywords that it says out of the node."""
        if left.get(_INT_OR_STRING) is True and "type" not in left:
            return _int_or_string(left)
        kind = left.get("type")
        if kind == "object":
            return self._object(left, place, text)
        if kind == "array" and isinstance(left.get("items"), dict):
            del left["type"]
            item = self.item(left.pop("items"), (*place, "[]"))
            return Subscript("list", (item,))
        if _is_literal(left):
            del left["type"]
            words = Subscript("Literal", tuple(map(Value, left.pop("enum"))))
            return Reference(self._types.add_alias(words, place))
        if kind in _SCALARS and not left.get(_PRESERVED):
            return _scalar(left)
        return _any(left)

    def _object(self, left: dict[str, Any], place: types.Place, text: str) -> Expression:
        values = left.get("additionalProperties")
        if isinstance(values, dict) and "properties" not in left:
            del left["type"], left["additionalProperties"]
            return Subscript("dict", (Name("str"), self.item(values, (*place, "{}"))))
        if values is True and "properties" not in left:
            left.setdefault(_PRESERVED, None)
            return Name("JSONObject")
        is_open = left.get(_PRESERVED) is True
        if is_open and not left.keys() & {"properties", "required", *_JUNCTORS}:
            del left["type"], left[_PRESERVED]
            return Name("JSONObject")
        del left["type"]
        return Reference(self._types.add_class(self.class_(left, place), place, text))

    def class_(self, left: dict[str, Any], place: types.Place) -> types.Class:
        """Return a class, taking the keywords that it says out of the node."""
        required = left.pop("required", [])
        fields = tuple(
            self.field(name, node, (*place, name), is_required=name in required)
            for name, node in left.pop("properties", {}).items()
        )
        keywords: dict[str, JSON] = {name: left.pop(name) for name in _JUNCTORS if name in left}
        said = [field.wire_name for field in fields if not field.is_optional and not field.default]
        if sorted(said) != sorted(required):
            keywords["required"] = required
        rules = tuple(map(_rule, left.pop(_RULES, [])))
        is_open = left.get(_PRESERVED) is True
        if is_open:
            del left[_PRESERVED]
        return types.Class(fields, rules, keywords, is_open, base=_BASES.get(place[2:]))


def _is_fit(node: Schema, default: JSON) -> bool:
    """Return whether a model with the node's schema may have its default."""
    if satisfiability.is_plainly_fit(node, default):
        return True
    try:
        satisfiability.check_default(node, "")
    except SchemaError:
        return False
    return True


def _is_hollow(node: Schema) -> bool:
    """Return whether a node is an object of which nothing is kept."""
    held = ("properties", "additionalProperties", _PRESERVED)
    return node.get("type") == "object" and not node.keys() & {*held}


_JUNCTORS: Final = ("allOf", "anyOf", "oneOf", "not")


def _documentation(node: Mapping[str, JSON]) -> tuple[tuple[str, Expression], ...]:
    """Return the arguments of ``Field(...)`` that document a node."""
    texts: list[tuple[str, Expression]] = []
    if "title" in node:
        texts.append(("title", Value(node["title"])))
    if node.get("example") is not None:
        texts.append(("examples", List((Value(node["example"]),))))
    if "description" in node:
        texts.append(("description", Value(node["description"])))
    return tuple(texts)


def _any(left: dict[str, Any]) -> Expression:
    """Return any value; where it is none that keeps unknown fields, the keyword is left out."""
    if left.get(_PRESERVED) is True:
        del left[_PRESERVED]
    else:
        left[_PRESERVED] = None
    return Name("Any")


def _int_or_string(left: dict[str, Any]) -> Expression:
    del left[_INT_OR_STRING]
    if left.setdefault("anyOf", None) == _ANY_OF:
        del left["anyOf"]
    if left.get("pattern") == wire.QUANTITY:
        del left["pattern"]
        return Name("wire.Quantity")
    return Name("wire.IntOrString")


def _scalar(left: dict[str, Any]) -> Expression:
    kind = left.pop("type")
    named = _WIRE.get((kind, left.get("format", "")))
    if named is None:
        return Name(_SCALARS[kind])
    del left["format"]
    return Name(f"wire.{named}")


def _is_literal(node: Schema) -> bool:
    """Return whether a node is one of some values that ``Literal`` can have."""
    python = {"string": str, "integer": int, "boolean": bool}.get(node.get("type", ""))
    words = node.get("enum")
    if python is None or not isinstance(words, list) or not words or node.get(_PRESERVED):
        return False
    return (
        all(type(word) is python for word in words)
        and len({*words}) == len(words)
        and not any(satisfiability.unreachable(node))
    )


def _markers(left: dict[str, Any], base: Expression, node: Schema) -> Iterator[Expression]:
    """Yield the markers of a node, taking the keywords that they say out of it."""
    kind = "" if base == Name("Any") else node.get("type", "")
    if "format" in left and kind in _SCALARS and kind != "boolean":
        yield Call("Format", (Value(left.pop("format")),))
    if not any(satisfiability.contradictions(dict(node))):
        arguments = (*_sizes(left, kind), *_bounds(left, kind), *_pattern(left, base, kind))
        if arguments:
            yield Call("Field", (), arguments)
    yield from _topology(left, kind)
    if left.get(_EMBEDDED) is True and _may_be_embedded(base):
        del left[_EMBEDDED]
        yield Call("EmbeddedResource")
    if isinstance(left.get("externalDocs"), dict) and left["externalDocs"].get("url"):
        docs = left.pop("externalDocs")
        texts = (docs[key] for key in ("url", "description") if key in docs)
        yield Call("ExternalDocs", tuple(map(Value, texts)))
    yield from map(_rule, left.pop(_RULES, []))


def _sizes(left: dict[str, Any], kind: str) -> tuple[tuple[str, Expression], ...]:
    suffix = _SIZES.get(kind)
    names = {f"min{suffix}": "min_length", f"max{suffix}": "max_length"}
    return tuple(
        (argument, Value(left.pop(keyword)))
        for keyword, argument in names.items()
        if type(left.get(keyword)) is int and left[keyword] >= 0
    )


def _bounds(left: dict[str, Any], kind: str) -> Iterator[tuple[str, Expression]]:
    if kind not in {"integer", "number"}:
        return
    for keyword, open_, closed in (("minimum", "gt", "ge"), ("maximum", "lt", "le")):
        if _is_bound(left.get(keyword), kind):
            exclusive = left.pop(f"exclusive{keyword.capitalize()}", False)
            yield open_ if exclusive else closed, Value(left.pop(keyword))
    if _is_bound(left.get("multipleOf"), kind) and left["multipleOf"] > 0:
        yield "multiple_of", Value(left.pop("multipleOf"))


def _is_bound(value: JSON, kind: str) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    is_exact = isinstance(value, int) and abs(value) <= _EXACT
    return is_exact or (kind == "number" and math.isfinite(value))


def _pattern(left: dict[str, Any], base: Expression, kind: str) -> Iterator[tuple[str, Expression]]:
    is_text = kind == "string" or base == Name("wire.IntOrString")
    if is_text and isinstance(left.get("pattern"), str) and not patterns.problem(left["pattern"]):
        yield "pattern", Value(left.pop("pattern"))


def _topology(left: dict[str, Any], kind: str) -> Iterator[Expression]:
    """Yield who owns what is below a node in server-side apply."""
    keyword = {"array": _LIST_TYPE, "object": "x-kubernetes-map-type"}.get(kind, "")
    match kind, left.get(keyword):
        case "array", "map" if isinstance(left.get(_LIST_KEYS), list):
            del left[keyword]
            yield Call("ListMap", tuple(map(Value, left.pop(_LIST_KEYS))))
        case "array", "set":
            del left[keyword]
            yield Call("ListSet")
        case _, "atomic":
            del left[keyword]
            yield Call("Atomic")
        case "object", "granular":
            del left[keyword]
            yield Call("Granular")


def _may_be_embedded(base: Expression) -> bool:
    return base == Name("JSONObject") or isinstance(base, Reference)


def _rule(entry: Mapping[str, JSON]) -> Expression:
    items = [Value(entry["rule"])]
    named: list[tuple[str, Expression]] = []
    if "message" in entry:
        items.append(Value(entry["message"]))
    for keyword, argument in _RULE_ARGUMENTS.items():
        if keyword in entry:
            named.append((argument, Value(entry[keyword])))
    return Call("Cel", tuple(items), tuple(named))


def _merged(markers: list[Expression]) -> Iterator[Expression]:
    """Yield markers with all arguments of ``Field`` in one, and all keywords in one."""
    arguments: dict[str, Expression] = {}
    raw: dict[str, JSON] = {}
    for marker in markers:
        if isinstance(marker, Call) and marker.head == "Field":
            arguments |= dict(marker.named)
        elif isinstance(marker, Call) and marker.head == "Keywords":
            (stated,) = marker.items
            raw |= stated.value if isinstance(stated, Value) else {}
        else:
            yield marker
    if arguments:
        yield Call("Field", (), tuple(arguments.items()))
    if raw:
        yield Call("Keywords", (Value(raw),))
