"""Generate objects at the boundaries of a schema: valid ones and near misses.

The caller seeds the random source, so that a seed identifies a run.
"""

import functools
import random
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import re2
import rstr

from schemagen.differential import sample_values
from schemagen.problems import JSON
from schemagen.schema.keywords import Schema

Path: TypeAlias = tuple[str | int, ...]

# Share of its optional fields that a valid object has.
_FILLED = (0.1, 0.3, 0.6, 0.9)
_MAX_LIST_LENGTH = 6
_MAX_STRING_LENGTH = 600
_LARGE = 10_000
_POOL = 32


class Draw:
    """Generator of values for schemas.

    Args:
        source: The only source of randomness.
        pool: Maximum number of distinct strings generated per pattern, as generating them is slow.
    """

    def __init__(self, source: random.Random, *, pool: int = _POOL) -> None:
        self._random = source
        self._pool = pool

    # ------------------------------------------------------------------------------- valid values

    def valid(self, schema: Schema) -> JSON:
        """Return a value that the schema allows, unless its keywords contradict each other."""
        if "enum" in schema:
            return self._random.choice(schema["enum"])
        if schema.get("x-kubernetes-int-or-string"):
            return self._integer(schema) if self._is(0.4) else self._string(schema)
        if schema.get("nullable") and self._is(0.1):
            return None
        named = _named_in_rules(schema)
        if named and self._is(0.3):
            return self._random.choice(named)
        draw = self._by_type.get(schema.get("type", ""))
        return draw(schema) if draw is not None else self._random.choice(sample_values.FREE_FORM)

    @functools.cached_property
    def _by_type(self) -> dict[str, Callable[[Schema], JSON]]:
        return {
            "string": self._string,
            "integer": self._integer,
            "number": self._number,
            "boolean": lambda _: self._is(0.5),
            "array": self._array,
            "object": self._object,
        }

    def _is(self, chance: float) -> bool:
        return self._random.random() < chance

    def _string(self, schema: Schema) -> str:
        minimum, maximum = schema.get("minLength", 0), schema.get("maxLength", _LARGE)
        if "pattern" in schema:
            return self._matching(schema["pattern"], minimum, maximum)
        if "format" in schema:
            fitting = [
                text for text in sample_values.good(schema["format"]) if len(text) <= maximum
            ]
            text: str = self._random.choice(fitting or ["x"])
            return text
        length: int = self._random.choice(
            [minimum, minimum + 1, min(maximum, minimum + 7), maximum]
        )
        if length > _MAX_STRING_LENGTH:
            length = minimum + 3
        return length * self._random.choice(["x", "é", "\U0001f600"])

    def _matching(self, pattern: str, minimum: int, maximum: int) -> str:
        return self._random.choice(_matching(pattern, minimum, maximum, self._pool))

    def _integer(self, schema: Schema) -> int:
        return int(
            self._within(
                schema,
                1,
                sample_values.INTEGERS.get(
                    schema.get("format", ""), sample_values.INTEGERS["int64"]
                ),
            )
        )

    def _number(self, schema: Schema) -> float:
        value = self._within(schema, 0.5, sample_values.NUMBERS)
        return value if self._is(0.5) else float(value)

    def _within(self, schema: Schema, step: float, values: Sequence[float]) -> float:
        low, high = schema.get("minimum"), schema.get("maximum")
        ends = [end + sign * step * over for end, sign in ((low, 1), (high, -1)) for over in (0, 1)
                if end is not None]  # fmt: skip
        fitting = [
            value
            for value in (*ends, *values)
            if (low is None or value >= low) and (high is None or value <= high)
        ]
        value: float = self._random.choice(fitting or ends or [0])
        factor: float | None = schema.get("multipleOf")
        return factor * (value // factor) if factor else value

    def _array(self, schema: Schema) -> list[JSON]:
        minimum, maximum = schema.get("minItems", 0), schema.get("maxItems", _LARGE)
        length = self._random.choice([minimum, minimum, minimum + 1, minimum + 2, maximum])
        length = min(length, maximum, max(minimum, _MAX_LIST_LENGTH))
        items = [self.valid(schema.get("items", {})) for _ in range(length)]
        return _distinct(items, schema)

    def _object(self, schema: Schema) -> dict[str, JSON]:
        if schema.get("x-kubernetes-embedded-resource"):
            return dict(self._random.choice(sample_values.EMBEDDED))
        properties = schema.get("properties", {})
        required = schema.get("required", ())
        filled = self._random.choice(_FILLED)
        value = {
            name: self.valid(prop)
            for name, prop in properties.items()
            if name in required or self._is(filled)
        }
        if "oneOf" in schema:
            self._choose(value, schema)
        if isinstance(schema.get("additionalProperties"), dict):
            value |= self._entries(schema)
        elif schema.get("x-kubernetes-preserve-unknown-fields") and self._is(0.5):
            value["unknownToAll"] = self._random.choice(sample_values.FREE_FORM)
        return value

    def _entries(self, schema: Schema) -> dict[str, JSON]:
        minimum, maximum = schema.get("minProperties", 0), schema.get("maxProperties", _LARGE)
        count = self._random.choice([minimum, minimum + 1, minimum + 2])
        keys = self._random.sample(
            sample_values.KEYS, k=min(count, maximum, len(sample_values.KEYS))
        )
        return {key: self.valid(schema["additionalProperties"]) for key in keys}

    def _choose(self, value: dict[str, JSON], schema: Schema) -> None:
        """Make an object match one branch of its oneOf, as unions of models are written."""
        branch = self._random.choice(schema["oneOf"])
        for name, prop in branch.get("properties", {}).items():
            value[name] = self._random.choice(prop.get("enum", [value.get(name)]))
        for name in branch.get("required", ()):
            if name not in value and name in schema.get("properties", {}):
                value[name] = self.valid(schema["properties"][name])
        for foreign in branch.get("not", {}).get("anyOf", ()):
            for name in foreign.get("required", ()):
                value.pop(name, None)

    # --------------------------------------------------------------------------------- near misses

    def near_miss(self, value: JSON, schema: Schema) -> JSON:
        """Return a copy of a value with one to three changes, each possibly invalid."""
        for _ in range(self._random.choice([1, 1, 1, 2, 3])):
            places = list(places_of(value, schema))
            path, node = self._random.choice(places)
            value = replaced(value, path, self._changed(at(value, path), node))
        return value

    def _changed(self, value: JSON, schema: Schema) -> JSON:
        """Return another value for a place, usually one near its type's boundaries."""
        chance = self._random.random()
        if chance < 0.15 or value is None or isinstance(value, bool):  # noqa: PLR2004 - now and then
            return self._random.choice(sample_values.ANYTHING)
        if chance < 0.3:  # noqa: PLR2004 - likewise
            return self.valid(schema)
        others: dict[type, Callable[[Any, Schema], JSON]] = {
            str: self._other_string,
            int: self._other_number,
            float: self._other_number,
            list: self._other_list,
        }
        return others.get(type(value), self._other_object)(value, schema)

    def _other_string(self, value: str, schema: Schema) -> JSON:
        if "format" in schema and self._is(0.7):
            return self._random.choice(sample_values.all_of(schema["format"]))
        minimum, maximum = schema.get("minLength", 0), schema.get("maxLength", 0)
        at_end = self._random.choice(sample_values.CHARACTERS)
        middle = self._random.randrange(len(value) + 1)
        return self._random.choice(
            [
                value + at_end,
                value[:middle] + at_end + value[middle:],
                value[:middle] + value[middle + 1 :],
                value.upper(),
                "x" * max(minimum - 1, 0),
                self._random.choice(["x", "é", "\U0001f600"]) * (min(maximum, _LARGE) + 1),
                "",
            ]
        )

    def _other_number(self, value: float, schema: Schema) -> JSON:
        low, high = schema.get("minimum", 0), schema.get("maximum", 0)
        near = [low - 1, high + 1, low, high, low - 0.5, high + 0.5, float(low), float(high)]
        return self._random.choice(
            [*near, value + 1, -value, float(value), *sample_values.ODD_NUMBERS]
        )

    def _other_list(self, value: list[JSON], schema: Schema) -> JSON:
        items = schema.get("items", {})
        maximum = min(schema.get("maxItems", _MAX_LIST_LENGTH), 4 * _MAX_LIST_LENGTH)
        longer = value + [self.valid(items) for _ in range(maximum + 1 - len(value))]
        return self._random.choice(
            [value[1:], value + value[:1], [*value, None], longer, [*value, self.valid(items)]]
        )

    def _other_object(self, value: dict[str, JSON], schema: Schema) -> JSON:
        names = [*value, *schema.get("properties", {})] or ["a"]
        name = self._random.choice(names)
        child = schema.get("properties", {}).get(name, schema.get("additionalProperties"))
        node = child if isinstance(child, dict) else {}
        without = {key: member for key, member in value.items() if key != name}
        return self._random.choice(
            [
                without,
                without | {name: None},
                value | {"notInTheSchema": self._random.choice(sample_values.ANYTHING)},
                value | {name: self.valid(node)},
                value | {self._random.choice(sample_values.KEYS): self.valid(node)},
                {},
            ]
        )


_LITERALS = re.compile(r"""'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|\b(\d{1,9})\b""")


def _named_in_rules(schema: Schema) -> list[JSON]:
    """Return strings and numbers named in a scalar's own rules, as likely boundaries."""
    if schema.get("type") not in {"string", "integer"}:
        return []
    is_text = schema["type"] == "string"
    return [
        (single or double) if is_text else int(number)
        for rule in schema.get("x-kubernetes-validations", ())
        for single, double, number in _LITERALS.findall(rule["rule"])
        if bool(number) != is_text
    ]


# Number of candidates tried for the strings of a pattern.
_TRIES = 400


@functools.cache
def _matching(pattern: str, minimum: int, maximum: int, pool: int) -> Sequence[str]:
    """Return strings that match a pattern, stable across runs; a plain one if none is found."""
    strings = rstr.Rstr(random.Random(pattern))  # noqa: S311 - nothing secret
    expected = re2.compile(pattern)
    matching: dict[str, None] = {}
    for _ in range(_TRIES):
        try:
            text = strings.xeger(pattern)
        except re.error:  # RE2 syntax that Python cannot parse
            break
        if minimum <= len(text) <= maximum and expected.search(text):
            matching[text] = None
        if len(matching) >= pool:
            break
    return tuple(matching) or ("x",)


def _distinct(values: list[Any], schema: Schema) -> list[JSON]:
    """Drop duplicates where the list's type forbids them."""
    keys = schema.get("x-kubernetes-list-map-keys", ())
    if schema.get("x-kubernetes-list-type") not in {"set", "map"}:
        return values
    told_apart = {
        repr([value.get(key) for key in keys] if keys and isinstance(value, dict) else value): value
        for value in values
    }
    return list(told_apart.values())


def places_of(value: JSON, schema: Schema, path: Path = ()) -> Iterator[tuple[Path, Schema]]:
    """Yield every place of a value with its schema ({} where there is none)."""
    yield path, schema
    if isinstance(value, dict):
        rest = schema.get("additionalProperties")
        for name, part in value.items():
            child = schema.get("properties", {}).get(name, rest if isinstance(rest, dict) else {})
            yield from places_of(part, child, (*path, name))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from places_of(part, schema.get("items", {}), (*path, index))


def at(value: JSON, path: Path) -> JSON:
    """Return the part of a value at a place."""
    for part in path:
        value = value[part]
    return value


def replaced(value: JSON, path: Path, part: JSON) -> JSON:
    """Return a copy of a value with the part at a place replaced."""
    if not path:
        return part
    copied = value.copy()
    copied[path[0]] = replaced(value[path[0]], path[1:], part)
    return copied


def without(value: JSON, path: Path) -> JSON:
    """Return a copy of a value without the part at a place."""
    *above, last = path
    parent = at(value, tuple(above)).copy()
    del parent[last]
    return replaced(value, tuple(above), parent)


def without_nearest(value: JSON, path: Path) -> JSON:
    """Return a copy of a value without the part at a place, or its nearest existing ancestor."""
    depth = 0
    part = value
    for step in path:
        has_step = step in part if isinstance(part, dict) else _has_index(part, step)
        if not has_step:
            break
        part = part[step]
        depth += 1
    return without(value, path[:depth]) if depth else value


def _has_index(value: JSON, step: str | int) -> bool:
    return isinstance(value, list) and isinstance(step, int) and step < len(value)
