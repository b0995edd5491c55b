"""Files of the archive: appended, repaired and read by member. Shell: files.

A file is a sequence of gzip members (RFC 1952), one per batch, so that ``zcat`` reads it all. Each
member has its own length in its header, so that members are found without decompression.
"""

import collections
import dataclasses
import io
import logging
import os
import pathlib
import struct
import zlib
from collections.abc import Iterator
from typing import Final

# Magic, deflate, FEXTRA; no mtime, flags or OS; 8 bytes of extra field: "KW" and 4 bytes with the
# length of the member.
_HEAD: Final = b"\x1f\x8b\x08\x04" + bytes(5) + b"\xff" + b"\x08\x00KW\x04\x00"
_LENGTH: Final = struct.Struct("<I")
_TRAILER: Final = struct.Struct("<II")
_HEADER_BYTES: Final = len(_HEAD) + _LENGTH.size
_SEARCHED_BYTES: Final = 1024 * 1024
_log = logging.getLogger(__name__)


def member(data: bytes) -> bytes:
    """Return a gzip member with its length in the header."""
    body = zlib.compress(data, wbits=-zlib.MAX_WBITS)
    length = _LENGTH.pack(_HEADER_BYTES + len(body) + _TRAILER.size)
    return _HEAD + length + body + _trailer(data)


def _trailer(data: bytes) -> bytes:
    return _TRAILER.pack(zlib.crc32(data), len(data) & 0xFFFFFFFF)


def open_private(path: pathlib.Path, flags: int) -> io.FileIO:
    """Open a file unbuffered, so that nothing is written after a failure, and private."""
    return io.FileIO(os.open(path, flags | os.O_CLOEXEC, 0o600), "r+")


def write_synced(file: io.FileIO, data: bytes) -> None:
    """Write all of the data, and sync it to disk."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]
    os.fsync(file.fileno())


def truncate_torn(path: pathlib.Path) -> None:
    """Remove an incomplete last member: no run of it was deleted."""
    with open_private(path, os.O_RDWR) as file:
        last = collections.deque(spans(file), maxlen=1)
        if not last or read(file, last[0]) is not None:
            return
        (torn,) = last
        file.seek(torn.start)
        head = file.read(len(_HEAD))
        # A crash leaves a prefix of a member, or zeros.
        if not _HEAD.startswith(head) and any(head):
            _log.warning("%s: leaving %d unrecognized bytes in place", path, torn.length)
            return
        _log.warning("%s: removing an incomplete write of %d bytes", path, torn.length)
        file.truncate(torn.start)
        os.fsync(file.fileno())


@dataclasses.dataclass(frozen=True, slots=True)
class _Span:
    """Position of a member, or of damaged data."""

    start: int
    length: int
    is_member: bool


def spans(file: io.FileIO) -> Iterator[_Span]:
    """Yield the spans of a file, by the lengths in its members' headers."""
    size, start = os.fstat(file.fileno()).st_size, 0
    while start < size:
        length = _length_at(file, start)
        if length and start + length <= size:
            yield _Span(start, length, is_member=True)
        else:
            length = _next_head(file, start + 1, size) - start
            yield _Span(start, length, is_member=False)
        start += length


def _length_at(file: io.FileIO, start: int) -> int:
    """Return the length in a member's header; 0 if there is no member."""
    file.seek(start)
    header = file.read(_HEADER_BYTES)
    if len(header) < _HEADER_BYTES or not header.startswith(_HEAD):
        return 0
    (length,) = _LENGTH.unpack_from(header, len(_HEAD))
    return int(length) if length >= _HEADER_BYTES + _TRAILER.size else 0


def _next_head(file: io.FileIO, start: int, size: int) -> int:
    """Return the offset of the next member, or the end of the file."""
    while start < size:
        file.seek(start)
        # A header may cross the boundary of a block.
        offset = file.read(_SEARCHED_BYTES + len(_HEAD)).find(_HEAD)
        if offset >= 0:
            return start + offset
        start += _SEARCHED_BYTES
    return size


def read(file: io.FileIO, span: _Span) -> bytes | None:
    """Return the content of a member; None if it is damaged."""
    if not span.is_member:
        return None
    file.seek(span.start)
    member = file.read(span.length)
    try:
        data = zlib.decompress(member[_HEADER_BYTES : -_TRAILER.size], wbits=-zlib.MAX_WBITS)
    except zlib.error:
        return None
    return data if member[-_TRAILER.size :] == _trailer(data) else None
