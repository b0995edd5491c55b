"""Members of JSON values, and durations in them. Pure."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from schemagen.problems import JSON
from schemagen.versions import steps

# A list or mapping, and a reference in one, on a machine of 64 bits.
_CONTAINER_BYTES: Final = 64
_ITEM_BYTES: Final = 56


def at(value: JSON, *names: str) -> Any:
    """A value some members down; None where one of them is not there."""
    for name in names:
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def present(fields: Mapping[str, JSON]) -> dict[str, JSON]:
    """The fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


def seconds(duration: JSON) -> int | None:
    """The seconds of a duration such as ``1h30m``; None for what is none."""
    return steps.seconds_of(duration) if isinstance(duration, str) else None


def memory_bytes(value: JSON) -> int:
    """About how much memory a value of JSON takes; empty lists take much more than their text."""
    text = msgspec.json.encode(value)
    containers = text.count(b"{") + text.count(b"[")
    return len(text) + _CONTAINER_BYTES * containers + _ITEM_BYTES * text.count(b",")
