"""``x-kubernetes-int-or-string``: constraints of an integer and of a string in one node.

The API server fixes the node's ``anyOf`` and allows no type below it. But numeric bounds do not
apply to strings, nor patterns to numbers: each constrains only its own branch.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from schemagen.schema.keywords import LIMIT, Schema, SchemaError, add_pattern

_NODE: Final[Mapping[str, Any]] = {
    "anyOf": [{"type": "integer"}, {"type": "string"}],
    "x-kubernetes-int-or-string": True,
}

# No number matches and strings are unaffected: a way to express «is a string».
_NO_NUMBER: Final = {"minimum": 1, "maximum": 0}

_INT32: Final = (-(2**31), 2**31 - 1)

_NUMERIC = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "multipleOf")
_KEPT: Mapping[str, frozenset[str]] = {
    "integer": frozenset({"type", "enum", "format", *_NUMERIC}),
    "string": frozenset(
        {"type", "enum", "format", "minLength", "maxLength", "pattern", "allOf"} | {LIMIT}
    ),
}


def is_int_or_string(schema: Schema) -> bool:
    """Return whether a node accepts an integer or a string."""
    return bool(schema.get("x-kubernetes-int-or-string"))


def merged(branches: Sequence[Schema], where: str) -> Schema:
    """Return the node that accepts what one of the branches accepts.

    Raises:
        SchemaError: if they are not one integer and one string, or use unsupported keywords.
    """
    by_type = {str(branch.get("type")): branch for branch in branches}
    if len(branches) != len(by_type) or by_type.keys() != _KEPT.keys():
        raise SchemaError(
            f"{where}: expected int | str with IntOrString, got "
            f"{[branch.get('type', 'any') for branch in branches]}; write one int and one str, "
            "each with its constraints"
        )
    for name, branch in by_type.items():
        _check(branch, name, where)
    integer, text = dict(by_type["integer"]), dict(by_type["string"])
    schema: Schema = dict(_NODE)
    numbers, words = integer.pop("enum", None), text.pop("enum", None)
    _add_format(integer, where)
    for branch in (integer, text):
        schema |= {keyword: value for keyword, value in branch.items() if keyword != "type"}
    _add_enums(schema, numbers, words, where)
    return schema


def _check(branch: Schema, name: str, where: str) -> None:
    foreign = sorted(branch.keys() - _KEPT[name])
    if foreign:
        raise SchemaError(
            f"{where}: expected bounds, a pattern, a format or an enum on a branch of IntOrString, "
            f"got {', '.join(foreign)} on the {name}; write it next to IntOrString, for the whole "
            "field (a Cel rule can ask for type(self) == int)"
        )


def _add_format(integer: Schema, where: str) -> None:
    """Add the range of an integer's format as bounds: beside a string the format is not checked.

    The string's own format is checked, for strings only.
    """
    name = integer.pop("format", "int64")
    if name == "int32":
        low, high = _INT32
        integer.setdefault("minimum", low)
        integer.setdefault("maximum", high)
    elif name != "int64":
        raise SchemaError(
            f"{where}: expected int32 or int64 as the format of an integer with IntOrString, got "
            f"{name}; leave it out"
        )


def _add_enums(
    schema: Schema, numbers: Sequence[int] | None, words: Sequence[str] | None, where: str
) -> None:
    """Add the allowed numbers and strings.

    A single enum would accept the number 97 for the word "a", as Go converts between the two
    (kube-openapi's enum validation), so words of one character are written as a pattern.
    """
    if numbers is not None and words is not None and all(len(word) != 1 for word in words):
        schema["enum"] = [*numbers, *words]
        return
    if words is not None:
        add_pattern(schema, any_of_words(words), where)
    if numbers is not None:
        among = {"anyOf": [{"enum": list(numbers)}, dict(_NO_NUMBER)]}
        schema["allOf"] = [*schema.get("allOf", ()), among]


def any_of_words(words: Iterable[str]) -> str:
    """Return a pattern that matches exactly these words."""
    return f"^(?:{'|'.join(map(re.escape, words))})$"
