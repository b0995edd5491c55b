"""Structural schemas and values of their shape, at the edges of both; drawn from a seed.

Pure. For `judge_draws`: a schema is accepted most of the time, a value about half of the time.
"""

import copy
import random
import string
from collections.abc import Callable
from typing import Any

from schemagen import canonical
from schemagen.problems import JSON

FIELDS = ["a", "b", "kind", "with-dash", "with.dot", "über", "true"]
_PATTERNS = ["^[a-z]+$", "^a{1,3}$", "[0-9]", r"^\d+$", "^(a|b|)$", "^.{2,4}$"]

# A good and a bad value beside each, where there is one.
FORMATS: dict[str, list[Any]] = {
    "date-time": ["2026-01-19T00:00:00Z", "2026-01-19t00:00:00.5+01:00", "2026-01-19"],
    "date": ["2026-01-19", "2026-13-19"],
    "duration": ["1h30m", "PT1H", "1 day", "x"],
    "byte": ["YQ==", "YQ=", "%"],
    "uuid": ["1b4e28ba-2fa1-11d2-883f-0016d3cca427", "1b4e28ba2fa111d2883f0016d3cca427", "1b4e"],
    "ipv4": ["1.2.3.4", "1.2.3.04", "1.2.3"],
    "ipv6": ["::1", "::ffff:1.2.3.4", ":"],
    "cidr": ["10.0.0.0/8", "10.0.0.1/33"],
    "uri": ["https://a.example/b", "/path", "a b"],
    "email": ["a@b.example", "a@"],
    "hostname": ["a.example", "-a"],
    "hexcolor": ["#fff", "#ff"],
    "k8s-short-name": ["a-b", "A"],
    "k8s-long-name": ["a.b-c", "a..b"],
    "password": ["x"],
    "int32": ["1"],
    "zzz": ["anything"],
}
_TEXTS = [
    "",
    "a",
    "b",
    "aaa",
    "aaaa",
    "1",
    "٣",
    "a\n",
    "é",
    "𝄞𝄞",
    "x" * 64,
    "250m",
    "1.5Gi",
    "null",
]
NUMBERS: list[Any] = [
    *(0, 1, -1, 2, 3, 7, 10, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**53, 2**63 - 1, 2**63),
    *(0.0, 1.0, 0.5, -2.25, 1e3, 1e20, 1e300, 3.0000001),
]
ANYTHING: list[Any] = [
    *(None, True, False, [], {}, [None], {"a": None}, {"a": {"b": [1, "x"]}}, [[1], {}]),
    *_TEXTS,
    *NUMBERS,
]

_RULES = {
    "string": [
        "self != 'a'",
        "self.size() < 3",
        "self.matches('^[a-z]*$')",
        "self == oldSelf",
        "self.lowerAscii() == self",
        "quantity(self).isLessThan(quantity('1Gi'))",
        "isURL(self) || url(self).getHost() == 'x'",
        "self.nowhere == 1",
    ],
    "integer": ["self > 0", "self % 2 == 0", "10 / self > 0", "self >= oldSelf", "self == 'a'"],
    "number": ["self > 0.5", "self != 1.0", "int(self) < 3"],
    "boolean": ["self", "!self || oldSelf"],
    "array": ["self.size() < 2", "self.all(x, self.exists_one(y, x == y))", "self.isSorted()"],
    "object": [
        "has(self.a)",
        "!has(self.a) || !has(self.b)",
        "self.a == self.b",
        "self == oldSelf",
        "self.all(key, key != 'b')",
        "has(self.kind) == has(self.__true__)",
        "self.with__dash__dash == 'x'",
    ],
}
_REASONS = ["FieldValueInvalid", "FieldValueRequired", "FieldValueForbidden", "FieldValueDuplicate"]


def chance(rng: random.Random, percent: int) -> bool:
    """Whether something of a chance happens."""
    return rng.randrange(100) < percent


def schema(rng: random.Random, depth: int = 3) -> JSON:
    """A schema that is structural, but for an accident now and then."""
    if depth > 0 and chance(rng, 60):
        node = rng.choice([_array, _object, _object, _map])(rng, depth)
    else:
        node = rng.choice([_string, _string, _integer, _number, _boolean, _odd])(rng)
    if chance(rng, 10):
        node["nullable"] = True
    if chance(rng, 15):
        node["default"] = value_of(rng, node)
    if chance(rng, 12) and "type" in node:
        node["x-kubernetes-validations"] = [_rule(rng, node["type"])]
    return node


