"""Reads members of objects that may be malformed. Pure."""

from typing import Any

from schemagen.problems import JSON


def member(value: JSON, name: str) -> Any:
    """Return a member; None if there is none."""
    return value.get(name) if type(value) is dict else None


def members(value: JSON, name: str) -> dict[str, Any]:
    """Return a member that is an object; an empty one otherwise."""
    read = member(value, name)
    return read if type(read) is dict else {}


def items(value: JSON, name: str) -> list[Any]:
    """Return a member that is a list; an empty one otherwise."""
    read = member(value, name)
    return read if type(read) is list else []


def text(value: JSON, name: str) -> str:
    """Return a member that is a string; an empty one otherwise."""
    read = member(value, name)
    return read if type(read) is str else ""


def texts(value: JSON, name: str) -> list[str]:
    """Return the strings in a member that is a list."""
    return [item for item in items(value, name) if type(item) is str]
