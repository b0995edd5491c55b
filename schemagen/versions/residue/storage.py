"""Annotations that store residue: their names, encoding, and size limits.

``conversion.GROUP/VERSION-residue`` has what a version holds outside the status and another one
cannot express, ``-status-residue`` the same of the status: it is separate so that a writer of the
spec cannot forge it. ``-overflow`` names the fields that exceeded the limit.
"""

import base64
import binascii
import dataclasses
import zlib
from collections.abc import Iterable, Sequence
from typing import Final

import orjson

from schemagen import canonical
from schemagen.model import registry
from schemagen.problems import JSON
from schemagen.versions.residue.residue_entries import Entry

# TotalAnnotationSizeLimitB of apimachinery: an object above it cannot be read any more.
MAX_ANNOTATIONS_BYTES: Final = 256 * 1024
# Residue leaves a quarter to everybody else.
MAX_TEXT_BYTES: Final = 192 * 1024
# An object has 3 MiB at most, and its residue no more than it; 100 KB can inflate to 100 MB.
MAX_ENTRIES_BYTES: Final = 4 * 1024 * 1024
MAX_ENTRIES: Final = 4096
# What people may want to read stays readable.
MAX_READABLE_BYTES: Final = 4 * 1024
_COMPRESSED: Final = "zlib+base64:"

MAX_NAMED_FIELDS: Final = 10
_MAX_FIELD_CHARACTERS: Final = 120
_OVERFLOW_BYTES: Final = 2 * 1024


@dataclasses.dataclass(frozen=True)
class Names:
    """The annotations of one version of an API."""

    residue: str
    status: str
    overflow: str

    @property
    def all(self) -> frozenset[str]:
        """Every one of them."""
        return frozenset((self.residue, self.status, self.overflow))


def names(api: registry.Api, version: registry.Version) -> Names:
    """The annotations for what a version says and another one cannot."""
    prefix = f"conversion.{api.group}/{version.name}"
    return Names(f"{prefix}-residue", f"{prefix}-status-residue", f"{prefix}-overflow")


# --- an object's annotations --------------------------------------------------------------------


def annotations_of(value: JSON) -> dict[str, JSON]:
    """The annotations of an object, none if there are none or they are no object."""
    metadata = value.get("metadata") if isinstance(value, dict) else None
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    return annotations if isinstance(annotations, dict) else {}


def without(value: dict[str, JSON], removed: frozenset[str]) -> dict[str, JSON]:
    """The object without some annotations; the object itself if it has none of them."""
    annotations = annotations_of(value)
    if removed.isdisjoint(annotations):
        return value
    rest = {key: text for key, text in annotations.items() if key not in removed}
    bare = {key: item for key, item in value["metadata"].items() if key != "annotations"}
    return {**value, "metadata": {**bare, **({"annotations": rest} if rest else {})}}


def having(value: dict[str, JSON], added: dict[str, str]) -> dict[str, JSON]:
    """The object with more annotations."""
    if not added:
        return value
    metadata = value.get("metadata")
    rest = metadata if isinstance(metadata, dict) else {}
    return {**value, "metadata": {**rest, "annotations": {**annotations_of(value), **added}}}


def with_residue(
    api: registry.Api,
    kind: registry.Kind,
    value: dict[str, JSON],
    old: dict[str, JSON] | None,
    *,
    is_replacement: bool,
) -> dict[str, JSON]:
    """The object with the residue that it has to have; the object itself if it has that.

    A client that replaces an object and knows no annotations leaves residue out: it is taken from
    the old object. A patch or an apply without residue has removed what it was about. The status
    is the old object's in any write that is asked about, and so is its residue.
    """
    every = [names(api, version) for version in kind.versions]
    given, before = annotations_of(value), annotations_of(old)
    status = frozenset(one.status for one in every)
    kept = {key: text for key, text in before.items() if key in status}
    if is_replacement:
        left_out = [one.residue for one in every if one.residue not in given]
        kept |= {name: before[name] for name in left_out if name in before}
    if all(given.get(key) == text for key, text in kept.items()) and status & {*given} <= {*kept}:
        return value
    return having(without(value, status), kept)


def room(value: dict[str, JSON]) -> int:
    """How many bytes residue may take beside the annotations that an object has."""
    used = sum(_bytes(key) + _bytes(text) for key, text in annotations_of(value).items())
    return min(MAX_TEXT_BYTES, MAX_ANNOTATIONS_BYTES - _OVERFLOW_BYTES - used)


def _bytes(text: JSON) -> int:
    return len(text.encode(errors="surrogatepass")) if isinstance(text, str) else 0


# --- entries as text ----------------------------------------------------------------------------


def entries_of(value: dict[str, JSON], version: Names) -> list[Entry]:
    """The residue of a version that an object carries, each kind about its own part only."""
    annotations = annotations_of(value)
    return [
        *(entry for entry in _read(annotations.get(version.residue)) if not is_status(entry)),
        *(entry for entry in _read(annotations.get(version.status)) if is_status(entry)),
    ]


def is_status(entry: Entry) -> bool:
    """Whether an entry speaks of the status."""
    at = entry.get("at")
    if isinstance(at, list) and at:
        return bool(at[0] == "status")
    keys = [key for part in ("was", "is", "insert") for key in _keys(entry.get(part))]
    return "status" in keys


