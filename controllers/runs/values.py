"""Members of JSON values, and durations in them. Pure."""

from collections.abc import Mapping
from typing import Any

from schemagen.problems import JSON
from schemagen.versions import steps


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
