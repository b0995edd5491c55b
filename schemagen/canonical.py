"""One byte string per JSON value: keys sorted, no white space, UTF-8."""

import hashlib
import json

import orjson

from schemagen.problems import JSON


def dumps(value: JSON) -> bytes:
    """The canonical bytes of a JSON value."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:  # orjson stops at 254 levels and at 64-bit integers
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return text.encode()


def most_bytes(written: int) -> int:
    """How many canonical bytes JSON of so many bytes may have.

    A float grows most: 1e15 becomes 1000000000000000.0, eighteen bytes of four.
    """
    return 5 * written


def digest(value: JSON) -> str:
    """64 bits of SHA-256 of the canonical bytes, in hex: tells edits apart, is no seal."""
    return hashlib.sha256(dumps(value)).hexdigest()[:16]
