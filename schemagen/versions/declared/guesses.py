"""Which step converts between two types, guessed from their schemas and names. Pure."""

import dataclasses
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from schemagen.problems import JSON
from schemagen.versions import durations, schema_places
from schemagen.versions.declared import placing
from schemagen.versions.schema_places import Node

_WORD: Final = re.compile(
    r"v[0-9]+(?:alpha[0-9]+|beta[0-9]+)?(?![a-z])|[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+"
)
_SECONDS: Final = {
    "second": 1,
    "minute": 60,
    "hour": 3600,
    "day": 86400,
    "week": 604800,
}
_BYTES: Final = {"byte": 1, "kb": 2**10, "mb": 2**20, "gb": 2**30, "tb": 2**40}
_SHORT: Final = {"sec": "second", "secs": "second", "min": "minute", "mins": "minute", "hr": "hour"}
_TRUE: Final = ("true", "enabled", "enable", "on", "yes", "always")
_FALSE: Final = ("false", "disabled", "disable", "off", "no", "never")
_TIMES: Final = {"interval", "period", "timeout", "delay", "duration", "ttl", "wait", "age"}
_KEYS: Final = ("name", "key", "id")


@dataclasses.dataclass(frozen=True)
class Guess:
    """A step that may convert a value.

    Attributes:
        step: As a file has it; None if the value is the same in both versions.
        question: What to ask.
    """

    step: JSON = None
    question: str = ""


def words_of(name: str) -> list[str]:
    """Return the words of a name, in lower case and singular: ``uriSANs`` is ``uri san``."""
    found = [_WORD.findall(part) for part in name.replace("SANs", "San").split(".")]
    return [_singular(word.lower()) for words in found for word in words]


def _singular(word: str) -> str:
    if word in _SHORT:
        return _SHORT[word]
    is_plural = word.endswith("s") and not word.endswith(("ss", "us", "is"))
    return word[:-1] if is_plural and len(word) > len("as") else word


def unit_of(name: str) -> str:
    """Return the unit at the end of a name; empty if it has none."""
    words = words_of(name)
    return words[-1] if words and words[-1] in {**_SECONDS, **_BYTES} else ""


def of(old: Node, new: Node) -> Guess | None:
    """Return the step between two values; None if none is known."""
    if placing.is_same(old, new):
        return _scaled(old, new) or Guess()
    for guess in (_words, _numbers, _booleans, _lists, _maps):
        found = guess(old, new)
        if found is not None:
            return found
    return None


def _name(node: Node) -> str:
    return next((part for part in reversed(node.path) if part[0] not in "[{"), "")


def _scaled(old: Node, new: Node) -> Guess | None:
    """Return the factor between the units in the names of two integers."""
    units = unit_of(_name(old)), unit_of(_name(new))
    for table in (_SECONDS, _BYTES):
        if old.type == "integer" and units[0] != units[1] and {*units} <= table.keys():
            factors = table[units[0]], table[units[1]]
            whole = max(factors) // min(factors)
            return Guess({"scaled": whole if factors[0] > factors[1] else f"1/{whole}"})
    return None


def _words(old: Node, new: Node) -> Guess | None:
    """Return the pairs of two enums whose values are spelled differently."""
    words = old.schema.get("enum"), new.schema.get("enum")
    if old.type != "string" or new.type != "string" or None in words:
        return None
    pairs = {
        str(word): str(other)
        for word in words[0] or ()
        for other in words[1] or ()
        if schema_places.same_word(word, other)
    }
    left = [str(word) for word in words[0] or () if word not in pairs]
    right = [str(word) for word in words[1] or () if word not in pairs.values()]
    if not pairs:
        return None
    question = ""
    if left and right:
        question = f"are some of {', '.join(left)} now {', '.join(right)}?"
    elif all(word == other for word, other in pairs.items()):
        return Guess()  # the common values are kept
    return Guess({"enumeration": pairs}, question=question)


