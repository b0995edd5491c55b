"""One byte string per JSON value: keys sorted, no white space, UTF-8."""

import hashlib
import json
from collections.abc import Iterator

import orjson

from schemagen.problems import JSON

_NOTHING = object()


def dumps(value: JSON) -> bytes:
    """The canonical bytes of a JSON value."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:  # orjson stops at 254 levels and at 64-bit integers
        pass
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    except RecursionError:  # and json at some hundred, where the API server takes 10,000
        text = "".join(_parts(value))
    return text.encode()


def _parts(value: JSON) -> Iterator[str]:
    """The text of a value of any depth: what is still to be written waits on a stack."""
    rest: list[tuple[str, JSON]] = [("", value)]
    while rest:
        before, one = rest.pop()
        yield before
        if one and isinstance(one, dict):
            fields = [(json.dumps(key, ensure_ascii=False), one[key]) for key in sorted(one)]
            written = [(f"{',' * (n > 0)}{key}:", child) for n, (key, child) in enumerate(fields)]
            yield "{"
            rest += [("}", _NOTHING), *written[::-1]]
        elif one and isinstance(one, list):
            yield "["
            rest += [("]", _NOTHING), *((",", child) for child in one[:0:-1]), ("", one[0])]
        elif one is not _NOTHING:
            yield json.dumps(one, ensure_ascii=False)


def identical(one: JSON, other: JSON) -> bool:
    """Equality that tells 1, 1.0 and true apart, as JSON does."""
    if one is other:
        return True
    if type(one) is not type(other) or one != other:
        return False
    return dumps(one) == dumps(other)


def most_bytes(written: int) -> int:
    """How many canonical bytes JSON of so many bytes may have.

    A float grows most: 1e15 becomes 1000000000000000.0, eighteen bytes of four.
    """
    return 5 * written


def digest(value: JSON) -> str:
    """64 bits of SHA-256 of the canonical bytes, in hex: tells edits apart, is no seal."""
    return hashlib.sha256(dumps(value)).hexdigest()[:16]
