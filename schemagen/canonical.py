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


def digest(value: JSON) -> str:
    """64 bits of SHA-256 of the canonical bytes, in hex: tells edits apart, is no seal."""
    return hashlib.sha256(dumps(value)).hexdigest()[:16]
