"""Objects of built-in kinds as an API server may hand them out: drawn from its own OpenAPI. Pure.

Whatever the schema allows comes: absent and null fields, words that no version of ours knows,
instants and numbers at the ends of their types, empty and huge lists and texts.
"""

import random
from typing import Any, Final

from controllers import kube

MAX_DEPTH: Final = 9
_WORDS: Final = (
    *("", "Unknown", "Failed", "Pending", "Running", "Succeeded", "True", "False", "Evicted"),
    *("OOMKilled", "ContainerStatusUnknown", "ImagePullBackOff", "PodScheduled", "Complete"),
    *("DisruptionTarget", "FailureTarget", "Suspended", "agent-runner", "not a word", "Ünïcode ✓"),
    *("{", '{"status":"succeeded"}', "[" * 4096, "a\u0000b\u0007", "x" * 2000, "-1", "null", "😀"),
)
_INSTANTS: Final = (
    *("2026-11-29T20:00:00Z", "0001-01-01T00:00:00Z", "0000-01-01T00:00:00Z"),
    *("9999-12-31T23:59:59Z", "1969-12-31T23:59:59Z", "2026-11-29T20:00:00.123456Z", ""),
)
_NUMBERS: Final = (0, 1, -1, 137, 255, 2**31 - 1, -(2**31))
_LONG_NUMBERS: Final = (*_NUMBERS, 2**63 - 1, -(2**63))


class Draws:
    """Draws objects by the schemas of one document of ``/openapi/v3``."""

    def __init__(self, document: kube.JSON, rng: random.Random) -> None:
        self._schemas, self._rng = document["components"]["schemas"], rng

    def object(self, name: str) -> kube.JSON:
        """An object by the name of its schema; only what identifies it is as always."""
        rng, drawn = self._rng, self._value({"$ref": f"#/components/schemas/{name}"}, 0)
        named = f"odd-{rng.randrange(10**9)}"
        identity = {"name": named, "namespace": "team", "uid": named, "resourceVersion": "7"}
        return {**drawn, "metadata": {**(drawn.get("metadata") or {}), **identity}}

    def _value(self, schema: kube.JSON, depth: int) -> Any:
        if "$ref" in schema:
            schema = self._schemas[schema["$ref"].rpartition("/")[2]]
        (inner,) = schema.get("allOf") or (None,)
        if inner is None and "oneOf" in schema:
            inner = self._rng.choice(schema["oneOf"])
        if inner is not None:
            return self._value(inner, depth)
        match schema.get("type"):
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, depth)
            case _:
                return self._rng.choice(_scalars(schema))

    def _object(self, schema: kube.JSON, depth: int) -> kube.JSON:
        properties = schema.get("properties")
        if properties is None:
            inner = schema.get("additionalProperties")
            names = self._rng.sample(_WORDS, self._rng.choice((0, 0, 1, 3)))
            return {name: self._value(inner, depth + 1) for name in names} if inner else {}
        drawn: dict[str, Any] = {}
        for name, one in properties.items():
            chance = self._rng.random()
            if chance < 0.2:
                drawn[name] = None
            elif chance < 0.7 and depth < MAX_DEPTH:
                drawn[name] = self._value(one, depth + 1)
        return drawn

    def _array(self, schema: kube.JSON, depth: int) -> list[Any]:
        length = self._rng.choice((0, 1, 1, 2)) if depth < MAX_DEPTH else 0
        return [
            None if self._rng.random() < 0.05 else self._value(schema["items"], depth + 1)
            for _ in range(length)
        ]


_SCALARS: Final[dict[tuple[str | None, str | None], tuple[Any, ...]]] = {
    ("boolean", None): (False, True),
    ("integer", "int32"): _NUMBERS,
    ("integer", "int64"): _LONG_NUMBERS,
    ("number", "double"): (0.0, -0.5, 1e300),
    ("string", "date-time"): _INSTANTS,
}


def _scalars(schema: kube.JSON) -> tuple[Any, ...]:
    kind = schema.get("type")
    if kind is None:
        return ({},)
    return _SCALARS.get((kind, schema.get("format")), (*_WORDS, *schema.get("enum", ())))