def _numbers(old: Node, new: Node) -> Guess | None:
    match old.type, new.type:
        case "integer", "string":
            return _text_of_number(old, new)
        case "string", "integer":
            is_duration = _is_duration(old) or unit_of(_name(new)) == "second"
            return Guess({"inverse": "toDuration"} if is_duration else "textToInteger")
        case "string", "integer or string":
            return Guess("textOrInteger")
    return None


def _text_of_number(old: Node, new: Node) -> Guess:
    """Return how a number is written as text: as a duration, or as its digits."""
    if _is_duration(new) or unit_of(_name(old)) == "second":
        return Guess("toDuration")
    if not _TIMES.isdisjoint(words_of(_name(new))):
        asked = "are these seconds and a duration? If it is the number as text, write"
        return Guess("toDuration", question=f"{asked} {{inverse: textToInteger}}")
    return Guess({"inverse": "textToInteger"})


def _is_duration(node: Node) -> bool:
    default = node.schema.get("default")
    return node.schema.get("format") == "duration" or (
        isinstance(default, str) and durations.seconds_of(default) is not None
    )


def _booleans(old: Node, new: Node) -> Guess | None:
    match old.type, new.type:
        case "boolean", "string":
            pairs = _truth(new.schema.get("enum") or ())
            return None if pairs is None else _mapped(pairs)
        case "string", "boolean":
            words = old.schema.get("enum") or ("true", "false")
            pairs = _truth(words)
            if pairs is None or {*words} == {"true", "false"}:
                return Guess("textToBoolean")
            return _mapped((word, value) for value, word in pairs)
    return None


def _mapped(pairs: Iterable[tuple[JSON, JSON]]) -> Guess:
    return Guess({"mapped": [{"old": old, "new": new} for old, new in pairs]})


def _truth(words: Sequence[JSON]) -> list[tuple[bool, str]] | None:
    """Return the values of an enum that mean true and false."""
    yes = next((str(word) for word in words if str(word).lower() in _TRUE), None)
    no = next((str(word) for word in words if str(word).lower() in _FALSE), None)
    return None if yes is None or no is None else [(True, yes), (False, no)]


def _lists(old: Node, new: Node) -> Guess | None:
    """Return the step between a list and another shape."""
    items, others = old.items, new.items
    if old.type == new.type == "list" and items is not None and others is not None:
        key = _key_of(new, others)
        return Guess({"wrap": key}) if items.type == "string" and key else None
    if new.type == "list" and others is not None and old.type == others.type:
        asked = "is it one item of the list, or several in one string, {inverse: {joined: ','}}?"
        return Guess("single", question=asked if old.type == "string" else "")
    if old.type == "list" and items is not None and new.type == items.type:
        asked = "is it the first item of the list, or all of them in one string, {joined: ','}?"
        return Guess({"inverse": "single"}, question=asked if new.type == "string" else "")
    return None


def _maps(old: Node, new: Node) -> Guess | None:
    """Return the step between a map and a list of objects."""
    if (old.type, new.type) == ("map", "list") and new.items is not None:
        key, value = _key_of(new, new.items), _value_of(new.items)
        is_texts = old.values is not None and old.values.type == "string"
        is_pairs = is_texts and key and value
        return Guess({"mapToList": {"key": key, "value": value}}) if is_pairs else None
    if (old.type, new.type) == ("list", "map") and old.items is not None:
        key = _key_of(old, old.items)
        is_objects = new.values is not None and new.values.type == old.items.type == "object"
        return Guess({"listToMap": {"key": key}}) if key and is_objects else None
    return None


def _key_of(node: Node, items: Node) -> str:
    """Return the field by which a list's items are known: a string; empty if there is none."""
    keys = node.schema.get("x-kubernetes-list-map-keys") or [
        name for name in _KEYS if name in items.fields
    ]
    found = items.field(str(keys[0])) if keys and items.fields else None
    return str(keys[0]) if found is not None and found.type == "string" else ""


def _value_of(items: Node) -> str:
    return next((name for name in ("value", "text") if name in items.fields), "")


def fields_below(node: Node) -> Iterator[Node]:
    """Yield a node and the fields below it, but not what is in lists and maps."""
    yield node
    if node.type == "object":
        for name in node.fields:
            child = node.field(name)
            if child is not None:
                yield from fields_below(child)
