"""Records of a spool as bytes, and back, past whatever was damaged. Pure.

A record is a magic, the length and CRC-32 of its content, and the content. Reading goes on behind
damage at the next magic whose checksum is right: a torn tail, or a lost block, costs only itself.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

MAGIC: Final = b"\xf5SPL"  # no byte of UTF-8 is F5, so no JSON text contains it
_HEAD: Final = struct.Struct(">4sII")
MAX_CONTENT_BYTES: Final = 16 * 1024 * 1024


class Record(msgspec.Struct, frozen=True, array_like=True):
    """A verified delivery.

    Attributes:
        namespace: Of its source.
        source: Name of its source.
        uid: Of its source: a new source of that name did not receive it.
        received: Time of its arrival, in seconds since 1970.
        headers: Those that are read.
        body: As received.
    """

    namespace: str
    source: str
    uid: str
    received: float
    headers: dict[str, str]
    body: bytes


class Damage(NamedTuple):
    """Bytes that are no record."""

    offset: int
    size: int


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Record)


def encoded(record: Record) -> bytes:
    """Return a record's bytes."""
    content = _ENCODER.encode(record)
    return _HEAD.pack(MAGIC, len(content), zlib.crc32(content)) + content


def records(data: bytes) -> Iterator[Record | Damage]:
    """Yield the records of a segment, and what is between them."""
    offset = damaged = 0
    while offset < len(data):
        size, record = _record_at(data, offset)
        if record is None:
            following = data.find(MAGIC, offset + 1)
            offset = len(data) if following < 0 else following
            continue
        if damaged < offset:
            yield Damage(damaged, offset - damaged)
        yield record
        offset = damaged = offset + size
    if damaged < offset:
        yield Damage(damaged, offset - damaged)


def _record_at(data: bytes, offset: int) -> tuple[int, Record | None]:
    """Return a record and its size; None if there is none at this place."""
    if len(data) - offset < _HEAD.size:
        return 0, None
    magic, length, checksum = _HEAD.unpack_from(data, offset)
    end = offset + _HEAD.size + length
    if magic != MAGIC or length > MAX_CONTENT_BYTES or end > len(data):
        return 0, None
    content = data[offset + _HEAD.size : end]
    if zlib.crc32(content) != checksum:
        return 0, None
    try:
        return end - offset, _DECODER.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return 0, None