def _keys(part: JSON) -> Iterable[str]:
    return part if isinstance(part, dict) else ()


def _read(text: JSON) -> Sequence[Entry]:
    """The entries of an annotation; what anybody may have written there never raises."""
    if not isinstance(text, str) or len(text) > MAX_ANNOTATIONS_BYTES:
        return ()
    try:
        entries = orjson.loads(_inflated(text))
    except (ValueError, zlib.error, binascii.Error):
        return ()
    if not isinstance(entries, list) or len(entries) > MAX_ENTRIES:
        return ()
    return [entry for entry in entries if isinstance(entry, dict)]


def _inflated(text: str) -> str | bytes:
    if not text.startswith(_COMPRESSED):
        return text
    packed = base64.b64decode(text.removeprefix(_COMPRESSED), validate=True)
    return zlib.decompressobj().decompress(packed, MAX_ENTRIES_BYTES)


@dataclasses.dataclass(frozen=True)
class Kept:
    """Entries as text, and what found no room.

    Attributes:
        text: Of an annotation; empty if there is nothing to keep.
        left_out: Entries without room.
    """

    text: str
    left_out: tuple[Entry, ...] = ()

    @property
    def dropped_bytes(self) -> int:
        """How many bytes found no room."""
        return sum(len(canonical.dumps(entry)) for entry in self.left_out)


def kept(entries: Sequence[Entry], max_bytes: int) -> Kept:
    """As many entries as have room, the largest left out first, in their own order."""
    text = _text(entries)
    if text is not None and len(text) <= max_bytes:
        return Kept(text)
    sizes = [len(canonical.dumps(entry)) for entry in entries]
    largest = sorted(range(len(entries)), key=lambda at: -sizes[at])
    # How many of the largest have to go; compressed sizes do not add up, so they are tried.
    low, high = 1, len(entries)
    while low < high:
        middle = (low + high) // 2
        text = _text(_without(entries, largest[:middle]))
        low, high = (low, middle) if _fits(text, max_bytes) else (middle + 1, high)
    gone = sorted(largest[:low])
    text = _text(_without(entries, gone))
    return Kept(text if text and _fits(text, max_bytes) else "", tuple(entries[at] for at in gone))


def _fits(text: str | None, max_bytes: int) -> bool:
    return text is not None and len(text) <= max_bytes


def _without(entries: Sequence[Entry], gone: Sequence[int]) -> list[Entry]:
    indexes = {*gone}
    return [entry for at, entry in enumerate(entries) if at not in indexes]


def _text(entries: Sequence[Entry]) -> str | None:
    """The annotation's text, compressed if that is shorter; None if nobody would read it."""
    if not entries:
        return ""
    written = canonical.dumps(list(entries))
    if len(written) > MAX_ENTRIES_BYTES or len(entries) > MAX_ENTRIES:
        return None
    if len(written) > MAX_READABLE_BYTES:
        packed = _COMPRESSED + base64.b64encode(zlib.compress(written)).decode()
        if len(packed) < len(written):
            return packed
    return written.decode(errors="surrogatepass")


# --- overflow -----------------------------------------------------------------------------------


def fields_of(entries: Iterable[Entry]) -> list[str]:
    """The fields that entries are about, as people write them, each once."""
    return [*dict.fromkeys(field for entry in entries for field in _fields(entry))]


def _fields(entry: Entry) -> Iterable[str]:
    steps = entry.get("at")
    at = "".join(map(_step, steps)) if isinstance(steps, list) else ""
    if "by" in entry and "was" not in entry:
        item, by = entry.get("item"), entry["by"]
        named = item if isinstance(item, dict) else {"": item}
        keys = [key for key in by if isinstance(key, str)] if isinstance(by, list) else []
        yield f"{at}{_step({key: named.get(key) for key in keys or ['']})}".removeprefix(".")
        return
    for part in ("was", "is"):
        for key in _keys(entry.get(part)):
            yield f"{at}.{key}".removeprefix(".")


def _step(step: JSON) -> str:
    if isinstance(step, dict):
        return (
            "["
            + ",".join(f"{key}={value}" if key else str(value) for key, value in step.items())
            + "]"
        )
    return f".{step}"


def overflow_text(fields: Sequence[str]) -> str:
    """The text of the annotation that names fields without room."""
    return canonical.dumps(named(fields)).decode()


def named(fields: Sequence[str]) -> list[str]:
    """The first of many fields, and how many more there are."""
    short = [_short(field) for field in fields[:MAX_NAMED_FIELDS]]
    more = len(fields) - len(short)
    return [*short, *([f"and {more} more"] if more else [])]


def _short(field: str) -> str:
    return (
        field if len(field) <= _MAX_FIELD_CHARACTERS else field[: _MAX_FIELD_CHARACTERS - 1] + "…"
    )


def overflow_of(value: JSON, version: Names) -> list[str]:
    """The fields that found no room when an object was converted from a version."""
    text = annotations_of(value).get(version.overflow)
    try:
        fields = orjson.loads(text) if isinstance(text, str) else []
    except ValueError:
        return [str(text)[:_MAX_FIELD_CHARACTERS]]
    return [str(field) for field in fields] if isinstance(fields, list) else []