def _string(rng: random.Random) -> JSON:
    node: JSON = {"type": "string"}
    match rng.randrange(8):
        case 0:
            node["enum"] = rng.sample(_TEXTS, 3)
        case 1:
            node["format"] = rng.choice(list(FORMATS))
        case 2:
            node["pattern"] = rng.choice(_PATTERNS)
        case 3:
            node[rng.choice(["allOf", "anyOf", "oneOf"])] = [
                {"maxLength": rng.randrange(5)},
                {"pattern": rng.choice(_PATTERNS)},
            ]
        case 4:
            node["not"] = {"enum": rng.sample(_TEXTS, 2)}
    if chance(rng, 60):
        node["maxLength"] = rng.choice([1, 3, 64])
    if chance(rng, 20):
        node["minLength"] = rng.choice([1, 2])
    return node


def _bounds(rng: random.Random, numbers: list[Any]) -> JSON:
    node: JSON = {}
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if chance(rng, 40):
            node[bound] = rng.choice(numbers)
            if chance(rng, 30):
                node[exclusive] = chance(rng, 70)
    if chance(rng, 10):
        node["multipleOf"] = rng.choice([2, 3, 0.5])
    return node


def _integer(rng: random.Random) -> JSON:
    node: JSON = {"type": "integer", **_bounds(rng, [-1, 0, 1, 7, 2**31])}
    if chance(rng, 30):
        node["format"] = rng.choice(["int32", "int64", "int64", "uint8"])
    if chance(rng, 10):
        node["enum"] = [1, 2, 3]
    return node


def _number(rng: random.Random) -> JSON:
    node: JSON = {"type": "number", **_bounds(rng, [-1, 0, 0.5, 7.25])}
    if chance(rng, 20):
        node["format"] = rng.choice(["float", "double", "decimal"])
    return node


def _boolean(rng: random.Random) -> JSON:
    return {"type": "boolean", "enum": [True]} if chance(rng, 10) else {"type": "boolean"}


