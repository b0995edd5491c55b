"""Schema keywords in words: the type of a value, and what it has to be. Pure."""

import dataclasses
import json
from collections.abc import Callable, Iterator
from typing import Final

from schemagen.problems import JSON
from schemagen.schema.keywords import Schema
from schemagen.versions import schema_places

_PRESERVED: Final = "x-kubernetes-preserve-unknown-fields"
_INT_OR_STRING: Final = "x-kubernetes-int-or-string"


@dataclasses.dataclass(frozen=True)
class Fact:
    """Something that a schema says of a value.

    Attributes:
        label: What about: ``Length``.
        text: In words; empty if the values say it.
        values: As they are written in a manifest.
    """

    label: str
    text: str = ""
    values: tuple[str, ...] = ()


# --- types --------------------------------------------------------------------------------------

_PLURALS: Final = {
    "list": "lists",
    "map": "maps",
    "integer or string": "integers or strings",
    "free-form object": "free-form objects",
    "Kubernetes object": "Kubernetes objects",
    "any value": "any values",
}


def type_of(schema: Schema) -> str:
    """Return the type of a value: ``list of strings``, ``map of integers``, ``object``."""
    if schema.get("x-kubernetes-embedded-resource"):
        return "Kubernetes object"
    match schema_places.type_of(schema):
        case "list":
            return f"list of {_plural(_inner(schema, 'items'))}"
        case "map":
            return f"map of {_plural(_inner(schema, 'additionalProperties'))}"
        case name:
            return name


def _inner(schema: Schema, keyword: str) -> str:
    inner = schema.get(keyword)
    return type_of(inner if isinstance(inner, dict) else {})


def _plural(words: str) -> str:
    first, of, rest = words.partition(" of ")
    return f"{_PLURALS.get(first, f'{first}s')}{of}{rest}"


# --- constraints --------------------------------------------------------------------------------


def of(schema: Schema, whose: str = "") -> Iterator[Fact]:
    """Yield what a schema says of a value besides its type, for instance of ``each item``."""
    for write in _WRITERS:
        for fact in write(schema):
            yield dataclasses.replace(fact, label=f"{fact.label} of {whose}") if whose else fact


def written(value: JSON) -> str:
    """Return a value as in a manifest, in one line."""
    if isinstance(value, str) and value and value == value.strip() and "\n" not in value:
        return value
    return json.dumps(value, ensure_ascii=False)


def _enum(schema: Schema) -> Iterator[Fact]:
    if isinstance(schema.get("enum"), list):
        yield Fact("Values", values=tuple(map(written, schema["enum"])))


def _default(schema: Schema) -> Iterator[Fact]:
    if "default" in schema:
        yield Fact("Default", values=(written(schema["default"]),))


def _bounds(schema: Schema) -> Iterator[Fact]:
    low, high = schema.get("minimum"), schema.get("maximum")
    texts = []
    if low is not None:
        texts.append(f"{'above' if schema.get('exclusiveMinimum') else 'at least'} {low}")
    if high is not None:
        texts.append(f"{'below' if schema.get('exclusiveMaximum') else 'at most'} {high}")
    if texts:
        yield Fact("Range", " and ".join(texts))
    if "multipleOf" in schema:
        yield Fact("Multiple of", str(schema["multipleOf"]))


def _sizes(schema: Schema) -> Iterator[Fact]:
    for label, keyword, unit in (
        ("Length", "Length", "character"),
        ("Number of items", "Items", "item"),
        ("Number of keys", "Properties", "key"),
    ):
        text = _between(schema.get(f"min{keyword}"), schema.get(f"max{keyword}"), unit)
        if text:
            yield Fact(label, text)
    if schema.get("uniqueItems"):
        yield Fact("Items", "all different")


def _between(low: JSON, high: JSON, unit: str) -> str:
    def counted(number: JSON) -> str:
        return f"{number} {unit}{'' if number == 1 else 's'}"

    if low and high is not None:
        return f"exactly {counted(low)}" if low == high else f"{low} to {counted(high)}"
    if high is not None:
        return f"at most {counted(high)}"
    return f"at least {counted(low)}" if low else ""


def _texts(schema: Schema) -> Iterator[Fact]:
    for label, keyword in (("Pattern", "pattern"), ("Format", "format")):
        if schema.get(keyword):
            yield Fact(label, values=(str(schema[keyword]),))


def _lists(schema: Schema) -> Iterator[Fact]:
    keys = schema.get("x-kubernetes-list-map-keys")
    match schema.get("x-kubernetes-list-type"):
        case "map":
            names = tuple(map(str, keys)) if isinstance(keys, list) else ()
            yield Fact("Merged by", values=names)
        case "set":
            yield Fact("Merged as", "a set, without duplicates")
        case "atomic":
            yield Fact("Replaced", "as a whole by server-side apply")
    if schema.get("x-kubernetes-map-type") == "atomic":
        yield Fact("Replaced", "as a whole by server-side apply")


def _open(schema: Schema) -> Iterator[Fact]:
    if schema.get("nullable"):
        yield Fact("Null", "allowed")
    if schema.get(_PRESERVED) and schema.get("properties"):
        yield Fact("Other fields", "kept as they are")


def _junctors(schema: Schema) -> Iterator[Fact]:
    if schema.get(_INT_OR_STRING):
        return
    labels = {"oneOf": "Exactly one of", "anyOf": "At least one of", "allOf": "All of"}
    for keyword, label in labels.items():
        branches = schema.get(keyword)
        if not isinstance(branches, list) or not branches:
            continue
        names = [_only_required(branch) for branch in branches]
        if all(names):
            yield Fact(label, values=tuple(" + ".join(name) for name in names))
        else:
            yield Fact(label, values=tuple(json.dumps(b, ensure_ascii=False) for b in branches))
    if isinstance(schema.get("not"), dict):
        yield Fact("Never", values=(json.dumps(schema["not"], ensure_ascii=False),))


def _only_required(branch: JSON) -> tuple[str, ...]:
    """Return the fields that a branch requires, if it says nothing else."""
    if not isinstance(branch, dict) or not isinstance(branch.get("required"), list):
        return ()
    return tuple(map(str, branch["required"])) if set(branch) == {"required"} else ()


def _documentation(schema: Schema) -> Iterator[Fact]:
    if "example" in schema:
        yield Fact("Example", values=(written(schema["example"]),))
    docs = schema.get("externalDocs")
    if isinstance(docs, dict) and docs.get("url"):
        yield Fact("See", str(docs.get("description") or ""), values=(str(docs["url"]),))


_WRITERS: Final[tuple[Callable[[Schema], Iterator[Fact]], ...]] = (
    *(_default, _enum, _bounds, _sizes, _texts, _lists, _open, _junctors, _documentation),
)
