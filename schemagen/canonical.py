"""Canonical JSON encoding: keys sorted, no whitespace, UTF-8."""

import hashlib
import json
from collections.abc import Iterator

import orjson

from schemagen.problems import JSON

_NOTHING = object()


def dumps(value: JSON) -> bytes:
    """Return the canonical bytes of a JSON value."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:  # orjson fails past 254 levels and 64-bit integers
        pass
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    except RecursionError:  # json fails past some hundred levels; the API server accepts 10,000
        text = "".join(_parts(value))
    return text.encode()


def _parts(value: JSON) -> Iterator[str]:
    """Yield the text of a value of any depth, using an explicit stack instead of recursion."""
    rest: list[tuple[str, JSON]] = [("", value)]
    while rest:
        before, item = rest.pop()
        yield before
        if item and isinstance(item, dict):
            fields = [(json.dumps(key, ensure_ascii=False), item[key]) for key in sorted(item)]
            written = [(f"{',' * (n > 0)}{key}:", child) for n, (key, child) in enumerate(fields)]
            yield "{"
            rest += [("}", _NOTHING), *written[::-1]]
        elif item and isinstance(item, list):
            yield "["
            rest += [("]", _NOTHING), *((",", child) for child in item[:0:-1]), ("", item[0])]
        elif item is not _NOTHING:
            yield json.dumps(item, ensure_ascii=False)


def identical(one: JSON, other: JSON) -> bool:
    """Return whether two values are equal as JSON, in which 1, 1.0 and true differ."""
    if one is other:
        return True
    if type(one) is not type(other) or one != other:
        return False
    return dumps(one) == dumps(other)


def most_bytes(written: int) -> int:
    """Return an upper bound of the canonical size for JSON of this many bytes.

    Floats grow most: 1e15 becomes 1000000000000000.0, eighteen bytes from four.
    """
    return 5 * written


def digest(value: JSON) -> str:
    """Return 64 bits of SHA-256 of the canonical bytes, in hex: detects edits, not tampering."""
    return hashlib.sha256(dumps(value)).hexdigest()[:16]