def _odd(rng: random.Random) -> JSON:
    """What has no type, or what more than a type says."""
    return copy.deepcopy(
        rng.choice(
            [
                {"x-kubernetes-int-or-string": True},
                {
                    "x-kubernetes-int-or-string": True,
                    "anyOf": [{"type": "integer"}, {"type": "string"}],
                    "pattern": "^[0-9]+m?$",
                },
                {"x-kubernetes-preserve-unknown-fields": True},
                {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                {
                    "type": "object",
                    "x-kubernetes-embedded-resource": True,
                    "x-kubernetes-preserve-unknown-fields": True,
                },
            ]
        )
    )


def _array(rng: random.Random, depth: int) -> JSON:
    node: JSON = {"type": "array", "items": schema(rng, depth - 1)}
    if chance(rng, 70):
        node["maxItems"] = rng.choice([1, 2, 5])
    if chance(rng, 15):
        node["minItems"] = 1
    match rng.randrange(6):
        case 0:
            node["x-kubernetes-list-type"] = "atomic"
        case 1:
            node |= {"items": {"type": "string", "maxLength": 3}, "x-kubernetes-list-type": "set"}
        case 2:
            item = _object(rng, depth)
            item["properties"]["a"] = {"type": "string", "maxLength": 3}
            item["required"] = sorted({*item.get("required", ()), "a"})
            node |= {
                "items": item,
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["a"],
            }
    return node


def _object(rng: random.Random, depth: int) -> JSON:
    names = rng.sample(FIELDS, rng.randint(1, 3))
    node: JSON = {
        "type": "object",
        "properties": {name: schema(rng, depth - 1) for name in names},
    }
    if chance(rng, 30):
        node["required"] = rng.sample(names, 1)
    if chance(rng, 10):
        node["x-kubernetes-preserve-unknown-fields"] = True
    if chance(rng, 10):
        node["x-kubernetes-map-type"] = rng.choice(["atomic", "granular"])
    if chance(rng, 10):
        node["maxProperties"] = rng.choice([1, 2])
    if chance(rng, 10):
        node["anyOf"] = [{"required": [names[0]]}, {"required": [names[-1]]}]
    return node


def _map(rng: random.Random, depth: int) -> JSON:
    node: JSON = {"type": "object", "additionalProperties": schema(rng, depth - 1)}
    if chance(rng, 60):
        node["maxProperties"] = rng.choice([1, 3])
    return node


def _rule(rng: random.Random, kind: str) -> JSON:
    rule: JSON = {"rule": rng.choice(_RULES[kind])}
    if chance(rng, 30):
        rule["message"] = "expected something else"
    if chance(rng, 10):
        rule["messageExpression"] = "'got ' + (type(self) == string ? 'a string' : 'another')"
    if chance(rng, 20):
        rule["reason"] = rng.choice(_REASONS)
    if chance(rng, 10) and kind == "object":
        rule["fieldPath"] = ".a"
    if chance(rng, 10) and "oldSelf" in rule["rule"]:
        rule["optionalOldSelf"] = True
    return rule


def value_of(rng: random.Random, node: JSON) -> Any:
    """A value of a schema's shape, at its bounds or a step beyond."""
    if node.get("nullable") and chance(rng, 15):
        return None
    if "enum" in node and chance(rng, 80):
        return rng.choice(node["enum"])
    if node.get("x-kubernetes-int-or-string"):
        return rng.choice([1, 2**31, "1", "1m", "x"])
    return _VALUES.get(node.get("type", ""), _any_value)(rng, node)


def _any_value(rng: random.Random, node: JSON) -> Any:
    del node
    return copy.deepcopy(rng.choice(ANYTHING))


def _string_value(rng: random.Random, node: JSON) -> str:
    if node.get("format") in FORMATS:
        return str(rng.choice(FORMATS[node["format"]]))
    if chance(rng, 30):
        length = max(0, node.get("maxLength", 3) + rng.choice([-1, 0, 0, 0, 1]))
        return "".join(rng.choices(string.ascii_lowercase, k=length))
    return rng.choice(_TEXTS[:5] if chance(rng, 70) else _TEXTS)


def _number_value(rng: random.Random, node: JSON) -> Any:
    bounds = [node[name] for name in ("minimum", "maximum") if name in node]
    if bounds and chance(rng, 70):
        return rng.choice(bounds) + rng.choice([-1, 0, 0, 1])
    return rng.choice([0, 1, 2, 7] if chance(rng, 70) else NUMBERS)


def _boolean_value(rng: random.Random, node: JSON) -> bool:
    del node
    return chance(rng, 50)


def _list_value(rng: random.Random, node: JSON) -> list[Any]:
    most = node.get("maxItems", 2)
    count = rng.choice([0, 1, 1, most, most, most + 1])
    items = [value_of(rng, node["items"]) for _ in range(count)]
    if node.get("x-kubernetes-list-type") in {"set", "map"} and chance(rng, 80):
        unique = {canonical.dumps(_key(item, node)): item for item in items}
        return list(unique.values())
    return items


def _key(item: Any, node: JSON) -> Any:
    keys = node.get("x-kubernetes-list-map-keys")
    return [item.get(key) for key in keys] if keys and isinstance(item, dict) else item


def _object_value(rng: random.Random, node: JSON) -> JSON:
    if node.get("x-kubernetes-embedded-resource") and chance(rng, 80):
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": rng.choice(["x", "X_"])}}
    if "additionalProperties" in node:
        keys = rng.sample(FIELDS, rng.randint(0, 2))
        return {key: value_of(rng, node["additionalProperties"]) for key in keys}
    found = {
        name: value_of(rng, child)
        for name, child in node.get("properties", {}).items()
        if name in node.get("required", ()) or chance(rng, 70)
    }
    if node.get("x-kubernetes-preserve-unknown-fields"):
        found["more"] = copy.deepcopy(rng.choice(ANYTHING))
    return found


_VALUES: dict[str, Callable[[random.Random, JSON], Any]] = {
    "string": _string_value,
    "integer": _number_value,
    "number": _number_value,
    "boolean": _boolean_value,
    "array": _list_value,
    "object": _object_value,
}
